/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "pgsql/pg.h"

static void
test_urls_of_the_right_form(void **state)
{
	static const char *const urls[] = {
		"postgresql://u@h/db",
		"postgres://u:p%40ss@h:5433/db?sslmode=verify-full",
		"postgresql://u@[2001:db8::1]:5432/db",
		"postgresql://u@a:1,b:2/db?target_session_attrs=read-write",
		"postgresql:///db?host=/run/postgresql&user=u",
		"postgresql://",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct err err = { 0 };

		if (pg_check_url(urls[i], &err) < 0)
			fail_msg("%s: %s", urls[i], err.text);
	}
}

/* What is wrong is said without a word of what was written. */
static void
test_a_bad_url_is_never_shown(void **state)
{
	static const struct {
		const char *url, *says;
	} cases[] = {
		{ "", "expected postgresql://" },
		{ "host=h password=s3cret", "expected postgresql://" },
		{ "mysql://u:s3cret@h/db", "expected postgresql://" },
		{ "postgresql://u:s3cret%zz@h/db", "expected postgresql://" },
		{ "postgresql://u:s3cret@[::1/db", "expected postgresql://" },
		{ "postgresql://u@h/db?s3cret=1", "expected postgresql://" },
		{ "postgresql://u:s3cret@h:70000/db", "a port is 1 to 65535" },
		{ "postgresql://u:s3cret@h:0/db", "a port is 1 to 65535" },
		{ "postgresql://u:x@h:s3cret/db", "a port is 1 to 65535" },
		{ "postgresql://u@h:1,i:s3cret/db", "a port is 1 to 65535" },
		{ "postgresql://u@h/db?sslmode=s3cret", "sslmode is disable" },
		{ "postgresql://u@h/db?replication=s3cret",
		    "replication cannot be chosen" },
		{ "postgresql://u@h/db?client_encoding=s3cret",
		    "client_encoding cannot be chosen" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = { 0 };

		assert_int_equal(pg_check_url(cases[i].url, &err), -1);
		assert_non_null(strstr(err.text, cases[i].says));
		assert_null(strstr(err.text, "s3cret"));
	}
}

static void
test_classes_of_states(void **state)
{
	static const struct {
		const char *state;
		enum pg_status class;
	} cases[] = {
		{ "22021", PG_POISON },
		{ "23505", PG_POISON },
		{ "40P01", PG_BUSY },
		{ "40001", PG_BUSY },
		{ "55P03", PG_BUSY },
		{ "57014", PG_BUSY },
		{ "53100", PG_FULL },
		{ "58030", PG_IO },
		{ "25006", PG_READONLY },
		{ "XX001", PG_CORRUPT },
		{ "XX002", PG_CORRUPT },
		{ "XX000", PG_FAULT },
		{ "28P01", PG_DENIED },
		{ "3D000", PG_DENIED },
		{ "42501", PG_DENIED },
		{ "42P01", PG_FAULT },
		{ "08006", PG_AWAY },
		{ "57P01", PG_AWAY },
		{ "57P03", PG_AWAY },
		{ "53300", PG_AWAY },
		{ "25P03", PG_AWAY },
		{ "53200", PG_FAULT },
		{ "", PG_FAULT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(pg_class(cases[i].state), cases[i].class);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls_of_the_right_form),
		cmocka_unit_test(test_a_bad_url_is_never_shown),
		cmocka_unit_test(test_classes_of_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
