/* SPDX-License-Identifier: MIT */
/*
 * What is PostgreSQL's own. With the server at SALLYPORT_TEST_PG, which
 * with_postgres.py starts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cutter.h"
#include "helper.h"
#include "sessiond/metrics.h"
#include "sessiond/store_pg.h"
#include "store_contract.h"

#define OK(call) assert_int_equal(call, STORE_OK)

static struct base base;
static const char *as_role; /* the URL that the stores open, if another's */

static struct store *
open_as(const char *url)
{
	struct store_options o = { .database = url };
	struct err err = { 0 };
	struct store *s;

	if (store_open(&s, &o, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

static void
fresh(struct store **s)
{
	base_open(&base);
	*s = base.store;
	if (as_role != NULL)
		*s = open_as(as_role);
}

static void
gone(struct store **s)
{
	if (as_role != NULL)
		store_close(s);
	base_close(&base);
}

static int
setup(void **state)
{
	(void)state;
	base_open(&base);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	base_close(&base);
	return 0;
}

static struct store_pg *
pg_of(struct store *s)
{
	return container_of(s, struct store_pg, store);
}

/* As the superuser, on a connection of its own. */
static void
admin(const char *sql)
{
	struct pg *p = pg_new(&(struct pg_options){ .url = cutter_server(),
	    .connect_ms = 5000,
	    .statement_ms = 20000 });

	if (pg_connect(p) != PG_OK || pg_exec(p, sql) != PG_OK)
		fail_msg("%s: %s", sql, pg_message(p));
	pg_free(&p);
}

static void
test_contract(void **state)
{
	(void)state;
	store_contract_run(fresh, gone);
}

/* With the rights that the migration gives, and no others. */
static void
test_contract_as_the_writer(void **state)
{
	char *url =
	    cutter_url(cutter_server(), "sallyport_writer", "written", 0);

	(void)state;
	base_open(&base);
	base_close(&base); /* the schema is there */
	admin("CREATE ROLE sallyport_writer LOGIN PASSWORD 'written';"
	      "SELECT sallyport.grant_roles()");
	as_role = url;
	store_contract_run(fresh, gone);
	as_role = NULL;
	admin("DROP OWNED BY sallyport_writer; DROP ROLE sallyport_writer");
	free(url);
}

static struct store_session
row_of(unsigned n)
{
	return (struct store_session){
		.id = id_of(0, n),
		.stream = stream_of(1),
		.seq = n + 1,
		.started_us = clock_wall_us(),
		.user = STR("alice"),
		.close_reason = STR("client_closed"),
	};
}

/* ---- plans ---- */

/* The plan of a prepared statement, a line each. */
static void
explain(const char *call, char *plan, size_t size)
{
	char *sql = xasprintf("EXPLAIN EXECUTE %s", call);
	struct pg_statement st = { NULL, sql };
	struct text t = text_on(plan, size);
	struct pg_rows rows;

	assert_int_equal(
	    pg_query(pg_of(base.store)->pg, &st, NULL, &rows), PG_OK);
	assert_true(rows.n > 0);
	for (size_t i = 0; i < rows.n; i++) {
		struct str line = pg_str(&rows, i, 0);

		text_fmt(&t, "%.*s\n", (int)line.len, line.ptr);
	}
	pg_rows_fini(&rows);
	free(sql);
}

/* No statement may come to walk a table, or to join two of them whole,
 * whatever the planner believes of their sizes. */
static void
test_plans(void **state)
{
	static const char *const calls[] = {
		"active_put('{}', now(), now())",
		"session_add('{}')",
		"rollup_add('{}')",
		"active_end('{}', '{}')",
		"stream_get('{}')",
		"active_each(gen_random_uuid(), gen_random_uuid())",
		"event_add(now(), gen_random_uuid(), 1, '', '', '', '', '', "
		"'', "
		"0)",
	};
	static const char *const words[] = { "Seq Scan", "Hash", "Merge",
		"Materialize" };
	static char plan[8192];
	struct store_session row = row_of(1), *rows[] = { &row };
	struct store_rollup sum = { .sessions = 1 };
	struct store_stream st = { .id = stream_of(1), .proxy = "p" };
	struct store_stream *streams[] = { &st };
	const struct store_ops *ops = base.store->ops;
	struct store_event e = { .id = id_of(1, 1) };
	struct id id = stream_of(1);

	(void)state;
	OK(ops->begin(base.store));
	OK(ops->lock_streams(base.store, streams, 1, 1));
	OK(ops->put_active(base.store, rows, 1));
	OK(ops->add_sessions(base.store, rows, 1));
	OK(ops->each_active(base.store, &id, NULL, NULL));
	OK(ops->add_rollups(base.store, &sum, 1));
	OK(ops->add_event(base.store, &e));
	OK(ops->commit(base.store));
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		explain(calls[i], plan, sizeof(plan));
		for (size_t k = 0; k < ARRAY_LEN(words); k++) {
			if (strstr(plan, words[k]) != NULL)
				fail_msg("%s: %s", calls[i], plan);
		}
	}
}

/* What goes is a range of the key, and what stays is counted along it. */
static void
test_plan_of_the_trim(void **state)
{
	static const char *const words[] = {
		"Index Only Scan Backward using telemetry_event_pkey",
		"Index Cond: (ROW(at, id) < ROW(",
		"Tid Scan on telemetry_event",
	};
	const struct store_ops *ops = base.store->ops;
	static char plan[8192];
	uint64_t gone;
	bool more;

	(void)state;
	OK(ops->begin(base.store));
	OK(ops->trim_events(base.store, 0, 10000, 1000, &gone, &more));
	OK(ops->commit(base.store));
	explain("event_trim(now(), 10000, 1000)", plan, sizeof(plan));
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strstr(plan, words[i]) == NULL)
			fail_msg("without %s: %s", words[i], plan);
	}
	assert_null(strstr(plan, "Seq Scan"));
}

