/* SPDX-License-Identifier: MIT */
#include "proxy/gate.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypt/digest.h"

/* A tick, late as it may be. Where less is left of a lease the question goes at
 * once. */
#define PATIENCE_MS 500

struct flight;
/* Asks what no lease answers; false: that cannot be done now. */
typedef bool ask_fn(struct gate *g, const void *question, struct flight *f);

/* One sort of question: its leases, who is asked, and whether an answer that is
 * remembered answers a question with the same key (NULL: always). */
struct inquiry {
	struct lease_cache *leases;
	ask_fn *ask;
	bool (*answers)(const void *answer, const void *question);
};

struct gate {
	struct asks *asks;
	const struct policy_view *view;
	const struct proxy_config *cfg;
	struct inquiry logins, decisions;
	struct digest_keyed *hmac;
	struct list flights;
	struct bytes key;		/* scratch */
};

/* A question that is out, and the lease it will fill. */
struct flight {
	struct list link;
	struct gate *gate;
	struct lease *lease;
	enum asks_haste haste;
};

static struct flight *
flight_new(struct gate *g, struct lease *lease, enum asks_haste haste)
{
	struct flight *f = xmalloc(sizeof(*f));

	f->gate = g;
	f->lease = lease;
	f->haste = haste;
	list_push(&g->flights, &f->link);
	return f;
}

static struct lease *
flight_land(struct flight *f)
{
	struct lease *l = f->lease;

	list_del(&f->link);
	free(f);
	return l;
}

/* false: it cannot be asked now, and nobody may wait for it any more. */
static bool
take_off(struct gate *g, struct inquiry *i, struct lease *lease,
    const void *question, enum asks_haste haste, struct lease_waiter *waiter)
{
	struct flight *f = flight_new(g, lease, haste);

	if (i->ask(g, question, f))
		return true;
	/* The waiter must not be run from in here. */
	if (waiter != NULL)
		lease_cancel(waiter);
	lease_answer(i->leases, flight_land(f), NULL, 0, 0);
	return false;
}

/* An answer that is used is asked for anew. Where that cannot be done now, the
 * old one serves on. */
static void
renew(struct gate *g, struct inquiry *i, struct lease *hit,
    const void *question, uint64_t now)
{
	struct lease *asked = lease_renew(i->leases, hit, now);

	if (asked != NULL)
		(void)take_off(g, i, asked, question,
		    lease_left_ms(hit, now) > PATIENCE_MS ? ASKS_LATER
							  : ASKS_NOW, NULL);
}

static enum gate_result
look(struct gate *g, struct inquiry *i, struct str key, const void *question,
    struct lease_waiter *waiter, const void **answer)
{
	struct lease *lease = NULL;
	uint64_t now = clock_mono_ms();

	switch (lease_find(i->leases, key, now, waiter, answer, &lease)) {
	case LEASE_HIT:
		if (i->answers != NULL && !i->answers(*answer, question))
			return GATE_NOW;
		renew(g, i, lease, question, now);
		return GATE_NOW;
	case LEASE_WAIT:
		asks_hurry(g->asks);	/* somebody waits for it now */
		return GATE_WAIT;
	case LEASE_ASK:
		if (take_off(g, i, lease, question, ASKS_NOW, waiter))
			return GATE_WAIT;
		break;
	case LEASE_FULL:
		break;
	}
	return GATE_FULL;
}

/* ---- login ---- */

/* How long a good login may be used again, on the boot clock; 0: nothing was
 * said about it. */
static uint64_t
login_until(const struct gate *g, const struct login_answer *a,
    uint64_t now_ms)
{
	uint64_t ms = g->cfg->lease_login, wall = clock_wall_us();

	if (a->result == LOGIN_SILENT || a->result == LOGIN_BUSY)
		return 0;
	if (a->result != LOGIN_OK)
		return now_ms;
	if (a->expires_us != 0) {
		uint64_t left =
		    a->expires_us > wall ? (a->expires_us - wall) / 1000 : 0;

		ms = left < ms ? left : ms;
	}
	return now_ms + ms;
}

static void
on_login(void *arg, const struct login_answer *answer)
{
	struct flight *f = arg;
	struct gate *g = f->gate;
	struct login_answer *kept = xmalloc(sizeof(*kept));
	uint64_t now = clock_mono_ms(), until = login_until(g, answer, now);

	*kept = *answer;
	if (kept->identity != NULL)
		identity_ref(kept->identity);
	lease_answer(g->logins.leases, flight_land(f), kept, now, until);
}

static bool
ask_login(struct gate *g, const void *question, struct flight *f)
{
	return asks_login(g->asks, question, f->haste,
	    (uint32_t)g->cfg->timeouts_login, on_login, f);
}

static void
login_key(struct gate *g, const struct login_question *q,
    uint8_t out[static DIGEST_SIZE])
{
	struct str parts[] = {
		str_from(record_auth_name(q->method)), q->user, q->password,
		{ (const char *)q->source.b, sizeof(q->source.b) },
	};

	digest_keyed_parts(g->hmac, out, parts, ARRAY_LEN(parts));
}

/*
 * The source is always part of the key, whatever the answer depends on: authd
 * refuses a source that guesses without looking, and must be asked about each.
 * Else the right guess would be let in by the lease of the user himself.
 */
enum gate_result
gate_login(struct gate *g, const struct login_question *q,
    struct lease_waiter *waiter, const struct login_answer **answer)
{
	static const struct login_answer busy = { .result = LOGIN_BUSY };
	uint8_t key[DIGEST_SIZE];
	const void *value = &busy;
	enum gate_result result;

	login_key(g, q, key);
	result = look(g, &g->logins, (struct str){ (char *)key, sizeof(key) },
	    q, waiter, &value);
	*answer = value;
	return result;
}

