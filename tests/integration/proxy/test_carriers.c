/* SPDX-License-Identifier: MIT */
/*
 * SOCKS4, 4a and CONNECT of HTTP against the real daemon: conformance.md
 * sections 9 and 11.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

#include "base/mem.h"

#define OPTIONAL "proxy.socks_methods=userpass,none", \
	"proxy.allow_anonymous=true"
#define RIGHT "Proxy-Authorization: Basic YWxpY2U6cmlnaHQ=\r\n"
#define WRONG "Proxy-Authorization: Basic YWxpY2U6d3Jvbmc=\r\n"

/* ---- SOCKS4 ---- */

static void
test_socks4(void **state)
{
	static const struct {
		const char *ip, *name;
		enum record_carrier carrier;
	} cases[] = {
		{ "127.0.0.1", NULL, CARRIER_SOCKS4 },
		{ "0.0.0.1", "127.0.0.1", CARRIER_SOCKS4A },
		{ "0.0.0.7", "localhost", CARRIER_SOCKS4A },
	};
	struct rig *r = *state;
	const struct record_session *s;

	rig_start(r, (const char *[]){ OPTIONAL, NULL });
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int fd = rig_connect(r, NULL), target;
		char reply[8];

		rig_send_socks4(fd, r->target_at.port, cases[i].ip, cases[i].name);
		assert_int_equal(recv(fd, reply, 8, MSG_WAITALL), 8);
		assert_memory_equal(reply, "\0\x5a", 2);
		assert_memory_equal(reply + 4, "\177\0\0\1", 4);
		target = rig_accept(r->target);
		rig_expect_tunnel(fd, target);
		s = peers_next_session(r->peers, RECORD_OPEN, NULL);
		assert_int_equal(s->carrier, cases[i].carrier);
		/* case 78 */
		assert_true(str_eq(s->user, STR("anonymous")));
		assert_true(str_eq(s->claimed_user, STR("root")));
		s = peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
		assert_int_equal(s->reply_code, 0x5a);
		assert_int_equal(s->counters.bytes_up, 4);
	}
}

/* Case 80: a name of which only IPv6 addresses may be used. */
static void
test_socks4a_over_ipv6(void **state)
{
	struct rig *r = *state;
	int fd, target;

	rig_start(r, (const char *[]){ OPTIONAL, NULL });
	r->target_at.port = r->target6_at.port;
	fd = rig_connect(r, NULL);
	rig_send_socks4(fd, r->target_at.port, "0.0.0.1", "::1");
	rig_expect_lit(fd, "\0\x5a\0\0\0\0\0\0");
	target = rig_accept(r->target6);
	rig_expect_tunnel(fd, target);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
}

/* Case 78: no login, no service. */
static void
test_socks4_where_a_login_is_required(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;
	int fd;

	rig_start(r, NULL);
	fd = rig_connect(r, NULL);
	rig_send_socks4(fd, r->target_at.port, "127.0.0.1", NULL);
	rig_expect_lit(fd, "\0\x5b\0\0\0\0\0\0");
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	close(fd);
	s = peers_next_session(r->peers, RECORD_REJECT, "no_method");
	assert_int_equal(s->reply_code, 0x5b);
	assert_int_equal(s->user.len, 0);
	assert_int_equal(peers_logins(r->peers), 0);
	assert_int_equal(peers_decisions(r->peers), 0);
}

/* ---- CONNECT ---- */

/* Case 89: the retry on the same connection, and the tunnel behind it. */
static void
test_connect_challenged(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;
	int fd, target;

	rig_start(r, NULL);
	fd = rig_connect(r, NULL);
	rig_send_connect(fd, &r->target_at, "");
	rig_expect_answer(fd, "HTTP/1.1 407 ",
	    "\r\nProxy-Authenticate: Basic realm=\"sallyport\"\r\n");
	rig_send_connect(fd, &r->target_at, WRONG);
	rig_expect_answer(fd, "HTTP/1.1 407 ", "\r\nContent-Length: 0\r\n");
	rig_send_connect(fd, &r->target_at, RIGHT);
	rig_expect_answer(fd, "HTTP/1.1 200 ", NULL);
	target = rig_accept(r->target);
	rig_expect_tunnel(fd, target);
	s = peers_next_session(r->peers, RECORD_REJECT, "auth_failed");
	assert_true(str_eq(s->user, STR("alice")));
	assert_int_equal(s->dest_port, r->target_at.port);
	s = peers_next_session(r->peers, RECORD_OPEN, NULL);
	assert_int_equal(s->carrier, CARRIER_HTTP);
	assert_int_equal(s->auth_method, AUTH_USERPASS);
	s = peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
	assert_int_equal(s->reply_code, 200);
	assert_int_equal(peers_logins(r->peers), 2);
}

