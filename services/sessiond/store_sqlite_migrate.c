/* SPDX-License-Identifier: MIT */
#include "sessiond/store_sqlite.h"

#include <string.h>

#include "base/clock.h"

/* "SALY": tells our files from other programs'. */
#define APPLICATION_ID 0x53414c59

static int
fail(sqlite3 *db, struct err *err)
{
	return err_set(err, "%s", sqlite3_errmsg(db));
}

static int
run(sqlite3 *db, const char *sql, struct err *err)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK
		   ? 0
		   : fail(db, err);
}

/* The one number that `sql` gives. */
static int
number(sqlite3 *db, const char *sql, sqlite3_int64 *out, struct err *err)
{
	sqlite3_stmt *st;
	int r;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		return fail(db, err);
	r = sqlite3_step(st);
	*out = r == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_finalize(st);
	return r == SQLITE_ROW || r == SQLITE_DONE ? 0 : fail(db, err);
}

/* `ours`: the file is marked as Sallyport's. An empty one becomes it. */
static int
recognise(sqlite3 *db, bool *ours, struct err *err)
{
	sqlite3_int64 id, objects;

	if (number(db, "PRAGMA application_id", &id, err) < 0 ||
	    number(db, "SELECT count(*) FROM sqlite_schema", &objects, err) < 0)
		return -1;
	*ours = id == APPLICATION_ID;
	if (!*ours && (id != 0 || objects > 0))
		return err_set(err, "this is a database of another program; "
				    "name another file in sessiond.database");
	return 0;
}

/* `done`: migrations that the database has; an error if one is foreign. */
static int
look_back(sqlite3 *db, const struct store_migration *list, unsigned *done,
    struct err *err)
{
	sqlite3_stmt *st;
	int r, result = 0;

	*done = 0;
	if (sqlite3_prepare_v2(db,
		"SELECT number, name, checksum, works_with FROM "
		"schema_migration ORDER BY number",
		-1, &st, NULL) != SQLITE_OK)
		return fail(db, err);
	while ((r = sqlite3_step(st)) == SQLITE_ROW && result == 0) {
		const char *name = (const char *)sqlite3_column_text(st, 1);
		const char *sum = (const char *)sqlite3_column_text(st, 2);
		sqlite3_int64 n = sqlite3_column_int64(st, 0);
		sqlite3_int64 since = sqlite3_column_int64(st, 3);
		struct store_migration row = {
			.number = n > 0 && n < 10000 ? (unsigned)n : 0,
			.name = name != NULL ? name : "?",
			.checksum = sum != NULL ? sum : "",
		};

		row.works_with =
		    since > 0 && since <= n ? (unsigned)since : row.number;
		result = store_migration_known(list, &row, err);
		*done = row.number;
	}
	if (result == 0 && r != SQLITE_DONE)
		result = fail(db, err);
	sqlite3_finalize(st);
	return result;
}

static int
note(sqlite3 *db, const struct store_migration *m, struct err *err)
{
	sqlite3_stmt *st;
	int r;

	if (sqlite3_prepare_v2(db,
		"INSERT INTO schema_migration (number, "
		"name, checksum, applied_at, works_with) VALUES (?, ?, ?, ?, ?)",
		-1, &st, NULL) != SQLITE_OK)
		return fail(db, err);
	sqlite3_bind_int64(st, 1, m->number);
	sqlite3_bind_text(st, 2, m->name, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 3, m->checksum, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 4, (sqlite3_int64)clock_wall_us());
	sqlite3_bind_int64(st, 5, m->works_with);
	r = sqlite3_step(st);
	sqlite3_finalize(st);
	return r == SQLITE_DONE ? 0 : fail(db, err);
}

static int
apply(sqlite3 *db, const struct store_migration *m, struct err *err)
{
	if (run(db, "BEGIN IMMEDIATE", err) < 0)
		return -1;
	if (run(db, m->sql, err) == 0 && note(db, m, err) == 0 &&
	    run(db, "COMMIT", err) == 0)
		return 0;
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return err_prefix(err, "migration %u (%s)", m->number, m->name);
}

static int
prepare_file(sqlite3 *db, struct err *err)
{
	char sql[512];

	/* auto_vacuum can only be chosen while there is no table. */
	sqlite3_snprintf(sizeof(sql), sql,
	    "PRAGMA auto_vacuum = INCREMENTAL;"
	    "BEGIN IMMEDIATE;"
	    "CREATE TABLE schema_migration (number INTEGER PRIMARY KEY,"
	    " name TEXT NOT NULL, checksum TEXT NOT NULL,"
	    " applied_at INTEGER NOT NULL,"
	    " works_with INTEGER) STRICT;"
	    "PRAGMA application_id = %d;"
	    "COMMIT",
	    APPLICATION_ID);
	return run(db, sql, err);
}

int
store_sqlite_migrate(
    sqlite3 *db, const struct store_migration *list, bool look, struct err *err)
{
	unsigned last = store_migration_last(list), done;
	bool ours;

	if (recognise(db, &ours, err) < 0)
		return -1;
	if (!ours && look)
		return 0;
	if (!ours && prepare_file(db, err) < 0)
		return -1;
	if (look_back(db, list, &done, err) < 0)
		return -1;
	for (; !look && done < last; done++) {
		if (apply(db, &list[done], err) < 0)
			return -1;
	}
	return 0;
}
