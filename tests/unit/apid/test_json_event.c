/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "apid/json.h"

static struct query_event
sample(void)
{
	return (struct query_event){
		.id = { { 0x01, [6] = 0x70, [8] = 0x80, [15] = 0x2a } },
		.at_us = UINT64_C(1790000000123000),
		.severity = SEVERITY_WARNING,
		.category = STR("security"),
		.event = STR("guessing_detected"),
		.message = STR("bob guesses"),
		.component = STR("authd"),
		.instance = STR("host-1"),
		.details = STR("{\"user\":\"bob\"}"),
		.suppressed = 3,
	};
}

/* As a row whose columns are all NULL or 0. */
static struct query_event
empty(void)
{
	return (struct query_event){
		.category = STR(""), .event = STR(""), .message = STR(""),
		.component = STR(""), .instance = STR(""),
		.details = STR(""),
	};
}

static void
test_whole(void **state)
{
	struct query_event e = sample();
	json_t *o = json_event(&e);
	struct bytes b = { 0 };

	(void)state;
	json_write(&b, o);
	bytes_add(&b, "", 1);
	assert_string_equal(b.ptr,
	    "{\"id\":\"01000000-0000-7000-8000-00000000002a\","
	    "\"timestamp\":\"2026-09-21T14:13:20.123Z\","
	    "\"severity\":\"warning\",\"category\":\"security\","
	    "\"event\":\"guessing_detected\",\"message\":\"bob guesses\","
	    "\"component\":\"authd\",\"instance\":\"host-1\","
	    "\"details\":{\"user\":\"bob\"},\"suppressed\":3}\n");
	bytes_fini(&b);
	json_decref(o);
}

static void
test_empty(void **state)
{
	struct query_event e = empty();
	json_t *o;

	(void)state;
	e.suppressed = UINT64_MAX;
	o = json_event(&e);
	assert_true(json_is_null(json_object_get(o, "severity")));
	assert_true(json_is_null(json_object_get(o, "message")));
	assert_true(json_is_null(json_object_get(o, "details")));
	assert_string_equal(json_string_value(json_object_get(o, "event")),
	    "");
	assert_true(json_integer_value(json_object_get(o, "suppressed")) ==
	    INT64_MAX);
	json_decref(o);
}

static void
test_severities(void **state)
{
	static const char *const words[] = { "", "info", "warning", "error",
		"", "" };
	struct query_event e = sample();

	(void)state;
	for (e.severity = 0; e.severity < ARRAY_LEN(words); e.severity++) {
		json_t *o = json_event(&e);
		const char *word = json_string_value(json_object_get(o,
		    "severity"));

		assert_string_equal(word != NULL ? word : "",
		    words[e.severity]);
		json_decref(o);
	}
}

/* ---- what is not to be trusted ---- */

static json_t *
details_of(struct str text)
{
	struct query_event e = sample();
	json_t *o, *details;

	e.details = text;
	o = json_event(&e);
	details = json_incref(json_object_get(o, "details"));
	json_decref(o);
	return details;
}

