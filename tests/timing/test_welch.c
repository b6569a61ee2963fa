/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "welch.h"

#define N 20000

static double a[N], b[N];
static uint32_t seed = 20261121;

static double
draw(void)
{
	seed = seed * 1664525 + 1013904223;
	return (double)(seed >> 8) / (double)(1 << 24);
}

static void
is_near(double x, double y)
{
	if (fabs(x - y) > 1e-9)
		fail_msg("%.12f, not %.12f", x, y);
}

/* By hand: means 2 and 4, variances 1 and 4 over 3 each. */
static void
by_hand(void **state)
{
	static const double x[] = { 1, 2, 3 }, y[] = { 2, 4, 6 };

	(void)state;
	is_near(welch(x, y, 3, 3).t, 2 / sqrt(1.0 / 3 + 4.0 / 3));
	is_near(welch(y, x, 3, 3).t, -2 / sqrt(1.0 / 3 + 4.0 / 3));
	is_near(welch(x, x, 3, 3).worst, 0);
}

static void
constants(void **state)
{
	static const double x[] = { 1, 1, 1 }, y[] = { 2, 2 };

	(void)state;
	assert_true(isinf(welch(x, y, 3, 2).worst));
	is_near(welch(x, x, 3, 2).worst, 0);
}

/* A long tail, as the scheduler makes it. */
static double
time_of_a_call(void)
{
	double d = 100 + 20 * draw() * draw();

	return draw() < 0.02 ? d + 5000 * draw() : d;
}

static void
same_and_different(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		for (size_t i = 0; i < N; i++) {
			a[i] = time_of_a_call();
			b[i] = time_of_a_call();
		}
		assert_true(welch(a, b, N, N).worst < WELCH_LIMIT);
		/* Half a percent is lost in the tail, and found without. */
		for (size_t i = 0; i < N; i++)
			b[i] += 0.5;
		assert_true(fabs(welch(a, b, N, N).t) < WELCH_LIMIT);
		assert_true(welch(a, b, N, N).t_cropped > WELCH_LIMIT);
		is_near(welch(a, b, N, N).worst,
		    welch(a, b, N, N).t_cropped);
	}
}

static void
difference_in_the_tail(void **state)
{
	(void)state;
	for (size_t i = 0; i < N; i++) {
		a[i] = 100 + draw();
		b[i] = i % 50 == 0 ? 200 : 100 + draw();
	}
	assert_true(welch(a, b, N, N).worst > WELCH_LIMIT);
	assert_true(welch(a, b, N, N).t > WELCH_LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_hand),
		cmocka_unit_test(constants),
		cmocka_unit_test(same_and_different),
		cmocka_unit_test(difference_in_the_tail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
