/* SPDX-License-Identifier: MIT */
/* What only PostgreSQL has: its plans, roles and connections. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apid/query_pg.h"
#include "base/clock.h"
#include "cases.h"
#include "helper.h"

#define ROWS 3000u
#define WAIT_MS 60000

static struct base base;

static int
setup(void **state)
{
	(void)state;
	base_open(&base);
	return 0;
}

static int
setup_rows(void **state)
{
	setup(state);
	base_add_ended(&base, 0, ROWS);
	base_run(&base, "ANALYZE");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	base_close(&base);
	return 0;
}

/* The first value of a statement; the caller's to free. */
static char *
value_of(PGconn *pg, const char *sql)
{
	PGresult *r = PQexec(pg, sql);
	char *v;

	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", PQerrorMessage(pg), sql);
	v = PQntuples(r) > 0 ? strdup(PQgetvalue(r, 0, 0)) : NULL;
	PQclear(r);
	return v;
}

static long
number_of(const char *sql)
{
	char *v = value_of(base.pg, sql);
	long n = v != NULL ? atol(v) : -1;

	free(v);
	return n;
}

static struct query_source *
source_of(const char *url, const char *password_file, unsigned connections)
{
	const struct query_source_options o = { .database = url,
		.password_file = password_file, .connections = connections };
	struct err err;
	struct query_source *s = query_source_new(&o, &err);

	if (s == NULL)
		fail_msg("%s", err.text);
	return s;
}

static enum query_result
ask(struct query *q)
{
	struct query_totals totals;

	return query_totals(q, SEED_NOW_US, &totals);
}

static void
nap(void)
{
	const struct timespec ts = { 0, 5000000 };

	nanosleep(&ts, NULL);
}

static void
ask_until_good(struct query *q)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;

	while (ask(q) != QUERY_OK) {
		assert_true(clock_mono_ms() < until);
		nap();
	}
}

/* ---- plans ---- */

static json_t *
explain(const char *sql, const struct pg_params *p)
{
	const char *values[PG_PARAMS_MAX];
	int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];
	struct bytes b = { 0 };
	json_error_t e;
	PGresult *r;
	json_t *plan;

	for (unsigned i = 0; i < p->n; i++) {
		lengths[i] = p->values[i].len;
		values[i] = lengths[i] < 0 ? NULL :
		    p->data.ptr + p->values[i].at;
		formats[i] = 1;
	}
	bytes_fmt(&b, "EXPLAIN (FORMAT JSON) %s", sql);
	bytes_add(&b, "", 1);
	base_run(&base, "%s", query_pg_settings);
	r = PQexecParams(base.pg, b.ptr, (int)p->n, NULL, values, lengths,
	    formats, 0);
	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", PQerrorMessage(base.pg), b.ptr);
	plan = json_loads(PQgetvalue(r, 0, 0), 0, &e);
	assert_non_null(plan);
	PQclear(r);
	bytes_fini(&b);
	return plan;
}

/* What a plan does: the names of its nodes, indexes and relations. */
struct plan {
	char nodes[1024], indexes[1024], relations[1024];
};

static void
note(char *list, size_t size, const json_t *name)
{
	size_t len = strlen(list);

	if (name != NULL)
		snprintf(list + len, size - len, "%s ",
		    json_string_value(name));
}

static void
walk_plan(const json_t *node, struct plan *out)
{
	json_t *child;
	size_t i;

	note(out->nodes, sizeof(out->nodes),
	    json_object_get(node, "Node Type"));
	note(out->indexes, sizeof(out->indexes),
	    json_object_get(node, "Index Name"));
	note(out->relations, sizeof(out->relations),
	    json_object_get(node, "Relation Name"));
	json_array_foreach(json_object_get(node, "Plans"), i, child)
		walk_plan(child, out);
}

static struct plan
plan_of(const char *sql, const struct pg_params *p)
{
	json_t *all = explain(sql, p);
	struct plan out = { "", "", "" };

	walk_plan(json_object_get(json_array_get(all, 0), "Plan"), &out);
	json_decref(all);
	return out;
}

