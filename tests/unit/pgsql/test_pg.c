/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cutter.h"
#include "pgsql/pg.h"

#define OK(call) assert_int_equal(call, PG_OK)
#define PATIENCE_MS 20000 /* more than any machine needs */
#define BRIEF_MS    500	  /* where the time is to run out */

static struct pg *
made_with(const char *url, const char *password_file, unsigned statement_ms,
    const atomic_bool *stop)
{
	return pg_new(&(struct pg_options){ .url = url,
	    .password_file = password_file,
	    .application = "test_pg",
	    .connect_ms = PATIENCE_MS,
	    .statement_ms = statement_ms,
	    .lock_ms = 200,
	    .generic_plans = true,
	    .stop = stop });
}

static struct pg *
made(const char *url, const char *password_file)
{
	return made_with(url, password_file, PATIENCE_MS, NULL);
}

static int
setup(void **state)
{
	struct pg *p = made(cutter_server(), NULL);

	OK(pg_connect(p));
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct pg *p = *state;

	pg_free(&p);
	pg_free(&p);
	return 0;
}

static const struct pg_statement add = { "add",
	"SELECT $1::int8 + $2::int4, $3::text, $4::inet, $5::uuid, $6::bool" };
static const struct pg_statement divide = { "divide", "SELECT 1 / $1::int8" };
static const struct pg_statement nonsense = { "nonsense", "SELEKT" };

static void
put_add(struct pg_params *a, int64_t n)
{
	static const uint8_t ip[16] = {
		[10] = 0xff, [11] = 0xff, 192, 0, 2, 1
	};

	pg_params_clear(a);
	pg_put_int8(a, n);
	pg_put_int4(a, 1);
	pg_put_str(a, STR(""));
	pg_put_inet(a, ip);
	pg_put_uuid(a, ip);
	pg_put_null(a);
}

static void
test_values_there_and_back(void **state)
{
	struct pg_params a = { 0 };
	struct pg *p = *state;
	struct pg_rows rows;
	uint8_t b[16];

	assert_true(pg_is_connected(p));
	assert_true(pg_server_version(p) >= 150000);
	assert_string_equal(pg_parameter(p, "TimeZone"), "UTC");
	for (int64_t n = 0; n < 3; n++) {
		put_add(&a, n);
		OK(pg_query(p, &add, &a, &rows));
		assert_int_equal(rows.n, 1);
		assert_string_equal(rows.tag, "SELECT 1");
		assert_int_equal(pg_int(&rows, 0, 0), n + 1);
		assert_int_equal(pg_str(&rows, 0, 1).len, 0);
		pg_inet(&rows, 0, 2, b);
		assert_int_equal(b[12], 192);
		pg_uuid(&rows, 0, 3, b);
		assert_int_equal(b[15], 1);
		assert_true(pg_is_null(&rows, 0, 4));
		assert_false(rows.bad);
		assert_false(pg_bool(&rows, 0, 4)); /* but it is NULL */
		assert_true(rows.bad);
		rows.bad = false;
		pg_int(&rows, 0, 1); /* not a number */
		assert_true(rows.bad);
		rows.bad = false;
		pg_int(&rows, 1, 0); /* no such row */
		assert_true(rows.bad);
		pg_rows_fini(&rows);
	}
	pg_params_fini(&a);
}

/* The first failure takes those behind it along, up to the next time. */
static void
test_a_failure_in_a_row_of_statements(void **state)
{
	struct pg_params a = { 0 }, zero = { 0 };
	struct pg *p = *state;

	pg_put_int8(&zero, 0);
	for (unsigned i = 0; i < 3; i++) {
		put_add(&a, 1);
		OK(pg_send(p, &add, &a));
		OK(pg_send(p, &divide, &zero));
		OK(pg_send(p, &add, &a));
		OK(pg_send(p, &nonsense, NULL));
		assert_int_equal(pg_queued(p), 4);
		OK(pg_next(p, NULL));
		for (unsigned k = 0; k < 3; k++) {
			assert_int_equal(pg_next(p, NULL), PG_POISON);
			assert_string_equal(pg_sqlstate(p), "22012");
		}
		assert_non_null(strstr(pg_message(p), "(SQLSTATE 22012)"));
		assert_int_equal(pg_queued(p), 0);
		OK(pg_query(p, &add, &a, NULL));
		assert_int_equal(pg_query(p, &nonsense, NULL, NULL), PG_FAULT);
		OK(pg_send(p, &add, &a));
		OK(pg_send(p, &divide, &zero));
		assert_int_equal(pg_drain(p), PG_POISON);
		OK(pg_exec(p, "SELECT 1; SELECT 2"));
		assert_int_equal(
		    pg_exec(p, "SELECT 1; SELECT 1 / 0; SELECT 2"), PG_POISON);
	}
	pg_params_fini(&a);
	pg_params_fini(&zero);
}

