/* SPDX-License-Identifier: MIT */
#include "apid/query_pg.h"

/* Sums beyond what an integer holds stop there, where SQLite's stop. */
#define CLAMP(x) "least(coalesce(" x ", 0), 9223372036854774784)::int8"
#define SUM(x) CLAMP("sum(" x ")")
#define COUNT(condition) "count(*) FILTER (WHERE " condition ")"

/* All columns of struct query_sum that the rollups have. */
static const struct pg_statement ended_sql = { "apid_sum_ended",
    "SELECT " SUM("sessions") ", " SUM("closed") ", " SUM("failed") ", "
    SUM("rejected") ", " SUM("allowed") ", " SUM("blocked") ", "
    SUM("redirected") ", " SUM("bytes_up") ", " SUM("bytes_down")
    " FROM sallyport.rollup_hour"
    " WHERE dimension = 0 AND hour >= $1::timestamptz" };

/* 1, 2, 3: DECISION_ALLOW, DECISION_BLOCK, DECISION_REDIRECT. */
static const struct pg_statement active_sql = { "apid_sum_active",
    "SELECT count(*), " COUNT("acl_decision = 1") ", "
    COUNT("acl_decision = 2") ", " COUNT("acl_decision = 3") ", "
    SUM("bytes_up") ", " SUM("bytes_down")
    " FROM sallyport.session_active WHERE started_at >= $1::timestamptz" };

#define TOP(dimension, key)                                                 \
    "SELECT key, " SUM("n") ", " SUM("up") ", " SUM("down")                 \
    " FROM (SELECT key, sessions AS n, bytes_up AS up, bytes_down AS down"  \
    " FROM sallyport.rollup_hour WHERE dimension = " dimension              \
    " AND hour >= $1::timestamptz"                                          \
    " UNION ALL SELECT " key ", 1, bytes_up, bytes_down"                    \
    " FROM sallyport.session_active WHERE started_at >= $1::timestamptz) u" \
    " WHERE key IS NOT NULL GROUP BY key ORDER BY " SUM("n") " DESC, "      \
    CLAMP("sum(up)") "::numeric + " CLAMP("sum(down)")                      \
    " DESC, key COLLATE \"C\" LIMIT $2::int8"

static const struct pg_statement users_sql = { "apid_top_users",
    TOP("1", "username") };
static const struct pg_statement destinations_sql = { "apid_top_destinations",
    TOP("2", "coalesce(dest_host, host(dest_ip))") };

/* 4: by reason, 5: by duration. */
static const struct pg_statement parts_sql = { "apid_parts",
    "SELECT dimension, key, " SUM("sessions") ", " SUM("closed") ", "
    SUM("failed") ", " SUM("rejected") ", " SUM("duration_us")
    " FROM sallyport.rollup_hour WHERE dimension IN (4, 5)"
    " GROUP BY dimension, key" };

static const struct pg_statement streams_sql = { "apid_streams",
    "SELECT coalesce(max(last_contact), to_timestamp(0)), "
    COUNT("state = 1 AND last_contact >= $1::timestamptz") ", "
    COUNT("state = 1 AND last_contact < $1::timestamptz")
    " FROM sallyport.audit_stream" };

/* It may have moved on since this connection began. */
static const struct pg_statement schema_sql = { "apid_schema",
    "SELECT max(number)::int8 FROM sallyport.schema_migration" };

static void
send_since(struct query_pg *q, const struct pg_statement *st, uint64_t since)
{
	pg_put_time(&q->params, since < INT64_MAX ? since : INT64_MAX);
	query_pg_send(q, st);
}

static uint64_t
number_at(struct pg_rows *rows, size_t row, unsigned column)
{
	int64_t v = pg_int(rows, row, column);

	return v < 0 ? 0 : (uint64_t)v;
}

/* The one row of numbers of the next result. */
static enum query_result
numbers(struct query_pg *q, uint64_t *out, unsigned n)
{
	struct pg_rows rows;
	enum query_result r = query_pg_next(q, &rows);

	if (r != QUERY_OK)
		return r;
	for (unsigned i = 0; i < n; i++)
		out[i] = number_at(&rows, 0, i);
	return query_pg_done(q, &rows);
}

static void
send_sum(struct query_pg *q, uint64_t since)
{
	send_since(q, &ended_sql, since);
	send_since(q, &active_sql, since);
}