static void
test_details_that_are_no_object(void **state)
{
	static const struct str cases[] = {
		STR(""), STR("null"), STR("[1]"), STR("\"x\""), STR("7"),
		STR("{"), STR("{}x"), STR("{\"a\":1,\"a\":2}"), STR("{a:1}"),
		STR("{\"a\":}"), STR("{\"a\":\"\xff\"}"), STR("{\"a\":1}\0"),
		STR("{\"a\":\"\0\"}"), STR("{\"a\":\"\\u0000\"}"),
		STR("{\"a\":\"\\ud800\"}"), STR("{\"a\":NaN}"),
		STR("{\"a\":1e999}"), STR("{\"a\":99999999999999999999}"),
		STR("{\"a\":1}{\"b\":2}"),
		STR("\"}],\"next_cursor\":null}"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *d = details_of(cases[i]);

		if (!json_is_null(d))
			fail_msg("%.*s", (int)cases[i].len, cases[i].ptr);
		json_decref(d);
	}
}

static void
test_details_that_are_objects(void **state)
{
	static const char *const cases[] = {
		"{}", "{\"a\":null}", "{\"a\":\"\\u001b[2J\\\"\"}",
		"{\"a\":{\"b\":[1,{\"c\":true}]}}", "{\"\":-0.5}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *d = details_of(str_from(cases[i]));
		json_t *want = json_loads(cases[i], 0, NULL);

		assert_true(json_equal(d, want));
		json_decref(want);
		json_decref(d);
	}
}

/* An object with so many arrays in it, one in the other. */
static json_t *
nested(unsigned arrays)
{
	struct bytes b = { 0 };
	json_t *d;

	bytes_fmt(&b, "{\"a\":");
	for (unsigned i = 0; i < arrays; i++)
		bytes_fmt(&b, "[");
	for (unsigned i = 0; i < arrays; i++)
		bytes_fmt(&b, "]");
	bytes_fmt(&b, "}");
	d = details_of((struct str){ b.ptr, b.len });
	bytes_fini(&b);
	return d;
}

static void
test_details_are_bounded(void **state)
{
	static const struct {
		unsigned arrays;
		bool good;
	} cases[] = { { 15, true }, { 16, false }, { 1000, false } };
	struct bytes b = { 0 };
	json_t *d;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		d = nested(cases[i].arrays);
		assert_int_equal(json_is_object(d), cases[i].good);
		json_decref(d);
	}
	bytes_fmt(&b, "{\"a\":\"%0*d\"}", RECORD_DETAILS_MAX - 8, 0);
	assert_int_equal(b.len, RECORD_DETAILS_MAX);
	d = details_of((struct str){ b.ptr, b.len });
	assert_true(json_is_object(d));
	json_decref(d);
	bytes_fmt(&b, " ");
	d = details_of((struct str){ b.ptr, b.len });
	assert_true(json_is_null(d));
	json_decref(d);
	bytes_fini(&b);
}

static void
test_texts_are_shown_harmlessly(void **state)
{
	struct query_event e = sample();
	json_t *o;

	(void)state;
	e.message = STR("a\xff\nb");
	e.category = STR("x\0y");
	e.event = STR("\",\"id\":\"");
	e.component = STR("<b>\xc3\xbc</b>");
	o = json_event(&e);
	assert_string_equal(json_string_value(json_object_get(o, "message")),
	    "a\\xff\\x0ab");
	assert_string_equal(json_string_value(json_object_get(o, "category")),
	    "x\\x00y");
	assert_string_equal(json_string_value(json_object_get(o, "event")),
	    "\",\"id\":\"");
	assert_string_equal(json_string_value(json_object_get(o,
	    "component")), "<b>\xc3\xbc</b>");
	assert_int_equal(json_object_size(o), 10);
	json_decref(o);
}

/* ---- the schema ---- */

static bool
allows_null(const json_t *schema)
{
	const json_t *type = json_object_get(schema, "type");

	return json_is_array(type) && strcmp(json_string_value(
	    json_array_get(type, 1)), "null") == 0;
}

/* A null is allowed exactly where one may come. */
static void
test_schema_has_every_member(void **state)
{
	struct query_event e = empty();
	json_t *o = json_event(&e), *schema = json_event_schema(), *v;
	json_t *properties = json_object_get(schema, "properties");
	const char *name;

	(void)state;
	assert_int_equal(json_object_size(o), json_object_size(properties));
	assert_int_equal(json_object_size(o),
	    json_array_size(json_object_get(schema, "required")));
	json_object_foreach(o, name, v) {
		json_t *property = json_object_get(properties, name);

		if (!json_is_object(property) ||
		    json_is_null(v) != allows_null(property))
			fail_msg("%s", name);
	}
	json_decref(schema);
	json_decref(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_severities),
		cmocka_unit_test(test_details_that_are_no_object),
		cmocka_unit_test(test_details_that_are_objects),
		cmocka_unit_test(test_details_are_bounded),
		cmocka_unit_test(test_texts_are_shown_harmlessly),
		cmocka_unit_test(test_schema_has_every_member),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
