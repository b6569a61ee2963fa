/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "authd/groups.h"
#include "authd/logins_impl.h"
#include "base/clock.h"
#include "base/mem.h"

static struct str
copied(const struct flight_text *c)
{
	return (struct str){ c->bytes, c->len };
}

static void
copy(struct flight_text *c, struct str s)
{
	ASSERT(s.len <= sizeof(c->bytes));
	if (s.len > 0)
		memcpy(c->bytes, s.ptr, s.len);
	c->len = s.len;
}

/* ---- landing ---- */

/* How long the client shall wait for a no: counted from when it was looked at,
 * so that what the back end needed for it does not show. */
static uint32_t
left_of(const struct flight *f, uint32_t delay_ms)
{
	const struct backend *b = &f->logins->o.methods[f->method].backend;
	uint64_t spent_ms = clock_mono_ms() - f->begun_ms;

	if (delay_ms < b->refusal_ms)
		delay_ms = b->refusal_ms;
	return delay_ms > spent_ms ? delay_ms - (uint32_t)spent_ms : 0;
}

static enum guessing_how
outcome(const struct flight *f)
{
	if (f->answer.result == AUTH_OK)
		return GUESSING_OK;
	return f->answer.result == AUTH_FAILED || f->counts ? GUESSING_FAILED :
	    GUESSING_VOID;
}

/* With the lock held: what failed is counted, what was right remembered. A
 * right password whose owner cannot be let in after all (his groups cannot be
 * found out) waits as long as a first wrong one. */
static void
judge(struct flight *f)
{
	enum guessing_how how = outcome(f);
	uint32_t delay_ms = 0;

	if (f->reserved)
		delay_ms = guessing_end(f->logins->guessing, &f->attempt, how,
		    clock_mono_ms());
	if (f->reserved && how == GUESSING_VOID)
		delay_ms = (uint32_t)f->logins->rules.guessing.delay_base_ms;
	f->reserved = false;
	if (f->begun_ms != 0 && how != GUESSING_OK)
		f->answer.delay_ms = left_of(f, delay_ms);
}

/* With the lock held. */
static void
remember(struct flight *f, struct str body)
{
	struct logins *l = f->logins;
	const struct auth_answer *a = &f->answer;
	const struct cache_until until = {
		.mono_ms = clock_mono_ms() + l->rules.cache_ttl_ms,
		.wall_us = a->expires_us,
	};

	if (f->era == l->era && a->result == AUTH_OK &&
	    l->rules.cache_ttl_ms > 0)
		cache_put(l->cache, f->key, body, &until);
}

/* With the lock held. Who waited for it goes to `waiters`; nobody boards any
 * more. */
static void
disembark(struct flight *f, struct list *waiters)
{
	struct logins *l = f->logins;

	if (f->era == l->era)
		map_remove(&l->flights, &f->node);
	list_for_each (link, &f->waiters)
		l->waiting[f->method]--;
	list_move(waiters, &f->waiters);
}

static void
tell(struct list *waiters, struct login_reply *reply)
{
	struct list *link;

	while ((link = list_pop(waiters)) != NULL) {
		struct login_waiter *w = container_of(link,
		    struct login_waiter, link);

		reply->from = w->from;
		w->done(w, reply);
	}
}

static void
land(struct flight *f)
{
	struct logins *l = f->logins;
	struct login_reply reply = { .result = f->answer.result,
		.waited_us = f->waited_us, .why = f->answer.why };
	struct bytes body = { 0 };
	struct list waiters;

	list_init(&waiters);
	secret_wipe(&f->password, sizeof(f->password));
	pthread_mutex_lock(&l->m);
	judge(f);
	l->o.encode(&f->answer, &body);
	reply.body = (struct str){ body.ptr, body.len };
	remember(f, reply.body);
	disembark(f, &waiters);
	pthread_mutex_unlock(&l->m);
	tell(&waiters, &reply);
	bytes_fini(&body);
	auth_answer_fini(&f->answer);
	pthread_mutex_lock(&l->m);
	pool_put(l->pool, f);
	pthread_mutex_unlock(&l->m);
}

static void
land_busy(struct flight *f, const char *why)
{
	auth_answer_fini(&f->answer);
	auth_answer_why(&f->answer, "%s", why);
	land(f);
}

/* ---- groups ---- */

/* Whose groups: nobody's when nobody in particular was let in. */
static struct str
who(const struct flight *f)
{
	return f->answer.user != NULL ? str_from(f->answer.user) :
	    copied(&f->user);
}

