/* SPDX-License-Identifier: MIT */
/*
 * tick: calls functions again and again, all on one thread of the process,
 * which is there as long as there is any tick. Internal to common/msg.
 *
 * In place of nng's timers: nng 1.5.2 takes one that runs out for due only in
 * the next millisecond, and spins until then; and its threads are few, so that
 * whoever waits on one may wait for another (nng_dialer_close).
 *
 * One runs after the other, and may take its time: the others are late then.
 * Those of the same period run in the same moments, which saves wakings.
 */
#ifndef MSG_TICK_H
#define MSG_TICK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"

struct tick;

/* On the thread of all ticks. */
typedef void tick_fn(struct tick *t);

/* Embedded, zeroes at first. All of it is tick.c's. */
struct tick {
	struct list in;
	tick_fn *on_tick;
	uint64_t due_ms;
	uint32_t period_ms;
	bool started;
};

/* Calls on_tick every `period_ms` (above 0), for the first time after one
 * period at the earliest and two at the latest. -1: no thread. Any thread. */
int tick_start(struct tick *t, uint32_t period_ms, tick_fn *on_tick,
    struct err *err) MUST_CHECK;
/* on_tick does not run any more, nor ever again: waits for its end, and for no
 * other's. Not from on_tick. Harmless where it is not started. */
void tick_stop(struct tick *t);

#endif
