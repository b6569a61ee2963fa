/* SPDX-License-Identifier: MIT */
#include "sessiond/store_pg.h"

#include <string.h>

#include "base/clock.h"

/* Partitions are made for this many days, besides today. */
#define DAYS_AHEAD     7
#define AHEAD_EVERY_MS (60 * 60 * 1000)

static struct store_pg *
of(struct store *s)
{
	return container_of(s, struct store_pg, store);
}

enum store_result
store_pg_result(struct store_pg *s, enum pg_status r)
{
	static const enum store_result results[PG_STATUSES] = {
		[PG_OK] = STORE_OK,
		[PG_POISON] = STORE_POISON,
		[PG_BUSY] = STORE_BUSY,
		[PG_FULL] = STORE_FULL,
		[PG_IO] = STORE_IO,
		[PG_READONLY] = STORE_READONLY,
		[PG_CORRUPT] = STORE_CORRUPT,
		[PG_DENIED] = STORE_FAULT,
		[PG_AWAY] = STORE_AWAY,
		[PG_FAULT] = STORE_FAULT,
	};

	if (r == PG_OK)
		return STORE_OK;
	err_set(&s->err, "%s", pg_message(s->pg));
	/* Another connection may lead to another server, or find the tables
	 * as they are by then. */
	if (r != PG_POISON && r != PG_BUSY && r != PG_FULL)
		pg_disconnect(s->pg);
	return results[r];
}

/* Queues a statement that gives nothing, with the parameters put so far. */
static enum store_result
queue(struct store_pg *s, const struct pg_statement *st)
{
	return store_pg_result(s, pg_send(s->pg, st, &s->params));
}

enum store_result
store_pg_ask(
    struct store_pg *s, const struct pg_statement *st, struct pg_rows *rows)
{
	enum store_result r = queue(s, st);

	while (r == STORE_OK && pg_queued(s->pg) > 1)
		r = store_pg_result(s, pg_next(s->pg, NULL));
	return r == STORE_OK ? store_pg_result(s, pg_next(s->pg, rows)) : r;
}

static struct pg_params *
fresh(struct store_pg *s)
{
	pg_params_clear(&s->params);
	return &s->params;
}

static enum store_result
begin(struct store *store)
{
	static const struct pg_statement st = { "begin",
		"BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE" };
	struct store_pg *s = of(store);
	enum store_result r = store_pg_ready(s);

	fresh(s);
	return r == STORE_OK ? queue(s, &st) : r;
}

static enum store_result
commit(struct store *store)
{
	static const struct pg_statement st = { "commit", "COMMIT" };
	struct store_pg *s = of(store);
	struct pg_rows rows;
	enum pg_status r = PG_OK;

	fresh(s);
	if (queue(s, &st) != STORE_OK)
		return STORE_AWAY;
	while (r == PG_OK && pg_queued(s->pg) > 1)
		r = pg_next(s->pg, NULL);
	if (r == PG_OK)
		r = pg_next(s->pg, &rows);
	if (r != PG_OK)
		return store_pg_result(s, r);
	/* A transaction that had failed ends with COMMIT, too. */
	if (strcmp(rows.tag, "COMMIT") != 0)
		r = PG_FAULT;
	pg_rows_fini(&rows);
	if (r == PG_OK)
		return STORE_OK;
	err_set(&s->err, "the transaction had failed before its commit");
	pg_disconnect(s->pg);
	return STORE_FAULT;
}

static void
rollback(struct store *store)
{
	static const struct pg_statement st = { "rollback", "ROLLBACK" };
	struct store_pg *s = of(store);

	if (!pg_is_connected(s->pg))
		return;
	(void)!pg_drain(s->pg);
	if (!pg_is_connected(s->pg) ||
	    pg_query(s->pg, &st, NULL, NULL) != PG_OK)
		pg_disconnect(s->pg);
}

static void
put_streams(struct store_pg *s, struct store_stream *const *streams, size_t n)
{
	struct pg_params *p = fresh(s);

	pg_array_begin(p, PG_UUID);
	for (size_t i = 0; i < n; i++)
		pg_put_uuid(p, streams[i]->id.b);
	pg_array_end(p);
}

