/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apid/query_sql.h"
#include "helper.h"

#define ROWS 3000u
#define ALL_SINCE 0
#define ALL_UNTIL INT64_MAX

static struct base base;
static struct query *query;
static atomic_bool stop;

static int
setup(void **state)
{
	(void)state;
	atomic_store(&stop, false);
	base_open(&base);
	base_add_ended(&base, 0, ROWS);
	query = query_new(base.source, &stop);
	query_set_timeout(query, 20000);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	query_free(&query);
	base_close(&base);
	return 0;
}

/* ---- filters ---- */

#define T(g, col, t) { .group = g, .column = QUERY_##col, \
	.kind = QUERY_TEXT, .text = { t, sizeof(t) - 1 } }
#define N(g, col, v) { .group = g, .column = QUERY_##col, \
	.kind = QUERY_NUMBER, .number = v }
#define V4(a, b, c, d) \
	{ { [10] = 0xff, [11] = 0xff, [12] = a, [13] = b, [14] = c, [15] = d } }
#define V6(last) { { 0x20, 0x01, 0xd, 0xb8, [15] = last } }
#define R(g, col, l, h) { .group = g, .column = QUERY_##col, \
	.kind = QUERY_RANGE, .low = l, .high = h }

struct filter_case {
	const char *name;
	const char *index;	/* that the plan must use; NULL: the key */
	struct query_condition conditions[6];
	size_t n;
	uint64_t since_us, until_us;
};

#define HOUR_AGO (SEED_NOW_US - UINT64_C(3600000000))

static const struct filter_case cases[] = {
	{ "all", NULL, { { 0 } }, 0, ALL_SINCE, ALL_UNTIL },
	{ "last hour", NULL, { { 0 } }, 0, HOUR_AGO, ALL_UNTIL },
	{ "between", NULL, { { 0 } }, 0, SEED_NOW_US - 900 * SEED_STEP_US,
		SEED_NOW_US - 300 * SEED_STEP_US },
	{ "nothing", NULL, { { 0 } }, 0, SEED_NOW_US + 1, ALL_UNTIL },
	{ "user", "session_username", { T(0, USER, "user2") }, 1, ALL_SINCE,
		ALL_UNTIL },
	{ "user in a range of time", "session_username",
		{ T(0, USER, "user2") }, 1, HOUR_AGO,
		SEED_NOW_US - 60 * SEED_STEP_US },
	{ "nobody", "session_username", { T(0, USER, "user") }, 1, ALL_SINCE,
		ALL_UNTIL },
	{ "source", "session_source_ip",
		{ R(0, SOURCE_IP, V4(10, 0, 1, 3), V4(10, 0, 1, 3)) }, 1,
		ALL_SINCE, ALL_UNTIL },
	{ "source range", NULL,
		{ R(0, SOURCE_IP, V4(10, 0, 1, 0), V4(10, 0, 1, 255)) }, 1,
		ALL_SINCE, ALL_UNTIL },
	{ "destination", "session_dest_ip",
		{ R(0, DEST_IP, V6(3), V6(3)) }, 1, ALL_SINCE, ALL_UNTIL },
	{ "destination range", NULL,
		{ R(0, DEST_IP, V4(192, 0, 2, 0), V4(192, 0, 2, 7)) }, 1,
		ALL_SINCE, ALL_UNTIL },
	{ "host", "session_dest_host", { T(0, DEST_HOST, "h1.example.com") },
		1, ALL_SINCE, ALL_UNTIL },
	{ "status", "session_status", { N(0, STATUS, STATUS_REJECTED) }, 1,
		ALL_SINCE, ALL_UNTIL },
	{ "two statuses", NULL, { N(0, STATUS, STATUS_REJECTED),
		N(0, STATUS, STATUS_FAILED) }, 2, ALL_SINCE, ALL_UNTIL },
	{ "port", NULL, { N(0, DEST_PORT, 443) }, 1, ALL_SINCE, ALL_UNTIL },
	{ "reason", NULL, { T(0, CLOSE_REASON, "policy_block") }, 1,
		ALL_SINCE, ALL_UNTIL },
	{ "user and status", "session_username", { T(0, USER, "user1"),
		N(1, STATUS, STATUS_CLOSED) }, 2, ALL_SINCE, ALL_UNTIL },
	{ "status and host", "session_dest_host",
		{ N(1, STATUS, STATUS_CLOSED),
		T(0, DEST_HOST, "h0.example.com") }, 2, ALL_SINCE, ALL_UNTIL },
	{ "address or name", NULL, { R(0, DEST_IP, V4(192, 0, 2, 1),
		V4(192, 0, 2, 1)), T(0, DEST_HOST, "h2.example.com") }, 2,
		ALL_SINCE, ALL_UNTIL },
	{ "many", "session_username", { T(0, USER, "user3"),
		N(1, DEST_PORT, 80), R(2, SOURCE_IP, V4(10, 0, 0, 0),
		V4(10, 0, 1, 255)), N(3, STATUS, STATUS_CLOSED),
		N(3, STATUS, STATUS_FAILED), N(4, DECISION, DECISION_ALLOW) },
		6, HOUR_AGO, ALL_UNTIL },
};

