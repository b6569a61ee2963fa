/* SPDX-License-Identifier: MIT */
/*
 * conn_impl: what the files of the room conn_*.c share.
 *
 * conn_client asks who may come in; conn_greeting tells the carrier by the
 * first byte; conn_socks5, conn_socks4 and conn_http speak it; conn_login asks
 * who it is; conn_request resolves, asks whether it may, and gives the request
 * to conn_connect, conn_bind or conn_udp. A handler returns the state to be in;
 * its own state means "wait for more". Worker's thread.
 */
#ifndef PROXY_CONN_IMPL_H
#define PROXY_CONN_IMPL_H

#include "proxy/conn.h"

struct decision;

/* What differs between the protocols that a client may speak. */
struct carrier {
	/* Bytes in CONN_REQUEST. */
	conn_handler_fn *request;
	/* c->identity is known: say so, and go on. */
	conn_handler_fn *welcome;
	/* The login is refused: say so; end, or wait for another. It is not
	 * recorded yet unless c->reason says so. */
	enum conn_state (*reject)(struct conn *c, enum close_reason reason);
};
/* By enum record_carrier; NULL: this release does not speak it. */
extern const struct carrier *const conn_carriers[];
extern const struct carrier conn_socks5, conn_socks4, conn_http;

/* ---- conn_states.c ---- */

/* All bytes received and not consumed. */
struct str conn_input(const struct conn *c);
/* Nothing whole has come yet: the same state, or the end after a FIN. */
enum conn_state conn_more(struct conn *c);
/* The client no longer takes what we send. */
enum conn_state conn_gone(struct conn *c);
/* Counts ODDITY_*. */
void conn_oddity(const struct conn *c, unsigned what);
/* Ends without an answer, recorded. */
enum conn_state conn_hang_up(struct conn *c, enum close_reason reason);
/* After a refusal that was recorded and answered: flush, shut, drain. */
enum conn_state conn_linger(struct conn *c);
/* Records the refusal, says it in the carrier's words, lingers. `d` and
 * `detail` may be NULL. */
enum conn_state conn_refuse(struct conn *c, enum close_reason reason,
    const struct decision *d, const char *detail);
/* The same in these words. */
struct reply;
enum conn_state conn_refuse_as(struct conn *c, const struct reply *reply,
    enum close_reason reason, const struct decision *d, const char *detail);
/* Success in the carrier's words; `bound` as the option masks it. false: the
 * client is gone. */
bool conn_reply(struct conn *c, const struct endpoint *bound) MUST_CHECK;
/* The same, never masked: the client is to act on it. */
bool conn_tell(struct conn *c, const struct endpoint *bound) MUST_CHECK;

/* ---- conn_client.c ---- */

/* Asks about the client's address, before its first byte; ends in the greeting
 * or, without a word, in the end. */
conn_handler_fn conn_client_ask;
conn_handler_fn conn_client_answer;

/* ---- conn_greeting.c ---- */
conn_handler_fn conn_greeting_input;

/* ---- conn_socks5.c ---- */
conn_handler_fn conn_socks5_greeting, conn_socks5_login;

/* ---- conn_login.c ---- */

/* Nobody has to log in: who comes is whom its address says, or else the
 * listener's anonymous_user. */
void conn_login_nobody(struct conn *c);
/* May a client come without a login? With a name and a password? */
bool conn_login_is_optional(const struct conn *c);
bool conn_login_is_possible(const struct conn *c);
/* Keeps what was offered; both at most 255 bytes. */
void conn_login_offer(struct conn *c, struct str user, struct str password);
/* Asks who that is; ends in the carrier's welcome or reject. */
enum conn_state conn_login_ask(struct conn *c);
/* Counts an answer to the last question. */
void conn_login_count(const struct conn *c, const struct login_answer *a);
/* Asks with a password that nobody has, and believes no yes: a refusal that
 * takes as long as any. Drops all input. */
enum conn_state conn_login_ask_in_vain(struct conn *c, struct str user);
conn_handler_fn conn_login_answer, conn_login_delayed;

/* ---- conn_request.c ---- */

/* h->dest and h->command are set, their bytes consumed: limits, resolve,
 * policy, and the command. */
enum conn_state conn_requested(struct conn *c);
/* The request is malformed: counts it, keeps the host as it was sent for the
 * record, and gives the reason to refuse it with, whose name a codec knows. */
enum close_reason conn_malformed(struct conn *c, const char *why,
    struct str raw_host);
conn_handler_fn conn_resolve_answer, conn_policy_answer;

/* ---- commands; `d` allows it, borrowed ---- */
typedef enum conn_state conn_command_fn(struct conn *c,
    const struct decision *d);
conn_command_fn conn_connect, conn_bind;
conn_command_fn conn_udp;	/* `d` is NULL: nothing was asked yet */
/* What `d` permits of h->resolved. */
void conn_permit(const struct conn *c, const struct decision *d,
    struct permit *out);
conn_handler_fn conn_dial_answer, conn_bind_input, conn_bind_answer;
/* Closes the port, if one is open. */
void conn_bind_cancel(struct conn *c);
/* The reply of success was sent: counts the session, and what it took. */
void conn_set_up(struct conn *c);
/* Replies with `bound` and gives both streams to the relay. */
enum conn_state conn_established(struct conn *c, const struct endpoint *bound);

#endif
