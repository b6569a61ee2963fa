/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "helper.h"
#include "sessiond/store_sqlite.h"
#include "store_contract.h"

static struct base base;

static void
fresh(struct store **s)
{
	base_open(&base);
	*s = base.store;
}

static void
gone(struct store **s)
{
	(void)s;
	base_close(&base);
}

static void
test_contract(void **state)
{
	(void)state;
	store_contract_run(fresh, gone);
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

/* Every history page of the API: an index gives both filter and order. */
static void
test_history_uses_indexes(void **state)
{
	static const struct {
		const char *where, *index;
	} cases[] = {
		{ "1", "PRIMARY KEY" },
		{ "username = ?9", "session_username" },
		{ "source_ip = ?9", "session_source_ip" },
		{ "dest_ip = ?9", "session_dest_ip" },
		{ "dest_host = ?9", "session_dest_host" },
		{ "status = ?9", "session_status" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases) * 2; i++) {
		char *sql =
		    xasprintf("EXPLAIN QUERY PLAN SELECT * FROM "
			      "session WHERE %s AND started_at >= ?1 %s "
			      "ORDER BY started_at DESC, id DESC LIMIT 100",
			cases[i / 2].where,
			i % 2 ? "AND (started_at, id) < "
				"(?2, ?3)"
			      : "");
		sqlite3_stmt *st;
		bool found = false;

		assert_int_equal(
		    sqlite3_prepare_v2(base.reader, sql, -1, &st, NULL),
		    SQLITE_OK);
		while (sqlite3_step(st) == SQLITE_ROW) {
			const char *step =
			    (const char *)sqlite3_column_text(st, 3);

			if (strstr(step, "TEMP B-TREE") != NULL ||
			    strncmp(step, "SCAN", 4) == 0)
				fail_msg("%s: %s", sql, step);
			found |= strstr(step, cases[i / 2].index) != NULL;
		}
		sqlite3_finalize(st);
		if (!found)
			fail_msg("%s: without %s", sql, cases[i / 2].index);
		free(sql);
	}
}

/* The statements of every commit look nothing up by walking a table. */
static void
test_writes_use_keys(void **state)
{
	static const char *const tables[] = { "session ", "rollup_hour ",
		"audit_gap ", "audit_quarantine " };
	struct store_sqlite *s =
	    container_of(base.store, struct store_sqlite, store);

	(void)state;
	for (unsigned i = 0; i < SQL_STATEMENTS; i++) {
		char *sql = xasprintf(
		    "EXPLAIN QUERY PLAN %s", sqlite3_sql(s->statements[i]));
		sqlite3_stmt *st;

		if (i == SQL_OLD_ROLLUPS || i == SQL_OLD_GAPS ||
		    i == SQL_OLD_QUARANTINE || i == SQL_OLD_STREAMS) {
			free(sql); /* once an hour, may walk */
			continue;
		}
		assert_int_equal(
		    sqlite3_prepare_v2(base.reader, sql, -1, &st, NULL),
		    SQLITE_OK);
		while (sqlite3_step(st) == SQLITE_ROW) {
			const char *step =
			    (const char *)sqlite3_column_text(st, 3);

			for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
				if (strncmp(step, "SCAN", 4) == 0 &&
				    strstr(step, tables[t]) != NULL)
					fail_msg("%s: %s", sql, step);
			}
		}
		sqlite3_finalize(st);
		free(sql);
	}
}

/* What goes is a range of the key; what stays is counted along it, unsorted. */
static void
test_trim_uses_the_key(void **state)
{
	struct store_sqlite *s =
	    container_of(base.store, struct store_sqlite, store);
	char *sql = xasprintf("EXPLAIN QUERY PLAN %s",
	    sqlite3_sql(s->statements[SQL_EVENT_TRIM]));
	unsigned ranges = 0, sorts = 0;
	sqlite3_stmt *st;

	(void)state;
	assert_int_equal(
	    sqlite3_prepare_v2(base.reader, sql, -1, &st, NULL), SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW) {
		const char *step = (const char *)sqlite3_column_text(st, 3);

		ranges += strstr(step, "PRIMARY KEY ((at,id)<(?,?))") != NULL;
		sorts += strstr(step, "TEMP B-TREE") != NULL;
	}
	assert_true(ranges > 0);
	assert_int_equal(sorts, ranges); /* of the two bounds, no more */
	sqlite3_finalize(st);
	free(sql);
}

