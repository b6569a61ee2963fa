/* SPDX-License-Identifier: MIT */
/*
 * pipes: a bounded stock of kernel pipes for splicing, one a worker.
 *
 * A pipe is borrowed while bytes are in it and given back empty; one that is
 * given back with bytes inside is closed, so that no byte of one session can
 * reach another. Owned by one worker.
 */
#ifndef PROXY_PIPES_H
#define PROXY_PIPES_H

#include "base/check.h"
#include "base/list.h"

/* Most pipes of a worker, two descriptors each: count them against
 * RLIMIT_NOFILE. */
#define PIPES_MAX 64

struct pipe {
	struct list link;	/* the stock's */
	int in, out;		/* write to `in`, read from `out` */
	size_t size;		/* what it can hold */
	size_t held;		/* what is in it; kept by the borrower */
};

struct pipes {
	struct list free;
	unsigned count;		/* free and borrowed */
	size_t bytes;		/* what they can hold together */
};

void pipes_init(struct pipes *s);
/* Makes one only if all together then hold `most` bytes or less. NULL: none
 * left, or the kernel gives none; copy instead. */
struct pipe *pipes_get(struct pipes *s, size_t most) MUST_CHECK;
void pipes_put(struct pipes *s, struct pipe *p);
void pipes_fini(struct pipes *s);	/* all must be back */

#endif
