/* SPDX-License-Identifier: MIT */
#include "authd/auth_rpc.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "authd/metrics.h"
#include "authd/workers.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pool.h"
#include "proto/auth.pb-c.h"

/* A request is unpacked into no more than this. */
#define SCRATCH_SIZE 8192

struct auth_rpc {
	struct auth_rpc_options o;
	pthread_mutex_t m;
	struct pool *waiters;		/* guarded by m */
};

/* A request that will be answered. */
struct waiter {
	struct login_waiter base;
	struct auth_rpc *rpc;
	struct rpc_request *request;
	uint64_t start_us;
	struct addr source;
	size_t user_len;
	char user[AUTH_TEXT_MAX];	/* for the log */
};

/* ---- memory that leaves nothing behind ---- */

struct scratch {
	size_t used;
	_Alignas(max_align_t) char room[SCRATCH_SIZE];
};

static void *
scratch_alloc(void *arg, size_t size)
{
	struct scratch *s = arg;
	size_t at = (s->used + _Alignof(max_align_t) - 1) &
	    ~(_Alignof(max_align_t) - 1);

	if (size > sizeof(s->room) || at > sizeof(s->room) - size)
		return NULL;
	s->used = at + size;
	return s->room + at;
}

static void
scratch_free(void *arg, void *p)
{
	(void)arg;
	(void)p;
}

/* ---- AuthRequest -> auth_question ---- */

static struct str
binary_str(const ProtobufCBinaryData *b)
{
	return (struct str){ (const char *)b->data, b->len };
}

/*
 * A string with a NUL inside would look shorter than it is: what was unpacked
 * must fill as many bytes as came.
 */
static bool
is_whole(const Sallyport__Pb__AuthRequest *m, struct str body)
{
	return sallyport__pb__auth_request__get_packed_size(m) == body.len;
}

static int
check_text(struct str s, const char *what, struct err *err)
{
	if (s.len <= AUTH_TEXT_MAX)
		return 0;
	return err_set(err, "%s: longer than %d bytes", what, AUTH_TEXT_MAX);
}

static int
read_question(struct auth_question *q, const Sallyport__Pb__AuthRequest *m,
    struct str body, struct err *err)
{
	if (m == NULL || !is_whole(m, body))
		return err_set(err, "not an AuthRequest");
	*q = (struct auth_question){ .method = str_from(m->method),
		.service = str_from(m->service), .user = binary_str(&m->user),
		.password = binary_str(&m->password) };
	if (!str_eq(q->method, STR("userpass")))
		return err_set(err, "method: not userpass");
	if (m->source.len != sizeof(q->source.b))
		return err_set(err, "source: not 16 bytes");
	q->source = addr_from_v6(m->source.data);
	if (check_text(q->service, "service", err) != 0 ||
	    check_text(str_from(m->listener), "listener", err) != 0 ||
	    check_text(q->user, "user", err) != 0)
		return -1;
	return check_text(q->password, "password", err);
}

/* ---- auth_answer -> AuthReply ---- */

static const Sallyport__Pb__AuthReply__Result wire_results[] = {
	[AUTH_OK] = SALLYPORT__PB__AUTH_REPLY__RESULT__OK,
	[AUTH_FAILED] = SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED,
	[AUTH_BUSY] = SALLYPORT__PB__AUTH_REPLY__RESULT__BUSY,
};

static void
pack(const ProtobufCMessage *m, struct bytes *out)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	uint8_t *room = xmalloc(size + 1);

	protobuf_c_message_pack(m, room);
	bytes_add(out, room, size);
	free(room);
}

void
auth_rpc_encode(const struct auth_answer *a, struct bytes *out)
{
	Sallyport__Pb__AuthReply m = SALLYPORT__PB__AUTH_REPLY__INIT;

	m.result = wire_results[a->result];
	m.n_groups = a->groups.n;
	m.groups = a->groups.v;
	m.expires_us = a->expires_us;
	m.source_bound = a->source_bound;
	pack(&m.base, out);
}

/* ---- one login ---- */

