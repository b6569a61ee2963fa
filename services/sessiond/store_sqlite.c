/* SPDX-License-Identifier: MIT */
#include "sessiond/store_sqlite.h"

#include <string.h>

#define OLD(table, key, when)                                                  \
	"DELETE FROM " table " WHERE (" key ") IN (SELECT " key " FROM " table \
	" WHERE " when " ORDER BY " key " LIMIT ?2)"

/* clang-format off */
const char *const store_sqlite_texts[SQL_STATEMENTS] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_STREAM_GET] = "SELECT proxy, next_seq, state, last_contact"
	    " FROM audit_stream WHERE stream_id = ?1",
	[SQL_STREAM_ADD] = "INSERT INTO audit_stream (stream_id, proxy,"
	    " next_seq, state, opened_at, last_contact)"
	    " VALUES (?1, ?2, 1, 1, ?3, ?3)",
	[SQL_STREAM_MOVE] = "UPDATE audit_stream SET next_seq = ?2,"
	    " state = ?3, last_contact = ?4, end_reason = ?5"
	    " WHERE stream_id = ?1",
	[SQL_STREAM_SILENT] = "SELECT stream_id FROM audit_stream"
	    " WHERE state = 1 AND last_contact < ?1 LIMIT ?2",
	[SQL_STREAM_COUNT] = "SELECT count(*) FROM audit_stream"
	    " WHERE state = ?1",
	[SQL_GAP_ADD] = "INSERT INTO audit_gap (stream_id, first_seq,"
	    " last_seq, proxy, reason, noticed_at)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
	[SQL_QUARANTINE_ADD] = "INSERT INTO audit_quarantine (stream_id, seq,"
	    " proxy, reason, received_at, body)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
	[SQL_EVENT_ADD] = "INSERT INTO telemetry_event (at, id, severity,"
	    " category, event, message, component, instance, details,"
	    " suppressed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
	    " ON CONFLICT DO NOTHING",
	/* Before the first that is not too old, and before the first of the
	 * newest ?2: what goes is one range of the key. */
	[SQL_EVENT_TRIM] = "DELETE FROM telemetry_event WHERE (at, id) IN"
	    " (SELECT at, id FROM telemetry_event WHERE (at, id) <"
	    " (SELECT at, id FROM (SELECT ?1 AS at, x'' AS id UNION ALL"
	    " SELECT * FROM (SELECT at, id FROM telemetry_event"
	    " ORDER BY at DESC, id DESC LIMIT 1 OFFSET ?2 - 1))"
	    " ORDER BY at DESC, id DESC LIMIT 1) ORDER BY at, id LIMIT ?3)",
	[SQL_OLD_SESSIONS] = OLD("session", "started_at, id",
	    "started_at < ?1"),
	[SQL_OLD_ROLLUPS] = OLD("rollup_hour", "dimension, hour, key",
	    "hour < ?1"),
	[SQL_OLD_GAPS] = OLD("audit_gap", "stream_id, first_seq",
	    "noticed_at < ?1"),
	[SQL_OLD_QUARANTINE] = OLD("audit_quarantine", "stream_id, seq",
	    "received_at < ?1"),
	[SQL_OLD_STREAMS] = OLD("audit_stream", "stream_id",
	    "state <> 1 AND last_contact < ?1"),
	[SQL_ACTIVE_OWNER] = "SELECT stream_id = ?2 FROM session_active"
	    " WHERE id = ?1",
	[SQL_ACTIVE_DELETE] = "DELETE FROM session_active WHERE id = ?1",
};
/* clang-format on */

static struct store_sqlite *
of(struct store *s)
{
	return container_of(s, struct store_sqlite, store);
}

enum store_result
store_sqlite_result(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE: return STORE_OK;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return STORE_BUSY;
	case SQLITE_FULL: return STORE_FULL;
	case SQLITE_IOERR: return STORE_IO;
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM: return STORE_READONLY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return STORE_CORRUPT;
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
	case SQLITE_TOOBIG: return STORE_POISON;
	default: return STORE_FAULT;
	}
}

enum store_result
store_sqlite_run(sqlite3_stmt *st)
{
	int r = sqlite3_step(st);

	sqlite3_reset(st);
	return r == SQLITE_DONE ? STORE_OK : store_sqlite_result(r);
}

/* Binds what most statements begin with. */
static sqlite3_stmt *
on_stream(struct store_sqlite *s, enum sqlite_statement which,
    const struct id *stream)
{
	sqlite3_stmt *st = s->statements[which];

	sqlite3_bind_blob(st, 1, stream, sizeof(*stream), SQLITE_STATIC);
	return st;
}

