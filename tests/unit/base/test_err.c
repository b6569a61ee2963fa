/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

static void
test_set(void **state)
{
	struct err e = { "" };

	(void)state;
	assert_int_equal(err_set(&e, "%s:%d", "file", 12), -1);
	assert_string_equal(e.text, "file:12");
	assert_int_equal(err_set(&e, "%s again", e.text), -1);
	assert_string_equal(e.text, "file:12 again");
	err_set(&e, "short");
	assert_string_equal(e.text, "short");
}

static void
test_sys(void **state)
{
	struct err e = { "" };

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_sys(&e, "open %s", "x"), -1);
	assert_string_equal(e.text, "open x: No such file or directory");
	assert_int_equal(errno, ENOENT);
}

static void
test_prefix(void **state)
{
	struct err e = { "" };

	(void)state;
	err_set(&e, "too long");
	assert_int_equal(err_prefix(&e, "line %d", 3), -1);
	err_prefix(&e, "a.toml");
	assert_string_equal(e.text, "a.toml: line 3: too long");
}

static void
test_null(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, "x"), -1);
	assert_int_equal(err_sys(NULL, "x"), -1);
	assert_int_equal(err_prefix(NULL, "x"), -1);
}

static void
test_cut(void **state)
{
	struct {
		struct err e;
		char beyond;
	} s = { .beyond = 'z' };
	char longer[ERR_TEXT_MAX * 2];
	size_t i;

	(void)state;
	for (i = 0; i + 3 < sizeof(longer); i += 3)
		memcpy(longer + i, "\xe2\x82\xac", 3);
	longer[i] = '\0';
	err_set(&s.e, "%s", longer);
	assert_int_equal(strlen(s.e.text), (ERR_TEXT_MAX - 1) / 3 * 3);
	for (i = 0; i < 2 * ERR_TEXT_MAX; i++) {
		err_prefix(&s.e, "p");
		assert_true(strlen(s.e.text) < ERR_TEXT_MAX);
	}
	err_sys(&s.e, "%s", longer);
	assert_true(str_is_utf8(str_from(s.e.text)));
	assert_int_equal(s.beyond, 'z');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_sys),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
