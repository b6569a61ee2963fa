/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "pgsql/pg_wire.h"

static const uint8_t v4[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 7 };
static const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 9 };

/* The bytes of parameter `i`. */
static struct str
value(const struct pg_params *p, unsigned i)
{
	assert_true(i < p->n);
	assert_true(p->values[i].len >= 0);
	return (struct str){ p->data.ptr + p->values[i].at,
		(size_t)p->values[i].len };
}

static void
assert_bytes(struct str v, const char *want, size_t len)
{
	assert_int_equal(v.len, len);
	assert_memory_equal(v.ptr, want, len);
}
#define BYTES(v, literal) assert_bytes(v, literal, sizeof(literal) - 1)

static void
test_values_as_the_server_writes_them(void **state)
{
	struct pg_params p = { 0 };

	(void)state;
	pg_put_bool(&p, true);
	pg_put_int2(&p, -2);
	pg_put_int4(&p, 0x01020304);
	pg_put_int8(&p, INT64_MIN);
	pg_put_time(&p, UINT64_C(946684800000001));
	pg_put_str(&p, STR("a\0b"));
	pg_put_jsonb(&p, STR("[]"));
	pg_put_uuid(&p, v6);
	pg_put_inet(&p, v4);
	pg_put_inet(&p, v6);
	pg_put_null(&p);
	pg_put_str(&p, STR(""));
	assert_int_equal(p.n, 12);
	BYTES(value(&p, 0), "\1");
	BYTES(value(&p, 1), "\xff\xfe");
	BYTES(value(&p, 2), "\1\2\3\4");
	BYTES(value(&p, 3), "\x80\0\0\0\0\0\0\0");
	BYTES(value(&p, 4), "\0\0\0\0\0\0\0\1");
	BYTES(value(&p, 5), "a\0b");
	BYTES(value(&p, 6), "\1[]");
	assert_bytes(value(&p, 7), (const char *)v6, 16);
	BYTES(value(&p, 8), "\2\x20\0\4\xc0\0\2\7");
	BYTES(value(&p, 9), "\3\x80\0\x10\x20\1\x0d\xb8"
			    "\0\0\0\0\0\0\0\0\0\0\0\x09");
	assert_int_equal(p.values[10].len, -1);
	assert_int_equal(p.values[11].len, 0);
	pg_params_clear(&p);
	assert_int_equal(p.n, 0);
	pg_put_time(&p, 0);
	BYTES(value(&p, 0), "\xff\xfc\xa2\xfe\xc4\xc8\x20\0");
	pg_params_fini(&p);
}

static void
test_arrays_as_the_server_writes_them(void **state)
{
	struct pg_params p = { 0 };

	(void)state;
	pg_array_begin(&p, PG_INT2);
	pg_put_int2(&p, 1);
	pg_put_null(&p);
	pg_put_int2(&p, 3);
	pg_array_end(&p);
	pg_array_begin(&p, PG_TEXT);
	pg_array_end(&p);
	pg_array_begin(&p, PG_TEXT);
	pg_put_str(&p, STR("xy"));
	pg_put_str(&p, STR(""));
	pg_array_end(&p);
	pg_put_bool(&p, false);
	assert_int_equal(p.n, 4);
	BYTES(value(&p, 0), "\0\0\0\1\0\0\0\1\0\0\0\x15\0\0\0\3\0\0\0\1"
			    "\0\0\0\2\0\1\xff\xff\xff\xff\0\0\0\2\0\3");
	BYTES(value(&p, 1), "\0\0\0\0\0\0\0\0\0\0\0\x19");
	BYTES(value(&p, 2), "\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\2\0\0\0\1"
			    "\0\0\0\2xy\0\0\0\0");
	BYTES(value(&p, 3), "\0");
	pg_params_fini(&p);
}

