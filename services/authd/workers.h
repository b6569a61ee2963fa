/* SPDX-License-Identifier: MIT */
/*
 * workers: a fixed number of threads for slow work, and a bounded queue.
 *
 * The threads run at a lower priority than those that serve, so that work of
 * milliseconds delays few who need none. Where they take all cores that is not
 * enough: a thread that has just slept may have to wait for the scheduler's
 * next tick (4 ms at 250 Hz) before it takes a core from one of them, whatever
 * their priorities are. So the last of them can be told to stand back while
 * others are in a hurry. Any thread may submit.
 */
#ifndef AUTHD_WORKERS_H
#define AUTHD_WORKERS_H

#include <stdint.h>

#include "base/err.h"
#include "base/list.h"

struct workers;

/* Embedded in what is to be done; the workers' from submit until run. */
struct workers_job {
	struct list link;
	uint64_t queued_us;	/* clock_mono_us, set by submit */
	unsigned thread;	/* which one runs it, from 0; set before run */
	/* Once per submit that gave true. `abandoned`: the workers stop, the
	 * work is not wanted any more. May free the job. */
	void (*run)(struct workers_job *j, bool abandoned);
};

struct workers_options {
	const char *name;	/* of the threads, at most 15 bytes */
	unsigned threads;	/* at least 1 */
	unsigned queue;		/* jobs that may wait, at least 1 */
	/* How long the last thread takes no job after workers_stand_back(), ms;
	 * 0: it never stands back. Only one of several does. */
	unsigned aside_ms;
};

int workers_start(struct workers **out, const struct workers_options *o,
    struct err *err) MUST_CHECK;
/* false: the queue is full, or the workers have stopped. */
bool workers_submit(struct workers *w, struct workers_job *j) MUST_CHECK;
/* Before all others and beyond the queue; for administrators. false: the
 * workers have stopped. */
bool workers_submit_first(struct workers *w, struct workers_job *j)
    MUST_CHECK;
/* Somebody is served who needs none of the threads. Cheap; any thread. */
void workers_stand_back(struct workers *w);
/* Jobs that wait. */
unsigned workers_queued(struct workers *w);
/* Ends the threads after the work at hand, and abandons what waits. May be
 * called twice. */
void workers_stop(struct workers *w);
/* Stops too. */
void workers_free(struct workers **wp);

#endif
