/* SPDX-License-Identifier: MIT */
/*
 * A flight is one check under way. From its submission until its landing it is
 * in `flights` under its key, unless a flush came between: each flush begins
 * an era, and a flight of an older era is in no map and may not be remembered.
 */
#include "authd/logins.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "authd/cache.h"
#include "authd/workers.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/pool.h"
#include "crypt/digest.h"

struct logins {
	struct logins_options o;
	struct workers *workers;
	pthread_mutex_t m;
	/* Guarded by m. */
	struct logins_times times;
	struct digest_keyed *keyed;
	struct cache *cache;
	struct map flights;
	struct pool *pool;	/* of flights */
	unsigned waiting;	/* on all flights */
	uint64_t era;
};

/* A string of its own. */
struct copy {
	size_t len;
	char bytes[AUTH_TEXT_MAX];
};

struct flight {
	struct workers_job job;
	struct map_node node;
	uint8_t key[DIGEST_SIZE];
	struct logins *logins;
	uint64_t era;
	struct list waiters;	/* guarded by m, as is deadline_ms */
	uint64_t deadline_ms;	/* of the most patient one */
	struct copy method, service, user, password;
	struct addr source;
};

/* ---- landing ---- */

static struct str
copied(const struct copy *c)
{
	return (struct str){ c->bytes, c->len };
}

static void
copy(struct copy *c, struct str s)
{
	ASSERT(s.len <= sizeof(c->bytes));
	if (s.len > 0)
		memcpy(c->bytes, s.ptr, s.len);
	c->len = s.len;
}

/* Does anybody still wait for it? */
static bool
is_wanted(struct flight *f)
{
	bool wanted;

	pthread_mutex_lock(&f->logins->m);
	wanted = clock_mono_ms() < f->deadline_ms;
	pthread_mutex_unlock(&f->logins->m);
	return wanted;
}

static void
check(struct flight *f, struct auth_answer *out)
{
	const struct backend *b = &f->logins->o.backend;
	const struct auth_question q = {
		.method = copied(&f->method), .service = copied(&f->service),
		.user = copied(&f->user), .password = copied(&f->password),
		.source = f->source,
	};

	b->check(b->arg, &q, out);
	secret_wipe(&f->password, sizeof(f->password));
}

/* With the lock held. */
static void
remember(struct flight *f, const struct auth_answer *a, struct str body)
{
	struct logins *l = f->logins;
	const struct cache_until until = {
		.mono_ms = clock_mono_ms() + l->times.cache_ttl_ms,
		.wall_us = a->expires_us,
	};

	if (f->era == l->era && a->result == AUTH_OK &&
	    l->times.cache_ttl_ms > 0)
		cache_put(l->cache, f->key, body, &until);
}

/* Gives the flight back; those who waited for it go to `waiters`. */
static void
land(struct flight *f, const struct auth_answer *a, struct str body,
    struct list *waiters)
{
	struct logins *l = f->logins;

	secret_wipe(&f->password, sizeof(f->password));
	pthread_mutex_lock(&l->m);
	remember(f, a, body);
	if (f->era == l->era)
		map_remove(&l->flights, &f->node);
	list_for_each (link, &f->waiters)
		l->waiting--;
	list_move(waiters, &f->waiters);
	pool_put(l->pool, f);
	pthread_mutex_unlock(&l->m);
}

static void
on_job(struct workers_job *j, bool abandoned)
{
	struct flight *f = container_of(j, struct flight, job);
	struct logins *l = f->logins;
	struct login_reply reply = {
		.waited_us = clock_mono_us() - j->queued_us };
	struct auth_answer a = { .result = AUTH_BUSY };
	struct bytes body = { 0 };
	struct list waiters, *link;

	list_init(&waiters);
	if (!abandoned && is_wanted(f))
		check(f, &a);
	l->o.encode(&a, &body);
	reply.result = a.result;
	reply.body = (struct str){ body.ptr, body.len };
	land(f, &a, reply.body, &waiters);
	auth_answer_fini(&a);
	while ((link = list_pop(&waiters)) != NULL) {
		struct login_waiter *w = container_of(link,
		    struct login_waiter, link);

		reply.from = w->from;
		w->done(w, &reply);
	}
	bytes_fini(&body);
}

/* ---- asking ---- */

static void
make_key(struct logins *l, const struct auth_question *q,
    uint8_t key[static DIGEST_SIZE])
{
	const struct backend *b = &l->o.backend;
	const struct str source = { (const char *)q->source.b,
		b->uses_source(b->arg, q->user) ? sizeof(q->source.b) : 0 };
	const struct str parts[] = { q->method, q->service, q->user,
		q->password, source };

	digest_keyed_parts(l->keyed, key, parts, ARRAY_LEN(parts));
}

static bool
is_cached(struct logins *l, const uint8_t *key, struct bytes *body)
{
	const struct cache_until now = { clock_mono_ms(), clock_wall_us() };
	struct str s = cache_get(l->cache, key, &now);

	bytes_add(body, s.ptr, s.len);
	return s.ptr != NULL;
}

