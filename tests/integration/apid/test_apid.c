/* SPDX-License-Identifier: MIT */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apid/routes.h"
#include "base/clock.h"

#define ROWS 10000u
#define REQUEST_MS 10000	/* what a request may take, see http.c */

static struct daemon d;
static struct answer answer;

static int
setup(void **state)
{
	(void)state;
	daemon_init(&d);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	daemon_fini(&d);
	return 0;
}

/* ---- who may ask what ---- */

static void
routes_want_their_token(void **state)
{
	static const struct {
		const char *token;
		bool good;
	} cases[] = {
		{ NULL, false }, { "", false }, { "nobody", false },
		{ "spt_reader ", false }, { "SPT_READER", false },
		{ "spt_old", false }, { DAEMON_TOKEN, true },
		{ "spt_admin", true },
	};
	char *reader = daemon_token("reader", DAEMON_TOKEN,
	    "scopes = [\"read\"]");
	char *admin = daemon_token("admin", "spt_admin",
	    "scopes = [\"admin\"]");
	char *old = daemon_token("old", "spt_old", "scopes = [\"read\"]\n"
	    "expires = 2020-01-01T00:00:00Z");
	struct bytes b = { 0 };

	(void)state;
	bytes_fmt(&b, "%s%s%s", reader, admin, old);
	bytes_add(&b, "", 1);
	daemon_write_tokens(&d, b.ptr);
	daemon_start(&d);
	for (size_t r = 0; r < routes_n; r++)
		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			bool open = routes[r].scope == SCOPE_OPEN ||
			    routes[r].scope == SCOPE_METRICS;
			/* "{id}" is no id: 404, after the login. */
			int good = strchr(routes[r].path, '{') ? 404 : 200;
			const char *path = good == 404 ?
			    "/api/sessions/none" : routes[r].path;
			int status = daemon_get(&d, path, cases[i].token,
			    &answer);

			if (status != (open || cases[i].good ? good : 401))
				fail_msg("%s with %s: %d", path,
				    cases[i].token, status);
		}
	assert_int_equal(daemon_get(&d, "/api/nothing", NULL, &answer), 401);
	free(reader);
	free(admin);
	free(old);
	bytes_fini(&b);
}

static void
answers_have_the_guarding_headers(void **state)
{
	static const char *const targets[] = { "/healthz", "/nothing",
		"/api/sessions/active", "/metrics", "/%0d%0aX:y" };
	static const char *const lines[] = {
		"\r\nX-Content-Type-Options: nosniff\r\n",
		"\r\nCache-Control: no-store\r\n",
		"\r\nContent-Security-Policy: default-src 'self'\r\n",
		"\r\nConnection: close\r\n", "\r\nContent-Length: ",
		"\r\nX-Request-Id: " };

	(void)state;
	daemon_start(&d);
	for (size_t t = 0; t < ARRAY_LEN(targets); t++) {
		daemon_get(&d, targets[t], DAEMON_TOKEN, &answer);
		for (size_t i = 0; i < ARRAY_LEN(lines); i++)
			if (strstr(answer.text, lines[i]) == NULL)
				fail_msg("no %s in %s", lines[i],
				    answer.text);
		assert_null(strcasestr(answer.text, "\r\nAccess-Control"));
		assert_null(strcasestr(answer.text, "\r\nX:y"));
		assert_null(strcasestr(answer.text, "civetweb"));
	}
}

/* ---- hostile requests ---- */

#define HOST "Host: localhost\r\n"
#define AUTH "Authorization: Bearer " DAEMON_TOKEN "\r\n"

struct hostile {
	const char *name, *bytes;
	size_t n;		/* 0: as a C string */
	int status;		/* 0: closed without an answer */
};

