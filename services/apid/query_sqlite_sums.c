/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "apid/query_sqlite.h"

/* Sums beyond what an integer holds stop there instead of failing. */
#define SUM(x) "CAST(min(total(" x "), 9223372036854774784.0) AS INTEGER)"

/* All columns of struct query_sum that the rollups have. */
static const char ended_sql[] =
    "SELECT " SUM("sessions") ", " SUM("closed") ", " SUM("failed") ", "
    SUM("rejected") ", " SUM("allowed") ", " SUM("blocked") ", "
    SUM("redirected") ", " SUM("bytes_up") ", " SUM("bytes_down")
    " FROM rollup_hour WHERE dimension = 0 AND hour >= ?1";

/* 1, 2, 3: DECISION_ALLOW, DECISION_BLOCK, DECISION_REDIRECT. */
static const char active_sql[] =
    "SELECT count(*), " SUM("acl_decision = 1") ", "
    SUM("acl_decision = 2") ", " SUM("acl_decision = 3") ", "
    SUM("bytes_up") ", " SUM("bytes_down")
    " FROM session_active WHERE started_at >= ?1";

#define TOP(dimension, key)                                                  \
	"SELECT key, " SUM("n") " AS n, " SUM("up") " AS up, " SUM("down")   \
	" AS down FROM (SELECT key, sessions AS n, bytes_up AS up,"          \
	" bytes_down AS down FROM rollup_hour WHERE dimension = " dimension  \
	" AND hour >= ?1 UNION ALL SELECT " key ", 1, bytes_up, bytes_down"  \
	" FROM session_active WHERE started_at >= ?1) WHERE key IS NOT NULL" \
	" GROUP BY key ORDER BY 2 DESC, 3 + 4 DESC, key LIMIT ?2"

static const char users_sql[] = TOP("1", "username");
static const char destinations_sql[] =
    TOP("2", "coalesce(dest_host, addr_text(dest_ip))");

/* 4: by reason, 5: by duration. */
static const char parts_sql[] =
    "SELECT dimension, key, " SUM("sessions") ", " SUM("closed") ", "
    SUM("failed") ", " SUM("rejected") ", " SUM("duration_us")
    " FROM rollup_hour WHERE dimension IN (4, 5) GROUP BY dimension, key";

static const char streams_sql[] =
    "SELECT coalesce(max(last_contact), 0), "
    SUM("state = 1 AND last_contact >= ?1") ", "
    SUM("state = 1 AND last_contact < ?1") " FROM audit_stream";

/* A statement that gives one row of numbers with `since` as ?1. */
static enum query_result
numbers(struct query_sqlite *q, const char *sql, uint64_t since, uint64_t *out,
    int n)
{
	sqlite3_stmt *st = query_sqlite_prepare(q, sql);
	enum query_result r = QUERY_OK;

	if (st == NULL)
		return query_sqlite_fail(q);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)since);
	if (sqlite3_step(st) != SQLITE_ROW)
		r = query_sqlite_fail(q);
	for (int i = 0; r == QUERY_OK && i < n; i++) {
		sqlite3_int64 v = sqlite3_column_int64(st, i);

		out[i] = v < 0 ? 0 : (uint64_t)v;
	}
	sqlite3_finalize(st);
	return r;
}

static enum query_result
sum(struct query_sqlite *q, uint64_t since, struct query_sum *out)
{
	uint64_t e[9] = { 0 }, a[6] = { 0 };
	enum query_result r = numbers(q, ended_sql, since, e, 9);

	if (r == QUERY_OK)
		r = numbers(q, active_sql, since, a, 6);
	if (r != QUERY_OK)
		return r;
	*out = (struct query_sum){
		.sessions = e[0] + a[0],
		.closed = e[1], .failed = e[2], .rejected = e[3],
		.active = a[0],
		.allowed = e[4] + a[1], .blocked = e[5] + a[2],
		.redirected = e[6] + a[3],
		.bytes_up = e[7] + a[4], .bytes_down = e[8] + a[5],
	};
	return QUERY_OK;
}

static struct str
text_at(sqlite3_stmt *st, int column)
{
	const unsigned char *text = sqlite3_column_text(st, column);

	return (struct str){ (const char *)text,
		(size_t)sqlite3_column_bytes(st, column) };
}

static uint64_t
number_at(sqlite3_stmt *st, int column)
{
	return (uint64_t)sqlite3_column_int64(st, column);
}

static void
read_part(sqlite3_stmt *st, struct query_totals *out)
{
	uint64_t n[STATUS_REJECTED + 1];

	for (int i = 0; i <= STATUS_REJECTED; i++)
		n[i] = number_at(st, 2 + i);
	if (sqlite3_column_int(st, 0) == 4)
		query_add_reason(out, text_at(st, 1), n);
	else
		query_add_duration(out, text_at(st, 1), n[STATUS_NONE],
		    number_at(st, 6));
}

/* The sessions that ended, by why and by how long they lasted. */
static enum query_result
parts(struct query_sqlite *q, struct query_totals *out)
{
	sqlite3_stmt *st = query_sqlite_prepare(q, parts_sql);
	enum query_result r = QUERY_OK;
	int step;

	if (st == NULL)
		return query_sqlite_fail(q);
	while ((step = sqlite3_step(st)) == SQLITE_ROW)
		read_part(st, out);
	if (step != SQLITE_DONE)
		r = query_sqlite_fail(q);
	sqlite3_finalize(st);
	return r;
}

