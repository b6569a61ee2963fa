/* SPDX-License-Identifier: MIT */
/*
 * data/broken.txt: policies that must be refused, each with what must be said.
 * A refused policy is NULL, so nothing can be half-loaded.
 */
#include "policy_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char *data_dir;

static bool
said(const struct policy_report *report, const char *want)
{
	bool from_start = strncmp(want, "acl.toml:", 9) == 0;

	for (unsigned i = 0; i < report->errors.n; i++) {
		const char *at = strstr(report->errors.v[i], want);

		if (at != NULL && (!from_start || at == report->errors.v[i]))
			return true;
	}
	return false;
}

/* 0, or 1 after it printed what went wrong. */
static unsigned
check(const char *want, const char *text)
{
	struct acld_config cfg = fixture_config();
	struct policy_report report = { .expect_failures = 0 };
	struct policy *p = fixture_parse("acl.toml", text, &cfg, &report);
	unsigned wrong = p != NULL || !said(&report, want);

	if (wrong) {
		print_error("wanted %s\n%s\n", want, text);
		for (unsigned i = 0; i < report.errors.n; i++)
			print_error("  said %s\n", report.errors.v[i]);
	}
	for (unsigned i = 0; i < report.errors.n; i++)
		if (strncmp(report.errors.v[i], "acl.toml:", 9) != 0)
			wrong = 1;
	policy_free(&p);
	policy_report_fini(&report);
	return wrong;
}

static void
test_all_broken(void **state)
{
	char *path = xasprintf("%s/broken.txt", data_dir);
	char *text = fixture_read(path);
	unsigned n = 0, wrong = 0;
	char *at = strstr(text, "\n=== ");

	(void)state;
	while (at != NULL) {
		char *want = at + strlen("\n=== ");
		char *policy = strchr(want, '\n');

		at = strstr(policy, "\n=== ");
		*policy++ = '\0';
		if (at != NULL)
			*at = '\0';	/* the last line ends without it */
		wrong += check(want, policy);
		n++;
		if (at != NULL)
			*at = '\n';
	}
	free(text);
	free(path);
	assert_true(n >= 100);
	assert_int_equal(wrong, 0);
}

/* All errors of a file are told, in its order where one thing reads it. */
static void
test_all_errors(void **state)
{
	struct acld_config cfg = fixture_config();
	struct policy_report report = { .expect_failures = 0 };
	struct err err;

	(void)state;
	assert_null(fixture_parse("p/acl.toml", "[[rules]]\n"
	    "action = \"permit\"\ndestinations = [\"a b\", \"c d\"]\n"
	    "prots = [1]\n[[users]]\n", &cfg, &report));
	assert_int_equal(report.errors.total, 5);
	(void)policy_notes_err(&report.errors, &err);
	assert_string_equal(err.text,
	    "p/acl.toml:5:1: `username` is missing\n"
	    "p/acl.toml:4:1: unknown key `prots`; did you mean `ports`?\n"
	    "p/acl.toml:2:10: `permit` is none of `allow`, `block`, `deny`\n"
	    "p/acl.toml:3:17: destination `a b`: not a valid host name\n"
	    "p/acl.toml:3:24: destination `c d`: not a valid host name");
	(void)policy_notes_first(&report.errors, &err);
	assert_string_equal(err.text,
	    "p/acl.toml:5:1: `username` is missing (and 4 more)");
	policy_report_fini(&report);
}

/* So many that not all are kept. */
static void
test_many_errors(void **state)
{
	struct acld_config cfg = fixture_config();
	struct policy_report report = { .expect_failures = 0 };
	struct bytes text = { NULL, 0, 0 };

	(void)state;
	for (unsigned i = 0; i < 150; i++)
		bytes_fmt(&text, "[[rules]]\naction = \"allow\"\n");
	bytes_add(&text, "", 1);
	assert_null(fixture_parse("acl.toml", text.ptr, &cfg, &report));
	assert_int_equal(report.errors.n, POLICY_NOTES_MAX);
	assert_int_equal(report.errors.total, 150);
	bytes_fini(&text);
	policy_report_fini(&report);
}

static void
test_max_rules(void **state)
{
	const char *text = "[[rules]]\naction = \"allow\"\n"
	    "destinations = [\"a\"]\n[[rules]]\naction = \"allow\"\n"
	    "destinations = [\"b\"]\n";
	struct acld_config cfg = { .max_rules = 1 };
	struct policy_report report = { .expect_failures = 0 };
	struct policy *p;

	(void)state;
	assert_null(fixture_parse("acl.toml", text, &cfg, &report));
	assert_string_equal(report.errors.v[0],
	    "acl.toml:4:1: 2 rules; acld.max_rules allows 1");
	policy_report_fini(&report);
	cfg.max_rules = 2;
	p = fixture_parse("acl.toml", text, &cfg, &report);
	assert_non_null(p);
	policy_free(&p);
	policy_report_fini(&report);
}

