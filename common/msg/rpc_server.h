/* SPDX-License-Identifier: MIT */
/*
 * rpc_server: answer requests on one socket, by a table of methods.
 *
 * A fixed number of nng contexts receive; it bounds the requests in flight. A
 * handler runs on an nng thread and must not block for longer than some tens
 * of microseconds; it answers before it returns, or keeps the request and
 * answers later from any thread. Unknown kinds are answered here, who sends
 * what is no envelope is closed; both are counted. Handlers run in parallel.
 *
 * Requests may come in a bundle (msg/bundle.h), which is answered at once and
 * as a whole: of such a bundle only those are handled whose method says that
 * it can, and the asker is told to ask the others by themselves.
 */
#ifndef MSG_RPC_SERVER_H
#define MSG_RPC_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "msg/envelope.h"
#include "msg/kinds.h"

struct rpc_request;

/* Must lead to exactly one rpc_reply() or rpc_fail(), now or later. */
typedef void rpc_handler_fn(void *arg, struct rpc_request *r);

struct rpc_method {
	enum rpc_kind kind;
	const char *name;	/* for logs and the label of metrics */
	rpc_handler_fn *handle;
	/* Answers before it returns, or calls rpc_postpone, when
	 * rpc_request_is_bundled; may be asked the same twice. */
	bool at_once;
};

struct rpc_server_options {
	const char *address;	/* ipc://…, tcp://127.0.0.1:… */
	const char *name;	/* "decide", for logs */
	size_t max_message;	/* bytes; larger messages close the pipe */
	unsigned contexts;	/* requests in flight, 1..1024 */
	const struct rpc_method *methods;	/* ends with kind 0 */
	void *arg;		/* for the handlers */
	/* Told of each message that was no envelope; its peer is closed. May
	 * be NULL. On an nng thread. */
	void (*on_malformed)(void *arg);
	/* An ipc socket is made with mode 0660, and given to this group when
	 * not (gid_t)-1. A stale socket file of a dead process is replaced. */
	unsigned group;
};

struct rpc_server;

/* Counted since the start; of a bundle each part that a handler saw. */
struct rpc_server_stats {
	uint64_t requests, malformed, unknown, failed;
};

/* Listens and serves. -1: err says which address and why. */
int rpc_server_start(struct rpc_server **out,
    const struct rpc_server_options *o, struct err *err) MUST_CHECK;
struct rpc_server_stats rpc_server_stats(const struct rpc_server *s);
/* No handler runs any more when it returns; requests that were kept must have
 * been answered, or be answered before. */
void rpc_server_stop(struct rpc_server **sp);

/* The body as sent; borrowed until the reply. */
struct str rpc_request_body(const struct rpc_request *r);
uint32_t rpc_request_kind(const struct rpc_request *r);
/* When the asker stops waiting, on clock_mono_ms. */
uint64_t rpc_request_deadline(const struct rpc_request *r);
bool rpc_request_is_bundled(const struct rpc_request *r);
/* Of a bundle, and not to be answered at once: it will be asked again, by
 * itself. `r` is gone. */
void rpc_postpone(struct rpc_request *r);
/* Answers; `r` is gone. `body` is copied. */
void rpc_reply(struct rpc_request *r, struct str body);
/* Answers with a status other than OK; the text is escaped for the wire. */
void rpc_fail(struct rpc_request *r, enum rpc_status status,
    const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
