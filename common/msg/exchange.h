/* SPDX-License-Identifier: MIT */
/*
 * exchange: one request and its answer on a client's socket. Internal to
 * common/msg; desks and rpc_ask are made of it.
 *
 * Idle, it belongs to its owner. From exchange_start until finished() it
 * belongs to nng's threads, and the owner may only call exchange_cancel. It is
 * used for one request after another and keeps its memory between them.
 */
#ifndef MSG_EXCHANGE_H
#define MSG_EXCHANGE_H

#include "msg/rpc_client.h"

struct bus;
struct exchange;

struct exchange_request {
	enum rpc_kind kind;
	struct str body;	/* copied */
	uint32_t deadline_ms;
	bool idempotent;	/* may be asked again when the peer is lost */
};

/* Runs once per start, on an nng thread or within exchange_start; the exchange
 * is idle then. */
typedef void exchange_finished_fn(void *arg);

int exchange_new(struct exchange **out, struct bus *bus,
    const struct rpc_client_options *o, exchange_finished_fn *finished,
    void *arg, struct err *err) MUST_CHECK;
/* The same on the socket of `c` (in rpc_client.c). */
int rpc_client_exchange(struct exchange **out, struct rpc_client *c,
    exchange_finished_fn *finished, void *arg, struct err *err) MUST_CHECK;
void exchange_start(struct exchange *x, const struct exchange_request *r);
/* Makes finished() come soon; harmless when idle. */
void exchange_cancel(struct exchange *x);
/* How it ended; idle only. Body and error are borrowed until the next start
 * or free. */
enum rpc_result exchange_result(const struct exchange *x);
struct str exchange_body(const struct exchange *x);
struct str exchange_error(const struct exchange *x);
/* Waits for nng to let go of it. Not from finished(). */
void exchange_free(struct exchange **xp);

#endif
