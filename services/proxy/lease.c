/* SPDX-License-Identifier: MIT */
#include "proxy/lease.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

#define NEVER UINT64_MAX

/* An answer, or a question that is out. A question that renews an answer is
 * not in the map while the answer is. */
struct lease {
	struct map_node node;
	struct list link;	/* in answers, oldest use first, or in asked */
	struct list waiters;
	uint64_t until_ms;	/* 0: the question is out */
	uint64_t renew_ms;	/* when that is due; NEVER: it was asked */
	struct lease *renewal;	/* of an answer: the question, or NULL */
	struct lease *renews;	/* of a question: the answer, or NULL */
	void *value;
	char key[];
};

struct lease_cache {
	struct lease_options o;
	struct map map;
	struct list answers;
	struct list asked;
	size_t n_answers;
	struct lease_stats stats;
};

struct lease_cache *
lease_cache_new(const struct lease_options *o)
{
	struct lease_cache *c = xcalloc(1, sizeof(*c));

	ASSERT(o->entries >= 1);
	c->o = *o;
	map_init(&c->map);
	list_init(&c->answers);
	list_init(&c->asked);
	return c;
}

static void
lease_free(struct lease *l)
{
	secret_wipe(l->key, l->node.key.len);
	free(l);
}

/* An answer. */
static void
lease_drop(struct lease_cache *c, struct lease *l)
{
	map_remove(&c->map, &l->node);
	list_del(&l->link);
	c->n_answers--;
	if (l->renewal != NULL)
		l->renewal->renews = NULL;
	c->o.free_value(l->value);
	lease_free(l);
}

static bool
lease_usable(const struct lease_cache *c, const struct lease *l,
    uint64_t now_ms)
{
	return l->until_ms > now_ms &&
	    (c->o.valid == NULL || c->o.valid(l->value, c->o.arg));
}

/* Room for one more entry: the answer that was used longest ago goes. */
static bool
lease_make_room(struct lease_cache *c)
{
	if (c->map.count < c->o.entries)
		return true;
	if (list_empty(&c->answers))
		return false;
	lease_drop(c, container_of(c->answers.next, struct lease, link));
	c->stats.evictions++;
	return true;
}

/* A question; not in the map yet. */
static struct lease *
lease_new(struct lease_cache *c, struct str key)
{
	struct lease *l = xmalloc(sizeof(*l) + key.len);

	memset(l, 0, sizeof(*l));
	memcpy(l->key, key.ptr, key.len);
	l->node.key = (struct str){ l->key, key.len };
	list_init(&l->waiters);
	list_init(&l->link);
	list_push(&c->asked, &l->link);
	return l;
}

/* Drops an answer that has run out; gives the question that renews it, which
 * takes its place, or NULL. */
static struct lease *
lease_end(struct lease_cache *c, struct lease *l)
{
	struct lease *renewal = l->renewal;

	lease_drop(c, l);
	if (renewal != NULL)
		map_insert(&c->map, &renewal->node, renewal->node.key);
	return renewal;
}

enum lease_found
lease_find(struct lease_cache *c, struct str key, uint64_t now_ms,
    struct lease_waiter *waiter, const void **value, struct lease **lease)
{
	struct map_node *n = map_find(&c->map, key);
	struct lease *l = n == NULL ? NULL : container_of(n, struct lease, node);

	if (l != NULL && l->until_ms != 0) {
		if (lease_usable(c, l, now_ms)) {
			list_del(&l->link);
			list_push(&c->answers, &l->link);
			c->stats.hits++;
			*value = l->value;
			*lease = l;
			return LEASE_HIT;
		}
		c->stats.stale++;
		l = lease_end(c, l);
	}
	c->stats.misses++;
	if (l != NULL) {
		list_push(&l->waiters, &waiter->link);
		return LEASE_WAIT;
	}
	if (!lease_make_room(c))
		return LEASE_FULL;
	l = lease_new(c, key);
	map_insert(&c->map, &l->node, l->node.key);
	list_push(&l->waiters, &waiter->link);
	*lease = l;
	return LEASE_ASK;
}

struct lease *
lease_renew(struct lease_cache *c, struct lease *hit, uint64_t now_ms)
{
	struct lease *l;

	if (now_ms < hit->renew_ms)
		return NULL;
	hit->renew_ms = NEVER;
	l = lease_new(c, hit->node.key);
	l->renews = hit;
	hit->renewal = l;
	c->stats.renewals++;
	return l;
}

uint64_t
lease_left_ms(const struct lease *hit, uint64_t now_ms)
{
	return hit->until_ms - now_ms;
}

/* By the hash of the key, whose own key is random. */
static uint64_t
renew_at(const struct lease *l, uint64_t now_ms)
{
	uint64_t life = l->until_ms - now_ms;

	return now_ms + life / 4 * 3 + life * (l->node.hash >> 56) / (256 * 8);
}

/* Takes a question out of wherever it is. */
static void
lease_land(struct lease_cache *c, struct lease *asked, uint64_t until_ms)
{
	struct lease *old = asked->renews;
	struct map_node *n;

	list_del(&asked->link);
	if (old != NULL) {
		asked->renews = NULL;
		old->renewal = NULL;
		if (until_ms != 0)
			lease_drop(c, old);
		return;
	}
	/* In the map, unless what it was to renew went before its time. */
	n = map_find(&c->map, asked->node.key);
	if (n == &asked->node)
		map_remove(&c->map, n);
}

void
lease_answer(struct lease_cache *c, struct lease *asked, void *value,
    uint64_t now_ms, uint64_t until_ms)
{
	struct list *n;

	ASSERT(asked->until_ms == 0 && asked->value == NULL);
	/* Out of the map first: a waiter may ask the same again. */
	lease_land(c, asked, until_ms);
	while ((n = list_pop(&asked->waiters)) != NULL) {
		struct lease_waiter *w =
		    container_of(n, struct lease_waiter, link);

		w->done(w, value);
	}
	if (value != NULL && until_ms > now_ms &&
	    map_find(&c->map, asked->node.key) == NULL && lease_make_room(c)) {
		asked->value = value;
		asked->until_ms = until_ms;
		map_insert(&c->map, &asked->node, asked->node.key);
		asked->renew_ms = renew_at(asked, now_ms);
		list_push(&c->answers, &asked->link);
		c->n_answers++;
		return;
	}
	if (value != NULL)
		c->o.free_value(value);
	lease_free(asked);
}

void
lease_cancel(struct lease_waiter *w)
{
	list_del(&w->link);
}

void
lease_flush(struct lease_cache *c)
{
	while (!list_empty(&c->answers))
		lease_drop(c, container_of(c->answers.next, struct lease, link));
}

size_t
lease_count(const struct lease_cache *c)
{
	return c->n_answers;
}

struct lease_stats
lease_stats(const struct lease_cache *c)
{
	return c->stats;
}

void
lease_cache_free(struct lease_cache **cp)
{
	struct lease_cache *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	lease_flush(c);
	while (!list_empty(&c->asked)) {
		struct lease *l =
		    container_of(c->asked.next, struct lease, link);

		ASSERT(list_empty(&l->waiters));
		list_del(&l->link);
		lease_free(l);
	}
	map_fini(&c->map);
	free(c);
}