static bool
read_stream(struct pg_rows *rows, size_t row, struct store_stream *st)
{
	struct id id;

	pg_uuid(rows, row, 0, id.b);
	if (!id_eq(&id, &st->id) ||
	    !str_copy(st->proxy, sizeof(st->proxy), pg_str(rows, row, 1)))
		return false;
	st->next_seq = (uint64_t)pg_int(rows, row, 2);
	st->state = (enum store_stream_state)pg_int(rows, row, 3);
	st->last_contact_us = pg_time(rows, row, 4);
	st->end_reason = (struct str){ 0 };
	return !rows->bad;
}

static enum store_result
lock_streams(struct store *store, struct store_stream *const *streams, size_t n,
    uint64_t now_us)
{
	static const struct pg_statement get = { "stream_get",
		"SELECT stream_id, proxy, next_seq, state, last_contact "
		"FROM sallyport.audit_stream WHERE stream_id = ANY "
		"($1::uuid[]) ORDER BY stream_id FOR UPDATE" };
	static const struct pg_statement add = { "stream_add",
		"INSERT INTO sallyport.audit_stream (stream_id, proxy, "
		"next_seq, state, opened_at, last_contact) "
		"SELECT id, proxy, 1, 1, $3::timestamptz, $3::timestamptz "
		"FROM unnest($1::uuid[], $2::text[]) u(id, proxy) "
		"ON CONFLICT DO NOTHING" };
	struct store_pg *s = of(store);
	struct pg_params *p = &s->params;
	struct pg_rows rows = { 0 };
	enum store_result r;

	put_streams(s, streams, n);
	pg_array_begin(p, PG_TEXT);
	for (size_t i = 0; i < n; i++)
		pg_put_str(p, str_from(streams[i]->proxy));
	pg_array_end(p);
	pg_put_time(p, now_us);
	r = queue(s, &add);
	put_streams(s, streams, n);
	if (r == STORE_OK)
		r = store_pg_ask(s, &get, &rows);
	if (r != STORE_OK)
		return r;
	for (size_t i = 0; i < n && r == STORE_OK; i++) {
		if (rows.n != n || !read_stream(&rows, i, streams[i]))
			r = STORE_CORRUPT;
	}
	pg_rows_fini(&rows);
	if (r != STORE_OK)
		err_set(&s->err, "audit_stream: a row is not as expected");
	return r;
}

static void
put_str_or_null(struct pg_params *p, struct str s)
{
	if (s.len > 0)
		pg_put_str(p, s);
	else
		pg_put_null(p);
}

static enum store_result
move_stream(struct store *store, const struct store_stream *st)
{
	static const struct pg_statement move = { "stream_move",
		"UPDATE sallyport.audit_stream SET next_seq = $2::int8, "
		"state = $3::int2, last_contact = $4::timestamptz, "
		"end_reason = $5::text WHERE stream_id = $1::uuid" };
	struct store_pg *s = of(store);
	struct pg_params *p = fresh(s);

	pg_put_uuid(p, st->id.b);
	pg_put_int8(p, (int64_t)st->next_seq);
	pg_put_int2(p, (int16_t)st->state);
	pg_put_time(p, st->last_contact_us);
	put_str_or_null(p, st->end_reason);
	return queue(s, &move);
}

static enum store_result
add_gap(struct store *store, const struct store_gap *g)
{
	static const struct pg_statement add = { "gap_add",
		"INSERT INTO sallyport.audit_gap (stream_id, first_seq, "
		"last_seq, proxy, reason, noticed_at) VALUES ($1::uuid, "
		"$2::int8, $3::int8, $4::text, $5::text, $6::timestamptz) "
		"ON CONFLICT DO NOTHING" };
	struct store_pg *s = of(store);
	struct pg_params *p = fresh(s);

	pg_put_uuid(p, g->stream.b);
	pg_put_int8(p, (int64_t)g->first_seq);
	pg_put_int8(p, (int64_t)g->last_seq);
	pg_put_str(p, g->proxy);
	pg_put_str(p, g->reason);
	pg_put_time(p, g->noticed_us);
	return queue(s, &add);
}

static enum store_result
add_quarantine(struct store *store, const struct store_quarantine *q)
{
	static const struct pg_statement add = { "quarantine_add",
		"INSERT INTO sallyport.audit_quarantine (stream_id, seq, "
		"proxy, reason, received_at, body) VALUES ($1::uuid, "
		"$2::int8, $3::text, $4::text, $5::timestamptz, $6::bytea) "
		"ON CONFLICT DO NOTHING" };
	struct store_pg *s = of(store);
	struct pg_params *p = fresh(s);

	pg_put_uuid(p, q->stream.b);
	pg_put_int8(p, (int64_t)q->seq);
	pg_put_str(p, q->proxy);
	pg_put_str(p, q->reason);
	pg_put_time(p, q->received_us);
	pg_put_str(p, q->body);
	return queue(s, &add);
}