static const struct hostile hostile[] = {
	{ "CR LF in the path", "GET /healthz%0d%0aX:%20y HTTP/1.1\r\n" HOST
		"\r\n", 0, 400 },
	{ "NUL in the path", "GET /healthz%00 HTTP/1.1\r\n" HOST "\r\n", 0,
		400 },
	{ "raw NUL", "GET /heal\0thz HTTP/1.1\r\n" HOST "\r\n", 44, 400 },
	{ "raw NUL in a header", "GET /healthz HTTP/1.1\r\nHost: l\0x\r\n\r\n",
		37, 400 },
	{ "directory", "GET /.%2f HTTP/1.1\r\n" HOST "\r\n", 0, 404 },
	{ "climbing", "GET /../../etc/passwd HTTP/1.1\r\n" HOST "\r\n", 0,
		404 },
	{ "both lengths", "POST /healthz HTTP/1.1\r\n" HOST
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
		"0\r\n\r\n", 0, 400 },
	{ "both, on GET", "GET /healthz HTTP/1.1\r\n" HOST
		"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", 0,
		400 },
	{ "two lengths", "GET /healthz HTTP/1.1\r\n" HOST
		"Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 0, 400 },
	{ "strange coding", "GET /healthz HTTP/1.1\r\n" HOST
		"Transfer-Encoding: xchunked\r\n\r\n", 0, 400 },
	{ "negative length", "GET /healthz HTTP/1.1\r\n" HOST
		"Content-Length: -1\r\n\r\n", 0, 400 },
	{ "huge length", "GET /healthz HTTP/1.1\r\n" HOST
		"Content-Length: 99999999999999999999\r\n\r\n", 0, 400 },
	{ "body on GET", "GET /healthz HTTP/1.1\r\n" HOST
		"Content-Length: 5\r\n\r\nhello", 0, 413 },
	{ "promised body", "GET /healthz HTTP/1.1\r\n" HOST
		"Content-Length: 9999999\r\n\r\n", 0, 413 },
	{ "no host", "GET /healthz HTTP/1.1\r\n\r\n", 0, 400 },
	{ "two hosts", "GET /healthz HTTP/1.1\r\n" HOST HOST "\r\n", 0, 400 },
	{ "other host", "GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		0, 421 },
	{ "our host", "GET /healthz HTTP/1.1\r\nHost: api.example.com:1\r\n"
		"\r\n", 0, 200 },
	{ "asterisk", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0, 0 },
	{ "preflight", "OPTIONS /api/sessions/active HTTP/1.1\r\n" HOST
		"Origin: http://evil.example\r\n"
		"Access-Control-Request-Method: GET\r\n\r\n", 0, 401 },
	{ "upgrade", "GET /healthz HTTP/1.1\r\n" HOST "Connection: Upgrade\r\n"
		"Upgrade: websocket\r\nSec-WebSocket-Key: "
		"dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
		"\r\n", 0, 200 },
	{ "expect", "GET /healthz HTTP/1.1\r\n" HOST
		"Expect: 100-continue\r\n\r\n", 0, 200 },
	{ "pipelined", "GET /healthz HTTP/1.1\r\n" HOST
		"Connection: keep-alive\r\n\r\nGET /metrics HTTP/1.1\r\n" HOST
		"\r\n", 0, 200 },
	{ "two tokens", "GET /api/sessions/active HTTP/1.1\r\n" HOST AUTH AUTH
		"\r\n", 0, 401 },
	{ "DELETE", "DELETE /healthz HTTP/1.1\r\n" HOST "\r\n", 0, 405 },
	{ "PROPFIND", "PROPFIND /healthz HTTP/1.1\r\n" HOST "\r\n", 0, 405 },
	{ "no method", "FROB /healthz HTTP/1.1\r\n" HOST "\r\n", 0, 400 },
	{ "version", "GET /healthz HTTP/2.0\r\n" HOST "\r\n", 0, 505 },
	{ "no version", "GET /healthz\r\n\r\n", 0, 400 },
	{ "no HTTP", "\x16\x03\x01\x02\x00\x01\x00", 7, 400 },
	{ "nothing", "", 0, 0 },
	{ "half a head", "GET /healthz HTTP/1.1\r\nHost: loc", 0, 400 },
};

static void
hostile_requests_are_refused(void **state)
{
	(void)state;
	daemon_start(&d);
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		const struct hostile *h = &hostile[i];
		const char *second;

		daemon_send(d.port, h->bytes, h->n != 0 ? h->n :
		    strlen(h->bytes), &answer);
		if (answer.status != h->status)
			fail_msg("%s: %d: %s", h->name, answer.status,
			    answer.text);
		/* Never two answers, never one within another. */
		second = answer.len > 0 ? strstr(answer.text + 1,
		    "HTTP/1.1 ") : NULL;
		if (second != NULL)
			fail_msg("%s: two answers: %s", h->name, answer.text);
	}
	assert_int_equal(daemon_get(&d, "/healthz", NULL, &answer), 200);
}

static void
big_requests_are_refused(void **state)
{
	struct bytes b = { 0 };

	(void)state;
	daemon_start(&d);
	bytes_fmt(&b, "GET /%05000d HTTP/1.1\r\n" HOST "\r\n", 0);
	daemon_send(d.port, b.ptr, b.len, &answer);
	assert_int_equal(answer.status, 414);
	bytes_clear(&b);
	bytes_fmt(&b, "GET /healthz HTTP/1.1\r\n" HOST "X: %017000d\r\n\r\n",
	    0);
	daemon_send(d.port, b.ptr, b.len, &answer);
	/* Civetweb does not say that it was the length; and the answer may be
	 * lost where bytes stay unread. */
	assert_true(answer.status == 431 || answer.status == 400 ||
	    answer.status == 0);
	bytes_clear(&b);
	bytes_fmt(&b, "GET /healthz HTTP/1.1\r\n" HOST);
	for (int i = 0; i < 70; i++)
		bytes_fmt(&b, "X-%d: y\r\n", i);
	bytes_fmt(&b, "\r\n");
	daemon_send(d.port, b.ptr, b.len, &answer);
	assert_int_equal(answer.status, 431);
	bytes_fini(&b);
	assert_int_equal(daemon_get(&d, "/healthz", NULL, &answer), 200);
}

/* Slow clients hold threads of the API, and nobody else's: who asks the other
 * port is answered while they are all still heard out. */
static void
slow_clients_do_not_reach_the_admin_port(void **state)
{
	int fds[16];
	char c;

	(void)state;
	daemon_start(&d);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = daemon_connect(d.port);
		assert_int_equal(send(fds[i], "GET /", 5, MSG_NOSIGNAL), 5);
	}
	daemon_send(d.admin, "GET /healthz HTTP/1.1\r\n\r\n", 25, &answer);
	assert_int_equal(answer.status, 200);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		assert_int_equal(recv(fds[i], &c, 1, MSG_DONTWAIT), -1);
		assert_int_equal(errno, EAGAIN);
		close(fds[i]);
	}
	daemon_wait_status(&d, "/healthz", NULL, 200);
}