static void
test_records_as_the_server_writes_them(void **state)
{
	struct pg_params p = { 0 };

	(void)state;
	pg_array_begin(&p, 0x4001);
	pg_record_begin(&p);
	pg_record_field(&p, PG_INT2);
	pg_put_int2(&p, 7);
	pg_record_field(&p, PG_TEXT);
	pg_put_null(&p);
	pg_record_end(&p);
	pg_record_begin(&p);
	pg_record_end(&p);
	pg_array_end(&p);
	assert_int_equal(p.n, 1);
	BYTES(value(&p, 0), "\0\0\0\1\0\0\0\0\0\0\x40\1\0\0\0\2\0\0\0\1"
			    "\0\0\0\x16\0\0\0\2"
			    "\0\0\0\x15\0\0\0\2\0\7"
			    "\0\0\0\x19\xff\xff\xff\xff"
			    "\0\0\0\4\0\0\0\0");
	pg_params_fini(&p);
}

static void
test_what_was_put_is_read(void **state)
{
	struct pg_params p = { 0 };
	uint8_t bytes[16];
	struct str text;
	uint64_t us;
	int64_t n;
	bool b;

	(void)state;
	pg_put_int2(&p, INT16_MIN);
	pg_put_int4(&p, -5);
	pg_put_int8(&p, INT64_MAX);
	pg_put_time(&p, UINT64_C(1790000000123456));
	pg_put_bool(&p, true);
	pg_put_jsonb(&p, STR("{}"));
	pg_put_uuid(&p, v6);
	pg_put_inet(&p, v4);
	pg_put_inet(&p, v6);
	pg_put_time(&p, 12);
	assert_true(pg_get_int(value(&p, 0), &n));
	assert_int_equal(n, INT16_MIN);
	assert_true(pg_get_int(value(&p, 1), &n));
	assert_int_equal(n, -5);
	assert_true(pg_get_int(value(&p, 2), &n));
	assert_true(n == INT64_MAX);
	assert_true(pg_get_time(value(&p, 3), &us));
	assert_true(us == UINT64_C(1790000000123456));
	assert_true(pg_get_bool(value(&p, 4), &b) && b);
	assert_true(pg_get_jsonb(value(&p, 5), &text));
	BYTES(text, "{}");
	assert_true(pg_get_uuid(value(&p, 6), bytes));
	assert_memory_equal(bytes, v6, 16);
	assert_true(pg_get_inet(value(&p, 7), bytes));
	assert_memory_equal(bytes, v4, 16);
	assert_true(pg_get_inet(value(&p, 8), bytes));
	assert_memory_equal(bytes, v6, 16);
	assert_true(pg_get_time(value(&p, 9), &us));
	assert_int_equal(us, 12);
	pg_params_fini(&p);
}

static void
test_arrays_are_read(void **state)
{
	struct pg_params p = { 0 };
	struct pg_array a;
	struct str v;
	bool null;

	(void)state;
	pg_array_begin(&p, PG_TEXT);
	pg_put_str(&p, STR("one"));
	pg_put_null(&p);
	pg_put_str(&p, STR(""));
	pg_array_end(&p);
	pg_array_begin(&p, PG_INET);
	pg_array_end(&p);
	assert_true(pg_get_array(value(&p, 0), &a));
	assert_int_equal(a.left, 3);
	assert_true(pg_array_next(&a, &v, &null));
	assert_false(null);
	BYTES(v, "one");
	assert_true(pg_array_next(&a, &v, &null));
	assert_true(null);
	assert_true(pg_array_next(&a, &v, &null));
	assert_false(null);
	assert_int_equal(v.len, 0);
	assert_false(pg_array_next(&a, &v, &null));
	assert_int_equal(a.left, 0);
	assert_true(pg_get_array(value(&p, 1), &a));
	assert_false(pg_array_next(&a, &v, &null));
	pg_params_fini(&p);
}

static void
test_infinity_stays_great(void **state)
{
	uint64_t us;

	(void)state;
	assert_true(pg_get_time(
	    (struct str){ "\x7f\xff\xff\xff\xff\xff\xff\xff", 8 }, &us));
	assert_true(us == INT64_MAX);
	assert_true(pg_get_time((struct str){ "\x80\0\0\0\0\0\0\0", 8 }, &us));
	assert_int_equal(us, 0);
}

