/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "helper.h"
#include "sessiond/trim.h"

#define HOUR_US UINT64_C(3600000000)

static struct base base;
static struct faulty faulty;

static int
setup(void **state)
{
	(void)state;
	base_open(&base);
	faulty_init(&faulty, base.store);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	base_close(&base);
	return 0;
}

/* Events of the numbers from `from` on. */
static void
add(unsigned from, unsigned n)
{
	const struct store_ops *ops = base.store->ops;

	assert_int_equal(ops->begin(base.store), STORE_OK);
	for (unsigned i = from; i < from + n; i++) {
		struct store_event e = { .id = id_of(1, i),
			.at_us = started_ms_of(i) * 1000,
			.severity = SEVERITY_INFO };

		assert_int_equal(ops->add_event(base.store, &e), STORE_OK);
	}
	assert_int_equal(ops->commit(base.store), STORE_OK);
}

static int64_t
kept(void)
{
	return base_number(&base, "SELECT count(*) FROM telemetry_event");
}

static void
step(struct trim *t, uint64_t now_us)
{
	assert_int_equal(trim_step(t, &faulty.store, now_us), STORE_OK);
}

/* Steps until nothing is due; how many it took. */
static unsigned
trim_all(struct trim *t, uint64_t now_us)
{
	unsigned steps = 0;

	for (trim_start(t); t->due; steps++)
		step(t, now_us);
	return steps;
}

static void
test_exactly_as_many_as_may(void **state)
{
	struct trim t = { .max_events = 100, .hours = 1 };
	uint64_t now_us = started_ms_of(0) * 1000;

	(void)state;
	add(0, 99);
	trim_all(&t, now_us);
	assert_int_equal(kept(), 99);
	add(99, 1);
	trim_all(&t, now_us);
	assert_int_equal(kept(), 100);
	add(100, 1);
	trim_all(&t, now_us);
	assert_int_equal(kept(), 100);
	assert_int_equal(
	    base_number(&base, "SELECT min(at) FROM telemetry_event"),
	    started_ms_of(1) * 1000);
}

static void
test_ages(void **state)
{
	struct trim t = { .max_events = 100, .hours = 6 };
	uint64_t oldest = started_ms_of(0) * 1000;

	(void)state;
	add(0, 2);
	trim_all(&t, oldest + 6 * HOUR_US);
	assert_int_equal(kept(), 2);
	trim_all(&t, oldest + 6 * HOUR_US + 1);
	assert_int_equal(kept(), 1);
	/* more hours than there were since 1970 */
	trim_all(&t, HOUR_US);
	assert_int_equal(kept(), 1);
	t.hours = 87600;
	trim_all(&t, oldest + 7 * HOUR_US);
	assert_int_equal(kept(), 1);
	t.hours = 1; /* as after a reload */
	trim_all(&t, oldest + 7 * HOUR_US);
	assert_int_equal(kept(), 0);
}

static void
test_slices(void **state)
{
	struct trim t = { .max_events = 100, .hours = 1 };

	(void)state;
	add(0, 2 * TRIM_SLICE + 100);
	trim_start(&t);
	step(&t, TEST_NOW_US);
	assert_true(t.due);
	assert_int_equal(kept(), TRIM_SLICE + 100);
	step(&t, started_ms_of(0) * 1000);
	assert_true(t.due); /* there may be more */
	step(&t, started_ms_of(0) * 1000);
	assert_false(t.due);
	assert_int_equal(kept(), 100);
	faulty.calls = 0;
	step(&t, TEST_NOW_US);
	assert_int_equal(faulty.calls, 0); /* nothing is due */
}

/* Between two rounds: every TRIM_EVERY, and never less than came. */
static void
test_a_flood(void **state)
{
	struct trim t = { .max_events = 100, .hours = 1 };
	uint64_t now_us = started_ms_of(0) * 1000;
	unsigned n = 0;

	(void)state;
	add(n, TRIM_EVERY - 1);
	trim_added(&t, TRIM_EVERY - 1);
	trim_added(&t, 0);
	assert_false(t.due);
	n += TRIM_EVERY - 1;
	add(n++, 1);
	trim_added(&t, 1);
	assert_true(t.due);
	step(&t, now_us);
	trim_added(&t, TRIM_EVERY - 1); /* counts from there */
	assert_false(t.due);
	assert_int_equal(kept(), 100);
	for (unsigned i = 0; i < 3; i++, n += 5 * TRIM_SLICE) {
		add(n, 5 * TRIM_SLICE);
		trim_added(&t, 5 * TRIM_SLICE);
		step(&t, now_us);
		assert_int_equal(kept(), 100);
	}
	assert_false(t.due);
}

/* What was not trimmed is, once it is due again; nothing is tried before. */
static void
test_failures(void **state)
{
	struct trim t = { .max_events = 100, .hours = 1 };
	uint64_t now_us = started_ms_of(0) * 1000;

	(void)state;
	add(0, TRIM_EVERY);
	for (unsigned at = 1; at <= 3; at++) { /* begin, trim, commit */
		trim_added(&t, TRIM_EVERY);
		faulty.fail_at = at;
		faulty.fail_with = STORE_IO;
		assert_int_equal(
		    trim_step(&t, &faulty.store, now_us), STORE_IO);
		assert_false(t.due);
		trim_added(&t, 0);
		assert_false(t.due);
		assert_int_equal(kept(), TRIM_EVERY);
	}
	trim_added(&t, 1);
	assert_true(t.due);
	step(&t, now_us);
	assert_int_equal(kept(), 100);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(exactly_as_many_as_may),
		T(ages),
		T(slices),
		T(a_flood),
		T(failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