static void
it_stops(void **state)
{
	(void)state;
	daemon_start(&d);
	assert_int_equal(daemon_end(&d, SIGTERM), 0);
}

static void
it_stops_before_a_client_that_hangs_gives_up(void **state)
{
	uint64_t began;
	int fd;

	(void)state;
	daemon_start(&d);
	fd = daemon_connect(d.port);
	assert_int_equal(send(fd, "GET /", 5, MSG_NOSIGNAL), 5);
	began = clock_mono_ms();
	assert_int_equal(daemon_end(&d, SIGTERM), 0);
	assert_true(clock_mono_ms() - began < REQUEST_MS);
	close(fd);
}

/* ---- pages ---- */

static void
all_pages_are_the_whole(void **state)
{
	static struct seed rows[ROWS];
	static bool seen[ROWS];
	char target[256], cursor[128] = "";
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < ROWS; i++)
		rows[i] = seed_of(i);
	base_add_ended(&d.base, 0, ROWS);
	daemon_start(&d);
	do {
		json_t *o, *item;
		size_t i;

		snprintf(target, sizeof(target), "/api/sessions/history?"
		    "since=2026-09-01T00:00:00Z&limit=733%s%s",
		    *cursor ? "&cursor=" : "", cursor);
		assert_int_equal(daemon_get(&d, target, DAEMON_TOKEN,
		    &answer), 200);
		o = daemon_json(&answer);
		json_array_foreach(json_object_get(o, "items"), i, item) {
			uint64_t close_seq = (uint64_t)json_integer_value(
			    json_object_get(item, "close_seq"));
			char id[ID_TEXT_SIZE];

			/* The helper keeps the row's number there. */
			assert_true(close_seq < ROWS && !seen[close_seq]);
			seen[close_seq] = true;
			id_format(id, &rows[close_seq].id);
			assert_string_equal(id, json_string_value(
			    json_object_get(item, "session_id")));
			n++;
		}
		snprintf(cursor, sizeof(cursor), "%s", json_is_null(
		    json_object_get(o, "next_cursor")) ? "" :
		    json_string_value(json_object_get(o, "next_cursor")));
		json_decref(o);
		/* The cursor is as good after a restart. */
		if (n == 733) {
			assert_int_equal(daemon_end(&d, SIGTERM), 0);
			daemon_start(&d);
		}
	} while (*cursor != '\0');
	assert_int_equal(n, ROWS);
}

/* ---- a database that comes and goes ---- */

