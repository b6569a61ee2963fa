/* SPDX-License-Identifier: MIT */
/*
 * map: a hash table of intrusive nodes, keyed by bytes.
 *
 * Hashing is SipHash-2-4 under a random key drawn at map_init, because keys
 * come from strangers. The map owns its buckets, never the nodes: key bytes
 * must stay put while a node is in. One thread, or the caller's lock.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdint.h>

#include "base/str.h"

struct map_node {
	struct map_node *next;
	uint64_t hash;
	struct str key;		/* borrowed from the object */
};

struct map {
	struct map_node **buckets;
	size_t nbuckets;	/* a power of two */
	size_t count;
	uint64_t seed[2];
};

void map_init(struct map *m);
/* The node with this key, or NULL. */
struct map_node *map_find(const struct map *m, struct str key);
/* `node` must be in no map, its key not in this one. */
void map_insert(struct map *m, struct map_node *node, struct str key);
void map_remove(struct map *m, struct map_node *node);
/* Walks all nodes: start with NULL, ends with NULL. No changes meanwhile. */
struct map_node *map_next(const struct map *m, const struct map_node *prev);
/* Forgets all nodes and frees the buckets. */
void map_fini(struct map *m);

uint64_t siphash(const uint64_t seed[2], const void *p, size_t len);

#endif
