/* SPDX-License-Identifier: MIT */
/* Sessions and sums in SQLite, by the tables of store_columns.h. */
#include "sessiond/store_sqlite.h"

#include <string.h>

#include "sessiond/store_columns.h"

/* "?1, ?2, ?3": a mark for each column. */
static void
sql_marks(struct bytes *sql, const struct store_column *c, unsigned in)
{
	unsigned n = 0;

	for (; c->name != NULL; c++) {
		if (c->in & in) {
			n++;
			bytes_fmt(sql, "%s?%u", n > 1 ? ", " : "", n);
		}
	}
}

/* What " ON CONFLICT DO UPDATE SET" does. A sum that would leave 64 bits
 * becomes REAL inside SQLite, which min() brings back. */
static void
sql_raises(struct bytes *sql, const struct store_column *c)
{
	const char *comma = "";

	for (; c->name != NULL; c++) {
		if (c->raise == RAISE_NOT)
			continue;
		bytes_fmt(sql, "%s%s = ", comma, c->name);
		comma = ", ";
		switch (c->raise) {
		case RAISE_GREATER:
			bytes_fmt(
			    sql, "max(%s, excluded.%s)", c->name, c->name);
			break;
		case RAISE_SUM:
			bytes_fmt(sql,
			    "min(9223372036854775807, %s + excluded.%s)",
			    c->name, c->name);
			break;
		default: bytes_fmt(sql, "excluded.%s", c->name);
		}
	}
}

/* ?1 is id, ?2 started_at. */
static void
sql_put_active(struct bytes *sql)
{
	bytes_fmt(sql, "INSERT INTO session_active (");
	store_columns_list(sql, store_columns, IN_ACTIVE, "");
	bytes_fmt(sql, ") SELECT ");
	sql_marks(sql, store_columns, IN_ACTIVE);
	bytes_fmt(sql, " WHERE NOT EXISTS (SELECT 1 FROM session"
		       " WHERE started_at = ?2 AND id = ?1)"
		       " ON CONFLICT (id) DO UPDATE SET ");
	sql_raises(sql, store_columns);
	bytes_fmt(sql, " WHERE stream_id = excluded.stream_id"
		       " AND last_seq < excluded.last_seq");
}

static void
sql_insert(struct bytes *sql, const char *table, const struct store_column *c,
    unsigned in)
{
	bytes_fmt(sql, "INSERT INTO %s (", table);
	store_columns_list(sql, c, in, "");
	bytes_fmt(sql, ") VALUES (");
	sql_marks(sql, c, in);
	bytes_fmt(sql, ") ON CONFLICT DO ");
}

void
store_sqlite_rows_sql(enum sqlite_statement which, struct bytes *sql)
{
	ASSERT(store_sqlite_texts[which] == NULL);
	switch (which) {
	case SQL_ACTIVE_PUT: sql_put_active(sql); break;
	case SQL_ACTIVE_EACH:
		bytes_fmt(sql, "SELECT ");
		store_columns_list(sql, store_columns, IN_ACTIVE, "");
		bytes_fmt(sql, " FROM session_active WHERE stream_id = ?1"
			       " ORDER BY id");
		break;
	case SQL_SESSION_ADD:
		sql_insert(sql, "session", store_columns, IN_SESSION);
		bytes_fmt(sql, "NOTHING");
		break;
	case SQL_ROLLUP_ADD:
		sql_insert(sql, "rollup_hour", store_rollup_columns, IN_ROLLUP);
		bytes_fmt(sql, "UPDATE SET ");
		sql_raises(sql, store_rollup_columns);
		break;
	default: break;
	}
}

static void
bind_column(
    sqlite3_stmt *st, int at, const struct store_column *c, const void *row)
{
	const void *field = (const char *)row + c->offset;
	const struct str *s = field;
	const uint64_t *n = field;

	switch (c->kind) {
	case COLUMN_ID:
		sqlite3_bind_blob(
		    st, at, field, sizeof(struct id), SQLITE_STATIC);
		break;
	case COLUMN_NUMBER:
		if (*n == STORE_NULL)
			sqlite3_bind_null(st, at);
		else
			sqlite3_bind_int64(st, at, (sqlite3_int64)*n);
		break;
	case COLUMN_CHOICE:
		sqlite3_bind_int(st, at, *(const int *)field);
		break;
	case COLUMN_NAME:
		sqlite3_bind_text(st, at, s->len > 0 ? s->ptr : "", (int)s->len,
		    SQLITE_STATIC);
		break;
	case COLUMN_TEXT:
		if (s->len == 0)
			sqlite3_bind_null(st, at);
		else
			sqlite3_bind_text(
			    st, at, s->ptr, (int)s->len, SQLITE_STATIC);
		break;
	case COLUMN_BLOB:
		if (s->len == 0)
			sqlite3_bind_null(st, at);
		else
			sqlite3_bind_blob(
			    st, at, s->ptr, (int)s->len, SQLITE_STATIC);
		break;
	}
}

static void
bind_row(sqlite3_stmt *st, const struct store_column *c, unsigned in,
    const void *row)
{
	int at = 0;

	for (; c->name != NULL; c++) {
		if (c->in & in)
			bind_column(st, ++at, c, row);
	}
}

