/* SPDX-License-Identifier: MIT */
/*
 * rpc_client: ask another daemon something, without stopping the asker's loop.
 *
 * A client is one req socket that dials one address for ever (any start order
 * heals by itself); automatic re-sending is off, each call has its own
 * deadline. Calls are made through a desk, which belongs to one worker thread
 * and hands results to its mailbox; done() runs on that worker, exactly once,
 * and never after rpc_call_cancel(). For threads that may wait there is
 * rpc_ask().
 */
#ifndef MSG_RPC_CLIENT_H
#define MSG_RPC_CLIENT_H

#include "base/err.h"
#include "base/mailbox.h"
#include "msg/envelope.h"
#include "msg/kinds.h"

enum rpc_result {
	RPC_OK,			/* the body is the answer */
	RPC_REFUSED,		/* a status other than OK: see the error; or
				 * the request is above max_message */
	RPC_TIMEOUT,		/* no answer within the deadline */
	RPC_UNREACHABLE,	/* nobody was connected, or the peer was lost */
	RPC_BAD_REPLY,		/* malformed, or not the answer to this */
};

struct rpc_client_options {
	const char *address;
	const char *name;		/* "auth", for logs */
	size_t max_message;		/* bytes of a request or reply */
	uint32_t reconnect_max_ms;
	/* A call made while nobody is connected waits at most this long for
	 * a connection (and never beyond its deadline). */
	uint32_t unconnected_ms;
};

struct rpc_client;

int rpc_client_new(struct rpc_client **out,
    const struct rpc_client_options *o, struct err *err) MUST_CHECK;
/* Is a peer connected at the moment? Any thread. */
bool rpc_client_connected(const struct rpc_client *c);
const char *rpc_result_name(enum rpc_result r);
/* Desks first. */
void rpc_client_free(struct rpc_client **cp);

/*
 * Waits for the answer on the calling thread. RPC_OK: `reply` (appended to)
 * has the body. Else err, if given, says why. Any thread but nng's and a
 * worker's.
 */
enum rpc_result rpc_ask(struct rpc_client *c, enum rpc_kind kind,
    struct str body, uint32_t deadline_ms, struct bytes *reply,
    struct err *err) MUST_CHECK;

/*
 * Calls that come while others are out travel in bundles, where the peer takes
 * them: two bundles are on their way at once, and what comes meanwhile waits
 * for one of them to come back, which the peer answers at once. The more calls,
 * the more a message carries; a call that finds the desk idle goes by itself.
 * A lone message costs each side some ten times what one more call in a bundle
 * does, so calls whose answer nobody waits for may wait for company.
 */
struct rpc_desk;
struct rpc_call;

/* `body` is borrowed until done() returns; "" unless RPC_OK. */
typedef void rpc_done_fn(void *arg, enum rpc_result result, struct str body);

/* At most `max_calls` at once: the pool is the back-pressure. */
int rpc_desk_new(struct rpc_desk **out, struct rpc_client *c,
    struct mailbox *mailbox, unsigned max_calls, struct err *err) MUST_CHECK;
/*
 * Sends `body` (copied). A peer that is lost is asked again within the
 * deadline when `idempotent`. NULL: all calls are out, which counts as
 * "unavailable".
 */
struct rpc_call *rpc_call_start(struct rpc_desk *d, enum rpc_kind kind,
    struct str body, uint32_t deadline_ms, bool idempotent,
    rpc_done_fn *done, void *arg) MUST_CHECK;
/* The same for a call that can wait: it is made with the next rpc_desk_hurry(),
 * together with others. Its deadline begins then. */
struct rpc_call *rpc_call_later(struct rpc_desk *d, enum rpc_kind kind,
    struct str body, uint32_t deadline_ms, bool idempotent,
    rpc_done_fn *done, void *arg) MUST_CHECK;
/* Makes them. To be called regularly. */
void rpc_desk_hurry(struct rpc_desk *d);
/* done() will not run; clears the pointer; NULL inside is harmless. */
void rpc_call_cancel(struct rpc_call **cp);
unsigned rpc_desk_in_flight(const struct rpc_desk *d);
/* Cancels all calls and waits until nng has let go of them. The worker's
 * mailbox must still be there and is delivered from. */
void rpc_desk_free(struct rpc_desk **dp);

#endif
