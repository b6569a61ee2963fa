/* SPDX-License-Identifier: MIT */
/*
 * resolve_cache: answers that were given, until their time is over.
 *
 * A bounded LRU keyed by canonical names; no addresses means that the name is
 * known not to exist. Pure: time comes as an argument. Owned by one worker.
 */
#ifndef PROXY_RESOLVE_CACHE_H
#define PROXY_RESOLVE_CACHE_H

#include <stdint.h>

#include "net/addr.h"

struct resolve_cache;

struct resolve_cached {
	const struct addr *addrs;	/* borrowed until the next call */
	size_t n;			/* 0: no such name */
};

/* `max` entries; 0: remembers nothing. */
struct resolve_cache *resolve_cache_new(size_t max);
/* Remembers until `until_ms`, in place of what was there. Without memory it
 * does not. */
void resolve_cache_put(struct resolve_cache *c, struct str name,
    const struct addr *addrs, size_t n, uint64_t until_ms);
bool resolve_cache_get(struct resolve_cache *c, struct str name,
    uint64_t now_ms, struct resolve_cached *out) MUST_CHECK;
void resolve_cache_free(struct resolve_cache **cp);

#endif
