/* SPDX-License-Identifier: MIT */
/* What only a file of SQLite has: its plans, and that it comes and goes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apid/query_sqlite.h"
#include "cases.h"
#include "helper.h"

static struct base base;
static struct query *query;

static int
setup(void **state)
{
	(void)state;
	base_open(&base);
	base_add_ended(&base, 0, 300);
	query = query_new(base.source);
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

static void
plan_of(struct str sql, char *out, size_t size)
{
	struct text t = text_on(out, size);
	sqlite3_stmt *st;
	char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %.*s",
	    (int)sql.len, sql.ptr);

	if (sqlite3_prepare_v2(base.db, explain, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sqlite3_errmsg(base.db), explain);
	while (sqlite3_step(st) == SQLITE_ROW)
		text_fmt(&t, "%s\n", sqlite3_column_text(st, 3));
	sqlite3_finalize(st);
	sqlite3_free(explain);
}

static void
plan_of_page(const struct query_filter *f, char *out, size_t size)
{
	struct query_sql sql = { .n = 0 };

	query_sql_keys(&sql, f);
	plan_of((struct str){ sql.text.ptr, sql.text.len }, out, size);
	query_sql_fini(&sql);
}

static void
no_plan_sorts_or_scans(void **state)
{
	char plan[1024];

	(void)state;
	for (size_t i = 0; i < filter_cases_n; i++) {
		struct query_filter f = filter_of(&filter_cases[i], 10);

		for (int after = 0; after < 2; after++) {
			f.after = after != 0;
			plan_of_page(&f, plan, sizeof(plan));
			if (strstr(plan, "B-TREE") != NULL ||
			    strstr(plan, "SCAN") != NULL ||
			    strstr(plan, filter_cases[i].index != NULL ?
			        filter_cases[i].index : "PRIMARY KEY") == NULL)
				fail_msg("%s:\n%s", filter_cases[i].name, plan);
		}
	}
}

static void
an_active_page_is_not_sorted(void **state)
{
	struct query_filter f = { .active = true, .limit = 10 };
	char plan[1024];

	(void)state;
	for (int after = 0; after < 2; after++) {
		f.after = after != 0;
		plan_of_page(&f, plan, sizeof(plan));
		assert_null(strstr(plan, "B-TREE"));
	}
}

static void
a_page_of_events_is_not_sorted(void **state)
{
	char plan[1024];

	(void)state;
	plan_of(str_from(query_sqlite_noticed), plan, sizeof(plan));
	if (strstr(plan, "B-TREE") != NULL || strstr(plan, "SCAN") != NULL ||
	    strstr(plan, "PRIMARY KEY") == NULL)
		fail_msg("%s", plan);
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
	assert_int_equal(query_schema(query), QUERY_SCHEMA_EVENTS);
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
	q = query_new(source);
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
		TEST(no_plan_sorts_or_scans),
		TEST(an_active_page_is_not_sorted),
		TEST(a_page_of_events_is_not_sorted),
		TEST(a_missing_database_heals),
		TEST(what_is_no_database_of_ours_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