static struct waiter *
waiter_new(struct auth_rpc *rpc)
{
	struct waiter *w;

	pthread_mutex_lock(&rpc->m);
	w = pool_get(rpc->waiters);
	pthread_mutex_unlock(&rpc->m);
	ASSERT(w != NULL);	/* there is one for each context */
	return w;
}

static void
waiter_free(struct waiter *w)
{
	struct auth_rpc *rpc = w->rpc;

	pthread_mutex_lock(&rpc->m);
	pool_put(rpc->waiters, w);
	pthread_mutex_unlock(&rpc->m);
}

static void
log_login(const struct waiter *w, enum auth_result result)
{
	static const struct {
		enum log_level level;
		const char *event;
	} events[] = {
		[AUTH_OK] = { LOG_DEBUG, "login_ok" },
		[AUTH_FAILED] = { LOG_INFO, "login_failed" },
		[AUTH_BUSY] = { LOG_WARN, "login_busy" },
	};
	char source[ADDR_TEXT_SIZE];

	if (!log_enabled(events[result].level))
		return;
	addr_format(source, &w->source);
	log_at(NULL, events[result].level, events[result].event,
	    log_strn("user", (struct str){ w->user, w->user_len }),
	    log_str("source", source));
}

static void
count_login(const struct waiter *w, const struct login_reply *reply)
{
	struct metrics_cells *cells = authd_cells(w->rpc->o.metrics);

	metrics_add(cells, METRIC_authd_requests_total, reply->result, 1);
	metrics_add(cells, METRIC_authd_cache_requests_total, reply->from, 1);
	metrics_observe(cells, METRIC_authd_request_duration_seconds, 0,
	    (double)(clock_mono_us() - w->start_us) / 1e6);
	if (reply->from == LOGIN_FROM_CHECK)
		metrics_observe(cells, METRIC_authd_queue_wait_seconds, 0,
		    (double)reply->waited_us / 1e6);
}

static void
on_done(struct login_waiter *base, const struct login_reply *reply)
{
	struct waiter *w = container_of(base, struct waiter, base);
	struct rpc_request *r = w->request;

	count_login(w, reply);
	log_login(w, reply->result);
	waiter_free(w);		/* first: the reply makes room for a request */
	rpc_reply(r, reply->body);
}

/* No hash is spent on what cannot be anybody's. */
static void
refuse(struct waiter *w)
{
	const struct auth_answer failed = { .result = AUTH_FAILED };
	struct bytes body = { 0 };
	struct login_reply reply = { .result = AUTH_FAILED,
		.from = LOGIN_FROM_NOWHERE };

	auth_rpc_encode(&failed, &body);
	reply.body = (struct str){ body.ptr, body.len };
	on_done(&w->base, &reply);
	bytes_fini(&body);
}

static void
ask(struct auth_rpc *rpc, struct rpc_request *r,
    const struct auth_question *q, uint64_t start_us)
{
	struct waiter *w = waiter_new(rpc);

	w->base.done = on_done;
	w->base.deadline_ms = rpc_request_deadline(r);
	w->rpc = rpc;
	w->request = r;
	w->start_us = start_us;
	w->source = q->source;
	w->user_len = q->user.len;
	if (q->user.len > 0)
		memcpy(w->user, q->user.ptr, q->user.len);
	if (auth_is_possible(q))
		logins_ask(rpc->o.logins, q, &w->base);
	else
		refuse(w);
}

void
auth_rpc_on_malformed(void *arg)
{
	struct auth_rpc *rpc = arg;

	metrics_add(authd_cells(rpc->o.metrics), METRIC_authd_requests_total,
	    AUTHD_REQUEST_MALFORMED, 1);
}

static void
on_malformed(struct auth_rpc *rpc, struct rpc_request *r,
    const struct err *err)
{
	auth_rpc_on_malformed(rpc);
	log_warn(NULL, "login_malformed", log_str("error", err->text));
	rpc_fail(r, RPC_STATUS_MALFORMED, "%s", err->text);
}