static void
bind_str(sqlite3_stmt *st, int at, struct str s)
{
	sqlite3_bind_text(
	    st, at, s.len > 0 ? s.ptr : "", (int)s.len, SQLITE_STATIC);
}

static void
bind_str_or_null(sqlite3_stmt *st, int at, struct str s)
{
	if (s.len > 0)
		bind_str(st, at, s);
	else
		sqlite3_bind_null(st, at);
}

static void
bind_u64(sqlite3_stmt *st, int at, uint64_t v)
{
	sqlite3_bind_int64(st, at, (sqlite3_int64)v);
}

static enum store_result
begin(struct store *store)
{
	struct store_sqlite *s = of(store);
	int moved = 0;

	/* Rows written to a file that was taken away would be lost. */
	sqlite3_file_control(s->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	s->moved = moved != 0;
	if (s->moved)
		return STORE_IO;
	return store_sqlite_run(s->statements[SQL_BEGIN]);
}

static enum store_result
commit(struct store *s)
{
	return store_sqlite_run(of(s)->statements[SQL_COMMIT]);
}

static void
rollback(struct store *store)
{
	struct store_sqlite *s = of(store);

	/* Some errors have rolled back already. */
	if (!sqlite3_get_autocommit(s->db))
		(void)store_sqlite_run(s->statements[SQL_ROLLBACK]);
}

static enum store_result
lock_stream(struct store_sqlite *s, struct store_stream *st, uint64_t now_us)
{
	sqlite3_stmt *get = on_stream(s, SQL_STREAM_GET, &st->id);
	sqlite3_stmt *add;
	int r = sqlite3_step(get);
	struct str proxy;
	bool fits = true;

	st->end_reason = (struct str){ 0 };
	if (r == SQLITE_ROW) {
		proxy.ptr = (const char *)sqlite3_column_text(get, 0);
		proxy.len = (size_t)sqlite3_column_bytes(get, 0);
		fits = str_copy(st->proxy, sizeof(st->proxy), proxy);
		st->next_seq = (uint64_t)sqlite3_column_int64(get, 1);
		st->state = (enum store_stream_state)sqlite3_column_int(get, 2);
		st->last_contact_us = (uint64_t)sqlite3_column_int64(get, 3);
	}
	sqlite3_reset(get);
	if (r == SQLITE_ROW)
		return fits ? STORE_OK : STORE_CORRUPT;
	if (r != SQLITE_DONE)
		return store_sqlite_result(r);
	st->next_seq = 1;
	st->state = STREAM_LIVE;
	st->last_contact_us = now_us;
	add = on_stream(s, SQL_STREAM_ADD, &st->id);
	bind_str(add, 2, str_from(st->proxy));
	bind_u64(add, 3, now_us);
	return store_sqlite_run(add);
}

static enum store_result
lock_streams(struct store *s, struct store_stream *const *streams, size_t n,
    uint64_t now_us)
{
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < n && r == STORE_OK; i++)
		r = lock_stream(of(s), streams[i], now_us);
	return r;
}

static enum store_result
move_stream(struct store *s, const struct store_stream *st)
{
	sqlite3_stmt *q = on_stream(of(s), SQL_STREAM_MOVE, &st->id);

	bind_u64(q, 2, st->next_seq);
	sqlite3_bind_int(q, 3, (int)st->state);
	bind_u64(q, 4, st->last_contact_us);
	bind_str_or_null(q, 5, st->end_reason);
	return store_sqlite_run(q);
}

static enum store_result
add_gap(struct store *s, const struct store_gap *g)
{
	sqlite3_stmt *q = on_stream(of(s), SQL_GAP_ADD, &g->stream);

	bind_u64(q, 2, g->first_seq);
	bind_u64(q, 3, g->last_seq);
	bind_str(q, 4, g->proxy);
	bind_str(q, 5, g->reason);
	bind_u64(q, 6, g->noticed_us);
	return store_sqlite_run(q);
}

static enum store_result
add_quarantine(struct store *s, const struct store_quarantine *w)
{
	sqlite3_stmt *q = on_stream(of(s), SQL_QUARANTINE_ADD, &w->stream);

	bind_u64(q, 2, w->seq);
	bind_str(q, 3, w->proxy);
	bind_str(q, 4, w->reason);
	bind_u64(q, 5, w->received_us);
	sqlite3_bind_blob(q, 6, w->body.len > 0 ? w->body.ptr : "",
	    (int)w->body.len, SQLITE_STATIC);
	return store_sqlite_run(q);
}

