/* SPDX-License-Identifier: MIT */
/*
 * cache: answers to questions that were asked before, bounded, the least
 * recently used going first.
 *
 * Keys are digests, so neither names nor passwords are in here. Time comes as
 * an argument. One thread, or the caller's lock.
 */
#ifndef AUTHD_CACHE_H
#define AUTHD_CACHE_H

#include <stdint.h>

#include "base/str.h"
#include "crypt/digest.h"

struct cache;

/* Until when an answer is good: the earlier of the two. */
struct cache_until {
	uint64_t mono_ms;	/* clock_mono_ms */
	uint64_t wall_us;	/* clock_wall_us; 0: no end */
};

struct cache *cache_new(size_t max_entries) MUST_CHECK;
/* The answer, borrowed until the next call; ptr NULL: none that is good at
 * `now`, in which wall_us must be set. */
struct str cache_get(struct cache *c, const uint8_t key[static DIGEST_SIZE],
    const struct cache_until *now);
/* Copies the answer; replaces what was there. */
void cache_put(struct cache *c, const uint8_t key[static DIGEST_SIZE],
    struct str answer, const struct cache_until *until);
void cache_flush(struct cache *c);
size_t cache_count(const struct cache *c);
void cache_free(struct cache **cp);

#endif
