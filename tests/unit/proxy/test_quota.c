/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "proxy/quota.h"

#define MANY UINT32_MAX

static int
setup(void **state)
{
	*state = quota_new();
	return 0;
}

/* quota_free fails where something is still counted. */
static int
teardown(void **state)
{
	struct quota *q = *state;

	quota_free(&q);
	assert_null(q);
	quota_free(&q);
	return 0;
}

static uint32_t
users(struct quota *q, const char *name)
{
	return quota_of(q, QUOTA_USER, str_from(name));
}

static enum quota_result
take(struct quota *q, const char *name, uint32_t max, struct quota_hold *hold)
{
	return quota_take(q, QUOTA_USER, str_from(name), max, hold);
}

static void
test_counts_each_key(void **state)
{
	struct quota_hold h[4] = { 0 };
	struct quota *q = *state;

	assert_int_equal(users(q, "a"), 0);
	assert_int_equal(take(q, "a", MANY, &h[0]), QUOTA_OK);
	assert_int_equal(take(q, "a", MANY, &h[1]), QUOTA_OK);
	assert_int_equal(take(q, "b", MANY, &h[2]), QUOTA_OK);
	assert_int_equal(take(q, "", MANY, &h[3]), QUOTA_OK);
	assert_int_equal(users(q, "a"), 2);
	assert_int_equal(users(q, "b"), 1);
	assert_int_equal(users(q, ""), 1);
	quota_give(&h[0]);
	assert_int_equal(users(q, "a"), 1);
	assert_int_equal(users(q, "b"), 1);
	for (size_t i = 0; i < 4; i++)
		quota_give(&h[i]);	/* the first again: harmless */
	assert_int_equal(users(q, "a"), 0);
}

/* The same name as a user and as a source are two things. */
static void
test_kinds_are_apart(void **state)
{
	struct quota_hold h[QUOTA_KINDS] = { 0 };
	struct quota *q = *state;

	for (enum quota_kind k = 0; k < QUOTA_KINDS; k++) {
		assert_int_equal(quota_of(q, k, STR("x")), 0);
		assert_int_equal(quota_take(q, k, STR("x"), 1, &h[k]),
		    QUOTA_OK);
	}
	for (enum quota_kind k = 0; k < QUOTA_KINDS; k++) {
		assert_int_equal(quota_of(q, k, STR("x")), 1);
		quota_give(&h[k]);
	}
}

/* The caller's bytes are copied; keys are bytes, not text. */
static void
test_keys_are_bytes(void **state)
{
	char key[4] = { 0, 1, 0, 2 };
	struct quota_hold h = { 0 };
	struct quota *q = *state;

	assert_int_equal(quota_take(q, QUOTA_SOURCE, (struct str){ key, 4 }, 9,
	    &h), QUOTA_OK);
	assert_int_equal(quota_of(q, QUOTA_SOURCE, (struct str){ key, 3 }), 0);
	key[3] = 3;
	assert_int_equal(quota_of(q, QUOTA_SOURCE, (struct str){ key, 4 }), 0);
	assert_int_equal(quota_of(q, QUOTA_SOURCE, STR("\0\1\0\2")), 1);
	quota_give(&h);
}

static void
test_limit(void **state)
{
	struct quota *q = *state;

	for (uint32_t max = 1; max <= 3; max++) {
		struct quota_hold h[3] = { 0 }, over = { 0 };

		for (uint32_t i = 0; i < max; i++)
			assert_int_equal(take(q, "k", max, &h[i]), QUOTA_OK);
		assert_int_equal(take(q, "k", max, &over), QUOTA_FULL);
		assert_null(over.count);
		assert_int_equal(users(q, "k"), max);
		/* A limit that was lowered refuses; a raised one does not. */
		assert_int_equal(take(q, "k", 1, &over), QUOTA_FULL);
		assert_int_equal(take(q, "k", max + 1, &over), QUOTA_OK);
		quota_give(&over);
		for (uint32_t i = 0; i < max; i++)
			quota_give(&h[i]);
		assert_int_equal(users(q, "k"), 0);
	}
}

/* What came while a limit was off is not counted, and gives nothing back that
 * it did not take, whatever the limit is by then. */
static void
test_limit_that_is_switched(void **state)
{
	struct quota_hold before[3] = { 0 }, after[2] = { 0 }, over = { 0 };
	struct quota *q = *state;

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(take(q, "k", 0, &before[i]), QUOTA_OK);
	assert_int_equal(users(q, "k"), 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(take(q, "k", 2, &after[i]), QUOTA_OK);
	for (size_t i = 0; i < 3; i++)
		quota_give(&before[i]);
	assert_int_equal(users(q, "k"), 2);
	assert_int_equal(take(q, "k", 2, &over), QUOTA_FULL);
	/* off again: those who hold one still give it back */
	assert_int_equal(take(q, "k", 0, &over), QUOTA_OK);
	for (size_t i = 0; i < 2; i++)
		quota_give(&after[i]);
	quota_give(&over);
	assert_int_equal(users(q, "k"), 0);
}

/* ---- threads ---- */

#define THREADS 4
#define TURNS 20000
#define KEYS 3
#define LIMIT 5

struct crowd {
	struct quota *q;
	_Atomic uint32_t now[KEYS], most[KEYS];
};

static void
note(struct crowd *c, unsigned key)
{
	uint32_t now = ++c->now[key], most = c->most[key];

	while (now > most &&
	    !atomic_compare_exchange_weak(&c->most[key], &most, now))
		;
}

/* Each holds up to four of a key; the limit comes and goes as it reloads. */
static void *
jostle(void *arg)
{
	struct quota_hold h[4] = { 0 };
	bool noted[4] = { false };
	struct crowd *c = arg;

	for (unsigned i = 0; i < TURNS; i++) {
		unsigned slot = i % 4, key = i / 4 % KEYS;
		uint32_t max = i / 1000 % 5 == 4 ? 0 : LIMIT;
		char name[2] = { (char)('a' + key), 0 };

		if (noted[slot])
			c->now[(i - 4) / 4 % KEYS]--;
		noted[slot] = false;
		quota_give(&h[slot]);
		if (take(c->q, name, max, &h[slot]) == QUOTA_OK &&
		    h[slot].count != NULL) {
			noted[slot] = true;
			note(c, key);
		}
	}
	for (unsigned i = TURNS; i < TURNS + 4; i++) {
		if (noted[i % 4])
			c->now[(i - 4) / 4 % KEYS]--;
		quota_give(&h[i % 4]);
	}
	return NULL;
}

/* Never more than the limit at a time, from however many threads; nothing is
 * left in the end. */
static void
test_threads(void **state)
{
	struct crowd c = { .q = *state };
	pthread_t threads[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, jostle, &c),
		    0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (unsigned k = 0; k < KEYS; k++) {
		char name[2] = { (char)('a' + k), 0 };

		assert_int_equal(users(c.q, name), 0);
		assert_int_equal(c.now[k], 0);
		assert_in_range(c.most[k], 1, LIMIT);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(counts_each_key), T(kinds_are_apart), T(keys_are_bytes),
		T(limit), T(limit_that_is_switched), T(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
