/* SPDX-License-Identifier: MIT */
/*
 * loader: puts the users file in force, all or nothing, whoever asks: the
 * start, a change of the file, SIGHUP, an administrator. A file with errors
 * changes nothing and is logged line by line. Any thread that may wait.
 */
#ifndef AUTHD_LOADER_H
#define AUTHD_LOADER_H

#include "authd/logins.h"
#include "authd/roster.h"
#include "base/metrics.h"

struct loader;

struct loader_options {
	const char *path;	/* of the users file; these are borrowed */
	struct roster *roster;
	struct logins *logins;
	struct metrics *metrics;
};

struct loader *loader_new(const struct loader_options *o) MUST_CHECK;
/* -1: the old table stays; err has the errors that fit, a line each. */
int loader_run(struct loader *l, unsigned *users, struct err *err) MUST_CHECK;
/* What is in force, for metrics. */
struct loader_state {
	unsigned users;
	uint64_t loaded_us;	/* clock_wall_us; 0: nothing yet */
};

struct loader_state loader_state(const struct loader *l);
void loader_free(struct loader **lp);

#endif
