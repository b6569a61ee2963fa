/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "audit/duration.h"

static void
an_edge_belongs_to_its_bucket(void **state)
{
	(void)state;
	assert_int_equal(duration_bucket(0), 0);
	for (unsigned i = 0; i + 1 < DURATION_BUCKETS; i++) {
		double edge = strtod(duration_edges[i], NULL) * 1e6;

		assert_int_equal(duration_bucket((uint64_t)edge), i);
		assert_int_equal(duration_bucket((uint64_t)edge + 1), i + 1);
	}
	assert_int_equal(duration_bucket(UINT64_MAX), DURATION_BUCKETS - 1);
}

static void
an_edge_is_found_by_its_text(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DURATION_BUCKETS; i++)
		assert_int_equal(
		    duration_find(str_from(duration_edges[i])), i);
	assert_int_equal(duration_find(STR("")), DURATION_BUCKETS);
	assert_int_equal(duration_find(STR("1.0")), DURATION_BUCKETS);
	assert_int_equal(duration_find(STR("Inf")), DURATION_BUCKETS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_edge_belongs_to_its_bucket),
		cmocka_unit_test(an_edge_is_found_by_its_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