/* ---- decision ---- */

static void
on_decision(void *arg, const struct decision *decision)
{
	struct flight *f = arg;
	struct gate *g = f->gate;
	struct decision *kept = xmalloc(sizeof(*kept));
	uint64_t now = clock_mono_ms(), ms = decision->lease_ms;

	*kept = *decision;
	if (ms > g->cfg->lease_decision)
		ms = g->cfg->lease_decision;
	kept->until_ms = now + ms;
	if (decision->verdict == VERDICT_UNAVAILABLE)
		kept->until_ms = 0;
	lease_answer(g->decisions.leases, flight_land(f), kept, now,
	    kept->until_ms);
}

/* One that is bound to a source serves that one only. */
static bool
decision_answers(const void *answer, const void *question)
{
	const struct decision *d = answer;
	const struct decide_question *q = question;

	return !d->source_bound || addr_eq(&d->asked_source, &q->source);
}

static bool
ask_policy(struct gate *g, const void *question, struct flight *f)
{
	return asks_decide(g->asks, question, f->haste,
	    (uint32_t)g->cfg->timeouts_decide, on_decision, f);
}

static void
key_add(struct bytes *key, struct str s)
{
	uint16_t len = (uint16_t)s.len;

	bytes_add(key, &len, sizeof(len));
	bytes_add(key, s.ptr, s.len);
}

/* All that an answer can depend on, each part with its length. */
static struct str
decide_key(struct gate *g, const struct decide_question *q, bool by_source)
{
	const struct identity *who = q->identity;
	struct bytes *key = &g->key;
	uint8_t fixed[5] = {
		(uint8_t)q->command, (uint8_t)q->protocol,
		(uint8_t)(q->dest->port >> 8), (uint8_t)q->dest->port,
		by_source,	/* else a group could be taken for one */
	};

	bytes_clear(key);
	bytes_add(key, fixed, sizeof(fixed));
	key_add(key, who->user);
	key_add(key, (struct str){ q->dest->name, q->dest->name_len });
	key_add(key, (struct str){ (const char *)q->resolved,
	    q->n_resolved * sizeof(q->resolved[0]) });
	for (unsigned i = 0; i < who->n_groups; i++)
		key_add(key, who->groups[i]);
	if (by_source)
		key_add(key, (struct str){ (const char *)q->source.b,
		    sizeof(q->source.b) });
	return (struct str){ key->ptr, key->len };
}

static enum gate_result
decide_look(struct gate *g, const struct decide_question *q, bool by_source,
    struct lease_waiter *waiter, const struct decision **decision)
{
	static const struct decision none = { .verdict = VERDICT_UNAVAILABLE };
	const void *value = &none;
	enum gate_result result = look(g, &g->decisions,
	    decide_key(g, q, by_source), q, waiter, &value);

	*decision = value;
	return result;
}

/*
 * The key has no source at first: most answers serve all of a user's clients.
 * One that is bound to another source says so, and then the source counts:
 * here if it was remembered, else who waited for it asks with own_source.
 */
enum gate_result
gate_decide(struct gate *g, const struct decide_question *q,
    struct lease_waiter *waiter, const struct decision **decision)
{
	enum gate_result result =
	    decide_look(g, q, q->own_source, waiter, decision);

	if (result == GATE_NOW && !decision_answers(*decision, q))
		result = decide_look(g, q, true, waiter, decision);
	return result;
}

/* ---- life ---- */

static void
login_free(void *value)
{
	struct login_answer *a = value;

	identity_unref(&a->identity);
	free(a);
}

static bool
decision_valid(const void *value, const void *arg)
{
	const struct decision *d = value;

	return policy_view_names(arg, &d->instance, d->generation,
	    clock_mono_ms());
}

void
gate_tick(struct gate *g)
{
	asks_hurry(g->asks);
}

struct gate *
gate_new(struct asks *asks, const struct policy_view *view,
    const struct proxy_config *cfg)
{
	struct gate *g = xcalloc(1, sizeof(*g));
	struct lease_options logins = {
		.entries = cfg->lease_entries,
		.free_value = login_free,
	};
	struct lease_options decisions = {
		.entries = cfg->lease_entries,
		.free_value = free,
		.valid = decision_valid,
		.arg = view,
	};

	g->asks = asks;
	g->view = view;
	g->cfg = cfg;
	g->logins = (struct inquiry){ lease_cache_new(&logins), ask_login,
		NULL };
	g->decisions = (struct inquiry){ lease_cache_new(&decisions),
		ask_policy, decision_answers };
	g->hmac = digest_keyed_new();
	list_init(&g->flights);
	return g;
}

void
gate_reload(struct gate *g, const struct proxy_config *cfg)
{
	g->cfg = cfg;
	lease_flush(g->logins.leases);
	lease_flush(g->decisions.leases);
}

struct lease_stats
gate_login_stats(const struct gate *g)
{
	return lease_stats(g->logins.leases);
}

struct lease_stats
gate_decide_stats(const struct gate *g)
{
	return lease_stats(g->decisions.leases);
}

size_t
gate_logins(const struct gate *g)
{
	return lease_count(g->logins.leases);
}

size_t
gate_decisions(const struct gate *g)
{
	return lease_count(g->decisions.leases);
}

void
gate_free(struct gate **gp)
{
	struct gate *g = *gp;
	struct list *n;

	if (g == NULL)
		return;
	*gp = NULL;
	while ((n = list_pop(&g->flights)) != NULL)
		free(container_of(n, struct flight, link));
	lease_cache_free(&g->logins.leases);
	lease_cache_free(&g->decisions.leases);
	digest_keyed_free(&g->hmac);
	bytes_fini(&g->key);
	free(g);
}
