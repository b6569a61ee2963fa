/* SPDX-License-Identifier: MIT */
#include "apid/routes.h"

#include <string.h>

#include "apid/resources.h"

#define JSON "application/json"
#define TEXT "text/plain; charset=utf-8"
#define PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"

/*	method path scope handler parameters type schema summary 503 */
#define ROUTES(R)                                                            \
	R("GET", "/health", SCOPE_OPEN, system_health, no_params, JSON,      \
	    "Health", "State of the database and of all daemons", true)      \
	R("GET", "/healthz", SCOPE_OPEN, system_healthz, no_params, TEXT,    \
	    NULL, "This process answers", false)                             \
	R("GET", "/readyz", SCOPE_OPEN, system_readyz, no_params, TEXT,      \
	    NULL, "The API can serve", true)                                 \
	R("GET", "/metrics", SCOPE_METRICS, system_metrics, no_params,       \
	    PROMETHEUS, NULL, "Totals of the whole fleet", false)            \
	R("GET", "/openapi.json", SCOPE_OPEN, system_openapi, no_params,     \
	    JSON, "OpenAPI", "This description", false)                      \
	R("GET", "/api/sessions/active", TOKEN_SCOPE_READ, sessions_active,  \
	    active_params, JSON, "ActivePage", "Sessions that run", true)    \
	R("GET", "/api/sessions/history", TOKEN_SCOPE_READ,                  \
	    sessions_history, history_params, JSON, "SessionPage",           \
	    "Sessions that ended, newest first", true)                       \
	R("GET", "/api/sessions/stats", TOKEN_SCOPE_READ, sessions_stats,    \
	    stats_params, JSON, "Stats", "Sums over a window of time", true) \
	R("GET", "/api/sessions/{id}", TOKEN_SCOPE_READ, sessions_one,       \
	    no_params, JSON, "Session", "One session", true)                 \
	R("GET", "/api/telemetry/events", TOKEN_SCOPE_READ,                  \
	    telemetry_events, events_params, JSON, "EventPage",              \
	    "What daemons noticed, newest first", true)

static const struct param no_params[] = { { 0 } };

#define ROW(method, path, scope, handler, params, type, schema, summary, \
	    unavailable)                                                 \
	{ method, path, scope, handler, params, type, schema, summary,   \
	    unavailable },
const struct route routes[] = { ROUTES(ROW) };
const size_t routes_n = ARRAY_LEN(routes);

#define NAME(method, path, ...) path,
const char *const route_names[] = { ROUTES(NAME) "other", NULL };

/* A pattern has one "{id}" or none. */
static bool
matches(const char *pattern, struct str path, struct str *id)
{
	const char *mark = strstr(pattern, "{id}");
	size_t before, after;

	if (mark == NULL)
		return str_eq(path, str_from(pattern));
	before = (size_t)(mark - pattern);
	mark += strlen("{id}");
	after = strlen(mark);
	if (path.len <= before + after ||
	    memcmp(path.ptr, pattern, before) != 0 ||
	    memcmp(path.ptr + path.len - after, mark, after) != 0)
		return false;
	*id = (struct str){ path.ptr + before, path.len - before - after };
	return memchr(id->ptr, '/', id->len) == NULL;
}

const struct route *
routes_find(struct str method, struct str path, struct str *id,
    struct text *allow)
{
	const struct route *found = NULL;
	const char *pattern = NULL;
	bool head = str_eq(method, STR("HEAD"));

	*id = (struct str){ "", 0 };
	/* The first pattern that matches is the path's. */
	for (size_t i = 0; i < routes_n; i++) {
		const struct route *r = &routes[i];

		if (pattern == NULL && matches(r->path, path, id))
			pattern = r->path;
		if (pattern == NULL || strcmp(pattern, r->path) != 0)
			continue;
		text_fmt(allow, "%s%s%s", allow->len > 0 ? ", " : "",
		    r->method, strcmp(r->method, "GET") == 0 ?
		    ", HEAD" : "");
		if (str_eq(method, str_from(r->method)) ||
		    (head && strcmp(r->method, "GET") == 0))
			found = r;
	}
	return found;
}

unsigned
routes_index(const struct route *r)
{
	return (unsigned)(r != NULL ? (size_t)(r - routes) : routes_n);
}
