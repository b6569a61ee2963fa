/* SPDX-License-Identifier: MIT */
#include "proxy/pace.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proxy/shards.h"

#define FULL_AFTER_US UINT64_C(60000000)
#define SWEEP 2		/* idle ones dropped at each use, at most */

/* In a shard's order the bucket that was used last is last. */
struct pace {
	struct shards *shards;
};

struct bucket {
	struct map_node node;
	struct list link;	/* in its shard's order */
	struct shaper shaper;
	char key[];
};

struct pace *
pace_new(void)
{
	struct pace *p = xcalloc(1, sizeof(*p));

	p->shards = shards_new();
	return p;
}

static struct bucket *
oldest(const struct shard *s)
{
	return container_of(s->order.next, struct bucket, link);
}

static void
drop(struct shard *s, struct bucket *b)
{
	list_del(&b->link);
	map_remove(&s->map, &b->node);
	free(b);
}

static void
sweep(struct shard *s, uint64_t now_us)
{
	for (int i = 0; i < SWEEP && !list_empty(&s->order); i++) {
		struct bucket *b = oldest(s);

		if (now_us < b->shaper.at_us ||
		    now_us - b->shaper.at_us < FULL_AFTER_US)
			return;
		drop(s, b);
	}
}

/* NULL: no memory. */
static struct bucket *
bucket_for(struct shard *s, struct str key, const struct shaper_rate *r,
    uint64_t now_us)
{
	struct map_node *n = map_find(&s->map, key);
	struct bucket *b;

	if (n != NULL) {
		b = container_of(n, struct bucket, node);
		list_del(&b->link);
		list_push(&s->order, &b->link);
		return b;
	}
	if (s->map.count >= PACE_SHARD_MAX)
		drop(s, oldest(s));
	b = malloc(sizeof(*b) + key.len);
	if (b == NULL)
		return NULL;
	memcpy(b->key, key.ptr, key.len);
	shaper_init(&b->shaper, r, now_us);
	map_insert(&s->map, &b->node, (struct str){ b->key, key.len });
	list_push(&s->order, &b->link);
	return b;
}

bool
pace_take(struct pace *p, struct str key, uint32_t per_minute, uint64_t now_us)
{
	struct shaper_rate r = shaper_per_minute(per_minute);
	struct bucket *b;
	struct shard *s;
	bool ok;

	if (per_minute == 0)
		return true;
	s = shards_lock(p->shards, key);
	sweep(s, now_us);
	b = bucket_for(s, key, &r, now_us);
	ok = b != NULL && shaper_take(&b->shaper, &r, now_us, 1);
	shard_unlock(s);
	return ok;
}

size_t
pace_count(struct pace *p)
{
	size_t n = 0;

	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *s = &p->shards->v[i];

		shard_lock(s);
		n += s->map.count;
		shard_unlock(s);
	}
	return n;
}

static void
free_bucket(struct map_node *n)
{
	free(container_of(n, struct bucket, node));
}

void
pace_free(struct pace **pp)
{
	struct pace *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	shards_free(&p->shards, free_bucket);
	free(p);
}