/* Until when the thread may work; false: nobody waits any more. */
static bool
turn_of(struct flight *f, struct backend_turn *turn, bool groups)
{
	struct logins *l = f->logins;
	uint64_t now = clock_mono_ms(), latest;

	turn->thread = f->job.thread;
	pthread_mutex_lock(&l->m);
	turn->deadline_ms = f->deadline_ms;
	latest = groups ? now + l->rules.group_timeout_ms : UINT64_MAX;
	pthread_mutex_unlock(&l->m);
	if (turn->deadline_ms > latest)
		turn->deadline_ms = latest;
	return now < turn->deadline_ms;
}

/* Without his groups a rule that blocks him might not be found. */
static void
on_groups(struct workers_job *j, bool abandoned)
{
	struct flight *f = container_of(j, struct flight, job);
	const struct logins_groups *g = &f->logins->o.groups;
	struct string_list found = { 0 };
	struct backend_turn turn;

	if (!abandoned && turn_of(f, &turn, true) &&
	    g->look_up(g->arg, &turn, who(f), &found)) {
		auth_add_groups(&f->answer, &found);
		land(f);
	} else {
		land_busy(f, "the system's groups could not be found out");
	}
	groups_fini(&found);
}

/* Those that are remembered do not wait behind look-ups that hang. */
static bool
recall_groups(struct flight *f)
{
	const struct logins_groups *g = &f->logins->o.groups;
	struct string_list found = { 0 };
	bool known = g->recall(g->arg, who(f), &found);

	if (known)
		auth_add_groups(&f->answer, &found);
	groups_fini(&found);
	return known;
}

static void
find_groups(struct flight *f)
{
	struct logins *l = f->logins;
	bool wanted, file;

	pthread_mutex_lock(&l->m);
	wanted = l->rules.system_groups && l->o.groups.threads != NULL;
	file = l->rules.file_groups;
	pthread_mutex_unlock(&l->m);
	if (!file)
		groups_fini(&f->answer.groups);
	if (!wanted || f->answer.result != AUTH_OK || who(f).len == 0 ||
	    recall_groups(f)) {
		land(f);
		return;
	}
	f->job.run = on_groups;
	if (!workers_submit(l->o.groups.threads, &f->job))
		land_busy(f, "too many wait for the system's groups");
}

/* ---- the check ---- */

static void
check(struct flight *f, const struct backend_turn *turn)
{
	const struct backend *b = &f->logins->o.methods[f->method].backend;
	const struct auth_question q = {
		.method = f->method, .service = copied(&f->service),
		.user = copied(&f->user), .password = copied(&f->password),
		.source = f->source,
	};

	f->begun_ms = clock_mono_ms();
	b->check(b->arg, turn, &q, &f->answer);
	f->counts = f->answer.result == AUTH_BUSY && f->answer.counts;
	secret_wipe(&f->password, sizeof(f->password));
}

static void
on_check(struct workers_job *j, bool abandoned)
{
	struct flight *f = container_of(j, struct flight, job);
	struct backend_turn turn;

	f->waited_us = clock_mono_us() - j->queued_us;
	if (abandoned) {
		land_busy(f, "authd is stopping");
	} else if (!turn_of(f, &turn, false)) {
		land_busy(f, "waited too long for a thread");
	} else {
		check(f, &turn);
		find_groups(f);
	}
}

struct flight *
flight_start(struct logins *l, const struct auth_question *q, uint64_t era)
{
	struct workers *threads = l->o.methods[q->method].threads;
	struct flight *f = threads != NULL ? pool_get(l->pool) : NULL;

	if (f == NULL)
		return NULL;
	f->job.run = on_check;
	f->logins = l;
	f->era = era;
	f->method = q->method;
	f->source = q->source;
	f->answer.result = AUTH_BUSY;
	copy(&f->service, q->service);
	copy(&f->user, q->user);
	copy(&f->password, q->password);
	list_init(&f->waiters);
	/* A thread may have it at once, but it needs the lock to go on. */
	if (workers_submit(threads, &f->job))
		return f;
	secret_wipe(&f->password, sizeof(f->password));
	pool_put(l->pool, f);
	return NULL;
}

void
flight_board(struct flight *f, struct login_waiter *w)
{
	list_push(&f->waiters, &w->link);
	if (w->deadline_ms > f->deadline_ms)
		f->deadline_ms = w->deadline_ms;
	f->logins->waiting[f->method]++;
}