static void
it_starts_without_a_database_and_heals(void **state)
{
	(void)state;
	base_hide(&d.base);
	daemon_start(&d);
	assert_int_equal(daemon_get(&d, "/api/sessions/active", DAEMON_TOKEN,
	    &answer), 503);
	assert_non_null(strstr(answer.text, "\r\nRetry-After: "));
	assert_non_null(strstr(answer.body, base_is_pg() ?
	    "cannot be reached" : "not there yet"));
	assert_null(strstr(answer.text, "127.0.0.1"));
	assert_int_equal(daemon_get(&d, "/readyz", NULL, &answer), 503);
	assert_int_equal(daemon_get(&d, "/health", NULL, &answer), 503);
	assert_int_equal(daemon_get(&d, "/healthz", NULL, &answer), 200);
	assert_int_equal(daemon_get(&d, "/metrics", NULL, &answer), 200);
	assert_non_null(strstr(answer.body, "sallyport_api_database_up 0\n"));
	assert_null(strstr(answer.body, "sallyport_sessions_total"));
	daemon_send(d.admin, "GET /readyz HTTP/1.1\r\n\r\n", 24, &answer);
	assert_int_equal(answer.status, 503);
	base_show(&d.base);
	daemon_wait_status(&d, "/readyz", NULL, 200);
	assert_int_equal(daemon_get(&d, "/api/sessions/active", DAEMON_TOKEN,
	    &answer), 200);
	assert_int_equal(daemon_get(&d, "/metrics", NULL, &answer), 200);
	assert_non_null(strstr(answer.body, "sallyport_sessions_total 0\n"));
	daemon_wait_admin(&d, 200);
}

/* With its log, from which SQLite would make it whole again. */
static void
unlink_database(void)
{
	static const char *const tails[] = { "", "-wal", "-shm" };
	char path[128];

	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		snprintf(path, sizeof(path), "%s%s", d.base.path, tails[i]);
		unlink(path);
	}
}

static void
a_damaged_database_is_told(void **state)
{
	FILE *f;

	(void)state;
	daemon_start(&d);
	daemon_wait_status(&d, "/readyz", NULL, 200);
	sqlite3_close(d.base.db);
	unlink_database();
	f = fopen(d.base.path, "w");
	assert_non_null(f);
	fputs("no database, but a file of some length all the same", f);
	fclose(f);
	d.base.db = NULL;
	daemon_wait_status(&d, "/readyz", NULL, 503);
	assert_int_equal(daemon_get(&d, "/api/sessions/stats", DAEMON_TOKEN,
	    &answer), 503);
}

/* ---- PostgreSQL ---- */

static void
expect_bad_start(const char *flag, const char *why)
{
	assert_int_equal(daemon_run(&d, flag), 78);
	if (strstr(daemon_output(&d), why) == NULL)
		fail_msg("not %s but: %s", why, daemon_output(&d));
	assert_null(strstr(daemon_output(&d), "hunter2"));
}

static void
a_bad_database_is_told_at_the_start(void **state)
{
	char url[256], flag[320];

	(void)state;
	base_pg_url(url, sizeof(url), "sallyport_reader", "hunter2",
	    d.base.name);
	snprintf(flag, sizeof(flag), "--set=apid.database=%s", url);
	expect_bad_start(flag, "apid.database: ");
	expect_bad_start(flag, "wrong password");
	snprintf(flag, sizeof(flag), "--set=apid.database_password_file="
	    "%s/none", d.base.dir);
	expect_bad_start(flag, "none: No such file");
	base_run(&d.base, "INSERT INTO schema_migration VALUES (99, 'x', 'x',"
	    " now())");
	expect_bad_start(NULL, "of a later release");
}

/* Where apid has no setting of its own, sessiond's with its password. */
static void
sessionds_database_is_ours(void **state)
{
	char file[128], url[320];
	FILE *f;

	(void)state;
	snprintf(file, sizeof(file), "%s/password", d.base.dir);
	f = fopen(file, "w");
	assert_non_null(f);
	fputs(BASE_PG_PASSWORD "\n", f);
	fclose(f);
	base_pg_url(url, sizeof(url), "sallyport_reader", "hunter2",
	    d.base.name);
	setenv("SALLYPORT_APID__DATABASE", "", 1);
	setenv("SALLYPORT_SESSIOND__DATABASE", url, 1);
	setenv("SALLYPORT_SESSIOND__DATABASE_PASSWORD_FILE", file, 1);
	daemon_start(&d);
	unsetenv("SALLYPORT_APID__DATABASE");
	unsetenv("SALLYPORT_SESSIOND__DATABASE");
	unsetenv("SALLYPORT_SESSIOND__DATABASE_PASSWORD_FILE");
	daemon_wait_status(&d, "/readyz", NULL, 200);
	assert_int_equal(daemon_get(&d, "/health", NULL, &answer), 200);
	assert_non_null(strstr(answer.body, "\"schema_version\":2"));
	/* Idle but for a moment of each second. */
	daemon_wait_shown(&d, "/metrics",
	    "sallyport_api_database_connections{state=\"idle\"} 1\n",
	    &answer);
	assert_non_null(strstr(answer.body,
	    "sallyport_api_database_connects_total{result=\"ok\"} 1\n"));
	unlink(file);
}

