/* SPDX-License-Identifier: MIT */
#include "authd/auth_rpc.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "authd/body_rpc.h"
#include "authd/metrics.h"
#include "authd/notices.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pool.h"

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
	enum auth_method method;
	struct addr source;
	size_t user_len;
	char user[AUTH_TEXT_MAX];	/* for the log */
};

/* ---- auth_answer -> AuthReply ---- */

static const Sallyport__Pb__AuthReply__Result wire_results[] = {
	[AUTH_OK] = SALLYPORT__PB__AUTH_REPLY__RESULT__OK,
	[AUTH_FAILED] = SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED,
	[AUTH_BUSY] = SALLYPORT__PB__AUTH_REPLY__RESULT__BUSY,
	[AUTH_THROTTLED] = SALLYPORT__PB__AUTH_REPLY__RESULT__THROTTLED,
};

void
auth_rpc_encode(const struct auth_answer *a, struct bytes *out)
{
	Sallyport__Pb__AuthReply m = SALLYPORT__PB__AUTH_REPLY__INIT;

	m.result = wire_results[a->result];
	m.n_groups = a->groups.n;
	m.groups = a->groups.v;
	m.expires_us = a->expires_us;
	m.source_bound = a->source_bound;
	m.delay_ms = a->delay_ms;
	if (a->user != NULL)
		m.user = a->user;
	if (a->limits != NULL)
		m.limits = a->limits;
	body_pack(&m.base, out);
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
log_login(const struct waiter *w, const struct login_reply *reply)
{
	static const struct {
		enum log_level level;
		const char *event;
	} events[] = {
		[AUTH_OK] = { LOG_DEBUG, "login_ok" },
		[AUTH_FAILED] = { LOG_INFO, "login_failed" },
		[AUTH_BUSY] = { LOG_WARN, "login_busy" },
		[AUTH_THROTTLED] = { LOG_INFO, "login_throttled" },
	};
	enum auth_result result = reply->result;
	char source[ADDR_TEXT_SIZE];

	if (!log_enabled(events[result].level))
		return;
	addr_format(source, &w->source);
	log_at(NULL, events[result].level, events[result].event,
	    log_strn("user", (struct str){ w->user, w->user_len }),
	    log_str("source", source),
	    log_str("method", auth_method_names[w->method]),
	    log_str("why", reply->why != NULL ? reply->why : ""));
}

static void
count_login(const struct waiter *w, const struct login_reply *reply)
{
	struct metrics_cells *cells = authd_cells(w->rpc->o.metrics);

	metrics_add(cells, METRIC_authd_requests_total,
	    AUTHD_REQUEST(w->method, reply->result), 1);
	metrics_add(cells, METRIC_authd_cache_requests_total, reply->from, 1);
	if (reply->result == AUTH_THROTTLED)
		metrics_add(cells, METRIC_authd_throttled_total, reply->scope,
		    1);
	metrics_observe(cells, METRIC_authd_request_duration_seconds, w->method,
	    (double)(clock_mono_us() - w->start_us) / 1e6);
	if (reply->from == LOGIN_FROM_CHECK)
		metrics_observe(cells, METRIC_authd_queue_wait_seconds, 0,
		    (double)reply->waited_us / 1e6);
}

static void
tell_refusal(const struct waiter *w, const struct login_reply *reply)
{
	const struct notices_refusal r = { .scope = reply->scope,
		.user = { w->user, w->user_len }, .source = w->source,
		.delay_ms = reply->delay_ms };

	if (reply->result == AUTH_THROTTLED)
		notices_refused(w->rpc->o.telemetry, &r);
}

static void
on_done(struct login_waiter *base, const struct login_reply *reply)
{
	struct waiter *w = container_of(base, struct waiter, base);
	struct rpc_request *r = w->request;

	count_login(w, reply);
	log_login(w, reply);
	tell_refusal(w, reply);
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
		.from = LOGIN_FROM_NOWHERE,
		.why = AUTH_IMPOSSIBLE };

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
	w->method = q->method;
	w->source = q->source;
	w->user_len = q->user.len;
	if (q->user.len > 0)
		memcpy(w->user, q->user.ptr, q->user.len);
	if (!auth_is_possible(q)) {
		refuse(w);
	} else if (!rpc_request_is_bundled(r)) {
		logins_ask(rpc->o.logins, q, &w->base);
	} else if (!logins_ask_cached(rpc->o.logins, q, &w->base)) {
		waiter_free(w);
		rpc_postpone(r);
	}
}

void
auth_rpc_on_malformed(void *arg)
{
	struct auth_rpc *rpc = arg;

	metrics_add(authd_cells(rpc->o.metrics), METRIC_authd_requests_total,
	    AUTHD_REQUEST(AUTH_USERPASS, AUTHD_REQUEST_MALFORMED), 1);
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
	struct str body = rpc_request_body(r);
	const Sallyport__Pb__AuthRequest *m;
	struct auth_question q;
	struct body_room room;
	struct err err;
	int rc;

	body_room_init(&room);
	m = body_unpack(&room, &sallyport__pb__auth_request__descriptor, body);
	rc = m != NULL ? body_question(&q, m, &err) :
	    err_set(&err, "not an AuthRequest");
	/* The message holds the password as well, and nobody reads it again
	 * before the next one overwrites it. */
	secret_wipe((void *)body.ptr, body.len);
	if (rc == 0)
		ask(arg, r, &q, start_us);
	else
		on_malformed(arg, r, &err);
	body_room_wipe(&room);
}

const struct rpc_method auth_rpc_auth[] = {
	{ KIND_AUTH, "auth", on_auth, true },
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
