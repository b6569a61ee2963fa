/* SPDX-License-Identifier: MIT */
/*
 * store_pg: what the files of the PostgreSQL back end share.
 *
 *	store_pg_open.c		opening, connecting, checking, closing
 *	store_pg.c		transactions, streams, history, events
 *	store_pg_rows.c		sessions and sums
 *	store_pg_migrate.c	the schema
 *
 * One connection. A transaction takes four round trips: to lock the streams,
 * to put what runs, to add what ended, and to commit; all whose result nobody
 * needs before (sums, positions, gaps, quarantine, events) travels with the
 * COMMIT. Its statements find rows by key alone, whatever the planner knows of
 * the tables: they are planned once, without scans and joins of whole tables.
 */
#ifndef SESSIOND_STORE_PG_H
#define SESSIOND_STORE_PG_H

#include "pgsql/pg.h"
#include "sessiond/store.h"
#include "sessiond/store_columns.h"

#define STORE_PG_ATTRIBUTES 64

/* How rows of a table are written: its columns in the order of the server's
 * catalogue, whatever it is, with their types. */
struct store_pg_table {
	const char *name; /* in the schema */
	const struct store_column *columns;
	unsigned in;
	uint32_t type; /* the number of its row type */
	unsigned n;
	struct {
		const struct store_column *column; /* NULL: not ours */
		uint32_t type;
	} attributes[STORE_PG_ATTRIBUTES];
};

struct store_pg {
	struct store store;
	struct pg *pg;
	bool final;        /* only a human can mend why there is none */
	bool ready;        /* connected, looked at, settled */
	uint64_t ahead_ms; /* when partitions were made last; 0: never */
	struct err err;    /* the words of the last failure */
	struct pg_params params, nested;
	/* of the tables, as the connection knows them */
	struct store_pg_table active, session, rollup;
	struct pg_statement put_active, each_active, add_sessions, add_rollups;
};

/* `o->database` is a URL. Contracts as store_open and store_check. */
int store_pg_open(struct store **out, const struct store_options *o,
    struct err *err) MUST_CHECK;
int store_pg_check(const struct store_options *o, struct err *err) MUST_CHECK;

extern const struct store_ops store_pg_ops;
void store_pg_close(struct store *s);

/* Connects if there is no connection. STORE_AWAY: the message says why. */
enum store_result store_pg_ready(struct store_pg *s) MUST_CHECK;
/* What a failure comes to, its words kept; the connection is dropped where a
 * new one may see it otherwise. */
enum store_result store_pg_result(struct store_pg *s, enum pg_status r);

/* Runs what was queued and then `st` with the parameters put so far; gives its
 * rows. */
enum store_result store_pg_ask(struct store_pg *s,
    const struct pg_statement *st, struct pg_rows *rows) MUST_CHECK;

/* Forms the statements of store_pg_rows.c; freed by _rows_fini. */
void store_pg_rows_init(struct store_pg *s);
void store_pg_rows_fini(struct store_pg *s);
/* Asks the catalogue for a table's columns and types. */
enum pg_status store_pg_look_up(
    struct store_pg *s, struct store_pg_table *t) MUST_CHECK;

enum store_result store_pg_put_active(
    struct store *s, struct store_session *const *rows, size_t n);
enum store_result store_pg_add_sessions(
    struct store *s, struct store_session *const *rows, size_t n);
enum store_result store_pg_each_active(struct store *s, const struct id *stream,
    void (*fn)(void *arg, const struct store_session *row), void *arg);
enum store_result store_pg_add_rollups(
    struct store *s, const struct store_rollup *rows, size_t n);

#endif
