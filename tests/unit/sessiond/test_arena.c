/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "sessiond/arena.h"

/* Objects of every size are zeroed, aligned and apart, also after a reset. */
static void
test_objects(void **state)
{
	static const size_t sizes[] = { 1, 8, 24, 500, 4096, 65536, 65537,
		262144, 3000000 };
	struct arena *a = arena_new();

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		unsigned char *last = NULL;
		size_t last_size = 0;

		for (unsigned i = 0; i < 400; i++) {
			size_t size = sizes[i % ARRAY_LEN(sizes)];
			unsigned char *p = arena_get(a, size);

			assert_int_equal(
			    (uintptr_t)p % _Alignof(max_align_t), 0);
			assert_int_equal(p[0] | p[size / 2] | p[size - 1], 0);
			memset(p, 0xee, size);
			for (size_t k = 0; k < last_size; k += 97)
				/* cppcheck-suppress nullPointer; last_size */
				assert_int_equal(last[k], 0xdd);
			memset(p, 0xdd, size);
			last = p;
			last_size = size;
		}
		arena_reset(a);
	}
	arena_free(&a);
	assert_null(a);
	arena_free(&a);
}

static void
test_text(void **state)
{
	struct arena *a = arena_new();
	char text[] = "borrowed";
	struct str s = arena_str(a, str_from(text));

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_true(str_eq(s, STR("borrowed")));
	s = arena_str(a, STR(""));
	assert_null(s.ptr);
	assert_int_equal(s.len, 0);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
