/* SPDX-License-Identifier: MIT */
#include "mirror.h"

#include <libpq-fe.h>
#include <stdlib.h>

#include "base/mem.h"
#include "pgsql/pg.h"
#include "sessiond/store_sqlite.h"

#define INET_ARRAY 1041

static const char *const tables[] = { "audit_stream", "session_active",
	"session", "rollup_hour", "audit_gap", "audit_quarantine",
	"telemetry_event" };

static struct pg *
connect_to(const char *url)
{
	struct pg *p = pg_new(&(struct pg_options){ .url = url,
	    .application = "mirror",
	    .connect_ms = 10000,
	    .statement_ms = 60000,
	    .lock_ms = 10000 });

	if (pg_connect(p) != PG_OK)
		die("%s", pg_message(p));
	return p;
}

void
mirror_clear(const char *url)
{
	static bool cleared;
	struct pg *p = connect_to(url);
	/* Once a process from the ground up. */
	const char *sql = cleared
			      ? "TRUNCATE sallyport.audit_stream, "
				"sallyport.session_active, sallyport.session, "
				"sallyport.rollup_hour, sallyport.audit_gap, "
				"sallyport.audit_quarantine, "
				"sallyport.telemetry_event"
			      : "DROP SCHEMA IF EXISTS sallyport CASCADE";

	if (pg_exec(p, sql) != PG_OK)
		die("%s", pg_message(p));
	cleared = true;
	pg_free(&p);
}

static void
bind_addresses(
    sqlite3_stmt *st, int at, struct pg_rows *rows, size_t row, unsigned column)
{
	struct pg_array a = pg_array(rows, row, column);
	struct bytes out = { 0 };
	uint8_t b[16];
	struct str v;
	bool null;

	while (pg_array_next(&a, &v, &null)) {
		ASSERT(!null && pg_get_inet(v, b));
		bytes_add(&out, b, sizeof(b));
	}
	sqlite3_bind_blob(st, at, out.ptr, (int)out.len, SQLITE_TRANSIENT);
	bytes_fini(&out);
}

static void
bind_text(sqlite3_stmt *st, int at, struct str v)
{
	sqlite3_bind_text(st, at, v.ptr, (int)v.len, SQLITE_TRANSIENT);
}

static void
bind_blob(sqlite3_stmt *st, int at, const void *p, size_t len)
{
	sqlite3_bind_blob(st, at, len > 0 ? p : "", (int)len, SQLITE_TRANSIENT);
}

static void
bind_value(
    sqlite3_stmt *st, int at, struct pg_rows *rows, size_t row, unsigned column)
{
	uint8_t b[16];
	struct str v;

	if (pg_is_null(rows, row, column)) {
		sqlite3_bind_null(st, at);
		return;
	}
	switch (PQftype(rows->result, (int)column)) {
	case PG_UUID:
		pg_uuid(rows, row, column, b);
		bind_blob(st, at, b, sizeof(b));
		break;
	case PG_INET:
		pg_inet(rows, row, column, b);
		bind_blob(st, at, b, sizeof(b));
		break;
	case INET_ARRAY: bind_addresses(st, at, rows, row, column); break;
	case PG_BYTEA:
		v = pg_str(rows, row, column);
		bind_blob(st, at, v.ptr, v.len);
		break;
	case PG_TIMESTAMPTZ:
		sqlite3_bind_int64(
		    st, at, (sqlite3_int64)pg_time(rows, row, column));
		break;
	case PG_BOOL:
		sqlite3_bind_int(st, at, pg_bool(rows, row, column));
		break;
	case PG_JSONB: bind_text(st, at, pg_jsonb(rows, row, column)); break;
	case PG_TEXT: bind_text(st, at, pg_str(rows, row, column)); break;
	default: sqlite3_bind_int64(st, at, pg_int(rows, row, column));
	}
	ASSERT(!rows->bad);
}

static bool
is_json(const struct pg_rows *rows, int column)
{
	return PQftype(rows->result, column) == PG_JSONB;
}

static void
copy_table(sqlite3 *db, struct pg *p, const char *table)
{
	char *sql = xasprintf("SELECT * FROM sallyport.%s", table);
	struct pg_statement all = { NULL, sql };
	struct bytes insert = { 0 };
	struct pg_rows rows;
	sqlite3_stmt *st;
	int n;

	if (pg_query(p, &all, NULL, &rows) != PG_OK)
		die("%s", pg_message(p));
	n = PQnfields(rows.result);
	bytes_fmt(&insert, "INSERT INTO %s (", table);
	for (int i = 0; i < n; i++)
		bytes_fmt(&insert, "%s%s", i > 0 ? ", " : "",
		    PQfname(rows.result, i));
	bytes_fmt(&insert, ") VALUES (");
	/* json() writes it as short as sessiond does. */
	for (int i = 0; i < n; i++)
		bytes_fmt(&insert, is_json(&rows, i) ? "%sjson(?)" : "%s?",
		    i > 0 ? ", " : "");
	bytes_fmt(&insert, ")");
	if (sqlite3_prepare_v2(db, insert.ptr, (int)insert.len, &st, NULL) !=
	    SQLITE_OK)
		die("%s", sqlite3_errmsg(db));
	for (size_t i = 0; i < rows.n; i++) {
		for (int k = 0; k < n; k++)
			bind_value(st, k + 1, &rows, i, (unsigned)k);
		if (sqlite3_step(st) != SQLITE_DONE)
			die("%s: %s", table, sqlite3_errmsg(db));
		sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	pg_rows_fini(&rows);
	bytes_fini(&insert);
	free(sql);
}

sqlite3 *
mirror_open(const char *url)
{
	struct pg *p = connect_to(url);
	struct err err = { 0 };
	sqlite3 *db;

	if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
	    store_sqlite_migrate(db, store_sqlite_migrations, false, &err) < 0)
		die("mirror: %s", err.text);
	/* The tables of one moment. */
	if (pg_exec(p, "BEGIN ISOLATION LEVEL REPEATABLE READ") != PG_OK ||
	    sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		die("mirror: %s", pg_message(p));
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		copy_table(db, p, tables[i]);
	if (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		die("mirror: %s", sqlite3_errmsg(db));
	pg_free(&p);
	return db;
}