static enum store_result
add_event(struct store *store, const struct store_event *e)
{
	static const struct pg_statement add = { "event_add",
		"INSERT INTO sallyport.telemetry_event (at, id, severity, "
		"category, event, message, component, instance, details, "
		"suppressed) VALUES ($1::timestamptz, $2::uuid, $3::int2, "
		"$4::text, $5::text, $6::text, $7::text, $8::text, $9::text, "
		"$10::int8) ON CONFLICT DO NOTHING" };
	struct store_pg *s = of(store);
	struct pg_params *p = fresh(s);

	pg_put_time(p, e->at_us);
	pg_put_uuid(p, e->id.b);
	pg_put_int2(p, (int16_t)e->severity);
	pg_put_str(p, e->category);
	pg_put_str(p, e->event);
	put_str_or_null(p, e->message);
	pg_put_str(p, e->component);
	pg_put_str(p, e->instance);
	put_str_or_null(p, e->details);
	pg_put_int8(p, (int64_t)e->suppressed);
	return queue(s, &add);
}

/* Before the first that is not too old, and before the first of the newest $2:
 * what goes is one range of the key. */
static enum store_result
trim_events(struct store *store, uint64_t before_us, uint64_t most,
    unsigned max, uint64_t *deleted, bool *more)
{
	static const struct pg_statement trim = { "event_trim",
		"DELETE FROM sallyport.telemetry_event WHERE ctid = ANY (ARRAY("
		"SELECT ctid FROM sallyport.telemetry_event WHERE (at, id) < "
		"(SELECT at, id FROM (SELECT $1::timestamptz AS at, "
		"'00000000-0000-0000-0000-000000000000'::uuid AS id UNION ALL "
		"(SELECT at, id FROM sallyport.telemetry_event "
		"ORDER BY at DESC, id DESC LIMIT 1 OFFSET $2::int8 - 1)) e "
		"ORDER BY at DESC, id DESC LIMIT 1) "
		"ORDER BY at, id LIMIT $3::int8))" };
	struct store_pg *s = of(store);
	struct pg_params *p = fresh(s);
	struct pg_rows rows;
	enum store_result r;

	*deleted = 0;
	*more = false;
	pg_put_time(p, before_us);
	pg_put_int8(p, (int64_t)most);
	pg_put_int8(p, max);
	r = store_pg_ask(s, &trim, &rows);
	if (r != STORE_OK)
		return r;
	*deleted = rows.affected;
	*more = rows.affected == max;
	pg_rows_fini(&rows);
	return STORE_OK;
}

static enum store_result
silent_streams(struct store *store, uint64_t before_us, struct id *out,
    size_t max, size_t *n)
{
	static const struct pg_statement silent = { "stream_silent",
		"SELECT stream_id FROM sallyport.audit_stream WHERE state = 1 "
		"AND last_contact < $1::timestamptz LIMIT $2::int8" };
	struct store_pg *s = of(store);
	enum store_result r = store_pg_ready(s);
	struct pg_params *p = fresh(s);
	struct pg_rows rows;

	*n = 0;
	pg_put_time(p, before_us);
	pg_put_int8(p, (int64_t)max);
	if (r == STORE_OK)
		r = store_pg_ask(s, &silent, &rows);
	if (r != STORE_OK)
		return r;
	for (; *n < rows.n && *n < max; ++*n)
		pg_uuid(&rows, *n, 0, out[*n].b);
	pg_rows_fini(&rows);
	return STORE_OK;
}

static enum store_result
count_streams(struct store *store, enum store_stream_state state, uint64_t *n)
{
	static const struct pg_statement count = { "stream_count",
		"SELECT count(*) FROM sallyport.audit_stream "
		"WHERE state = $1::int2" };
	struct store_pg *s = of(store);
	enum store_result r = store_pg_ready(s);
	struct pg_rows rows;

	*n = 0;
	pg_put_int2(fresh(s), (int16_t)state);
	if (r == STORE_OK)
		r = store_pg_ask(s, &count, &rows);
	if (r != STORE_OK)
		return r;
	*n = (uint64_t)pg_int(&rows, 0, 0);
	pg_rows_fini(&rows);
	return STORE_OK;
}

