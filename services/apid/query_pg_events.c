/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "apid/query_pg.h"

#define TEXT_OF(n) #n
#define TEXT(n) TEXT_OF(n)
#define EXAMINED TEXT(QUERY_EXAMINED_MAX)

/*
 * Straight from the key; what is asked for is computed as `hit` beside the
 * number of the row, so that a page ends after QUERY_EXAMINED_MAX rows: the two
 * rows at that limit are always given.
 */
const struct pg_statement query_pg_noticed = { "apid_events",
	"SELECT e.at, e.id, e.severity, e.category, e.event, e.message,"
	" e.component, e.instance, e.details, e.suppressed, e.hit, e.n"
	" FROM (SELECT s.*, row_number() OVER (ORDER BY s.at DESC, s.id DESC)"
	" AS n, ($4::int2[] IS NULL OR s.severity = ANY ($4::int2[])) AND"
	" ($5::text[] IS NULL OR s.category = ANY ($5::text[])) AS hit"
	" FROM sallyport.telemetry_event s WHERE s.at >= $1::timestamptz"
	" AND s.at <= $2::timestamptz"
	" AND (s.at, s.id) < ($2::timestamptz, $3::uuid)"
	" ORDER BY s.at DESC, s.id DESC LIMIT " EXAMINED " + 1) e"
	" WHERE e.hit OR e.n >= " EXAMINED
	" ORDER BY e.at DESC, e.id DESC LIMIT $6::int8" };

enum {
	COLUMN_AT, COLUMN_ID, COLUMN_SEVERITY, COLUMN_CATEGORY, COLUMN_EVENT,
	COLUMN_MESSAGE, COLUMN_COMPONENT, COLUMN_INSTANCE, COLUMN_DETAILS,
	COLUMN_SUPPRESSED, COLUMN_HIT, COLUMN_N,
};

struct events_question {
	const struct query_event_filter *filter;
	query_event_fn *fn;
	void *arg;
	struct query_page *page;
};

/* ---- the question ---- */

static void
put_time(struct pg_params *p, uint64_t us)
{
	pg_put_time(p, us < INT64_MAX ? us : INT64_MAX);
}

static void
put_severities(struct pg_params *p, unsigned severities)
{
	if (severities == 0) {
		pg_put_null(p);
		return;
	}
	pg_array_begin(p, PG_INT2);
	for (unsigned i = SEVERITY_INFO; i <= SEVERITY_ERROR; i++)
		if (severities & 1u << i)
			pg_put_int2(p, (int16_t)i);
	pg_array_end(p);
}

static void
put_categories(struct pg_params *p, const struct query_event_filter *f)
{
	if (f->n_categories == 0) {
		pg_put_null(p);
		return;
	}
	pg_array_begin(p, PG_TEXT);
	for (size_t i = 0; i < f->n_categories; i++)
		/* Nothing else can be in a row. */
		if (str_is_utf8(f->categories[i]) &&
		    !str_has_nul(f->categories[i]))
			pg_put_str(p, f->categories[i]);
	pg_array_end(p);
}

static void
put_filter(struct pg_params *p, const struct query_event_filter *f)
{
	static const struct id zero;

	ASSERT(f->n_categories <= QUERY_CATEGORIES_MAX);
	put_time(p, f->since_us);
	put_time(p, f->after ? f->key.started_us : f->until_us);
	/* Before every id: until_us itself is outside. */
	pg_put_uuid(p, f->after ? f->key.id.b : zero.b);
	put_severities(p, f->severities);
	put_categories(p, f);
	/* One more than the page has says that it is not the last. */
	pg_put_int8(p, (int64_t)f->limit + 1);
}

/* ---- the answer ---- */

static struct str
text_of(struct pg_rows *rows, size_t at, unsigned column)
{
	return pg_is_null(rows, at, column) ? STR("") :
	    pg_str(rows, at, column);
}

static uint64_t
number_of(struct pg_rows *rows, size_t at, unsigned column)
{
	int64_t v = pg_int(rows, at, column);

	return v < 0 ? 0 : (uint64_t)v;
}

static void
give_event(struct pg_rows *rows, size_t at, const struct query_key *key,
    const struct events_question *q)
{
	struct query_event e = {
		.id = key->id, .at_us = key->started_us,
		.severity = number_of(rows, at, COLUMN_SEVERITY),
		.category = text_of(rows, at, COLUMN_CATEGORY),
		.event = text_of(rows, at, COLUMN_EVENT),
		.message = text_of(rows, at, COLUMN_MESSAGE),
		.component = text_of(rows, at, COLUMN_COMPONENT),
		.instance = text_of(rows, at, COLUMN_INSTANCE),
		.details = text_of(rows, at, COLUMN_DETAILS),
		.suppressed = number_of(rows, at, COLUMN_SUPPRESSED),
	};

	q->fn(q->arg, &e);
}

/* Each row is a hit but for the two that tell of the limit; one row more than
 * asked, or beyond the limit, tells that more may follow. */
static void
take_rows(struct pg_rows *rows, const struct events_question *q)
{
	struct query_key *last = &q->page->last;
	unsigned given = 0;

	for (size_t i = 0; i < rows->n; i++) {
		if (given == q->filter->limit ||
		    pg_int(rows, i, COLUMN_N) > QUERY_EXAMINED_MAX) {
			q->page->more = true;
			return;
		}
		last->started_us = pg_time(rows, i, COLUMN_AT);
		pg_uuid(rows, i, COLUMN_ID, last->id.b);
		if (!pg_bool(rows, i, COLUMN_HIT))
			continue;
		give_event(rows, i, last, q);
		given++;
	}
}

static bool
has_no_table(const struct query_pg *q)
{
	return q->query.schema < QUERY_SCHEMA_EVENTS &&
	    strcmp(pg_sqlstate(q->connection->pg), "42P01") == 0;
}

static enum query_result
ask_events(struct query_pg *q, void *arg)
{
	const struct events_question *question = arg;
	struct pg_rows rows;
	enum query_result r;

	put_filter(&q->params, question->filter);
	query_pg_send(q, &query_pg_noticed);
	query_pg_commit(q);
	r = query_pg_next(q, &rows);
	if (r == QUERY_UNAVAILABLE && has_no_table(q))
		return query_no_events(&q->query);
	if (r != QUERY_OK)
		return r;
	take_rows(&rows, question);
	return query_pg_done(q, &rows);
}

enum query_result
query_pg_events(struct query *base, const struct query_event_filter *f,
    query_event_fn *fn, void *arg, struct query_page *page)
{
	struct events_question question = { f, fn, arg, page };

	return query_pg_ask(query_pg_of(base), ask_events, &question);
}