/* ---- values ---- */

static void
test_poison(void **state)
{
	struct store_session good = row_of(1), bad = row_of(2),
			     *rows[] = { &good, &bad };
	const struct store_ops *ops = base.store->ops;
	const struct {
		struct str *text;
		uint64_t *number;
		struct str value;
	} cases[] = {
		{ &bad.user, NULL, STR("a\0b") },
		{ &bad.user, NULL, STR("\xff") },
		{ &bad.groups, NULL, STR("[\"") },
		{ &bad.groups, NULL, STR("[\"\\u0000\"]") },
		{ &bad.source_ip, NULL, STR("short") },
		{ &bad.resolved_ips, NULL, STR("sixteen bytes and one") },
		{ NULL, &bad.source_port, { 0 } },
		{ NULL, &bad.reply_code, { 0 } },
		{ NULL, &bad.destinations, { 0 } },
		{ &bad.claimed_user, NULL, STR("\xff") },
		{ NULL, &bad.incomplete, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bad = row_of(2);
		if (cases[i].text != NULL)
			*cases[i].text = cases[i].value;
		else
			*cases[i].number = (uint64_t)INT64_MAX;
		OK(ops->begin(base.store));
		assert_int_equal(
		    ops->add_sessions(base.store, rows, 2), STORE_POISON);
		assert_true(strlen(ops->message(base.store)) > 0);
		ops->rollback(base.store);
	}
	bad = row_of(2);
	OK(ops->begin(base.store));
	OK(ops->add_sessions(base.store, rows, 2));
	OK(ops->commit(base.store));
	assert_int_equal(base_number(&base, "SELECT count(*) FROM session"), 2);
}

static void
test_poison_of_an_event(void **state)
{
	const struct store_ops *ops = base.store->ops;
	struct store_event e = { .id = id_of(1, 1) };

	(void)state;
	OK(ops->begin(base.store));
	e.message = STR("a\0b");
	/* It travels with the COMMIT. */
	OK(ops->add_event(base.store, &e));
	assert_int_equal(ops->commit(base.store), STORE_POISON);
	ops->rollback(base.store);
	e.message = STR("ab");
	OK(ops->begin(base.store));
	OK(ops->add_event(base.store, &e));
	OK(ops->commit(base.store));
	assert_int_equal(
	    base_number(&base, "SELECT count(*) FROM telemetry_event"), 1);
}

static void
test_sums_stop_at_the_greatest(void **state)
{
	struct store_rollup sum = { .key = STR("k"),
		.hour_us = 3600000000,
		.sessions = 2,
		.bytes_up = 7,
		.bytes_down = (uint64_t)INT64_MAX - 1 };
	const struct store_ops *ops = base.store->ops;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		OK(ops->begin(base.store));
		OK(ops->add_rollups(base.store, &sum, 1));
		OK(ops->commit(base.store));
	}
	assert_string_equal(
	    base_text(&base, "SELECT sessions || ' ' || bytes_up || ' ' || "
			     "bytes_down FROM rollup_hour"),
	    "6 21 9223372036854775807");
}

