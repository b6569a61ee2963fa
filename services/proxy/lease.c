/* SPDX-License-Identifier: MIT */
#include "proxy/lease.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

struct lease {
	struct map_node node;
	struct list link;	/* in answers, oldest use first, or in asked */
	struct list waiters;
	uint64_t until_ms;	/* 0: the question is out */
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
lease_drop(struct lease_cache *c, struct lease *l)
{
	map_remove(&c->map, &l->node);
	list_del(&l->link);
	if (l->until_ms != 0)
		c->n_answers--;
	if (l->value != NULL)
		c->o.free_value(l->value);
	secret_wipe(l->key, l->node.key.len);
	free(l);
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

static struct lease *
lease_add(struct lease_cache *c, struct str key)
{
	struct lease *l = xmalloc(sizeof(*l) + key.len);

	memset(l, 0, sizeof(*l));
	memcpy(l->key, key.ptr, key.len);
	list_init(&l->waiters);
	list_init(&l->link);
	list_push(&c->asked, &l->link);
	map_insert(&c->map, &l->node, (struct str){ l->key, key.len });
	return l;
}

enum lease_found
lease_find(struct lease_cache *c, struct str key, uint64_t now_ms,
    struct lease_waiter *waiter, const void **value, struct lease **asked)
{
	struct map_node *n = map_find(&c->map, key);
	struct lease *l = n == NULL ? NULL : container_of(n, struct lease, node);

	if (l != NULL && l->until_ms != 0) {
		if (lease_usable(c, l, now_ms)) {
			list_del(&l->link);
			list_push(&c->answers, &l->link);
			c->stats.hits++;
			*value = l->value;
			return LEASE_HIT;
		}
		c->stats.stale++;
		lease_drop(c, l);
		l = NULL;
	}
	c->stats.misses++;
	if (l != NULL) {
		list_push(&l->waiters, &waiter->link);
		return LEASE_WAIT;
	}
	if (!lease_make_room(c))
		return LEASE_FULL;
	l = lease_add(c, key);
	list_push(&l->waiters, &waiter->link);
	*asked = l;
	return LEASE_ASK;
}

void
lease_answer(struct lease_cache *c, struct lease *asked, void *value,
    uint64_t now_ms, uint64_t until_ms)
{
	struct list *n;

	ASSERT(asked->until_ms == 0 && asked->value == NULL);
	/* Out of the map first: a waiter may ask the same again. */
	map_remove(&c->map, &asked->node);
	list_del(&asked->link);
	while ((n = list_pop(&asked->waiters)) != NULL) {
		struct lease_waiter *w =
		    container_of(n, struct lease_waiter, link);

		w->done(w, value);
	}
	if (value != NULL && until_ms > now_ms && lease_make_room(c) &&
	    map_find(&c->map, asked->node.key) == NULL) {
		asked->value = value;
		asked->until_ms = until_ms;
		map_insert(&c->map, &asked->node, asked->node.key);
		list_push(&c->answers, &asked->link);
		c->n_answers++;
		return;
	}
	if (value != NULL)
		c->o.free_value(value);
	secret_wipe(asked->key, asked->node.key.len);
	free(asked);
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
		lease_drop(c, l);
	}
	map_fini(&c->map);
	free(c);
}
