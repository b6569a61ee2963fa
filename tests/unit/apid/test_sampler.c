/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "apid/metrics.h"
#include "apid/sampler.h"
#include "apid/totals.h"
#include "base/clock.h"
#include "helper.h"
#include "net/sock.h"
#include "prom.h"

#define WAIT_MS 60000

/* ---- probe: daemons that say one thing each ---- */

struct server {
	int fd;
	const char *says;
	struct server *first;	/* these have said theirs before */
	size_t n_first;
	pthread_t thread;
};

static void *
serve_one(void *arg)
{
	struct server *s = arg;
	char buf[512];
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	int fd = poll(&p, 1, WAIT_MS) == 1 ? accept(s->fd, NULL, NULL) : -1;

	if (fd < 0)
		return NULL;
	for (size_t i = 0; i < s->n_first; i++)
		pthread_join(s->first[i].thread, NULL);
	(void)!read(fd, buf, sizeof(buf));
	(void)!write(fd, s->says, strlen(s->says));
	close(fd);
	return NULL;
}

/* Nobody takes what comes. */
static struct endpoint
server_open(struct server *s)
{
	struct endpoint at = { addr_from_v4((uint8_t[]){ 127, 0, 0, 1 }), 0 };
	struct err err;

	*s = (struct server){ .fd = sock_listen(&at, false, 8, &err) };
	assert_true(s->fd >= 0);
	assert_true(sock_local(s->fd, &at));
	return at;
}

static void
server_run(struct server *s, const char *says)
{
	s->says = says;
	assert_int_equal(pthread_create(&s->thread, NULL, serve_one, s), 0);
}

/* The first is silent until all others have answered. */
static void
daemons_are_asked_at_once(void **state)
{
	static const struct {
		const char *says;
		enum probe_state want;
		const char *text;
	} cases[] = {
		{ "", PROBE_UNREACHABLE, "no answer of a daemon" },
		{ "HTTP/1.1 200 OK\r\n\r\nready\n", PROBE_READY, "" },
		{ "HTTP/1.1 503 No\r\n\r\nbus: down\ndb: \x1b[31mlost\n",
			PROBE_NOT_READY, "bus: down; db: \\x1b[31mlost" },
		{ "HTTP/1.1 503 No\r\n\r\n", PROBE_NOT_READY, "" },
		{ "220 mail ready\r\n", PROBE_UNREACHABLE,
			"no answer of a daemon" },
		{ "", PROBE_UNREACHABLE, "no answer of a daemon" },
	};
	struct server servers[ARRAY_LEN(cases)];
	struct probe probes[ARRAY_LEN(cases) + 2];
	struct server gone;
	size_t n = ARRAY_LEN(cases);

	(void)state;
	memset(probes, 0, sizeof(probes));
	for (size_t i = 0; i < n; i++)
		probes[i].at = server_open(&servers[i]);
	servers[0].first = servers + 1;
	servers[0].n_first = n - 1;
	for (size_t i = n; i-- > 0;)
		server_run(&servers[i], cases[i].says);
	/* A port where nobody is any more, and one that is not known. */
	probes[n].at = server_open(&gone);
	close(gone.fd);
	probe_all(probes, n + 2, WAIT_MS);
	pthread_join(servers[0].thread, NULL);
	for (size_t i = 0; i < n; i++) {
		if (probes[i].state != cases[i].want)
			fail_msg("%s: %d %s", cases[i].says, probes[i].state,
			    probes[i].text);
		assert_string_equal(probes[i].text, cases[i].text);
		close(servers[i].fd);
	}
	assert_int_equal(probes[n].state, PROBE_UNREACHABLE);
	assert_int_equal(probes[n + 1].state, PROBE_UNKNOWN);
}

static void
a_silent_daemon_is_given_up(void **state)
{
	struct server silent;
	struct probe probe = { .at = server_open(&silent) };

	(void)state;
	probe_all(&probe, 1, 50);
	assert_int_equal(probe.state, PROBE_UNREACHABLE);
	assert_string_equal(probe.text, "no answer in time");
	close(silent.fd);
}

/* ---- sampler ---- */

static struct base base;
static struct sampler *sampler;
static struct metrics *metrics;
static unsigned told_good, told_bad;

static void
on_database(void *arg, const char *why)
{
	(void)arg;
	if (why == NULL)
		__atomic_add_fetch(&told_good, 1, __ATOMIC_SEQ_CST);
	else
		__atomic_add_fetch(&told_bad, 1, __ATOMIC_SEQ_CST);
}