static void
test_days_are_made_and_strays_noticed(void **state)
{
	const struct store_ops *ops = base.store->ops;
	struct store_session today = row_of(1), old = row_of(2),
			     *rows[] = { &today, &old };
	uint64_t stray;

	(void)state;
	old.started_us = 86400000000;
	OK(ops->look_ahead(base.store, &stray));
	assert_int_equal(stray, 0);
	OK(ops->begin(base.store));
	OK(ops->add_sessions(base.store, rows, 2));
	OK(ops->commit(base.store));
	OK(ops->look_ahead(base.store, &stray));
	assert_int_equal(stray, 1);
	admin("DO $$ BEGIN ASSERT (SELECT count(*) >= 8 FROM "
	      "sallyport.session_partition); END $$");
}

/* A reader that holds the table keeps retention away, for a moment only. */
static void
test_retention_gives_way(void **state)
{
	const struct store_ops *ops = base.store->ops;
	uint64_t before = clock_wall_us() + UINT64_C(20) * 86400000000, n;
	struct pg *reader = pg_new(&(struct pg_options){
	    .url = cutter_server(), .connect_ms = 5000, .statement_ms = 5000 });
	bool more;

	(void)state;
	assert_int_equal(pg_connect(reader), PG_OK);
	assert_int_equal(
	    pg_exec(reader, "BEGIN; SELECT count(*) FROM sallyport.session"),
	    PG_OK);
	OK(ops->begin(base.store));
	assert_int_equal(ops->delete_old(base.store, HISTORY_SESSIONS, before,
			     5000, &n, &more),
	    STORE_BUSY);
	ops->rollback(base.store);
	assert_int_equal(pg_exec(reader, "COMMIT"), PG_OK);
	OK(ops->begin(base.store));
	OK(ops->delete_old(
	    base.store, HISTORY_SESSIONS, before, 5000, &n, &more));
	assert_true(more);
	ops->rollback(base.store);
	pg_free(&reader);
}

/* ---- failures ---- */

struct load {
	struct metrics *metrics;
	struct apply *apply;
};

static void
load_init(struct load *l, struct store *s)
{
	l->metrics =
	    metrics_new("sallyport", NULL, sessiond_metrics, SESSIOND_METRICS);
	l->apply = apply_new(s, metrics_thread(l->metrics));
}

static void
load_fini(struct load *l)
{
	apply_free(&l->apply);
	metrics_free(&l->metrics);
}

/* The n-th batch of a stream: a session that opens and closes, one that runs
 * on, and nonsense. */
