/* SPDX-License-Identifier: MIT */
#include "proxy/tally.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct count {
	struct map_node node;
	uint32_t n;
	char key[];
};

static struct count *
count_find(const struct tally *t, struct str key)
{
	struct map_node *n = map_find(&t->map, key);

	return n == NULL ? NULL : container_of(n, struct count, node);
}

void
tally_init(struct tally *t)
{
	map_init(&t->map);
}

bool
tally_take(struct tally *t, struct str key, uint32_t max)
{
	struct count *c = count_find(t, key);

	if (c == NULL) {
		c = xmalloc(sizeof(*c) + key.len);
		c->n = 0;
		memcpy(c->key, key.ptr, key.len);
		map_insert(&t->map, &c->node, (struct str){ c->key, key.len });
	}
	if (max != 0 && c->n >= max)
		return false;
	c->n++;
	return true;
}

void
tally_give(struct tally *t, struct str key)
{
	struct count *c = count_find(t, key);

	ASSERT(c != NULL && c->n > 0);
	if (--c->n > 0)
		return;
	map_remove(&t->map, &c->node);
	free(c);
}

uint32_t
tally_of(const struct tally *t, struct str key)
{
	const struct count *c = count_find(t, key);

	return c == NULL ? 0 : c->n;
}

void
tally_fini(struct tally *t)
{
	struct map_node *n;

	while ((n = map_next(&t->map, NULL)) != NULL) {
		map_remove(&t->map, n);
		free(container_of(n, struct count, node));
	}
	map_fini(&t->map);
}
