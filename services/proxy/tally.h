/* SPDX-License-Identifier: MIT */
/*
 * tally: how many of something each key has now, with a limit. Pure; owned by
 * one worker.
 */
#ifndef PROXY_TALLY_H
#define PROXY_TALLY_H

#include "base/map.h"

struct tally {
	struct map map;
};

void tally_init(struct tally *t);
/* One more for `key`; false: it has `max` already (0: no limit). */
bool tally_take(struct tally *t, struct str key, uint32_t max) MUST_CHECK;
/* One less; the key must have one. */
void tally_give(struct tally *t, struct str key);
uint32_t tally_of(const struct tally *t, struct str key);
void tally_fini(struct tally *t);

#endif