/* NULL: all are out, or the queue is full. */
static struct flight *
take_off(struct logins *l, const struct auth_question *q, const uint8_t *key)
{
	struct flight *f = pool_get(l->pool);

	if (f == NULL)
		return NULL;
	f->job.run = on_job;
	f->logins = l;
	f->era = l->era;
	f->source = q->source;
	memcpy(f->key, key, sizeof(f->key));
	copy(&f->method, q->method);
	copy(&f->service, q->service);
	copy(&f->user, q->user);
	copy(&f->password, q->password);
	list_init(&f->waiters);
	if (!workers_submit(l->workers, &f->job)) {
		secret_wipe(&f->password, sizeof(f->password));
		pool_put(l->pool, f);
		return NULL;
	}
	/* A worker may have it already, but it needs the lock to go on. */
	map_insert(&l->flights, &f->node,
	    (struct str){ (const char *)f->key, sizeof(f->key) });
	return f;
}

/* Puts the waiter on a flight; false: there is no room. */
static bool
board(struct logins *l, const struct auth_question *q, const uint8_t *key,
    struct login_waiter *w)
{
	struct map_node *m = map_find(&l->flights,
	    (struct str){ (const char *)key, DIGEST_SIZE });
	struct flight *f;

	if (l->waiting >= l->o.waiters_max)
		return false;
	w->from = m != NULL ? LOGIN_FROM_JOINED : LOGIN_FROM_CHECK;
	f = m != NULL ? container_of(m, struct flight, node) :
	    take_off(l, q, key);
	if (f == NULL)
		return false;
	list_push(&f->waiters, &w->link);
	if (w->deadline_ms > f->deadline_ms)
		f->deadline_ms = w->deadline_ms;
	l->waiting++;
	return true;
}

static void
answer_now(struct logins *l, struct login_waiter *w, bool cached,
    struct bytes *body)
{
	const struct auth_answer busy = { .result = AUTH_BUSY };
	struct login_reply reply = { .result = AUTH_OK,
		.from = LOGIN_FROM_CACHE };

	if (!cached) {
		l->o.encode(&busy, body);
		reply.result = AUTH_BUSY;
		reply.from = LOGIN_FROM_NOWHERE;
	}
	reply.body = (struct str){ body->ptr, body->len };
	w->done(w, &reply);
}

void
logins_ask(struct logins *l, const struct auth_question *q,
    struct login_waiter *w)
{
	uint8_t key[DIGEST_SIZE];
	struct bytes body = { 0 };
	bool cached, waits;
	uint64_t latest;

	list_init(&w->link);
	pthread_mutex_lock(&l->m);
	latest = clock_mono_ms() + l->times.deadline_ms;
	if (w->deadline_ms > latest)
		w->deadline_ms = latest;
	make_key(l, q, key);
	cached = is_cached(l, key, &body);
	waits = !cached && board(l, q, key, w);
	pthread_mutex_unlock(&l->m);
	if (!waits)
		answer_now(l, w, cached, &body);
	bytes_fini(&body);
}

/* ---- change ---- */

/* With the lock held. */
static void
begin_era(struct logins *l)
{
	l->era++;
	cache_flush(l->cache);
	map_fini(&l->flights);
	map_init(&l->flights);
}

void
logins_flush(struct logins *l)
{
	pthread_mutex_lock(&l->m);
	begin_era(l);
	pthread_mutex_unlock(&l->m);
}

void
logins_set_times(struct logins *l, const struct logins_times *t)
{
	pthread_mutex_lock(&l->m);
	l->times = *t;
	begin_era(l);
	pthread_mutex_unlock(&l->m);
}

struct logins_counts
logins_counts(struct logins *l)
{
	struct logins_counts n = { .queued = workers_queued(l->workers) };

	pthread_mutex_lock(&l->m);
	n.cached = cache_count(l->cache);
	pthread_mutex_unlock(&l->m);
	return n;
}

struct workers *
logins_workers(struct logins *l)
{
	return l->workers;
}

/* ---- life ---- */

int
logins_start(struct logins **out, const struct logins_options *o,
    const struct logins_times *t, struct err *err)
{
	struct logins *l = xcalloc(1, sizeof(*l));

	l->o = *o;
	l->times = *t;
	pthread_mutex_init(&l->m, NULL);
	l->keyed = digest_keyed_new();
	l->cache = cache_new(o->cache_entries);
	map_init(&l->flights);
	l->pool = pool_new(sizeof(struct flight), o->workers + o->queue);
	if (workers_start(&l->workers, o->workers, o->queue, err) != 0) {
		logins_free(&l);
		return -1;
	}
	*out = l;
	return 0;
}

void
logins_stop(struct logins *l)
{
	workers_stop(l->workers);
}

void
logins_free(struct logins **lp)
{
	struct logins *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	workers_free(&l->workers);
	map_fini(&l->flights);
	pool_free(&l->pool);
	cache_free(&l->cache);
	digest_keyed_free(&l->keyed);
	pthread_mutex_destroy(&l->m);
	free(l);
}
