/* SPDX-License-Identifier: MIT */
#include "authd/logins.h"

#include <stdlib.h>
#include <string.h>

#include "authd/logins_impl.h"
#include "base/clock.h"
#include "base/mem.h"

/* What is answered at once. */
struct instant {
	struct auth_answer answer;
	struct bytes body;	/* of a cached answer, else empty */
	enum guessing_scope scope;
};

static void
make_key(struct logins *l, const struct auth_question *q,
    uint8_t key[static DIGEST_SIZE])
{
	const struct backend *b = &l->o.methods[q->method].backend;
	const struct str source = { (const char *)q->source.b,
		b->uses_source != NULL && b->uses_source(b->arg, q->user)
		    ? sizeof(q->source.b) : 0 };
	const struct str parts[] = {
		str_from(auth_method_names[q->method]), q->service, q->user,
		q->password, source,
	};

	digest_keyed_parts(l->keyed, key, parts, ARRAY_LEN(parts));
}

static void
throttle(struct instant *now)
{
	now->answer.result = AUTH_THROTTLED;
	auth_answer_why(&now->answer, "too many failed logins");
}

/* With the lock held: may he be told what others asked for? */
static bool
is_admitted(struct logins *l, const struct auth_question *q,
    struct instant *now)
{
	if (guessing_admit(l->guessing, q->user, &q->source, clock_mono_ms(),
	    &now->answer.delay_ms, &now->scope))
		return true;
	throttle(now);
	return false;
}

/* With the lock held: is it answered by what is remembered? */
static bool
is_cached(struct logins *l, const struct auth_question *q,
    const uint8_t *key, struct instant *out)
{
	const struct cache_until now = { clock_mono_ms(), clock_wall_us() };
	struct str s = cache_get(l->cache, key, &now);

	if (s.ptr == NULL)
		return false;
	if (!is_admitted(l, q, out))
		return true;
	bytes_add(&out->body, s.ptr, s.len);
	out->answer.result = AUTH_OK;
	guessing_good(l->guessing, q->user, &q->source, now.mono_ms);
	if (l->o.aside != NULL)
		workers_stand_back(l->o.aside);
	return true;
}

/* Takes the lock, but not for the HMAC: that costs more than all the rest. */
static void
lock_with_key(struct logins *l, const struct auth_question *q,
    uint8_t key[static DIGEST_SIZE])
{
	uint64_t era = atomic_load(&l->era);

	make_key(l, q, key);
	pthread_mutex_lock(&l->m);
	if (era != l->era)	/* what it was made of may have changed */
		make_key(l, q, key);
}

static struct flight *
find_flight(struct logins *l, const uint8_t *key)
{
	struct map_node *m = map_find(&l->flights,
	    (struct str){ (const char *)key, DIGEST_SIZE });

	return m != NULL ? container_of(m, struct flight, node) : NULL;
}

/* A flight of its own, if the question may be looked at; NULL: not, and `now`
 * says why. */
static struct flight *
take_off(struct logins *l, const struct auth_question *q, const uint8_t *key,
    struct instant *now)
{
	struct guessing_attempt attempt;
	struct flight *f;

	if (guessing_begin(l->guessing, q->user, &q->source, clock_mono_ms(),
	    &attempt, &now->answer.delay_ms) != GUESSING_GO) {
		now->scope = attempt.scope;
		throttle(now);
		return NULL;
	}
	f = flight_start(l, q, l->era);
	if (f == NULL) {
		(void)guessing_end(l->guessing, &attempt, GUESSING_VOID,
		    clock_mono_ms());
		return NULL;
	}
	f->attempt = attempt;
	f->reserved = true;
	memcpy(f->key, key, sizeof(f->key));
	map_insert(&l->flights, &f->node,
	    (struct str){ (const char *)f->key, sizeof(f->key) });
	return f;
}

static bool
has_place(const struct logins *l, enum auth_method method)
{
	return l->waiting[method] < l->o.waiters_max;
}

/* Puts the waiter on a flight; false: answer him `now`. */
static bool
board(struct logins *l, const struct auth_question *q, const uint8_t *key,
    struct login_waiter *w, struct instant *now)
{
	struct flight *f = find_flight(l, key);

	auth_answer_why(&now->answer, "too many logins wait");
	if (!has_place(l, q->method))
		return false;
	w->from = f != NULL ? LOGIN_FROM_JOINED : LOGIN_FROM_CHECK;
	if (f == NULL)
		f = take_off(l, q, key, now);
	else if (!is_admitted(l, q, now))
		f = NULL;
	if (f != NULL)
		flight_board(f, w);
	return f != NULL;
}

