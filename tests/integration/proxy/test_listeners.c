/* SPDX-License-Identifier: MIT */
/*
 * Listeners: each serves whom, and how, its own table says.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

static void
expect_refused(struct rig *r, const char *from)
{
	const struct record_session *s;
	struct endpoint e;
	int fd = rig_connect(r, from);

	(void)rig_expect_end(fd);
	close(fd);
	s = peers_next_session(r->peers, RECORD_REJECT, "source_refused");
	assert_true(endpoint_parse(&e, str_from(from)));
	assert_true(addr_eq(&s->source.addr, &e.addr));
	assert_int_equal(s->status, STATUS_REJECTED);
	assert_int_equal(s->reply_code, RECORD_NO_REPLY);
	assert_int_equal(s->auth_method, AUTH_UNKNOWN);
	assert_true(s->listener.len > 0);
}

static void
expect_served(struct rig *r, const char *from)
{
	int fd = rig_connect(r, from);

	rig_login(fd, "alice");
	rig_request(fd, &r->target_at);
	(void)rig_expect_success(fd);
	rig_expect_tunnel(fd, rig_accept(r->target));
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
}

#define TWO "sources = [\"127.0.0.2\", \"127.0.3.0/24\"]\n"
#define LIFE "workers = 1\ntimeouts.drain = \"0s\"\n"

/* Not a byte for who comes from elsewhere, and no place among the others. */
static void
test_sources(void **state)
{
	struct rig *r = *state;

	rig_configure(r, LIFE TWO "limits.new_per_minute_source = 1\n");
	rig_start(r, NULL);
	for (unsigned i = 0; i < 3; i++)
		expect_refused(r, "127.0.0.1:0");
	expect_served(r, "127.0.0.2:0");
	expect_served(r, "127.0.3.9:0");
	assert_int_equal(rig_metric(r,
	    "proxy_connections_total{result=\"source\"}"), 3);
	assert_int_equal(rig_metric(r,
	    "proxy_connections_total{result=\"accepted\"}"), 2);
	assert_int_equal(rig_metric(r,
	    "proxy_sessions_closed_total{reason=\"source_refused\"}"), 3);
}

static void
test_sources_are_reloaded(void **state)
{
	struct rig *r = *state;

	rig_configure(r, LIFE TWO);
	rig_start(r, NULL);
	expect_refused(r, "127.0.0.1:0");
	rig_configure(r, LIFE);
	rig_signal(r, SIGHUP);
	rig_wait_log(r, "event=config_reloaded");
	expect_served(r, "127.0.0.1:0");
}

#define T(name) \
	cmocka_unit_test_setup_teardown(test_##name, rig_setup, rig_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(sources), T(sources_are_reloaded),
	};

	if (argc != 2)
		return 2;
	rig_binary = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
