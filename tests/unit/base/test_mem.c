/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

static void
test_copies(void **state)
{
	char *s = xstrdup("abc"), *d = xmemdup0("a\0b", 3);
	char *f = xasprintf("%s-%d", "x", 7), *e = xmemdup0(NULL, 0);

	(void)state;
	assert_string_equal(s, "abc");
	assert_memory_equal(d, "a\0b", 4);
	assert_string_equal(f, "x-7");
	assert_string_equal(e, "");
	free(s);
	free(d);
	free(f);
	free(e);
}

static void
test_sizes(void **state)
{
	int *p = xcalloc(3, sizeof(*p)), *none = xreallocarray(NULL, 0, 4);
	/* cppcheck-suppress invalidFunctionArg; that it may is the test */
	void *a = xmalloc(0), *b = xcalloc(0, 8);

	(void)state;
	assert_int_equal(p[2], 0);
	p[2] = 5;
	p = xreallocarray(p, 1000, sizeof(*p));
	assert_int_equal(p[2], 5);
	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(none);
	free(p);
	free(a);
	free(b);
	free(none);
}

/* Whether the process ends with exit 1, instead of getting too little. */
static bool
ends(size_t n, size_t size)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		close(STDERR_FILENO);
		free(xreallocarray(NULL, n, size));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static void
test_product_is_checked(void **state)
{
	(void)state;
	assert_true(ends(SIZE_MAX / 2, 3));
	assert_true(ends(SIZE_MAX / 4 + 2, 4));
	assert_false(ends(4, 4));
}

static void
test_wipe(void **state)
{
	char secret[] = "hunter2";

	(void)state;
	secret_wipe(secret, 6);
	assert_memory_equal(secret, "\0\0\0\0\0\0" "2", 8);
	secret_wipe(NULL, 0);
}

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_product_is_checked),
		cmocka_unit_test(test_wipe),
		cmocka_unit_test(test_pool_runs_dry),
		cmocka_unit_test(test_pool_of_none),
		cmocka_unit_test(test_pool_objects_are_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
