/* SPDX-License-Identifier: MIT */
#include "apid/query_pg_pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define CONNECT_MS 3000
#define SETTLE_MS 100		/* at least, for a statement of ours */
#define LOOK_MS 100		/* how often a wait looks at the stop */
#define PAUSE_MS 250		/* after the first failure; then it doubles */
#define PAUSE_MAX_MS 5000

struct query_pg_pool {
	struct query_source *source;
	char *url, *password_file;
	unsigned limit;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* All below is guarded by lock, but that a busy connection is its
	 * borrower's. */
	struct query_pg_connection *connections;	/* `limit` of them */
	struct query_pool counts;
	uint64_t uses;
	bool connecting;	/* somebody is at it */
	bool away;		/* the last try failed */
	bool ever;		/* one once succeeded */
	bool final;		/* `reason` is for a human to mend */
	uint64_t pause_ms, retry_ms;
	struct err why, reason;	/* for everybody; for the log */
};

struct query_pg_pool *
query_pg_pool_new(const struct query_source_options *o,
    struct query_source *source)
{
	struct query_pg_pool *p = xcalloc(1, sizeof(*p));

	p->source = source;
	p->url = xstrdup(o->database);
	p->password_file = xstrdup(o->password_file != NULL ?
	    o->password_file : "");
	p->limit = o->connections > 0 ? o->connections : 1;
	p->connections = xcalloc(p->limit, sizeof(*p->connections));
	pthread_mutex_init(&p->lock, NULL);
	clock_cond_init(&p->changed);
	return p;
}

/* Of a connection to be used now. To PostgreSQL 0 is no limit at all. */
static uint64_t
statement_ms(struct query_pg_pool *p)
{
	uint64_t ms = atomic_load(&p->source->timeout_ms);

	return ms > 0 ? ms : 1;
}

static void
empty(struct query_pg_connection *c)
{
	pg_free(&c->pg);
	c->state = POOL_EMPTY;
}

void
query_pg_pool_free(struct query_pg_pool **pp)
{
	struct query_pg_pool *p = *pp;

	if (p == NULL)
		return;
	for (unsigned i = 0; i < p->limit; i++) {
		ASSERT(p->connections[i].state != POOL_BUSY);
		empty(&p->connections[i]);
	}
	free(p->connections);
	secret_wipe(p->url, strlen(p->url));
	free(p->url);
	free(p->password_file);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
	*pp = NULL;
}

/* ---- connecting ---- */

/*
 * How this program's statements are to be planned: the order that a page asks
 * for is always an index's, and each value is looked at, so that only the
 * partitions that can have it are opened.
 */
const char query_pg_settings[] =
    "SET enable_sort = off; SET enable_incremental_sort = off;"
    "SET plan_cache_mode = force_custom_plan; SET statement_timeout = 3000";

/* The last migration, and the oldest release that can go on after all. */
static const struct pg_statement schema_sql = { NULL,
	"SELECT coalesce(max(number), 0)::int8,"
	" coalesce(max(coalesce(works_with, number)), 0)::int8 FROM"
	" sallyport.schema_migration" };

static enum pg_status
read_schema(struct query_pg_connection *c)
{
	struct pg_rows rows;
	enum pg_status r = pg_query(c->pg, &schema_sql, NULL, &rows);

	if (r != PG_OK)
		return r;
	c->schema = rows.n == 1 ? (unsigned)pg_int(&rows, 0, 0) : 0;
	c->works_with = rows.n == 1 ? (unsigned)pg_int(&rows, 0, 1) : 0;
	pg_rows_fini(&rows);
	return PG_OK;
}

/* What a try came to: `why` is for everybody, `reason` has all that is known
 * and goes to the log. */
struct trial {
	bool good, final;
	struct err why, reason;
};

