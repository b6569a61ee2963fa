/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "apid/cursor.h"

static const uint8_t key[DIGEST_SIZE] = { 1, 2, 3 };
static const uint8_t other_key[DIGEST_SIZE] = { 1, 2, 4 };
static const struct str bound = { "GET /x\nuser=1:a\n", 16 };

/* What python's hmac and base64 make of sample(). */
#define EXPECTED \
	"AQAAAAAAAAABf_________8ABlv-2iXgAP8AAQ" \
	"AAAAAAAAAAAAAAAICYy3xN3E-KRYOkKW65yHgE"

static struct cursor
sample(void)
{
	return (struct cursor){ .since_us = 1, .until_us = INT64_MAX,
		.key = { UINT64_C(1790000000000000),
		{ { 0xff, 0, 1, [15] = 0x80 } } } };
}

static void
a_cursor_comes_back(void **state)
{
	struct cursor in = sample(), out;
	char text[CURSOR_TEXT_SIZE];

	(void)state;
	cursor_write(text, &in, key, bound);
	assert_int_equal(strlen(text), CURSOR_TEXT_SIZE - 1);
	assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij"
	    "klmnopqrstuvwxyz0123456789-_"), CURSOR_TEXT_SIZE - 1);
	assert_true(cursor_read(&out, str_from(text), key, bound));
	assert_true(out.since_us == in.since_us);
	assert_true(out.until_us == in.until_us);
	assert_true(out.key.started_us == in.key.started_us);
	assert_true(id_eq(&out.key.id, &in.key.id));
}

static void
every_changed_character_is_noticed(void **state)
{
	struct cursor in = sample(), out;
	char text[CURSOR_TEXT_SIZE];

	(void)state;
	cursor_write(text, &in, key, bound);
	for (size_t i = 0; i < CURSOR_TEXT_SIZE - 1; i++) {
		char was = text[i];

		text[i] = was == 'A' ? 'B' : 'A';
		assert_false(cursor_read(&out, str_from(text), key, bound));
		text[i] = '*';
		assert_false(cursor_read(&out, str_from(text), key, bound));
		text[i] = was;
	}
}

static void
it_is_bound_to_question_and_token(void **state)
{
	struct cursor in = sample(), out;
	char text[CURSOR_TEXT_SIZE + 1];

	(void)state;
	cursor_write(text, &in, key, bound);
	assert_false(cursor_read(&out, str_from(text), other_key, bound));
	assert_false(cursor_read(&out, str_from(text), key, STR("")));
	assert_false(cursor_read(&out, str_from(text), key,
	    STR("GET /x\nuser=1:b\n")));
	assert_false(cursor_read(&out, STR(""), key, bound));
	assert_false(cursor_read(&out, (struct str){ text,
	    CURSOR_TEXT_SIZE - 2 }, key, bound));
	strcat(text, "A");
	assert_false(cursor_read(&out, str_from(text), key, bound));
}

static void
the_text_is_fixed_for_ever(void **state)
{
	struct cursor in = sample(), out;

	(void)state;
	/* A cursor of an older release stays good. */
	assert_true(cursor_read(&out, str_from(EXPECTED), key, bound));
	assert_true(id_eq(&out.key.id, &in.key.id));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cursor_comes_back),
		cmocka_unit_test(every_changed_character_is_noticed),
		cmocka_unit_test(it_is_bound_to_question_and_token),
		cmocka_unit_test(the_text_is_fixed_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
