/* SPDX-License-Identifier: MIT */
/*
 * conn: the life of one client's connection.
 *
 * accept → [who may come in] → greeting → login → request → resolve → decide → dial → relay. The
 * table of states is in conn_states.c, the handlers in conn_*.c (conn_impl.h
 * says where what is): one does the work of a state and returns the state to be
 * in. Two objects: struct handshake, with everything
 * that is needed until the relay starts, then given back; and struct conn,
 * which is what an idle session costs. Owned by one worker.
 */
#ifndef PROXY_CONN_H
#define PROXY_CONN_H

#include <event2/event_struct.h>

#include "audit/close_reason.h"
#include "proxy/asks.h"
#include "proxy/bind.h"
#include "proxy/dial.h"
#include "proxy/http_connect.h"
#include "proxy/lease.h"
#include "proxy/lobby.h"
#include "proxy/quota.h"
#include "proxy/relay.h"
#include "proxy/resolve.h"
#include "proxy/socks5.h"
#include "proxy/stream.h"

struct listener;
struct notice;
struct worker;

enum conn_state {
	CONN_CLIENT_WAIT,	/* authd is asked about the client's address */
	CONN_GREETING,		/* the first byte tells the carrier */
	CONN_METHODS,		/* offered by a client of SOCKS5 */
	CONN_AUTH_READ,		/* user and password */
	CONN_AUTH_WAIT,		/* authd is asked */
	CONN_AUTH_DELAY,	/* a refusal that is held back */
	CONN_REQUEST,
	CONN_RESOLVE,
	CONN_ACL_WAIT,		/* acld is asked */
	CONN_DIAL,
	CONN_BIND_WAIT,		/* a port is open, its peer has yet to come */
	CONN_RELAY,
	CONN_UDP,		/* an association runs */
	CONN_LINGER,		/* refused: flush, shut, drain */
	CONN_CLOSING,
	CONN_STATES,
};

/* Names of the states, ended by NULL: the label of a metric. */
extern const char *const conn_state_names[];

/* What ends the waiting in a state. */
enum conn_clock {
	CLOCK_HANDSHAKE,	/* from accept to the request; never re-armed */
	CLOCK_ASKED,		/* stands still: whoever is asked has a budget */
	CLOCK_DELAY,		/* h->delay_ms */
	CLOCK_LINGER,		/* 1 s */
	CLOCK_NONE,
};

/* Longest pipelined input kept before the relay starts; then reading stops. */
#define CONN_INPUT_MAX 1024

struct handshake {
	struct conn *conn;	/* whose it is */
	struct listener *listener;	/* where it came */
	struct event clock;
	struct list waiting;	/* in worker's, while c->pre_login */
	struct lobby_seat seat;	/* the same among those of its source */
	struct notice *notice;	/* on its way: it was put out; admit.c's */
	uint64_t waiting_us;	/* since when it has not asked */
	uint64_t left_ms;	/* of the handshake's time, while it stands */
	uint64_t due_ms;	/* when it ends, while it runs */
	uint32_t delay_ms;
	bool watching;		/* conn->readable is added */
	bool eof;		/* the client ended its side */

	struct identity *visitor;	/* by its address; NULL: not asked */
	uint16_t in_len;
	uint8_t auth_method;	/* enum record_auth, of the last question */
	uint8_t offered_len;
	uint8_t claimed_len;
	struct http_connect http;	/* the head that is being read */
	uint8_t http_challenges, http_wrong;	/* 407 said; logins refused */
	uint8_t password_len;
	bool in_vain;		/* this login is refused, whatever is said */
	struct dest dest;	/* port 0: no request was read */
	uint8_t command;	/* enum record_command, and of SOCKS5 */
	uint8_t raw_host_len;

	struct lease_waiter waiter;	/* for login or decision */
	const void *answer;		/* its value, in the handler only */
	struct resolve_query *query;
	bool resolved_now;		/* the answer came at once */
	enum resolve_result resolve_result;
	uint8_t n_resolved;
	struct dial *dial;
	enum dial_result dial_result;
	bool has_bound;
	struct endpoint bound;		/* our side of the target's socket */
	struct bind *bind;
	struct quota_hold bind_hold;	/* among its user's, while it waits */
	struct endpoint peer;		/* who came to it */
	struct event changes;		/* of a client whose input is full */
	bool watching_changes;
	struct stream target;

