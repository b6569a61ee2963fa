/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "apid/token.h"

#define SHA_A "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define SHA_B "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
#define SHA_C "2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6"
#define EXPIRES_US UINT64_C(1790000000000000)

static const char good[] =
    "[[tokens]]\nname = \"a\"\nsha256 = \"" SHA_A "\"\n"
    "scopes = [\"read\"]\n"
    "[[tokens]]\nname = \"b\"\nsha256 = \"" SHA_B "\"\n"
    "scopes = [\"operate\", \"policy\"]\nexpires = 2026-09-21T14:13:20Z\n"
    "[[tokens]]\nname = \"c\"\nsha256 = \"" SHA_C "\"\n"
    "scopes = [\"admin\"]\n";

static struct token_set *
parse(const char *text)
{
	struct token_set *s;
	struct err err;

	if (token_set_parse(&s, "t.toml", str_from(text), &err) != 0)
		fail_msg("%s", err.text);
	return s;
}

#define ALL 15u

static void
tokens_are_checked(void **state)
{
	static const struct {
		const char *authorization;
		unsigned scope;
		uint64_t now_us;
		enum token_result want;
	} cases[] = {
		{ "", 1, 0, TOKEN_MISSING },
		{ "Bearer a", 1, 0, TOKEN_OK },
		{ "bearer a", 1, 0, TOKEN_OK },
		{ "Bearer a", 0, 0, TOKEN_OK },
		{ "Bearer a", TOKEN_SCOPE_OPERATE, 0, TOKEN_SCOPE },
		{ "Bearer a", TOKEN_SCOPE_ADMIN, 0, TOKEN_SCOPE },
		{ "Bearer a", 1, UINT64_MAX - 1, TOKEN_OK },
		{ "Bearer b", TOKEN_SCOPE_READ, 0, TOKEN_OK },
		{ "Bearer b", TOKEN_SCOPE_OPERATE, 0, TOKEN_OK },
		{ "Bearer b", TOKEN_SCOPE_ADMIN, 0, TOKEN_SCOPE },
		{ "Bearer b", 1, EXPIRES_US - 1, TOKEN_OK },
		{ "Bearer b", 1, EXPIRES_US, TOKEN_EXPIRED },
		{ "Bearer c", ALL, 0, TOKEN_OK },
		{ "Bearer d", 1, 0, TOKEN_UNKNOWN },
		{ "Bearer A", 1, 0, TOKEN_UNKNOWN },
		{ "Bearer " SHA_A, 1, 0, TOKEN_UNKNOWN },
		{ "Bearer ", 1, 0, TOKEN_MALFORMED },
		{ "Bearer", 1, 0, TOKEN_MALFORMED },
		{ "Bearer  a", 1, 0, TOKEN_MALFORMED },
		{ "Bearer a ", 1, 0, TOKEN_MALFORMED },
		{ "Bearer a,b", 1, 0, TOKEN_MALFORMED },
		{ "Bearer \xff", 1, 0, TOKEN_MALFORMED },
		{ "Basic YTph", 1, 0, TOKEN_MALFORMED },
		{ "a", 1, 0, TOKEN_MALFORMED },
	};
	struct token_set *s = parse(good);
	struct token_who who;

	(void)state;
	assert_int_equal(token_set_count(s), 3);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum token_result r = token_set_check(s,
		    str_from(cases[i].authorization), cases[i].scope,
		    cases[i].now_us, &who);

		if (r != cases[i].want)
			fail_msg("%s: %s", cases[i].authorization,
			    token_result_names[r]);
		if (r == TOKEN_OK)
			assert_int_equal(who.name[0],
			    cases[i].authorization[7]);
	}
	token_set_free(&s);
}

static void
long_and_nul_tokens_are_malformed(void **state)
{
	static char text[600];
	struct token_set *s = parse(good);
	struct token_who who;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "Bearer ", 7);
	assert_int_equal(token_set_check(s, (struct str){ text, 7 + 512 }, 1,
	    0, &who), TOKEN_UNKNOWN);
	assert_int_equal(token_set_check(s, (struct str){ text, 7 + 513 }, 1,
	    0, &who), TOKEN_MALFORMED);
	assert_int_equal(token_set_check(s, (struct str){ "Bearer a\0", 9 },
	    1, 0, &who), TOKEN_MALFORMED);
	token_set_free(&s);
}

#define TOKEN(lines) "[[tokens]]\n" lines
#define NAME "name = \"a\"\n"
#define HASH "sha256 = \"" SHA_A "\"\n"
#define READ "scopes = [\"read\"]\n"