static struct plan
plan_of_page(const struct query_filter *f)
{
	struct query_pg_sql sql = { .residual = false };
	struct pg_params params = { .n = 0 };
	struct plan plan;

	query_pg_sql_page(&sql, &params, f, "s.id, s.started_at, ");
	plan = plan_of(sql.text.ptr, &params);
	query_pg_sql_fini(&sql);
	pg_params_fini(&params);
	return plan;
}

static void
expect_index_order(const char *name, const struct plan *plan,
    const char *index)
{
	static const char *const forbidden[] = { "Sort", "Seq", "Bitmap",
		"Hash" };
	char indexes[1024], *rest = NULL;

	for (size_t i = 0; i < ARRAY_LEN(forbidden); i++)
		if (strstr(plan->nodes, forbidden[i]) != NULL)
			fail_msg("%s: %s", name, plan->nodes);
	/* The index of each partition has a name of its own. */
	strcpy(indexes, plan->indexes);
	for (char *at = strtok_r(indexes, " ", &rest); at != NULL;
	     at = strtok_r(NULL, " ", &rest))
		if (strstr(at, index != NULL ? index + strlen("session_") :
		        "_pkey") == NULL)
			fail_msg("%s: %s", name, at);
}

static void
no_plan_sorts_or_scans(void **state)
{
	(void)state;
	for (size_t i = 0; i < filter_cases_n; i++) {
		struct query_filter f = filter_of(&filter_cases[i], 10);

		for (int after = 0; after < 2; after++) {
			struct plan plan;

			f.after = after != 0;
			f.key.started_us = SEED_NOW_US - 100 * SEED_STEP_US;
			plan = plan_of_page(&f);
			/* Nothing is looked at where nothing can be. */
			if (strstr(plan.nodes, "Result") != NULL)
				assert_string_equal(plan.relations, "");
			else
				expect_index_order(filter_cases[i].name,
				    &plan, filter_cases[i].index);
		}
	}
}

/* A small table, yet always in the order of its key. */
static void
an_active_page_is_not_sorted(void **state)
{
	struct query_filter f = { .active = true, .limit = 10 };

	(void)state;
	base_add_active(&base, 0, 200);
	base_run(&base, "ANALYZE");
	for (int after = 0; after < 2; after++) {
		struct plan plan;

		f.after = after != 0;
		plan = plan_of_page(&f);
		expect_index_order("active", &plan, NULL);
		assert_string_equal(plan.indexes, "session_active_pkey ");
	}
}

static void
a_page_of_events_is_not_sorted(void **state)
{
	static const struct id zero;
	struct pg_params params = { .n = 0 };
	struct plan plan;

	(void)state;
	base_run(&base, "INSERT INTO telemetry_event (at, id, severity,"
	    " category, event, component, instance, suppressed) SELECT"
	    " us(i * 1000), newid(), 1, 'c', 'e', 'd', 'h', 0"
	    " FROM generate_series(1, 5000) i");
	base_run(&base, "ANALYZE");
	pg_put_time(&params, 1000000);
	pg_put_time(&params, 4000000);
	pg_put_uuid(&params, zero.b);
	pg_put_null(&params);
	pg_put_null(&params);
	pg_put_int8(&params, 101);
	plan = plan_of(query_pg_noticed.sql, &params);
	expect_index_order("events", &plan, NULL);
	assert_string_equal(plan.indexes, "telemetry_event_pkey ");
	pg_params_fini(&params);
}

static void
partitions_are_pruned(void **state)
{
	struct query_filter f = { .limit = 10,
		.since_us = SEED_NOW_US - 600 * SEED_STEP_US,
		.until_us = SEED_NOW_US - 300 * SEED_STEP_US };
	struct seed early = seed_of(ROWS - 1);
	struct pg_params params = { .n = 0 };
	struct plan plan = plan_of_page(&f);

	(void)state;
	assert_string_equal(plan.relations, "session_late ");
	/* The place that a page begins at prunes as well. */
	f.since_us = 0;
	f.after = true;
	f.key.started_us = early.started_us;
	plan = plan_of_page(&f);
	assert_null(strstr(plan.relations, "session_late"));
	assert_non_null(strstr(plan.relations, "session_early"));
	/* An id knows its time. */
	pg_put_uuid(&params, early.id.b);
	pg_put_time(&params, id_ms(&early.id) * 1000);
	plan = plan_of(query_pg_ended.sql, &params);
	assert_string_equal(plan.relations, "session_early ");
	assert_string_equal(plan.indexes, "session_early_pkey ");
	pg_params_fini(&params);
}

