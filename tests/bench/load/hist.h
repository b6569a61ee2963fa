/* SPDX-License-Identifier: MIT */
/*
 * hist: durations counted in buckets that grow with them.
 *
 * Below 64 each value has a bucket of its own, above it a bucket is at most
 * 1/32 of its value wide, so that a quantile is at most 3.2 % too high. Any
 * unit; the load generator counts nanoseconds. No allocation, one thread.
 */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

#define HIST_BUCKETS 1920	/* enough for every uint64_t */

struct hist {
	uint64_t n, max;
	uint64_t buckets[HIST_BUCKETS];
};

void hist_add(struct hist *h, uint64_t value);
/* The value that the fraction `q` (0 to 1) does not exceed: the upper end of
 * its bucket, at most the greatest value seen. 0 if nothing was added. */
uint64_t hist_quantile(const struct hist *h, double q);

#endif
