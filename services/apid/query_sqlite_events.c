/* SPDX-License-Identifier: MIT */
#include "apid/query_sqlite.h"

enum {
	BIND_SINCE = 1, BIND_UNTIL, BIND_AFTER, BIND_SEVERITIES,
	BIND_N_CATEGORIES, BIND_CATEGORIES,
};

/* Straight from the key; what is asked for is computed as the first column, so
 * that whoever steps can count what was examined. */
const char query_sqlite_noticed[] =
    "SELECT (?4 = 0 OR (?4 >> severity) & 1) AND (?5 = 0 OR category IN"
    " (?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)), at, id, severity, category,"
    " event, message, component, instance, details, suppressed"
    " FROM telemetry_event WHERE at >= ?1 AND (at, id) < (?2, ?3)"
    " ORDER BY at DESC, id DESC";

enum { COLUMN_HIT, COLUMN_AT, COLUMN_ID, COLUMN_SEVERITY };

static void
bind_time(sqlite3_stmt *st, int at, uint64_t us)
{
	sqlite3_bind_int64(st, at, us > INT64_MAX ? INT64_MAX :
	    (sqlite3_int64)us);
}

static void
bind_filter(sqlite3_stmt *st, const struct query_event_filter *f)
{
	ASSERT(f->n_categories <= QUERY_CATEGORIES_MAX);
	bind_time(st, BIND_SINCE, f->since_us);
	bind_time(st, BIND_UNTIL, f->after ? f->key.started_us : f->until_us);
	/* Before every id: until_us itself is outside. */
	if (f->after)
		sqlite3_bind_blob(st, BIND_AFTER, f->key.id.b,
		    sizeof(f->key.id.b), SQLITE_STATIC);
	else
		sqlite3_bind_zeroblob(st, BIND_AFTER, 0);
	sqlite3_bind_int64(st, BIND_SEVERITIES, f->severities);
	sqlite3_bind_int64(st, BIND_N_CATEGORIES,
	    (sqlite3_int64)f->n_categories);
	for (size_t i = 0; i < f->n_categories; i++)
		sqlite3_bind_text(st, BIND_CATEGORIES + (int)i,
		    f->categories[i].ptr, (int)f->categories[i].len,
		    SQLITE_STATIC);
}

static void
give_event(sqlite3_stmt *st, const struct query_key *key, query_event_fn *fn,
    void *arg)
{
	int i = COLUMN_SEVERITY;
	struct query_event e = { .id = key->id, .at_us = key->started_us };

	e.severity = query_sqlite_num(st, i++);
	e.category = query_sqlite_str(st, i++);
	e.event = query_sqlite_str(st, i++);
	e.message = query_sqlite_str(st, i++);
	e.component = query_sqlite_str(st, i++);
	e.instance = query_sqlite_str(st, i++);
	e.details = query_sqlite_str(st, i++);
	e.suppressed = query_sqlite_num(st, i++);
	fn(arg, &e);
}

/* One row more than asked tells that more follow. */
static enum query_result
walk(struct query_sqlite *q, sqlite3_stmt *st,
    const struct query_event_filter *f, query_event_fn *fn, void *arg,
    struct query_page *page)
{
	unsigned given = 0, examined = 0;
	int step;

	while ((step = sqlite3_step(st)) == SQLITE_ROW) {
		if (given == f->limit || examined == QUERY_EXAMINED_MAX) {
			page->more = true;
			return QUERY_OK;
		}
		examined++;
		page->last.started_us = query_sqlite_num(st, COLUMN_AT);
		page->last.id = query_sqlite_id(st, COLUMN_ID);
		if (sqlite3_column_int(st, COLUMN_HIT) == 0)
			continue;
		give_event(st, &page->last, fn, arg);
		given++;
	}
	return step == SQLITE_DONE ? QUERY_OK : query_sqlite_fail(q);
}

enum query_result
query_sqlite_events(struct query *base, const struct query_event_filter *f,
    query_event_fn *fn, void *arg, struct query_page *page)
{
	struct query_sqlite *q = query_sqlite_of(base);
	enum query_result r = query_sqlite_begin(q);
	sqlite3_stmt *st;

	if (r != QUERY_OK)
		return r;
	st = query_sqlite_prepare(q, query_sqlite_noticed);
	if (st == NULL && base->schema < QUERY_SCHEMA_EVENTS &&
	    sqlite3_extended_errcode(q->db) == SQLITE_ERROR)
		return query_sqlite_end(q, query_no_events(base));
	if (st == NULL)
		return query_sqlite_end(q, query_sqlite_fail(q));
	bind_filter(st, f);
	r = walk(q, st, f, fn, arg, page);
	sqlite3_finalize(st);
	return query_sqlite_end(q, r);
}
