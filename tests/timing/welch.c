/* SPDX-License-Identifier: MIT */
#include "welch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct moments {
	size_t n;
	double mean, sum2;	/* of squares of the distance from the mean */
};

/* Welford's; those above `most` are left out. */
static struct moments
moments(const double *v, size_t n, double most)
{
	struct moments m = { 0 };

	for (size_t i = 0; i < n; i++) {
		double from = v[i] - m.mean;

		if (v[i] > most)
			continue;
		m.n++;
		m.mean += from / (double)m.n;
		m.sum2 += from * (v[i] - m.mean);
	}
	return m;
}

static double
t_of(const struct moments *a, const struct moments *b)
{
	double e2;

	if (a->n < 2 || b->n < 2)
		return INFINITY;	/* one set lies above the other */
	e2 = a->sum2 / (double)(a->n - 1) / (double)a->n +
	    b->sum2 / (double)(b->n - 1) / (double)b->n;
	if (e2 > 0)
		return (b->mean - a->mean) / sqrt(e2);
	return b->mean > a->mean ? INFINITY :
	    b->mean < a->mean ? -INFINITY : 0;
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The 90th percentile of both. */
static double
threshold(const double *a, const double *b, size_t n_a, size_t n_b)
{
	double *all = xreallocarray(NULL, n_a + n_b, sizeof(*all)), at;

	memcpy(all, a, n_a * sizeof(*all));
	memcpy(all + n_a, b, n_b * sizeof(*all));
	qsort(all, n_a + n_b, sizeof(*all), by_size);
	at = all[(n_a + n_b) * 9 / 10];
	free(all);
	return at;
}

struct welch_result
welch(const double *a, const double *b, size_t n_a, size_t n_b)
{
	double most = threshold(a, b, n_a, n_b);
	struct moments all_a = moments(a, n_a, INFINITY);
	struct moments all_b = moments(b, n_b, INFINITY);
	struct moments low_a = moments(a, n_a, most);
	struct moments low_b = moments(b, n_b, most);
	struct welch_result r = {
		.t = t_of(&all_a, &all_b), .t_cropped = t_of(&low_a, &low_b),
		.mean_a = low_a.mean, .mean_b = low_b.mean,
	};

	r.worst = fmax(fabs(r.t), fabs(r.t_cropped));
	return r;
}
