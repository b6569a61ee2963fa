/* SPDX-License-Identifier: MIT */
/*
 * pam_process: a PAM worker process and what it is asked.
 *
 * Modules of PAM and NSS may hang, crash or leak, so they run in a process of
 * their own: this daemon's own program once more, started with --pam-worker
 * and a socket as its descriptor 3, which speaks pam_wire.h. It has no other
 * descriptor but its stderr, no environment but PATH, a session of its own,
 * and it is killed, with whatever it has started, when it is too slow or says
 * what it may not. The next question then starts the next one.
 *
 * One thread owns a handle: the process dies with the thread that started it.
 * Only pam_process_interrupt() is for others.
 */
#ifndef AUTHD_PAM_PROCESS_H
#define AUTHD_PAM_PROCESS_H

#include <stdint.h>

#include "authd/pam_wire.h"

struct pam_process;

/* Why there is one process less. */
enum pam_process_cause {
	PAM_PROCESS_RECYCLED,	/* had answered `recycle_after` questions */
	PAM_PROCESS_DEADLINE,	/* did not answer in time */
	PAM_PROCESS_DIED,	/* ended by itself, or spoke out of turn */
	PAM_PROCESS_START,	/* did not come so far as to read a question */
	PAM_PROCESS_CAUSES,
};

/* "recycled", "deadline", "died", "start"; ends with NULL. */
extern const char *const pam_process_cause_names[];

struct pam_process_options {
	const char *program;	/* borrowed; NULL: the one that is running */
	uint32_t recycle_after;	/* questions answered by one process, 1.. */
	/* On the owner's thread, once a process; NULL: nobody counts. Not for
	 * the end by interrupt or free. `error`: errno of a START that made no
	 * process, else 0. */
	void (*on_restart)(void *arg, enum pam_process_cause cause, int error);
	void *arg;
};

enum pam_process_result {
	PAM_PROCESS_ANSWERED,
	PAM_PROCESS_TIMED_OUT,
	/* No process, or none that answers, or `q` is no question. */
	PAM_PROCESS_FAILED,
};

/* Starts nothing yet. */
struct pam_process *pam_process_new(const struct pam_process_options *o)
    MUST_CHECK;
/*
 * `q` needs no number. `deadline_ms` is of clock_mono_ms. The reply borrows from the
 * handle until the next call; unless ANSWERED its verdict is ERROR and its
 * detail says why. A question that a process has read is never asked again.
 *
 * A process that ends before it has read anything is the sign of an
 * installation that does not work: the next attempt is made 100 ms later, for
 * the same question, then after twice that, up to 5 s. Questions between these
 * are FAILED at once.
 */
enum pam_process_result pam_process_ask(struct pam_process *p,
    const struct pam_question *q, uint64_t deadline_ms,
    struct pam_reply *reply) MUST_CHECK;
/* For good: kills the process, so that whoever waits for it has his FAILED
 * now, as all later questions have. Any thread. */
void pam_process_interrupt(struct pam_process *p);
/* Ends the process and waits for its end. */
void pam_process_free(struct pam_process **pp);

#endif
