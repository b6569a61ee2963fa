/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/str.h"

#define S(literal) STR(literal)

static void
test_equality(void **state)
{
	(void)state;
	assert_true(str_eq(S("abc"), S("abc")));
	assert_false(str_eq(S("abc"), S("abd")));
	assert_false(str_eq(S("abc"), S("ab")));
	assert_true(str_eq(str_from(NULL), S("")));
	assert_true(str_eq_nocase(S("ExAmPlE"), S("eXaMpLe")));
	assert_false(str_eq_nocase(S("a"), S("ab")));
	/* Not letters, though 0x20 apart. */
	assert_false(str_eq_nocase(S("@["), S("`{")));
	assert_false(str_eq_nocase(S("\xc9"), S("\xe9")));
	assert_true(str_has_nul(S("a\0b")));
	assert_false(str_has_nul(S("ab")));
	assert_false(str_has_nul(str_from(NULL)));
}

static void
test_printable(void **state)
{
	static const struct {
		struct str s;
		bool printable;
	} cases[] = {
		{ { "", 0 }, true },
		{ { "plain \xc3\xa9", 8 }, true },
		{ { "a\tb", 3 }, false },
		{ { "a\0b", 3 }, false },
		{ { "a\x7f", 2 }, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(str_is_printable(cases[i].s),
		    cases[i].printable);
}

static void
test_utf8(void **state)
{
	static const struct {
		const char *s;
		bool valid;
	} cases[] = {
		{ "", true },
		{ "ascii", true },
		{ "\xc2\x80 \xdf\xbf", true },
		{ "\xe0\xa0\x80 \xef\xbf\xbf", true },
		{ "\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf", true },
		{ "\xed\x9f\xbf \xee\x80\x80", true },
		{ "\x80", false },			/* no lead */
		{ "\xc3", false },			/* cut short */
		{ "\xe2\x82", false },
		{ "\xc3(", false },
		{ "\xc0\xaf", false },			/* overlong */
		{ "\xe0\x9f\xbf", false },
		{ "\xf0\x8f\xbf\xbf", false },
		{ "\xed\xa0\x80", false },		/* surrogate */
		{ "\xf4\x90\x80\x80", false },		/* above U+10FFFF */
		{ "\xf8\x88\x80\x80\x80", false },
		{ "\xff", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(str_is_utf8(str_from(cases[i].s)),
		    cases[i].valid);
}

static void
test_copy(void **state)
{
	char dst[4];

	(void)state;
	assert_true(str_copy(dst, sizeof(dst), S("abc")));
	assert_string_equal(dst, "abc");
	assert_false(str_copy(dst, sizeof(dst), S("abcd")));
	assert_string_equal(dst, "abc");
	assert_true(str_copy(dst, 1, str_from(NULL)));
	assert_string_equal(dst, "");
	assert_false(str_copy(NULL, 0, S("")));
}

static void
test_to_u64(void **state)
{
	static const struct {
		const char *s;
		uint64_t max, value;
		bool ok;
	} cases[] = {
		{ "0", 0, 0, true },
		{ "65535", 65535, 65535, true },
		{ "007", 9, 7, true },
		{ "18446744073709551615", UINT64_MAX, UINT64_MAX, true },
		{ "18446744073709551616", UINT64_MAX, 0, false },
		{ "99999999999999999999999", UINT64_MAX, 0, false },
		{ "65536", 65535, 0, false },
		{ "", 9, 0, false },
		{ "-1", 9, 0, false },
		{ "+1", 9, 0, false },
		{ " 1", 9, 0, false },
		{ "1 ", 9, 0, false },
		{ "0x1", 9, 0, false },
		{ "1:", 99, 0, false },
		{ "1/", 99, 0, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t v = 4711;

		assert_int_equal(str_to_u64(str_from(cases[i].s),
		    cases[i].max, &v), cases[i].ok);
		assert_true(v == (cases[i].ok ? cases[i].value : 4711));
	}
}

static void
test_lower(void **state)
{
	char s[] = "AbZ@[\xc9";

	(void)state;
	str_lower(s, sizeof(s) - 1);
	assert_string_equal(s, "abz@[\xc9");
}

static void
test_text(void **state)
{
	char array[8];
	struct text t = text_on(array, sizeof(array));

	(void)state;
	assert_string_equal(array, "");
	text_fmt(&t, "%d", 123);
	text_str(&t, S("4567"));
	assert_string_equal(array, "1234567");
	assert_false(t.cut);
	text_str(&t, S(""));
	assert_false(t.cut);
	text_str(&t, S("8"));
	assert_true(t.cut);
	assert_string_equal(array, "1234567");
}

static void
test_text_is_cut_for_good(void **state)
{
	char array[8];
	struct text t = text_on(array, sizeof(array));

	(void)state;
	text_fmt(&t, "%s", "12345678");
	assert_true(t.cut);
	assert_int_equal(t.len, 7);
	t = text_on(array, sizeof(array));
	text_escaped(&t, S("123456\n"));
	assert_true(t.cut);
	text_str(&t, S("x"));
	text_fmt(&t, "x");
	text_escaped(&t, S("x"));
	assert_string_equal(array, "123456");
}

static void
test_text_is_not_cut_in_a_character(void **state)
{
	/* 1 + 2 + 3 + 4 bytes */
	static const char s[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
	static const size_t fits[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10 };
	char array[16];
	size_t room;

	(void)state;
	for (room = 0; room < ARRAY_LEN(fits); room++) {
		struct text t = text_on(array, room + 1);

		text_str(&t, S(s));
		assert_int_equal(t.len, fits[room]);
		assert_int_equal(strlen(array), t.len);
		t = text_on(array, room + 1);
		text_fmt(&t, "%s", s);
		assert_int_equal(t.len, fits[room]);
		assert_int_equal(t.cut, room < sizeof(s) - 1);
	}
}

static void
test_text_without_room(void **state)
{
	struct text t = text_on(NULL, 0);

	(void)state;
	text_str(&t, S(""));
	assert_false(t.cut);
	text_fmt(&t, "%s", "a");
	assert_true(t.cut);
	t = text_on(NULL, 0);
	text_str(&t, S("a"));
	assert_true(t.cut);
	t = text_on(NULL, 0);
	text_escaped(&t, S("a"));
	assert_true(t.cut);
	assert_int_equal(t.len, 0);
}

static void
test_escaped(void **state)
{
	static const struct {
		struct str in;
		const char *out;
	} cases[] = {
		{ { "plain", 5 }, "plain" },
		{ { "DOM\\u", 5 }, "DOM\\\\u" },
		{ { "a\0\n\x1b\x7f", 5 }, "a\\x00\\x0a\\x1b\\x7f" },
		{ { "\xc3\xa9\xff", 3 }, "\xc3\xa9\\xff" },
		{ { "\xc2\x9b", 2 }, "\\xc2\\x9b" },	/* C1: CSI */
		{ { "\xe2\x80\xae", 3 }, "\\xe2\\x80\\xae" }, /* RLO */
		{ { "\xe2\x82", 2 }, "\\xe2\\x82" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		char array[64];
		struct text t = text_on(array, sizeof(array));

		text_escaped(&t, cases[i].in);
		assert_string_equal(array, cases[i].out);
	}
}

static unsigned
hex(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static size_t
unescape(char *out, const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++) {
		if (*s != '\\')
			out[n++] = *s;
		else if (*++s == '\\')
			out[n++] = '\\';
		else {
			assert_int_equal(*s, 'x');
			out[n++] = (char)(hex(s[1]) << 4 | hex(s[2]));
			s += 2;
		}
	}
	return n;
}

/* Any bytes come back, and what is shown in between is clean. */
static void
test_escaped_round_trip(void **state)
{
	uint32_t seed = 1;
	int round;

	(void)state;
	for (round = 0; round < 2000; round++) {
		char in[24], shown[24 * 4 + 1], out[24 * 4];
		struct text t = text_on(shown, sizeof(shown));
		size_t i, len = (size_t)round % sizeof(in);

		for (i = 0; i < len; i++) {
			seed = seed * 1664525 + 1013904223;
			in[i] = (char)(seed >> 24);
			if (round % 3 == 0)	/* more of what is special */
				in[i] = "\\x\xc3\xa9\n\xe2\x82\xac"[seed >> 29];
		}
		text_escaped(&t, (struct str){ in, len });
		assert_false(t.cut);
		assert_true(str_is_utf8((struct str){ shown, t.len }));
		assert_true(str_is_printable((struct str){ shown, t.len }));
		assert_int_equal(unescape(out, shown), len);
		assert_memory_equal(in, out, len);
	}
}

static void
test_distance(void **state)
{
	static char longer[100], longest[101];
	static const struct {
		const char *a, *b;
		unsigned distance;
	} cases[] = {
		{ "", "", 0 },
		{ "listen", "listen", 0 },
		{ "listen", "lisen", 1 },
		{ "listen", "lsiten", 1 },
		{ "listen", "listens", 1 },
		{ "listen", "liszen", 1 },
		{ "", "abc", 3 },
		{ "kitten", "sitting", 3 },
		{ "ca", "abc", 3 },
		{ longer, longer, 0 },
		{ longer, "", 99 },
		{ longest, longer, 99 },
	};
	size_t i;

	(void)state;
	memset(longer, 'a', sizeof(longer) - 1);
	memset(longest, 'b', sizeof(longest) - 1);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct str a = str_from(cases[i].a), b = str_from(cases[i].b);

		assert_int_equal(str_distance(a, b), cases[i].distance);
		assert_int_equal(str_distance(b, a), cases[i].distance);
	}
}

static void
test_bytes(void **state)
{
	struct bytes b = { 0 };
	int i;

	(void)state;
	bytes_add(&b, NULL, 0);
	bytes_add(&b, "ab", 2);
	for (i = 0; i < 1000; i++)
		bytes_fmt(&b, "%03d", i);
	assert_int_equal(b.len, 3002);
	assert_memory_equal(b.ptr, "ab000001", 8);
	assert_memory_equal(b.ptr + 2999, "999", 3);
	bytes_clear(&b);
	assert_int_equal(b.len, 0);
	bytes_fini(&b);
	assert_null(b.ptr);
}

static void
test_plain(void **state)
{
	static const struct { const char *text; size_t plain; } cases[] = {
		{ "", 0 }, { "name", 4 }, { " ~", 2 }, { "a\\b", 1 },
		{ "ab\n", 2 }, { "\x7f", 0 }, { "a\xc3\xa4", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(str_plain(str_from(cases[i].text)),
		    cases[i].plain);
	assert_int_equal(str_plain((struct str){ "a\0b", 3 }), 1);
}

static void
test_clean(void **state)
{
	(void)state;
	assert_true(str_is_clean(STR("")));
	assert_true(str_is_clean(STR("a \\ \xc3\xb6")));
	assert_false(str_is_clean(STR("a\n")));
	assert_false(str_is_clean(STR("a\0b")));
	assert_false(str_is_clean(STR("\xc3")));
	assert_false(str_is_clean(STR("\xe2\x80\xae")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_equality),
		cmocka_unit_test(test_printable),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_to_u64),
		cmocka_unit_test(test_lower),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_is_cut_for_good),
		cmocka_unit_test(test_text_is_not_cut_in_a_character),
		cmocka_unit_test(test_text_without_room),
		cmocka_unit_test(test_escaped),
		cmocka_unit_test(test_escaped_round_trip),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
