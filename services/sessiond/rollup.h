/* SPDX-License-Identifier: MIT */
/*
 * rollup: hourly sums of the sessions that one transaction added.
 *
 * A row counts in the hour of its started_at, under each dimension it has a
 * key for. Keys are borrowed from the rows or live in the arena, both until
 * rollup_reset. Pure but for its memory; one thread.
 */
#ifndef SESSIOND_ROLLUP_H
#define SESSIOND_ROLLUP_H

#include "sessiond/arena.h"
#include "sessiond/store.h"

#define ROLLUP_HOUR_US UINT64_C(3600000000)

struct rollup;

struct rollup *rollup_new(struct arena *a) MUST_CHECK;
void rollup_add(struct rollup *r, const struct store_session *row);
/* The sums so far, borrowed until the next call. */
const struct store_rollup *rollup_rows(const struct rollup *r, size_t *n);
/* Forgets all; the arena is the caller's to reset afterwards. */
void rollup_reset(struct rollup *r);
void rollup_free(struct rollup **rp);

#endif
