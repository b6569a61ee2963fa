/* SPDX-License-Identifier: MIT */
/*
 * One aio serves both halves: first the send, then, from its completion, the
 * receive (nng 1.5.2 crashes when a receive ends while its send is queued).
 * `m` is held where one half follows the other, so that a cancel meets either
 * the operation under way or the flag, and never falls between.
 *
 * With re-sending off nng ends the receive with an error as soon as the pipe
 * that carried the request is gone, and never sends it again by itself.
 */
#include "msg/exchange.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>

#include "base/clock.h"
#include "base/mem.h"
#include "msg/bus.h"

enum phase { PHASE_IDLE, PHASE_POSTED, PHASE_SENDING, PHASE_RECEIVING };

struct exchange {
	struct bus *bus;
	size_t max_message;
	uint32_t unconnected_ms;
	exchange_finished_fn *finished;
	void *arg;
	nng_ctx ctx;
	nng_aio *aio;

	pthread_mutex_t m;
	enum phase phase;		/* guarded by m */
	bool cancelled;			/* guarded by m */

	struct envelope request;	/* its body lies in `body` */
	struct bytes body;
	uint64_t deadline;		/* clock_mono_ms */
	bool idempotent;
	struct letter letter;		/* PHASE_POSTED: to the socket's thread */

	nng_msg *msg;			/* the answer, or free for reuse */
	enum rpc_result result;
	struct envelope reply;		/* borrows from msg */
};

static void on_event(void *arg);
static void on_posted(struct letter *l);

int
exchange_new(struct exchange **out, struct bus *bus,
    const struct rpc_client_options *o, exchange_finished_fn *finished,
    void *arg, struct err *err)
{
	struct exchange *x = xcalloc(1, sizeof(*x));
	int rv;

	x->bus = bus;
	x->max_message = o->max_message;
	x->unconnected_ms = o->unconnected_ms;
	x->finished = finished;
	x->arg = arg;
	x->letter.deliver = on_posted;
	pthread_mutex_init(&x->m, NULL);
	if ((rv = nng_aio_alloc(&x->aio, on_event, x)) != 0 ||
	    (rv = nng_ctx_open(&x->ctx, *bus_socket(bus))) != 0 ||
	    (rv = nng_ctx_set_ms(x->ctx, NNG_OPT_REQ_RESENDTIME,
	    NNG_DURATION_INFINITE)) != 0) {
		err_set(err, "%s: cannot make a call: %s", o->address,
		    nng_strerror(rv));
		exchange_free(&x);
		return -1;
	}
	*out = x;
	return 0;
}

static uint32_t
left_ms(const struct exchange *x)
{
	uint64_t now = clock_mono_ms();

	return now < x->deadline ? (uint32_t)(x->deadline - now) : 0;
}

/* nng gives 0 and numbers below meanings of their own. */
static void
set_timeout(struct exchange *x, uint32_t ms)
{
	if (ms == 0)
		ms = 1;
	nng_aio_set_timeout(x->aio, ms > INT_MAX ? INT_MAX : (nng_duration)ms);
}

/* The message as nng wants it, in memory of an earlier one if possible. */
static int
build(struct exchange *x)
{
	size_t size = envelope_size(&x->request);
	int rv;

	if (x->msg == NULL)
		rv = nng_msg_alloc(&x->msg, size);
	else
		rv = nng_msg_realloc(x->msg, size);
	if (rv == 0)
		envelope_pack(&x->request, nng_msg_body(x->msg));
	return rv;
}

/*
 * Begins to send. false: there is no operation, it ends with `result`. Under
 * m.
 *
 * The time is that for a connection even where there is one: it may be going
 * at this moment, and nng would have the message wait for the next one.
 */
static bool
send_request(struct exchange *x)
{
	uint32_t left = left_ms(x);
	uint32_t wait = left < x->unconnected_ms ? left : x->unconnected_ms;

	x->request.deadline_ms = left;
	x->result = RPC_UNREACHABLE;
	if (build(x) != 0)
		return false;
	x->phase = PHASE_SENDING;
	set_timeout(x, wait);
	nng_aio_set_msg(x->aio, x->msg);
	x->msg = NULL;
	nng_ctx_send(x->ctx, x->aio);
	return true;
}

void
exchange_set_deadline(struct exchange *x, uint32_t ms)
{
	x->deadline = clock_mono_ms() + ms;
}

void
exchange_prepare(struct exchange *x, const struct exchange_request *r)
{
	x->request = (struct envelope){ .id = id_random(), .kind = r->kind };
	bytes_clear(&x->body);
	bytes_add(&x->body, r->body.ptr, r->body.len);
	x->request.body = (struct str){ x->body.ptr, x->body.len };
	exchange_set_deadline(x, r->deadline_ms);
	x->idempotent = r->idempotent;
	x->cancelled = false;
}

/* As send_request. */
static bool
begin(struct exchange *x)
{
	x->reply = (struct envelope){ 0 };
	x->result = RPC_UNREACHABLE;
	if (x->cancelled)
		return false;
	/* A peer would close the pipe over it, which all calls share. */
	if (envelope_size(&x->request) > x->max_message) {
		x->result = RPC_REFUSED;
		x->reply.error = STR("the request is too large");
		return false;
	}
	return send_request(x);
}