static void
on_auth(void *arg, struct rpc_request *r)
{
	uint64_t start_us = clock_mono_us();
	struct scratch scratch = { .used = 0 };
	ProtobufCAllocator allocator = { scratch_alloc, scratch_free,
		&scratch };
	struct str body = rpc_request_body(r);
	Sallyport__Pb__AuthRequest *m = sallyport__pb__auth_request__unpack(
	    &allocator, body.len, (const uint8_t *)body.ptr);
	struct auth_question q;
	struct err err;
	int rc = read_question(&q, m, body, &err);

	/* The message holds the password as well, and nobody reads it again
	 * before the next one overwrites it. */
	secret_wipe((void *)body.ptr, body.len);
	if (rc == 0)
		ask(arg, r, &q, start_us);
	else
		on_malformed(arg, r, &err);
	secret_wipe(scratch.room, scratch.used);
}

/* ---- administration ---- */

struct reload {
	struct workers_job job;
	struct auth_rpc *rpc;
	struct rpc_request *request;
};

static void
reply_users(struct rpc_request *r, unsigned users)
{
	Sallyport__Pb__UsersReloadReply m =
	    SALLYPORT__PB__USERS_RELOAD_REPLY__INIT;
	struct bytes body = { 0 };

	m.users = users;
	pack(&m.base, &body);
	rpc_reply(r, (struct str){ body.ptr, body.len });
	bytes_fini(&body);
}

static void
on_reload_job(struct workers_job *j, bool abandoned)
{
	struct reload *reload = container_of(j, struct reload, job);
	struct rpc_request *r = reload->request;
	unsigned users;
	struct err err;

	if (abandoned)
		rpc_fail(r, RPC_STATUS_BUSY, "authd is stopping");
	else if (loader_run(reload->rpc->o.loader, &users, &err) == 0)
		reply_users(r, users);
	else
		rpc_fail(r, RPC_STATUS_FAILED, "%s", err.text);
	free(reload);
}

/* UsersReload is empty; it must at least be a message. */
static bool
is_reload(struct str body)
{
	Sallyport__Pb__UsersReload *m = sallyport__pb__users_reload__unpack(
	    NULL, body.len, (const uint8_t *)body.ptr);

	if (m == NULL)
		return false;
	sallyport__pb__users_reload__free_unpacked(m, NULL);
	return true;
}

static void
on_users_reload(void *arg, struct rpc_request *r)
{
	struct auth_rpc *rpc = arg;
	struct reload *reload;

	if (!is_reload(rpc_request_body(r))) {
		rpc_fail(r, RPC_STATUS_MALFORMED, "not a UsersReload");
		return;
	}
	reload = xcalloc(1, sizeof(*reload));
	*reload = (struct reload){ .job.run = on_reload_job, .rpc = rpc,
		.request = r };
	if (workers_submit_first(logins_workers(rpc->o.logins), &reload->job))
		return;
	free(reload);
	rpc_fail(r, RPC_STATUS_BUSY, "authd is stopping");
}

const struct rpc_method auth_rpc_auth[] = {
	{ KIND_AUTH, "auth", on_auth },
	{ 0, NULL, NULL },
};

const struct rpc_method auth_rpc_admin[] = {
	{ KIND_USERS_RELOAD, "users_reload", on_users_reload },
	{ 0, NULL, NULL },
};

/* ---- life ---- */

struct auth_rpc *
auth_rpc_new(const struct auth_rpc_options *o)
{
	struct auth_rpc *rpc = xcalloc(1, sizeof(*rpc));

	rpc->o = *o;
	pthread_mutex_init(&rpc->m, NULL);
	rpc->waiters = pool_new(sizeof(struct waiter), o->contexts);
	return rpc;
}

void
auth_rpc_free(struct auth_rpc **rp)
{
	struct auth_rpc *rpc = *rp;

	*rp = NULL;
	if (rpc == NULL)
		return;
	pool_free(&rpc->waiters);
	pthread_mutex_destroy(&rpc->m);
	free(rpc);
}
