/* SPDX-License-Identifier: MIT */
/*
 * Each context is a slot that goes round: receive, handle, send. A slot has
 * one aio, and only the end of its send starts the next receive (nng 1.5.2
 * crashes otherwise). When the socket is closed every slot ends at its next
 * step, and rpc_server_stop waits for the last one.
 *
 * It also waits, before it closes, for the slots that are inside nng_ctx_recv
 * or nng_ctx_send: nng 1.5.2 lets go of a closed socket before the context
 * that such a call held last, and the context then locks freed memory.
 */
#include "msg/rpc_server.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <nng/nng.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "msg/bundle.h"
#include "msg/bus.h"

#define CONTEXTS_MAX 1024
/* Bytes in a bundle that tell to ask by itself. */
#define ALONE_SIZE_MAX 40
/* A peer that does not read its answers for so long is closed: it holds a
 * context, which all peers share. */
#define SEND_TIMEOUT_MS 2000

enum phase { PHASE_RECEIVING, PHASE_HANDLING, PHASE_SENDING };

/* A slot, or one part of the bundle that a slot holds. */
struct rpc_request {
	struct rpc_server *server;
	struct writer *bundle;		/* a part's: where its answer goes */
	nng_ctx ctx;
	nng_aio *aio;
	enum phase phase;
	nng_pipe pipe;			/* the asker's */
	nng_msg *msg;			/* the request, while it is handled */
	nng_msg *spare;			/* memory for the next answer */
	struct envelope envelope;	/* borrows from msg */
	uint64_t deadline;
};

struct rpc_server {
	struct rpc_server_options options;
	char *name;
	struct bus *bus;
	_Atomic uint64_t requests, malformed, unknown, failed;
	pthread_rwlock_t gate;		/* read: inside a call on a context */
	_Atomic bool closing;
	pthread_mutex_t m;
	pthread_cond_t ended;
	unsigned running;		/* slots that go round; guarded by m */
	struct rpc_request slots[];
};

/* The slot's last touch of the server. */
static void
end(struct rpc_request *r)
{
	struct rpc_server *s = r->server;

	pthread_mutex_lock(&s->m);
	s->running--;
	pthread_cond_signal(&s->ended);
	pthread_mutex_unlock(&s->m);
}

typedef void ctx_call(nng_ctx, nng_aio *);

/* false: the server is closing, and the slot must end. */
static bool
begin(struct rpc_request *r, ctx_call *call)
{
	struct rpc_server *s = r->server;
	bool open;

	pthread_rwlock_rdlock(&s->gate);
	open = !atomic_load(&s->closing);
	if (open)
		call(r->ctx, r->aio);
	pthread_rwlock_unlock(&s->gate);
	return open;
}

static void
receive(struct rpc_request *r)
{
	r->phase = PHASE_RECEIVING;
	nng_aio_set_timeout(r->aio, NNG_DURATION_INFINITE);
	if (!begin(r, nng_ctx_recv))
		end(r);
}

static const struct rpc_method *
method_of(const struct rpc_server *s, uint32_t kind)
{
	const struct rpc_method *m = s->options.methods;

	while (m->kind != 0 && m->kind != kind)
		m++;
	return m->kind != 0 ? m : NULL;
}

/* What it sent is no request at all: there is nothing to answer. Part of it may
 * be a login that nobody read, and so nobody wiped. */
static void
refuse_peer(struct rpc_request *r)
{
	struct rpc_server *s = r->server;

	secret_wipe(nng_msg_body(r->msg), nng_msg_len(r->msg));
	if (s->options.on_malformed != NULL)
		s->options.on_malformed(s->options.arg);
	nng_msg_free(r->msg);
	r->msg = NULL;
	nng_pipe_close(r->pipe);
	receive(r);
}

/* Its envelope is there. */
static void
handle_one(struct rpc_request *r)
{
	struct rpc_server *s = r->server;
	const struct rpc_method *method = method_of(s, r->envelope.kind);

	r->phase = PHASE_HANDLING;
	r->deadline = clock_mono_ms() + r->envelope.deadline_ms;
	if (method != NULL && r->bundle != NULL && !method->at_once) {
		rpc_postpone(r);
		return;
	}
	atomic_fetch_add(&s->requests, 1);
	if (method == NULL) {
		atomic_fetch_add(&s->unknown, 1);
		log_warn(NULL, "rpc_unknown_kind", log_str("socket", s->name),
		    log_u64("kind", r->envelope.kind));
		rpc_fail(r, RPC_STATUS_UNKNOWN, "no such request here");
		return;
	}
	method->handle(s->options.arg, r);
}