static void
test_much_in_both_directions(void **state)
{
	static const struct pg_statement echo = { "echo", "SELECT $1::text" };
	struct pg_params a = { 0 };
	struct pg *p = *state;
	size_t len = 200000;
	char *text = xcalloc(1, len);
	struct pg_rows rows;

	memset(text, 'x', len);
	pg_put_str(&a, (struct str){ text, len });
	for (unsigned i = 0; i < 100; i++)
		OK(pg_send(p, &echo, &a));
	for (unsigned i = 0; i < 100; i++) {
		OK(pg_next(p, &rows));
		assert_int_equal(pg_str(&rows, 0, 0).len, len);
		pg_rows_fini(&rows);
	}
	pg_params_fini(&a);
	free(text);
}

static void
test_slow_statements_and_locks_are_busy(void **state)
{
	struct pg *p = *state, *q;

	q = made_with(cutter_server(), NULL, BRIEF_MS, NULL);
	OK(pg_connect(q));
	assert_int_equal(pg_exec(q, "SELECT pg_sleep(60)"), PG_BUSY);
	assert_string_equal(pg_sqlstate(q), "57014");
	assert_true(pg_is_connected(q));
	pg_free(&q);
	q = made(cutter_server(), NULL);
	OK(pg_connect(q));
	OK(pg_exec(p, "CREATE TABLE public.t ()"));
	OK(pg_exec(p, "BEGIN; LOCK TABLE public.t"));
	assert_int_equal(pg_exec(q, "BEGIN; LOCK TABLE public.t"), PG_BUSY);
	assert_string_equal(pg_sqlstate(q), "55P03");
	OK(pg_exec(p, "ROLLBACK"));
	pg_free(&q);
}

static void
test_read_only(void **state)
{
	struct pg *p = pg_new(&(struct pg_options){ .url = cutter_server(),
	    .application = "test_pg",
	    .connect_ms = PATIENCE_MS,
	    .statement_ms = PATIENCE_MS,
	    .read_only = true });

	(void)state;
	OK(pg_connect(p));
	assert_int_equal(
	    pg_exec(p, "CREATE TABLE public.never (a int)"), PG_READONLY);
	pg_free(&p);
}

static void
test_a_lost_connection_is_away(void **state)
{
	static const struct pg_statement end = { NULL,
		"SELECT pg_terminate_backend(pg_backend_pid())" };
	static const struct pg_statement begin = { "begin", "BEGIN" };
	struct pg_params a = { 0 };
	struct pg *p = *state;

	put_add(&a, 1);
	for (unsigned i = 0; i < 2; i++) {
		OK(pg_query(p, &begin, NULL, NULL));
		OK(pg_send(p, &add, &a));
		OK(pg_send(p, &end, NULL));
		OK(pg_send(p, &add, &a));
		assert_int_equal(pg_drain(p), PG_AWAY);
		assert_false(pg_is_connected(p));
		assert_false(pg_is_final(p));
		assert_int_equal(pg_queued(p), 0);
		assert_int_equal(pg_send(p, &add, &a), PG_AWAY);
		assert_int_equal(pg_exec(p, "SELECT 1"), PG_AWAY);
		OK(pg_connect(p));
		OK(pg_query(p, &add, &a, NULL));
	}
	pg_params_fini(&a);
}

static void
refused(const char *url, const char *file, enum pg_status want, bool final,
    const char *words)
{
	struct pg *p = made(url, file);

	assert_int_equal(pg_connect(p), want);
	assert_int_equal(pg_is_final(p), final);
	assert_false(pg_is_connected(p));
	if (strstr(pg_message(p), words) == NULL)
		fail_msg("\"%s\" is not in: %s", words, pg_message(p));
	assert_null(strstr(pg_message(p), "s3cret"));
	assert_null(strchr(pg_message(p), '\n'));
	pg_free(&p);
}

static void
test_what_only_a_human_mends(void **state)
{
	struct pg *p = *state;
	char *url = cutter_url(cutter_server(), "postgres", "s3cret", 0);
	char *other = xasprintf("%s_no", cutter_server());
	char *option = xasprintf("%s?options=-cs3cret%%3D1", cutter_server());

	refused(url, NULL, PG_DENIED, true, "wrong password");
	refused(url, "/none/s3cre", PG_DENIED, true,
	    "password file /none/s3cre: No such file");
	refused(url, "/dev/null", PG_DENIED, true, "first line is empty");
	refused(other, NULL, PG_DENIED, true, "no such database");
	refused(option, NULL, PG_FAULT, true, "an option of the URL");
	refused("postgresql://s3cret%", NULL, PG_FAULT, true, "expected");
	free(url);
	url = cutter_url(cutter_server(), "nobody", "s3cret", 0);
	refused(url, NULL, PG_DENIED, true, "no such role");
	OK(pg_exec(p, "CREATE ROLE weak LOGIN PASSWORD 's3cret';"
		      "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC"));
	free(url);
	url = cutter_url(cutter_server(), "weak", "s3cret", 0);
	refused(url, NULL, PG_DENIED, true, "no right to connect");
	OK(pg_exec(p, "GRANT CONNECT ON DATABASE postgres TO PUBLIC;"
		      "ALTER ROLE weak CONNECTION LIMIT 0"));
	refused(url, NULL, PG_AWAY, false, "too many connections");
	OK(pg_exec(p, "DROP ROLE weak"));
	free(url);
	free(other);
	free(option);
}