/* ---- roles and schemas ---- */

static void
the_reader_cannot_write(void **state)
{
	static const char *const statements[] = {
		"INSERT INTO sallyport.audit_gap VALUES (1, 1, now(),"
		" gen_random_uuid(), 'p', 'x')",
		"UPDATE sallyport.session_active SET bytes_up = 0",
		"DELETE FROM sallyport.rollup_hour",
		"DELETE FROM sallyport.session", "TRUNCATE sallyport.session",
		"DROP TABLE sallyport.session_late",
		"CREATE TABLE sallyport.x (i integer)",
		"SELECT sallyport.session_partition_drop(now())",
		"SELECT sallyport.session_partitions_make(1)",
		"INSERT INTO sallyport.schema_migration VALUES"
		" (9, 'x', 'x', now())",
	};
	PGconn *pg = PQconnectdb(base.url);

	(void)state;
	assert_int_equal(PQstatus(pg), CONNECTION_OK);
	for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
		PGresult *r = PQexec(pg, statements[i]);
		const char *state_is = PQresultErrorField(r,
		    PG_DIAG_SQLSTATE);

		if (state_is == NULL || strcmp(state_is, "42501") != 0)
			fail_msg("%s: %s", statements[i], state_is);
		PQclear(r);
	}
	PQfinish(pg);
}

static void
a_schema_that_is_not_ours_is_told(void **state)
{
	struct query *q = query_new(base.source);
	struct err err;

	(void)state;
	base_run(&base, "INSERT INTO schema_migration VALUES"
	    " (99, 'x', 'x', now())");
	assert_int_equal(ask(q), QUERY_UNAVAILABLE);
	assert_non_null(strstr(query_why(q), "schema 99 is of a later"));
	assert_true(query_source_is_hopeless(base.source, &err));
	assert_non_null(strstr(err.text, "upgrade sallyport-apid"));
	query_free(&q);
}

/* One that a later release made so that this one can go on. */
static void
a_later_schema_that_works_is_read(void **state)
{
	struct query *q = query_new(base.source);

	(void)state;
	base_run(&base, "INSERT INTO schema_migration VALUES"
	    " (98, 'x', 'x', now(), %d)", QUERY_PG_SCHEMA_LAST);
	assert_int_equal(ask(q), QUERY_OK);
	assert_int_equal(query_schema(q), 98);
	query_free(&q);
}

/* What sessiond makes may come yet. */
static void
a_schema_that_is_missing_is_waited_for(void **state)
{
	struct query_source *s;
	struct query *q;
	struct err err;
	char url[256];

	(void)state;
	base_pg_url(url, sizeof(url), "sallyport_reader", BASE_PG_PASSWORD,
	    "postgres");
	s = source_of(url, "", 1);
	q = query_new(s);
	assert_int_equal(ask(q), QUERY_UNAVAILABLE);
	assert_non_null(strstr(query_why(q), "no tables yet"));
	assert_false(query_source_is_hopeless(s, &err));
	query_free(&q);
	query_source_free(&s);
	q = query_new(base.source);
	base_run(&base, "DELETE FROM schema_migration");
	assert_int_equal(ask(q), QUERY_UNAVAILABLE);
	assert_non_null(strstr(query_why(q), "no tables yet"));
	base_run(&base, "INSERT INTO schema_migration VALUES"
	    " (1, 'x', 'x', now())");
	ask_until_good(q);
	assert_int_equal(query_schema(q), 1);
	query_free(&q);
}

