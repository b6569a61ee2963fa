/* SPDX-License-Identifier: MIT */
/*
 * query_sqlite: what the files of the SQLite back end share.
 *
 *	query_sqlite.c		the connection: open, heal, begin, bound
 *	query_sqlite_rows.c	sessions
 *	query_sqlite_sums.c	statistics and totals
 */
#ifndef APID_QUERY_SQLITE_H
#define APID_QUERY_SQLITE_H

#include <sqlite3.h>
#include <sys/stat.h>

#include "apid/query_sql.h"
#include "base/err.h"

struct query {
	char *path;
	const atomic_bool *stop;
	uint64_t timeout_ms, deadline_ms;
	sqlite3 *db;			/* NULL: not open */
	dev_t dev;			/* of the open file */
	ino_t ino;
	unsigned schema;
	sqlite3_stmt *ended, *active;	/* one session by its key */
	struct query_sql sql;
	struct err why;
};

/* One question: opens if need be and begins to read. Not OK: it is over. */
enum query_result query_begin(struct query *q) MUST_CHECK;
/* Ends it. Gives `r`, or what went wrong at the end. */
enum query_result query_end(struct query *q, enum query_result r);
/* NULL: query_fail says why. The caller finalizes it. */
sqlite3_stmt *query_prepare(struct query *q, const char *sql);
/* SQLITE_ROW or SQLITE_DONE, else what query_fail is for. Each statement
 * starts its time when it is prepared or query_restart()ed. */
void query_restart(struct query *q);
/* After a failed call: what it comes to. */
enum query_result query_fail(struct query *q);

#endif
