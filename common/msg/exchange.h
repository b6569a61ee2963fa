/* SPDX-License-Identifier: MIT */
/*
 * exchange: one request and its answer on a client's socket. Internal to
 * common/msg; desks and rpc_ask are made of it.
 *
 * Idle, it belongs to its owner. From exchange_send until finished() it
 * belongs to the socket's thread and nng's, and the owner may only call
 * exchange_cancel. It is
 * used for one request after another and keeps its memory between them.
 *
 * What was prepared may also travel in a bundle, which is the request of
 * another exchange: its owner packs exchange_question() and then says how it
 * ended. It stays idle meanwhile.
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

/* Runs once per send, on one of those threads; the exchange is idle then. */
typedef void exchange_finished_fn(void *arg);

int exchange_new(struct exchange **out, struct bus *bus,
    const struct rpc_client_options *o, exchange_finished_fn *finished,
    void *arg, struct err *err) MUST_CHECK;
/* The same on the socket of `c` (in rpc_client.c). */
int rpc_client_exchange(struct exchange **out, struct rpc_client *c,
    exchange_finished_fn *finished, void *arg, struct err *err) MUST_CHECK;
void exchange_prepare(struct exchange *x, const struct exchange_request *r);
/* Of what was prepared: so many milliseconds from now. Idle only. */
void exchange_set_deadline(struct exchange *x, uint32_t ms);
/* Sends what was prepared; once more after it was answered ALONE, or, if it is
 * idempotent, after its peer was lost. */
void exchange_send(struct exchange *x);
/* What was prepared, with the time that is left; its body is borrowed. */
struct envelope exchange_question(const struct exchange *x);
/* May it be asked again, now that a peer was lost? */
bool exchange_is_repeatable(const struct exchange *x);
/* It ended in a bundle: with this reply, if it is one, from which body and
 * error are borrowed; or without. */
void exchange_take_reply(struct exchange *x, const struct envelope *reply);
void exchange_fail(struct exchange *x, enum rpc_result result);
/* How large a request of a client may be (in rpc_client.c). */
size_t rpc_client_max_message(const struct rpc_client *c);
/* Makes finished() come soon; harmless when idle. */
void exchange_cancel(struct exchange *x);
/* How it ended; idle only. Body and error are borrowed until the next
 * prepare, send or free. */
enum rpc_result exchange_result(const struct exchange *x);
struct str exchange_body(const struct exchange *x);
struct str exchange_error(const struct exchange *x);
/* How many requests its peer takes in a bundle; 0: none, or nobody answered. */
uint32_t exchange_offer(const struct exchange *x);
/* Wipes the request, which may hold a secret. Idle only. */
void exchange_forget(struct exchange *x);
/* Waits for nng to let go of it. Not from finished(). */
void exchange_free(struct exchange **xp);

#endif
