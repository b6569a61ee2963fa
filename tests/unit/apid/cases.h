/* SPDX-License-Identifier: MIT */
/*
 * cases: filters that every back end must answer as the model does, each by
 * the index that is named.
 */
#ifndef TESTS_APID_CASES_H
#define TESTS_APID_CASES_H

#include "apid/query.h"

#define T(g, col, t) { .group = g, .column = QUERY_##col, \
	.kind = QUERY_TEXT, .text = { t, sizeof(t) - 1 } }
#define N(g, col, v) { .group = g, .column = QUERY_##col, \
	.kind = QUERY_NUMBER, .number = v }
#define V4(a, b, c, d) \
	{ { [10] = 0xff, [11] = 0xff, [12] = a, [13] = b, [14] = c, [15] = d } }
#define V6(last) { { 0x20, 0x01, 0xd, 0xb8, [15] = last } }
#define FIRST { { 0 } }
#define LAST { { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, \
	255, 255, 255, 255 } }
#define R(g, col, l, h) { .group = g, .column = QUERY_##col, \
	.kind = QUERY_RANGE, .low = l, .high = h }

struct filter_case {
	const char *name;
	const char *index;	/* that the plan must use; NULL: the key */
	struct query_condition conditions[6];
	size_t n;
	uint64_t since_us, until_us;
};

extern const struct filter_case filter_cases[];
extern const size_t filter_cases_n;

struct query_filter filter_of(const struct filter_case *c, unsigned limit);

#endif
