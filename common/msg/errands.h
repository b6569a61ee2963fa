/* SPDX-License-Identifier: MIT */
/*
 * errands: a thread that calls nng for those who may not wait.
 *
 * nng's functions never block by their own words, but they take its locks,
 * and whoever holds one may have no core at the moment; even its waking of a
 * thread waits for those woken before (pthread_cond_signal). On a busy machine
 * a loop that serves thousands stood still for milliseconds. Internal to
 * common/msg.
 */
#ifndef MSG_ERRANDS_H
#define MSG_ERRANDS_H

#include "base/err.h"
#include "base/mailbox.h"

struct errands;

/* `name` is the thread's, at most 15 bytes. */
int errands_start(struct errands **out, const char *name, struct err *err)
    MUST_CHECK;
/* deliver() runs on the thread, one after the other in order of posting. Any
 * thread; never waits. */
void errands_post(struct errands *e, struct letter *l);
/* Comes back once all that was posted before has run. Not from deliver(). */
void errands_wait(struct errands *e);
/* Runs what waits; nobody may post any more. NULL is harmless. */
void errands_stop(struct errands **ep);

#endif
