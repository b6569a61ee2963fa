/* SPDX-License-Identifier: MIT */
#include "hist.h"

#define SUB_BITS 5
#define SUB (1u << SUB_BITS)

/* The first 2 * SUB buckets are one wide; then SUB for each power of two. */
static unsigned
bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < 2 * SUB)
		return (unsigned)value;
	shift = 63 - (unsigned)__builtin_clzll(value) - SUB_BITS;
	return shift * SUB + (unsigned)(value >> shift);
}

static uint64_t
upper_end(unsigned bucket)
{
	unsigned shift;

	if (bucket < 2 * SUB)
		return bucket;
	shift = bucket / SUB - 1;
	return ((uint64_t)(bucket - shift * SUB) << shift) +
	    ((UINT64_C(1) << shift) - 1);
}

void
hist_add(struct hist *h, uint64_t value)
{
	h->buckets[bucket_of(value)]++;
	h->n++;
	if (value > h->max)
		h->max = value;
}

uint64_t
hist_quantile(const struct hist *h, double q)
{
	uint64_t wanted = (uint64_t)(q * (double)h->n), seen = 0;

	if (wanted < 1)
		wanted = 1;
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= wanted && h->n > 0)
			return upper_end(i) < h->max ? upper_end(i) : h->max;
	}
	return 0;
}
