/* SPDX-License-Identifier: MIT */
#include "apid/api.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "apid/guard.h"
#include "apid/metrics.h"
#include "apid/openapi.h"
#include "apid/routes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct api {
	struct api_options o;
	_Atomic(const struct settings *) settings;
	struct bytes openapi;
	uint64_t started_us;
};

struct api_worker {
	struct api *api;
	struct query *query;
	struct metrics_cells *cells;
	struct params params;
};

struct api *
api_new(const struct api_options *o)
{
	struct api *a = xcalloc(1, sizeof(*a));

	a->o = *o;
	atomic_store(&a->settings, o->settings);
	openapi_write(&a->openapi);
	a->started_us = clock_mono_us();
	return a;
}

void
api_set_settings(struct api *a, const struct settings *s)
{
	atomic_store(&a->settings, s);
}

void
api_free(struct api **ap)
{
	if (*ap == NULL)
		return;
	bytes_fini(&(*ap)->openapi);
	free(*ap);
	*ap = NULL;
}

struct api_worker *
api_worker_new(struct api *a)
{
	struct api_worker *w = xcalloc(1, sizeof(*w));

	w->api = a;
	w->query = query_new(a->o.source);
	w->cells = apid_cells(a->o.metrics);
	return w;
}

void
api_worker_free(struct api_worker **wp)
{
	if (*wp == NULL)
		return;
	query_free(&(*wp)->query);
	free(*wp);
	*wp = NULL;
}

struct metrics *
api_metrics(const struct api *a)
{
	return a->o.metrics;
}

void
api_sample(const struct api *a, struct sample *out)
{
	sampler_get(a->o.sampler, out);
}

void
api_users(const struct api *a, struct bytes *out)
{
	sampler_users(a->o.sampler, out);
}

struct str
api_openapi(const struct api *a)
{
	return (struct str){ a->openapi.ptr, a->openapi.len };
}

uint64_t
api_started_us(const struct api *a)
{
	return a->started_us;
}

void
call_problem(struct call *c, enum problem p, const char *detail)
{
	problem_respond(c->response, c->request, p, detail, NULL);
}

bool
call_bad_parameter(struct call *c, const char *name, const char *message)
{
	struct problem_errors errors = { .n = 0 };

	problem_add(&errors, str_from(name), "bad_value", "%s: %s", name,
	    message);
	problem_respond(c->response, c->request, PROBLEM_PARAMETERS,
	    errors.v[0].message, &errors);
	return false;
}

void
call_query_failed(struct call *c, enum query_result r)
{
	const char *why = query_why(c->query);

	if (r == QUERY_TIMEOUT) {
		call_problem(c, PROBLEM_SLOW, "The statement was ended by "
		    "apid.statement_timeout; ask for less at once.");
		return;
	}
	log_warn(NULL, "query_failed", log_str("route", c->route->path),
	    log_str("why", why));
	call_problem(c, PROBLEM_UNAVAILABLE, why);
}

/* ---- login ---- */

static unsigned
scope_of(const struct call *c, bool *open)
{
	unsigned scope = c->route != NULL ? c->route->scope : 0;

	/* Without a route any token will do: strangers learn no paths. */
	*open = c->route != NULL && scope == SCOPE_OPEN;
	if (scope == SCOPE_METRICS) {
		*open = !c->settings->metrics.require_token;
		scope = TOKEN_SCOPE_READ;
	}
	return scope;
}

static void
refuse_login(struct call *c, enum token_result r, unsigned scope)
{
	static const char *const details[TOKEN_RESULTS] = {
		[TOKEN_MISSING] = "Send Authorization: Bearer TOKEN.",
		[TOKEN_MALFORMED] = "Authorization must be: Bearer TOKEN.",
		[TOKEN_UNKNOWN] = "This token is not known.",
		[TOKEN_EXPIRED] = "This token has expired.",
	};
	char header[96], detail[96];
	struct text h = text_on(header, sizeof(header));
	struct text d = text_on(detail, sizeof(detail));

	text_fmt(&h, "Bearer realm=\"sallyport\"");
	if (r == TOKEN_SCOPE)
		text_fmt(&h, ", error=\"insufficient_scope\", scope=\"%s\"",
		    token_scope_name(scope));
	else if (r != TOKEN_MISSING)
		text_fmt(&h, ", error=\"invalid_token\"");
	response_header(c->response, "WWW-Authenticate", header);
	text_fmt(&d, "The scope %s is needed.", token_scope_name(scope));
	call_problem(c, r == TOKEN_SCOPE ? PROBLEM_FORBIDDEN :
	    PROBLEM_UNAUTHENTICATED, r == TOKEN_SCOPE ? detail : details[r]);
}