static void
test_connect_over_ipv6(void **state)
{
	struct rig *r = *state;
	int fd, target;

	rig_start(r, NULL);
	fd = rig_connect(r, NULL);
	rig_send_connect(fd, &r->target6_at, RIGHT);
	rig_expect_answer(fd, "HTTP/1.1 200 ", NULL);
	target = rig_accept(r->target6);
	rig_expect_tunnel(fd, target);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
}

/* Section 0: one outcome, one status, and the reason beside it. */
static void
test_connect_refusals(void **state)
{
	static const struct {
		const char *head, *status, *field, *reason;
	} cases[] = {
		{ "CONNECT 127.0.0.1:1 HTTP/1.1\r\n" RIGHT "\r\n",
		    "HTTP/1.1 502 ", "error=connection_refused",
		    "connect_refused" },
		{ "CONNECT x.invalid:80 HTTP/1.1\r\n" RIGHT "\r\n",
		    "HTTP/1.1 502 ", "error=dns_error", "dns_not_found" },
		{ "CONNECT 0.0.0.0:80 HTTP/1.1\r\n" RIGHT "\r\n",
		    "HTTP/1.1 403 ", "destination_ip_prohibited",
		    "hard_deny" },
		{ "CONNECT a.b HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ",
		    "host:port", "invalid_request" },
		{ "CONNECT a_..b:80 HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ",
		    "invalid_name", "invalid_name" },
		{ "GET http://a.b/ HTTP/1.1\r\n\r\n", "HTTP/1.1 405 ",
		    "\r\nAllow: CONNECT\r\n", "command_unknown" },
		{ "PRI * HTTP/2.0\r\n\r\n", "HTTP/1.1 505 ", "",
		    "invalid_request" },
	};
	struct rig *r = *state;

	rig_start(r, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct peers_record *rec;
		int fd = rig_connect(r, NULL);

		rig_send(fd, cases[i].head, strlen(cases[i].head));
		rig_expect_answer(fd, cases[i].status, cases[i].field);
		assert_int_equal(rig_expect_end(fd), RIG_FIN);
		close(fd);
		do
			rec = peers_next_record(r->peers);
		while (rec->record.type == RECORD_OPEN);
		assert_true(str_eq(rec->record.session.close_reason,
		    str_from(cases[i].reason)));
		assert_int_equal(rec->record.session.reply_code,
		    atoi(cases[i].status + strlen("HTTP/1.1 ")));
	}
}

/* ---- each switchable ---- */

/* Case 13: no byte for who speaks what is off. */
static void
test_carriers_off(void **state)
{
	static const char *const first[] = { "\4\1", "CONNECT ", "GET / " };
	struct rig *r = *state;

	rig_start(r, (const char *[]){ "proxy.carriers=socks5", NULL });
	for (size_t i = 0; i < ARRAY_LEN(first); i++) {
		int fd = rig_connect(r, NULL);

		rig_send(fd, first[i], strlen(first[i]));
		(void)rig_expect_end(fd);
		close(fd);
		peers_next_session(r->peers, RECORD_REJECT,
		    "invalid_request");
	}
}

#define T(name) \
	cmocka_unit_test_setup_teardown(test_##name, rig_setup, rig_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(socks4), T(socks4a_over_ipv6),
		T(socks4_where_a_login_is_required), T(connect_challenged),
		T(connect_over_ipv6), T(connect_refusals), T(carriers_off),
	};

	if (argc != 2)
		return 2;
	rig_binary = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
