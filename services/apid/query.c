/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "apid/query_pg.h"
#include "apid/query_sqlite.h"

#define TIMEOUT_MS 3000
#define HOUR_US UINT64_C(3600000000)
#define DAY_US (24 * HOUR_US)

static bool
has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static struct query_source *
make_source(const struct query_source_options *o, struct err *err)
{
	if (has_prefix(o->database, "sqlite:"))
		return query_sqlite_source(o->database + strlen("sqlite:"));
	if (has_prefix(o->database, "postgresql://") ||
	    has_prefix(o->database, "postgres://"))
		return query_pg_source(o, err);
	err_set(err, "expected sqlite:FILE or postgresql://USER@HOST/NAME");
	return NULL;
}

struct query_source *
query_source_new(const struct query_source_options *o, struct err *err)
{
	struct query_source *s = make_source(o, err);

	if (s != NULL)
		atomic_store(&s->timeout_ms, TIMEOUT_MS);
	return s;
}

void
query_source_free(struct query_source **sp)
{
	if (*sp == NULL)
		return;
	(*sp)->ops->free(*sp);
	*sp = NULL;
}

void
query_source_set_timeout(struct query_source *s, uint64_t ms)
{
	atomic_store(&s->timeout_ms, ms);
}

void
query_source_stop(struct query_source *s)
{
	atomic_store(&s->stop, true);
}

const char *
query_source_backend(const struct query_source *s)
{
	return s->ops->backend;
}

bool
query_source_is_hopeless(struct query_source *s, struct err *err)
{
	return s->ops->is_hopeless != NULL && s->ops->is_hopeless(s, err);
}

void
query_source_pool(struct query_source *s, struct query_pool *out)
{
	*out = (struct query_pool){ 0 };
	if (s->ops->pool != NULL)
		s->ops->pool(s, out);
}

struct query *
query_new(struct query_source *s)
{
	struct query *q = s->ops->open(s);

	q->source = s;
	return q;
}

void
query_free(struct query **qp)
{
	if (*qp == NULL)
		return;
	(*qp)->ops->free(*qp);
	*qp = NULL;
}

const char *
query_why(const struct query *q)
{
	return q->why.text;
}

unsigned
query_schema(const struct query *q)
{
	return q->schema;
}

/* ---- questions ---- */

enum query_result
query_sessions(struct query *q, const struct query_filter *f,
    query_row_fn *fn, void *arg, struct query_page *page)
{
	q->why.text[0] = '\0';
	*page = (struct query_page){ 0 };
	return q->ops->sessions(q, f, fn, arg, page);
}

enum query_result
query_session(struct query *q, const struct id *id, query_row_fn *fn,
    void *arg)
{
	q->why.text[0] = '\0';
	return q->ops->session(q, id, fn, arg);
}

enum query_result
query_events(struct query *q, const struct query_event_filter *f,
    query_event_fn *fn, void *arg, struct query_page *page)
{
	q->why.text[0] = '\0';
	*page = (struct query_page){ 0 };
	return q->ops->events(q, f, fn, arg, page);
}

enum query_result
query_stats(struct query *q, uint64_t since_us, uint64_t today_us,
    struct query_stats *out)
{
	q->why.text[0] = '\0';
	return q->ops->stats(q, since_us, today_us, out);
}

enum query_result
query_totals(struct query *q, uint64_t now_us, struct query_totals *out)
{
	q->why.text[0] = '\0';
	return q->ops->totals(q, now_us, out);
}

enum query_result
query_users(struct query *q, uint64_t now_us, uint64_t *window_us,
    query_user_fn *fn, void *arg)
{
	q->why.text[0] = '\0';
	return q->ops->users(q, now_us, window_us, fn, arg);
}

/* ---- for the back ends ---- */

enum query_result
query_no_events(struct query *q)
{
	err_set(&q->why, "its schema %u has no events yet: run this release's "
	    "sallyport-sessiond, or its --migrate", q->schema);
	return QUERY_UNAVAILABLE;
}

uint64_t
query_users_window(uint64_t now_us, uint64_t oldest_us)
{
	uint64_t day = now_us > DAY_US ? now_us - DAY_US : 0;
	uint64_t from = oldest_us < day ? oldest_us : day;

	return from - from % HOUR_US;
}

void
query_add_reason(struct query_totals *t, struct str name,
    const uint64_t n[static STATUS_REJECTED + 1])
{
	enum close_reason reason = close_reason_find(name);

	if (reason != CLOSE_NONE) {
		t->reasons[reason] = n[STATUS_NONE];
		return;
	}
	for (int s = STATUS_CLOSED; s <= STATUS_REJECTED; s++)
		t->other_reasons[s] += n[s];
}

void
query_add_duration(struct query_totals *t, struct str name, uint64_t n,
    uint64_t duration_us)
{
	unsigned i = duration_find(name);

	if (i == DURATION_BUCKETS)
		return;
	t->durations[i] = n;
	t->duration_us += duration_us;
}
