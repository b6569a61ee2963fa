/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apid/api.h"
#include "apid/metrics.h"
#include "apid/routes.h"
#include "base/clock.h"
#include "helper.h"

#define ROWS 500u
#define EVENTS 40u

static struct base base;
static struct settings settings;
static struct token_store *tokens;
static struct metrics *metrics;
static struct sampler *sampler;
static struct api *api;
static struct api_worker *worker;
static struct response response;

/* SHA-256 of "reader", "operator", "old". */
static const char tokens_text[] =
    "[[tokens]]\nname = \"reader\"\nscopes = [\"read\"]\nsha256 = \""
    "3d0941964aa3ebdcb00ccef58b1bb399f9f898465e9886d5aec7f31090a0fb30\"\n"
    "[[tokens]]\nname = \"operator\"\nscopes = [\"operate\"]\nsha256 = \""
    "06e55b633481f7bb072957eabcf110c972e86691c3cfedabe088024bffe42f23\"\n"
    "[[tokens]]\nname = \"old\"\nscopes = [\"admin\"]\n"
    "expires = 2020-01-01T00:00:00Z\nsha256 = \""
    "cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4\"\n";

/* Each a minute older than the one before it. */
static void
add_events(void)
{
	static const char *const kinds[] = { "1, 'auth', 'worker_killed'",
		"2, 'security', 'guessing_detected'",
		"3, 'auth', 'backend_down'",
		"2, 'security', 'source_throttled'" };

	for (unsigned n = 0; n < EVENTS; n++) {
		unsigned long long at = SEED_NOW_US -
		    (n + 1) * UINT64_C(60000000) + 1000;

		base_run(&base, "INSERT INTO telemetry_event (at, id,"
		    " severity, category, event, message, component,"
		    " instance, details, suppressed) VALUES (us(%llu),"
		    " id_of(%llu, %u), %s, %s, 'authd', 'host-1', %s, %u)",
		    at, at, n, kinds[n % ARRAY_LEN(kinds)],
		    n == 1 ? "'bob guesses'" : "NULL",
		    n == 1 ? "'{\"user\":\"bob\"}'" : "'[1'", n);
	}
}

static int
setup(void **state)
{
	struct sampler_options so = { .arg = NULL };
	struct api_options o = { .settings = &settings };
	struct token_set *set;
	struct err err;

	(void)state;
	base_open(&base);
	base_add_ended(&base, 0, ROWS);
	base_add_active(&base, ROWS, ROWS + 10);
	add_events();
	clock_test_set(1000000, SEED_NOW_US);
	settings = (struct settings){ .metrics = { .namespace = "sallyport" },
		.apid = { .stats_window_hours = 24 } };
	query_source_set_timeout(base.source, 20000);
	if (token_set_parse(&set, "t.toml", str_from(tokens_text), &err) != 0)
		fail_msg("%s", err.text);
	tokens = token_store_new();
	token_store_set(tokens, set);
	/* Threads keep their shares of it: one for all tests. */
	if (metrics == NULL)
		metrics = metrics_new("sallyport", "apid", apid_metrics,
		    APID_METRICS);
	so.source = base.source;
	so.metrics = metrics;
	assert_int_equal(sampler_start(&sampler, &so, &err), 0);
	o.source = base.source;
	o.metrics = metrics;
	o.tokens = tokens;
	o.sampler = sampler;
	api = api_new(&o);
	worker = api_worker_new(api);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	api_worker_free(&worker);
	api_free(&api);
	sampler_stop(&sampler);
	token_store_free(&tokens);
	response_fini(&response);
	memset(&response, 0, sizeof(response));
	clock_test_reset();
	base_close(&base);
	return 0;
}

/* "GET", "/path?query", authorization or NULL; the status. */
static int
ask(const char *method, const char *target, const char *authorization)
{
	struct header headers[2] = { { STR("Host"), STR("localhost") },
		{ STR("Authorization"), str_from(authorization) } };
	const char *mark = strchr(target, '?');
	struct request rq = { .method = str_from(method),
		.path = str_from(target), .headers = headers,
		.n_headers = authorization != NULL ? 2 : 1,
		.id = "0123456789abcdef0123456789abcdef" };

	if (mark != NULL) {
		rq.path.len = (size_t)(mark - target);
		rq.query = str_from(mark + 1);
	} else {
		rq.query = STR("");
	}
	api_serve(worker, &rq, &response);
	return response.status;
}

static int
get(const char *target)
{
	return ask("GET", target, "Bearer reader");
}