static void
on_posted(struct letter *l)
{
	struct exchange *x = container_of(l, struct exchange, letter);
	bool sent;

	pthread_mutex_lock(&x->m);
	sent = begin(x);
	if (!sent)
		x->phase = PHASE_IDLE;
	pthread_mutex_unlock(&x->m);
	if (!sent)
		x->finished(x->arg);	/* x may be in use again from here */
}

void
exchange_send(struct exchange *x)
{
	pthread_mutex_lock(&x->m);
	x->phase = PHASE_POSTED;
	pthread_mutex_unlock(&x->m);
	bus_post(x->bus, &x->letter);
}

struct envelope
exchange_question(const struct exchange *x)
{
	struct envelope e = x->request;

	e.deadline_ms = left_ms(x);
	return e;
}

bool
exchange_is_repeatable(const struct exchange *x)
{
	return x->idempotent && left_ms(x) > 0;
}

void
exchange_fail(struct exchange *x, enum rpc_result result)
{
	x->reply = (struct envelope){ 0 };
	x->result = result;
}

void
exchange_take_reply(struct exchange *x, const struct envelope *reply)
{
	if (!id_eq(&reply->id, &x->request.id) ||
	    reply->kind != x->request.kind) {
		exchange_fail(x, RPC_BAD_REPLY);
		return;
	}
	x->reply = *reply;
	x->result = reply->status == RPC_STATUS_OK ? RPC_OK : RPC_REFUSED;
}

static void
check_reply(struct exchange *x)
{
	struct str message = { nng_msg_body(x->msg), nng_msg_len(x->msg) };
	struct envelope e;

	if (envelope_unpack(&e, message) == 0)
		exchange_take_reply(x, &e);
	else
		exchange_fail(x, RPC_BAD_REPLY);
}

/* Each gives true while an operation is under way again. */
static bool
after_send(struct exchange *x, int rv)
{
	if (rv == 0 && !x->cancelled) {
		x->phase = PHASE_RECEIVING;
		set_timeout(x, left_ms(x));
		nng_ctx_recv(x->ctx, x->aio);
		return true;
	}
	if (rv != 0) {		/* the message is still ours */
		x->msg = nng_aio_get_msg(x->aio);
		nng_aio_set_msg(x->aio, NULL);
	}
	/* A peer that is there, but slow to take it, has until the deadline. */
	if (rv == NNG_ETIMEDOUT && !x->cancelled && bus_peers(x->bus) > 0 &&
	    left_ms(x) > 0)
		return send_request(x);
	x->result = rv == NNG_ETIMEDOUT && bus_peers(x->bus) > 0
	    ? RPC_TIMEOUT : RPC_UNREACHABLE;
	return false;
}

static bool
after_receive(struct exchange *x, int rv)
{
	if (rv == 0) {
		x->msg = nng_aio_get_msg(x->aio);
		nng_aio_set_msg(x->aio, NULL);
		check_reply(x);
		return false;
	}
	if (rv == NNG_ECONNRESET && x->idempotent && !x->cancelled &&
	    left_ms(x) > 0)
		return send_request(x);
	x->result = rv == NNG_ETIMEDOUT ? RPC_TIMEOUT : RPC_UNREACHABLE;
	return false;
}

static void
on_event(void *arg)
{
	struct exchange *x = arg;
	int rv = nng_aio_result(x->aio);
	bool more;

	pthread_mutex_lock(&x->m);
	more = x->phase == PHASE_SENDING ? after_send(x, rv)
					 : after_receive(x, rv);
	if (!more)
		x->phase = PHASE_IDLE;
	pthread_mutex_unlock(&x->m);
	if (!more)
		x->finished(x->arg);	/* x may be in use again from here */
}

void
exchange_cancel(struct exchange *x)
{
	pthread_mutex_lock(&x->m);
	if (x->phase != PHASE_IDLE)
		x->cancelled = true;
	if (x->phase == PHASE_SENDING || x->phase == PHASE_RECEIVING)
		nng_aio_cancel(x->aio);
	pthread_mutex_unlock(&x->m);
}

enum rpc_result
exchange_result(const struct exchange *x)
{
	return x->result;
}

struct str
exchange_body(const struct exchange *x)
{
	return x->result == RPC_OK ? x->reply.body : STR("");
}

struct str
exchange_error(const struct exchange *x)
{
	return x->reply.error;
}

uint32_t
exchange_offer(const struct exchange *x)
{
	return x->reply.bundle;
}

void
exchange_forget(struct exchange *x)
{
	if (x->body.len > 0)
		secret_wipe(x->body.ptr, x->body.len);
	bytes_clear(&x->body);
}

static bool
is_posted(struct exchange *x)
{
	bool yes;

	pthread_mutex_lock(&x->m);
	yes = x->phase == PHASE_POSTED;
	pthread_mutex_unlock(&x->m);
	return yes;
}

void
exchange_free(struct exchange **xp)
{
	struct exchange *x = *xp;

	if (x == NULL)
		return;
	if (is_posted(x))
		bus_settle(x->bus);
	if (x->ctx.id != 0)
		nng_ctx_close(x->ctx);
	nng_aio_free(x->aio);
	if (x->msg != NULL)
		nng_msg_free(x->msg);
	bytes_fini(&x->body);
	pthread_mutex_destroy(&x->m);
	free(x);
	*xp = NULL;
}
