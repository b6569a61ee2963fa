/* SPDX-License-Identifier: MIT */
/*
 * backend: one way to find out whether a login is right.
 *
 * `check` may take its time: it runs on a thread of the pool that the back end
 * was given, several at once.
 */
#ifndef AUTHD_BACKEND_H
#define AUTHD_BACKEND_H

#include "authd/auth.h"

/* Of a thread that has work to do. */
struct backend_turn {
	unsigned thread;	/* its number in the pool */
	uint64_t deadline_ms;	/* clock_mono_ms; nobody waits any longer */
};

struct backend {
	const char *name;
	void *arg;
	/* A no is told no sooner than so many milliseconds after the question:
	 * where the work itself would tell who exists. */
	uint32_t refusal_ms;
	/* Does the answer about this user depend on the source? At once. */
	bool (*uses_source)(void *arg, struct str user);
	/* The question is possible; auth_answer_fini() the answer. */
	void (*check)(void *arg, const struct backend_turn *turn,
	    const struct auth_question *q, struct auth_answer *out);
};

#endif
