/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "audit/close_reason.h"

/* What other people's queries and dashboards rely on. */
static const struct {
	enum close_reason reason;
	const char *name;
	enum record_status status;
} stable[] = {
	{ CLOSE_NONE, "", STATUS_NONE },
	{ CLOSE_client_closed, "client_closed", STATUS_CLOSED },
	{ CLOSE_udp_idle, "udp_idle", STATUS_CLOSED },
	{ CLOSE_dns_not_found, "dns_not_found", STATUS_FAILED },
	{ CLOSE_draining, "draining", STATUS_FAILED },
	{ CLOSE_half_open_timeout, "half_open_timeout", STATUS_FAILED },
	{ CLOSE_shutdown, "shutdown", STATUS_FAILED },
	{ CLOSE_internal_error, "internal_error", STATUS_FAILED },
	{ CLOSE_policy_block, "policy_block", STATUS_REJECTED },
	{ CLOSE_limit_rate, "limit_rate", STATUS_REJECTED },
};

static void
test_stable(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(stable); i++) {
		assert_string_equal(close_reason_name(stable[i].reason),
		    stable[i].name);
		assert_int_equal(close_reason_status(stable[i].reason),
		    stable[i].status);
	}
	assert_int_equal(CLOSE_REASONS - 1, 64);
}

static void
test_all_have_name_status_text(void **state)
{
	(void)state;
	for (int r = CLOSE_NONE + 1; r < CLOSE_REASONS; r++) {
		enum record_status s = close_reason_status(
		    (enum close_reason)r);

		assert_string_equal(close_reason_names[r - 1],
		    close_reason_name((enum close_reason)r));
		assert_true(strlen(close_reason_names[r - 1]) <= 32);
		assert_true(s >= STATUS_CLOSED && s <= STATUS_REJECTED);
		assert_true(strlen(close_reason_text(
		    (enum close_reason)r)) > 10);
		for (int q = 1; q < r; q++)
			assert_string_not_equal(close_reason_names[q - 1],
			    close_reason_names[r - 1]);
	}
	assert_null(close_reason_names[CLOSE_REASONS - 1]);
}

static void
test_found_by_name(void **state)
{
	(void)state;
	for (int r = CLOSE_NONE + 1; r < CLOSE_REASONS; r++)
		assert_int_equal(close_reason_find(
		    str_from(close_reason_names[r - 1])), r);
	assert_int_equal(close_reason_find(STR("")), CLOSE_NONE);
	assert_int_equal(close_reason_find(STR("client_close")), CLOSE_NONE);
	assert_int_equal(close_reason_find(STR("client_closed\0")),
	    CLOSE_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stable),
		cmocka_unit_test(test_all_have_name_status_text),
		cmocka_unit_test(test_found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