/* Each migration that the project has is known. */
static void
the_newest_schema_is_known(void **state)
{
	(void)state;
	assert_int_equal(number_of("SELECT max(number) FROM"
	    " schema_migration"), QUERY_PG_SCHEMA_LAST);
}

/* ---- who may come in ---- */

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
expect_hopeless(const char *url, const char *file, const char *reason)
{
	struct query_source *s = source_of(url, file, 2);
	struct query *q = query_new(s);
	struct err err = { "" };

	assert_int_equal(ask(q), QUERY_UNAVAILABLE);
	/* What everybody may read does not tell where the server is. */
	assert_null(strstr(query_why(q), "127.0.0.1"));
	if (!query_source_is_hopeless(s, &err) ||
	    strstr(err.text, reason) == NULL)
		fail_msg("%s is not said of %s: %s", reason, url, err.text);
	assert_null(strstr(err.text, "hunter2"));
	query_free(&q);
	query_source_free(&s);
}

static void
who_is_refused_is_told_why(void **state)
{
	char url[256], file[128];

	(void)state;
	base_pg_url(url, sizeof(url), "sallyport_reader", "hunter2",
	    base.name);
	expect_hopeless(url, "", "wrong password");
	base_pg_url(url, sizeof(url), "nobody_at_all", "hunter2", base.name);
	expect_hopeless(url, "", "no such role");
	base_pg_url(url, sizeof(url), "sallyport_reader", BASE_PG_PASSWORD,
	    "nothing");
	expect_hopeless(url, "", "no such database");
	snprintf(file, sizeof(file), "%s/missing", base.dir);
	expect_hopeless(base.url, file, "missing: No such file");
}

static void
a_new_password_is_taken_at_the_next_connection(void **state)
{
	char url[256], file[128];
	struct query_source *s;
	struct query *q;

	(void)state;
	snprintf(file, sizeof(file), "%s/password", base.dir);
	write_file(file, "hunter2\n");
	base_pg_url(url, sizeof(url), "sallyport_reader", "hunter2",
	    base.name);
	s = source_of(url, file, 2);
	q = query_new(s);
	assert_int_equal(ask(q), QUERY_UNAVAILABLE);
	write_file(file, BASE_PG_PASSWORD "\nnot this\n");
	ask_until_good(q);
	query_free(&q);
	query_source_free(&s);
	unlink(file);
}

static void
a_malformed_url_is_refused(void **state)
{
	static const char *const urls[] = {
		"postgresql://u:hunter2@h:notaport/d",
		"postgresql://u:hunter2@h/d?nothing=1",
		"postgresql://u:hunter2@[::1/d", "mysql://hunter2",
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		const struct query_source_options o = { .database = urls[i],
			.connections = 1 };

		assert_null(query_source_new(&o, &err));
		assert_true(err.text[0] != '\0');
		assert_null(strstr(err.text, "hunter2"));
	}
}

/* ---- the pool ---- */

struct asker {
	struct query_source *source;
	pthread_t thread;
	unsigned times, good;
	enum query_result last;
	uint64_t took_ms;
	char why[256];
};

static void *
run_asker(void *arg)
{
	struct asker *a = arg;
	struct query *q = query_new(a->source);
	uint64_t began = clock_mono_ms();

	for (unsigned i = 0; i < a->times; i++) {
		a->last = ask(q);
		a->good += a->last == QUERY_OK;
	}
	a->took_ms = clock_mono_ms() - began;
	snprintf(a->why, sizeof(a->why), "%s", query_why(q));
	query_free(&q);
	return NULL;
}

static void
asker_start(struct asker *a, struct query_source *source, unsigned times)
{
	*a = (struct asker){ .source = source, .times = times };
	assert_int_equal(pthread_create(&a->thread, NULL, run_asker, a), 0);
}

static void
wait_in_use(struct query_source *s, unsigned n)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;
	struct query_pool pool;

	for (;; nap()) {
		query_source_pool(s, &pool);
		if (pool.in_use == n)
			return;
		assert_true(clock_mono_ms() < until);
	}
}

