/* SPDX-License-Identifier: MIT */
/*
 * arena: memory of one transaction, given back all at once.
 *
 * Grows by blocks that a reset keeps, so that a busy writer allocates nothing
 * per row. Memory out ends the process. One thread.
 */
#ifndef SESSIOND_ARENA_H
#define SESSIOND_ARENA_H

#include "base/str.h"

struct arena;

struct arena *arena_new(void) MUST_CHECK;
/* Zeroed and aligned for any object; valid until the reset. */
void *arena_get(struct arena *a, size_t size) MUST_CHECK;
/* Bytes that are not zeroed and need no alignment. */
char *arena_bytes(struct arena *a, size_t size) MUST_CHECK;
/* A copy; the empty string stays {NULL, 0}. */
struct str arena_str(struct arena *a, struct str s);
/* All objects are gone. Keeps some megabytes for the next. */
void arena_reset(struct arena *a);
void arena_free(struct arena **ap);

#endif
