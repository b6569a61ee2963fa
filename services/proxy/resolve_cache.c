/* SPDX-License-Identifier: MIT */
#include "proxy/resolve_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

struct entry {
	struct map_node node;
	struct list link;	/* in used, the longest unused first */
	uint64_t until_ms;
	size_t n;
	struct addr addrs[];	/* the name follows */
};

struct resolve_cache {
	struct map names;
	struct list used;
	size_t max;
};

struct resolve_cache *
resolve_cache_new(size_t max)
{
	struct resolve_cache *c = xcalloc(1, sizeof(*c));

	map_init(&c->names);
	list_init(&c->used);
	c->max = max;
	return c;
}

static void
drop(struct resolve_cache *c, struct entry *e)
{
	map_remove(&c->names, &e->node);
	list_del(&e->link);
	free(e);
}

static struct entry *
find(const struct resolve_cache *c, struct str name)
{
	struct map_node *node = map_find(&c->names, name);

	return node != NULL ? container_of(node, struct entry, node) : NULL;
}

void
resolve_cache_put(struct resolve_cache *c, struct str name,
    const struct addr *addrs, size_t n, uint64_t until_ms)
{
	struct entry *e = find(c, name);
	char *copy;

	if (e != NULL)
		drop(c, e);
	if (c->max == 0)
		return;
	if (c->names.count >= c->max)
		drop(c, container_of(c->used.next, struct entry, link));
	e = malloc(sizeof(*e) + n * sizeof(*addrs) + name.len);
	if (e == NULL)
		return;
	e->until_ms = until_ms;
	e->n = n;
	if (n > 0)
		memcpy(e->addrs, addrs, n * sizeof(*addrs));
	copy = (char *)(e->addrs + n);
	memcpy(copy, name.ptr, name.len);
	map_insert(&c->names, &e->node, (struct str){ copy, name.len });
	list_init(&e->link);
	list_push(&c->used, &e->link);
}

bool
resolve_cache_get(struct resolve_cache *c, struct str name, uint64_t now_ms,
    struct resolve_cached *out)
{
	struct entry *e = find(c, name);

	if (e == NULL)
		return false;
	if (e->until_ms <= now_ms) {
		drop(c, e);
		return false;
	}
	list_del(&e->link);
	list_push(&c->used, &e->link);
	*out = (struct resolve_cached){ e->addrs, e->n };
	return true;
}

void
resolve_cache_free(struct resolve_cache **cp)
{
	struct resolve_cache *c = *cp;

	if (c == NULL)
		return;
	while (!list_empty(&c->used))
		drop(c, container_of(c->used.next, struct entry, link));
	map_fini(&c->names);
	free(c);
	*cp = NULL;
}
