/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "service/args.h"

#define MAX 8

static const struct {
	const char *argv[MAX];
	enum args_mode mode;
	const char *config;
	const char *set[MAX];
	const char *error;	/* a part of it; NULL: none */
} cases[] = {
	{ { NULL }, ARGS_RUN, NULL, { NULL }, NULL },
	{ { "--check" }, ARGS_CHECK, NULL, { NULL }, NULL },
	{ { "--check", "--check" }, ARGS_CHECK, NULL, { NULL }, NULL },
	{ { "--print-config" }, ARGS_PRINT_CONFIG, NULL, { NULL }, NULL },
	{ { "--health" }, ARGS_HEALTH, NULL, { NULL }, NULL },
	{ { "--migrate" }, ARGS_MIGRATE, NULL, { NULL }, NULL },
	{ { "--help" }, ARGS_HELP, NULL, { NULL }, NULL },
	{ { "--version" }, ARGS_VERSION, NULL, { NULL }, NULL },
	{ { "--config", "a" }, ARGS_RUN, "a", { NULL }, NULL },
	{ { "--config=a=b" }, ARGS_RUN, "a=b", { NULL }, NULL },
	{ { "--set", "a.b=1", "--check", "--set=c.d=2" }, ARGS_CHECK, NULL,
	    { "a.b=1", "c.d=2" }, NULL },
	{ { "--config", "--check" }, ARGS_RUN, "--check", { NULL }, NULL },

	{ { "--config" }, 0, NULL, { NULL }, "--config: needs FILE" },
	{ { "--config=" }, 0, NULL, { NULL }, "--config: needs FILE" },
	{ { "--config", "" }, 0, NULL, { NULL }, "--config: needs FILE" },
	{ { "--config=a", "--config=b" }, 0, NULL, { NULL }, "given twice" },
	{ { "--set" }, 0, NULL, { NULL }, "--set: needs KEY=VALUE" },
	{ { "--check=1" }, 0, NULL, { NULL }, "--check: takes no value" },
	{ { "--check", "--health" }, 0, NULL, { NULL }, "--health: only one" },
	{ { "--conf", "a" }, 0, NULL, { NULL }, "--conf: unknown option" },
	{ { "--checks" }, 0, NULL, { NULL }, "--checks: unknown option" },
	{ { "-h" }, 0, NULL, { NULL }, "-h: unknown option" },
	{ { "" }, 0, NULL, { NULL }, "unknown option" },
	{ { "stray" }, 0, NULL, { NULL }, "stray: unknown option" },
	{ { "--takeover=1" }, 0, NULL, { NULL }, "--takeover: takes no" },
	{ { "--takeover", "--check" }, 0, NULL, { NULL },
	    "--takeover: goes with a start only" },
};

static void
test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *argv[MAX + 2] = { "x" };
		struct err err = { 0 };
		struct args a;
		int argc = 1, rc;
		size_t n = 0;

		while (cases[i].argv[argc - 1] != NULL) {
			argv[argc] = (char *)(uintptr_t)cases[i].argv[argc - 1];
			argc++;
		}
		rc = args_parse(&a, argc, argv, &err);
		if (cases[i].error != NULL) {
			assert_int_equal(rc, -1);
			assert_non_null(strstr(err.text, cases[i].error));
			continue;
		}
		assert_int_equal(rc, 0);
		assert_int_equal(a.mode, cases[i].mode);
		assert_int_equal(a.config != NULL, cases[i].config != NULL);
		if (a.config != NULL)
			assert_string_equal(a.config, cases[i].config);
		for (; cases[i].set[n] != NULL; n++)
			assert_string_equal(a.set[n], cases[i].set[n]);
		assert_int_equal(a.n_set, n);
		args_fini(&a);
	}
}

static void
test_takeover(void **state)
{
	char *argv[] = { "x", "--config=a", "--takeover", NULL };
	struct args a;

	(void)state;
	assert_int_equal(args_parse(&a, 3, argv, NULL), 0);
	assert_true(a.takeover);
	assert_int_equal(a.mode, ARGS_RUN);
	assert_string_equal(a.config, "a");
	args_fini(&a);
	assert_int_equal(args_parse(&a, 2, argv, NULL), 0);
	assert_false(a.takeover);
	args_fini(&a);
}

static void
test_help_names_every_option(void **state)
{
	const char *const names[] = { "--config FILE", "--set KEY=VALUE",
		"--check", "--print-config", "--health", "--help", "--version",
		"sallyport-acld: May they", ARGS_CONFIG_DEFAULT, "78" };

	(void)state;
	for (unsigned extras = 0; extras < 4; extras++) {
		char *text = NULL;
		size_t size = 0;
		FILE *f = open_memstream(&text, &size);

		args_help(f, "acld", "May they", extras);
		fclose(f);
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			assert_non_null(strstr(text, names[i]));
		assert_int_equal(strstr(text, "--migrate") != NULL,
		    (extras & ARGS_HAS_MIGRATE) != 0);
		assert_int_equal(strstr(text, "--takeover") != NULL,
		    (extras & ARGS_HAS_TAKEOVER) != 0);
		free(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_takeover),
		cmocka_unit_test(test_help_names_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