static enum query_result
take_sum(struct query_pg *q, struct query_sum *out)
{
	uint64_t e[9], a[6];
	enum query_result r = numbers(q, e, 9);

	if (r == QUERY_OK)
		r = numbers(q, a, 6);
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

/* ---- stats ---- */

static void
send_top(struct query_pg *q, const struct pg_statement *st, uint64_t since)
{
	pg_put_time(&q->params, since);
	pg_put_int8(&q->params, QUERY_TOP);
	query_pg_send(q, st);
}

static void
read_top(struct pg_rows *rows, size_t i, struct query_top *out)
{
	struct text key = text_on(out->key, sizeof(out->key));

	text_str(&key, pg_str(rows, i, 0));
	out->sessions = number_at(rows, i, 1);
	out->bytes_up = number_at(rows, i, 2);
	out->bytes_down = number_at(rows, i, 3);
}

static enum query_result
take_top(struct query_pg *q, struct query_top *out, size_t *n)
{
	struct pg_rows rows;
	enum query_result r = query_pg_next(q, &rows);

	if (r != QUERY_OK)
		return r;
	for (*n = 0; *n < rows.n && *n < QUERY_TOP; (*n)++)
		read_top(&rows, *n, &out[*n]);
	return query_pg_done(q, &rows);
}

struct stats_question {
	uint64_t since_us, today_us;
	struct query_stats *out;
};

static enum query_result
ask_stats(struct query_pg *q, void *arg)
{
	const struct stats_question *s = arg;
	struct query_stats *out = s->out;
	enum query_result r;

	send_sum(q, s->since_us);
	send_sum(q, s->today_us);
	send_since(q, &active_sql, 0);
	send_top(q, &users_sql, s->since_us);
	send_top(q, &destinations_sql, s->since_us);
	query_pg_commit(q);
	if ((r = take_sum(q, &out->window)) == QUERY_OK &&
	    (r = take_sum(q, &out->today)) == QUERY_OK &&
	    (r = numbers(q, &out->active, 1)) == QUERY_OK &&
	    (r = take_top(q, out->users, &out->n_users)) == QUERY_OK)
		r = take_top(q, out->destinations, &out->n_destinations);
	return r;
}

enum query_result
query_pg_stats(struct query *base, uint64_t since_us, uint64_t today_us,
    struct query_stats *out)
{
	struct stats_question s = { since_us, today_us, out };

	return query_pg_ask(query_pg_of(base), ask_stats, &s);
}

/* ---- totals ---- */

static void
read_part(struct pg_rows *rows, size_t i, struct query_totals *out)
{
	struct str key = pg_str(rows, i, 1);
	uint64_t n[STATUS_REJECTED + 1];

	for (unsigned s = 0; s <= STATUS_REJECTED; s++)
		n[s] = number_at(rows, i, 2 + s);
	if (pg_int(rows, i, 0) == 4)
		query_add_reason(out, key, n);
	else
		query_add_duration(out, key, n[STATUS_NONE],
		    number_at(rows, i, 6));
}

static enum query_result
take_parts(struct query_pg *q, struct query_totals *out)
{
	struct pg_rows rows;
	enum query_result r = query_pg_next(q, &rows);

	if (r != QUERY_OK)
		return r;
	for (size_t i = 0; i < rows.n; i++)
		read_part(&rows, i, out);
	return query_pg_done(q, &rows);
}

static enum query_result
take_streams(struct query_pg *q, struct query_totals *out)
{
	struct pg_rows rows;
	enum query_result r = query_pg_next(q, &rows);

	if (r != QUERY_OK)
		return r;
	out->last_record_us = pg_time(&rows, 0, 0);
	out->streams_live = number_at(&rows, 0, 1);
	out->streams_silent = number_at(&rows, 0, 2);
	return query_pg_done(q, &rows);
}

struct totals_question {
	uint64_t now_us;
	struct query_totals *out;
};

static enum query_result
ask_totals(struct query_pg *q, void *arg)
{
	const struct totals_question *t = arg;
	struct query_totals *out = t->out;
	uint64_t schema = 0;
	enum query_result r;

	*out = (struct query_totals){ 0 };
	send_sum(q, 0);
	query_pg_send(q, &parts_sql);
	send_since(q, &streams_sql, t->now_us > QUERY_SILENT_US ?
	    t->now_us - QUERY_SILENT_US : 0);
	query_pg_send(q, &schema_sql);
	query_pg_commit(q);
	if ((r = take_sum(q, &out->all)) == QUERY_OK &&
	    (r = take_parts(q, out)) == QUERY_OK &&
	    (r = take_streams(q, out)) == QUERY_OK)
		r = numbers(q, &schema, 1);
	if (r == QUERY_OK) {
		out->tried = out->all.sessions - out->all.rejected;
		q->query.schema = (unsigned)schema;
	}
	return r;
}

enum query_result
query_pg_totals(struct query *base, uint64_t now_us,
    struct query_totals *out)
{
	struct totals_question t = { now_us, out };

	return query_pg_ask(query_pg_of(base), ask_totals, &t);
}

/* ---- users ---- */

/* $1: the earlier window, $2: that of the last time, $3: of the next. */
#define IN(window, x) SUM("CASE WHEN hour >= " window " THEN " x " END")
#define LAST "$2::timestamptz"
#define NEXT "$3::timestamptz"

static const struct pg_statement everybody_sql = { "apid_users",
    "SELECT key, " IN(LAST, "n") ", " IN(LAST, "up") ", " IN(LAST, "down")
    ", " IN(NEXT, "n") ", " IN(NEXT, "up") ", " IN(NEXT, "down")
    " FROM (SELECT key, hour, sessions - rejected AS n, bytes_up AS up,"
    " bytes_down AS down FROM sallyport.rollup_hour"
    " WHERE dimension = 1 AND hour >= $1::timestamptz"
    " UNION ALL SELECT username, 'infinity', 1, bytes_up, bytes_down"
    " FROM sallyport.session_active WHERE username IS NOT NULL) u"
    " GROUP BY key ORDER BY " IN(NEXT, "n") " DESC, " IN(NEXT, "up")
    "::numeric + " IN(NEXT, "down") " DESC, key COLLATE \"C\"" };

static const struct pg_statement oldest_sql = { "apid_oldest",
    "SELECT coalesce(min(started_at), $1::timestamptz)"
    " FROM sallyport.session_active" };

static struct query_user_sum
user_sum_at(struct pg_rows *rows, size_t i, unsigned column)
{
	return (struct query_user_sum){
		.sessions = number_at(rows, i, column),
		.bytes_up = number_at(rows, i, column + 1),
		.bytes_down = number_at(rows, i, column + 2),
	};
}

struct users_question {
	uint64_t now_us, *window_us;
	query_user_fn *fn;
	void *arg;
};

static enum query_result
ask_oldest(struct query_pg *q, uint64_t now_us, uint64_t *out)
{
	struct pg_rows rows;
	enum query_result r;

	send_since(q, &oldest_sql, now_us);
	r = query_pg_next(q, &rows);
	if (r != QUERY_OK)
		return r;
	*out = pg_time(&rows, 0, 0);
	return query_pg_done(q, &rows);
}

static enum query_result
take_users(struct query_pg *q, const struct users_question *u)
{
	struct pg_rows rows;
	enum query_result r = query_pg_next(q, &rows);

	if (r != QUERY_OK)
		return r;
	for (size_t i = 0; i < rows.n; i++) {
		const struct query_user user = {
			.name = pg_str(&rows, i, 0),
			.grown = user_sum_at(&rows, i, 1),
			.sum = user_sum_at(&rows, i, 4),
		};

		u->fn(u->arg, &user);
	}
	return query_pg_done(q, &rows);
}

static enum query_result
ask_users(struct query_pg *q, void *arg)
{
	const struct users_question *u = arg;
	uint64_t oldest = 0, last, next;
	enum query_result r = ask_oldest(q, u->now_us, &oldest);

	if (r != QUERY_OK)
		return r;
	next = query_users_window(u->now_us, oldest);
	last = *u->window_us > 0 ? *u->window_us : next;
	pg_put_time(&q->params, last < next ? last : next);
	pg_put_time(&q->params, last);
	pg_put_time(&q->params, next);
	query_pg_send(q, &everybody_sql);
	query_pg_commit(q);
	r = take_users(q, u);
	if (r == QUERY_OK)
		*u->window_us = next;
	return r;
}

enum query_result
query_pg_users(struct query *base, uint64_t now_us, uint64_t *window_us,
    query_user_fn *fn, void *arg)
{
	struct users_question u = { now_us, window_us, fn, arg };

	return query_pg_ask(query_pg_of(base), ask_users, &u);
}
