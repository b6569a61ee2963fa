/* SPDX-License-Identifier: MIT */
/*
 * policy_view: which policy is in force, as acld's heartbeats tell.
 *
 * One per process: written by the subscriber's thread, read by the workers
 * without a lock. A decision may be used again only while the last heartbeat
 * of its instance names its generation, and is younger than 2 s (design.md
 * section 2, threats.md D-5, D-6).
 */
#ifndef PROXY_POLICY_VIEW_H
#define PROXY_POLICY_VIEW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"

#define POLICY_VIEW_FRESH_MS 2000

struct policy_view {
	_Atomic uint64_t instance[2];
	_Atomic uint64_t generation;
	_Atomic uint64_t heard_ms;	/* clock_mono_ms; 0: never */
};

void policy_view_hear(struct policy_view *v, const struct id *instance,
    uint64_t generation, uint64_t now_ms);
bool policy_view_names(const struct policy_view *v, const struct id *instance,
    uint64_t generation, uint64_t now_ms);
/* ms since the last heartbeat; UINT64_MAX: never heard one. */
uint64_t policy_view_age(const struct policy_view *v, uint64_t now_ms);

#endif
