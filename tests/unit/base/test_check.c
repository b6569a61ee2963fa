/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

static void
fail_assert(void)
{
	ASSERT(1 + 1 == 3);
}

static void
fail_die(void)
{
	die("cannot open %s", "x");
}

static void
pass_assert(void)
{
	ASSERT(1 + 1 == 2);
	_exit(0);
}

/* Runs `fn` in a child; its stderr, and what wait says. */
static int
run(void (*fn)(void), char *out, size_t size)
{
	int fds[2], status;
	ssize_t n;
	size_t len = 0;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* A sanitizer must not take the abort for its own. */
		signal(SIGABRT, SIG_DFL);
		dup2(fds[1], STDERR_FILENO);
		fn();
		_exit(99);
	}
	close(fds[1]);
	while ((n = read(fds[0], out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
test_assert(void **state)
{
	char out[512];
	int status = run(fail_assert, out, sizeof(out));

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(out, "test_check.c:"));
	assert_non_null(strstr(out, "assertion failed: 1 + 1 == 3\n"));
	status = run(pass_assert, out, sizeof(out));
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_string_equal(out, "");
}

static void
test_die(void **state)
{
	char out[512];
	int status = run(fail_die, out, sizeof(out));

	(void)state;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	assert_string_equal(strchr(out, ':'), ": cannot open x\n");
}

static void
test_container_of(void **state)
{
	struct outer {
		int a;
		char inner;
	} o;

	(void)state;
	assert_ptr_equal(container_of(&o.inner, struct outer, inner), &o);
	assert_int_equal(ARRAY_LEN("four") - 1, 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_assert),
		cmocka_unit_test(test_die),
		cmocka_unit_test(test_container_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
