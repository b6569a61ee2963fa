/* SPDX-License-Identifier: MIT */
/*
 * snapshot: the policy in force, which readers pin while they use it.
 *
 * A version is never changed, only replaced; a replaced one goes when the last
 * reader lets go of it. Its generation is the time of its activation in µs,
 * strictly rising. Guarded by a mutex that nobody holds while working. Any
 * thread.
 */
#ifndef ACLD_SNAPSHOT_H
#define ACLD_SNAPSHOT_H

#include <stdint.h>

#include "acld/policy.h"

struct snapshot;

/* One activated policy; valid while pinned. */
struct snapshot_version {
	const struct policy *policy;
	uint64_t generation;
	char *const *warnings;		/* of its loading */
	unsigned n_warnings;
};

struct snapshot *snapshot_new(void) MUST_CHECK;
/* NULL: nothing was activated yet. */
const struct snapshot_version *snapshot_pin(struct snapshot *s) MUST_CHECK;
/* Clears the pointer; NULL inside is harmless. */
void snapshot_unpin(struct snapshot *s, const struct snapshot_version **vp);
/* Activates `p`, which it takes over; warnings are copied. Its generation. */
uint64_t snapshot_activate(struct snapshot *s, struct policy **pp,
    char *const *warnings, unsigned n_warnings);
/* 0: none. */
uint64_t snapshot_generation(struct snapshot *s);
/* Nobody may hold a version. */
void snapshot_free(struct snapshot **sp);

#endif
