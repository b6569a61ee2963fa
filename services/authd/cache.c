/* SPDX-License-Identifier: MIT */
#include "authd/cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

struct entry {
	struct map_node node;
	struct list used;	/* in `by_use`, the last used at the end */
	uint8_t key[DIGEST_SIZE];
	struct cache_until until;
	size_t len;
	char answer[];
};

struct cache {
	struct map by_key;
	struct list by_use;
	size_t max;
};

struct cache *
cache_new(size_t max_entries)
{
	struct cache *c = xcalloc(1, sizeof(*c));

	ASSERT(max_entries > 0);
	map_init(&c->by_key);
	list_init(&c->by_use);
	c->max = max_entries;
	return c;
}

static struct str
key_str(const uint8_t *key)
{
	return (struct str){ (const char *)key, DIGEST_SIZE };
}

static void
drop(struct cache *c, struct entry *e)
{
	map_remove(&c->by_key, &e->node);
	list_del(&e->used);
	free(e);
}

static struct entry *
find(struct cache *c, const uint8_t *key)
{
	struct map_node *m = map_find(&c->by_key, key_str(key));

	return m == NULL ? NULL : container_of(m, struct entry, node);
}

static bool
is_good(const struct cache_until *until, const struct cache_until *now)
{
	return now->mono_ms < until->mono_ms &&
	    (until->wall_us == 0 || now->wall_us < until->wall_us);
}

struct str
cache_get(struct cache *c, const uint8_t key[static DIGEST_SIZE],
    const struct cache_until *now)
{
	struct entry *e = find(c, key);

	if (e == NULL)
		return (struct str){ NULL, 0 };
	if (!is_good(&e->until, now)) {
		drop(c, e);
		return (struct str){ NULL, 0 };
	}
	list_del(&e->used);
	list_push(&c->by_use, &e->used);
	return (struct str){ e->answer, e->len };
}

void
cache_put(struct cache *c, const uint8_t key[static DIGEST_SIZE],
    struct str answer, const struct cache_until *until)
{
	struct entry *e = find(c, key);

	if (e != NULL)
		drop(c, e);
	else if (c->by_key.count == c->max)
		drop(c, container_of(c->by_use.next, struct entry, used));
	e = xmalloc(sizeof(*e) + answer.len + 1);
	memset(e, 0, sizeof(*e));
	memcpy(e->key, key, DIGEST_SIZE);
	if (answer.len > 0)
		memcpy(e->answer, answer.ptr, answer.len);
	e->len = answer.len;
	e->until = *until;
	map_insert(&c->by_key, &e->node, key_str(e->key));
	list_push(&c->by_use, &e->used);
}

void
cache_flush(struct cache *c)
{
	list_for_each_safe (link, &c->by_use)
		drop(c, container_of(link, struct entry, used));
}

size_t
cache_count(const struct cache *c)
{
	return c->by_key.count;
}

void
cache_free(struct cache **cp)
{
	struct cache *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	cache_flush(c);
	map_fini(&c->by_key);
	free(c);
}