/* The body; the caller's. */
static json_t *
body(void)
{
	json_error_t e;
	json_t *o = json_loadb(response.body.ptr, response.body.len,
	    JSON_REJECT_DUPLICATES, &e);

	if (o == NULL)
		fail_msg("%s: %.*s", e.text, (int)response.body.len,
		    response.body.ptr);
	return o;
}

static bool
has_header(const char *line)
{
	bytes_add(&response.headers, "", 1);
	response.headers.len--;
	return strstr(response.headers.ptr, line) != NULL;
}

/* While the sampler tries whether the database is back, others are told that it
 * is not. */
static void
get_until(const char *target, int status)
{
	while (get(target) != status)
		sched_yield();
}

static const char *
member(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL ? s : "";
}

/* ---- who may ask what ---- */

/* A target for a route: {id} becomes one that exists. */
static void
target_of(const struct route *r, char *out, size_t size)
{
	char id[ID_TEXT_SIZE];
	struct seed s = seed_of(3);
	const char *mark = strstr(r->path, "{id}");

	id_format(id, &s.id);
	snprintf(out, size, "%.*s%s", mark != NULL ? (int)(mark - r->path) :
	    (int)strlen(r->path), r->path, mark != NULL ? id : "");
}

static void
each_route_wants_its_token(void **state)
{
	static const struct {
		const char *authorization;
		int status;
		const char *challenge;
	} cases[] = {
		{ NULL, 401, "Bearer realm=\"sallyport\"\r\n" },
		{ "Bearer", 401, "error=\"invalid_token\"" },
		{ "Bearer nobody", 401, "error=\"invalid_token\"" },
		{ "Basic cmVhZGVyOg==", 401, "error=\"invalid_token\"" },
		{ "Bearer reader x", 401, "error=\"invalid_token\"" },
		{ "Bearer old", 401, "error=\"invalid_token\"" },
		{ "Bearer reader", 200, NULL },
		{ "Bearer operator", 200, NULL },
	};

	(void)state;
	for (int required = 0; required < 2; required++)
		for (size_t r = 0; r < routes_n; r++)
			for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
				bool open = routes[r].scope == SCOPE_OPEN ||
				    (routes[r].scope == SCOPE_METRICS &&
				    !required);
				char target[128];
				int status;

				settings.metrics.require_token = required;
				target_of(&routes[r], target, sizeof(target));
				status = ask("GET", target,
				    cases[i].authorization);
				if (status != (open ? 200 : cases[i].status))
					fail_msg("%s with %s: %d", target,
					    cases[i].authorization, status);
				if (!open && cases[i].challenge != NULL)
					assert_true(has_header(
					    cases[i].challenge));
			}
}

static void
every_api_route_is_closed(void **state)
{
	(void)state;
	for (size_t r = 0; r < routes_n; r++)
		if (strncmp(routes[r].path, "/api", 4) == 0)
			assert_true(routes[r].scope != SCOPE_OPEN &&
			    routes[r].scope != SCOPE_METRICS);
}