static struct apply_batch *
batch_number(unsigned n)
{
	struct body *bodies[] = { body_open(1, 3 * n), body_close(1, 3 * n, 7),
		body_open(1, 3 * n + 1), body_raw("\x7f", 1) };
	struct id id = stream_of(1);
	struct apply_batch *b =
	    batch_of(&id, "p", 1 + 4 * n, bodies, ARRAY_LEN(bodies));

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		free(bodies[i]);
	return b;
}

/* What `batches` of them come to, however often they were tried. */
static void
assert_once(unsigned batches)
{
	char *want = xasprintf("%u %u %u %u %u %u", batches, batches, batches,
	    batches, 7 * batches, 4 * batches + 1);

	assert_string_equal(
	    base_text(&base,
		"SELECT (SELECT count(*) FROM session) || ' ' || "
		"(SELECT count(*) FROM session_active) || ' ' || "
		"(SELECT count(*) FROM audit_quarantine) || ' ' || "
		"(SELECT sum(sessions) FROM rollup_hour WHERE dimension = 0) "
		"|| ' ' || (SELECT sum(bytes_up) FROM rollup_hour WHERE "
		"dimension = 0) || ' ' || (SELECT next_seq FROM "
		"audit_stream)"),
	    want);
	free(want);
}

/* The connection breaks after each few bytes of the server's answers, before
 * the COMMIT and after it was done: what is tried again counts once. */
static void
test_cut_anywhere(void **state)
{
	struct cutter *c = cutter_start();
	struct store *s = open_as(cutter_through(c));
	unsigned n = 0, cuts = 0;
	struct load l;
	bool cut = true;

	(void)state;
	load_init(&l, s);
	for (long at = 0; cut; at += 29) {
		struct apply_batch *b = batch_number(n++);
		enum store_result r;

		OK(s->ops->begin(s)); /* connected again */
		s->ops->rollback(s);
		cutter_cut_after(c, at);
		r = apply_batches(l.apply, &b, 1);
		cut = cutter_was_cut(c);
		assert_int_equal(r, cut ? STORE_AWAY : STORE_OK);
		cuts += cut;
		cutter_cut_after(c, -1);
		OK(apply_batches(l.apply, &b, 1));
		batch_free(b);
	}
	assert_in_range(cuts, 10, 200);
	assert_once(n);
	load_fini(&l);
	store_close(&s);
	cutter_stop(&c);
}

/* kill -9 of the backend: the server throws everybody out, recovers, and is
 * there again. */
static void
test_backend_killed(void **state)
{
	static const struct pg_statement who = { NULL,
		"SELECT pg_backend_pid()" };
	const struct store_ops *ops = base.store->ops;
	struct apply_batch *b = batch_number(0);
	enum store_result r;
	struct pg_rows rows;
	struct load l;
	int64_t pid;

	(void)state;
	assert_int_equal(
	    pg_query(pg_of(base.store)->pg, &who, NULL, &rows), PG_OK);
	pid = pg_int(&rows, 0, 0);
	pg_rows_fini(&rows);
	load_init(&l, base.store);
	assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
	assert_int_equal(apply_batches(l.apply, &b, 1), STORE_AWAY);
	assert_true(strlen(ops->message(base.store)) > 0);
	while ((r = apply_batches(l.apply, &b, 1)) != STORE_OK)
		assert_int_equal(r, STORE_AWAY);
	assert_once(1);
	batch_free(b);
	load_fini(&l);
}

static void
test_idle_connection_lost(void **state)
{
	const struct store_ops *ops = base.store->ops;
	uint64_t n;

	(void)state;
	admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
	      "WHERE application_name = 'sallyport-sessiond'");
	assert_int_equal(
	    ops->count_streams(base.store, STREAM_LIVE, &n), STORE_AWAY);
	OK(ops->count_streams(base.store, STREAM_LIVE, &n));
}

static void *
stop_soon(void *arg)
{
	usleep(50000);
	atomic_store((atomic_bool *)arg, true);
	return NULL;
}

