/* SPDX-License-Identifier: MIT */
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/pool.h"

static void
test_pool_runs_dry(void **state)
{
	struct pool *p = pool_new(40, 3);
	char *a = pool_get(p), *b = pool_get(p), *c = pool_get(p);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(c);
	assert_null(pool_get(p));
	assert_int_equal(pool_used(p), 3);
	memset(b, 'x', 40);
	pool_put(p, b);
	assert_int_equal(pool_used(p), 2);
	b = pool_get(p);
	assert_non_null(b);
	assert_int_equal(b[0] | b[20] | b[39], 0);
	assert_null(pool_get(p));
	pool_put(p, a);
	pool_put(p, b);
	pool_put(p, c);
	pool_free(&p);
	assert_null(p);
	pool_free(&p);
}

static void
test_pool_of_none(void **state)
{
	struct pool *p = pool_new(8, 0);

	(void)state;
	assert_null(pool_get(p));
	pool_free(&p);
}

/* Sizes below and above a slab: objects are aligned and never overlap. */
static void
test_pool_objects_are_apart(void **state)
{
	static const size_t sizes[] = { 1, 17, 1000, 60000, 100000 };
	unsigned char *objects[300];
	struct pool *p;
	size_t i, j, n = ARRAY_LEN(objects);

	(void)state;
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		p = pool_new(sizes[i], n);
		for (j = 0; j < n; j++) {
			objects[j] = pool_get(p);
			assert_non_null(objects[j]);
			assert_int_equal((uintptr_t)objects[j]
			    % alignof(max_align_t), 0);
			memset(objects[j], (int)(j & 0xff), sizes[i]);
		}
		assert_null(pool_get(p));
		for (j = 0; j < n; j++) {
			assert_int_equal(objects[j][0], j & 0xff);
			assert_int_equal(objects[j][sizes[i] - 1], j & 0xff);
			pool_put(p, objects[j]);
		}
		assert_int_equal(pool_used(p), 0);
		pool_free(&p);
	}
}

/* After a peak the memory goes back, but for what the next burst may use. */
static void
test_pool_shrinks(void **state)
{
	enum { N = 5000, SIZE = 1000 };
	static void *objects[N];
	struct pool *p = pool_new(SIZE, N);
	size_t most;

	(void)state;
	for (size_t i = 0; i < N; i++)
		assert_non_null(objects[i] = pool_get(p));
	most = pool_bytes(p);
	assert_true(most >= (size_t)N * SIZE);
	/* every second one: each slab is still in use */
	for (size_t i = 0; i < N; i += 2)
		pool_put(p, objects[i]);
	assert_int_equal(pool_bytes(p), most);
	/* what is taken now fills the holes */
	for (size_t i = 0; i < N; i += 2)
		assert_non_null(objects[i] = pool_get(p));
	assert_int_equal(pool_bytes(p), most);
	for (size_t i = 1; i < N; i++)
		pool_put(p, objects[i]);
	assert_true(pool_bytes(p) <= (size_t)4 * 32 * 1024);
	assert_int_equal(pool_used(p), 1);
	pool_put(p, objects[0]);
	pool_free(&p);
}

/* A burst that comes again and again asks the system for nothing. */
static void
test_pool_keeps_some(void **state)
{
	void *objects[50];
	struct pool *p = pool_new(1000, 1000);
	size_t bytes = 0;

	(void)state;
	for (int round = 0; round < 10; round++) {
		for (size_t i = 0; i < ARRAY_LEN(objects); i++)
			assert_non_null(objects[i] = pool_take(p));
		if (round == 0)
			bytes = pool_bytes(p);
		assert_int_equal(pool_bytes(p), bytes);
		for (size_t i = 0; i < ARRAY_LEN(objects); i++)
			pool_put(p, objects[i]);
		assert_int_equal(pool_bytes(p), bytes);
	}
	pool_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool_runs_dry),
		cmocka_unit_test(test_pool_of_none),
		cmocka_unit_test(test_pool_objects_are_apart),
		cmocka_unit_test(test_pool_shrinks),
		cmocka_unit_test(test_pool_keeps_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
