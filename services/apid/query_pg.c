/* SPDX-License-Identifier: MIT */
#include "apid/query_pg.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

struct source {
	struct query_source source;
	struct query_pg_pool *pool;
};

struct query_pg *
query_pg_of(struct query *q)
{
	return container_of(q, struct query_pg, query);
}

/* ---- a question ---- */

static const struct pg_statement begin_sql = { "apid_begin",
	"BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY" };
static const struct pg_statement commit_sql = { "apid_commit", "COMMIT" };

static struct pg *
pg_of(const struct query_pg *q)
{
	return q->connection->pg;
}

static enum query_result
failure(struct query_pg *q)
{
	struct query_source *s = q->query.source;

	if (strcmp(pg_sqlstate(pg_of(q)), "57014") == 0) {
		err_set(&q->query.why, "it took longer than %llu ms",
		    (unsigned long long)atomic_load(&s->timeout_ms));
		return QUERY_TIMEOUT;
	}
	err_set(&q->query.why, "%s", pg_message(pg_of(q)));
	return QUERY_UNAVAILABLE;
}

void
query_pg_send(struct query_pg *q, const struct pg_statement *st)
{
	if (q->failed == PG_OK)
		q->failed = pg_send(pg_of(q), st, &q->params);
	pg_params_clear(&q->params);
}

void
query_pg_commit(struct query_pg *q)
{
	query_pg_send(q, &commit_sql);
}

enum query_result
query_pg_next(struct query_pg *q, struct pg_rows *rows)
{
	if (q->failed == PG_OK && !q->begun) {
		q->failed = pg_next(pg_of(q), NULL);
		q->begun = q->failed == PG_OK;
	}
	if (q->failed == PG_OK)
		q->failed = pg_next(pg_of(q), rows);
	return q->failed == PG_OK ? QUERY_OK : failure(q);
}

enum query_result
query_pg_done(struct query_pg *q, struct pg_rows *rows)
{
	bool bad = rows->bad;

	pg_rows_fini(rows);
	if (!bad)
		return QUERY_OK;
	err_set(&q->query.why, "the database gave a value of another type");
	return QUERY_UNAVAILABLE;
}

/* Leaves the connection as the next one wants it; false: it is broken. */
static bool
finish(struct query_pg *q, enum query_result *r)
{
	enum pg_status s = q->failed;

	if (s == PG_OK && pg_queued(pg_of(q)) > 0)
		s = q->failed = pg_drain(pg_of(q));
	if (s == PG_OK)
		return true;
	if (*r == QUERY_OK || *r == QUERY_NONE)
		*r = failure(q);
	if (s != PG_AWAY && pg_drain(pg_of(q)) != PG_AWAY &&
	    pg_exec(pg_of(q), "ROLLBACK") == PG_OK)
		return true;
	return false;
}

enum query_result
query_pg_ask(struct query_pg *q, query_pg_fn *fn, void *arg)
{
	struct query_source *s = q->query.source;
	uint64_t until_ms = clock_mono_ms() + atomic_load(&s->timeout_ms);
	enum query_result r;
	bool good, again;

	do {
		q->connection = query_pg_pool_borrow(q->pool, &q->query.why);
		if (q->connection == NULL)
			return QUERY_UNAVAILABLE;
		q->query.schema = q->connection->schema;
		q->begun = false;
		q->failed = PG_OK;
		query_pg_send(q, &begin_sql);
		r = fn(q, arg);
		good = finish(q, &r);
		again = !good && !q->begun && !q->connection->fresh &&
		    !atomic_load(&s->stop) && clock_mono_ms() < until_ms;
		query_pg_pool_give_back(q->pool, q->connection, !good);
		q->connection = NULL;
	} while (again);
	return r;
}

/* ---- the source ---- */

static void
free_query(struct query *base)
{
	struct query_pg *q = query_pg_of(base);

	pg_params_fini(&q->params);
	query_pg_sql_fini(&q->sql);
	bytes_fini(&q->addresses);
	free(q);
}

static struct source *
source_of(struct query_source *s)
{
	return container_of(s, struct source, source);
}

static struct query *
open_query(struct query_source *s)
{
	static const struct query_ops ops = {
		.sessions = query_pg_sessions,
		.session = query_pg_session,
		.events = query_pg_events,
		.stats = query_pg_stats,
		.totals = query_pg_totals,
		.users = query_pg_users,
		.free = free_query,
	};
	struct query_pg *q = xcalloc(1, sizeof(*q));

	q->query.ops = &ops;
	q->pool = source_of(s)->pool;
	return &q->query;
}

static bool
is_hopeless(struct query_source *s, struct err *err)
{
	return query_pg_pool_is_hopeless(source_of(s)->pool, err);
}

static void
count(struct query_source *s, struct query_pool *out)
{
	query_pg_pool_count(source_of(s)->pool, out);
}

static void
free_source(struct query_source *base)
{
	struct source *s = source_of(base);

	query_pg_pool_free(&s->pool);
	free(s);
}

struct query_source *
query_pg_source(const struct query_source_options *o, struct err *err)
{
	static const struct query_source_ops ops = {
		.backend = "postgresql", .open = open_query,
		.is_hopeless = is_hopeless, .pool = count,
		.free = free_source,
	};
	struct source *s;

	if (pg_check_url(o->database, err) < 0)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->source.ops = &ops;
	s->pool = query_pg_pool_new(o, &s->source);
	return &s->source;
}
