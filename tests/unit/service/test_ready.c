/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "service/ready.h"

static void
assert_tells(struct ready *r, const char *want)
{
	struct bytes out = { 0 };

	assert_int_equal(ready_tell(r, &out), *want == '\0');
	assert_int_equal(out.len, strlen(want));
	assert_memory_equal(out.len > 0 ? out.ptr : "", want, out.len);
	bytes_fini(&out);
}

static void
test_reasons_come_and_go(void **state)
{
	struct ready r;

	(void)state;
	ready_init(&r);
	assert_tells(&r, "");
	assert_true(ready_set(&r, "acld", "not connected"));
	assert_tells(&r, "acld: not connected\n");
	assert_false(ready_set(&r, "acld", "timed out"));
	assert_true(ready_set(&r, "authd", "not connected"));
	assert_tells(&r, "acld: timed out\nauthd: not connected\n");
	assert_true(ready_set(&r, "acld", NULL));
	assert_false(ready_set(&r, "acld", NULL));
	assert_tells(&r, "authd: not connected\n");
	assert_true(ready_set(&r, "authd", NULL));
	assert_tells(&r, "");
	assert_false(ready_set(&r, "never said", NULL));
	ready_fini(&r);
}

static void
test_reasons_are_made_harmless(void **state)
{
	char longest[READY_TEXT_SIZE * 2];
	struct bytes out = { 0 };
	struct ready r;

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ready_init(&r);
	ready_set(&r, "a", "x\r\nb: y");
	ready_set(&r, "e", "");
	assert_tells(&r, "a: x\\x0d\\x0ab: y\ne: not ready\n");
	ready_set(&r, "e", NULL);
	ready_set(&r, "a", longest);
	assert_false(ready_tell(&r, &out));
	assert_int_equal(out.len, strlen("a: \n") + READY_TEXT_SIZE - 1);
	bytes_fini(&out);
	ready_fini(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons_come_and_go),
		cmocka_unit_test(test_reasons_are_made_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
