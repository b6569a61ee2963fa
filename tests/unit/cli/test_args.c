/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cli.h"

#define ARGV_MAX 8

static const struct cli_option options[] = {
	{ "user", "USER", "who" },
	{ "group", "GROUP", "repeatable" },
	{ "yes", NULL, "a flag" },
	{ NULL, NULL, NULL },
};

static int
count(char **argv)
{
	int n = 0;

	while (argv[n] != NULL)
		n++;
	return n;
}

static void
test_good(void **state)
{
	static const struct {
		const char *argv[ARGV_MAX];
		const char *user;	/* NULL: not given */
		bool yes;
		unsigned n_words;
		const char *first;	/* word */
	} cases[] = {
		{ { NULL }, NULL, false, 0, NULL },
		{ { "--user", "bob" }, "bob", false, 0, NULL },
		{ { "--user=bob" }, "bob", false, 0, NULL },
		{ { "--user=" }, "", false, 0, NULL },
		{ { "--user=a=b" }, "a=b", false, 0, NULL },
		{ { "--user", "--yes" }, "--yes", false, 0, NULL },
		{ { "--user", "" }, "", false, 0, NULL },
		{ { "--user", "a", "--user", "b" }, "b", false, 0, NULL },
		{ { "--yes" }, NULL, true, 0, NULL },
		{ { "x", "--yes", "y" }, NULL, true, 2, "x" },
		{ { "--", "--yes" }, NULL, false, 1, "--yes" },
		{ { "--yes", "--", "--user" }, NULL, true, 1, "--user" },
		{ { "--", "--" }, NULL, false, 1, "--" },
		{ { "-" }, NULL, false, 1, "-" },
		{ { "" }, NULL, false, 1, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cli_args a = { 0 };
		struct err err = { 0 };
		char **argv = (char **)cases[i].argv;
		const char *user;

		assert_int_equal(
		    cli_parse(&a, options, count(argv), argv, &err), 0);
		user = cli_get(&a, "user");
		assert_int_equal(user == NULL, cases[i].user == NULL);
		if (user != NULL)
			assert_string_equal(user, cases[i].user);
		assert_int_equal(cli_get(&a, "yes") != NULL, cases[i].yes);
		assert_int_equal(a.n_words, cases[i].n_words);
		if (a.n_words > 0)
			assert_string_equal(a.words[0], cases[i].first);
	}
}

static void
test_bad(void **state)
{
	static const struct {
		const char *argv[ARGV_MAX];
		const char *says;
	} cases[] = {
		{ { "--usr", "bob" },
		    "unknown option --usr; did you mean --user?" },
		{ { "--confg=x" },
		    "unknown option --confg=x; did you mean --config?" },
		{ { "--something-else" }, "unknown option --something-else" },
		{ { "--user" }, "--user needs a value: USER" },
		{ { "--yes", "--user" }, "--user needs a value: USER" },
		{ { "--yes=1" }, "--yes takes no value" },
		{ { "-x" }, "unknown option -x" },
		{ { "-yes" }, "unknown option -yes" },
		{ { "-user" }, "unknown option -user" },
		{ { "-o" }, "--output needs a value: table|json" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cli_args a = { 0 };
		struct err err = { 0 };
		char **argv = (char **)cases[i].argv;

		assert_int_equal(
		    cli_parse(&a, options, count(argv), argv, &err), -1);
		assert_true(strncmp(err.text, cases[i].says,
		    strlen(cases[i].says)) == 0);
	}
}

static void
test_repeated(void **state)
{
	char *argv[] = { "--group", "a", "--user", "u", "--group=b", "-o",
		"json", NULL };
	struct cli_args a = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(cli_parse(&a, options, 7, argv, &err), 0);
	assert_string_equal(cli_get_nth(&a, "group", 0), "a");
	assert_string_equal(cli_get_nth(&a, "group", 1), "b");
	assert_null(cli_get_nth(&a, "group", 2));
	assert_string_equal(cli_get(&a, "group"), "b");
	assert_string_equal(cli_get(&a, "output"), "json");
	assert_null(cli_get(&a, "help"));
}

/* One more than fits is an error, not an overflow. */
static void
test_too_many(void **state)
{
	char *flags[CLI_OPTIONS_MAX + 2], *words[CLI_WORDS_MAX + 2];
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		flags[i] = "--yes";
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		words[i] = "w";
	for (int more = 0; more < 2; more++) {
		struct cli_args a = { 0 }, b = { 0 };

		assert_int_equal(cli_parse(&a, options, CLI_OPTIONS_MAX + more,
		    flags, &err), -more);
		assert_int_equal(cli_parse(&b, options, CLI_WORDS_MAX + more,
		    words, &err), -more);
	}
	assert_string_equal(err.text, "too many arguments");
}

/* What the tables promise to parsing, help and completion. */
static void
test_commands(void **state)
{
	(void)state;
	for (const struct cli_command *c = cli_commands; c->noun != NULL; c++) {
		assert_non_null(c->verb);
		assert_non_null(c->run);
		assert_true(c->min_words <= c->max_words);
		assert_true(c->max_words <= CLI_WORDS_MAX);
		assert_int_equal(*c->words != '\0', c->max_words > 0);
		for (const struct cli_option *o = c->options; o->name != NULL;
		     o++)
			for (const struct cli_option *g = cli_globals;
			     g->name != NULL; g++)
				assert_string_not_equal(o->name, g->name);
		/* One after the other, as completion's nouns need it. */
		for (const struct cli_command *d = c + 1; d->noun != NULL; d++)
			if (strcmp(c->noun, d->noun) == 0) {
				assert_string_equal(d->noun, d[-1].noun);
				assert_string_not_equal(c->verb, d->verb);
			}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
