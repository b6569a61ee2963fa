/* SPDX-License-Identifier: MIT */
/*
 * store_sqlite: what the files of the SQLite back end share.
 *
 *	store_sqlite_open.c	opening, checking, closing
 *	store_sqlite.c		transactions, streams, history, events
 *	store_sqlite_rows.c	sessions and sums
 *	store_sqlite_migrate.c	the schema
 *
 * One connection writes and checkpoints, and a lock beside the file keeps a
 * second sessiond out; readers open the file read-only.
 */
#ifndef SESSIOND_STORE_SQLITE_H
#define SESSIOND_STORE_SQLITE_H

#include <sqlite3.h>

#include "sessiond/store.h"
#include "sessiond/store_migration.h"

enum sqlite_statement {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_STREAM_GET,
	SQL_STREAM_ADD,
	SQL_STREAM_MOVE,
	SQL_STREAM_SILENT,
	SQL_STREAM_COUNT,
	SQL_GAP_ADD,
	SQL_QUARANTINE_ADD,
	SQL_EVENT_ADD,
	SQL_EVENT_TRIM,
	SQL_OLD_SESSIONS,
	SQL_OLD_ROLLUPS,
	SQL_OLD_GAPS,
	SQL_OLD_QUARANTINE,
	SQL_OLD_STREAMS,
	SQL_ACTIVE_OWNER,
	SQL_ACTIVE_DELETE,
	/* generated from the tables of columns */
	SQL_ACTIVE_PUT,
	SQL_ACTIVE_EACH,
	SQL_SESSION_ADD,
	SQL_ROLLUP_ADD,
	SQL_STATEMENTS,
};

struct store_sqlite {
	struct store store;
	sqlite3 *db;
	sqlite3_stmt *statements[SQL_STATEMENTS];
	int lock_fd;
	bool moved; /* the file is no longer where it was */
};

/* `path` is absolute. Contracts as store_open and store_check. */
int store_sqlite_open(
    struct store **out, const char *path, struct err *err) MUST_CHECK;
int store_sqlite_check(const char *path, struct err *err) MUST_CHECK;

extern const struct store_ops store_sqlite_ops;
/* The statements; NULL: made by store_sqlite_rows_sql. */
extern const char *const store_sqlite_texts[SQL_STATEMENTS];
void store_sqlite_close(struct store *s);

/* What an SQLite result code comes to. */
enum store_result store_sqlite_result(int code);
/* Runs a statement that gives no rows, and makes it ready for the next. */
enum store_result store_sqlite_run(sqlite3_stmt *st);

/* Appends the text of the generated statement `which`. */
void store_sqlite_rows_sql(enum sqlite_statement which, struct bytes *sql);
enum store_result store_sqlite_put_active(
    struct store *s, struct store_session *const *rows, size_t n);
enum store_result store_sqlite_add_sessions(
    struct store *s, struct store_session *const *rows, size_t n);
enum store_result store_sqlite_each_active(struct store *s,
    const struct id *stream,
    void (*fn)(void *arg, const struct store_session *row), void *arg);
enum store_result store_sqlite_add_rollups(
    struct store *s, const struct store_rollup *rows, size_t n);

/* Applies `list` (store_sqlite_migrations but in tests) as far as the database
 * has not; each in a transaction. `look` only compares. */
int store_sqlite_migrate(sqlite3 *db, const struct store_migration *list,
    bool look, struct err *err) MUST_CHECK;

#endif
