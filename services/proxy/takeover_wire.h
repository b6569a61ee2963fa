/* SPDX-License-Identifier: MIT */
/*
 * takeover_wire: what a proxy and its successor say to each other.
 *
 * A SOCK_SEQPACKET socket keeps messages apart; descriptors ride along
 * (SCM_RIGHTS). The successor speaks first:
 *
 *	HELLO		version of this protocol, release
 *		SOCKETS		role, descriptors; as often as needed
 *		END		that was all
 *	READY		the addresses that it serves from now on
 *		YOURS		so do; I stop accepting
 *
 * Instead of any of its own the predecessor may say REFUSED, with a reason.
 * Who hangs up without a word has died. Messages, descriptors and waiting are
 * bounded; pack and unpack are pure. Any thread.
 */
#ifndef PROXY_TAKEOVER_WIRE_H
#define PROXY_TAKEOVER_WIRE_H

#include "base/check.h"
#include "base/err.h"
#include "net/addr.h"

#define TAKEOVER_VERSION 1
#define TAKEOVER_FDS_MAX 64	/* of a message */
#define TAKEOVER_KEPT_MAX 16	/* as many as a proxy serves */
#define TAKEOVER_MESSAGE_MAX 640

enum takeover_kind {
	TAKEOVER_HELLO = 1,
	TAKEOVER_SOCKETS,
	TAKEOVER_END,
	TAKEOVER_READY,
	TAKEOVER_YOURS,
	TAKEOVER_REFUSED,
	TAKEOVER_KINDS,
};

enum takeover_role { TAKEOVER_CLIENTS, TAKEOVER_ADMIN };

struct takeover_message {
	uint8_t kind;		/* enum takeover_kind */
	uint8_t value;		/* HELLO: version; SOCKETS: role */
	char text[ERR_TEXT_MAX];	/* HELLO: release; REFUSED: why */
	struct endpoint kept[TAKEOVER_KEPT_MAX];	/* READY */
	uint8_t n_kept;
	int fds[TAKEOVER_FDS_MAX];	/* SOCKETS; not part of the bytes */
	unsigned n_fds;
};

/* Bytes of it, at most TAKEOVER_MESSAGE_MAX. */
size_t takeover_pack(uint8_t out[static TAKEOVER_MESSAGE_MAX],
    const struct takeover_message *m);
/* false: no such message. Unprintable text is escaped. */
bool takeover_unpack(struct takeover_message *out, struct str in) MUST_CHECK;

/* "run_dir/name" as an address; false: too long. */
struct sockaddr_un;
bool takeover_address(struct sockaddr_un *out, const char *run_dir,
    const char *name) MUST_CHECK;
#define TAKEOVER_SOCKET "takeover.sock"

enum takeover_result {
	TAKEOVER_OK,
	TAKEOVER_GONE,		/* the other hung up, or broke */
	TAKEOVER_LATE,		/* until_ms has come */
	TAKEOVER_STOPPED,	/* `stop` became readable */
	TAKEOVER_BAD,		/* no such message */
};

/* One message on `fd`, which is non-blocking; waits for room, or for it,
 * until `until_ms` of the boot clock. `stop`: a descriptor that ends the
 * waiting, or -1. A received message's descriptors are the caller's (close-on-
 * exec); where they are not `welcome` they are closed, and the message is bad.
 */
enum takeover_result takeover_send(int fd, const struct takeover_message *m,
    int stop, uint64_t until_ms) MUST_CHECK;
enum takeover_result takeover_receive(int fd, struct takeover_message *out,
    bool welcome, int stop, uint64_t until_ms) MUST_CHECK;
/* In words, of everything but TAKEOVER_OK. */
const char *takeover_result_text(enum takeover_result r);
/* Refuses in words; as far as the other listens. */
void takeover_refuse(int fd, const char *why);

#endif
