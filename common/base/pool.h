/* SPDX-License-Identifier: MIT */
/*
 * pool: objects of one size, a bounded number of them.
 *
 * Memory comes in slabs as it is needed and goes back to the system when a
 * slab's last object is given back, but for a few slabs that are kept for the
 * next burst: after a peak the process is as small as before. Getting and
 * putting do not depend on how many there are. One thread.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

#include "base/check.h"

struct pool;

/* `size` in bytes, aligned as malloc's; at most `max` objects at a time. */
struct pool *pool_new(size_t size, size_t max) MUST_CHECK;
/* Zeroed object, or NULL: `max` are out, or memory is. */
void *pool_get(struct pool *p) MUST_CHECK;
/* The same, but it holds whatever was there before. */
void *pool_take(struct pool *p) MUST_CHECK;
void pool_put(struct pool *p, void *object);
size_t pool_used(const struct pool *p);
/* Bytes that it has from the system now, used or kept. */
size_t pool_bytes(const struct pool *p);
/* All objects must be back. NULL inside is harmless; clears the pointer. */
void pool_free(struct pool **pp);

#endif