static void
test_ended_sessions_are_final(void **state)
{
	struct store_session row = { .id = id_of(0, 1),
		.close_reason = STR("x"),
		.attempts = 1 },
			     *rows[] = { &row };
	struct store_sqlite *s =
	    container_of(base.store, struct store_sqlite, store);

	(void)state;
	assert_int_equal(base.store->ops->begin(base.store), STORE_OK);
	assert_int_equal(
	    base.store->ops->add_sessions(base.store, rows, 1), STORE_OK);
	assert_int_equal(base.store->ops->commit(base.store), STORE_OK);
	assert_int_equal(sqlite3_exec(s->db, "UPDATE session SET bytes_up = 1",
			     NULL, NULL, NULL),
	    SQLITE_CONSTRAINT_TRIGGER);
}

static void
test_sums_do_not_overflow(void **state)
{
	struct store_rollup sum = { .sessions = 1,
		.bytes_up = (uint64_t)INT64_MAX };

	(void)state;
	assert_int_equal(base.store->ops->begin(base.store), STORE_OK);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
		    base.store->ops->add_rollups(base.store, &sum, 1),
		    STORE_OK);
	assert_int_equal(base.store->ops->commit(base.store), STORE_OK);
	assert_string_equal(base_text(&base, "SELECT sessions || ' ' || "
					     "bytes_up FROM rollup_hour"),
	    "3 9223372036854775807");
}

static void
test_settings(void **state)
{
	struct store_sqlite *s =
	    container_of(base.store, struct store_sqlite, store);
	static const struct {
		const char *pragma;
		int want;
	} cases[] = {
		{ "PRAGMA synchronous", 2 },
		{ "PRAGMA foreign_keys", 1 },
		{ "PRAGMA trusted_schema", 0 },
		{ "PRAGMA auto_vacuum", 2 },
	};
	struct stat sb;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		sqlite3_stmt *st;

		assert_int_equal(
		    sqlite3_prepare_v2(s->db, cases[i].pragma, -1, &st, NULL),
		    SQLITE_OK);
		assert_int_equal(sqlite3_step(st), SQLITE_ROW);
		if (sqlite3_column_int(st, 0) != cases[i].want)
			fail_msg("%s: %d", cases[i].pragma,
			    sqlite3_column_int(st, 0));
		sqlite3_finalize(st);
	}
	assert_string_equal(base_text(&base, "PRAGMA journal_mode"), "wal");
	assert_int_equal(stat(base.path, &sb), 0);
	assert_int_equal(sb.st_mode & 07777, 0640);
}

static void
test_one_writer(void **state)
{
	struct store *second;
	struct err err;

	(void)state;
	assert_int_equal(store_open(&second,
			     &(struct store_options){
				 .database = "", .state_dir = base.dir },
			     &err),
	    -1);
	assert_non_null(strstr(err.text, "another sessiond writes to it"));
}

static void
test_moved_file(void **state)
{
	char *away = xasprintf("%s.away", base.path);

	(void)state;
	assert_int_equal(rename(base.path, away), 0);
	assert_int_equal(base.store->ops->begin(base.store), STORE_IO);
	assert_non_null(
	    strstr(base.store->ops->message(base.store), "moved or removed"));
	assert_int_equal(rename(away, base.path), 0);
	assert_int_equal(base.store->ops->begin(base.store), STORE_OK);
	base.store->ops->rollback(base.store);
	free(away);
}

