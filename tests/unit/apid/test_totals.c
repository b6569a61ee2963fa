/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "apid/totals.h"
#include "helper.h"
#include "prom.h"

#define ROWS 300

static struct sample sample;
static struct bytes page;

static void
expose(const char *namespace)
{
	sample.known = sample.readable = true;
	bytes_clear(&page);
	totals_expose(&page, namespace, &sample);
	bytes_add(&page, "", 1);
}

static double
value(const char *name)
{
	return prom_value(page.ptr, name);
}

static int
setup(void **state)
{
	(void)state;
	sample = (struct sample){ 0 };
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	bytes_fini(&page);
	page = (struct bytes){ 0 };
	return 0;
}

static void
all_combinations_start_at_0(void **state)
{
	char name[128];

	(void)state;
	expose("rustsocks");
	assert_true(prom_check(page.ptr) > CLOSE_REASONS + DURATION_BUCKETS);
	for (unsigned i = CLOSE_NONE + 1; i < CLOSE_REASONS; i++) {
		snprintf(name, sizeof(name), "rustsocks_sessions_closed_total"
		    "{status=\"%s\",reason=\"%s\"}",
		    record_status_name(close_reason_status(i)),
		    close_reason_name(i));
		assert_true(value(name) == 0);
	}
	for (unsigned i = 0; i < DURATION_BUCKETS; i++) {
		snprintf(name, sizeof(name), "rustsocks_session_duration_"
		    "seconds_bucket{le=\"%s\"}", duration_edges[i]);
		assert_true(value(name) == 0);
	}
	assert_true(value("rustsocks_session_duration_seconds_sum") == 0);
	assert_true(value("rustsocks_session_duration_seconds_count") == 0);
}

static void
the_histogram_adds_up(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DURATION_BUCKETS; i++)
		sample.totals.durations[i] = i + 1;
	sample.totals.duration_us = UINT64_C(86400000001);
	expose("x");
	prom_check(page.ptr);
	assert_true(value("x_session_duration_seconds_bucket{le=\"0.1\"}") ==
	    1);
	assert_true(value("x_session_duration_seconds_bucket{le=\"1\"}") ==
	    6);
	assert_true(value("x_session_duration_seconds_count") == 105);
	assert_true(value("x_session_duration_seconds_sum") ==
	    86400.000001);
}

static void
sums_come_from_the_database(void **state)
{
	unsigned n[STATUS_REJECTED + 1] = { 0 };
	struct query *q;
	struct base b;

	(void)state;
	base_open(&b);
	base_add_ended(&b, 0, ROWS);
	for (unsigned i = 0; i < ROWS; i++)
		n[seed_of(i).status]++;
	/* A later release knows reasons and buckets that this one does not. */
	base_run(&b, BASE_ROLLUP
	    " (4, us(0), 'solar_flare', 5, 2, 3, 0, 0, 0, 0, 0, 0, 0),"
	    " (5, us(0), '0.25', 9, 9, 0, 0, 0, 0, 0, 0, 0, 7)");
	q = query_new(b.source);
	assert_int_equal(query_totals(q, SEED_NOW_US, &sample.totals),
	    QUERY_OK);
	query_free(&q);
	base_close(&b);
	expose("x");
	prom_check(page.ptr);
	assert_true(value("x_sessions_closed_total"
	    "{status=\"closed\",reason=\"target_closed\"}") ==
	    n[STATUS_CLOSED]);
	assert_true(value("x_sessions_closed_total"
	    "{status=\"failed\",reason=\"connect_refused\"}") ==
	    n[STATUS_FAILED]);
	assert_true(value("x_sessions_closed_total"
	    "{status=\"rejected\",reason=\"policy_block\"}") ==
	    n[STATUS_REJECTED]);
	assert_true(value("x_sessions_closed_total"
	    "{status=\"closed\",reason=\"__other__\"}") == 2);
	assert_true(value("x_sessions_closed_total"
	    "{status=\"failed\",reason=\"__other__\"}") == 3);
	assert_true(value("x_session_duration_seconds_bucket{le=\"1\"}") ==
	    0);
	assert_true(value("x_session_duration_seconds_bucket{le=\"5\"}") ==
	    ROWS - n[STATUS_REJECTED]);
	assert_true(value("x_session_duration_seconds_sum") ==
	    1.5 * (ROWS - n[STATUS_REJECTED]));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_combinations_start_at_0),
		TEST(the_histogram_adds_up),
		TEST(sums_come_from_the_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