/* False: refused. */
static bool
log_in(struct api_worker *w, struct call *c)
{
	unsigned n, scope;
	struct str value = request_header(c->request, "Authorization", &n);
	enum token_result r;
	bool open;

	scope = scope_of(c, &open);
	if (open)
		return true;
	r = n > 1 ? TOKEN_MALFORMED : token_store_check(w->api->o.tokens,
	    value, scope, c->now_us, &c->who);
	metrics_add(w->cells, METRIC_api_logins_total, r, 1);
	if (r == TOKEN_OK)
		return true;
	refuse_login(c, r, scope);
	return false;
}

/* ---- dispatch ---- */

static bool
is_api_path(struct str path)
{
	return path.len >= 4 && memcmp(path.ptr, "/api", 4) == 0 &&
	    (path.len == 4 || path.ptr[4] == '/');
}

/* No route: 404, or 405 where the path has other methods. */
static void
refuse_route(struct api_worker *w, struct call *c, const char *allow)
{
	if (is_api_path(c->request->path) && !log_in(w, c))
		return;
	if (*allow == '\0') {
		call_problem(c, PROBLEM_NOT_FOUND, "There is no such path.");
		return;
	}
	response_header(c->response, "Allow", allow);
	call_problem(c, PROBLEM_METHOD, "The path does not have this method.");
}

static void
dispatch(struct api_worker *w, struct call *c)
{
	struct problem_errors errors = { .n = 0 };

	if (!log_in(w, c))
		return;
	if (!params_parse(&w->params, c->route->params, c->request->query,
	        c->now_us, &errors)) {
		problem_respond(c->response, c->request, PROBLEM_PARAMETERS,
		    errors.n > 0 ? errors.v[0].message : "", &errors);
		return;
	}
	c->response->type = c->route->type;
	c->route->handle(c);
}

static void
answer(struct api_worker *w, struct call *c)
{
	char allow[64];
	struct text t = text_on(allow, sizeof(allow));
	const struct request *rq = c->request;
	enum problem p;
	const char *detail;

	p = guard_check(rq, &c->settings->apid.hosts, &detail);
	if (p != PROBLEM_NONE && p != PROBLEM_BODY) {
		call_problem(c, p, detail);
		return;
	}
	c->route = routes_find(rq->method, rq->path, &c->id, &t);
	if (c->route == NULL)
		refuse_route(w, c, allow);
	else if (p == PROBLEM_BODY)
		call_problem(c, p, detail);
	else
		dispatch(w, c);
}

void
api_serve(struct api_worker *w, const struct request *rq,
    struct response *rs)
{
	struct call c = {
		.api = w->api, .query = w->query,
		.settings = atomic_load(&w->api->settings), .request = rq,
		.response = rs, .params = &w->params,
		.now_us = clock_wall_us(),
	};
	uint64_t began_us = clock_mono_us();
	unsigned route;

	response_reset(rs);
	answer(w, &c);
	route = routes_index(c.route);
	metrics_add(w->cells, METRIC_http_requests_total,
	    apid_code_label(route, rs->status), 1);
	metrics_observe(w->cells, METRIC_http_request_duration_seconds, route,
	    (double)(clock_mono_us() - began_us) / 1e6);
	log_debug(NULL, "request", log_strn("method", rq->method),
	    log_strn("path", rq->path), log_u64("status", (unsigned)rs->status),
	    log_str("request_id", rq->id), log_str("token", c.who.name));
}

void
api_refuse(struct api_worker *w, const struct request *rq,
    struct response *rs, enum problem p)
{
	response_reset(rs);
	problem_respond(rs, rq, p, p == PROBLEM_HEAD_LENGTH ?
	    "The head of a request may have 16 KiB." :
	    "This is no request of HTTP/1.1.", NULL);
	metrics_add(w->cells, METRIC_http_requests_total,
	    apid_code_label(routes_index(NULL), rs->status), 1);
}
