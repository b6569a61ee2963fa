/* SPDX-License-Identifier: MIT */
/*
 * peer: what the tests of the bus share: a place for sockets, a server that
 * can be told how to answer, and peers that speak nng's ipc framing byte by
 * byte, so that they can speak it wrongly.
 */
#ifndef MSG_PEER_H
#define MSG_PEER_H

#include <poll.h>
#include <pthread.h>
#include <sys/types.h>

#include "base/clock.h"
#include "msg/rpc_client.h"
#include "msg/rpc_server.h"

#define PEER_MAX_MESSAGE 65536
/* Far beyond what anything here takes; running into it is a failure. */
#define PEER_PATIENCE_MS 20000

/* Waits for what has no event of its own. */
#define WAIT_FOR(cond)                                                       \
	do {                                                                 \
		uint64_t until_ = clock_mono_ms() + PEER_PATIENCE_MS;        \
		while (!(cond)) {                                            \
			assert_true(clock_mono_ms() < until_);               \
			poll(NULL, 0, 1);                                    \
		}                                                            \
	} while (0)

struct place {
	char dir[32];
	char path[64];		/* of the socket */
	char address[72];	/* ipc://path */
};

void place_init(struct place *p);
void place_fini(struct place *p);	/* fails if something was left */

/* Kinds the server below answers. */
enum {
	ECHO = KIND_DECIDE,
	HOLD = KIND_AUTH,		/* kept until held_reply */
	FAIL = KIND_ACL_RELOAD,		/* RPC_STATUS_FAILED, text with a newline */
	BIG = KIND_ACL_STATUS,		/* an answer above the limit */
};

struct server {
	struct rpc_server *rpc;
	pthread_mutex_t m;
	struct rpc_request *held[64];
	unsigned n_held;
};

void server_start(struct server *s, const char *address, unsigned contexts);
unsigned server_held(struct server *s);
/* Answers the oldest held one with its own body. */
void server_release(struct server *s);
void server_stop(struct server *s);	/* releases what is held */

struct rpc_client *client_new(const char *address, uint32_t unconnected_ms);

/* Protocol numbers of nng's handshake. */
enum { SP_PUB = 0x20, SP_SUB = 0x21, SP_REQ = 0x30, SP_REP = 0x31 };

/* Connect or accept with the handshake; the descriptor gives up on a read
 * after PEER_PATIENCE_MS. */
int sp_connect(const char *path, uint8_t protocol);
/* Connects and is gone. */
void sp_hang_up(const char *path);
/* Says this instead of a greeting, and waits until it is closed on. */
void sp_shout(const char *path, const void *p, size_t n);
int sp_listen(const char *path);
int sp_accept(int listener, uint8_t protocol);
/* The halves of that: without a word; and the handshake. */
int sp_take(int listener);
void sp_greet(int fd, uint8_t protocol);
/* A frame of `len` bytes by its header, followed by `n` bytes. */
void sp_send_head(int fd, uint64_t len, const void *p, size_t n);
void sp_send(int fd, const void *p, size_t n);
/* The next frame's bytes; -1: the peer closed. */
ssize_t sp_recv(int fd, void *p, size_t size);
/* A request frame: nng's id, then `n` bytes. */
void sp_request(int fd, uint32_t id, const void *p, size_t n);

#endif