static void
test_busy(void **state)
{
	struct store_sqlite *s =
	    container_of(base.store, struct store_sqlite, store);
	sqlite3 *other;

	(void)state;
	sqlite3_busy_timeout(s->db, 0);
	assert_int_equal(sqlite3_open(base.path, &other), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(base.store->ops->begin(base.store), STORE_BUSY);
	base.store->ops->rollback(base.store);
	sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(other);
	assert_int_equal(base.store->ops->begin(base.store), STORE_OK);
	base.store->ops->rollback(base.store);
}

static void
test_full(void **state)
{
	struct store_sqlite *s =
	    container_of(base.store, struct store_sqlite, store);
	enum store_result r = base.store->ops->begin(base.store);

	(void)state;
	sqlite3_exec(s->db, "PRAGMA max_page_count = 40", NULL, NULL, NULL);
	for (unsigned i = 0; i < 5000 && r == STORE_OK; i++) {
		struct store_session row = { .id = id_of(0, i),
			.started_us = i,
			.user = STR("somebody"),
			.close_reason = STR("x") },
				     *rows[] = { &row };

		r = base.store->ops->add_sessions(base.store, rows, 1);
	}
	assert_int_equal(r, STORE_FULL);
	base.store->ops->rollback(base.store);
	sqlite3_exec(s->db, "PRAGMA max_page_count = 100000", NULL, NULL, NULL);
	assert_int_equal(base.store->ops->begin(base.store), STORE_OK);
	base.store->ops->rollback(base.store);
}

static void
test_result_of_codes(void **state)
{
	static const struct {
		int code;
		enum store_result want;
	} cases[] = {
		{ SQLITE_OK, STORE_OK },
		{ SQLITE_DONE, STORE_OK },
		{ SQLITE_BUSY_SNAPSHOT, STORE_BUSY },
		{ SQLITE_LOCKED, STORE_BUSY },
		{ SQLITE_FULL, STORE_FULL },
		{ SQLITE_IOERR_FSYNC, STORE_IO },
		{ SQLITE_READONLY_DBMOVED, STORE_READONLY },
		{ SQLITE_CANTOPEN, STORE_READONLY },
		{ SQLITE_CORRUPT_VTAB, STORE_CORRUPT },
		{ SQLITE_NOTADB, STORE_CORRUPT },
		{ SQLITE_CONSTRAINT_DATATYPE, STORE_POISON },
		{ SQLITE_MISMATCH, STORE_POISON },
		{ SQLITE_TOOBIG, STORE_POISON },
		{ SQLITE_MISUSE, STORE_FAULT },
		{ SQLITE_NOMEM, STORE_FAULT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
		    store_sqlite_result(cases[i].code), cases[i].want);
}

/* --- Opening what cannot be opened. --- */

static void
expect_refusal(const char *database, const char *dir, const char *words)
{
	struct store *s;
	struct err err = { 0 };

	assert_int_equal(store_open(&s,
			     &(struct store_options){
				 .database = database, .state_dir = dir },
			     &err),
	    -1);
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" is not in: %s", words, err.text);
	assert_null(strchr(err.text, '\n'));
}

static void
write_file(const char *path, const char *text, size_t at)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(
	    pwrite(fd, text, strlen(text), (off_t)at), strlen(text));
	close(fd);
}

static void
test_open_errors(void **state)
{
	char dir[] = "/tmp/sessiond-test-XXXXXX", *path, *url;
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/sallyport.db", dir);
	expect_refusal("mysql://u:secret@h/d", dir, "sessiond.database");
	expect_refusal("sqlite:relative.db", dir, "sessiond.database");
	expect_refusal("", "/nonexistent/dir", "No such file or directory");
	url = xasprintf("sqlite:%s/none/x.db", dir);
	expect_refusal(url, "/", "No such file or directory");
	assert_int_equal(store_check(&(struct store_options){ .database = url,
					 .state_dir = "/" },
			     &err),
	    -1);
	free(url);

	assert_int_equal(store_check(&(struct store_options){ .database = "",
					 .state_dir = dir },
			     &err),
	    0);
	assert_int_equal(access(path, F_OK), -1); /* only looked */
	write_file(path,
	    "this is no database, but text that is long enough "
	    "to be taken for the header of one, all hundred bytes",
	    0);
	expect_refusal("", dir, "damaged");
	assert_int_equal(store_check(&(struct store_options){ .database = "",
					 .state_dir = dir },
			     &err),
	    -1);
	assert_non_null(strstr(err.text, ".recover"));
	free(path);
	remove_dir(dir);
}

static void
test_damaged_page(void **state)
{
	struct store_session row = { .close_reason = STR("x") },
			     *rows[] = { &row };

	(void)state;
	assert_int_equal(base.store->ops->begin(base.store), STORE_OK);
	for (unsigned i = 0; i < 500; i++) {
		row.id = id_of(0, i);
		row.started_us = i;
		assert_int_equal(
		    base.store->ops->add_sessions(base.store, rows, 1),
		    STORE_OK);
	}
	assert_int_equal(base.store->ops->commit(base.store), STORE_OK);
	sqlite3_close(base.reader);
	base.reader = NULL;
	store_close(&base.store);
	for (unsigned page = 3; page < 30; page++)
		write_file(
		    base.path, "garbage where a page began", page * 4096);
	expect_refusal("", base.dir, "damaged");
}

static void
test_foreign_database(void **state)
{
	char dir[] = "/tmp/sessiond-test-XXXXXX", *path;
	sqlite3 *db;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/sallyport.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "CREATE TABLE recipes (a)", NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	expect_refusal("", dir, "another program");
	free(path);
	remove_dir(dir);
}

/* --- Migrations. --- */

