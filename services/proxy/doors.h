/* SPDX-License-Identifier: MIT */
/*
 * doors: the sockets that clients come to, until the workers have them.
 *
 * Each address has at least one for each worker, among which the kernel
 * spreads connections (SO_REUSEPORT). With a predecessor its sockets are used
 * first: where it had more, a worker gets several, where it had fewer, new ones
 * are added, which listen only when the others are ours. Main thread.
 */
#ifndef PROXY_DOORS_H
#define PROXY_DOORS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "base/err.h"

struct settings;
struct takeover;

struct doors {
	int *fds;		/* a worker's stand in a row */
	unsigned *listeners;	/* whose each is: number in settings.listeners */
	size_t n;
	size_t *first;		/* of each row, and the end of the last */
	unsigned n_workers;
	bool given;		/* they are the workers' */
};

/* Binds the listeners' addresses for so many workers; `t` may be NULL. An
 * address that is in use, or a predecessor none of whose addresses is ours, is
 * an error. */
int doors_open(struct doors *d, const struct settings *s, unsigned n_workers,
    struct takeover *t, struct err *err) MUST_CHECK;
/* All of them listen, and have our options. Harmless where they do already. */
void doors_listen(struct doors *d, const struct settings *s);
/* Closes them, unless they are the workers'. */
void doors_close(struct doors *d);

#endif
