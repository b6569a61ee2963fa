/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/mem.h"
#include "proxy/wheel.h"

static void
test_in_order(void **state)
{
	static const uint64_t due[] = { 101, 105, 105, 611, 5000, 90 };
	struct wheel *w = xmalloc(sizeof(*w));
	struct wheel_entry e[ARRAY_LEN(due)] = { 0 };
	size_t taken = 0;

	(void)state;
	wheel_init(w, 100);
	assert_true(wheel_next(w) == WHEEL_NEVER);
	for (size_t i = 0; i < ARRAY_LEN(due); i++)
		wheel_set(w, &e[i], 100, due[i]);
	assert_int_equal(wheel_next(w), 101);
	assert_null(wheel_take(w, 100));
	for (uint64_t now = 101; now < 6000; now++) {
		struct wheel_entry *t;

		while ((t = wheel_take(w, now)) != NULL) {
			size_t i = (size_t)(t - e);

			/* The past counts as the next second. */
			assert_int_equal(due[i] < 101 ? 101 : due[i], now);
			taken++;
		}
		assert_true(wheel_next(w) > now);
	}
	assert_int_equal(taken, ARRAY_LEN(due));
	free(w);
}

/* The next look is never later than what is due. */
static void
test_random(void **state)
{
	struct wheel *w = xmalloc(sizeof(*w));
	struct wheel_entry e[200] = { 0 };
	uint64_t due[200], now = 7;
	unsigned left = 200;

	(void)state;
	srand(1);
	wheel_init(w, 0);
	for (size_t i = 0; i < 200; i++) {
		due[i] = now + 1 + (uint64_t)rand() % 3000;
		wheel_set(w, &e[i], now, (uint64_t)rand());
		wheel_set(w, &e[i], now, due[i]);
	}
	for (size_t i = 0; i < 200; i += 10) {
		wheel_remove(w, &e[i]);
		wheel_remove(w, &e[i]);
		left--;
	}
	while (left > 0) {
		struct wheel_entry *t;
		uint64_t next = wheel_next(w);

		assert_true(next != WHEEL_NEVER && next > now);
		for (size_t i = 0; i < 200; i++)
			assert_true(i % 10 == 0 || due[i] == 0 ||
			    next <= due[i]);
		now = next;
		while ((t = wheel_take(w, now)) != NULL) {
			assert_int_equal(due[t - e], now);
			due[t - e] = 0;
			left--;
		}
	}
	assert_int_equal(w->count, 0);
	free(w);
}

/* A suspended machine: everything is due, nothing is lost. */
static void
test_jump(void **state)
{
	struct wheel *w = xmalloc(sizeof(*w));
	struct wheel_entry e[600] = { 0 };
	size_t taken = 0;

	(void)state;
	wheel_init(w, 0);
	for (size_t i = 0; i < 600; i++)
		wheel_set(w, &e[i], 0, i * 3);
	while (wheel_take(w, 1000000) != NULL)
		taken++;
	assert_int_equal(taken, 600);
	/* Empty for long, it begins where time is now. */
	wheel_set(w, &e[0], 5000000, 5000010);
	assert_int_equal(wheel_next(w), 5000010);
	wheel_set(w, &e[0], 5000000, WHEEL_NEVER);
	assert_true(wheel_next(w) == WHEEL_NEVER);
	free(w);
}

static void
test_hurry(void **state)
{
	struct wheel *w = xmalloc(sizeof(*w));
	struct wheel_entry e[3] = { 0 };
	size_t taken = 0;

	(void)state;
	wheel_init(w, 50);
	for (size_t i = 0; i < 3; i++)
		wheel_set(w, &e[i], 50, 100 + i * 1000);
	wheel_hurry(w);
	assert_int_equal(wheel_next(w), 51);
	assert_null(wheel_take(w, 50));
	while (wheel_take(w, 51) != NULL)
		taken++;
	assert_int_equal(taken, 3);
	free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_jump),
		cmocka_unit_test(test_hurry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