static struct query_filter
filter_of(const struct filter_case *c, unsigned limit)
{
	struct query_filter f = { .since_us = c->since_us,
		.until_us = c->until_us, .n = c->n, .limit = limit };

	memcpy(f.conditions, c->conditions, sizeof(c->conditions));
	return f;
}

/* ---- collecting ---- */

struct collected {
	struct id ids[2 * ROWS];
	uint64_t started[2 * ROWS];
	size_t n;
};

static void
on_row(void *arg, const struct query_session *s)
{
	struct collected *c = arg;

	assert_true(c->n < ARRAY_LEN(c->ids));
	c->started[c->n] = s->started_us;
	c->ids[c->n++] = s->id;
}

/* All pages of a question; how many there were. */
static unsigned
collect(struct query_filter *f, struct collected *out)
{
	struct query_page page;
	unsigned pages = 0;

	out->n = 0;
	do {
		assert_int_equal(query_sessions(query, f, on_row, out, &page),
		    QUERY_OK);
		f->after = true;
		f->key = page.last;
		pages++;
	} while (page.more);
	return pages;
}

static int
newest_first(const void *a, const void *b)
{
	const struct seed *x = a, *y = b;

	if (x->started_us != y->started_us)
		return x->started_us < y->started_us ? 1 : -1;
	return -memcmp(x->id.b, y->id.b, sizeof(x->id.b));
}

static size_t
model(const struct query_filter *f, struct seed *out)
{
	size_t n = 0;

	for (unsigned i = 0; i < ROWS; i++) {
		struct seed s = seed_of(i);

		if (seed_matches(&s, f))
			out[n++] = s;
	}
	qsort(out, n, sizeof(*out), newest_first);
	return n;
}

static void
filters_agree_with_the_model(void **state)
{
	static struct collected got;
	static struct seed want[ROWS];
	static const unsigned limits[] = { 1000, 97 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t l = 0; l < ARRAY_LEN(limits); l++) {
			struct query_filter f = filter_of(&cases[i],
			    limits[l]);
			size_t n = model(&f, want);

			collect(&f, &got);
			if (got.n != n)
				fail_msg("%s: %zu rows, the model has %zu",
				    cases[i].name, got.n, n);
			for (size_t k = 0; k < n; k++)
				if (!id_eq(&got.ids[k], &want[k].id))
					fail_msg("%s: row %zu differs",
					    cases[i].name, k);
		}
}

/* ---- plans ---- */

static void
plan_of(const struct query_sql *sql, char *out, size_t size)
{
	struct text t = text_on(out, size);
	sqlite3_stmt *st;
	char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %.*s",
	    (int)sql->text.len, sql->text.ptr);

	if (sqlite3_prepare_v2(base.db, explain, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sqlite3_errmsg(base.db), explain);
	while (sqlite3_step(st) == SQLITE_ROW)
		text_fmt(&t, "%s\n", sqlite3_column_text(st, 3));
	sqlite3_finalize(st);
	sqlite3_free(explain);
}

static void
no_plan_sorts_or_scans(void **state)
{
	struct query_sql sql = { .n = 0 };
	char plan[1024];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct query_filter f = filter_of(&cases[i], 10);

		for (int after = 0; after < 2; after++) {
			f.after = after != 0;
			query_sql_keys(&sql, &f);
			plan_of(&sql, plan, sizeof(plan));
			if (strstr(plan, "B-TREE") != NULL ||
			    strstr(plan, "SCAN") != NULL ||
			    strstr(plan, cases[i].index != NULL ?
			        cases[i].index : "PRIMARY KEY") == NULL)
				fail_msg("%s:\n%s", cases[i].name, plan);
		}
	}
	query_sql_fini(&sql);
}

