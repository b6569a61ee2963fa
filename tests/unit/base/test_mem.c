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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_product_is_checked),
		cmocka_unit_test(test_wipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
