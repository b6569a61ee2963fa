/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/value.h"

static void
test_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
		const char *printed;	/* NULL: refused */
	} table[] = {
		{ "0", 0, "0" }, { "0ms", 0, "0" }, { "00", 0, "0" },
		{ "0d", 0, "0" }, { "1ms", 1, "1ms" }, { "1500ms", 1500,
		    "1500ms" }, { "10s", 10000, "10s" }, { "60s", 60000, "1m" },
		{ "90s", 90000, "90s" }, { "5m", 300000, "5m" },
		{ "24h", 86400000, "1d" }, { "30d", 2592000000, "30d" },
		{ "18446744073709551615ms", UINT64_MAX,
		    "18446744073709551615ms" },
		{ "18446744073709551616ms", 0, NULL },
		{ "18446744073709552s", 0, NULL },
		{ "", 0, NULL }, { "s", 0, NULL }, { "1", 0, NULL },
		{ "10", 0, NULL }, { "-1s", 0, NULL }, { "+1s", 0, NULL },
		{ "1.5s", 0, NULL }, { "1 s", 0, NULL }, { " 1s", 0, NULL },
		{ "1s ", 0, NULL }, { "1S", 0, NULL }, { "1h30m", 0, NULL },
		{ "1w", 0, NULL }, { "1sec", 0, NULL }, { "0x1s", 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct bytes out = { 0 };
		struct err err = { 0 };
		uint64_t ms = 0;
		int r = value_parse_duration(str_from(table[i].text), &ms,
		    &err);

		assert_int_equal(r, table[i].printed != NULL ? 0 : -1);
		if (r == 0) {
			assert_true(ms == table[i].ms);
			value_print_duration(&out, ms);
			assert_string_equal(out.ptr, table[i].printed);
		} else {
			assert_int_not_equal(err.text[0], '\0');
		}
		bytes_fini(&out);
	}
}

static void
test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t n;
		const char *printed;
	} table[] = {
		{ "0", 0, "0" }, { "1", 1, "1" }, { "4096", 4096, "4KiB" },
		{ "64KiB", 65536, "64KiB" }, { "1MiB", 1048576, "1MiB" },
		{ "4GiB", 4294967296, "4GiB" }, { "1025", 1025, "1025" },
		{ "18446744073709551615", UINT64_MAX, "18446744073709551615" },
		{ "18446744073709551616", 0, NULL },
		{ "17179869184GiB", 0, NULL },
		{ "", 0, NULL }, { "KiB", 0, NULL }, { "64KB", 0, NULL },
		{ "64kib", 0, NULL }, { "64 KiB", 0, NULL },
		{ "-1", 0, NULL }, { "1.5MiB", 0, NULL }, { "1TiB", 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct bytes out = { 0 };
		struct err err = { 0 };
		uint64_t n = 0;
		int r = value_parse_bytes(str_from(table[i].text), &n, &err);

		assert_int_equal(r, table[i].printed != NULL ? 0 : -1);
		if (r == 0) {
			assert_true(n == table[i].n);
			value_print_bytes(&out, n);
			assert_string_equal(out.ptr, table[i].printed);
		}
		bytes_fini(&out);
	}
}

static const char *const words[] = { "red", "green", NULL };