static void
an_active_page_is_not_sorted(void **state)
{
	struct query_filter f = { .active = true, .limit = 10 };
	struct query_sql sql = { .n = 0 };
	char plan[1024];

	(void)state;
	for (int after = 0; after < 2; after++) {
		f.after = after != 0;
		query_sql_keys(&sql, &f);
		plan_of(&sql, plan, sizeof(plan));
		assert_null(strstr(plan, "B-TREE"));
	}
	query_sql_fini(&sql);
}

/* ---- pages ---- */

static void
pages_are_stable_under_inserts(void **state)
{
	struct query_filter f = filter_of(&cases[0], 100);
	static struct collected got;
	struct query_page page;
	unsigned added = ROWS;

	(void)state;
	/* Rows that are newer than all: row numbers count back in time. */
	got.n = 0;
	do {
		assert_int_equal(query_sessions(query, &f, on_row, &got,
		    &page), QUERY_OK);
		f.after = true;
		f.key = page.last;
		base_run(&base, "INSERT INTO session SELECT started_at + "
		    "%lld, randomblob(16), ended_at, received_at, "
		    "duration_us, stream_id, close_seq, proxy, listener, "
		    "username, groups, source_ip, source_port, dest_host, "
		    "dest_ip, dest_port, resolved_ips, command, carrier, "
		    "protocol, acl_decision, acl_rule_matched, "
		    "policy_generation, route, limits_class, auth_method, "
		    "bytes_up, bytes_down, packets_up, packets_down, status, "
		    "close_reason, close_detail, reply_code, setup_us, "
		    "attempts, incomplete, counters_lower_bound FROM session "
		    "ORDER BY started_at DESC LIMIT 1",
		    (sqlite3_int64)SEED_STEP_US);
		added++;
	} while (page.more);
	assert_int_equal(got.n, ROWS);
	assert_true(added > ROWS + 20);
	for (size_t i = 1; i < got.n; i++)
		assert_true(got.started[i] < got.started[i - 1] ||
		    (got.started[i] == got.started[i - 1] &&
		    memcmp(got.ids[i].b, got.ids[i - 1].b, 16) < 0));
}

static void
the_last_page_says_so(void **state)
{
	static struct collected got;
	struct query_filter f = filter_of(&cases[0], 1000);

	(void)state;
	assert_int_equal(collect(&f, &got), ROWS / 1000);
	f = filter_of(&cases[3], 1000);
	assert_int_equal(collect(&f, &got), 1);
	assert_int_equal(got.n, 0);
}

static void
add_many_rows(unsigned n)
{
	base_run(&base, "WITH RECURSIVE c(i) AS (VALUES (0) UNION ALL SELECT "
	    "i + 1 FROM c WHERE i < %d) INSERT INTO session SELECT "
	    "%lld + i * 1000, randomblob(16), 0, 0, 0, zeroblob(16), i, 'p', "
	    "NULL, 'many', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 1, 1, "
	    "1, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 1, 'x', NULL, NULL, "
	    "NULL, 1, 0, 0 FROM c", n - 1, (sqlite3_int64)SEED_NOW_US * 2);
}

static void
a_page_examines_a_bounded_number_of_rows(void **state)
{
	static const struct filter_case port = { "", NULL,
		{ N(0, DEST_PORT, 443) }, 1, 0, INT64_MAX };
	struct query_filter f = filter_of(&port, 1000);
	static struct collected got;
	struct query_page page;

	(void)state;
	add_many_rows(QUERY_EXAMINED_MAX + 10000);
	got.n = 0;
	assert_int_equal(query_sessions(query, &f, on_row, &got, &page),
	    QUERY_OK);
	assert_int_equal(got.n, 0);
	assert_true(page.more);
	f.after = true;
	f.key = page.last;
	assert_int_equal(query_sessions(query, &f, on_row, &got, &page),
	    QUERY_OK);
	assert_int_equal(got.n, 1000);
}

