/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/telemetry.h"
#include "authd/metrics.h"
#include "authd/notices.h"
#include "base/clock.h"
#include "ear.h"
#include "peer.h"

static struct place place;
static struct ear *ear;
static struct telemetry *t;

/* The clock stands: what is alike is told once, and ten of all. */
static int
set_up(void **state)
{
	struct telemetry_options o = { .component = "authd",
		.instance = "host-1", .max_message = PEER_MAX_MESSAGE,
		.reconnect_max_ms = 50, .group = (unsigned)-1 };
	struct err err;

	(void)state;
	place_init(&place);
	o.address = place.address;
	ear = ear_open(place.address);
	if (telemetry_open(&t, &o, &err) != 0)
		fail_msg("%s", err.text);
	while (!telemetry_wants(t, TELEMETRY_worker_killed, STR("no method")))
		poll(NULL, 0, 1);
	clock_test_set(5000000, 1795221861853000);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	telemetry_close(&t);
	ear_close(&ear);
	clock_test_reset();
	place_fini(&place);
	return 0;
}

static void
refuse(enum guessing_scope scope, struct str user, const char *source)
{
	struct notices_refusal r = { .scope = scope, .user = user,
		.delay_ms = 4711 };

	assert_true(addr_parse(&r.source, str_from(source)));
	notices_refused(t, &r);
}

static void
hears(unsigned i, const char *text)
{
	ear_wait(ear, i + 1);
	assert_string_equal(ear_at(ear, i)->text, text);
}

static void
assert_told(uint64_t sent, uint64_t folded)
{
	struct telemetry_counts n = telemetry_counts(t);

	assert_int_equal(n.sent, sent);
	assert_int_equal(n.folded, folded);
}

/* ---- guessing ---- */

static void
tells_who_guesses(void **state)
{
	(void)state;
	refuse(GUESSING_USER, STR("alice"), "192.0.2.1");
	refuse(GUESSING_PAIR, STR("alice"), "192.0.2.1");
	refuse(GUESSING_PAIR, STR(""), "2001:db8::1");
	refuse(GUESSING_TOTAL, STR("alice"), "192.0.2.1");
	refuse(GUESSING_SOURCE, STR("alice"), "192.0.2.1");
	hears(0, "warning security guessing_detected authd: "
	    "too many failed logins as alice {\"scope\":\"user\","
	    "\"user\":\"alice\",\"source\":\"192.0.2.1\",\"delay_ms\":4711}");
	hears(1, "warning security guessing_detected authd: "
	    "too many failed logins from 192.0.2.1 as alice "
	    "{\"scope\":\"pair\",\"user\":\"alice\",\"source\":\"192.0.2.1\","
	    "\"delay_ms\":4711}");
	hears(2, "warning security guessing_detected authd: "
	    "too many failed logins from 2001:db8::1 {\"scope\":\"pair\","
	    "\"user\":\"\",\"source\":\"2001:db8::1\",\"delay_ms\":4711}");
	hears(3, "warning security guessing_detected authd: "
	    "too many failed logins of all users together "
	    "{\"scope\":\"total\",\"user\":\"alice\","
	    "\"source\":\"192.0.2.1\",\"delay_ms\":4711}");
	hears(4, "warning security source_throttled authd: "
	    "too many failed logins from 192.0.2.1 "
	    "{\"source\":\"192.0.2.1\",\"delay_ms\":4711}");
}

/* What hits the same limit is told once. */
static void
folds_by_the_limit(void **state)
{
	(void)state;
	refuse(GUESSING_USER, STR("alice"), "192.0.2.1");
	refuse(GUESSING_USER, STR("ALICE"), "192.0.2.2");
	refuse(GUESSING_USER, STR("bob"), "192.0.2.1");
	assert_told(2, 1);
	refuse(GUESSING_PAIR, STR("alice"), "2001:db8::1");
	refuse(GUESSING_PAIR, STR("alice"), "2001:db8::2");
	refuse(GUESSING_PAIR, STR("alice"), "2001:db8:0:1::1");
	refuse(GUESSING_PAIR, STR("bob"), "2001:db8::1");
	assert_told(5, 2);
	refuse(GUESSING_SOURCE, STR("alice"), "2001:db8::1");
	refuse(GUESSING_SOURCE, STR("bob"), "2001:db8::2");
	refuse(GUESSING_SOURCE, STR("alice"), "192.0.2.1");
	refuse(GUESSING_SOURCE, STR("alice"), "192.0.2.2");
	assert_told(8, 3);
	refuse(GUESSING_TOTAL, STR("alice"), "192.0.2.1");
	refuse(GUESSING_TOTAL, STR("bob"), "192.0.2.2");
	assert_told(9, 4);
}