/* Every type: reads its texts, prints them, tells them apart. */
static void
test_types(void **state)
{
	static const struct {
		enum value_type type;
		const char *a, *printed, *b;	/* b: another value */
	} table[] = {
		{ VALUE_BOOL, "true", "true", "false" },
		{ VALUE_U32, "4294967295", "4294967295", "0" },
		{ VALUE_DURATION, "10s", "\"10s\"", "11s" },
		{ VALUE_BYTES, "64KiB", "\"64KiB\"", "1" },
		{ VALUE_STRING, "a\"\\\xc3\xa9", "\"a\\\"\\\\\xc3\xa9\"", "" },
		{ VALUE_PATH, "/etc/x", "\"/etc/x\"", "/etc/y" },
		{ VALUE_SECRET, "hunter2", "\"***\"", "hunter3" },
		{ VALUE_SECRET, "", "\"\"", "hunter3" },
		{ VALUE_CHOICE, "green", "\"green\"", "red" },
		{ VALUE_STRINGS, "green", "[\"green\"]", "red" },
		{ VALUE_ENDPOINT, "[::1]:80", "\"[::1]:80\"", "[::1]:81" },
		{ VALUE_ENDPOINTS, "1.2.3.4:80", "[\"1.2.3.4:80\"]",
		    "1.2.3.5:80" },
		{ VALUE_CIDRS, "10.0.0.0/8", "[\"10.0.0.0/8\"]",
		    "10.0.0.0/9" },
		{ VALUE_PORTS, "ephemeral", "\"ephemeral\"", "1024-65535" },
		{ VALUE_PORTS, "40000-40999", "\"40000-40999\"",
		    "40000-40998" },
		{ VALUE_PORTS, "40000-40000", "\"40000-40000\"",
		    "39999-40000" },
		{ VALUE_ADVERTISED, "203.0.113.7", "[\"203.0.113.7\"]",
		    "203.0.113.8" },
		{ VALUE_ADVERTISED, "10.0.0.0/8=2001:db8::1",
		    "[\"10.0.0.0/8=2001:db8::1\"]", "2001:db8::1" },
		{ VALUE_ADVERTISED, "10.0.0.1=10.0.0.2",
		    "[\"10.0.0.1/32=10.0.0.2\"]", "10.0.0.3=10.0.0.2" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct value_ops *ops = &value_types[table[i].type];
		union value a = { 0 }, again = { 0 }, b = { 0 };
		struct bytes out = { 0 };
		struct err err = { 0 };

		assert_int_equal(ops->parse(&a, str_from(table[i].a), words,
		    &err), 0);
		assert_int_equal(ops->parse(&again, str_from(table[i].a),
		    words, &err), 0);
		assert_int_equal(ops->parse(&b, str_from(table[i].b), words,
		    &err), 0);
		assert_true(ops->equal(&a, &again));
		assert_false(ops->equal(&a, &b));
		ops->print(&a, words, &out);
		assert_string_equal(out.ptr, table[i].printed);
		ops->free(&a);
		ops->free(&again);
		ops->free(&b);
		bytes_fini(&out);
	}
}

/* A list stays as it was when an entry is refused. */
static void
test_lists(void **state)
{
	static const struct {
		enum value_type type;
		const char *good, *other, *bad;
	} table[] = {
		{ VALUE_STRINGS, "red", "green", "blue" },
		{ VALUE_STRINGS, "red", "green", "red" },
		{ VALUE_STRINGS, "red", "green", "" },
		{ VALUE_ENDPOINTS, "1.2.3.4:80", "[::1]:80", "1.2.3.4:80" },
		{ VALUE_ENDPOINTS, "1.2.3.4:0", "1.2.3.4:0", "1.2.3.4" },
		{ VALUE_CIDRS, "10.0.0.0/8", "::/0", "10.0.0.1/8" },
		{ VALUE_ADVERTISED, "10.0.0.0/8=1.1.1.1", "2.2.2.2",
		    "10.0.0.0/8=3.3.3.3" },
		{ VALUE_ADVERTISED, "2.2.2.2", "2001:db8::1", "3.3.3.3" },
		{ VALUE_ADVERTISED, "2.2.2.2", "::/0=2.2.2.2", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct value_ops *ops = &value_types[table[i].type];
		union value one = { 0 }, two = { 0 };
		struct err err = { 0 };

		assert_true(ops->list);
		assert_int_equal(ops->parse(&one, str_from(table[i].good),
		    words, &err), 0);
		assert_int_equal(ops->parse(&two, str_from(table[i].good),
		    words, &err), 0);
		assert_int_equal(ops->parse(&two, str_from(table[i].other),
		    words, &err), 0);
		assert_int_equal(ops->parse(&two, str_from(table[i].bad),
		    words, &err), -1);
		assert_int_not_equal(err.text[0], '\0');
		assert_int_equal(ops->measure(&one), 1);
		assert_int_equal(ops->measure(&two), 2);
		assert_false(ops->equal(&one, &two));
		ops->free(&one);
		ops->free(&two);
		assert_int_equal(ops->measure(&two), 0);
	}
}

static void
test_refused(void **state)
{
	static const struct {
		enum value_type type;
		const char *text, *why;
	} table[] = {
		{ VALUE_PORTS, "", "is neither a range" },
		{ VALUE_PORTS, "-", "is neither a range" },
		{ VALUE_PORTS, "40000", "is neither a range" },
		{ VALUE_PORTS, "40000-", "is neither a range" },
		{ VALUE_PORTS, "-40000", "is neither a range" },
		{ VALUE_PORTS, "40000 - 40001", "is neither a range" },
		{ VALUE_PORTS, "40000-40001-40002", "is neither a range" },
		{ VALUE_PORTS, "40000-65536", "is neither a range" },
		{ VALUE_PORTS, "0-0", "is neither a range" },
		{ VALUE_PORTS, "Ephemeral", "is neither a range" },
		{ VALUE_PORTS, "40001-40000", "ends before it begins" },
		{ VALUE_PORTS, "1023-2000", "has ports below 1024" },
		{ VALUE_ADVERTISED, "", "is neither ADDRESS" },
		{ VALUE_ADVERTISED, "proxy.example", "is neither ADDRESS" },
		{ VALUE_ADVERTISED, "10.0.0.7:80", "is neither ADDRESS" },
		{ VALUE_ADVERTISED, "10.0.0.0/8=", "is neither ADDRESS" },
		{ VALUE_ADVERTISED, "=1.1.1.1", "not an IP address or range" },
		{ VALUE_ADVERTISED, "10.0.0.1/8=1.1.1.1",
		    "write 10.0.0.0/8 for the range" },
		{ VALUE_ADVERTISED, "1.1.1.1=2.2.2.2=3.3.3.3",
		    "is neither ADDRESS" },
		{ VALUE_ADVERTISED, "0.0.0.0", "nobody can send to" },
		{ VALUE_ADVERTISED, "::", "nobody can send to" },
		{ VALUE_ADVERTISED, "10.0.0.0/8=0.0.0.0",
		    "nobody can send to" },
		{ VALUE_ADVERTISED, "224.0.0.1", "nobody can send to" },
		{ VALUE_ADVERTISED, "255.255.255.255", "nobody can send to" },
		{ VALUE_ADVERTISED, "ff02::1", "nobody can send to" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct value_ops *ops = &value_types[table[i].type];
		union value v = { 0 };
		struct err err = { 0 };

		assert_int_equal(ops->parse(&v, str_from(table[i].text), NULL,
		    &err), -1);
		if (strstr(err.text, table[i].why) == NULL)
			fail_msg("%s: %s", table[i].text, err.text);
	}
}

/* The first entry for this client with an address of the wanted family. */
static void
test_advertised_find(void **state)
{
	static const char *const entries[] = {
		"10.1.0.0/16=10.1.0.7", "10.0.0.0/8=10.0.0.7",
		"2001:db8::/32=2001:db8::7", "10.2.0.0/16=10.9.9.9",
		"203.0.113.7", "::1=192.0.2.1",
	};
	static const struct {
		const char *client;
		bool v4;
		const char *found;	/* NULL: none */
	} table[] = {
		{ "10.1.2.3", true, "10.1.0.7" },
		{ "10.2.2.3", true, "10.0.0.7" },
		{ "::ffff:10.1.2.3", true, "10.1.0.7" },
		{ "192.0.2.9", true, "203.0.113.7" },
		{ "192.0.2.9", false, NULL },
		{ "2001:db8::9", false, "2001:db8::7" },
		{ "2001:db9::9", false, NULL },
		{ "2001:db9::9", true, "203.0.113.7" },
		{ "::1", true, "203.0.113.7" },
	};
	const struct value_ops *ops = &value_types[VALUE_ADVERTISED];
	union value v = { 0 };
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(entries); i++)
		assert_int_equal(ops->parse(&v, str_from(entries[i]), NULL,
		    &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char text[ADDR_TEXT_SIZE];
		const struct addr *found;
		struct addr client;

		assert_true(addr_parse(&client, str_from(table[i].client)));
		found = advertised_find(&v.advertised, &client, table[i].v4);
		assert_int_equal(found != NULL, table[i].found != NULL);
		if (found != NULL) {
			addr_format(text, found);
			assert_string_equal(text, table[i].found);
		}
	}
	ops->free(&v);
	assert_null(advertised_find(&v.advertised, &(struct addr){ { 0 } },
	    true));
}

static void
test_store(void **state)
{
	union value v = { .u64 = 7 };
	uint64_t field = 0;

	(void)state;
	value_store(VALUE_DURATION, &field, &v);
	assert_int_equal(field, 7);
	assert_int_equal(value_at(VALUE_DURATION, &field).u64, 7);
}

static void
test_quoted(void **state)
{
	struct bytes out = { 0 };

	(void)state;
	value_print_quoted(&out, "a\n\x7f\"\\");
	assert_string_equal(out.ptr, "\"a\\u000a\\u007f\\\"\\\\\"");
	bytes_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_advertised_find),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