/* ---- state ---- */

static void
health_names_the_daemons(void **state)
{
	json_t *o;

	(void)state;
	daemon_start(&d);
	assert_int_equal(daemon_get(&d, "/health", NULL, &answer), 200);
	o = daemon_json(&answer);
	assert_int_equal(json_array_size(json_object_get(o, "daemons")), 5);
	assert_string_equal(json_string_value(json_object_get(
	    json_object_get(o, "database"), "detail")) == NULL ? "" : "x",
	    "");
	json_decref(o);
}

/* ---- tokens ---- */

static void
tokens_are_reloaded(void **state)
{
	char *other = daemon_token("other", "spt_other",
	    "scopes = [\"read\"]");

	(void)state;
	daemon_start(&d);
	assert_int_equal(daemon_get(&d, "/api/sessions/active", "spt_other",
	    &answer), 401);
	daemon_write_tokens(&d, other);
	daemon_wait_status(&d, "/api/sessions/active", "spt_other", 200);
	assert_int_equal(daemon_get(&d, "/api/sessions/active", DAEMON_TOKEN,
	    &answer), 401);
	/* All or nothing. */
	daemon_write_tokens(&d, "[[tokens]]\nname = \"x\"\n");
	daemon_wait_said(&d, "tokens.toml:1:");
	assert_int_equal(daemon_get(&d, "/api/sessions/active", "spt_other",
	    &answer), 200);
	free(other);
}

static void
sighup_reloads(void **state)
{
	(void)state;
	daemon_start(&d);
	kill(d.pid, SIGHUP);
	daemon_wait_said(&d, "event=config_reloaded");
	assert_int_equal(daemon_get(&d, "/api/sessions/active", DAEMON_TOKEN,
	    &answer), 200);
}

static void
without_a_tokens_file_nobody_is_let_in(void **state)
{
	char path[128];
	char *token = daemon_token("late", "spt_late", "scopes = [\"read\"]");

	(void)state;
	snprintf(path, sizeof(path), "%s/tokens.toml", d.base.dir);
	unlink(path);
	daemon_start(&d);
	daemon_wait_said(&d, "event=tokens_missing");
	assert_int_equal(daemon_get(&d, "/api/sessions/active", "spt_late",
	    &answer), 401);
	daemon_write_tokens(&d, token);
	daemon_wait_status(&d, "/api/sessions/active", "spt_late", 200);
	free(token);
}

/* ---- the start ---- */

static void
a_bad_start_is_told(void **state)
{
	char flag[64];

	(void)state;
	daemon_write_tokens(&d, "tokens = 5\n");
	assert_int_equal(daemon_run(&d, NULL), 78);
	assert_non_null(strstr(daemon_output(&d), "tokens.toml:1:10: tokens"));
	assert_int_equal(daemon_run(&d, "--check"), 78);
	daemon_write_tokens(&d, "");
	assert_int_equal(daemon_run(&d, "--check"), 0);
	daemon_start(&d);
	snprintf(flag, sizeof(flag), "--set=apid.listen=127.0.0.1:%u",
	    d.port);
	assert_int_equal(daemon_run(&d, flag), 1);
	assert_non_null(strstr(daemon_output(&d), "Address already in use"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(routes_want_their_token),
		TEST(answers_have_the_guarding_headers),
		TEST(hostile_requests_are_refused),
		TEST(big_requests_are_refused),
		TEST(slow_clients_do_not_reach_the_admin_port),
		TEST(it_stops),
		TEST(it_stops_before_a_client_that_hangs_gives_up),
		TEST(all_pages_are_the_whole),
		TEST(it_starts_without_a_database_and_heals),
		TEST(health_names_the_daemons),
		TEST(tokens_are_reloaded),
		TEST(sighup_reloads),
		TEST(without_a_tokens_file_nobody_is_let_in),
		TEST(a_bad_start_is_told),
	};

	const struct CMUnitTest sqlite_tests[] = {
		TEST(a_damaged_database_is_told),
	};
	const struct CMUnitTest pg_tests[] = {
		TEST(a_bad_database_is_told_at_the_start),
		TEST(sessionds_database_is_ours),
	};
	int failed;

	if (argc != 2)
		return 2;
	daemon_binary = argv[1];
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed + (base_is_pg() ?
	    cmocka_run_group_tests(pg_tests, NULL, NULL) :
	    cmocka_run_group_tests(sqlite_tests, NULL, NULL));
}