#define OLD(table, when)                                                       \
	"DELETE FROM sallyport." table " WHERE ctid = ANY (ARRAY(SELECT "      \
	"ctid FROM sallyport." table " WHERE " when                            \
	" < $1::timestamptz LIMIT $2::int8))"

static enum store_result
drop_sessions(
    struct store_pg *s, uint64_t before_us, uint64_t *deleted, bool *more)
{
	static const struct pg_statement drop = { "sessions_drop",
		"SELECT sallyport.session_partition_drop($1::timestamptz)" };
	struct pg_rows rows;
	enum store_result r;

	pg_put_time(fresh(s), before_us);
	r = store_pg_ask(s, &drop, &rows);
	if (r != STORE_OK)
		return r;
	*more = !pg_is_null(&rows, 0, 0);
	if (*more)
		*deleted = (uint64_t)pg_int(&rows, 0, 0);
	pg_rows_fini(&rows);
	return STORE_OK;
}

static enum store_result
delete_old(struct store *store, enum store_history what, uint64_t before_us,
    unsigned max, uint64_t *deleted, bool *more)
{
	static const struct pg_statement which[HISTORIES] = {
		[HISTORY_ROLLUPS] = { "old_rollups",
		    OLD("rollup_hour", "hour") },
		[HISTORY_GAPS] = { "old_gaps", OLD("audit_gap", "noticed_at") },
		[HISTORY_QUARANTINE] = { "old_quarantine",
		    OLD("audit_quarantine", "received_at") },
		[HISTORY_STREAMS] = { "old_streams",
		    OLD("audit_stream", "state <> 1 AND last_contact") },
	};
	struct store_pg *s = of(store);
	struct pg_params *p = fresh(s);
	struct pg_rows rows;
	enum store_result r;

	*deleted = 0;
	*more = false;
	if (what == HISTORY_SESSIONS)
		return drop_sessions(s, before_us, deleted, more);
	pg_put_time(p, before_us);
	pg_put_int8(p, max);
	r = store_pg_ask(s, &which[what], &rows);
	if (r != STORE_OK)
		return r;
	*deleted = rows.affected;
	*more = rows.affected == max;
	pg_rows_fini(&rows);
	return STORE_OK;
}

/* The server does it by itself. */
static enum store_result
tidy(struct store *s)
{
	(void)s;
	return STORE_OK;
}

static enum store_result
make_partitions(struct store_pg *s)
{
	static const struct pg_statement make = { "partitions_make",
		"SELECT sallyport.session_partitions_make($1::int4)" };
	uint64_t now = clock_mono_ms();
	struct pg_rows rows;
	enum store_result r;

	if (s->ahead_ms != 0 && now - s->ahead_ms < AHEAD_EVERY_MS)
		return STORE_OK;
	pg_put_int4(fresh(s), DAYS_AHEAD);
	r = store_pg_ask(s, &make, &rows);
	if (r != STORE_OK)
		return r;
	pg_rows_fini(&rows);
	s->ahead_ms = now;
	return STORE_OK;
}

static enum store_result
look_ahead(struct store *store, uint64_t *stray)
{
	static const struct pg_statement count = { "stray_count",
		"SELECT count(*) FROM (SELECT FROM sallyport.session_default "
		"LIMIT 10000) AS s" };
	struct store_pg *s = of(store);
	enum store_result r = store_pg_ready(s);
	struct pg_rows rows;

	*stray = 0;
	if (r == STORE_OK)
		r = make_partitions(s);
	fresh(s);
	if (r == STORE_OK)
		r = store_pg_ask(s, &count, &rows);
	if (r != STORE_OK)
		return r;
	*stray = (uint64_t)pg_int(&rows, 0, 0);
	pg_rows_fini(&rows);
	return STORE_OK;
}

static const char *
message(const struct store *s)
{
	return container_of(s, const struct store_pg, store)->err.text;
}

const struct store_ops store_pg_ops = {
	.backend = "postgresql",
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.lock_streams = lock_streams,
	.move_stream = move_stream,
	.put_active = store_pg_put_active,
	.add_sessions = store_pg_add_sessions,
	.each_active = store_pg_each_active,
	.add_rollups = store_pg_add_rollups,
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
	.close = store_pg_close,
};
