/* SPDX-License-Identifier: MIT */
/*
 * shards: a hash table for all threads, in parts that have a lock each.
 *
 * A key belongs to one shard, by a keyed hash, since keys come from strangers;
 * workers meet only where they want the same part at the same moment. What is
 * in it is the owner's; it holds one lock at a time and briefly. Guarded by
 * `lock`: everything in a shard, and what its owner says is guarded by it.
 */
#ifndef PROXY_SHARDS_H
#define PROXY_SHARDS_H

#include <pthread.h>

#include "base/list.h"
#include "base/map.h"

#define SHARDS 64

struct shard {
	_Alignas(64) pthread_mutex_t lock;
	struct map map;
	struct list order;	/* the owner's */
};

struct shards {
	uint64_t seed[2];
	struct shard v[SHARDS];
};

struct shards *shards_new(void) MUST_CHECK;
/* The shard of `key`, locked. */
struct shard *shards_lock(struct shards *s, struct str key) MUST_CHECK;
void shard_lock(struct shard *s);
void shard_unlock(struct shard *s);
/* No other thread may use it any more. `free_node` frees what is left in it;
 * the node is out of its map by then. */
void shards_free(struct shards **sp, void (*free_node)(struct map_node *n));

#endif
