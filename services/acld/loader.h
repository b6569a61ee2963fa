/* SPDX-License-Identifier: MIT */
/*
 * loader: loads the policy file and puts it in force, on a thread of its own,
 * however it was asked: change of the file, SIGHUP, administrator. What does
 * not load changes nothing and is logged. Requests that wait for the same load
 * share it.
 */
#ifndef ACLD_LOADER_H
#define ACLD_LOADER_H

#include "base/err.h"
#include "base/metrics.h"

struct acld_config;
struct loader;
struct policy_notes;
struct snapshot;

/* `errors` is NULL when the policy is in force now, else borrowed. On the
 * loader's thread, or within loader_ask when the loader has stopped. */
typedef void loader_done_fn(void *arg, const struct policy_notes *errors);

struct loader_options {
	const struct acld_config *config;	/* borrowed */
	struct snapshot *snapshot;
	struct metrics *metrics;
	void (*changed)(void *arg);	/* a policy was put in force */
	void *arg;
};

/* Starts the thread and waits for the first load. -1: err has every error of
 * the file that fits; `bad_policy` tells a bad file from no thread. */
int loader_start(struct loader **out, const struct loader_options *o,
    bool *bad_policy, struct err *err) MUST_CHECK;
/* Asks for a load; `done` may be NULL, else runs exactly once. Any thread. */
void loader_ask(struct loader *l, loader_done_fn *done, void *arg);
/* Loads with other settings and waits for it. 0: `next` is borrowed from now
 * on; -1: nothing changed, err has the first error. Any thread but its own. */
int loader_run(struct loader *l, const struct acld_config *next,
    struct err *err) MUST_CHECK;
/* Ends the thread; who waits is told. loader_ask may still be called. */
void loader_stop(struct loader *l);
void loader_free(struct loader **lp);

#endif
