/* SPDX-License-Identifier: MIT */
/*
 * pace: how fast each key may come, in the whole process.
 *
 * A token bucket for each key (shaper.h), dropped when it has been full for
 * sure, that is a minute after its last use. Memory is bounded: where a shard
 * holds PACE_SHARD_MAX buckets, the one that was not used for longest makes
 * room, which can only be generous. Any thread.
 */
#ifndef PROXY_PACE_H
#define PROXY_PACE_H

#include "base/check.h"
#include "base/str.h"
#include "proxy/shaper.h"

#define PACE_SHARD_MAX 2048	/* 131,072 in all, some 16 MiB */

struct pace;

struct pace *pace_new(void) MUST_CHECK;
/* May `key` come once more, at so many a minute? A whole minute's worth may
 * come at once. 0: always, without lock or memory. Time in µs of the clock of
 * clock_mono_us. Without memory: no. */
bool pace_take(struct pace *p, struct str key, uint32_t per_minute,
    uint64_t now_us) MUST_CHECK;
/* Buckets that are remembered. */
size_t pace_count(struct pace *p);
void pace_free(struct pace **pp);

#endif