static void
test_expect_failures_counted(void **state)
{
	struct acld_config cfg = fixture_config();
	struct policy_report report = { .expect_failures = 0 };

	(void)state;
	assert_null(fixture_parse("acl.toml", "expect = [\n"
	    "{ user = \"u\", dest = \"a\", port = 1, decision = \"allow\" },\n"
	    "{ user = \"u\", dest = \"b\", port = 1, decision = \"block\" },\n"
	    "{ user = \"u\", dest = \"c\", port = 1, decision = \"allow\" },\n"
	    "]\n", &cfg, &report));
	assert_int_equal(report.expect_failures, 2);
	assert_int_equal(report.errors.total, 2);
	policy_report_fini(&report);
}

static void
test_yaml_positions(void **state)
{
	struct acld_config cfg = fixture_config();
	struct policy_report report = { .expect_failures = 0 };

	(void)state;
	assert_null(fixture_parse("acl.yaml", "rules:\n"
	    "  - action: allow\n    destinations: [a b]\n"
	    "  - action: allow\n    destinations:\n", &cfg, &report));
	assert_int_equal(report.errors.total, 2);
	assert_string_equal(report.errors.v[0],
	    "acl.yaml:3:20: destination `a b`: not a valid host name");
	assert_non_null(strstr(report.errors.v[1],
	    "destinations: must be a list, not "));
	policy_report_fini(&report);
}

static void
test_no_file(void **state)
{
	struct acld_config cfg = fixture_config();
	struct policy_report report = { .expect_failures = 0 };
	struct policy *p;
	char *path = xasprintf("%s/no-such-file.toml", data_dir);

	(void)state;
	assert_int_equal(policy_load(&p, path, &cfg, &report), -1);
	assert_null(p);
	assert_int_equal(report.errors.total, 1);
	assert_non_null(strstr(report.errors.v[0],
	    "no-such-file.toml: No such file"));
	free(path);
	policy_report_fini(&report);
}

/* ---- warnings ---- */

struct warning {
	const char *rule;	/* keys of one rule after its id */
	const char *want;	/* NULL: none */
};

static const struct warning warnings[] = {
	{ "action='allow', destinations=['10.0.0.0/8']",
	  "acl.toml:1:10: rule x allows 10.0.0.0/8, which stays closed "
	  "without `allow_internal = true` (private)" },
	{ "action='allow', destinations=['127.0.0.1']",
	  "127.0.0.1/32, which stays closed" },
	{ "action='allow', destinations=['a.b', '::1']",
	  "::1/128, which stays closed" },
	{ "action='allow', destinations=['8.0.0.0/5']",
	  "8.0.0.0/5, which stays closed" },
	{ "action='allow', destinations=['fd00::/8'], allow_internal=false",
	  "fd00::/8, which stays closed" },
	{ "action='allow', destinations=['5.5.5.5']", "(own address)" },
	{ "action='allow', destinations=['6.0.0.0/8']", "(internal range)" },
	{ "action='allow', destinations=['10.0.0.0/8'], allow_internal=true",
	  NULL },
	{ "action='block', destinations=['10.0.0.0/8']", NULL },
	{ "action='allow', destinations=['0.0.0.0/0', '::/0', '*']", NULL },
	{ "action='allow', destinations=['8.8.8.0/24', '2606:4700::/32']",
	  NULL },
	{ "action='allow', destinations=['localhost']", NULL },
};

static void
test_warnings(void **state)
{
	struct acld_config cfg = fixture_config();

	(void)state;
	fixture_cidrs("5.5.5.5", &cfg.own_addresses);
	fixture_cidrs("6.6.0.0/16", &cfg.internal_ranges);
	for (size_t i = 0; i < ARRAY_LEN(warnings); i++) {
		const struct warning *w = &warnings[i];
		struct policy_report report = { .expect_failures = 0 };
		char *text = xasprintf("rules = [{ id='x', %s }]\n", w->rule);
		struct policy *p = fixture_parse("acl.toml", text, &cfg,
		    &report);

		assert_non_null(p);
		assert_int_equal(report.warnings.total, w->want != NULL);
		if (w->want != NULL)
			assert_non_null(strstr(report.warnings.v[0], w->want));
		policy_free(&p);
		policy_report_fini(&report);
		free(text);
	}
	free(cfg.own_addresses.v);
	free(cfg.internal_ranges.v);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_broken),
		cmocka_unit_test(test_all_errors),
		cmocka_unit_test(test_many_errors),
		cmocka_unit_test(test_max_rules),
		cmocka_unit_test(test_expect_failures_counted),
		cmocka_unit_test(test_yaml_positions),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_warnings),
	};

	data_dir = argc > 1 ? argv[1] : "data";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
