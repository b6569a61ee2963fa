/* SPDX-License-Identifier: MIT */
/*
 * duration: the buckets that the lengths of sessions are counted in.
 *
 * sessiond sums by them, apid shows them as a histogram: both know the edges
 * from here. Their texts are keys in the database and must not change. Pure;
 * any thread.
 */
#ifndef AUDIT_DURATION_H
#define AUDIT_DURATION_H

#include <stdint.h>

#include "base/str.h"

#define DURATION_BUCKETS 14

/* Upper edges in seconds, rising ("0.1" … "86400"), and "+Inf". */
extern const char *const duration_edges[DURATION_BUCKETS];

/* The first bucket whose edge is not below `us`. */
unsigned duration_bucket(uint64_t us);
/* The bucket of an edge; DURATION_BUCKETS: there is none. */
unsigned duration_find(struct str edge);

#endif