static void
read_top(sqlite3_stmt *st, struct query_top *out)
{
	struct text key = text_on(out->key, sizeof(out->key));

	text_str(&key, text_at(st, 0));
	out->sessions = number_at(st, 1);
	out->bytes_up = number_at(st, 2);
	out->bytes_down = number_at(st, 3);
}

static enum query_result
top(struct query_sqlite *q, const char *sql, uint64_t since,
    struct query_top *out, size_t *n)
{
	sqlite3_stmt *st = query_sqlite_prepare(q, sql);
	enum query_result r = QUERY_OK;
	int step;

	if (st == NULL)
		return query_sqlite_fail(q);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)since);
	sqlite3_bind_int(st, 2, QUERY_TOP);
	for (*n = 0; (step = sqlite3_step(st)) == SQLITE_ROW; (*n)++)
		read_top(st, &out[*n]);
	if (step != SQLITE_DONE)
		r = query_sqlite_fail(q);
	sqlite3_finalize(st);
	return r;
}

enum query_result
query_sqlite_stats(struct query *base, uint64_t since_us, uint64_t today_us,
    struct query_stats *out)
{
	struct query_sqlite *q = query_sqlite_of(base);
	enum query_result r = query_sqlite_begin(q);

	if (r != QUERY_OK)
		return r;
	if ((r = sum(q, since_us, &out->window)) == QUERY_OK &&
	    (r = sum(q, today_us, &out->today)) == QUERY_OK &&
	    (r = numbers(q, active_sql, 0, &out->active, 1)) == QUERY_OK &&
	    (r = top(q, users_sql, since_us, out->users, &out->n_users)) ==
	    QUERY_OK)
		r = top(q, destinations_sql, since_us, out->destinations,
		    &out->n_destinations);
	return query_sqlite_end(q, r);
}

enum query_result
query_sqlite_totals(struct query *base, uint64_t now_us,
    struct query_totals *out)
{
	struct query_sqlite *q = query_sqlite_of(base);
	enum query_result r = query_sqlite_begin(q);
	uint64_t streams[3] = { 0 };

	if (r != QUERY_OK)
		return r;
	*out = (struct query_totals){ 0 };
	if ((r = sum(q, 0, &out->all)) == QUERY_OK &&
	    (r = parts(q, out)) == QUERY_OK)
		r = numbers(q, streams_sql, now_us > QUERY_SILENT_US ?
		    now_us - QUERY_SILENT_US : 0, streams, 3);
	if (r == QUERY_OK) {
		out->tried = out->all.sessions - out->all.rejected;
		out->last_record_us = streams[0];
		out->streams_live = streams[1];
		out->streams_silent = streams[2];
	}
	return query_sqlite_end(q, r);
}

/* ---- users ---- */

/* ?1: the earlier window, ?2: that of the last time, ?3: of the next. */
#define IN(window, x) SUM("CASE WHEN hour >= " window " THEN " x " END")

static const char everybody_sql[] =
    "SELECT key, " IN("?2", "n") ", " IN("?2", "up") ", " IN("?2", "down")
    ", " IN("?3", "n") ", " IN("?3", "up") ", " IN("?3", "down")
    " FROM (SELECT key, hour, sessions - rejected AS n, bytes_up AS up,"
    " bytes_down AS down FROM rollup_hour WHERE dimension = 1 AND hour >= ?1"
    " UNION ALL SELECT username, 9223372036854775807, 1, bytes_up, bytes_down"
    " FROM session_active WHERE username IS NOT NULL)"
    " GROUP BY key ORDER BY 5 DESC, 6 + 7 DESC, key";

static const char oldest_sql[] =
    "SELECT coalesce(min(started_at), ?1) FROM session_active";

static struct query_user_sum
user_sum_at(sqlite3_stmt *st, int column)
{
	return (struct query_user_sum){
		.sessions = number_at(st, column),
		.bytes_up = number_at(st, column + 1),
		.bytes_down = number_at(st, column + 2),
	};
}

static enum query_result
everybody(struct query_sqlite *q, uint64_t last, uint64_t next,
    query_user_fn *fn, void *arg)
{
	sqlite3_stmt *st = query_sqlite_prepare(q, everybody_sql);
	enum query_result r = QUERY_OK;
	int step;

	if (st == NULL)
		return query_sqlite_fail(q);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)(last < next ? last : next));
	sqlite3_bind_int64(st, 2, (sqlite3_int64)last);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)next);
	while ((step = sqlite3_step(st)) == SQLITE_ROW) {
		struct query_user u = {
			.name = text_at(st, 0),
			.grown = user_sum_at(st, 1),
			.sum = user_sum_at(st, 4),
		};

		fn(arg, &u);
	}
	if (step != SQLITE_DONE)
		r = query_sqlite_fail(q);
	sqlite3_finalize(st);
	return r;
}

enum query_result
query_sqlite_users(struct query *base, uint64_t now_us, uint64_t *window_us,
    query_user_fn *fn, void *arg)
{
	struct query_sqlite *q = query_sqlite_of(base);
	uint64_t oldest = 0, next;
	enum query_result r = query_sqlite_begin(q);

	if (r != QUERY_OK)
		return r;
	r = numbers(q, oldest_sql, now_us, &oldest, 1);
	if (r == QUERY_OK) {
		next = query_users_window(now_us, oldest);
		r = everybody(q, *window_us > 0 ? *window_us : next, next,
		    fn, arg);
		if (r == QUERY_OK)
			*window_us = next;
	}
	return query_sqlite_end(q, r);
}
