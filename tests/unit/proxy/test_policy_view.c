/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "proxy/policy_view.h"

static struct id
instance(uint8_t n)
{
	struct id id;

	memset(id.b, n, sizeof(id.b));
	return id;
}

static void
test_never_heard(void **state)
{
	struct policy_view v = { 0 };
	struct id zero = { .b = { 0 } };

	(void)state;
	assert_int_equal(policy_view_age(&v, 12345), UINT64_MAX);
	/* The empty view must not pass for the policy of nobody. */
	assert_false(policy_view_names(&v, &zero, 0, 0));
	assert_false(policy_view_names(&v, &zero, 0, 12345));
}

static void
test_what_is_named(void **state)
{
	static const struct {
		uint8_t instance;
		uint64_t generation, later_ms;
		bool named;
	} cases[] = {
		{ 1, 7, 0, true },
		{ 1, 7, POLICY_VIEW_FRESH_MS - 1, true },
		{ 1, 7, POLICY_VIEW_FRESH_MS, false },
		{ 1, 7, 1000000, false },
		{ 1, 6, 0, false },
		{ 1, 8, 0, false },
		{ 1, 0, 0, false },
		{ 2, 7, 0, false },
		{ 0, 7, 0, false },
	};
	struct policy_view v = { 0 };
	struct id one = instance(1);

	(void)state;
	policy_view_hear(&v, &one, 7, 5000);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct id id = instance(cases[i].instance);

		assert_int_equal(policy_view_names(&v, &id,
		    cases[i].generation, 5000 + cases[i].later_ms),
		    cases[i].named);
	}
}

/* Each half of the instance counts. */
static void
test_half_of_an_instance(void **state)
{
	struct policy_view v = { 0 };
	struct id one = instance(1), other;

	(void)state;
	policy_view_hear(&v, &one, 7, 5000);
	for (size_t i = 0; i < sizeof(other.b); i++) {
		other = one;
		other.b[i] ^= 0x80;
		assert_false(policy_view_names(&v, &other, 7, 5000));
	}
}

static void
test_the_last_heartbeat_counts(void **state)
{
	struct policy_view v = { 0 };
	struct id one = instance(1), two = instance(2);

	(void)state;
	policy_view_hear(&v, &one, 7, 5000);
	policy_view_hear(&v, &one, 7, 6999);
	assert_true(policy_view_names(&v, &one, 7, 8998));
	policy_view_hear(&v, &one, 8, 7000);
	assert_false(policy_view_names(&v, &one, 7, 7000));
	assert_true(policy_view_names(&v, &one, 8, 7000));
	policy_view_hear(&v, &two, 8, 7001);
	assert_false(policy_view_names(&v, &one, 8, 7001));
	assert_true(policy_view_names(&v, &two, 8, 7001));
	/* A roll-back is a change as well. */
	policy_view_hear(&v, &two, 7, 7002);
	assert_true(policy_view_names(&v, &two, 7, 7002));
}

static void
test_age(void **state)
{
	struct policy_view v = { 0 };
	struct id one = instance(1);

	(void)state;
	policy_view_hear(&v, &one, 7, 5000);
	assert_int_equal(policy_view_age(&v, 5000), 0);
	assert_int_equal(policy_view_age(&v, 5001), 1);
	/* A worker's clock was read before the heartbeat came. */
	assert_int_equal(policy_view_age(&v, 4999), 0);
	assert_true(policy_view_names(&v, &one, 7, 4999));
}

/* Workers read while the subscriber's thread writes (under TSan, too): what
 * is no longer named stays unnamed, however the writer is interrupted. */
#define TURNS 100000

static void *
hear_many(void *arg)
{
	struct policy_view *v = arg;

	for (unsigned i = 1; i <= TURNS; i++) {
		struct id id = instance((uint8_t)(i % 100 + 1));

		policy_view_hear(v, &id, i % 100 + 1, 5000);
	}
	return NULL;
}

static void
test_read_while_written(void **state)
{
	struct policy_view v = { 0 };
	struct id old = instance(200), last = instance(TURNS % 100 + 1);
	pthread_t writer;

	(void)state;
	policy_view_hear(&v, &old, 200, 5000);
	policy_view_hear(&v, &last, 1, 5000);
	assert_int_equal(pthread_create(&writer, NULL, hear_many, &v), 0);
	for (unsigned i = 0; i < TURNS; i++)
		assert_false(policy_view_names(&v, &old, 200, 5000));
	pthread_join(writer, NULL);
	assert_true(policy_view_names(&v, &last, TURNS % 100 + 1, 5000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_never_heard),
		cmocka_unit_test(test_what_is_named),
		cmocka_unit_test(test_half_of_an_instance),
		cmocka_unit_test(test_the_last_heartbeat_counts),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_read_while_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
