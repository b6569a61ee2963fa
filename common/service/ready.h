/* SPDX-License-Identifier: MIT */
/*
 * ready: the reasons why a daemon is not ready, by subject.
 *
 * Any thread; guarded by a lock of its own. There are as many subjects as
 * literals in the code, at most READY_MAX.
 */
#ifndef SERVICE_READY_H
#define SERVICE_READY_H

#include <pthread.h>
#include <stdbool.h>

#include "base/str.h"

#define READY_MAX 32
#define READY_TEXT_SIZE 256

struct ready {
	pthread_mutex_t lock;
	size_t n;	/* subjects, the order of their first reason */
	struct {
		const char *what;		/* borrowed */
		char why[READY_TEXT_SIZE];	/* "": no reason */
	} subjects[READY_MAX];
};

void ready_init(struct ready *r);
/* Sets or replaces the reason of `what`, cut if long; NULL clears it. True:
 * there was one and is none now, or the other way round. */
bool ready_set(struct ready *r, const char *what, const char *why);
/* True: no reason is left. Else appends "what: why" lines. */
bool ready_tell(struct ready *r, struct bytes *out);
void ready_fini(struct ready *r);

#endif