/* Fills `answers`. false: it is no bundle. */
static bool
handle_parts(struct rpc_request *r, struct writer *answers)
{
	struct str rest = r->envelope.body;
	struct rpc_request part = { .server = r->server, .bundle = answers };
	enum bundle_result found;
	unsigned n = 0;

	while ((found = bundle_next(&rest, &part.envelope)) == BUNDLE_ITEM &&
	    n++ < BUNDLE_ITEMS_MAX) {
		handle_one(&part);
		ASSERT(part.phase == PHASE_SENDING);
	}
	return found == BUNDLE_END;
}

/* In the bytes of a bundle; any of its answers may be replaced by ALONE. */
static size_t
answers_max(const struct rpc_server *s)
{
	size_t half = s->options.max_message / 2;

	return half < BUNDLE_BYTES_MAX ? half : BUNDLE_BYTES_MAX;
}

static bool
handle_bundle(struct rpc_request *r)
{
	size_t size = answers_max(r->server) +
	    (size_t)BUNDLE_ITEMS_MAX * ALONE_SIZE_MAX;
	char *room = xmalloc(size);
	struct writer answers = writer_on(room, size);
	bool ok = handle_parts(r, &answers);

	if (ok)
		rpc_reply(r, (struct str){ room, answers.len });
	free(room);
	return ok;
}

static void
handle(struct rpc_request *r)
{
	struct rpc_server *s = r->server;
	struct str message = { nng_msg_body(r->msg), nng_msg_len(r->msg) };
	bool ok = envelope_unpack(&r->envelope, message) == 0;

	r->phase = PHASE_HANDLING;
	if (ok && r->envelope.kind == KIND_BUNDLE) {
		ok = handle_bundle(r);
	} else if (ok) {
		handle_one(r);
	}
	if (ok)		/* r may be another request by now */
		return;
	atomic_fetch_add(&s->requests, 1);
	atomic_fetch_add(&s->malformed, 1);
	log_warn(NULL, "rpc_malformed", log_str("socket", s->name),
	    log_u64("bytes", message.len));
	refuse_peer(r);
}

static void
drop_answer(struct rpc_request *r, int rv)
{
	nng_msg_free(nng_aio_get_msg(r->aio));
	nng_aio_set_msg(r->aio, NULL);
	if (rv == NNG_ETIMEDOUT) {
		log_warn(NULL, "rpc_peer_does_not_read",
		    log_str("socket", r->server->name));
		nng_pipe_close(r->pipe);
	}
}

static void
on_event(void *arg)
{
	struct rpc_request *r = arg;
	int rv = nng_aio_result(r->aio);

	if (r->phase == PHASE_SENDING && rv != 0)
		drop_answer(r, rv);
	if (rv == NNG_ECLOSED) {
		end(r);
	} else if (r->phase == PHASE_RECEIVING && rv == 0) {
		r->msg = nng_aio_get_msg(r->aio);
		r->pipe = nng_msg_get_pipe(r->msg);
		nng_aio_set_msg(r->aio, NULL);
		handle(r);
	} else {
		receive(r);
	}
}

/* Into memory of an earlier request where there is some: the body may well
 * borrow from this one. NULL: no memory. */
static nng_msg *
pack(struct rpc_request *r, const struct envelope *e)
{
	nng_msg *msg = r->spare;
	size_t size = envelope_size(e);

	r->spare = NULL;
	if (msg == NULL) {
		if (nng_msg_alloc(&msg, size) != 0)
			return NULL;
	} else if (nng_msg_realloc(msg, size) != 0) {
		nng_msg_free(msg);
		return NULL;
	}
	envelope_pack(e, nng_msg_body(msg));
	return msg;
}

static void
answer_part(struct rpc_request *r, struct envelope *e)
{
	if (bundle_item_size(e) > answers_max(r->server) ||
	    r->bundle->len > answers_max(r->server) - bundle_item_size(e))
		*e = (struct envelope){ .id = e->id, .kind = e->kind,
			.status = RPC_STATUS_ALONE };
	bundle_put(r->bundle, e);
	ASSERT(!r->bundle->failed);
	r->phase = PHASE_SENDING;
}

static void
answer(struct rpc_request *r, struct envelope *e)
{
	nng_msg *msg;

	ASSERT(r->phase == PHASE_HANDLING);
	e->id = r->envelope.id;
	e->kind = r->envelope.kind;
	if (r->bundle != NULL) {
		answer_part(r, e);
		return;
	}
	e->bundle = BUNDLE_ITEMS_MAX;
	if (envelope_size(e) > r->server->options.max_message) {
		e->status = RPC_STATUS_FAILED;
		e->body = STR("");
		e->error = STR("the answer is too large");
		atomic_fetch_add(&r->server->failed, 1);
	}
	msg = pack(r, e);
	r->spare = r->msg;
	r->msg = NULL;
	if (msg == NULL) {	/* no memory: the asker's time runs out */
		receive(r);
		return;
	}
	r->phase = PHASE_SENDING;
	nng_aio_set_timeout(r->aio, SEND_TIMEOUT_MS);
	nng_aio_set_msg(r->aio, msg);
	if (!begin(r, nng_ctx_send)) {
		nng_aio_set_msg(r->aio, NULL);
		nng_msg_free(msg);
		end(r);
	}
}