static void
broken_files_are_refused_whole(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "x = 1\n", "t.toml:1:5: unknown key x; expected [[tokens]]" },
		{ "tokens = 1\n", "t.toml:1:10: tokens: expected at most" },
		{ "tokens = [1]\n", "t.toml:1:11: tokens: expected tables" },
		{ TOKEN(NAME HASH), "a token needs scopes" },
		{ TOKEN(NAME READ), "a token needs sha256" },
		{ TOKEN(HASH READ), "a token needs name" },
		{ TOKEN(NAME HASH READ "colour = 1\n"),
			"t.toml:5:10: unknown key colour" },
		{ TOKEN("name = \"\"\n" HASH READ), "name: expected a string" },
		{ TOKEN("name = 5\n" HASH READ), "name: expected a string" },
		{ TOKEN("name = \"a\\u0007\"\n" HASH READ),
			"name: expected a string" },
		{ TOKEN("name = \"" SHA_A "x\"\n" HASH READ),
			"name: expected a string of 1 to 64" },
		{ TOKEN(NAME "sha256 = \"abc\"\n" READ),
			"t.toml:3:10: sha256: expected 64" },
		{ TOKEN(NAME "sha256 = \"g" SHA_A "\"\n" READ),
			"sha256: expected 64" },
		{ TOKEN(NAME HASH "scopes = []\n"), "scopes: expected a list" },
		{ TOKEN(NAME HASH "scopes = \"read\"\n"),
			"scopes: expected a list" },
		{ TOKEN(NAME HASH "scopes = [\"read\", \"write\"]\n"),
			"t.toml:4:19: scopes: expected read" },
		{ TOKEN(NAME HASH "scopes = [1]\n"), "scopes: expected read" },
		{ TOKEN(NAME HASH READ "expires = 2026-09-21T14:13:20\n"),
			"expires: expected a time with its offset" },
		{ TOKEN(NAME HASH READ "expires = 5\n"),
			"expires: expected a time" },
		{ TOKEN(NAME HASH READ) TOKEN(NAME "sha256 = \"" SHA_B
			"\"\n" READ), "another token has the name a" },
		{ TOKEN(NAME HASH READ) TOKEN("name = \"b\"\n" HASH READ),
			"a has the same sha256" },
		{ "[[tokens]\n", "t.toml:" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct token_set *s;
		struct err err = { "" };

		if (token_set_parse(&s, "t.toml", str_from(cases[i].text),
		        &err) == 0)
			fail_msg("taken: %s", cases[i].text);
		assert_null(s);
		if (strstr(err.text, cases[i].want) == NULL)
			fail_msg("\"%s\" instead of \"%s\"", err.text,
			    cases[i].want);
	}
}

static void
no_message_shows_a_secret(void **state)
{
	struct token_set *s;
	struct err err;

	(void)state;
	assert_int_equal(token_set_parse(&s, "t.toml", str_from(TOKEN(NAME
	    "sha256 = \"spt_canary\"\n" READ)), &err), -1);
	assert_null(strstr(err.text, "canary"));
}

static void
an_empty_file_lets_nobody_in(void **state)
{
	struct token_set *s = parse(""), *list = parse("tokens = []\n");
	struct token_who who;

	(void)state;
	assert_int_equal(token_set_count(s), 0);
	assert_int_equal(token_set_count(list), 0);
	assert_int_equal(token_set_check(s, STR("Bearer a"), 0, 0, &who),
	    TOKEN_UNKNOWN);
	token_set_free(&s);
	token_set_free(&list);
}

static void
a_store_changes_at_once(void **state)
{
	struct token_store *t = token_store_new();
	struct token_who who;

	(void)state;
	assert_int_equal(token_store_check(t, STR("Bearer a"), 1, 0, &who),
	    TOKEN_UNKNOWN);
	token_store_set(t, parse(good));
	assert_int_equal(token_store_check(t, STR("Bearer a"), 1, 0, &who),
	    TOKEN_OK);
	token_store_set(t, parse(""));
	assert_int_equal(token_store_check(t, STR("Bearer a"), 1, 0, &who),
	    TOKEN_UNKNOWN);
	token_store_free(&t);
	assert_null(t);
	token_store_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_are_checked),
		cmocka_unit_test(long_and_nul_tokens_are_malformed),
		cmocka_unit_test(broken_files_are_refused_whole),
		cmocka_unit_test(no_message_shows_a_secret),
		cmocka_unit_test(an_empty_file_lets_nobody_in),
		cmocka_unit_test(a_store_changes_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