static void
names_may_be_any_bytes(void **state)
{
	static char longest[GUESSING_USER_MAX];
	struct bytes text = { 0 };

	(void)state;
	memset(longest, 0xff, sizeof(longest));
	refuse(GUESSING_USER, STR("\"al\\ice\n\xff"), "192.0.2.1");
	refuse(GUESSING_USER, (struct str){ longest, sizeof(longest) },
	    "192.0.2.1");
	hears(0, "warning security guessing_detected authd: "
	    "too many failed logins as \"al\\\\ice\\x0a\\xff "
	    "{\"scope\":\"user\",\"user\":\"\\\"al\\\\\\\\ice\\\\x0a\\\\xff\","
	    "\"source\":\"192.0.2.1\",\"delay_ms\":4711}");
	bytes_fmt(&text, "warning security guessing_detected authd: "
	    "too many failed logins as ");
	for (size_t n = strlen("too many failed logins as "); n + 4 <=
	    TELEMETRY_MESSAGE_MAX; n += 4)
		bytes_fmt(&text, "\\xff");
	bytes_fmt(&text, " {\"scope\":\"user\",\"user\":\"");
	for (size_t i = 0; i < sizeof(longest); i++)
		bytes_fmt(&text, "\\\\xff");
	bytes_fmt(&text, "\",\"source\":\"192.0.2.1\",\"delay_ms\":4711}");
	bytes_add(&text, "", 1);
	hears(1, text.ptr);
	bytes_fini(&text);
}

/* ---- worker processes ---- */

static void
tells_of_workers(void **state)
{
	struct metrics *m = metrics_new("sallyport", NULL, authd_metrics,
	    AUTHD_METRICS);
	struct notices_workers names = { m, t, "pam.username" };
	struct notices_workers addresses = { m, t, "pam.address" };
	struct notices_workers groups = { m, t, "groups" };

	(void)state;
	notices_on_restart(&names, PAM_PROCESS_RECYCLED, 0);
	notices_on_restart(&names, PAM_PROCESS_DIED, 0);
	assert_told(0, 0);
	notices_on_restart(&names, PAM_PROCESS_DEADLINE, 0);
	notices_on_restart(&names, PAM_PROCESS_DEADLINE, 0);
	notices_on_restart(&groups, PAM_PROCESS_DEADLINE, 0);
	notices_on_restart(&names, PAM_PROCESS_START, EACCES);
	notices_on_restart(&names, PAM_PROCESS_START, EACCES);
	notices_on_restart(&addresses, PAM_PROCESS_START, 0);
	assert_told(4, 2);
	hears(0, "warning auth worker_killed authd: a worker process for "
	    "pam.username did not answer in time "
	    "{\"method\":\"pam.username\",\"cause\":\"deadline\"}");
	hears(1, "warning auth worker_killed authd: a worker process for "
	    "groups did not answer in time "
	    "{\"method\":\"groups\",\"cause\":\"deadline\"}");
	hears(2, "error auth backend_down authd: no worker process for "
	    "pam.username can be started: Permission denied "
	    "{\"method\":\"pam.username\",\"error\":\"Permission denied\"}");
	hears(3, "error auth backend_down authd: no worker process for "
	    "pam.address can be started {\"method\":\"pam.address\"}");
	assert_int_equal(metrics_value(m, METRIC_authd_worker_restarts_total,
	    PAM_PROCESS_DEADLINE), 3);
	assert_int_equal(metrics_value(m, METRIC_authd_worker_restarts_total,
	    PAM_PROCESS_START), 3);
	assert_int_equal(metrics_value(m, METRIC_authd_worker_restarts_total,
	    PAM_PROCESS_RECYCLED), 1);
	metrics_free(&m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tells_who_guesses),
		TEST(folds_by_the_limit),
		TEST(names_may_be_any_bytes),
		TEST(tells_of_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
