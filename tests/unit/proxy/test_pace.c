/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>

#include "proxy/pace.h"
#include "proxy/shards.h"

#define S UINT64_C(1000000)

static int
setup(void **state)
{
	*state = pace_new();
	return 0;
}

static int
teardown(void **state)
{
	struct pace *p = *state;

	pace_free(&p);
	assert_null(p);
	pace_free(&p);
	return 0;
}

/* How often the key may come at that moment. */
static unsigned
drain(struct pace *p, const char *key, uint32_t per_minute, uint64_t now_us)
{
	unsigned n = 0;

	while (pace_take(p, str_from(key), per_minute, now_us))
		n++;
	return n;
}

static void
test_each_key_has_its_own(void **state)
{
	struct pace *p = *state;

	assert_int_equal(drain(p, "a", 60, 0), 60);
	assert_int_equal(drain(p, "b", 60, 0), 60);
	assert_int_equal(drain(p, "a", 60, S - 1), 0);
	assert_int_equal(drain(p, "a", 60, S), 1);
	assert_int_equal(drain(p, "b", 60, 10 * S), 10);
	assert_int_equal(drain(p, "a", 60, 10 * S), 9);
	assert_int_equal(pace_count(p), 2);
}

static void
test_off_costs_nothing(void **state)
{
	struct pace *p = *state;

	for (unsigned i = 0; i < 100; i++)
		assert_true(pace_take(p, STR("a"), 0, 0));
	assert_int_equal(pace_count(p), 0);
	/* switched on, off, on */
	assert_int_equal(drain(p, "a", 5, 0), 5);
	assert_true(pace_take(p, STR("a"), 0, 0));
	assert_int_equal(drain(p, "a", 5, 0), 0);
	assert_int_equal(drain(p, "a", 50, 6 * S), 5);
}

/* A minute after its last use a bucket is full: it can go. */
static void
test_idle_ones_are_dropped(void **state)
{
	struct pace *p = *state;
	char key[16];

	for (unsigned i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "%u", i);
		assert_int_equal(drain(p, key, 3, i), 3);
	}
	assert_int_equal(pace_count(p), 5000);
	/* Each use drops up to two in its shard. */
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "%u", i);
		assert_int_equal(drain(p, key, 3, 61 * S + i), 3);
	}
	assert_int_equal(pace_count(p), 5000);
	for (unsigned i = 0; i < 5000; i++)
		assert_true(pace_take(p, STR("the only one"), 60000, 200 * S));
	/* all of its own shard */
	assert_true(pace_count(p) < 5000);
	for (unsigned i = 0; i < 64 * 100; i++) {
		snprintf(key, sizeof(key), "%u", i % 1000);
		(void)drain(p, key, 3, 400 * S);
	}
	assert_in_range(pace_count(p), 1000, 1001);
}

/* Strangers choose the keys: memory has an end, whatever they do. */
static void
test_bounded(void **state)
{
	size_t most = (size_t)PACE_SHARD_MAX * SHARDS;
	struct pace *p = *state;
	char key[16];

	for (unsigned i = 0; i < most + most / 2; i++) {
		snprintf(key, sizeof(key), "%u", i);
		assert_true(pace_take(p, str_from(key), 1, 1));
	}
	assert_true(pace_count(p) <= most);
	assert_true(pace_count(p) > most * 9 / 10);
	/* who came last is remembered */
	assert_false(pace_take(p, str_from(key), 1, 1));
}

#define THREADS 4
#define EACH 30000
#define ALLOWED 1000

static void *
hurry(void *arg)
{
	struct pace *p = arg;
	char key[16];
	uintptr_t n = 0;

	for (unsigned i = 0; i < EACH; i++) {
		n += pace_take(p, STR("shared"), ALLOWED, 0);
		snprintf(key, sizeof(key), "%u", i % 500);
		n += pace_take(p, str_from(key), 1, 0);
	}
	return (void *)n;
}

/* However many ask at once, a minute's worth is a minute's worth. */
static void
test_threads(void **state)
{
	pthread_t threads[THREADS];
	uintptr_t sum = 0;

	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hurry,
		    *state), 0);
	for (size_t i = 0; i < THREADS; i++) {
		void *n;

		assert_int_equal(pthread_join(threads[i], &n), 0);
		sum += (uintptr_t)n;
	}
	assert_int_equal(sum, ALLOWED + 500);
	assert_int_equal(pace_count(*state), 501);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_key_has_its_own), T(off_costs_nothing),
		T(idle_ones_are_dropped), T(bounded), T(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