static void
read_column(sqlite3_stmt *st, int at, const struct store_column *c,
    struct store_session *row)
{
	void *field = (char *)row + c->offset;
	const void *p = sqlite3_column_blob(st, at);
	size_t len = (size_t)sqlite3_column_bytes(st, at);

	switch (c->kind) {
	case COLUMN_ID:
		if (len == sizeof(struct id))
			memcpy(field, p, len);
		break;
	case COLUMN_NUMBER:
		*(uint64_t *)field =
		    sqlite3_column_type(st, at) == SQLITE_NULL
			? STORE_NULL
			: (uint64_t)sqlite3_column_int64(st, at);
		break;
	case COLUMN_TEXT:
	case COLUMN_NAME:
	case COLUMN_BLOB: *(struct str *)field = (struct str){ p, len }; break;
	case COLUMN_CHOICE: break; /* sessions have none */
	}
}

static void
read_row(sqlite3_stmt *st, struct store_session *row)
{
	int at = 0;

	*row = (struct store_session){ 0 };
	for (const struct store_column *c = store_columns; c->name != NULL;
	     c++) {
		if (c->in & IN_ACTIVE)
			read_column(st, at++, c, row);
	}
}

enum store_result
store_sqlite_put_active(
    struct store *store, struct store_session *const *rows, size_t n)
{
	struct store_sqlite *s =
	    container_of(store, struct store_sqlite, store);
	sqlite3_stmt *st = s->statements[SQL_ACTIVE_PUT];

	for (size_t i = 0; i < n; i++) {
		enum store_result r;

		bind_row(st, store_columns, IN_ACTIVE, rows[i]);
		r = store_sqlite_run(st);
		if (r != STORE_OK)
			return r;
		rows[i]->stored = sqlite3_changes(s->db) > 0;
	}
	return STORE_OK;
}

enum owner { OWNER_NONE, OWNER_SAME, OWNER_OTHER };

/* Whether the session runs, and whose it is. */
static enum store_result
active_owner(
    struct store_sqlite *s, const struct store_session *row, enum owner *owner)
{
	sqlite3_stmt *st = s->statements[SQL_ACTIVE_OWNER];
	enum store_result result = STORE_OK;
	int r;

	sqlite3_bind_blob(st, 1, &row->id, sizeof(row->id), SQLITE_STATIC);
	sqlite3_bind_blob(
	    st, 2, &row->stream, sizeof(row->stream), SQLITE_STATIC);
	r = sqlite3_step(st);
	*owner = OWNER_NONE;
	if (r == SQLITE_ROW)
		*owner = sqlite3_column_int(st, 0) ? OWNER_SAME : OWNER_OTHER;
	else if (r != SQLITE_DONE)
		result = store_sqlite_result(r);
	sqlite3_reset(st);
	return result;
}

static enum store_result
add_session(struct store_sqlite *s, struct store_session *row)
{
	sqlite3_stmt *st = s->statements[SQL_SESSION_ADD];
	enum owner owner;
	enum store_result r = active_owner(s, row, &owner);

	row->stored = false;
	if (r != STORE_OK || owner == OWNER_OTHER)
		return r;
	if (owner == OWNER_SAME) {
		sqlite3_stmt *gone = s->statements[SQL_ACTIVE_DELETE];

		sqlite3_bind_blob(
		    gone, 1, &row->id, sizeof(row->id), SQLITE_STATIC);
		r = store_sqlite_run(gone);
		if (r != STORE_OK)
			return r;
	}
	bind_row(st, store_columns, IN_SESSION, row);
	r = store_sqlite_run(st);
	row->stored = r == STORE_OK && sqlite3_changes(s->db) > 0;
	return r;
}

enum store_result
store_sqlite_add_sessions(
    struct store *store, struct store_session *const *rows, size_t n)
{
	struct store_sqlite *s =
	    container_of(store, struct store_sqlite, store);
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < n && r == STORE_OK; i++)
		r = add_session(s, rows[i]);
	return r;
}

enum store_result
store_sqlite_each_active(struct store *store, const struct id *stream,
    void (*fn)(void *arg, const struct store_session *row), void *arg)
{
	struct store_sqlite *s =
	    container_of(store, struct store_sqlite, store);
	sqlite3_stmt *st = s->statements[SQL_ACTIVE_EACH];
	struct store_session row;
	int r;

	sqlite3_bind_blob(st, 1, stream, sizeof(*stream), SQLITE_STATIC);
	while ((r = sqlite3_step(st)) == SQLITE_ROW) {
		read_row(st, &row);
		fn(arg, &row);
	}
	sqlite3_reset(st);
	return r == SQLITE_DONE ? STORE_OK : store_sqlite_result(r);
}

enum store_result
store_sqlite_add_rollups(
    struct store *store, const struct store_rollup *rows, size_t n)
{
	struct store_sqlite *s =
	    container_of(store, struct store_sqlite, store);
	sqlite3_stmt *st = s->statements[SQL_ROLLUP_ADD];

	for (size_t i = 0; i < n; i++) {
		enum store_result r;

		bind_row(st, store_rollup_columns, IN_ROLLUP, &rows[i]);
		r = store_sqlite_run(st);
		if (r != STORE_OK)
			return r;
	}
	return STORE_OK;
}
