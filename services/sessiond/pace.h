/* SPDX-License-Identifier: MIT */
/*
 * pace: whether sessiond may stand back for everybody else on the machine.
 *
 * Whoever stands back gets next to nothing of cores that are all busy
 * (base/background.h), and records would be lost where that goes on. So it
 * stands back only as long as it keeps up. Pure; any thread.
 */
#ifndef SESSIOND_PACE_H
#define SESSIOND_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Beyond batch_interval. History shows a session within a second. */
#define PACE_LATE_MS	200	/* this much is too late */
#define PACE_ON_TIME_MS 100	/* and this little on time again */

/* What waits: batches in the queue, and those that are being stored. */
struct pace {
	uint64_t waited_ms;   /* the oldest of them; 0: there is none */
	uint64_t interval_ms; /* batch_interval */
	size_t bytes, room;   /* what they take of sessiond.queue */
};

/*
 * `back`: it stands back now. It no longer does once a batch is late, or more
 * than a quarter of the room is taken; and does again when nothing is late and
 * no more than an eighth is taken.
 */
bool pace_stands_back(const struct pace *p, bool back);

#endif