static void
paths_and_methods_are_exact(void **state)
{
	static const struct {
		const char *method, *target, *authorization;
		int status;
	} cases[] = {
		{ "GET", "/", NULL, 404 },
		{ "GET", "/healthz/", NULL, 404 },
		{ "GET", "//healthz", NULL, 404 },
		{ "GET", "/HEALTHZ", NULL, 404 },
		{ "GET", "/healthz%2f", NULL, 404 },
		{ "GET", "/x/../healthz", NULL, 404 },
		{ "GET", "/etc/passwd", NULL, 404 },
		{ "GET", "/api", NULL, 401 },
		{ "GET", "/api/", NULL, 401 },
		{ "GET", "/api/nothing", NULL, 401 },
		{ "GET", "/apix", NULL, 404 },
		{ "GET", "/api/nothing", "Bearer reader", 404 },
		{ "GET", "/api/sessions", "Bearer reader", 404 },
		{ "GET", "/api/sessions/", "Bearer reader", 404 },
		{ "GET", "/api/sessions/a/b", "Bearer reader", 404 },
		{ "GET", "/api/sessions/x", "Bearer reader", 404 },
		{ "HEAD", "/healthz", NULL, 200 },
		{ "HEAD", "/api/sessions/active", NULL, 401 },
		{ "HEAD", "/api/sessions/active", "Bearer reader", 200 },
		{ "POST", "/healthz", NULL, 405 },
		{ "OPTIONS", "/healthz", NULL, 405 },
		{ "TRACE", "/healthz", NULL, 405 },
		{ "get", "/healthz", NULL, 405 },
		{ "DELETE", "/api/sessions/x", NULL, 401 },
		{ "DELETE", "/api/sessions/x", "Bearer reader", 405 },
		{ "PUT", "/api/sessions/active", "Bearer reader", 405 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int status = ask(cases[i].method, cases[i].target,
		    cases[i].authorization);

		if (status != cases[i].status)
			fail_msg("%s %s: %d", cases[i].method,
			    cases[i].target, status);
		if (status == 405)
			assert_true(has_header("Allow: GET, HEAD\r\n"));
	}
}

static void
a_body_is_refused_before_its_route_runs(void **state)
{
	struct header headers[] = { { STR("Host"), STR("localhost") },
		{ STR("Content-Length"), STR("5") } };
	struct request rq = { .method = STR("GET"), .path = STR("/healthz"),
		.query = STR(""), .headers = headers, .n_headers = 2 };

	(void)state;
	api_serve(worker, &rq, &response);
	assert_int_equal(response.status, 413);
	rq.method = STR("POST");
	api_serve(worker, &rq, &response);
	assert_int_equal(response.status, 405);
}

/* ---- problems ---- */

static void
problems_have_all_members(void **state)
{
	static const char *const targets[] = {
		"/api/sessions/history?limit=0&usr=x", "/api/none",
		"/api/sessions/history?cursor=abc", "/%0d",
		"/api/sessions/00000000-0000-7000-8000-000000000000",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		int status = get(targets[i]);
		json_t *o = body();

		assert_string_equal(response.type,
		    "application/problem+json");
		assert_int_equal(json_integer_value(json_object_get(o,
		    "status")), status);
		assert_memory_equal(member(o, "type"),
		    "urn:sallyport:problem:", 22);
		assert_string_equal(member(o, "request_id"),
		    "0123456789abcdef0123456789abcdef");
		assert_true(*member(o, "title") && *member(o, "detail"));
		assert_true(json_is_array(json_object_get(o, "errors")));
		assert_int_equal(json_object_size(o), 7);
		json_decref(o);
	}
}

static void
parameters_are_checked_by_name(void **state)
{
	static const struct {
		const char *target, *pointer;
	} cases[] = {
		{ "/health?x=1", "/query/x" },
		{ "/api/sessions/active?status=closed", "/query/status" },
		{ "/api/sessions/active?hours=1", "/query/hours" },
		{ "/api/sessions/history?limit=1001", "/query/limit" },
		{ "/api/sessions/history?hours=0", "/query/hours" },
		{ "/api/sessions/history?hours=1&since=-1h", "/query/hours" },
		{ "/api/sessions/history?hours=1&until=-1h", "/query/hours" },
		{ "/api/sessions/history?since=-1h&until=-2h",
			"/query/until" },
		{ "/api/sessions/history?status=active", "/query/status" },
		{ "/api/sessions/history?dest_port=65536",
			"/query/dest_port" },
		{ "/api/sessions/history?cursor=AAAA", "/query/cursor" },
		{ "/api/sessions/stats?window_hours=0",
			"/query/window_hours" },
		{ "/api/sessions/stats?window_hours=745",
			"/query/window_hours" },
		{ "/api/sessions/stats?window_hours=1&window_hours=2",
			"/query/window_hours" },
		{ "/openapi.json?v=2", "/query/v" },
#define E "/api/telemetry/events?"
		{ E "minutes=0", "/query/minutes" },
		{ E "minutes=5256001", "/query/minutes" },
		{ E "minutes=-1h", "/query/minutes" },
		{ E "minutes=5&since=-1h", "/query/minutes" },
		{ E "minutes=5&until=-1h", "/query/minutes" },
		{ E "minutes=5&minutes=5", "/query/minutes" },
		{ E "hours=5", "/query/hours" },
		{ E "since=-1h&until=-2h", "/query/until" },
		{ E "since=yesterday", "/query/since" },
		{ E "limit=0", "/query/limit" },
		{ E "limit=501", "/query/limit" },
		{ E "severity=warn", "/query/severity" },
		{ E "severity=WARNING", "/query/severity" },
		{ E "severity=2", "/query/severity" },
		{ E "severity=", "/query/severity" },
		{ E "category=a,b,c,d,e,f,g,h,i", "/query/category" },
		{ E "category=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"aaaaaaaaaaaaaaaaaaa", "/query/category" },
		{ E "event=x", "/query/event" },
		{ E "cursor=AAAA", "/query/cursor" },
#undef E
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *o;

		if (get(cases[i].target) != 400)
			fail_msg("%s: %d", cases[i].target, response.status);
		o = body();
		assert_string_equal(member(json_array_get(json_object_get(o,
		    "errors"), 0), "pointer"), cases[i].pointer);
		json_decref(o);
	}
}

static void
more_values_than_conditions_are_refused(void **state)
{
	struct bytes target = { 0 };

	(void)state;
	bytes_fmt(&target, "/api/sessions/history?user=u0");
	for (int i = 1; i <= QUERY_CONDITIONS_MAX; i++)
		bytes_fmt(&target, ",u%d", i);
	bytes_add(&target, "", 1);
	assert_int_equal(get(target.ptr), 400);
	bytes_fini(&target);
}

/* ---- pages ---- */

/* Follows the cursors; counts the items and checks that none comes twice. */
static size_t
walk(const char *path, const char *parameters, size_t *pages)
{
	char target[512], cursor[128] = "", last[ID_TEXT_SIZE] = "z";
	size_t n = 0;

	*pages = 0;
	do {
		json_t *o, *item;
		size_t i;

		snprintf(target, sizeof(target), "%s?%s%s%s", path,
		    parameters, *cursor ? "&cursor=" : "", cursor);
		if (get(target) != 200)
			fail_msg("%s: %.*s", target, (int)response.body.len,
			    response.body.ptr);
		o = body();
		snprintf(cursor, sizeof(cursor), "%s",
		    member(o, "next_cursor"));
		json_array_foreach(json_object_get(o, "items"), i, item) {
			const char *id = member(item, "session_id");

			if (*id == '\0')
				id = member(item, "id");

			/* UUIDv7 as text sorts by time, then by itself. */
			assert_true(strcmp(id, last) < 0);
			snprintf(last, sizeof(last), "%s", id);
			n++;
		}
		json_decref(o);
		(*pages)++;
	} while (*cursor != '\0');
	return n;
}

static void
all_pages_together_are_the_whole(void **state)
{
	size_t pages;

	(void)state;
	assert_int_equal(walk("/api/sessions/history", "limit=100", &pages),
	    ROWS);
	assert_int_equal(pages, 5);
	assert_int_equal(walk("/api/sessions/history", "limit=77", &pages),
	    ROWS);
	assert_int_equal(walk("/api/sessions/active", "limit=3", &pages), 10);
	assert_int_equal(pages, 4);
	assert_true(walk("/api/sessions/history", "limit=9&user=user1,user2"
	    "&status=rejected_by_acl", &pages) > 9);
	assert_int_equal(walk("/api/telemetry/events", "limit=7", &pages),
	    EVENTS);
	assert_int_equal(pages, 6);
	assert_int_equal(walk("/api/telemetry/events", "limit=3&minutes=20"
	    "&category=security", &pages), 10);
	assert_int_equal(pages, 4);
}

static void
a_cursor_keeps_the_first_pages_window(void **state)
{
	char cursor[128], target[256];
	json_t *o;

	(void)state;
	assert_int_equal(get("/api/sessions/history?hours=1&limit=400"), 200);
	o = body();
	snprintf(cursor, sizeof(cursor), "%s", member(o, "next_cursor"));
	json_decref(o);
	/* Much later the relative window would have left all rows behind. */
	clock_test_set(2000000, SEED_NOW_US + UINT64_C(7200000000));
	snprintf(target, sizeof(target),
	    "/api/sessions/history?hours=1&limit=400&cursor=%s", cursor);
	assert_int_equal(get(target), 200);
	o = body();
	assert_int_equal(json_array_size(json_object_get(o, "items")), 100);
	json_decref(o);
	/* Another question, another token, another route. */
	snprintf(target, sizeof(target),
	    "/api/sessions/history?hours=2&cursor=%s", cursor);
	assert_int_equal(get(target), 400);
	snprintf(target, sizeof(target),
	    "/api/sessions/history?hours=1&cursor=%s", cursor);
	assert_int_equal(ask("GET", target, "Bearer operator"), 400);
	snprintf(target, sizeof(target), "/api/sessions/active?cursor=%s",
	    cursor);
	assert_int_equal(get(target), 400);
}

static size_t
count(const char *target)
{
	json_t *o;
	size_t n;

	if (get(target) != 200)
		fail_msg("%s: %.*s", target, (int)response.body.len,
		    response.body.ptr);
	o = body();
	n = json_array_size(json_object_get(o, "items"));
	json_decref(o);
	return n;
}

static void
filters_mean_what_they_say(void **state)
{
#define H "/api/sessions/history?limit=1000&"
	size_t h1 = count(H "dest_host=h1.example.com");

	(void)state;
	assert_true(h1 > 0);
	assert_int_equal(count(H "dest_ip=h1.example.com"), h1);
	assert_int_equal(count(H "dest_host=H1.EXAMPLE.COM."), h1);
	assert_int_equal(count(H "dest_ip=0.0.0.0/0,::/0,h0.example.com,"
	    "h1.example.com,h2.example.com,h3.example.com,1.2.3.4"),
	    count(H "dest_ip=0.0.0.0/0,::/0&dest_port=80,443") +
	    count(H "dest_ip=h0.example.com&dest_ip=h1.example.com,"
	    "h2.example.com,h3.example.com") -
	    count(H "dest_ip=::/0,0.0.0.0/0&dest_host=h0.example.com,"
	    "h1.example.com,h2.example.com,h3.example.com"));
	assert_int_equal(count(H "status=rejected"),
	    count(H "status=rejected_by_acl"));
	assert_int_equal(count(H "status=rejected") + count(H
	    "status=closed,failed"), ROWS);
	assert_int_equal(count(H "source_ip=10.0.0.0/8"), ROWS);
	assert_int_equal(count(H "source_ip=10.0.0.0/24") +
	    count(H "source_ip=10.0.1.0/24") + count(H
	    "source_ip=10.0.2.0/23"), ROWS);
	assert_int_equal(count(H "dest_port=80") + count(H "dest_port=443"),
	    ROWS);
	assert_int_equal(count(H "since=-100s"),
	    count(H "since=2026-09-21T14:11:40Z"));
	assert_int_equal(count(H "acl_decision=block"),
	    count(H "close_reason=policy_block"));
	assert_int_equal(count(H "command=connect&protocol=tcp&proxy=p1"
	    "&rule=r1"), ROWS);
	assert_int_equal(count(H "command=udp"), 0);
	assert_int_equal(count("/api/sessions/active?user=user0,user1,user2,"
	    "user3,user4"), 10);
	assert_int_equal(count("/api/sessions/active?proxy=p2"), 0);
#undef H
}

static void
events_are_filtered(void **state)
{
#define E "/api/telemetry/events"
	(void)state;
	assert_int_equal(count(E), EVENTS);
	assert_int_equal(count(E "?minutes=1"), 1);
	assert_int_equal(count(E "?minutes=7"), 7);
	assert_int_equal(count(E "?since=-7m"), 7);
	assert_int_equal(count(E "?since=-7m&until=-2m"), 5);
	assert_int_equal(count(E "?since=2026-09-21T14:12:20.001Z"), 1);
	assert_int_equal(count(E "?until=2026-09-21T14:12:20.001Z"),
	    EVENTS - 1);
	/* Exactly that one, not that one and worse. */
	assert_int_equal(count(E "?severity=info"), EVENTS / 4);
	assert_int_equal(count(E "?severity=warning"), EVENTS / 2);
	assert_int_equal(count(E "?severity=error"), EVENTS / 4);
	assert_int_equal(count(E "?severity=info,error"), EVENTS / 2);
	assert_int_equal(count(E "?severity=info&severity=error"),
	    EVENTS / 2);
	assert_int_equal(count(E "?category=auth"), EVENTS / 2);
	assert_int_equal(count(E "?category=auth,security,x"), EVENTS);
	assert_int_equal(count(E "?category=auth&severity=error"),
	    EVENTS / 4);
	assert_int_equal(count(E "?category=security&severity=error"), 0);
	assert_int_equal(count(E "?category=Auth"), 0);
	assert_int_equal(count(E "?category=%27%20OR%201=1--"), 0);
	assert_int_equal(count(E "?limit=3"), 3);
	/* A day back, if nothing is said. */
	clock_test_set(2000000, SEED_NOW_US + UINT64_C(86400000000) -
	    UINT64_C(60000000));
	assert_int_equal(count(E), 1);
#undef E
}

static void
events_keep_to_their_question(void **state)
{
	char cursor[128], target[256];
	json_t *o;

	(void)state;
	assert_int_equal(get("/api/telemetry/events?minutes=10&limit=6"), 200);
	o = body();
	snprintf(cursor, sizeof(cursor), "%s", member(o, "next_cursor"));
	json_decref(o);
	/* Much later, and with another size of the page: the same window. */
	clock_test_set(2000000, SEED_NOW_US + UINT64_C(7200000000));
	snprintf(target, sizeof(target),
	    "/api/telemetry/events?minutes=10&cursor=%s", cursor);
	assert_int_equal(count(target), 4);
	assert_int_equal(ask("GET", target, "Bearer operator"), 400);
	snprintf(target, sizeof(target),
	    "/api/telemetry/events?minutes=11&cursor=%s", cursor);
	assert_int_equal(get(target), 400);
	snprintf(target, sizeof(target),
	    "/api/sessions/history?cursor=%s", cursor);
	assert_int_equal(get(target), 400);
}

/* sessiond of the release before made the database. */
static void
an_older_schema_has_no_events(void **state)
{
	json_t *o;

	(void)state;
	base_run(&base, "DROP TABLE telemetry_event");
	base_run(&base, "DELETE FROM schema_migration WHERE number > 1");
	/* Connections remember which schema they found. */
	base_hide(&base);
	assert_int_equal(get("/api/telemetry/events"), 503);
	base_show(&base);
	clock_test_set(60000000, SEED_NOW_US);
	get_until("/api/sessions/history", 200);
	assert_int_equal(get("/api/telemetry/events"), 503);
	assert_true(has_header("Retry-After: 2\r\n"));
	o = body();
	assert_non_null(strstr(member(o, "detail"), "has no events yet"));
	json_decref(o);
}

/* ---- shapes ---- */

static void
an_event_has_paritys_members(void **state)
{
	json_t *o, *item, *details;

	(void)state;
	assert_int_equal(get("/api/telemetry/events?limit=2"), 200);
	o = body();
	item = json_array_get(json_object_get(o, "items"), 1);
	assert_int_equal(json_object_size(item), 10);
	assert_string_equal(member(item, "timestamp"),
	    "2026-09-21T14:11:20.001Z");
	assert_memory_equal(member(item, "id") + 13, "-7000-8000-", 11);
	assert_string_equal(member(item, "severity"), "warning");
	assert_string_equal(member(item, "category"), "security");
	assert_string_equal(member(item, "event"), "guessing_detected");
	assert_string_equal(member(item, "message"), "bob guesses");
	assert_string_equal(member(item, "component"), "authd");
	assert_string_equal(member(item, "instance"), "host-1");
	details = json_object_get(item, "details");
	assert_string_equal(member(details, "user"), "bob");
	assert_int_equal(json_integer_value(json_object_get(item,
	    "suppressed")), 1);
	item = json_array_get(json_object_get(o, "items"), 0);
	assert_true(json_is_null(json_object_get(item, "message")));
	assert_true(json_is_null(json_object_get(item, "details")));
	json_decref(o);
}

static void
a_session_has_paritys_members(void **state)
{
	static const char *const names[] = { "session_id", "user", "groups",
		"claimed_user", "start_time", "end_time", "received_at",
		"duration_secs", "source_ip", "source_port", "dest_host",
		"dest_ip", "dest_port", "resolved_ips", "destinations",
		"route", "protocol", "command", "carrier", "bytes_sent", "bytes_received", "packets_sent",
		"packets_received", "status", "close_reason", "close_detail",
		"acl_decision", "acl_rule_matched", "policy_generation",
		"limits_class", "auth_method", "proxy", "listener",
		"stream_id", "close_seq", "reply_code", "setup_ms",
		"attempts", "incomplete", "counters_lower_bound" };
	struct seed s = seed_of(3), a = seed_of(ROWS);
	char target[128], id[ID_TEXT_SIZE];
	json_t *o;

	(void)state;
	id_format(id, &s.id);
	snprintf(target, sizeof(target), "/api/sessions/%s", id);
	assert_int_equal(get(target), 200);
	o = body();
	assert_int_equal(json_object_size(o), ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_non_null(json_object_get(o, names[i]));
	assert_string_equal(member(o, "session_id"), id);
	assert_string_equal(member(o, "start_time"),
	    "2026-09-21T14:13:17.000Z");
	assert_string_equal(member(o, "end_time"),
	    "2026-09-21T14:13:18.500Z");
	assert_true(json_real_value(json_object_get(o, "duration_secs")) ==
	    1.5);
	assert_true(json_real_value(json_object_get(o, "setup_ms")) == 2.5);
	assert_string_equal(member(json_object_get(o, "groups"), ""), "");
	assert_string_equal(member(o, "auth_method"), "userpass");
	assert_true(json_is_false(json_object_get(o, "incomplete")));
	assert_int_equal(json_integer_value(json_object_get(o,
	    "destinations")), 1);
	assert_true(json_is_null(json_object_get(o, "claimed_user")));
	json_decref(o);

	id_format(id, &a.id);
	snprintf(target, sizeof(target), "/api/sessions/%s", id);
	assert_int_equal(get(target), 200);
	o = body();
	assert_string_equal(member(o, "status"), "active");
	assert_true(json_is_null(json_object_get(o, "end_time")));
	assert_true(json_is_null(json_object_get(o, "duration_secs")));
	assert_true(json_is_null(json_object_get(o, "close_reason")));
	json_decref(o);
	clock_test_set(2000000, SEED_NOW_US + QUERY_SILENT_US + 1);
	assert_int_equal(get(target), 200);
	o = body();
	assert_string_equal(member(o, "status"), "unknown");
	json_decref(o);
}

static void
big_numbers_stay_numbers(void **state)
{
	struct seed s = seed_of(ROWS);
	char target[128], id[ID_TEXT_SIZE];
	json_t *o;

	(void)state;
	base_run(&base, "UPDATE session_active SET bytes_up = "
	    "9007199254740993, bytes_down = 9223372036854775807");
	id_format(id, &s.id);
	snprintf(target, sizeof(target), "/api/sessions/%s", id);
	assert_int_equal(get(target), 200);
	o = body();
	assert_true(json_integer_value(json_object_get(o, "bytes_sent")) ==
	    INT64_C(9007199254740993));
	assert_true(json_integer_value(json_object_get(o,
	    "bytes_received")) == INT64_MAX);
	json_decref(o);
}

static void
stats_have_exactly_paritys_members(void **state)
{
	static const char *const names[] = { "generated_at", "window_hours",
		"active_sessions", "total_sessions", "total_bytes",
		"total_sessions_today", "total_bytes_today",
		"closed_sessions", "failed_sessions", "rejected_sessions",
		"total_bytes_sent", "total_bytes_received", "top_users",
		"top_destinations", "acl_stats" };
	json_t *o;

	(void)state;
	assert_int_equal(get("/api/sessions/stats?window_hours=744"), 200);
	o = body();
	assert_int_equal(json_object_size(o), ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_non_null(json_object_get(o, names[i]));
#define NUMBER(n) json_integer_value(json_object_get(o, n))
	assert_int_equal(NUMBER("window_hours"), 744);
	assert_int_equal(NUMBER("active_sessions"), 10);
	assert_int_equal(NUMBER("total_sessions"), ROWS + 10);
	assert_int_equal(NUMBER("closed_sessions") +
	    NUMBER("failed_sessions") + NUMBER("rejected_sessions"), ROWS);
	assert_int_equal(NUMBER("total_bytes"), NUMBER("total_bytes_sent") +
	    NUMBER("total_bytes_received"));
	assert_int_equal(json_object_size(json_object_get(o, "acl_stats")),
	    2);
	json_decref(o);
	assert_int_equal(get("/api/sessions/stats"), 200);
	o = body();
	assert_int_equal(NUMBER("window_hours"), 24);
	json_decref(o);
	clock_test_set(2000000, SEED_NOW_US + UINT64_C(86400000000) * 3);
	assert_int_equal(get("/api/sessions/stats?window_hours=24"), 200);
	o = body();
	assert_int_equal(NUMBER("total_sessions"), 0);
	assert_int_equal(NUMBER("total_sessions_today"), 0);
	assert_int_equal(NUMBER("active_sessions"), 10);
	json_decref(o);
#undef NUMBER
}

static void
the_document_equals_the_table(void **state)
{
	json_t *o, *paths, *schemas;
	size_t operations = 0;
	const char *path;
	json_t *value;

	(void)state;
	assert_int_equal(ask("GET", "/openapi.json", NULL), 200);
	o = body();
	assert_string_equal(member(o, "openapi"), "3.1.0");
	paths = json_object_get(o, "paths");
	schemas = json_object_get(json_object_get(o, "components"),
	    "schemas");
	json_object_foreach(paths, path, value)
		operations += json_object_size(value);
	assert_int_equal(operations, routes_n);
	for (size_t r = 0; r < routes_n; r++) {
		json_t *op = json_object_get(json_object_get(paths,
		    routes[r].path), "get"), *list;
		size_t n = strstr(routes[r].path, "{id}") != NULL;

		assert_non_null(op);
		list = json_object_get(op, "parameters");
		for (const struct param *p = routes[r].params;
		     p->name != NULL; p++, n++)
			assert_string_equal(member(json_array_get(list, n),
			    "name"), p->name);
		assert_int_equal(json_array_size(list), n);
		assert_int_equal(json_array_size(json_object_get(op,
		    "security")) == 0, routes[r].scope == SCOPE_OPEN);
		if (routes[r].schema != NULL &&
		    strcmp(routes[r].schema, "OpenAPI") != 0)
			assert_non_null(json_object_get(schemas,
			    routes[r].schema));
	}
	json_decref(o);
}

/* What is answered has the members that the schema requires, and no others. */
static void
check_against(const char *target, const char *schema)
{
	json_t *doc, *properties, *got, *value;
	const char *name;

	assert_int_equal(ask("GET", "/openapi.json", NULL), 200);
	doc = body();
	properties = json_object_get(json_object_get(json_object_get(
	    json_object_get(doc, "components"), "schemas"), schema),
	    "properties");
	assert_non_null(properties);
	get(target);
	got = body();
	json_object_foreach(got, name, value)
		if (json_object_get(properties, name) == NULL)
			fail_msg("%s: %s is not in the schema", target, name);
	assert_int_equal(json_object_size(got), json_object_size(properties));
	json_decref(got);
	json_decref(doc);
}

static void
answers_have_the_documents_shape(void **state)
{
	char target[128];
	size_t one = 0;

	(void)state;
	while (strstr(routes[one].path, "{id}") == NULL)
		one++;
	target_of(&routes[one], target, sizeof(target));
	check_against(target, "Session");
	check_against("/api/sessions/stats", "Stats");
	check_against("/api/sessions/history", "SessionPage");
	check_against("/api/sessions/active", "ActivePage");
	check_against("/api/telemetry/events", "EventPage");
	check_against("/api/nothing", "Problem");
	check_against("/health", "Health");
}

/* ---- state ---- */

static void
metrics_have_the_seeds_names(void **state)
{
	static const char *const lines[] = {
		"sallyport_active_sessions 10\n", "sallyport_sessions_total ",
		"sallyport_sessions_rejected_total ",
		"sallyport_bytes_sent_total ",
		"sallyport_bytes_received_total ",
		"sallyport_acl_decisions_total{decision=\"block\"} ",
		"sallyport_proxies{state=\"live\"} 1\n",
		"sallyport_api_database_up 1\n",
		("sallyport_http_requests_total{route=\"/healthz\","
		 "code=\"2xx\"} "),
		"sallyport_api_logins_total{result=\"missing\"} ",
	};

	(void)state;
	assert_int_equal(ask("GET", "/healthz", NULL), 200);
	assert_int_equal(ask("GET", "/api/x", NULL), 401);
	assert_int_equal(ask("GET", "/metrics", NULL), 200);
	bytes_add(&response.body, "", 1);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (strstr(response.body.ptr, lines[i]) == NULL)
			fail_msg("no %s in %s", lines[i], response.body.ptr);
	assert_memory_equal(response.type, "text/plain; version=0.0.4", 25);
}

static void
without_a_database_it_says_so(void **state)
{
	json_t *o;

	(void)state;
	base_hide(&base);
	assert_int_equal(get("/api/sessions/history"), 503);
	assert_true(has_header("Retry-After: 2\r\n"));
	o = body();
	assert_non_null(strstr(member(o, "detail"), base_is_pg() ?
	    "cannot be reached" : "not there yet"));
	assert_null(strstr(member(o, "detail"), base_is_pg() ? "127.0.0.1" :
	    base.path));
	json_decref(o);
	assert_int_equal(get("/api/sessions/stats"), 503);
	assert_int_equal(ask("GET", "/healthz", NULL), 200);
	base_show(&base);
	/* After a pause it is tried again. */
	clock_test_set(60000000, SEED_NOW_US);
	get_until("/api/sessions/history", 200);
}

static void
a_stopped_api_answers_at_once(void **state)
{
	(void)state;
	query_source_stop(base.source);
	assert_int_equal(get("/api/sessions/history"), 503);
	assert_int_equal(ask("GET", "/healthz", NULL), 200);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_route_wants_its_token),
		TEST(every_api_route_is_closed),
		TEST(paths_and_methods_are_exact),
		TEST(a_body_is_refused_before_its_route_runs),
		TEST(problems_have_all_members),
		TEST(parameters_are_checked_by_name),
		TEST(more_values_than_conditions_are_refused),
		TEST(all_pages_together_are_the_whole),
		TEST(a_cursor_keeps_the_first_pages_window),
		TEST(filters_mean_what_they_say),
		TEST(events_are_filtered),
		TEST(events_keep_to_their_question),
		TEST(an_older_schema_has_no_events),
		TEST(an_event_has_paritys_members),
		TEST(a_session_has_paritys_members),
		TEST(big_numbers_stay_numbers),
		TEST(stats_have_exactly_paritys_members),
		TEST(the_document_equals_the_table),
		TEST(answers_have_the_documents_shape),
		TEST(metrics_have_the_seeds_names),
		TEST(without_a_database_it_says_so),
		TEST(a_stopped_api_answers_at_once),
	};

	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	metrics_free(&metrics);
	return failed;
}
