/* SPDX-License-Identifier: MIT */
/*
 * Sessions and sums in SQLite. One table says which field of a struct
 * store_session is which column, and where: from it come the statements, the
 * binding and the reading.
 */
#include "sessiond/store_sqlite.h"

#include <string.h>

enum column_kind {
	COLUMN_ID,
	COLUMN_NUMBER,
	COLUMN_TEXT, /* empty is NULL */
	COLUMN_NAME, /* never NULL */
	COLUMN_BLOB,
};

/* Tables that have the column. */
#define IN_ACTIVE  1u
#define IN_SESSION 2u
#define IN_BOTH    (IN_ACTIVE | IN_SESSION)

struct column {
	const char *name;
	enum column_kind kind;
	unsigned in;
	size_t offset;
	/* What a running session's column becomes with later news; NULL: it
	 * stays. */
	const char *raise;
};

#define AT(field)   offsetof(struct store_session, field)
#define MAX(column) "max(" column ", excluded." column ")"

static const struct column columns[] = {
	{ "id", COLUMN_ID, IN_BOTH, AT(id), NULL },
	{ "started_at", COLUMN_NUMBER, IN_BOTH, AT(started_us), NULL },
	{ "ended_at", COLUMN_NUMBER, IN_SESSION, AT(ended_us), NULL },
	{ "received_at", COLUMN_NUMBER, IN_SESSION, AT(received_us), NULL },
	{ "duration_us", COLUMN_NUMBER, IN_BOTH, AT(duration_us),
	    MAX("duration_us") },
	{ "stream_id", COLUMN_ID, IN_BOTH, AT(stream), NULL },
	{ "last_seq", COLUMN_NUMBER, IN_ACTIVE, AT(seq), "excluded.last_seq" },
	{ "close_seq", COLUMN_NUMBER, IN_SESSION, AT(seq), NULL },
	{ "proxy", COLUMN_NAME, IN_BOTH, AT(proxy), NULL },
	{ "listener", COLUMN_TEXT, IN_BOTH, AT(listener), NULL },
	{ "username", COLUMN_TEXT, IN_BOTH, AT(user), NULL },
	{ "groups", COLUMN_TEXT, IN_BOTH, AT(groups), NULL },
	{ "source_ip", COLUMN_BLOB, IN_BOTH, AT(source_ip), NULL },
	{ "source_port", COLUMN_NUMBER, IN_BOTH, AT(source_port), NULL },
	{ "dest_host", COLUMN_TEXT, IN_BOTH, AT(dest_host), NULL },
	{ "dest_ip", COLUMN_BLOB, IN_BOTH, AT(dest_ip), NULL },
	{ "dest_port", COLUMN_NUMBER, IN_BOTH, AT(dest_port), NULL },
	{ "resolved_ips", COLUMN_BLOB, IN_BOTH, AT(resolved_ips), NULL },
	{ "command", COLUMN_NUMBER, IN_BOTH, AT(command), NULL },
	{ "carrier", COLUMN_NUMBER, IN_BOTH, AT(carrier), NULL },
	{ "protocol", COLUMN_NUMBER, IN_BOTH, AT(protocol), NULL },
	{ "acl_decision", COLUMN_NUMBER, IN_BOTH, AT(decision), NULL },
	{ "acl_rule_matched", COLUMN_TEXT, IN_BOTH, AT(rule), NULL },
	{ "policy_generation", COLUMN_NUMBER, IN_BOTH, AT(generation), NULL },
	{ "route", COLUMN_TEXT, IN_BOTH, AT(route), NULL },
	{ "limits_class", COLUMN_TEXT, IN_BOTH, AT(limits), NULL },
	{ "auth_method", COLUMN_NUMBER, IN_BOTH, AT(auth_method), NULL },
	{ "bytes_up", COLUMN_NUMBER, IN_BOTH, AT(bytes_up), MAX("bytes_up") },
	{ "bytes_down", COLUMN_NUMBER, IN_BOTH, AT(bytes_down),
	    MAX("bytes_down") },
	{ "packets_up", COLUMN_NUMBER, IN_BOTH, AT(packets_up),
	    MAX("packets_up") },
	{ "packets_down", COLUMN_NUMBER, IN_BOTH, AT(packets_down),
	    MAX("packets_down") },
	{ "status", COLUMN_NUMBER, IN_SESSION, AT(status), NULL },
	{ "close_reason", COLUMN_NAME, IN_SESSION, AT(close_reason), NULL },
	{ "close_detail", COLUMN_TEXT, IN_SESSION, AT(close_detail), NULL },
	{ "reply_code", COLUMN_NUMBER, IN_SESSION, AT(reply_code), NULL },
	{ "setup_us", COLUMN_NUMBER, IN_SESSION, AT(setup_us), NULL },
	{ "attempts", COLUMN_NUMBER, IN_SESSION, AT(attempts), NULL },
	{ "incomplete", COLUMN_NUMBER, IN_BOTH, AT(incomplete), NULL },
	{ "counters_lower_bound", COLUMN_NUMBER, IN_SESSION,
	    AT(counters_lower_bound), NULL },
};

