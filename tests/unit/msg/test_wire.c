/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/events.pb-c.h"
#include "proto/wire.h"

static const uint64_t numbers[] = {
	1, 2, 0x7f, 0x80, 0x3fff, 0x4000, 0xffffffff, 0x100000000,
	INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX,
};

static void
test_numbers_come_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		uint8_t b[32];
		struct writer w = writer_on(b, sizeof(b));
		struct wire_field f;
		struct str rest;

		wire_put_varint(&w, 536870911, numbers[i]);
		assert_false(w.failed);
		assert_int_equal(w.len,
		    wire_varint_size(536870911, numbers[i]));
		rest = (struct str){ (char *)b, w.len };
		assert_int_equal(wire_next(&rest, &f), WIRE_FIELD);
		assert_int_equal(f.number, 536870911);
		assert_int_equal(f.type, WIRE_VARINT);
		assert_true(f.value == numbers[i]);
		assert_int_equal(wire_next(&rest, &f), WIRE_END);
	}
}

static void
test_zero_and_empty_are_left_out(void **state)
{
	uint8_t b[4];
	struct writer w = writer_on(b, sizeof(b));

	(void)state;
	wire_put_varint(&w, 1, 0);
	wire_put_bytes(&w, 1, STR(""));
	assert_int_equal(w.len, 0);
	assert_int_equal(wire_varint_size(1, 0), 0);
	assert_int_equal(wire_bytes_size(1, 0), 0);
}

static void
test_what_does_not_fit_fails(void **state)
{
	uint8_t b[5];
	struct writer w = writer_on(b, sizeof(b));

	(void)state;
	wire_put_bytes(&w, 1, STR("abcd"));
	assert_true(w.failed);
}

/* The same bytes as protobuf-c gives. */
static void
test_agrees_with_protobuf(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		Sallyport__Pb__End m = SALLYPORT__PB__END__INIT;
		uint8_t theirs[64], ours[64];
		struct writer w = writer_on(ours, sizeof(ours));
		size_t n;

		m.reason = (char *)"shutdown";
		m.wall_us = numbers[i];
		m.counters_lower_bound = 1;
		n = sallyport__pb__end__pack(&m, theirs);
		wire_put_bytes(&w, 1, STR("shutdown"));
		wire_put_varint(&w, 2, numbers[i]);
		wire_put_varint(&w, 3, 1);
		assert_int_equal(w.len, n);
		assert_memory_equal(ours, theirs, n);
	}
}

static const struct hostile {
	const char *what;
	struct str bytes;
	enum wire_result result;
} hostile[] = {
	{ "nothing", { "", 0 }, WIRE_END },
	{ "number 0", { "\x00\x01", 2 }, WIRE_BAD },
	{ "tag without value", { "\x08", 1 }, WIRE_BAD },
	{ "cut tag", { "\x88", 1 }, WIRE_BAD },
	{ "cut value", { "\x08\x80", 2 }, WIRE_BAD },
	{ "group", { "\x0b\x0c", 2 }, WIRE_BAD },
	{ "end of a group", { "\x0c", 1 }, WIRE_BAD },
	{ "type 6", { "\x0e\x01", 2 }, WIRE_BAD },
	{ "type 7", { "\x0f\x01", 2 }, WIRE_BAD },
	{ "number above 2^29", { "\x80\x80\x80\x80\x10\x01", 6 }, WIRE_BAD },
	{ "11 bytes of value",
	    { "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12 },
	    WIRE_BAD },
	{ "65 bits",
	    { "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11 }, WIRE_BAD },
	{ "64 bits",
	    { "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },
	    WIRE_FIELD },
	{ "longer than the message", { "\x0a\x02x", 3 }, WIRE_BAD },
	{ "length 2^64-1",
	    { "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", 12 },
	    WIRE_BAD },
	{ "empty bytes", { "\x0a\x00", 2 }, WIRE_FIELD },
	{ "fixed 64", { "\x09\1\2\3\4\5\6\7\x08", 9 }, WIRE_FIELD },
	{ "cut fixed 64", { "\x09\1\2\3\4\5\6\7", 8 }, WIRE_BAD },
	{ "fixed 32", { "\x0d\1\2\3\4", 5 }, WIRE_FIELD },
	{ "cut fixed 32", { "\x0d\1\2\3", 4 }, WIRE_BAD },
	{ "long form of 1", { "\x08\x81\x00", 3 }, WIRE_FIELD },
};

static void
test_hostile(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		struct str rest = hostile[i].bytes;
		struct wire_field f;
		enum wire_result r = wire_next(&rest, &f);

		if (r != hostile[i].result)
			fail_msg("%s: %d", hostile[i].what, r);
		if (r == WIRE_FIELD)
			assert_int_equal(rest.len, 0);
	}
}

static void
test_fixed_is_little_endian(void **state)
{
	struct str rest = { "\x09\1\2\3\4\5\6\7\x08\x15\1\2\3\4", 14 };
	struct wire_field f;

	(void)state;
	assert_int_equal(wire_next(&rest, &f), WIRE_FIELD);
	assert_true(f.value == 0x0807060504030201);
	assert_int_equal(wire_next(&rest, &f), WIRE_FIELD);
	assert_int_equal(f.number, 2);
	assert_true(f.value == 0x04030201);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_come_back),
		cmocka_unit_test(test_zero_and_empty_are_left_out),
		cmocka_unit_test(test_what_does_not_fit_fails),
		cmocka_unit_test(test_agrees_with_protobuf),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_fixed_is_little_endian),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
