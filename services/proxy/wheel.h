/* SPDX-License-Identifier: MIT */
/*
 * wheel: deadlines of many objects, coarse and cheap.
 *
 * Time is in whole seconds of a clock that never goes back; an entry costs a
 * list link and its second. Adding, moving and removing do not depend on how
 * many there are. Pure: no clock, no timer. Owned by one worker.
 */
#ifndef PROXY_WHEEL_H
#define PROXY_WHEEL_H

#include <stdint.h>

#include "base/list.h"

#define WHEEL_SLOTS 512		/* a second each; later ones go round again */
#define WHEEL_NEVER UINT64_MAX

/* Embedded in whoever waits; zeroed means: not in a wheel. */
struct wheel_entry {
	struct list link;
	uint64_t due;
};

struct wheel {
	struct list slots[WHEEL_SLOTS];
	uint64_t now;		/* the last second that was looked at */
	size_t count;
};

void wheel_init(struct wheel *w, uint64_t now);
/* Adds or moves; a second that has passed counts as the next one. `now` sets
 * an empty wheel. WHEEL_NEVER: only removes. */
void wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t now,
    uint64_t due);
void wheel_remove(struct wheel *w, struct wheel_entry *e);
/* Makes every entry due at the next second. */
void wheel_hurry(struct wheel *w);
/* Takes out one entry that is due at `now`; NULL: no more. */
struct wheel_entry *wheel_take(struct wheel *w, uint64_t now);
/* When to look again: no entry is due before it. WHEEL_NEVER: empty. */
uint64_t wheel_next(const struct wheel *w);

#endif
