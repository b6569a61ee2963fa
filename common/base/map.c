/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/mem.h"

#define FIRST_BUCKETS 16

static inline uint64_t
rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static inline void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static inline void
sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

uint64_t
siphash(const uint64_t seed[2], const void *p, size_t len)
{
	uint64_t v[4] = {
		seed[0] ^ UINT64_C(0x736f6d6570736575),
		seed[1] ^ UINT64_C(0x646f72616e646f6d),
		seed[0] ^ UINT64_C(0x6c7967656e657261),
		seed[1] ^ UINT64_C(0x7465646279746573),
	};
	const char *at = p;
	uint64_t word, last = (uint64_t)len << 56;
	size_t left;

	for (left = len; left >= 8; left -= 8, at += 8) {
		memcpy(&word, at, 8);
		sip_word(v, le64toh(word));
	}
	while (left-- > 0)
		last |= (uint64_t)(uint8_t)at[left] << (8 * left);
	sip_word(v, last);
	v[2] ^= 0xff;
	for (left = 0; left < 4; left++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void
map_init(struct map *m)
{
	*m = (struct map){ .nbuckets = FIRST_BUCKETS };
	m->buckets = xcalloc(m->nbuckets, sizeof(m->buckets[0]));
	random_bytes(m->seed, sizeof(m->seed));
}

static struct map_node **
bucket(const struct map *m, uint64_t hash)
{
	return &m->buckets[hash & (m->nbuckets - 1)];
}

static struct map_node *
find(const struct map *m, uint64_t hash, struct str key)
{
	struct map_node *n = *bucket(m, hash);

	while (n != NULL && !(n->hash == hash && str_eq(n->key, key)))
		n = n->next;
	return n;
}

struct map_node *
map_find(const struct map *m, struct str key)
{
	if (m->count == 0)
		return NULL;
	return find(m, siphash(m->seed, key.ptr, key.len), key);
}

/* Doubles the buckets. Without memory the map is slower, not broken. */
static void
grow(struct map *m)
{
	struct map old = *m;
	struct map_node **b, *n;
	size_t i;

	b = calloc(old.nbuckets * 2, sizeof(*b));
	if (b == NULL)
		return;
	m->buckets = b;
	m->nbuckets *= 2;
	for (i = 0; i < old.nbuckets; i++) {
		while ((n = old.buckets[i]) != NULL) {
			old.buckets[i] = n->next;
			b = bucket(m, n->hash);
			n->next = *b;
			*b = n;
		}
	}
	free(old.buckets);
}

void
map_insert(struct map *m, struct map_node *node, struct str key)
{
	struct map_node **b;

	ASSERT(m->nbuckets > 0);
	if (m->count >= m->nbuckets)
		grow(m);
	node->hash = siphash(m->seed, key.ptr, key.len);
	node->key = key;
	ASSERT(find(m, node->hash, key) == NULL);
	b = bucket(m, node->hash);
	node->next = *b;
	*b = node;
	m->count++;
}

void
map_remove(struct map *m, struct map_node *node)
{
	struct map_node **at;

	ASSERT(m->count > 0);
	at = bucket(m, node->hash);
	while (*at != node) {
		ASSERT(*at != NULL);
		at = &(*at)->next;
	}
	*at = node->next;
	node->next = NULL;
	m->count--;
}

struct map_node *
map_next(const struct map *m, const struct map_node *prev)
{
	size_t i = 0;

	if (prev != NULL && prev->next != NULL)
		return prev->next;
	if (prev != NULL)
		i = (prev->hash & (m->nbuckets - 1)) + 1;
	for (; i < m->nbuckets; i++) {
		if (m->buckets[i] != NULL)
			return m->buckets[i];
	}
	return NULL;
}

void
map_fini(struct map *m)
{
	free(m->buckets);
	*m = (struct map){ 0 };
}
