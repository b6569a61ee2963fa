/* SPDX-License-Identifier: MIT */
/*
 * query_sqlite: what the files of the SQLite back end share.
 *
 *	query_sqlite.c		the connection: open, heal, begin, bound
 *	query_sqlite_rows.c	sessions
 *	query_sqlite_events.c	what daemons noticed
 *	query_sqlite_sums.c	statistics and totals
 */
#ifndef APID_QUERY_SQLITE_H
#define APID_QUERY_SQLITE_H

#include <sqlite3.h>
#include <sys/stat.h>

#include "apid/query_backend.h"
#include "apid/query_sql.h"

struct query_sqlite {
	struct query query;
	const char *path;		/* the source's */
	uint64_t deadline_ms;
	sqlite3 *db;			/* NULL: not open */
	dev_t dev;			/* of the open file */
	ino_t ino;
	sqlite3_stmt *ended, *active;	/* one session by its key */
	struct query_sql sql;
};

/* Each query of it has a connection of its own to the file at `path`. */
struct query_source *query_sqlite_source(const char *path) MUST_CHECK;

struct query_sqlite *query_sqlite_of(struct query *q);
/* One question: opens if need be and begins to read. Not OK: it is over. */
enum query_result query_sqlite_begin(struct query_sqlite *q) MUST_CHECK;
/* Ends it. Gives `r`, or what went wrong at the end. */
enum query_result query_sqlite_end(struct query_sqlite *q,
    enum query_result r);
/* Its time begins. NULL: query_sqlite_fail says why. The caller finalizes. */
sqlite3_stmt *query_sqlite_prepare(struct query_sqlite *q, const char *sql);
/* After a failed call: what it comes to. */
enum query_result query_sqlite_fail(struct query_sqlite *q);

/* Of a row that was stepped to: the column, empty or QUERY_NULL where it is
 * NULL, with borrowed text. */
struct str query_sqlite_str(sqlite3_stmt *st, int i);
uint64_t query_sqlite_num(sqlite3_stmt *st, int i);
struct id query_sqlite_id(sqlite3_stmt *st, int i);

/* A page of events, with what they are filtered by: ?1 to ?13. */
extern const char query_sqlite_noticed[];

/* The questions of struct query_ops. */
enum query_result query_sqlite_sessions(struct query *base,
    const struct query_filter *f, query_row_fn *fn, void *arg,
    struct query_page *page);
enum query_result query_sqlite_session(struct query *base, const struct id *id,
    query_row_fn *fn, void *arg);
enum query_result query_sqlite_events(struct query *base,
    const struct query_event_filter *f, query_event_fn *fn, void *arg,
    struct query_page *page);
enum query_result query_sqlite_stats(struct query *base, uint64_t since_us,
    uint64_t today_us, struct query_stats *out);
enum query_result query_sqlite_totals(struct query *base, uint64_t now_us,
    struct query_totals *out);
enum query_result query_sqlite_users(struct query *base, uint64_t now_us,
    uint64_t *window_us, query_user_fn *fn, void *arg);

#endif