/* Until base_run(&base, "COMMIT") no question is answered. */
static void
block_questions(void)
{
	base_run(&base, "BEGIN; LOCK TABLE rollup_hour IN ACCESS EXCLUSIVE"
	    " MODE");
}

static void
who_finds_all_busy_waits_a_bounded_time(void **state)
{
	struct query_source *s = source_of(base.url, "", 2);
	struct asker held[2], late;
	struct query_pool pool;

	(void)state;
	query_source_set_timeout(s, WAIT_MS);
	block_questions();
	asker_start(&held[0], s, 1);
	asker_start(&held[1], s, 1);
	wait_in_use(s, 2);
	query_source_set_timeout(s, 300);
	asker_start(&late, s, 1);
	pthread_join(late.thread, NULL);
	assert_int_equal(late.last, QUERY_UNAVAILABLE);
	assert_string_equal(late.why, "all 2 connections are busy");
	assert_true(late.took_ms >= 300);
	query_source_pool(s, &pool);
	assert_true(pool.waits >= 1);
	assert_int_equal(pool.exhausted, 1);
	assert_int_equal(pool.open, 2);
	assert_int_equal(pool.limit, 2);
	base_run(&base, "COMMIT");
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(held[i].thread, NULL);
		assert_int_equal(held[i].last, QUERY_OK);
	}
	wait_in_use(s, 0);
	query_source_free(&s);
}

static void
many_threads_share_few_connections(void **state)
{
	struct query_source *s = source_of(base.url, "", 3);
	struct asker askers[12];
	struct query_pool pool;

	(void)state;
	query_source_set_timeout(s, WAIT_MS);
	for (size_t i = 0; i < ARRAY_LEN(askers); i++)
		asker_start(&askers[i], s, 25);
	while (number_of("SELECT count(*) FROM pg_stat_activity WHERE"
	        " application_name = 'sallyport-apid'") == 0)
		nap();
	for (size_t i = 0; i < ARRAY_LEN(askers); i++) {
		pthread_join(askers[i].thread, NULL);
		if (askers[i].good != 25)
			fail_msg("%u: %s", askers[i].good, askers[i].why);
	}
	query_source_pool(s, &pool);
	assert_true(pool.open <= 3 && pool.connects <= 3);
	assert_int_equal(pool.in_use, 0);
	assert_true(pool.waits > 0);
	query_source_free(&s);
}

static void
connections_that_broke_are_replaced(void **state)
{
	struct asker held[3];
	struct query_pool pool;

	(void)state;
	query_source_set_timeout(base.source, WAIT_MS);
	block_questions();
	for (unsigned i = 0; i < 3; i++)
		asker_start(&held[i], base.source, 1);
	wait_in_use(base.source, 3);
	base_run(&base, "COMMIT");
	for (unsigned i = 0; i < 3; i++)
		pthread_join(held[i].thread, NULL);
	base_pg_allow(&base, true);	/* cuts them off */
	asker_start(&held[0], base.source, 5);
	pthread_join(held[0].thread, NULL);
	assert_int_equal(held[0].good, 5);
	query_source_pool(base.source, &pool);
	assert_int_equal(pool.lost, 3);
	assert_int_equal(pool.open, 1);
}

/* While the server refuses, one tries after each pause; all others are told at
 * once. */
static void
a_server_that_is_away_holds_nobody_up(void **state)
{
	struct query_pool before, after;
	struct asker askers[6];
	struct query *q = query_new(base.source);
	struct err err;

	(void)state;
	assert_int_equal(ask(q), QUERY_OK);
	base_pg_allow(&base, false);
	assert_int_equal(ask(q), QUERY_UNAVAILABLE);
	query_source_pool(base.source, &before);
	for (size_t i = 0; i < ARRAY_LEN(askers); i++)
		asker_start(&askers[i], base.source, 100);
	for (size_t i = 0; i < ARRAY_LEN(askers); i++) {
		pthread_join(askers[i].thread, NULL);
		assert_int_equal(askers[i].good, 0);
		assert_non_null(strstr(askers[i].why, "cannot be reached"));
	}
	query_source_pool(base.source, &after);
	assert_true(after.connect_failures - before.connect_failures < 10);
	/* It was there once: no fault of the settings. */
	assert_false(query_source_is_hopeless(base.source, &err));
	base_pg_allow(&base, true);
	ask_until_good(q);
	query_free(&q);
}

