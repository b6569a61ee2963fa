/* SPDX-License-Identifier: MIT */
/*
 * bus: nng sockets with the rules of this project already applied. Internal
 * to common/msg.
 *
 * Message size is bounded, re-sending is off, dialling never blocks and goes
 * on for ever, tcp stays on loopback, an ipc socket has mode 0660 and its
 * group, a listener holds at most BUS_PEERS_MAX peers. Any thread may ask for
 * the number of peers; the rest belongs to the one who opened it.
 */
#ifndef MSG_BUS_H
#define MSG_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mailbox.h"

#define BUS_PEERS_MAX 256
#define BUS_RECONNECT_MIN_MS 20

struct nng_socket_s;

enum bus_role { BUS_REQ, BUS_REP, BUS_PUB, BUS_SUB };

struct bus_options {
	enum bus_role role;
	const char *address;		/* ipc://PATH or tcp://LOOPBACK:PORT */
	const char *name;		/* for logs */
	bool listen;			/* else dial */
	size_t max_message;		/* bytes received; larger: pipe closed */
	uint32_t reconnect_max_ms;
	unsigned queue;			/* PUB, SUB: messages, 1..8192 */
	unsigned group;			/* of an ipc socket; (gid_t)-1: as is */
};

struct bus;

/* Makes the socket and checks the address; no peer is met yet. */
int bus_open(struct bus **out, const struct bus_options *o, struct err *err)
    MUST_CHECK;
/* Listens or begins to dial. */
int bus_start(struct bus *b, struct err *err) MUST_CHECK;
/* Is the library we run with older than this release? For its defects. */
bool bus_nng_is_older(int major, int minor);
/* Valid until bus_free. */
const struct nng_socket_s *bus_socket(const struct bus *b);
/* REQ and PUB: deliver() runs on the socket's own thread (errands.h). Not after
 * bus_close, which runs what waits. Any thread; never waits. */
void bus_post(struct bus *b, struct letter *l);
/* Comes back once all that was posted before has run. */
void bus_settle(struct bus *b);
/* Connected at the moment, and reached by what is sent. */
unsigned bus_peers(struct bus *b);
/* Ends whatever is under way on contexts of the socket with NNG_ECLOSED, and
 * comes back within 2 s; may be called twice. */
void bus_close(struct bus *b);
/* Closes too. */
void bus_free(struct bus **bp);

#endif
