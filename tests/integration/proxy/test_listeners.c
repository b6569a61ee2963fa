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

/* ---- two of them ---- */

static int
connect_two(struct rig *r)
{
	return rig_connect_to(&r->listen6, NULL);
}

/* Offers both ways to log in or not, and expects this one. */
static void
expect_method(int fd, uint8_t method)
{
	const uint8_t reply[2] = { 5, method };

	rig_send_lit(fd, "\5\2\0\2");
	rig_expect(fd, reply, sizeof(reply));
}

static const struct record_session *
expect_rejected(struct rig *r, int fd, const char *listener,
    const char *reason)
{
	const struct record_session *s;

	close(fd);
	s = peers_next_session(r->peers, RECORD_REJECT, reason);
	assert_true(str_eq(s->listener, str_from(listener)));
	return s;
}

/* Methods, carriers, commands, identity and mask: each its own, and what a
 * table leaves out is the proxy's. */
static void
test_two_listeners(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;
	struct endpoint bound;
	int fd;

	r->one = "socks_methods = \"pam.username\"\n"
	    "carriers = \"socks5\"\n";
	r->two = "socks_methods = \"none\"\nallow_anonymous = true\n"
	    "anonymous_user = \"guest\"\ncommands = \"connect\"\n"
	    "mask_bound_address = true\n";
	rig_configure(r, LIFE);
	rig_start(r, NULL);
	/* one: PAM, SOCKS5 alone, any command */
	fd = rig_connect(r, NULL);
	expect_method(fd, 2);
	rig_send_lit(fd, "\1\5alice\5right");
	rig_expect_lit(fd, "\1\0");
	rig_request(fd, &r->target_at);
	bound = rig_expect_success(fd);
	assert_int_not_equal(bound.port, 0);
	rig_expect_tunnel(fd, rig_accept(r->target));
	assert_string_equal(peers_asked_login(r->peers).method,
	    "pam.username");
	assert_string_equal(peers_asked_login(r->peers).listener, "one");
	s = peers_next_session(r->peers, RECORD_OPEN, NULL);
	assert_true(str_eq(s->listener, STR("one")));
	assert_int_equal(s->auth_method, AUTH_PAM_USERNAME);
	peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
	fd = rig_connect(r, NULL);
	rig_send_lit(fd, "CONNECT ");
	(void)rig_expect_end(fd);
	expect_rejected(r, fd, "one", "invalid_request");
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	rig_send_lit(fd, "\5\3\0\1\0\0\0\0\0\0");
	(void)rig_expect_success(fd);
	close(fd);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, "control_closed");
	/* two: nobody, any carrier, CONNECT alone, masked */
	fd = connect_two(r);
	expect_method(fd, 0);
	rig_request(fd, &r->target_at);
	bound = rig_expect_success(fd);
	assert_int_equal(bound.port, 0);
	assert_true(addr_is_unspecified(&bound.addr));
	rig_expect_tunnel(fd, rig_accept(r->target));
	s = peers_next_session(r->peers, RECORD_OPEN, NULL);
	assert_true(str_eq(s->listener, STR("two")));
	assert_true(str_eq(s->user, STR("guest")));
	assert_int_equal(s->auth_method, AUTH_NONE);
	peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
	fd = connect_two(r);
	expect_method(fd, 0);
	rig_send_lit(fd, "\5\3\0\1\0\0\0\0\0\0");
	rig_expect_refusal(fd, 7);
	expect_rejected(r, fd, "two", "command_disabled");
}

/* The tier before the first byte is one listener's; the other asks nothing. */
static void
test_address_asked_on_one_of_two(void **state)
{
	struct rig *r = *state;
	int fd;

	r->one = "socks_methods = \"none\"\n"
	    "client_methods = \"pam.address\"\n";
	r->two = "";
	rig_configure(r, LIFE);
	rig_start(r, NULL);
	peers_script_login(r->peers, &(struct peers_login){ .result = 2 });
	fd = rig_connect(r, NULL);
	(void)rig_expect_end(fd);
	assert_int_equal(expect_rejected(r, fd, "one",
	    "client_auth_failed")->auth_method, AUTH_PAM_ADDRESS);
	assert_int_equal(peers_logins(r->peers), 1);
	fd = connect_two(r);
	expect_method(fd, 2);
	assert_int_equal(peers_logins(r->peers), 1);
	expect_rejected(r, fd, "two", "client_gone");
	peers_script_login(r->peers, &(struct peers_login){ .user = "lan" });
	fd = rig_connect(r, NULL);
	expect_method(fd, 0);
	rig_request(fd, &r->target_at);
	(void)rig_expect_success(fd);
	rig_expect_tunnel(fd, rig_accept(r->target));
	assert_true(str_eq(peers_next_session(r->peers, RECORD_OPEN,
	    NULL)->user, STR("lan")));
	peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
}

/* A reload changes what of a listener may be changed; a successor takes the
 * addresses over, whatever listeners they are now. */
static void
test_listeners_change(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;
	char words[2048];
	int fd;

	r->one = r->two = "socks_methods = \"none\"\n"
	    "allow_anonymous = true\n";
	rig_configure(r, LIFE);
	rig_start(r, NULL);
	r->two = "socks_methods = \"none\"\nallow_anonymous = true\n"
	    "anonymous_user = \"guest\"\nmask_bound_address = true\n";
	rig_configure(r, LIFE);
	rig_signal(r, SIGHUP);
	rig_wait_log(r, "event=config_reloaded");
	fd = connect_two(r);
	expect_method(fd, 0);
	rig_request(fd, &r->target_at);
	assert_int_equal(rig_expect_success(fd).port, 0);
	rig_expect_tunnel(fd, rig_accept(r->target));
	s = peers_next_session(r->peers, RECORD_OPEN, NULL);
	assert_true(str_eq(s->user, STR("guest")));
	peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
	/* no tables any more, and a login */
	r->one = r->two = NULL;
	rig_configure(r, LIFE);
	if (!rig_take_over(r, NULL, words, sizeof(words)))
		fail_msg("%s", words);
	assert_int_equal(rig_wait_predecessor(r), 0);
	fd = connect_two(r);
	expect_method(fd, 2);
	close(fd);
	do
		s = &peers_next_record(r->peers)->record.session;
	while (s->listener.len == 0);
	assert_true(s->listener.ptr[0] == '[');
}

#define T(name) \
	cmocka_unit_test_setup_teardown(test_##name, rig_setup, rig_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(sources), T(sources_are_reloaded), T(two_listeners),
		T(address_asked_on_one_of_two), T(listeners_change),
	};

	if (argc != 2)
		return 2;
	rig_binary = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