static void
a_long_statement_is_ended(void **state)
{
	static const struct filter_case port = { "", NULL,
		{ N(0, DEST_PORT, 1) }, 1, 0, INT64_MAX };
	struct query_filter f = filter_of(&port, 1000);
	static struct collected got;
	struct query_page page;

	(void)state;
	add_many_rows(QUERY_EXAMINED_MAX);
	query_set_timeout(query, 0);
	assert_int_equal(query_sessions(query, &f, on_row, &got, &page),
	    QUERY_TIMEOUT);
	query_set_timeout(query, 20000);
	assert_int_equal(query_sessions(query, &f, on_row, &got, &page),
	    QUERY_OK);
	atomic_store(&stop, true);
	assert_int_equal(query_sessions(query, &f, on_row, &got, &page),
	    QUERY_UNAVAILABLE);
}

/* ---- one ---- */

static void
on_one(void *arg, const struct query_session *s)
{
	struct query_session *out = arg;

	*out = *s;
	out->user = out->groups = out->source_ip = (struct str){ "", 0 };
	assert_true(str_eq(s->groups, STR("[\"staff\"]")) || s->active);
}

static void
a_session_is_found_by_its_id(void **state)
{
	struct seed ended = seed_of(5), active = seed_of(ROWS + 1);
	struct query_session s;
	struct id none = id_new_v7();

	(void)state;
	base_add_active(&base, ROWS, ROWS + 3);
	assert_int_equal(query_session(query, &ended.id, on_one, &s),
	    QUERY_OK);
	assert_false(s.active);
	assert_true(id_eq(&s.id, &ended.id));
	assert_int_equal(s.ended_us, ended.started_us + 1500000);
	assert_int_equal(s.setup_us, 2500);
	assert_true(s.last_contact_us == QUERY_NULL);
	assert_int_equal(query_session(query, &active.id, on_one, &s),
	    QUERY_OK);
	assert_true(s.active);
	assert_true(s.ended_us == QUERY_NULL);
	assert_int_equal(s.last_contact_us, SEED_NOW_US);
	assert_int_equal(query_session(query, &none, on_one, &s), QUERY_NONE);
}

static void
active_sessions_come_newest_first(void **state)
{
	struct query_filter f = { .active = true, .limit = 7 };
	static struct collected got;

	(void)state;
	base_add_active(&base, ROWS, ROWS + 20);
	assert_int_equal(collect(&f, &got), 3);
	assert_int_equal(got.n, 20);
	for (size_t i = 1; i < got.n; i++)
		assert_true(memcmp(got.ids[i].b, got.ids[i - 1].b, 16) < 0);
	f = (struct query_filter){ .active = true, .limit = 7, .n = 1,
		.conditions = { T(0, USER, "nobody") } };
	assert_int_equal(collect(&f, &got), 1);
	assert_int_equal(got.n, 0);
}

/* ---- sums ---- */

static void
sums_agree_with_the_model(void **state)
{
	uint64_t hour = UINT64_C(3600000000);
	uint64_t since = SEED_NOW_US - SEED_NOW_US % hour;
	struct query_sum want = { .sessions = 0 };
	static struct query_stats got;
	unsigned n;

	(void)state;
	base_add_active(&base, ROWS, ROWS + 2);
	for (n = 0; n < ROWS + 2; n++) {
		struct seed s = seed_of(n);

		if (s.started_us < since)
			continue;
		want.sessions++;
		want.active += n >= ROWS;
		if (n < ROWS) {
			want.closed += s.status == STATUS_CLOSED;
			want.failed += s.status == STATUS_FAILED;
			want.rejected += s.status == STATUS_REJECTED;
		}
		want.allowed += s.decision == DECISION_ALLOW;
		want.blocked += s.decision == DECISION_BLOCK;
		want.bytes_up += s.bytes_up;
		want.bytes_down += s.bytes_down;
	}
	assert_int_equal(query_stats(query, since, 0, &got), QUERY_OK);
	assert_memory_equal(&got.window, &want, sizeof(want));
	assert_int_equal(got.today.sessions, ROWS + 2);
	assert_int_equal(got.active, 2);
}

static void
the_top_lists_are_sorted_and_named(void **state)
{
	static struct query_stats got;
	uint64_t sessions = 0;

	(void)state;
	base_add_active(&base, ROWS, ROWS + 5);
	assert_int_equal(query_stats(query, 0, 0, &got), QUERY_OK);
	assert_int_equal(got.n_users, 5);
	assert_int_equal(got.n_destinations, QUERY_TOP);
	for (size_t i = 0; i < got.n_users; i++) {
		sessions += got.users[i].sessions;
		assert_memory_equal(got.users[i].key, "user", 4);
		if (i > 0)
			assert_true(got.users[i].sessions <=
			    got.users[i - 1].sessions);
	}
	assert_int_equal(sessions, ROWS + 5);
	assert_memory_equal(got.destinations[0].key, "h", 1);
}

