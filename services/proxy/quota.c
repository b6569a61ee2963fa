/* SPDX-License-Identifier: MIT */
#include "proxy/quota.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proxy/shards.h"

struct quota {
	struct shards *kinds[QUOTA_KINDS];
};

/* In its shard's map while `n` is above 0. */
struct quota_count {
	struct map_node node;
	struct shard *shard;
	uint32_t n;
	char key[];
};

struct quota *
quota_new(void)
{
	struct quota *q = xcalloc(1, sizeof(*q));

	for (size_t i = 0; i < QUOTA_KINDS; i++)
		q->kinds[i] = shards_new();
	return q;
}

static struct quota_count *
count_find(const struct shard *s, struct str key)
{
	struct map_node *n = map_find(&s->map, key);

	return n == NULL ? NULL : container_of(n, struct quota_count, node);
}

/* NULL: no memory. */
static struct quota_count *
count_new(struct shard *s, struct str key)
{
	struct quota_count *c = malloc(sizeof(*c) + key.len);

	if (c == NULL)
		return NULL;
	c->shard = s;
	c->n = 0;
	memcpy(c->key, key.ptr, key.len);
	map_insert(&s->map, &c->node, (struct str){ c->key, key.len });
	return c;
}

enum quota_result
quota_take(struct quota *q, enum quota_kind kind, struct str key, uint32_t max,
    struct quota_hold *hold)
{
	enum quota_result result = QUOTA_OK;
	struct quota_count *c;
	struct shard *s;

	ASSERT(hold->count == NULL);
	if (max == 0)
		return QUOTA_OK;
	s = shards_lock(q->kinds[kind], key);
	c = count_find(s, key);
	if (c == NULL)
		c = count_new(s, key);
	if (c == NULL) {
		result = QUOTA_NO_MEMORY;
	} else if (c->n >= max) {
		result = QUOTA_FULL;
	} else {
		c->n++;
		hold->count = c;
	}
	shard_unlock(s);
	return result;
}

void
quota_give(struct quota_hold *hold)
{
	struct quota_count *c = hold->count;
	struct shard *s;

	if (c == NULL)
		return;
	hold->count = NULL;
	s = c->shard;	/* stays the same as long as something is held */
	shard_lock(s);
	ASSERT(c->n > 0);
	if (--c->n == 0) {
		map_remove(&s->map, &c->node);
		free(c);
	}
	shard_unlock(s);
}

uint32_t
quota_of(struct quota *q, enum quota_kind kind, struct str key)
{
	struct shard *s = shards_lock(q->kinds[kind], key);
	const struct quota_count *c = count_find(s, key);
	uint32_t n = c == NULL ? 0 : c->n;

	shard_unlock(s);
	return n;
}

static void
still_held(struct map_node *n)
{
	(void)n;
	ASSERT(false && "something is still held");
}

void
quota_free(struct quota **qp)
{
	struct quota *q = *qp;

	*qp = NULL;
	if (q == NULL)
		return;
	for (size_t i = 0; i < QUOTA_KINDS; i++)
		shards_free(&q->kinds[i], still_held);
	free(q);
}