static enum store_result
add_event(struct store *s, const struct store_event *e)
{
	sqlite3_stmt *q = of(s)->statements[SQL_EVENT_ADD];

	bind_u64(q, 1, e->at_us);
	sqlite3_bind_blob(q, 2, &e->id, sizeof(e->id), SQLITE_STATIC);
	bind_u64(q, 3, e->severity);
	bind_str(q, 4, e->category);
	bind_str(q, 5, e->event);
	bind_str_or_null(q, 6, e->message);
	bind_str(q, 7, e->component);
	bind_str(q, 8, e->instance);
	bind_str_or_null(q, 9, e->details);
	bind_u64(q, 10, e->suppressed);
	return store_sqlite_run(q);
}

static enum store_result
trim_events(struct store *s, uint64_t before_us, uint64_t most, unsigned max,
    uint64_t *deleted, bool *more)
{
	sqlite3_stmt *q = of(s)->statements[SQL_EVENT_TRIM];
	enum store_result r;

	bind_u64(q, 1, before_us);
	bind_u64(q, 2, most);
	sqlite3_bind_int64(q, 3, max);
	r = store_sqlite_run(q);
	*deleted = r == STORE_OK ? (uint64_t)sqlite3_changes(of(s)->db) : 0;
	*more = *deleted == max;
	return r;
}

static enum store_result
silent_streams(
    struct store *s, uint64_t before_us, struct id *out, size_t max, size_t *n)
{
	sqlite3_stmt *q = of(s)->statements[SQL_STREAM_SILENT];
	int r;

	*n = 0;
	bind_u64(q, 1, before_us);
	bind_u64(q, 2, max);
	while ((r = sqlite3_step(q)) == SQLITE_ROW && *n < max) {
		if (sqlite3_column_bytes(q, 0) == sizeof(*out))
			memcpy(&out[(*n)++], sqlite3_column_blob(q, 0),
			    sizeof(*out));
	}
	sqlite3_reset(q);
	return r == SQLITE_DONE ? STORE_OK : store_sqlite_result(r);
}

static enum store_result
count_streams(struct store *s, enum store_stream_state state, uint64_t *n)
{
	sqlite3_stmt *q = of(s)->statements[SQL_STREAM_COUNT];
	int r;

	sqlite3_bind_int(q, 1, (int)state);
	r = sqlite3_step(q);
	*n = r == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(q, 0) : 0;
	sqlite3_reset(q);
	return store_sqlite_result(r);
}

static enum store_result
delete_old(struct store *s, enum store_history what, uint64_t before_us,
    unsigned max, uint64_t *deleted, bool *more)
{
	static const enum sqlite_statement which[HISTORIES] = {
		[HISTORY_SESSIONS] = SQL_OLD_SESSIONS,
		[HISTORY_ROLLUPS] = SQL_OLD_ROLLUPS,
		[HISTORY_GAPS] = SQL_OLD_GAPS,
		[HISTORY_QUARANTINE] = SQL_OLD_QUARANTINE,
		[HISTORY_STREAMS] = SQL_OLD_STREAMS,
	};
	sqlite3_stmt *q = of(s)->statements[which[what]];
	enum store_result r;

	bind_u64(q, 1, before_us);
	sqlite3_bind_int64(q, 2, max);
	r = store_sqlite_run(q);
	*deleted = r == STORE_OK ? (uint64_t)sqlite3_changes(of(s)->db) : 0;
	*more = *deleted == max;
	return r;
}

static enum store_result
tidy(struct store *s)
{
	return store_sqlite_result(sqlite3_exec(
	    of(s)->db, "PRAGMA incremental_vacuum(1000)", NULL, NULL, NULL));
}

/* There is room for any day. */
static enum store_result
look_ahead(struct store *s, uint64_t *stray)
{
	(void)s;
	*stray = 0;
	return STORE_OK;
}

static const char *
message(const struct store *store)
{
	const struct store_sqlite *s =
	    container_of(store, const struct store_sqlite, store);

	return s->moved ? "the database file was moved or removed: put it "
			  "back, or restart sessiond to begin a new one"
			: sqlite3_errmsg(s->db);
}

const struct store_ops store_sqlite_ops = {
	.backend = "sqlite",
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.lock_streams = lock_streams,
	.move_stream = move_stream,
	.put_active = store_sqlite_put_active,
	.add_sessions = store_sqlite_add_sessions,
	.each_active = store_sqlite_each_active,
	.add_rollups = store_sqlite_add_rollups,
	.add_gap = add_gap,
	.add_quarantine = add_quarantine,
	.add_event = add_event,
	.trim_events = trim_events,
	.silent_streams = silent_streams,
	.count_streams = count_streams,
	.delete_old = delete_old,
	.tidy = tidy,
	.look_ahead = look_ahead,
	.message = message,
	.close = store_sqlite_close,
};