static void
totals_stop_at_the_greatest_number(void **state)
{
	struct query_totals got;

	(void)state;
	base_run(&base, "INSERT INTO rollup_hour VALUES (0, 1, '', 1, 1, 0, 0,"
	    " 1, 0, 0, 9223372036854775807, 9223372036854775807, 0),"
	    " (0, 2, '', 1, 1, 0, 0, 1, 0, 0, 9223372036854775807, 1, 0)");
	assert_int_equal(query_totals(query, SEED_NOW_US, &got), QUERY_OK);
	assert_int_equal(got.all.sessions, ROWS + 2);
	assert_true(got.all.bytes_up >= (uint64_t)INT64_MAX - 1024);
	assert_int_equal(got.last_record_us, 0);
}

static void
silent_streams_are_counted(void **state)
{
	struct query_totals got;

	(void)state;
	base_add_active(&base, ROWS, ROWS + 1);
	assert_int_equal(query_totals(query, SEED_NOW_US, &got), QUERY_OK);
	assert_int_equal(got.streams_live, 1);
	assert_int_equal(got.streams_silent, 0);
	assert_int_equal(got.last_record_us, SEED_NOW_US);
	assert_int_equal(query_totals(query, SEED_NOW_US + QUERY_SILENT_US +
	    1, &got), QUERY_OK);
	assert_int_equal(got.streams_live, 0);
	assert_int_equal(got.streams_silent, 1);
}

/* ---- a database that comes and goes ---- */

static void
a_missing_database_heals(void **state)
{
	struct query_totals got;
	char away[128];

	(void)state;
	snprintf(away, sizeof(away), "%s.away", base.path);
	assert_int_equal(query_totals(query, 0, &got), QUERY_OK);
	assert_int_equal(rename(base.path, away), 0);
	assert_int_equal(query_totals(query, 0, &got), QUERY_UNAVAILABLE);
	assert_non_null(strstr(query_why(query), "not there yet"));
	assert_int_equal(rename(away, base.path), 0);
	assert_int_equal(query_totals(query, 0, &got), QUERY_OK);
	assert_int_equal(query_schema(query), 1);
}

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
what_is_no_database_of_ours_is_refused(void **state)
{
	struct query_totals got;
	char other[128], database[160];
	struct query_source_options o = { .database = database };
	struct query_source *source;
	struct query *q;
	struct err err;
	sqlite3 *db;

	(void)state;
	snprintf(other, sizeof(other), "%s/other", base.dir);
	snprintf(database, sizeof(database), "sqlite:%s", other);
	source = query_source_new(&o, &err);
	assert_non_null(source);
	q = query_new(source, &stop);
	write_file(other, "this is a text of some length, no database at all");
	assert_int_equal(query_totals(q, 0, &got), QUERY_UNAVAILABLE);
	assert_non_null(strstr(query_why(q), "not a database"));
	write_file(other, "");
	assert_int_equal(query_totals(q, 0, &got), QUERY_UNAVAILABLE);
	assert_int_equal(sqlite3_open(other, &db), SQLITE_OK);
	sqlite3_exec(db, "PRAGMA application_id = 1396788313; CREATE TABLE "
	    "schema_migration (number INTEGER)", NULL, NULL, NULL);
	assert_int_equal(query_totals(q, 0, &got), QUERY_UNAVAILABLE);
	assert_non_null(strstr(query_why(q), "no tables yet"));
	sqlite3_close(db);
	query_free(&q);
	query_source_free(&source);
	unlink(other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(filters_agree_with_the_model),
		TEST(no_plan_sorts_or_scans),
		TEST(an_active_page_is_not_sorted),
		TEST(pages_are_stable_under_inserts),
		TEST(the_last_page_says_so),
		TEST(a_page_examines_a_bounded_number_of_rows),
		TEST(a_long_statement_is_ended),
		TEST(a_session_is_found_by_its_id),
		TEST(active_sessions_come_newest_first),
		TEST(sums_agree_with_the_model),
		TEST(the_top_lists_are_sorted_and_named),
		TEST(totals_stop_at_the_greatest_number),
		TEST(silent_streams_are_counted),
		TEST(a_missing_database_heals),
		TEST(what_is_no_database_of_ours_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
