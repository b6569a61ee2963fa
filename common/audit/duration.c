/* SPDX-License-Identifier: MIT */
#include "audit/duration.h"

#include <assert.h>

static const uint64_t edges_us[] = {
	100000, 500000, 1000000, 5000000, 15000000, 60000000, 300000000,
	900000000, 1800000000, 3600000000, 7200000000, 21600000000,
	86400000000, UINT64_MAX,
};
static_assert(ARRAY_LEN(edges_us) == DURATION_BUCKETS, "an edge a bucket");

const char *const duration_edges[DURATION_BUCKETS] = {
	"0.1", "0.5", "1", "5", "15", "60", "300", "900", "1800", "3600",
	"7200", "21600", "86400", "+Inf",
};

unsigned
duration_bucket(uint64_t us)
{
	unsigned i = 0;

	while (us > edges_us[i])
		i++;
	return i;
}

unsigned
duration_find(struct str edge)
{
	unsigned i = 0;

	while (i < DURATION_BUCKETS &&
	    !str_eq(edge, str_from(duration_edges[i])))
		i++;
	return i;
}