	/* From here on nothing is zeroed: a length above says what counts. */
	uint8_t in[CONN_INPUT_MAX];
	char offered[256];	/* user name that was offered; not terminated */
	char claimed[255];	/* SOCKS4's user id: a remark in the record */
	union {
		char password[255];	/* until it was answered; then wiped */
		char raw_host[255];	/* host as sent, of a bad request */
	};
	struct addr resolved[RESOLVE_ADDRS_MAX];
};

struct conn {
	uint32_t magic;
	uint8_t state;		/* enum conn_state; conn_step writes it */
	uint8_t carrier;	/* enum record_carrier, by the first byte */
	bool pre_login;		/* counted as not having asked yet */
	bool has_used;
	struct list link;	/* in worker's open, then in its graveyard */
	struct worker *w;
	struct stream client;
	struct event readable;	/* of the client, until the end */
	struct handshake *h;	/* NULL once the relay runs */
	struct relay *relay;	/* of CONN_RELAY */
	struct assoc *assoc;	/* of CONN_UDP */
	struct udp_first *first;	/* assoc's first destination, or NULL */
	struct identity *identity;	/* NULL: not logged in */
	uint8_t *opened;	/* body of the OPEN record, NULL: none */
	uint16_t opened_len;
	uint16_t reply_code;	/* sent: 0-8, 90-91, 200-504; or NO_REPLY */
	uint16_t reason;	/* enum close_reason; CLOSE_NONE: running */
	uint8_t places;		/* among the process's connections */
	struct quota_hold holds[3];	/* as a session; see admit.c */
	struct id id;
	uint64_t accepted_us;	/* boot clock */
	uint32_t setup_us;	/* accept to the reply; at most 71 minutes */
	struct endpoint source;
	struct addr used;	/* the address dialled, if has_used */
	uint64_t reported;	/* bytes and packets in the last UPDATE */
};

typedef enum conn_state conn_handler_fn(struct conn *c);

struct conn_state_info {
	const char *name;
	conn_handler_fn *input;		/* bytes arrived; NULL: keep them */
	conn_handler_fn *answer;	/* our question was answered */
	conn_handler_fn *expired;	/* the clock ran out */
	enum conn_clock clock;
	uint32_t next;		/* states it may go to; CLOSING always */
};
extern const struct conn_state_info conn_states[CONN_STATES];

/* ---- for listener and worker ---- */

/* Takes `fd`; refuses it at once where a limit says so. */
void conn_accept(struct listener *l, int fd, const struct endpoint *peer);
/* The one exit; may be called twice. Records the end (unless it was recorded
 * with the refusal), cancels what is out, and buries the object: it is freed
 * after the turn. `reason` CLOSE_NONE: nothing worth a record happened. */
void conn_close(struct conn *c, enum close_reason reason);
/* Records the counters if they changed. */
void conn_checkpoint(struct conn *c);
/* Frees what was buried. */
void conn_bury(struct worker *w);

/* ---- for conn_*.c ---- */

/* Runs a handler and moves to the state it returns; may close the conn. */
void conn_step(struct conn *c, conn_handler_fn *handle);
/* Drops `n` bytes from the front of the input, wiping them. */
void conn_consume(struct conn *c, size_t n);
/* Writes a small answer; false: the client is gone or does not read. */
bool conn_send(struct conn *c, const void *p, size_t len) MUST_CHECK;
/* From the handshake to the relay: gives both streams to it. */
bool conn_start_relay(struct conn *c) MUST_CHECK;
/* To an association: gives the client's stream to it, and `fd`, the socket for
 * its datagrams. false: memory is out, both stay. */
bool conn_start_assoc(struct conn *c, int fd) MUST_CHECK;

/* ---- conn_record.c ---- */

/* Makes and keeps the OPEN record. */
void conn_record_open(struct conn *c, const struct decision *d);
/* The CLOSE will name this peer, who has come, not the one asked for. */
void conn_record_peer(struct conn *c, const struct endpoint *peer);
/* Who was not let in: counts it, and a REJECT (see admit_may_record). */
void conn_record_refused(const struct listener *l, const struct endpoint *peer,
    enum close_reason reason);
/* REJECT, or CLOSE where there was an OPEN. `d` and `detail` may be NULL. */
void conn_record_end(struct conn *c, enum close_reason reason,
    const struct decision *d, const char *detail);
/* The client left; if it never said a word (a port scan, a health check), that
 * is no event. */
void conn_record_gone(struct conn *c);
/* UPDATE, if the counters have changed since the last. */
void conn_record_update(struct conn *c);
/* Where the first datagram of an association goes is what its CLOSE says. */
void conn_record_first(struct conn *c, const struct dest *dest,
    const struct addr *addr, const struct decision *d);

#endif
