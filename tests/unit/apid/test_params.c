/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "apid/params.h"

#define NOW_US UINT64_C(1790000000000000)

static const struct param_word colours[] = {
	{ "red", 1 }, { "green", 2 }, { "verde", 2 }, { NULL, 0 },
};

static const struct param defs[] = {
	{ "limit", PARAM_NUMBER, 1, 1000, false, NULL, NULL, "" },
	{ "name", PARAM_TEXT, 0, 8, true, NULL, NULL, "" },
	{ "only", PARAM_TEXT, 0, 8, false, NULL, NULL, "" },
	{ "since", PARAM_TIME, 0, 0, false, NULL, NULL, "" },
	{ "ip", PARAM_ADDRESS, 0, 0, true, NULL, NULL, "" },
	{ "dest", PARAM_DESTINATION, 0, 0, true, NULL, NULL, "" },
	{ "host", PARAM_NAME, 0, 0, false, NULL, NULL, "" },
	{ "colour", PARAM_WORD, 0, 0, true, colours, NULL, "" },
	{ "cursor", PARAM_TEXT, 0, 100, false, NULL, NULL, "" },
	{ 0 },
};

static struct params p;

static bool
parse(const char *query, struct problem_errors *errors)
{
	errors->n = 0;
	return params_parse(&p, defs, str_from(query), NOW_US, errors);
}

