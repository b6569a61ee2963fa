/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "proxy/tally.h"

static void
test_counts_each_key(void **state)
{
	struct tally t;

	(void)state;
	tally_init(&t);
	assert_int_equal(tally_of(&t, STR("a")), 0);
	assert_true(tally_take(&t, STR("a"), 0));
	assert_true(tally_take(&t, STR("a"), 0));
	assert_true(tally_take(&t, STR("b"), 0));
	assert_int_equal(tally_of(&t, STR("a")), 2);
	assert_int_equal(tally_of(&t, STR("b")), 1);
	tally_give(&t, STR("a"));
	assert_int_equal(tally_of(&t, STR("a")), 1);
	assert_int_equal(tally_of(&t, STR("b")), 1);
	tally_fini(&t);
}

static void
test_limit(void **state)
{
	struct tally t;

	(void)state;
	tally_init(&t);
	for (uint32_t max = 1; max <= 3; max++) {
		for (uint32_t i = 0; i < max; i++)
			assert_true(tally_take(&t, STR("k"), max));
		assert_false(tally_take(&t, STR("k"), max));
		assert_int_equal(tally_of(&t, STR("k")), max);
		/* A limit that was lowered refuses; a raised one does not. */
		assert_false(tally_take(&t, STR("k"), 1));
		assert_true(tally_take(&t, STR("k"), max + 1));
		for (uint32_t i = 0; i <= max; i++)
			tally_give(&t, STR("k"));
		assert_int_equal(tally_of(&t, STR("k")), 0);
	}
	tally_fini(&t);
}

/* Nothing is kept for a key that has none: strangers choose the keys. */
static void
test_forgets_what_is_zero(void **state)
{
	struct tally t;
	char key[16];

	(void)state;
	tally_init(&t);
	for (unsigned i = 0; i < 5000; i++) {
		int n = snprintf(key, sizeof(key), "%u", i);
		struct str s = { key, (size_t)n };

		assert_true(tally_take(&t, s, 1));
		assert_int_equal(t.map.count, 1);
		tally_give(&t, s);
	}
	assert_int_equal(t.map.count, 0);
	tally_fini(&t);
}

/* The caller's bytes are copied; keys are bytes, not text. */
static void
test_keys_are_bytes(void **state)
{
	struct tally t;
	char key[4] = { 0, 1, 0, 2 };

	(void)state;
	tally_init(&t);
	assert_true(tally_take(&t, (struct str){ key, 4 }, 0));
	assert_int_equal(tally_of(&t, (struct str){ key, 3 }), 0);
	key[3] = 3;
	assert_int_equal(tally_of(&t, (struct str){ key, 4 }), 0);
	assert_int_equal(tally_of(&t, (struct str){ "\0\1\0\2", 4 }), 1);
	assert_true(tally_take(&t, (struct str){ "", 0 }, 1));
	assert_false(tally_take(&t, (struct str){ "", 0 }, 1));
	tally_fini(&t);
	assert_int_equal(t.map.count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_each_key),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_forgets_what_is_zero),
		cmocka_unit_test(test_keys_are_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