static const struct store_migration first[] = {
	{ 1, 1, "one", "aa", "CREATE TABLE t (a INTEGER) STRICT;" },
	{ 0 },
};
static const struct store_migration both[] = {
	{ 1, 1, "one", "aa", "CREATE TABLE t (a INTEGER) STRICT;" },
	{ 2, 2, "two", "bb",
	    "INSERT INTO t VALUES (7); ALTER TABLE t ADD b INTEGER;" },
	{ 0 },
};
static const struct store_migration third[] = {
	{ 1, 1, "one", "aa", "CREATE TABLE t (a INTEGER) STRICT;" },
	{ 2, 2, "two", "bb",
	    "INSERT INTO t VALUES (7); ALTER TABLE t ADD b INTEGER;" },
	{ 3, 2, "three", "cc", "ALTER TABLE t ADD c INTEGER;" },
	{ 0 },
};
static const struct store_migration changed[] = {
	{ 1, 1, "one", "ab", "CREATE TABLE t (a INTEGER) STRICT;" },
	{ 0 },
};
static const struct store_migration broken[] = {
	{ 1, 1, "one", "aa", "CREATE TABLE t (a INTEGER) STRICT;" },
	{ 2, 2, "two", "bb",
	    "INSERT INTO t VALUES (7); INSERT INTO nowhere "
	    "VALUES (1);" },
	{ 0 },
};

static void
test_migrations(void **state)
{
	static const struct {
		const struct store_migration *list;
		bool look;
		const char *error;
	} steps[] = {
		{ first, false, NULL },
		{ first, false, NULL }, /* nothing to do */
		{ changed, false, "migration 1 (one) is not the one" },
		{ broken, false, "migration 2 (two): no such table" },
		{ both, true, NULL },   /* only looks */
		{ first, false, NULL }, /* still at 1, t empty */
		{ both, false, NULL },
		{ first, false, "later release (migration 2" },
		{ first, true, "later release (migration 2" },
		{ third, false, NULL },
		{ both, false, NULL }, /* goes on after the third */
		{ first, false, "later release (migration 2" },
	};
	sqlite3 *db;

	(void)state;
	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct err err = { 0 };
		int r = store_sqlite_migrate(
		    db, steps[i].list, steps[i].look, &err);

		if (r != (steps[i].error == NULL ? 0 : -1) ||
		    (r < 0 && strstr(err.text, steps[i].error) == NULL))
			fail_msg("step %zu: %d %s", i, r, err.text);
	}
	base.reader = db;
	assert_int_equal(base_number(&base, "SELECT count(*) FROM t"), 1);
	assert_string_equal(
	    base_text(&base, "SELECT group_concat(number || "
			     "name || checksum) FROM schema_migration"),
	    "1oneaa,2twobb,3threecc");
	sqlite3_close(db);
}

/* A file of the first release is brought up to date as it is opened, and what
 * is in it stays. */
static void
test_from_the_first_release(void **state)
{
	const struct store_migration old[] = { store_sqlite_migrations[0],
		{ 0 } };
	struct store_event e = { .id = id_of(1, 1), .at_us = 77 };
	const struct store_ops *ops;
	struct err err;
	sqlite3 *db;

	(void)state;
	store_close(&base.store);
	remove(base.path);
	assert_int_equal(sqlite3_open(base.path, &db), SQLITE_OK);
	assert_int_equal(store_sqlite_migrate(db, old, false, &err), 0);
	assert_int_equal(
	    sqlite3_exec(db,
		"INSERT INTO audit_gap VALUES (x'01', 3, 9, 'p', 'why', 50)",
		NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	base_reopen(&base);
	ops = base.store->ops;
	assert_int_equal(ops->begin(base.store), STORE_OK);
	assert_int_equal(ops->add_event(base.store, &e), STORE_OK);
	assert_int_equal(ops->commit(base.store), STORE_OK);
	assert_string_equal(
	    base_text(&base, "SELECT group_concat(number || name || "
			     "works_with) FROM schema_migration"),
	    "1initial1,2telemetry1");
	assert_string_equal(
	    base_text(&base, "SELECT first_seq || reason || (SELECT at FROM "
			     "telemetry_event) FROM audit_gap"),
	    "3why77");
}

static void
test_migrations_are_numbered(void **state)
{
	unsigned n = 0;

	(void)state;
	for (; store_sqlite_migrations[n].number != 0; n++) {
		assert_int_equal(store_sqlite_migrations[n].number, n + 1);
		assert_int_equal(
		    strlen(store_sqlite_migrations[n].checksum), 64);
	}
	assert_true(n >= 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contract),
		T(history_uses_indexes),
		T(writes_use_keys),
		T(trim_uses_the_key),
		T(ended_sessions_are_final),
		T(sums_do_not_overflow),
		T(settings),
		T(one_writer),
		T(moved_file),
		T(busy),
		T(full),
		cmocka_unit_test(test_result_of_codes),
		cmocka_unit_test(test_open_errors),
		T(damaged_page),
		cmocka_unit_test(test_foreign_database),
		cmocka_unit_test(test_migrations),
		T(from_the_first_release),
		cmocka_unit_test(test_migrations_are_numbered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