static void
good_ones_are_read(void **state)
{
	static const struct {
		const char *query, *name, *text;
		uint64_t number;
		size_t n;
	} cases[] = {
		{ "", "limit", NULL, 0, 0 },
		{ "&&", "limit", NULL, 0, 0 },
		{ "limit=1", "limit", "1", 1, 1 },
		{ "limit=1000&name=x", "limit", "1000", 1000, 2 },
		{ "name=a,b&name=c", "name", "a", 0, 3 },
		{ "name=a%2Cb", "name", "a,b", 0, 1 },
		{ "name=a+b", "name", "a b", 0, 1 },
		{ "name=a%2bb", "name", "a+b", 0, 1 },
		{ "name=%C3%A9", "name", "\xc3\xa9", 0, 1 },
		{ "only=a,b", "only", "a,b", 0, 1 },
		{ "name=x=y", "name", "x=y", 0, 1 },
		{ "since=2026-09-21T14:13:20Z", "since", NULL, NOW_US, 1 },
		{ "since=2026-09-21T16:13:20%2B02:00", "since", NULL, NOW_US,
			1 },
		{ "since=2026-09-21T16:13:20+02:00", "since", NULL, NOW_US,
			1 },
		{ "since=-24h", "since", NULL, NOW_US - 86400000000ull, 1 },
		{ "host=EXAMPLE.com.", "host", "example.com", 0, 1 },
		{ "dest=Example.COM", "dest", "example.com", 0, 1 },
		{ "colour=verde", "colour", "verde", 2, 1 },
		{ "colour=red,green", "colour", "red", 1, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct problem_errors errors;
		const struct param_value *v;

		if (!parse(cases[i].query, &errors))
			fail_msg("%s: %s", cases[i].query,
			    errors.v[0].message);
		assert_int_equal(p.n, cases[i].n);
		v = params_get(&p, cases[i].name);
		if (cases[i].n == 0) {
			assert_null(v);
			continue;
		}
		assert_non_null(v);
		if (cases[i].text != NULL)
			assert_true(str_eq(v->text, str_from(cases[i].text)));
		if (cases[i].number != 0)
			assert_true(v->number == cases[i].number);
	}
}

static void
bad_ones_are_named(void **state)
{
	static const struct {
		const char *query, *pointer, *code, *message;
	} cases[] = {
		{ "limt=5", "/query/limt", "unknown_parameter",
			"unknown parameter limt; did you mean limit?" },
		{ "colours=red", "/query/colours", "unknown_parameter",
			"unknown parameter colours; did you mean colour?" },
		{ "zzzzzzzz=1", "/query/zzzzzzzz", "unknown_parameter",
			"unknown parameter zzzzzzzz" },
		{ "%6Cimit=1", "/query/%6Cimit", "unknown_parameter", NULL },
		{ "=5", "/query/", "unknown_parameter", NULL },
		{ "limit", "/query/limit", "bad_value",
			"limit: expected a value" },
		{ "limit=", "/query/limit", "bad_value", NULL },
		{ "limit=0", "/query/limit", "bad_value",
			"limit: expected a number from 1 to 1000" },
		{ "limit=1001", "/query/limit", "bad_value", NULL },
		{ "limit=-1", "/query/limit", "bad_value", NULL },
		{ "limit=+1", "/query/limit", "bad_value", NULL },
		{ "limit=1e2", "/query/limit", "bad_value", NULL },
		{ "limit=99999999999999999999", "/query/limit", "bad_value",
			NULL },
		{ "limit=1&limit=2", "/query/limit", "repeated",
			"limit: given twice" },
		{ "name=123456789", "/query/name", "bad_value",
			"name: expected at most 8 bytes" },
		{ "name=a,,b", "/query/name", "bad_value", NULL },
		{ "name=%01", "/query/name", "bad_value",
			"name: expected printable UTF-8" },
		{ "name=%FF", "/query/name", "bad_value", NULL },
		{ "name=%7f", "/query/name", "bad_value", NULL },
		{ "since=yesterday", "/query/since", "bad_value", NULL },
		{ "since=2026-09-21", "/query/since", "bad_value", NULL },
		{ "since=-", "/query/since", "bad_value", NULL },
		{ "since=-24", "/query/since", "bad_value", NULL },
		{ "since=-999999d", "/query/since", "bad_value", NULL },
		{ "ip=10.0.0.1/8", "/query/ip", "bad_value", NULL },
		{ "ip=10.0.0", "/query/ip", "bad_value", NULL },
		{ "ip=example.com", "/query/ip", "bad_value", NULL },
		{ "dest=a..b", "/query/dest", "bad_value", NULL },
		{ "dest=*.example.com", "/query/dest", "bad_value", NULL },
		{ "host=10.0.0.1", "/query/host", "bad_value", NULL },
		{ "colour=blue", "/query/colour", "bad_value",
			"colour: expected one of red, green, verde" },
		{ "colour=Red", "/query/colour", "bad_value", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct problem_errors errors;

		if (parse(cases[i].query, &errors))
			fail_msg("%s was taken", cases[i].query);
		assert_int_equal(errors.n, 1);
		assert_string_equal(errors.v[0].pointer, cases[i].pointer);
		assert_string_equal(errors.v[0].code, cases[i].code);
		if (cases[i].message != NULL)
			assert_string_equal(errors.v[0].message,
			    cases[i].message);
	}
}

static void
all_mistakes_are_told(void **state)
{
	struct problem_errors errors;
	struct bytes many = { 0 };

	(void)state;
	assert_false(parse("limit=0&x=1&colour=blue", &errors));
	assert_int_equal(errors.n, 3);
	for (int i = 0; i < 40; i++)
		bytes_fmt(&many, "x%d=1&", i);
	bytes_add(&many, "", 1);
	assert_false(parse(many.ptr, &errors));
	assert_int_equal(errors.n, PROBLEM_ERRORS_MAX);
	bytes_fini(&many);
}

static void
too_many_values_are_refused(void **state)
{
	struct problem_errors errors;
	struct bytes many = { 0 };

	(void)state;
	for (int i = 0; i < PARAMS_MAX + 1; i++)
		bytes_fmt(&many, "name=x&");
	bytes_add(&many, "", 1);
	assert_false(parse(many.ptr, &errors));
	assert_int_equal(errors.n, 1);
	bytes_fini(&many);
}

static void
ranges_have_both_ends(void **state)
{
	static const struct {
		const char *query, *low, *high;
	} cases[] = {
		{ "ip=10.0.0.0/8", "10.0.0.0", "10.255.255.255" },
		{ "ip=10.1.2.3", "10.1.2.3", "10.1.2.3" },
		{ "ip=2001:db8::/33", "2001:db8::",
			"2001:db8:7fff:ffff:ffff:ffff:ffff:ffff" },
		{ "ip=0.0.0.0/0", "0.0.0.0", "255.255.255.255" },
		{ "ip=%3A%3A1", "::1", "::1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char low[ADDR_TEXT_SIZE], high[ADDR_TEXT_SIZE];
		struct problem_errors errors;

		assert_true(parse(cases[i].query, &errors));
		addr_format(low, &p.v[0].low);
		addr_format(high, &p.v[0].high);
		assert_string_equal(low, cases[i].low);
		assert_string_equal(high, cases[i].high);
	}
}

static void
check_canonical(const char *query, const char *want)
{
	struct problem_errors errors;
	struct bytes b = { 0 };

	assert_true(parse(query, &errors));
	params_canonical(&p, defs, &b);
	bytes_add(&b, "", 1);
	assert_string_equal(b.ptr, want);
	bytes_fini(&b);
}

static void
the_canonical_form_has_one_order(void **state)
{
	(void)state;
	check_canonical("host=A.b&name=x,y&limit=3&cursor=zz",
	    "name=1:x\nname=1:y\nhost=3:a.b\n");
	check_canonical("name=x&name=y&limit=9&host=a.B",
	    "name=1:x\nname=1:y\nhost=3:a.b\n");
	check_canonical("", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones_are_read),
		cmocka_unit_test(bad_ones_are_named),
		cmocka_unit_test(all_mistakes_are_told),
		cmocka_unit_test(too_many_values_are_refused),
		cmocka_unit_test(ranges_have_both_ends),
		cmocka_unit_test(the_canonical_form_has_one_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
