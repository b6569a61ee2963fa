/* SPDX-License-Identifier: MIT */
/*
 * backend: one way to find out whether a login is right.
 *
 * `check` may take its time: it runs on a worker thread, several at once.
 */
#ifndef AUTHD_BACKEND_H
#define AUTHD_BACKEND_H

#include "authd/auth.h"

struct backend {
	const char *name;
	void *arg;
	/* Does the answer about this user depend on the source? At once. */
	bool (*uses_source)(void *arg, struct str user);
	/* The question is possible; auth_answer_fini() the answer. */
	void (*check)(void *arg, const struct auth_question *q,
	    struct auth_answer *out);
};

#endif