void
rpc_reply(struct rpc_request *r, struct str body)
{
	struct envelope e = { .body = body };

	answer(r, &e);
}

void
rpc_fail(struct rpc_request *r, enum rpc_status status, const char *fmt, ...)
{
	char raw[ENVELOPE_ERROR_MAX], escaped[ENVELOPE_ERROR_MAX];
	struct text t = text_on(escaped, sizeof(escaped));
	struct envelope e = { .status = status };
	va_list ap;

	ASSERT(status != RPC_STATUS_OK && status < RPC_STATUSES);
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	text_escaped(&t, str_from(raw));
	e.error = (struct str){ t.ptr, t.len };
	if (status == RPC_STATUS_FAILED)
		atomic_fetch_add(&r->server->failed, 1);
	answer(r, &e);
}

bool
rpc_request_is_bundled(const struct rpc_request *r)
{
	return r->bundle != NULL;
}

void
rpc_postpone(struct rpc_request *r)
{
	struct envelope e = { .status = RPC_STATUS_ALONE };

	ASSERT(r->bundle != NULL);
	answer(r, &e);
}

struct str
rpc_request_body(const struct rpc_request *r)
{
	return r->envelope.body;
}

uint32_t
rpc_request_kind(const struct rpc_request *r)
{
	return r->envelope.kind;
}

uint64_t
rpc_request_deadline(const struct rpc_request *r)
{
	return r->deadline;
}

static int
slots_open(struct rpc_server *s, struct err *err)
{
	for (unsigned i = 0; i < s->options.contexts; i++) {
		struct rpc_request *r = &s->slots[i];
		int rv;

		r->server = s;
		if ((rv = nng_aio_alloc(&r->aio, on_event, r)) != 0 ||
		    (rv = nng_ctx_open(&r->ctx, *bus_socket(s->bus))) != 0)
			return err_set(err, "%s: cannot make a context: %s",
			    s->name, nng_strerror(rv));
	}
	return 0;
}

static void
slots_start(struct rpc_server *s)
{
	s->running = s->options.contexts;
	for (unsigned i = 0; i < s->options.contexts; i++)
		receive(&s->slots[i]);
}

int
rpc_server_start(struct rpc_server **out, const struct rpc_server_options *o,
    struct err *err)
{
	struct bus_options bo = {
		.role = BUS_REP,
		.address = o->address,
		.name = o->name,
		.listen = true,
		.max_message = o->max_message,
		.group = o->group,
	};
	struct rpc_server *s;

	ASSERT(o->contexts >= 1 && o->contexts <= CONTEXTS_MAX);
	s = xcalloc(1, sizeof(*s) + o->contexts * sizeof(s->slots[0]));
	s->options = *o;
	s->options.address = NULL;	/* the caller's; bus has its own */
	s->options.name = s->name = xstrdup(o->name);
	pthread_rwlock_init(&s->gate, NULL);
	pthread_mutex_init(&s->m, NULL);
	pthread_cond_init(&s->ended, NULL);
	if (bus_open(&s->bus, &bo, err) != 0 || slots_open(s, err) != 0)
		goto fail;
	slots_start(s);
	if (bus_start(s->bus, err) != 0)
		goto fail;
	*out = s;
	return 0;
fail:
	rpc_server_stop(&s);
	return -1;
}

struct rpc_server_stats
rpc_server_stats(const struct rpc_server *s)
{
	return (struct rpc_server_stats){
		.requests = atomic_load(&s->requests),
		.malformed = atomic_load(&s->malformed),
		.unknown = atomic_load(&s->unknown),
		.failed = atomic_load(&s->failed),
	};
}

static void
slot_free(struct rpc_request *r)
{
	nng_aio_free(r->aio);
	if (r->msg != NULL)
		nng_msg_free(r->msg);
	if (r->spare != NULL)
		nng_msg_free(r->spare);
}

void
rpc_server_stop(struct rpc_server **sp)
{
	struct rpc_server *s = *sp;

	if (s == NULL)
		return;
	atomic_store(&s->closing, true);
	pthread_rwlock_wrlock(&s->gate);	/* until all calls are back */
	pthread_rwlock_unlock(&s->gate);
	if (s->bus != NULL)
		bus_close(s->bus);
	pthread_mutex_lock(&s->m);
	while (s->running > 0)
		pthread_cond_wait(&s->ended, &s->m);
	pthread_mutex_unlock(&s->m);
	for (unsigned i = 0; i < s->options.contexts; i++)
		slot_free(&s->slots[i]);
	bus_free(&s->bus);
	pthread_cond_destroy(&s->ended);
	pthread_mutex_destroy(&s->m);
	pthread_rwlock_destroy(&s->gate);
	free(s->name);
	free(s);
	*sp = NULL;
}
