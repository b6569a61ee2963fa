/* SPDX-License-Identifier: MIT */
#include "proxy/shards.h"

#include <stdlib.h>

#include "base/id.h"
#include "base/mem.h"

struct shards *
shards_new(void)
{
	struct shards *s = aligned_alloc(_Alignof(struct shards), sizeof(*s));

	if (s == NULL)
		die("shards: no memory");
	random_bytes(s->seed, sizeof(s->seed));
	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&s->v[i].lock, NULL);
		map_init(&s->v[i].map);
		list_init(&s->v[i].order);
	}
	return s;
}

struct shard *
shards_lock(struct shards *s, struct str key)
{
	struct shard *shard =
	    &s->v[siphash(s->seed, key.ptr, key.len) % SHARDS];

	shard_lock(shard);
	return shard;
}

void
shard_lock(struct shard *s)
{
	ASSERT(pthread_mutex_lock(&s->lock) == 0);
}

void
shard_unlock(struct shard *s)
{
	ASSERT(pthread_mutex_unlock(&s->lock) == 0);
}

void
shards_free(struct shards **sp, void (*free_node)(struct map_node *n))
{
	struct shards *s = *sp;
	struct map_node *n;

	*sp = NULL;
	if (s == NULL)
		return;
	for (size_t i = 0; i < SHARDS; i++) {
		while ((n = map_next(&s->v[i].map, NULL)) != NULL) {
			map_remove(&s->v[i].map, n);
			free_node(n);
		}
		map_fini(&s->v[i].map);
		pthread_mutex_destroy(&s->v[i].lock);
	}
	free(s);
}
