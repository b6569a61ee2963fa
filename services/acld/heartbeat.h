/* SPDX-License-Identifier: MIT */
/*
 * heartbeat: says on a topic which policy is in force, at each change and at
 * every interval. A lease lives only as long as this says its generation.
 *
 * One thread of its own does all the sending, so that generations never
 * overtake each other.
 */
#ifndef ACLD_HEARTBEAT_H
#define ACLD_HEARTBEAT_H

#include <stdint.h>

#include "base/err.h"
#include "base/id.h"

struct heartbeat;
struct snapshot;
struct topic_pub;

/* `to` and `snapshot` are borrowed until heartbeat_stop. */
int heartbeat_start(struct heartbeat **out, struct topic_pub *to,
    struct snapshot *snapshot, const struct id *instance,
    uint64_t interval_ms, struct err *err) MUST_CHECK;
/* Something changed: do not wait for the interval. Any thread. */
void heartbeat_now(struct heartbeat *h);
void heartbeat_stop(struct heartbeat **hp);

#endif