/* Is this what sessiond writes, in a form that we know? */
static void
judge_schema(struct query_pg_connection *c, struct trial *t)
{
	enum pg_status r = read_schema(c);
	const char *state = pg_sqlstate(c->pg);

	if (r != PG_OK && strncmp(state, "42P01", 5) != 0 &&
	    strncmp(state, "3F000", 5) != 0) {
		err_set(&t->why, "the schema cannot be read: %s",
		    pg_message(c->pg));
		t->final = r == PG_DENIED;
	} else if (r != PG_OK || c->schema == 0) {
		err_set(&t->why, "it has no tables yet: has "
		    "sallyport-sessiond run, or sallyport-sessiond "
		    "--migrate?");
	} else if (c->schema < QUERY_PG_SCHEMA_FIRST) {
		err_set(&t->why, "its schema %u is of an earlier release: "
		    "run this release's sallyport-sessiond --migrate",
		    c->schema);
	} else if (c->schema > QUERY_PG_SCHEMA_LAST &&
	    c->works_with > QUERY_PG_SCHEMA_LAST) {
		err_set(&t->why, "its schema %u is of a later release, this "
		    "one knows up to %u: upgrade sallyport-apid", c->schema,
		    QUERY_PG_SCHEMA_LAST);
		t->final = true;
	} else {
		t->good = true;
	}
	t->reason = t->why;
}

/* What the borrower's statements may take, who may be short of time. */
static enum pg_status
limit_time(struct query_pg_connection *c)
{
	char sql[64];
	struct text t = text_on(sql, sizeof(sql));

	text_fmt(&t, "SET statement_timeout = %llu",
	    (unsigned long long)c->statement_ms);
	return pg_exec(c->pg, sql);
}

static struct trial
connect_to_server(struct query_pg_pool *p, struct query_pg_connection *c)
{
	struct trial t = { .good = false };
	uint32_t ms = (uint32_t)(c->statement_ms > SETTLE_MS ?
	    c->statement_ms : SETTLE_MS);
	const struct pg_options o = {
		.url = p->url, .password_file = p->password_file,
		.application = "sallyport-apid", .connect_ms = CONNECT_MS,
		.statement_ms = ms, .lock_ms = ms,
		.read_only = true, .stop = &p->source->stop,
	};
	enum pg_status r;

	c->pg = pg_new(&o);
	r = pg_connect(c->pg);
	if (r == PG_OK)
		r = pg_exec(c->pg, query_pg_settings);
	if (r == PG_OK)
		judge_schema(c, &t);
	if (t.good)
		r = limit_time(c);
	if (r == PG_OK)
		return t;
	t.good = false;
	t.final = pg_is_final(c->pg);
	err_set(&t.reason, "%s", pg_message(c->pg));
	err_set(&t.why, t.final ? "the server does not let us in; the log "
	    "says why" : "the server cannot be reached; the log says why");
	return t;
}

/* Under the lock. One line per change of state. */
static void
note_trial(struct query_pg_pool *p, const struct trial *t)
{
	bool news = !p->away || strcmp(p->reason.text, t->reason.text) != 0;

	p->counts.connects++;
	if (t->good) {
		if (p->away || !p->ever)
			log_info(NULL, "database_connected",
			    log_str("backend", "postgresql"));
		p->ever = true;
		p->away = false;
		p->pause_ms = 0;
		return;
	}
	p->counts.connect_failures++;
	p->away = true;
	p->final = t->final;
	p->why = t->why;
	p->reason = t->reason;
	p->pause_ms = p->pause_ms == 0 ? PAUSE_MS : 2 * p->pause_ms;
	if (p->pause_ms > PAUSE_MAX_MS)
		p->pause_ms = PAUSE_MAX_MS;
	p->retry_ms = clock_mono_ms() + p->pause_ms;
	if (news && !atomic_load(&p->source->stop))
		log_warn(NULL, "database_away",
		    log_str("backend", "postgresql"),
		    log_str("error", t->reason.text));
}

/* Under the lock, which it gives up while it connects. */
static bool
fill(struct query_pg_pool *p, struct query_pg_connection *c)
{
	struct trial t;

	c->state = POOL_BUSY;
	c->statement_ms = statement_ms(p);
	p->connecting = true;
	pthread_mutex_unlock(&p->lock);
	t = connect_to_server(p, c);
	pthread_mutex_lock(&p->lock);
	p->connecting = false;
	note_trial(p, &t);
	if (!t.good)
		empty(c);
	c->fresh = true;
	pthread_cond_broadcast(&p->changed);
	return t.good;
}

