/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "authd/cache.h"

static const uint8_t *
key(uint8_t n)
{
	static uint8_t k[DIGEST_SIZE];

	memset(k, n, sizeof(k));
	return k;
}

static const struct cache_until soon = { 100, 0 };
static const struct cache_until t0 = { 0, 1 };

static void
holds(struct cache *c, uint8_t n, const char *answer)
{
	struct str s = cache_get(c, key(n), &t0);

	if (answer == NULL) {
		assert_null(s.ptr);
		return;
	}
	assert_non_null(s.ptr);
	assert_true(str_eq(s, str_from(answer)));
}

static void
remembers_and_replaces(void **state)
{
	struct cache *c = cache_new(4);

	(void)state;
	holds(c, 1, NULL);
	cache_put(c, key(1), STR("one"), &soon);
	cache_put(c, key(2), STR(""), &soon);
	holds(c, 1, "one");
	holds(c, 2, "");
	cache_put(c, key(1), STR("another one"), &soon);
	holds(c, 1, "another one");
	assert_int_equal(cache_count(c), 2);
	cache_flush(c);
	assert_int_equal(cache_count(c), 0);
	holds(c, 1, NULL);
	cache_put(c, key(1), STR("again"), &soon);
	holds(c, 1, "again");
	cache_free(&c);
	cache_free(&c);	/* harmless */
}

static void
least_used_goes_first(void **state)
{
	struct cache *c = cache_new(3);

	(void)state;
	cache_put(c, key(1), STR("1"), &soon);
	cache_put(c, key(2), STR("2"), &soon);
	cache_put(c, key(3), STR("3"), &soon);
	holds(c, 1, "1");			/* 2 is the oldest now */
	cache_put(c, key(4), STR("4"), &soon);
	assert_int_equal(cache_count(c), 3);
	holds(c, 2, NULL);
	holds(c, 1, "1");
	cache_put(c, key(3), STR("3b"), &soon);	/* replacing drops nobody */
	assert_int_equal(cache_count(c), 3);
	holds(c, 4, "4");
	cache_free(&c);
}

static void
good_until(void **state)
{
	static const struct {
		struct cache_until until, now;
		bool good;
	} table[] = {
		{ { 100, 0 }, { 99, 1 }, true },
		{ { 100, 0 }, { 100, 1 }, false },
		{ { 100, 0 }, { 101, 1 }, false },
		{ { 100, 500 }, { 99, 499 }, true },
		{ { 100, 500 }, { 99, 500 }, false },
		{ { 100, 500 }, { 0, 501 }, false },
		{ { 100, 500 }, { 100, 499 }, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct cache *c = cache_new(1);

		cache_put(c, key(1), STR("x"), &table[i].until);
		assert_int_equal(cache_get(c, key(1), &table[i].now).ptr !=
		    NULL, table[i].good);
		/* What has run out takes no room. */
		assert_int_equal(cache_count(c), table[i].good);
		cache_free(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remembers_and_replaces),
		cmocka_unit_test(least_used_goes_first),
		cmocka_unit_test(good_until),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
