/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"

#define LAST UINT64_C(253402300799999999)

static void
test_format(void **state)
{
	static const struct {
		uint64_t us;
		unsigned digits;
		const char *text;
	} cases[] = {
		{ 0, 6, "1970-01-01T00:00:00.000000Z" },
		{ 0, 3, "1970-01-01T00:00:00.000Z" },
		{ 1795178096123456, 6, "2026-11-20T12:34:56.123456Z" },
		{ 1795178096123999, 3, "2026-11-20T12:34:56.123Z" },
		{ 951782400000000, 6, "2000-02-29T00:00:00.000000Z" },
		{ 1709251199999999, 6, "2024-02-29T23:59:59.999999Z" },
		{ 4107542400000000, 6, "2100-03-01T00:00:00.000000Z" },
		{ LAST, 6, "9999-12-31T23:59:59.999999Z" },
		{ LAST + 1, 6, "9999-12-31T23:59:59.999999Z" },
		{ UINT64_MAX, 3, "9999-12-31T23:59:59.999Z" },
	};
	char out[CLOCK_TEXT_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		clock_format(out, cases[i].us, cases[i].digits);
		assert_string_equal(out, cases[i].text);
	}
}

static void
test_parse(void **state)
{
	static const struct {
		const char *text;
		int64_t us;	/* -1: refused */
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-20T12:34:56.123456Z", 1795178096123456 },
		{ "2026-11-20t12:34:56.123456789z", 1795178096123456 },
		{ "2026-11-20T12:34:56.5Z", 1795178096500000 },
		{ "2026-11-20T14:04:56+01:30", 1795178096000000 },
		{ "2026-11-19T23:34:56-13:00", 1795178096000000 },
		{ "1970-01-01T01:00:00+01:00", 0 },
		{ "1969-12-31T23:00:00-01:00", 0 },
		{ "2000-02-29T00:00:00-00:00", 951782400000000 },
		{ "2016-12-31T23:59:60Z", 1483228800000000 },
		{ "2017-01-01T00:59:60+01:00", 1483228800000000 },
		{ "9999-12-31T23:59:59.999999Z", (int64_t)LAST },
		{ "", -1 },
		{ "1969-12-31T23:59:59Z", -1 },
		{ "1970-01-01T00:00:00+00:01", -1 },
		{ "0000-01-01T00:00:00Z", -1 },
		{ "1900-02-29T00:00:00Z", -1 },
		{ "2023-02-29T00:00:00Z", -1 },
		{ "2100-02-29T00:00:00Z", -1 },
		{ "2026-04-31T00:00:00Z", -1 },
		{ "2026-00-10T00:00:00Z", -1 },
		{ "2026-13-10T00:00:00Z", -1 },
		{ "2026-01-00T00:00:00Z", -1 },
		{ "2026-01-10T24:00:00Z", -1 },
		{ "2026-01-10T00:60:00Z", -1 },
		{ "2026-01-10T00:00:60Z", -1 },
		{ "2026-01-10T23:59:61Z", -1 },
		{ "2026-01-10T00:00:00", -1 },
		{ "2026-01-10T00:00:00.Z", -1 },
		{ "2026-01-10T00:00:00,5Z", -1 },
		{ "2026-01-10 00:00:00Z", -1 },
		{ "2026-1-10T00:00:00Z", -1 },
		{ "+026-01-10T00:00:00Z", -1 },
		{ "2026-01-10T00:00:00Zx", -1 },
		{ " 2026-01-10T00:00:00Z", -1 },
		{ "2026-01-10T00:00:00+0100", -1 },
		{ "2026-01-10T00:00:00+01", -1 },
		{ "2026-01-10T00:00:00+24:00", -1 },
		{ "2026-01-10T00:00:00+01:60", -1 },
		{ "2026-01-10", -1 },
		{ "20260110T000000Z", -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t us = 4711;
		int r = clock_parse(cases[i].text, strlen(cases[i].text), &us);

		if (r != (cases[i].us < 0 ? -1 : 0))
			fail_msg("%s gives %d", cases[i].text, r);
		assert_true(us == (r < 0 ? 4711 : (uint64_t)cases[i].us));
	}
}

/* The end is where it was said to be. */
static void
test_parse_stops_at_len(void **state)
{
	const char *text = "2026-11-20T12:34:56.5Z";
	uint64_t us;
	size_t len;

	(void)state;
	for (len = 0; len < strlen(text); len++)
		assert_int_equal(clock_parse(text, len, &us), -1);
}

/* Format, parse, and libc's calendar agree, from 1970 to 2400. */
static void
test_agrees_with_libc(void **state)
{
	uint64_t us, step = UINT64_C(86400000000) * 3 + 12345678901;

	(void)state;
	for (us = 0; us < UINT64_C(13569465600000000); us += step) {
		char out[CLOCK_TEXT_SIZE], want[CLOCK_TEXT_SIZE];
		time_t t = (time_t)(us / 1000000);
		uint64_t back;
		struct tm tm;

		clock_format(out, us, 6);
		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.", &tm);
		assert_memory_equal(out, want, strlen(want));
		assert_int_equal(clock_parse(out, strlen(out), &back), 0);
		assert_true(back == us);
	}
}

static void
test_frozen(void **state)
{
	uint64_t before = clock_mono_us();

	(void)state;
	assert_true(before > 0);
	assert_true(clock_wall_us() > UINT64_C(1700000000000000));
	clock_test_set(5000999, 7);
	assert_true(clock_mono_us() == 5000999);
	assert_true(clock_mono_ms() == 5000);
	assert_true(clock_wall_us() == 7);
	clock_test_reset();
	assert_true(clock_mono_us() >= before);
	assert_true(clock_wall_us() > UINT64_C(1700000000000000));
}

struct door {
	pthread_mutex_t m;
	pthread_cond_t opened;
	bool open;
};

static void *
open_door(void *arg)
{
	struct door *d = arg;

	pthread_mutex_lock(&d->m);
	d->open = true;
	pthread_cond_signal(&d->opened);
	pthread_mutex_unlock(&d->m);
	return NULL;
}

/* A time of this clock is long past on the other one, and the other way
 * round. */
static void
test_waiting(void **state)
{
	struct door d = { .m = PTHREAD_MUTEX_INITIALIZER };
	struct timespec until = clock_in_ms(60000);
	pthread_t thread;
	int rc = 0;

	(void)state;
	clock_cond_init(&d.opened);
	pthread_mutex_lock(&d.m);
	assert_int_equal(pthread_create(&thread, NULL, open_door, &d), 0);
	while (!d.open && rc == 0)
		rc = pthread_cond_timedwait(&d.opened, &d.m, &until);
	assert_int_equal(rc, 0);
	until = clock_in_ms(0);
	while (rc == 0)
		rc = pthread_cond_timedwait(&d.opened, &d.m, &until);
	assert_int_equal(rc, ETIMEDOUT);
	pthread_mutex_unlock(&d.m);
	pthread_join(thread, NULL);
	pthread_cond_destroy(&d.opened);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_stops_at_len),
		cmocka_unit_test(test_agrees_with_libc),
		cmocka_unit_test(test_frozen),
		cmocka_unit_test(test_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
