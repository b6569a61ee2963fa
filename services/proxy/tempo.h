/* SPDX-License-Identifier: MIT */
/*
 * tempo: whether a worker wants to be let in at once when something comes.
 *
 * The kernel lets a thread that wakes take the core from whoever runs there
 * (sched(7)). So an answer goes out soon, which is right while there is little
 * to do. With many connections at once on busy cores it is not: each byte that
 * a client sends wakes the worker in the midst of that client's work, for one
 * event, and two switches. A thread of SCHED_BATCH waits for its turn and finds
 * more to do, for all of which it then switches once. Where a core is free
 * there is no difference.
 *
 * A worker tells how much it found each time that it woke. Owned by one worker.
 */
#ifndef PROXY_TEMPO_H
#define PROXY_TEMPO_H

#include <stdbool.h>
#include <stdint.h>

/* Events in a turn of the loop, on average since the last look. */
#define TEMPO_MANY 4	/* from now on they gather */
#define TEMPO_FEW  3	/* fewer: they no longer do */

/* Zeroes at first. */
struct tempo {
	uint64_t turns, events;	/* since the last look */
	bool gathers;
};

/* After each turn: so many events were found at once. */
void tempo_turn(struct tempo *t, unsigned events);
/* Some times a second, on the worker's thread, which it makes one of
 * SCHED_BATCH or of SCHED_OTHER again. A courtesy to itself: it may fail,
 * unseen. */
void tempo_look(struct tempo *t);

#endif