/* ---- borrowing ---- */

/* The idle one that was used last: the others may grow old in peace. One that
 * was made under another time-out is closed. */
static struct query_pg_connection *
find_idle(struct query_pg_pool *p)
{
	struct query_pg_connection *found = NULL;

	for (unsigned i = 0; i < p->limit; i++) {
		struct query_pg_connection *c = &p->connections[i];

		if (c->state != POOL_IDLE)
			continue;
		if (c->statement_ms != statement_ms(p))
			empty(c);
		else if (found == NULL || c->used > found->used)
			found = c;
	}
	return found;
}

static struct query_pg_connection *
find_empty(struct query_pg_pool *p)
{
	for (unsigned i = 0; i < p->limit; i++)
		if (p->connections[i].state == POOL_EMPTY)
			return &p->connections[i];
	return NULL;
}

static void
wait_for_change(struct query_pg_pool *p)
{
	const struct timespec until = clock_in_ms(LOOK_MS);

	pthread_cond_timedwait(&p->changed, &p->lock, &until);
}

/* A step towards a connection. */
enum step { STEP_DONE, STEP_REFUSED, STEP_WAIT };

static enum step
step(struct query_pg_pool *p, struct query_pg_connection **out)
{
	*out = find_idle(p);
	if (*out != NULL) {
		(*out)->fresh = false;
		(*out)->state = POOL_BUSY;
		return STEP_DONE;
	}
	*out = find_empty(p);
	if (p->away && (p->connecting || clock_mono_ms() < p->retry_ms))
		return STEP_REFUSED;
	if (p->connecting || *out == NULL)
		return STEP_WAIT;
	return fill(p, *out) ? STEP_DONE : STEP_REFUSED;
}

struct query_pg_connection *
query_pg_pool_borrow(struct query_pg_pool *p, struct err *why)
{
	uint64_t until_ms = clock_mono_ms() + statement_ms(p);
	struct query_pg_connection *c = NULL;
	bool waited = false;
	enum step s;

	pthread_mutex_lock(&p->lock);
	while ((s = step(p, &c)) == STEP_WAIT) {
		waited = true;
		if (atomic_load(&p->source->stop) ||
		    clock_mono_ms() >= until_ms)
			break;
		wait_for_change(p);
	}
	p->counts.waits += waited;
	if (s == STEP_REFUSED)
		*why = p->why;
	if (s == STEP_WAIT) {
		p->counts.exhausted++;
		err_set(why, "all %u connections are busy", p->limit);
	}
	pthread_mutex_unlock(&p->lock);
	return s == STEP_DONE ? c : NULL;
}

void
query_pg_pool_give_back(struct query_pg_pool *p, struct query_pg_connection *c,
    bool broken)
{
	pthread_mutex_lock(&p->lock);
	c->state = POOL_IDLE;
	c->used = ++p->uses;
	for (unsigned i = 0; broken && i < p->limit; i++) {
		if (p->connections[i].state != POOL_IDLE)
			continue;
		empty(&p->connections[i]);
		p->counts.lost++;
	}
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

/* ---- looking ---- */

bool
query_pg_pool_is_hopeless(struct query_pg_pool *p, struct err *err)
{
	bool hopeless;

	pthread_mutex_lock(&p->lock);
	hopeless = p->away && p->final && !p->ever;
	if (hopeless)
		*err = p->reason;
	pthread_mutex_unlock(&p->lock);
	return hopeless;
}

void
query_pg_pool_count(struct query_pg_pool *p, struct query_pool *out)
{
	pthread_mutex_lock(&p->lock);
	*out = p->counts;
	out->limit = p->limit;
	for (unsigned i = 0; i < p->limit; i++) {
		out->in_use += p->connections[i].state == POOL_BUSY;
		out->open += p->connections[i].state != POOL_EMPTY;
	}
	pthread_mutex_unlock(&p->lock);
}
