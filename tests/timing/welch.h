/* SPDX-License-Identifier: MIT */
/*
 * welch: do two sets of times have the same mean? Welch's t, as in dudect.
 *
 * Times over a bus have a long tail that the scheduler makes. It hides small
 * differences in a mean, so t is taken twice: of all samples, and of those
 * below the 90th percentile of both sets together. One threshold for both, or
 * cropping itself would make a difference; and the first t stays, since a
 * difference may lie in the tail alone. The larger of the two counts.
 *
 * Of sets that differ in nothing, |t| is above 4.5 once in 100,000 times.
 */
#ifndef TESTS_TIMING_WELCH_H
#define TESTS_TIMING_WELCH_H

#include <stddef.h>

#define WELCH_LIMIT 4.5

struct welch_result {
	double t, t_cropped;	/* positive: `b` takes longer */
	double worst;		/* the larger, without sign */
	double mean_a, mean_b;	/* of the cropped */
};

/* At least two samples each, in any unit. */
struct welch_result welch(const double *a, const double *b, size_t n_a,
    size_t n_b);

#endif