/* A server that stands still does not keep sessiond from stopping. */
static void
test_stop_ends_the_waiting(void **state)
{
	struct cutter *c = cutter_start();
	atomic_bool stop = false;
	struct store_options o = { .database = cutter_through(c),
		.stop = &stop };
	struct apply_batch *b = batch_number(0);
	uint64_t began = clock_mono_ms();
	struct err err = { 0 };
	pthread_t thread;
	struct store *s;
	struct load l;

	(void)state;
	assert_int_equal(store_open(&s, &o, &err), 0);
	load_init(&l, s);
	cutter_freeze(c, true);
	pthread_create(&thread, NULL, stop_soon, &stop);
	assert_int_equal(apply_batches(l.apply, &b, 1), STORE_AWAY);
	assert_in_range(clock_mono_ms() - began, 0, 8000);
	pthread_join(thread, NULL);
	load_fini(&l);
	store_close(&s);
	batch_free(b);
	cutter_stop(&c);
}

/* ---- opening ---- */

static void
refused(const char *url, const char *file, const char *words)
{
	struct store_options o = { .database = url, .password_file = file };
	struct err err = { 0 }, checked = { 0 };
	struct store *s;

	assert_int_equal(store_open(&s, &o, &err), -1);
	assert_int_equal(store_check(&o, &checked), -1);
	assert_string_equal(err.text, checked.text);
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" is not in: %s", words, err.text);
	assert_null(strstr(err.text, "s3cret"));
	assert_null(strchr(err.text, '\n'));
}

static void
test_refused_for_good(void **state)
{
	char *url = cutter_url(cutter_server(), "postgres", "s3cret", 0);
	char *other = xasprintf("%s_no", cutter_server());

	(void)state;
	refused("postgresql://u:s3cret%@h/d", NULL, "expected postgresql://");
	refused(url, NULL, "wrong password");
	refused(url, "/none/file", "/none/file: No such file");
	refused(other, NULL, "no such database");
	admin("ALTER SYSTEM SET full_page_writes = off;");
	admin("SELECT pg_reload_conf()");
	/* The server's processes take it over one by one. */
	for (struct err err = { 0 };;) {
		struct store_options o = { .database = cutter_server() };

		if (store_check(&o, &err) < 0)
			break;
	}
	refused(cutter_server(), NULL, "full_page_writes = off");
	admin("ALTER SYSTEM RESET full_page_writes;");
	admin("SELECT pg_reload_conf()");
	free(url);
	free(other);
}

/* Away at the start, or not yet migrated: no error, but not ready. */
static void
test_waits_for_what_may_heal(void **state)
{
	char *url = cutter_url(cutter_server(), NULL, NULL, 1);
	struct store *s = open_as(url);

	(void)state;
	assert_true(s->away);
	assert_non_null(strstr(s->ops->message(s), "Connection refused"));
	assert_int_equal(s->ops->begin(s), STORE_AWAY);
	s->ops->rollback(s);
	store_close(&s);
	free(url);

	admin("CREATE ROLE newcomer LOGIN PASSWORD 'new'");
	url = cutter_url(cutter_server(), "newcomer", "new", 0);
	s = open_as(url);
	assert_true(s->away);
	assert_non_null(strstr(s->ops->message(s), "--migrate"));
	admin("GRANT postgres TO newcomer");
	OK(s->ops->begin(s));
	s->ops->rollback(s);
	store_close(&s);
	admin("DROP ROLE newcomer");
	free(url);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contract),
		cmocka_unit_test(test_contract_as_the_writer),
		T(plans),
		T(plan_of_the_trim),
		T(poison),
		T(poison_of_an_event),
		T(sums_stop_at_the_greatest),
		T(days_are_made_and_strays_noticed),
		T(retention_gives_way),
		T(cut_anywhere),
		T(backend_killed),
		T(idle_connection_lost),
		T(stop_ends_the_waiting),
		T(refused_for_good),
		T(waits_for_what_may_heal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