/* "a, b, c", or "?1, ?2, ?3" when `marks`. */
static void
sql_columns(struct bytes *sql, unsigned in, bool marks)
{
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		if (!(columns[i].in & in))
			continue;
		bytes_fmt(sql, "%s", n++ == 0 ? "" : ", ");
		if (marks)
			bytes_fmt(sql, "?%u", n);
		else
			bytes_fmt(sql, "%s", columns[i].name);
	}
}

/* ?1 is id, ?2 started_at. */
static void
sql_put_active(struct bytes *sql)
{
	const char *comma = "";

	bytes_fmt(sql, "INSERT INTO session_active (");
	sql_columns(sql, IN_ACTIVE, false);
	bytes_fmt(sql, ") SELECT ");
	sql_columns(sql, IN_ACTIVE, true);
	bytes_fmt(sql, " WHERE NOT EXISTS (SELECT 1 FROM session"
		       " WHERE started_at = ?2 AND id = ?1)"
		       " ON CONFLICT (id) DO UPDATE SET ");
	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		if (columns[i].raise == NULL)
			continue;
		bytes_fmt(
		    sql, "%s%s = %s", comma, columns[i].name, columns[i].raise);
		comma = ", ";
	}
	bytes_fmt(sql, " WHERE stream_id = excluded.stream_id"
		       " AND last_seq < excluded.last_seq");
}

void
store_sqlite_rows_sql(enum sqlite_statement which, struct bytes *sql)
{
	ASSERT(store_sqlite_texts[which] == NULL);
	switch (which) {
	case SQL_ACTIVE_PUT: sql_put_active(sql); break;
	case SQL_ACTIVE_EACH:
		bytes_fmt(sql, "SELECT ");
		sql_columns(sql, IN_ACTIVE, false);
		bytes_fmt(sql, " FROM session_active WHERE stream_id = ?1"
			       " ORDER BY id");
		break;
	case SQL_SESSION_ADD:
		bytes_fmt(sql, "INSERT INTO session (");
		sql_columns(sql, IN_SESSION, false);
		bytes_fmt(sql, ") VALUES (");
		sql_columns(sql, IN_SESSION, true);
		bytes_fmt(sql, ") ON CONFLICT DO NOTHING");
		break;
	default: break;
	}
}

static void
bind_column(sqlite3_stmt *st, int at, const struct column *c,
    const struct store_session *row)
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
bind_row(sqlite3_stmt *st, unsigned in, const struct store_session *row)
{
	int at = 0;

	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		if (columns[i].in & in)
			bind_column(st, ++at, &columns[i], row);
	}
}

static void
read_column(
    sqlite3_stmt *st, int at, const struct column *c, struct store_session *row)
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
	}
}

static void
read_row(sqlite3_stmt *st, struct store_session *row)
{
	int at = 0;

	*row = (struct store_session){ 0 };
	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		if (columns[i].in & IN_ACTIVE)
			read_column(st, at++, &columns[i], row);
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

		bind_row(st, IN_ACTIVE, rows[i]);
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
	bind_row(st, IN_SESSION, row);
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
		const struct store_rollup *w = &rows[i];
		const uint64_t numbers[] = {
			w->sessions,
			w->closed,
			w->failed,
			w->rejected,
			w->allowed,
			w->blocked,
			w->redirected,
			w->bytes_up,
			w->bytes_down,
			w->duration_us,
		};
		enum store_result r;

		sqlite3_bind_int(st, 1, (int)w->dimension);
		sqlite3_bind_int64(st, 2, (sqlite3_int64)w->hour_us);
		sqlite3_bind_text(st, 3, w->key.len > 0 ? w->key.ptr : "",
		    (int)w->key.len, SQLITE_STATIC);
		for (unsigned k = 0; k < ARRAY_LEN(numbers); k++)
			sqlite3_bind_int64(
			    st, (int)k + 4, (sqlite3_int64)numbers[k]);
		r = store_sqlite_run(st);
		if (r != STORE_OK)
			return r;
	}
	return STORE_OK;
}
