/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/check.h"
#include "capture.h"
#include "out.h"

static const struct out_column columns[] = {
	{ "NAME", "name", NULL },
	{ "WHERE", "host", "ip" },
	{ "N", "n", NULL },
};

static void
test_table(void **state)
{
	static const struct {
		const char *rows, *text;
	} cases[] = {
		{ "[]", "nothing\n" },
		{ "{}", "nothing\n" },
		{ "null", "nothing\n" },
		{ "[{\"name\":\"a\",\"host\":\"h\",\"n\":1}]",
		    "NAME  WHERE  N\n"
		    "a     h      1\n" },
		{ "[{\"name\":\"longer\",\"host\":\"h\",\"n\":10},"
		  "{\"name\":\"b\",\"host\":\"wider.example\",\"n\":2}]",
		    "NAME    WHERE          N\n"
		    "longer  h              10\n"
		    "b       wider.example  2\n" },
		/* The second member where the first is null or absent. */
		{ "[{\"host\":null,\"ip\":\"192.0.2.1\"},{\"ip\":\"::1\"}]",
		    "NAME  WHERE      N\n"
		    "-     192.0.2.1  -\n"
		    "-     ::1        -\n" },
		/* Every kind; a row that is no object is a row of dashes. */
		{ "[{\"name\":true,\"host\":false,\"n\":1.5},7]",
		    "NAME  WHERE  N\n"
		    "yes   no     1.500\n"
		    "-     -      -\n" },
		/* A list of words is one cell. */
		{ "[{\"name\":[\"a\",\"b c\",\"\\n\"],\"host\":[],\"n\":0}]",
		    "NAME        WHERE  N\n"
		    "a,b c,\\x0a  -      0\n" },
		{ "[{\"name\":[1],\"host\":{\"a\":1},\"n\":-3}]",
		    "NAME  WHERE  N\n"
		    "-     -      -3\n" },
		{ "[{\"name\":\"\",\"host\":\"\",\"ip\":\"i\",\"n\":0}]",
		    "NAME  WHERE  N\n"
		    "-     -      0\n" },
		/* Two bytes, one column. */
		{ "[{\"name\":\"\\u00e4\\u00f6\\u00fcxy\",\"host\":\"h\"}]",
		    "NAME   WHERE  N\n"
		    "\xc3\xa4\xc3\xb6\xc3\xbcxy  h      -\n" },
		/* A record cannot play with the terminal. */
		{ "[{\"name\":\"\\u001b[2J\",\"host\":\"a\\nb\\\\\","
		  "\"n\":\"\\u009b\"}]",
		    "NAME     WHERE     N\n"
		    "\\x1b[2J  a\\x0ab\\\\  \\xc2\\x9b\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *rows = json_loads(cases[i].rows, JSON_DECODE_ANY, NULL);
		struct capture c;

		assert_non_null(rows);
		capture_begin(&c, stdout);
		out_table(rows, columns, ARRAY_LEN(columns));
		assert_string_equal(capture_end(&c), cases[i].text);
		json_decref(rows);
	}
}

/* Longer than a cell: cut, and still whole characters. */
static void
test_long(void **state)
{
	char text[1001] = "";
	struct capture c;
	json_t *rows;

	(void)state;
	for (int i = 0; i < 500; i++)
		strcat(text, "\xc3\xa4");
	rows = json_pack("[{s:s}]", "name", text);
	assert_non_null(rows);
	capture_begin(&c, stdout);
	out_table(rows, columns, 1);
	capture_end(&c);
	json_decref(rows);
	assert_true(strlen(c.text) > 200 && strlen(c.text) < 300);
	assert_int_equal(strncmp(c.text, "NAME\n", 5), 0);
	assert_int_equal((strlen(c.text) - 6) % 2, 0);
}

static void
test_members(void **state)
{
	static const struct {
		const char *object, *text;
	} cases[] = {
		{ "{}", "" },
		{ "{\"a\":1,\"long\":\"x\",\"nested_but_longer\":{},\"l\":[]}",
		    "a     1\nlong  x\n" },
		{ "{\"\\u001b[2J\":\"y\",\"b\":null}",
		    "\\x1b[2J  y\nb        -\n" },
		{ "{\"a\":[\"x\",\"y\"],\"rows\":[{}]}", "a  x,y\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *o = json_loads(cases[i].object, 0, NULL);
		struct capture c;

		assert_non_null(o);
		capture_begin(&c, stdout);
		out_members(o);
		assert_string_equal(capture_end(&c), cases[i].text);
		json_decref(o);
	}
}

static void
test_json(void **state)
{
	json_t *o = json_pack("{s:i, s:[s]}", "b", 1, "a", "x\n");
	struct capture c;

	(void)state;
	capture_begin(&c, stdout);
	out_json(o);
	assert_string_equal(capture_end(&c),
	    "{\n  \"b\": 1,\n  \"a\": [\n    \"x\\n\"\n  ]\n}\n");
	json_decref(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