static void
test_who_may_come_back(void **state)
{
	char *url = cutter_url(cutter_server(), NULL, NULL, 1);

	(void)state;
	refused(url, NULL, PG_AWAY, false, "Connection refused");
	refused("postgresql://u:s3cret@/db?host=/nonexistent", NULL, PG_AWAY,
	    false, "No such file or directory");
	free(url);
}

static void
write_line(const char *path, const char *line)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f, "%s\nanother line\n", line);
	fclose(f);
}

/* The file is read at each connect, and its password wins. */
static void
test_password_file_rotates(void **state)
{
	char path[] = "/tmp/test-pg-XXXXXX";
	char *url = cutter_url(cutter_server(), "turning", "wrong", 0);
	struct pg *admin = *state, *p;

	close(mkstemp(path));
	OK(pg_exec(admin, "CREATE ROLE turning LOGIN PASSWORD 'first one'"));
	write_line(path, "first one");
	p = made(url, path);
	OK(pg_connect(p));
	OK(pg_exec(admin, "ALTER ROLE turning PASSWORD 'second'"));
	assert_int_equal(pg_connect(p), PG_DENIED);
	write_line(path, "second");
	OK(pg_connect(p));
	pg_free(&p);
	OK(pg_exec(admin, "DROP ROLE turning"));
	unlink(path);
	free(url);
}

static int
silent_listener(unsigned short *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 8), 0);
	getsockname(fd, (struct sockaddr *)&a, &len);
	*port = ntohs(a.sin_port);
	return fd;
}

static void
test_every_wait_has_an_end(void **state)
{
	struct cutter *c = cutter_start();
	atomic_bool stop = false;
	unsigned short port;
	int fd = silent_listener(&port);
	char *url = cutter_url(cutter_server(), NULL, NULL, port);
	struct pg *p =
	    pg_new(&(struct pg_options){ .url = url, .connect_ms = 200 });
	uint64_t began = clock_mono_ms();

	(void)state;
	assert_int_equal(pg_connect(p), PG_AWAY); /* who never answers */
	assert_in_range(clock_mono_ms() - began, 200, 5000);
	assert_false(pg_is_final(p));
	pg_free(&p);
	free(url);
	close(fd);

	p = made_with(cutter_through(c), NULL, BRIEF_MS, NULL);
	OK(pg_connect(p));
	cutter_freeze(c, true);
	began = clock_mono_ms();
	assert_int_equal(pg_exec(p, "SELECT 1"), PG_AWAY); /* nor now */
	assert_in_range(clock_mono_ms() - began, BRIEF_MS, 15000);
	assert_false(pg_is_connected(p));
	cutter_freeze(c, false);
	OK(pg_connect(p));
	pg_free(&p);
	p = made_with(cutter_through(c), NULL, PATIENCE_MS, &stop);
	OK(pg_connect(p));
	cutter_freeze(c, true);
	atomic_store(&stop, true);
	began = clock_mono_ms();
	assert_int_equal(pg_exec(p, "SELECT 1"), PG_AWAY);
	/* No time-out. */
	assert_in_range(clock_mono_ms() - began, 0, PATIENCE_MS - 1);
	pg_free(&p);
	cutter_stop(&c);
}

static void
connects(struct pg *p)
{
	if (pg_connect(p) != PG_OK)
		fail_msg("%s", pg_message(p));
}

/* What no server would send: at worst there is no connection. */
static void
test_cut_answers(void **state)
{
	struct cutter *c = cutter_start();
	struct pg *p = made(cutter_through(c), NULL);
	struct pg_params a = { 0 };
	long connected, asked;

	(void)state;
	put_add(&a, 1);
	OK(pg_connect(p));
	connected = cutter_passed(c);
	OK(pg_query(p, &add, &a, NULL));
	asked = cutter_passed(c) - connected;
	for (long at = 0; at < connected; at += 23) {
		cutter_cut_after(c, at);
		assert_int_equal(pg_connect(p), PG_AWAY);
		assert_false(pg_is_final(p));
		assert_true(cutter_was_cut(c));
	}
	for (long at = 0; at < asked; at += 3) {
		connects(p);
		cutter_cut_after(c, at);
		assert_int_equal(pg_query(p, &add, &a, NULL), PG_AWAY);
		assert_true(cutter_was_cut(c));
	}
	connects(p);
	OK(pg_query(p, &add, &a, NULL));
	pg_free(&p);
	pg_params_fini(&a);
	cutter_stop(&c);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(values_there_and_back),
		T(a_failure_in_a_row_of_statements),
		T(much_in_both_directions),
		T(slow_statements_and_locks_are_busy),
		T(read_only),
		T(a_lost_connection_is_away),
		T(what_only_a_human_mends),
		T(who_may_come_back),
		T(password_file_rotates),
		T(every_wait_has_an_end),
		T(cut_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