/* On a database with so many sessions that run, besides those that ended. */
static int
start(unsigned running)
{
	static const struct metrics_config config = { .namespace = "x",
		.user_series = CONFIG_USER_SERIES_TOP, .user_top_n = 3 };
	struct sampler_options o = { .config = &config,
		.on_database = on_database };
	struct err err;

	base_open(&base);
	base_add_ended(&base, 0, 300);
	if (running > 0)
		base_add_active(&base, 300, 300 + running);
	/* Threads keep their shares of it: one for all tests. */
	if (metrics == NULL)
		metrics = metrics_new("x", NULL, apid_metrics, APID_METRICS);
	o.source = base.source;
	o.metrics = metrics;
	assert_int_equal(sampler_start(&sampler, &o, &err), 0);
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	return start(0);
}

/* The rows of the model are of the past: these run now. */
static int
setup_running(void **state)
{
	(void)state;
	return start(40);
}

static int
teardown(void **state)
{
	(void)state;
	sampler_stop(&sampler);
	base_close(&base);
	return 0;
}

static void
wait_for(bool (*is_so)(const struct sample *s), struct sample *s)
{
	const struct timespec pause = { 0, 5000000 };
	uint64_t until = clock_mono_ms() + WAIT_MS;

	for (;;) {
		sampler_get(sampler, s);
		if (is_so(s))
			return;
		if (clock_mono_ms() > until)
			fail_msg("the sample stays as it is");
		nanosleep(&pause, NULL);
	}
}

static bool
is_lost(const struct sample *s)
{
	return !s->readable;
}

static bool
is_back(const struct sample *s)
{
	return s->readable;
}

static bool
has_active(const struct sample *s)
{
	return s->totals.all.active > 0;
}

static void
counters_never_fall(void **state)
{
	struct sample before, after;

	(void)state;
	sampler_get(sampler, &before);
	assert_true(before.readable && before.known);
	assert_int_equal(before.totals.tried + before.totals.all.rejected,
	    300);
	/* Retention takes all away; one running session shows it was seen. */
	base_run(&base, "DELETE FROM rollup_hour");
	base_add_active(&base, 300, 301);
	wait_for(has_active, &after);
	assert_int_equal(after.totals.tried, before.totals.tried);
	assert_int_equal(after.totals.all.rejected,
	    before.totals.all.rejected);
	assert_true(after.totals.all.bytes_up >= before.totals.all.bytes_up);
	assert_int_equal(after.totals.all.active, 1);
}

static void
a_lost_database_keeps_the_last_sums(void **state)
{
	struct sample s;
	struct bytes b = { 0 };

	(void)state;
	base_hide(&base);
	wait_for(is_lost, &s);
	assert_true(s.why[0] != '\0');
	assert_true(s.known);
	totals_expose(&b, "x", &s);
	bytes_add(&b, "", 1);
	assert_non_null(strstr(b.ptr, "x_api_database_up 0\n"));
	assert_non_null(strstr(b.ptr, "x_active_sessions 0\n"));
	bytes_fini(&b);
	base_show(&base);
	wait_for(is_back, &s);
	assert_true(told_good > 0 && told_bad > 0);
}

static void
unknown_totals_are_left_out(void **state)
{
	static const struct sample nothing;
	struct bytes b = { 0 };

	(void)state;
	totals_expose(&b, "rustsocks", &nothing);
	bytes_add(&b, "", 1);
	assert_string_equal(b.ptr, "# HELP rustsocks_api_database_up 1: the "
	    "database could be read when last asked\n"
	    "# TYPE rustsocks_api_database_up gauge\n"
	    "rustsocks_api_database_up 0\n");
	bytes_fini(&b);
}

static bool
has_users(const struct sample *s)
{
	struct bytes b = { 0 };
	bool has;

	(void)s;
	sampler_users(sampler, &b);
	has = b.len > 0;
	bytes_fini(&b);
	return has;
}

static void
users_join_the_page(void **state)
{
	struct bytes b = { 0 };
	struct sample s;

	(void)state;
	wait_for(has_users, &s);
	totals_expose(&b, "x", &s);
	sampler_users(sampler, &b);
	bytes_add(&b, "", 1);
	assert_true(prom_check(b.ptr) > 100);
	assert_non_null(strstr(b.ptr, "x_user_sessions_total{user=\"user"));
	assert_true(prom_value(b.ptr,
	    "x_user_sessions_total{user=\"__other__\"}") == 0);
	bytes_fini(&b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(daemons_are_asked_at_once),
		cmocka_unit_test(a_silent_daemon_is_given_up),
		cmocka_unit_test(unknown_totals_are_left_out),
		TEST(counters_never_fall),
		cmocka_unit_test_setup_teardown(users_join_the_page,
		    setup_running, teardown),
		TEST(a_lost_database_keeps_the_last_sums),
	};

	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	metrics_free(&metrics);
	return failed;
}
