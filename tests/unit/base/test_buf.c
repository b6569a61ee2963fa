/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buf.h"

static void
test_network_order(void **state)
{
	static const uint8_t want[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
		13, 14, 15, 'x', 'y' };
	uint8_t got[sizeof(want)];
	struct writer w = writer_on(got, sizeof(got));

	(void)state;
	writer_u8(&w, 0x01);
	writer_u16(&w, 0x0203);
	writer_u32(&w, 0x04050607);
	writer_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
	writer_put(&w, "xy", 2);
	assert_false(w.failed);
	assert_int_equal(w.len, sizeof(want));
	assert_memory_equal(got, want, sizeof(want));
}

static void
test_read_back(void **state)
{
	uint8_t mem[64];
	struct writer w = writer_on(mem, sizeof(mem));
	struct reader r;
	struct str s;

	(void)state;
	writer_u8(&w, UINT8_MAX);
	writer_u16(&w, UINT16_MAX);
	writer_u32(&w, UINT32_MAX);
	writer_u64(&w, UINT64_MAX - 1);
	writer_put(&w, "abc", 3);
	writer_put(&w, NULL, 0);
	r = reader_on(mem, w.len);
	assert_int_equal(reader_u8(&r), UINT8_MAX);
	assert_int_equal(reader_u16(&r), UINT16_MAX);
	assert_true(reader_u32(&r) == UINT32_MAX);
	assert_true(reader_u64(&r) == UINT64_MAX - 1);
	s = reader_take(&r, 3);
	assert_true(str_eq(s, STR("abc")));
	s = reader_take(&r, 0);
	assert_int_equal(s.len, 0);
	assert_false(r.failed);
	assert_int_equal(r.left, 0);
}

static void
test_reader_fails_for_good(void **state)
{
	struct reader r = reader_on("\1\2\3", 3);
	struct str s;

	(void)state;
	assert_int_equal(reader_u32(&r), 0);
	assert_true(r.failed);
	assert_int_equal(reader_u8(&r), 0);
	s = reader_take(&r, 1);
	assert_null(s.ptr);
	assert_int_equal(s.len, 0);
	r = reader_on(NULL, 0);
	assert_int_equal(reader_u8(&r), 0);
	assert_true(r.failed);
	r = reader_on("abc", 3);
	s = reader_take(&r, SIZE_MAX);
	assert_null(s.ptr);
	assert_true(r.failed);
}

static void
test_writer_fails_for_good(void **state)
{
	uint8_t mem[4] = { 0, 0, 0, 9 };
	struct writer w = writer_on(mem, 3);

	(void)state;
	writer_u16(&w, 1);
	writer_u16(&w, 2);
	assert_true(w.failed);
	writer_u8(&w, 3);
	assert_int_equal(w.len, 2);
	assert_memory_equal(mem, "\0\1\0\x09", 4);
	w = writer_on(mem, 3);
	writer_u8(&w, 0);
	writer_put(&w, mem, SIZE_MAX);
	assert_true(w.failed);
}

/* Every prefix of a message fails, and never reads beyond its end (ASan). */
static void
test_every_prefix_fails(void **state)
{
	uint8_t mem[15];
	size_t len;

	(void)state;
	memset(mem, 7, sizeof(mem));
	for (len = 0; len <= sizeof(mem); len++) {
		struct reader r = reader_on(mem + sizeof(mem) - len, len);

		reader_u8(&r);
		reader_u16(&r);
		reader_u32(&r);
		reader_u64(&r);
		assert_int_equal(r.failed, len < sizeof(mem));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_network_order),
		cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_reader_fails_for_good),
		cmocka_unit_test(test_writer_fails_for_good),
		cmocka_unit_test(test_every_prefix_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
