/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/check.h"
#include "proxy/shaper.h"

#define S UINT64_C(1000000)

/* How many single tokens there are at that moment. */
static uint64_t
drain(struct shaper *s, const struct shaper_rate *r, uint64_t now)
{
	uint64_t n = 0;

	while (shaper_take(s, r, now, 1))
		n++;
	return n;
}

static void
test_burst_then_rate(void **state)
{
	struct shaper_rate r = shaper_per_second(10, 30);
	struct shaper s;

	(void)state;
	shaper_init(&s, &r, 5 * S);
	assert_int_equal(drain(&s, &r, 5 * S), 30);
	assert_int_equal(drain(&s, &r, 5 * S + 99999), 0);
	assert_int_equal(drain(&s, &r, 5 * S + 100000), 1);
	assert_int_equal(drain(&s, &r, 7 * S), 19);
	assert_int_equal(drain(&s, &r, 8 * S), 10);
	/* never more than a full one */
	assert_int_equal(drain(&s, &r, 1000 * S), 30);
}

static void
test_minute(void **state)
{
	struct shaper_rate r = shaper_per_minute(6);
	struct shaper s;

	(void)state;
	shaper_init(&s, &r, 0);
	assert_int_equal(drain(&s, &r, 0), 6);
	for (uint64_t t = 1; t <= 120; t++)
		assert_int_equal(drain(&s, &r, t * S), t % 10 == 0);
	assert_int_equal(drain(&s, &r, 180 * S), 6);
}

/* Looked at every microsecond or once: the same. Three a second do not come
 * in whole microseconds. */
static void
test_nothing_is_rounded(void **state)
{
	struct shaper_rate r = shaper_per_second(3, 3);
	struct shaper often, once;
	uint64_t n = 0;

	(void)state;
	shaper_init(&often, &r, 0);
	shaper_init(&once, &r, 0);
	assert_int_equal(drain(&often, &r, 0), 3);
	assert_int_equal(drain(&once, &r, 0), 3);
	for (uint64_t t = 0; t <= S; t++)
		n += drain(&often, &r, t);
	assert_int_equal(n, 3);
	assert_int_equal(drain(&once, &r, S), 3);
	assert_int_equal(often.credit, once.credit);
}

static void
test_whole_or_nothing(void **state)
{
	struct shaper_rate r = shaper_per_second(1000, 1500);
	struct shaper s;

	(void)state;
	shaper_init(&s, &r, 0);
	assert_false(shaper_take(&s, &r, 0, 1501));
	assert_true(shaper_take(&s, &r, 0, 1500));
	assert_true(shaper_take(&s, &r, 0, 0));
	assert_false(shaper_take(&s, &r, S - 1, 1000));
	assert_true(shaper_take(&s, &r, S, 1000));
	assert_false(shaper_take(&s, &r, S, 1));
	/* a burst below the rate is the rate */
	r = shaper_per_second(1000, 0);
	shaper_init(&s, &r, 0);
	assert_true(shaper_take(&s, &r, 0, 1000));
	assert_false(shaper_take(&s, &r, 0, 1));
}

static void
test_no_limit(void **state)
{
	struct shaper_rate none = shaper_per_second(0, 0);
	struct shaper s;

	(void)state;
	shaper_init(&s, &none, 0);
	for (unsigned i = 0; i < 100; i++)
		assert_true(shaper_take(&s, &none, 0, UINT64_MAX));
}

/* A reload: what was off, lower or higher before. */
static void
test_rate_changes(void **state)
{
	struct shaper_rate none = shaper_per_minute(0);
	struct shaper_rate low = shaper_per_minute(2);
	struct shaper_rate high = shaper_per_minute(100);
	struct shaper s;

	(void)state;
	shaper_init(&s, &high, 0);
	assert_int_equal(drain(&s, &low, 0), 2);
	assert_int_equal(drain(&s, &high, 0), 0);
	assert_int_equal(drain(&s, &high, 30 * S), 50);
	assert_true(shaper_take(&s, &none, 30 * S, 7));
	assert_int_equal(drain(&s, &low, 60 * S), 1);
}

static void
test_clock_goes_back(void **state)
{
	struct shaper_rate r = shaper_per_second(1, 5);
	struct shaper s;

	(void)state;
	shaper_init(&s, &r, 100 * S);
	assert_int_equal(drain(&s, &r, 100 * S), 5);
	assert_int_equal(drain(&s, &r, 10 * S), 0);
	assert_int_equal(drain(&s, &r, 100 * S), 0);
	assert_int_equal(drain(&s, &r, 102 * S), 2);
}

/* The largest numbers, after no time and after all of it. */
static void
test_no_overflow(void **state)
{
	uint64_t most = UINT64_C(1) << 40;
	struct shaper_rate r = shaper_per_second(most, most);
	struct shaper s;

	(void)state;
	shaper_init(&s, &r, 0);
	assert_true(shaper_take(&s, &r, 0, most));
	assert_false(shaper_take(&s, &r, 0, 1));
	assert_false(shaper_take(&s, &r, 1, UINT64_MAX));
	assert_true(shaper_take(&s, &r, 1, most / S));
	assert_true(shaper_take(&s, &r, UINT64_MAX, most));
	assert_false(shaper_take(&s, &r, UINT64_MAX, 1));
	r = shaper_per_minute(UINT32_MAX);
	shaper_init(&s, &r, 0);
	assert_true(shaper_take(&s, &r, 0, UINT32_MAX));
	assert_true(shaper_take(&s, &r, UINT64_MAX, UINT32_MAX));
	assert_false(shaper_take(&s, &r, UINT64_MAX, 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_then_rate),
		cmocka_unit_test(test_minute),
		cmocka_unit_test(test_nothing_is_rounded),
		cmocka_unit_test(test_whole_or_nothing),
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_rate_changes),
		cmocka_unit_test(test_clock_goes_back),
		cmocka_unit_test(test_no_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
