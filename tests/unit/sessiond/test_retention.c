/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "helper.h"
#include "sessiond/retention.h"

#define DAY_US       UINT64_C(86400000000)
#define OLD_SESSIONS (RETENTION_SLICE + 10)

static struct base base;
static struct faulty faulty;

/* Sessions, sums and a gap of day 10, 20 and 30; now is day 40. */
static int
setup(void **state)
{
	const struct store_ops *ops;

	(void)state;
	base_open(&base);
	faulty_init(&faulty, base.store);
	ops = base.store->ops;
	assert_int_equal(ops->begin(base.store), STORE_OK);
	for (unsigned day = 10; day <= 30; day += 10) {
		struct store_rollup sum = { .hour_us = day * DAY_US };
		struct store_gap g = { .stream = stream_of(day),
			.first_seq = 1,
			.noticed_us = day * DAY_US };

		assert_int_equal(
		    ops->add_rollups(base.store, &sum, 1), STORE_OK);
		assert_int_equal(ops->add_gap(base.store, &g), STORE_OK);
		for (unsigned i = 0; i < (day == 10 ? OLD_SESSIONS : 5); i++) {
			struct store_session row = { .id = id_of(day, i),
				.started_us = day * DAY_US + i },
					     *rows[] = { &row };

			assert_int_equal(
			    ops->add_sessions(base.store, rows, 1), STORE_OK);
		}
	}
	assert_int_equal(ops->commit(base.store), STORE_OK);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	base_close(&base);
	return 0;
}

/* A whole round; how many steps it took. */
static unsigned
round_of(struct retention *r, uint64_t *dropped)
{
	unsigned steps = 0;
	uint64_t n;
	bool more = true;

	*dropped = 0;
	for (retention_start(r); more; steps++) {
		assert_int_equal(
		    retention_step(r, &faulty.store, 40 * DAY_US, &more, &n),
		    STORE_OK);
		*dropped += n;
	}
	return steps;
}

static void
test_slices(void **state)
{
	struct retention r = { .session_days = 25, .rollup_days = 15 };
	uint64_t dropped;

	(void)state;
	round_of(&r, &dropped);
	assert_int_equal(dropped, OLD_SESSIONS);
	assert_int_equal(
	    base_number(&base, "SELECT count(*) FROM session"), 10);
	assert_int_equal(
	    base_number(&base, "SELECT count(*) FROM rollup_hour"), 1);
	assert_int_equal(
	    base_number(&base, "SELECT count(*) FROM audit_gap"), 2);
	round_of(&r, &dropped);
	assert_int_equal(dropped, 0);
}

static void
test_for_ever(void **state)
{
	struct retention r = { .session_days = 0, .rollup_days = 5 };
	uint64_t dropped;

	(void)state;
	round_of(&r, &dropped);
	assert_int_equal(dropped, 0);
	assert_int_equal(
	    base_number(&base, "SELECT count(*) FROM audit_gap"), 3);
	assert_int_equal(
	    base_number(&base, "SELECT count(*) FROM rollup_hour"), 0);
	r = (struct retention){ .session_days = 0, .rollup_days = 0 };
	assert_int_equal(round_of(&r, &dropped), 1);
	/* more days than there were since 1970 */
	r = (struct retention){ .session_days = 36500, .rollup_days = 41 };
	assert_int_equal(round_of(&r, &dropped), 1);
}

static void
test_failure_repeats_the_slice(void **state)
{
	struct retention r = { .session_days = 25, .rollup_days = 25 };
	bool more = false;
	uint64_t n;

	(void)state;
	retention_start(&r);
	for (unsigned at = 1; at <= 3; at++) { /* begin, delete, commit */
		faulty.fail_at = at;
		faulty.fail_with = STORE_IO;
		assert_int_equal(
		    retention_step(&r, &faulty.store, 40 * DAY_US, &more, &n),
		    STORE_IO);
		assert_true(more);
		assert_int_equal(n, 0);
		assert_int_equal(
		    base_number(&base, "SELECT count(*) FROM session"),
		    OLD_SESSIONS + 10);
	}
	assert_int_equal(
	    retention_step(&r, &faulty.store, 40 * DAY_US, &more, &n),
	    STORE_OK);
	assert_int_equal(n, RETENTION_SLICE);
}

/* Readers in the way: the rest of the round goes on without it. */
static void
test_busy_is_left_to_the_next_round(void **state)
{
	struct retention r = { .session_days = 25, .rollup_days = 25 };
	bool more = false;
	uint64_t n;

	(void)state;
	retention_start(&r);
	faulty.fail_at = 2;
	faulty.fail_with = STORE_BUSY;
	assert_int_equal(
	    retention_step(&r, &faulty.store, 40 * DAY_US, &more, &n),
	    STORE_BUSY);
	assert_true(more);
	assert_int_equal(n, 0);
	while (more)
		assert_int_equal(
		    retention_step(&r, &faulty.store, 40 * DAY_US, &more, &n),
		    STORE_OK);
	assert_int_equal(base_number(&base, "SELECT count(*) FROM session"),
	    OLD_SESSIONS + 10);
	assert_int_equal(
	    base_number(&base, "SELECT count(*) FROM rollup_hour"), 2);
	round_of(&r, &n);
	assert_int_equal(n, OLD_SESSIONS);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(slices),
		T(for_ever),
		T(failure_repeats_the_slice),
		T(busy_is_left_to_the_next_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