static pid_t
parent_of(pid_t pid)
{
	char path[64];
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d (%*[^)]) %*c %d", &parent), 1);
	fclose(f);
	return parent;
}

static pid_t
reader_pid(void)
{
	return (pid_t)number_of("SELECT pid FROM pg_stat_activity WHERE"
	    " datname = current_database() AND application_name ="
	    " 'sallyport-apid' LIMIT 1");
}

/* Who did not leave it would wait here for ever. */
static void
a_frozen_server_is_left_in_time(void **state)
{
	struct query *q = query_new(base.source);
	struct asker askers[3];
	pid_t reader, server;

	(void)state;
	query_source_set_timeout(base.source, 500);
	ask_until_good(q);
	reader = reader_pid();
	server = parent_of(reader);
	assert_int_equal(kill(server, SIGSTOP), 0);
	assert_int_equal(kill(reader, SIGSTOP), 0);
	for (size_t i = 0; i < ARRAY_LEN(askers); i++)
		asker_start(&askers[i], base.source, 2);
	for (size_t i = 0; i < ARRAY_LEN(askers); i++)
		pthread_join(askers[i].thread, NULL);
	kill(reader, SIGCONT);
	kill(server, SIGCONT);
	for (size_t i = 0; i < ARRAY_LEN(askers); i++)
		assert_int_equal(askers[i].good, 0);
	ask_until_good(q);
	query_free(&q);
}

/* A process that is killed takes the whole server into recovery. */
static void
a_server_that_crashed_is_found_again(void **state)
{
	struct query *q = query_new(base.source);
	uint64_t until;

	(void)state;
	assert_int_equal(ask(q), QUERY_OK);
	assert_int_equal(kill(reader_pid(), SIGKILL), 0);
	ask_until_good(q);
	query_free(&q);
	until = clock_mono_ms() + WAIT_MS;
	PQfinish(base.pg);
	for (;; nap()) {
		char url[256];

		base_pg_url(url, sizeof(url), NULL, NULL, base.name);
		base.pg = PQconnectdb(url);
		if (PQstatus(base.pg) == CONNECTION_OK)
			break;
		assert_true(clock_mono_ms() < until);
		PQfinish(base.pg);
	}
}

static void
a_stopped_source_ends_what_runs(void **state)
{
	struct asker a;

	(void)state;
	query_source_set_timeout(base.source, WAIT_MS);
	block_questions();
	asker_start(&a, base.source, 1);
	wait_in_use(base.source, 1);
	query_source_stop(base.source);
	pthread_join(a.thread, NULL);
	assert_int_equal(a.last, QUERY_UNAVAILABLE);
	assert_true(a.took_ms < WAIT_MS);
	base_run(&base, "COMMIT");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_ROWS(f) cmocka_unit_test_setup_teardown(f, setup_rows, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_ROWS(no_plan_sorts_or_scans),
		TEST(an_active_page_is_not_sorted),
		TEST(a_page_of_events_is_not_sorted),
		TEST_ROWS(partitions_are_pruned),
		TEST(the_reader_cannot_write),
		TEST(a_schema_that_is_not_ours_is_told),
		TEST(a_later_schema_that_works_is_read),
		TEST(a_schema_that_is_missing_is_waited_for),
		TEST(the_newest_schema_is_known),
		TEST(who_is_refused_is_told_why),
		TEST(a_new_password_is_taken_at_the_next_connection),
		TEST(a_malformed_url_is_refused),
		TEST(who_finds_all_busy_waits_a_bounded_time),
		TEST(many_threads_share_few_connections),
		TEST(connections_that_broke_are_replaced),
		TEST(a_server_that_is_away_holds_nobody_up),
		TEST(a_frozen_server_is_left_in_time),
		TEST(a_server_that_crashed_is_found_again),
		TEST(a_stopped_source_ends_what_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