static void
test_what_is_no_value_is_refused(void **state)
{
	static const struct str inets[] = { STR(""), STR("\2\x20\0\4\1\2\3"),
		STR("\2\x20\0\4\1\2\3\4\5"), STR("\3\x20\0\4\1\2\3\4"),
		STR("\2\x18\0\4\1\2\3\0"), STR("\2\x20\2\4\1\2\3\4"),
		STR("\2\x20\0\xff\1\2\3\4"), STR("\3\x80\0\x10\1") };
	static const struct str arrays[] = { STR(""), STR("\0\0\0\1"),
		STR("\0\0\0\2\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1\0\0\0\1"),
		/* more elements than bytes */
		STR("\0\0\0\1\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\0\0\0\1"),
		STR("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\2\0\0\0\1\0\0\0\0"),
		/* bytes after the last one of none */
		STR("\0\0\0\0\0\0\0\0\0\0\0\x19\0") };
	uint8_t bytes[16];
	struct pg_array a;
	struct str v;
	uint64_t us;
	int64_t n;
	bool b;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(inets); i++)
		assert_false(pg_get_inet(inets[i], bytes));
	for (size_t i = 0; i < ARRAY_LEN(arrays); i++)
		assert_false(pg_get_array(arrays[i], &a));
	assert_false(pg_get_int(STR(""), &n));
	assert_false(pg_get_int(STR("abc"), &n));
	assert_false(pg_get_time(STR("abcd"), &us));
	assert_false(pg_get_bool(STR("\2"), &b));
	assert_false(pg_get_bool(STR(""), &b));
	assert_false(pg_get_jsonb(STR(""), &v));
	assert_false(pg_get_jsonb(STR("\2{}"), &v));
	assert_false(pg_get_uuid(STR("short"), bytes));
}

/* An element that claims more than there is ends the reading. */
static void
test_hostile_elements(void **state)
{
	static const struct str v = STR("\0\0\0\1\0\0\0\0\0\0\0\x19"
					"\0\0\0\2\0\0\0\1"
					"\0\0\0\1a\x7f\xff\xff\xff");
	struct pg_array a;
	struct str e;
	bool null;

	(void)state;
	assert_true(pg_get_array(v, &a));
	assert_true(pg_array_next(&a, &e, &null));
	BYTES(e, "a");
	assert_false(pg_array_next(&a, &e, &null));
	assert_int_equal(a.left, 1);
}

/* Every cut and every changed byte of a good array: never a look beyond. */
static void
test_damaged_arrays_end(void **state)
{
	struct pg_params p = { 0 };
	struct str whole;

	(void)state;
	pg_array_begin(&p, PG_INET);
	pg_put_inet(&p, v4);
	pg_put_null(&p);
	pg_put_inet(&p, v6);
	pg_array_end(&p);
	whole = value(&p, 0);
	for (size_t cut = 0; cut <= whole.len; cut++) {
		for (size_t at = 0; at < cut || at == 0; at++) {
			char *copy = malloc(cut + 1);
			uint8_t bytes[16];
			struct pg_array a;
			unsigned n = 0;
			struct str v;
			bool null;

			memcpy(copy, whole.ptr, cut);
			if (cut > 0)
				copy[at] = (char)(copy[at] ^ 0xff);
			/* cppcheck-suppress memleakOnRealloc; it ends the test */
			copy = realloc(copy, cut > 0 ? cut : 1);
			if (pg_get_array((struct str){ copy, cut }, &a)) {
				while (pg_array_next(&a, &v, &null)) {
					(void)!pg_get_inet(v, bytes);
					n++;
				}
			}
			assert_true(n <= 16);
			free(copy);
		}
	}
	pg_params_fini(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_as_the_server_writes_them),
		cmocka_unit_test(test_arrays_as_the_server_writes_them),
		cmocka_unit_test(test_records_as_the_server_writes_them),
		cmocka_unit_test(test_what_was_put_is_read),
		cmocka_unit_test(test_arrays_are_read),
		cmocka_unit_test(test_infinity_stays_great),
		cmocka_unit_test(test_what_is_no_value_is_refused),
		cmocka_unit_test(test_hostile_elements),
		cmocka_unit_test(test_damaged_arrays_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