static void
answer_now(struct logins *l, struct login_waiter *w, struct instant *now)
{
	struct login_reply reply = { .result = now->answer.result,
		.from = LOGIN_FROM_CACHE, .why = now->answer.why,
		.scope = now->scope, .delay_ms = now->answer.delay_ms };

	if (now->answer.result != AUTH_OK) {
		l->o.encode(&now->answer, &now->body);
		reply.from = LOGIN_FROM_NOWHERE;
	}
	reply.body = (struct str){ now->body.ptr, now->body.len };
	w->done(w, &reply);
}

/* With the lock held. */
static void
limit_patience(struct logins *l, struct login_waiter *w)
{
	uint64_t latest = clock_mono_ms() + l->rules.deadline_ms;

	list_init(&w->link);
	if (w->deadline_ms > latest)
		w->deadline_ms = latest;
}

void
logins_ask(struct logins *l, const struct auth_question *q,
    struct login_waiter *w)
{
	struct instant now = { .answer.result = AUTH_BUSY };
	uint8_t key[DIGEST_SIZE];
	bool waits = false;

	lock_with_key(l, q, key);
	limit_patience(l, w);
	if (!is_cached(l, q, key, &now))
		waits = board(l, q, key, w, &now);
	pthread_mutex_unlock(&l->m);
	if (!waits)
		answer_now(l, w, &now);
	bytes_fini(&now.body);
}

bool
logins_ask_cached(struct logins *l, const struct auth_question *q,
    struct login_waiter *w)
{
	struct instant now = { 0 };
	uint8_t key[DIGEST_SIZE];
	bool cached;

	lock_with_key(l, q, key);
	cached = is_cached(l, q, key, &now);
	pthread_mutex_unlock(&l->m);
	if (cached)
		answer_now(l, w, &now);
	bytes_fini(&now.body);
	return cached;
}

void
logins_test(struct logins *l, const struct auth_question *q,
    struct login_waiter *w)
{
	struct instant now = { .answer.result = AUTH_BUSY };
	struct flight *f = NULL;

	pthread_mutex_lock(&l->m);
	limit_patience(l, w);
	w->from = LOGIN_FROM_CHECK;
	if (has_place(l, q->method))
		f = flight_start(l, q, LOGINS_NO_ERA);
	if (f != NULL)
		flight_board(f, w);
	pthread_mutex_unlock(&l->m);
	if (f == NULL) {
		auth_answer_why(&now.answer, "too many logins wait");
		answer_now(l, w, &now);
	}
	bytes_fini(&now.body);
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
logins_set_rules(struct logins *l, const struct logins_rules *r)
{
	pthread_mutex_lock(&l->m);
	l->rules = *r;
	guessing_set_limits(l->guessing, &r->guessing);
	begin_era(l);
	pthread_mutex_unlock(&l->m);
}

struct logins_counts
logins_counts(struct logins *l)
{
	struct logins_counts n;

	pthread_mutex_lock(&l->m);
	n.cached = cache_count(l->cache);
	n.guessing = guessing_count(l->guessing);
	pthread_mutex_unlock(&l->m);
	return n;
}

void
logins_failures(struct logins *l, struct str user, guessing_row_fn *each,
    void *arg)
{
	pthread_mutex_lock(&l->m);
	guessing_list(l->guessing, user, clock_mono_ms(), each, arg);
	pthread_mutex_unlock(&l->m);
}

size_t
logins_unlock(struct logins *l, struct str user, const struct addr *source)
{
	size_t n;

	pthread_mutex_lock(&l->m);
	n = guessing_unlock(l->guessing, user, source);
	pthread_mutex_unlock(&l->m);
	return n;
}

/* ---- life ---- */

struct logins *
logins_new(const struct logins_options *o, const struct logins_rules *r)
{
	struct logins *l = xcalloc(1, sizeof(*l));

	l->o = *o;
	l->rules = *r;
	l->era = LOGINS_NO_ERA + 1;
	pthread_mutex_init(&l->m, NULL);
	l->keyed = digest_keyed_new();
	l->cache = cache_new(o->cache_entries);
	l->guessing = guessing_new(o->guessing_entries, &r->guessing);
	map_init(&l->flights);
	l->pool = pool_new(sizeof(struct flight), o->flights_max);
	return l;
}

void
logins_free(struct logins **lp)
{
	struct logins *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	map_fini(&l->flights);
	pool_free(&l->pool);
	guessing_free(&l->guessing);
	cache_free(&l->cache);
	digest_keyed_free(&l->keyed);
	pthread_mutex_destroy(&l->m);
	free(l);
}
