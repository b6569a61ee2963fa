/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "hist.h"

static struct hist h;

static int
clear(void **state)
{
	(void)state;
	memset(&h, 0, sizeof(h));
	return 0;
}

static void
test_empty(void **state)
{
	(void)state;
	assert_int_equal(hist_quantile(&h, 0.5), 0);
	assert_int_equal(hist_quantile(&h, 1), 0);
}

/* One value is every quantile, whatever its bucket. */
static void
test_one_value(void **state)
{
	static const uint64_t values[] = { 0, 1, 63, 64, 65, 1000, 999999937,
		UINT64_C(1) << 63, UINT64_MAX };

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		clear(state);
		hist_add(&h, values[i]);
		assert_int_equal(hist_quantile(&h, 0), values[i]);
		assert_int_equal(hist_quantile(&h, 0.5), values[i]);
		assert_int_equal(hist_quantile(&h, 1), values[i]);
	}
}

/* Small values are exact, others at most 1/32 too high and never too low. */
static void
test_width(void **state)
{
	(void)state;
	for (uint64_t v = 1; v < UINT64_C(1) << 40; v += v / 7 + 1) {
		uint64_t seen;

		clear(state);
		hist_add(&h, v);
		hist_add(&h, UINT64_MAX);
		seen = hist_quantile(&h, 0.5);
		assert_true(seen >= v);
		assert_true(seen - v <= v / 32);
		if (v < 64)
			assert_int_equal(seen, v);
	}
}

static void
test_quantiles(void **state)
{
	(void)state;
	for (uint64_t v = 1; v <= 60; v++)
		hist_add(&h, v);
	assert_int_equal(h.n, 60);
	assert_int_equal(hist_quantile(&h, 0), 1);
	assert_int_equal(hist_quantile(&h, 0.5), 30);
	assert_int_equal(hist_quantile(&h, 0.9), 54);
	assert_int_equal(hist_quantile(&h, 1), 60);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty, clear),
		cmocka_unit_test(test_one_value),
		cmocka_unit_test(test_width),
		cmocka_unit_test_setup(test_quantiles, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
