/* SPDX-License-Identifier: MIT */
/*
 * Who it is, as authd says: every answer to a login, told in the words of each
 * carrier and recorded; and every answer about an address, of which the client
 * hears nothing.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rig.h"

#include "base/clock.h"
#include "proto/auth.pb-c.h"

#define BUSY SALLYPORT__PB__AUTH_REPLY__RESULT__BUSY
#define FAILED SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED
#define THROTTLED SALLYPORT__PB__AUTH_REPLY__RESULT__THROTTLED
#define WRONG "Proxy-Authorization: Basic YWxpY2U6d3Jvbmc=\r\n"

static void
answer(struct rig *r, int result, uint32_t delay_ms)
{
	peers_script_login(r->peers, &(struct peers_login){
		.result = result, .delay_ms = delay_ms });
}

/* What differs from session to session. */
static void
hide_id(char *head)
{
	char *at = strstr(head, "; session ");

	assert_non_null(at);
	at += strlen("; session ");
	memset(at, 'x', strcspn(at, "\""));
}

/* The 407 that ends a second login, so that both forms of it are seen. */
static void
challenged_twice(struct rig *r, const char *reason,
    char heads[2][RIG_HEAD_MAX])
{
	int fd = rig_connect(r, NULL);

	for (unsigned i = 0; i < 2; i++) {
		rig_send_connect(fd, &r->target_at,
		    i == 0 ? WRONG : WRONG "Connection: close\r\n");
		rig_read_head(fd, heads[i]);
		hide_id(heads[i]);
	}
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	close(fd);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(peers_next_session(r->peers, RECORD_REJECT,
		    reason)->reply_code, 407);
}

/* A client that is refused and has yet to be told. */
static int
refused_later(struct rig *r, const char *reason)
{
	int fd = rig_connect(r, NULL);

	rig_send_login(fd, "alice", PEERS_PASSWORD);
	rig_expect_lit(fd, "\5\2");
	peers_next_session(r->peers, RECORD_REJECT, reason);
	return fd;
}

/* To the client a login that was not looked at is one that failed. */
static void
test_throttled_looks_like_failed(void **state)
{
	static const struct {
		int result;
		const char *reason;
	} cases[] = { { FAILED, "auth_failed" },
		{ THROTTLED, "auth_throttled" } };
	struct rig *r = *state;
	char heads[2][2][RIG_HEAD_MAX];

	rig_start(r, NULL);
	for (unsigned delay = 0; delay <= 50; delay += 50)
		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			const struct record_session *s;
			int fd = rig_connect(r, NULL);

			answer(r, cases[i].result, delay);
			rig_send_login(fd, "alice", PEERS_PASSWORD);
			rig_expect_lit(fd, "\5\2\1\1");
			assert_int_equal(rig_expect_end(fd), RIG_FIN);
			close(fd);
			s = peers_next_session(r->peers, RECORD_REJECT,
			    cases[i].reason);
			assert_int_equal(s->status, STATUS_REJECTED);
			assert_int_equal(s->auth_method, AUTH_USERPASS);
			assert_true(str_eq(s->user, STR("alice")));
			challenged_twice(r, cases[i].reason, heads[i]);
			assert_string_equal(heads[0][0], heads[i][0]);
			assert_string_equal(heads[0][1], heads[i][1]);
		}
	assert_int_equal(rig_metric(r, "proxy_auth_attempts_total"
	    "{method=\"userpass\",result=\"throttled\"}"), 6);
	assert_int_equal(peers_decisions(r->peers), 0);
}

/* PAM that errs may take as long as PAM that says no: what the client sees is as
 * at once, and the record does not wait. */
static void
test_busy_is_held_back_too(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;
	char heads[2][RIG_HEAD_MAX];

	rig_start(r, NULL);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t delay = i * 400;
		uint64_t began = clock_mono_ms();
		int fd = rig_connect(r, NULL);

		answer(r, BUSY, delay);
		rig_send_login(fd, "alice", PEERS_PASSWORD);
		rig_expect_lit(fd, "\5\2");
		s = peers_next_session(r->peers, RECORD_REJECT, "auth_silent");
		assert_int_equal(s->status, STATUS_FAILED);
		rig_expect_lit(fd, "\1\1");
		assert_int_equal(rig_expect_end(fd), RIG_FIN);
		assert_true(clock_mono_ms() - began >= delay / 8 * 7);
		close(fd);
		began = clock_mono_ms();
		fd = rig_connect(r, NULL);
		rig_send_connect(fd, &r->target_at, WRONG);
		s = peers_next_session(r->peers, RECORD_REJECT, "auth_silent");
		assert_int_equal(s->reply_code, 503);
		rig_read_head(fd, heads[i]);
		hide_id(heads[i]);
		assert_int_equal(rig_expect_end(fd), RIG_FIN);
		assert_true(clock_mono_ms() - began >= delay / 8 * 7);
		close(fd);
	}
	assert_string_equal(heads[0], heads[1]);
	/* who leaves meanwhile was refused for the same reason */
	answer(r, BUSY, 60000);
	rig_reset(refused_later(r, "auth_silent"));
	rig_wait_metric(r, "proxy_connections{state=\"auth_delay\"}", 0);
	assert_int_equal(rig_metric(r, "proxy_auth_attempts_total"
	    "{method=\"userpass\",result=\"busy\"}"), 5);
}

/* authd's name for the user is the one that is judged and recorded; the class
 * of limits is the rule's, else the user's. */
static void
test_authd_says_who_it_is(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;
	int fd, target;

	rig_start(r, NULL);
	peers_script_login(r->peers, &(struct peers_login){
		.user = "alice@ad.example", .limits = "gold", .groups = 1 });
	fd = rig_session(r, "Alice", &target);
	assert_string_equal(peers_asked_login(r->peers).user, "Alice");
	assert_string_equal(peers_asked_decision(r->peers).user,
	    "alice@ad.example");
	rig_expect_tunnel(fd, target);
	s = peers_next_session(r->peers, RECORD_OPEN, NULL);
	assert_true(str_eq(s->user, STR("alice@ad.example")));
	assert_true(str_eq(s->limits, STR("gold")));
	s = peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
	assert_true(str_eq(s->limits, STR("gold")));
	peers_set_policy(r->peers, 2000);
	rig_wait_metric(r, "proxy_policy_generation", 2000);
	peers_script_decision(r->peers, &(struct peers_decision){
		.limits = "slow" });
	fd = rig_session(r, "Alice", &target);
	rig_expect_tunnel(fd, target);
	s = peers_next_session(r->peers, RECORD_OPEN, NULL);
	assert_true(str_eq(s->limits, STR("slow")));
	peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
}

/* ---- by address ---- */

#define BY_ADDRESS "proxy.client_methods=pam.address", \
	"proxy.socks_methods=none", "proxy.allow_anonymous=true"
#define LIFE "workers = 1\ntimeouts.drain = \"0s\"\n"

enum speech { SOCKS5, SOCKS4, HTTP, SPEECHES };

/* Asks for the target in the words of a carrier, without waiting for any. */
static void
speak(struct rig *r, int fd, enum speech how)
{
	switch (how) {
	case SOCKS5:
		rig_send_lit(fd, "\5\1\0");
		rig_request(fd, &r->target_at);
		break;
	case SOCKS4:
		rig_send_socks4(fd, r->target_at.port, "127.0.0.1", NULL);
		break;
	case HTTP:
		rig_send_connect(fd, &r->target_at, "");
		break;
	case SPEECHES:
		break;
	}
}

static void
expect_welcome(int fd, enum speech how)
{
	char reply[8];

	switch (how) {
	case SOCKS5:
		rig_expect_lit(fd, "\5\0");
		(void)rig_expect_success(fd);
		break;
	case SOCKS4:
		assert_int_equal(recv(fd, reply, 8, MSG_WAITALL), 8);
		assert_memory_equal(reply, "\0\x5a", 2);
		break;
	case HTTP:
		rig_expect_answer(fd, "HTTP/1.1 200 ", NULL);
		break;
	case SPEECHES:
		break;
	}
}

/* Nobody's session, and not a byte. */
static void
expect_shut_out(struct rig *r, const char *from, enum speech how,
    const char *reason)
{
	const struct record_session *s;
	int fd = rig_connect(r, from);

	speak(r, fd, how);
	(void)rig_expect_end(fd);
	close(fd);
	s = peers_next_session(r->peers, RECORD_REJECT, reason);
	assert_int_equal(s->user.len, 0);
	assert_int_equal(s->auth_method, AUTH_PAM_ADDRESS);
	assert_int_equal(s->reply_code, RECORD_NO_REPLY);
}

/* With each carrier the session is whose the address is. */
static void
test_address(void **state)
{
	static const enum record_carrier carriers[] = { CARRIER_SOCKS5,
		CARRIER_SOCKS4, CARRIER_HTTP };
	struct rig *r = *state;

	rig_start(r, (const char *[]){ BY_ADDRESS, NULL });
	peers_script_login(r->peers, &(struct peers_login){
		.user = "lan", .limits = "slow" });
	for (enum speech how = SOCKS5; how < SPEECHES; how++) {
		const struct record_session *s;
		int fd = rig_connect(r, "127.0.0.7:0");

		speak(r, fd, how);
		expect_welcome(fd, how);
		rig_expect_tunnel(fd, rig_accept(r->target));
		s = peers_next_session(r->peers, RECORD_OPEN, NULL);
		assert_int_equal(s->carrier, carriers[how]);
		assert_int_equal(s->auth_method, AUTH_PAM_ADDRESS);
		assert_true(str_eq(s->user, STR("lan")));
		assert_true(str_eq(s->limits, STR("slow")));
		peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
	}
	assert_int_equal(peers_logins(r->peers), 1);
	assert_int_equal(rig_metric(r, "proxy_auth_attempts_total"
	    "{method=\"pam.address\",result=\"success\"}"), 3);
	/* another address is another question */
	answer(r, FAILED, 0);
	for (enum speech how = SOCKS5; how < SPEECHES; how++)
		expect_shut_out(r, "127.0.0.8:0", how, "client_auth_failed");
	assert_int_equal(peers_decisions(r->peers), 1);
}

/* Threats.md P-6: gone or frozen, authd lets nobody in; the anonymous user's
 * name is none for who was not let in. */
static void
test_address_without_authd(void **state)
{
	struct rig *r = *state;
	int fd;

	rig_configure(r, LIFE "timeouts.login = \"300ms\"\n");
	rig_start(r, (const char *[]){ BY_ADDRESS, NULL });
	peers_script_login(r->peers, &(struct peers_login){
		.how = PEERS_HOLD });
	for (enum speech how = SOCKS5; how < SPEECHES; how++)
		expect_shut_out(r, NULL, how, "auth_silent");
	peers_stop_authd(r->peers);
	rig_wait_metric(r, "bus_connected{socket=\"auth\"}", 0);
	for (enum speech how = SOCKS5; how < SPEECHES; how++)
		expect_shut_out(r, NULL, how, "auth_silent");
	assert_int_equal(peers_decisions(r->peers), 0);
	rig_reload(r, LIFE);
	peers_script_login(r->peers, &(struct peers_login){ 0 });
	peers_start_authd(r->peers);
	rig_wait_metric(r, "bus_connected{socket=\"auth\"}", 1);
	fd = rig_connect(r, NULL);
	speak(r, fd, SOCKS5);
	expect_welcome(fd, SOCKS5);
	rig_expect_tunnel(fd, rig_accept(r->target));
	assert_true(str_eq(peers_next_session(r->peers, RECORD_OPEN,
	    NULL)->user, STR("anonymous")));
	peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
}

#define T(name) \
	cmocka_unit_test_setup_teardown(test_##name, rig_setup, rig_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(throttled_looks_like_failed), T(busy_is_held_back_too),
		T(authd_says_who_it_is),
		T(address), T(address_without_authd),
	};

	if (argc != 2)
		return 2;
	rig_binary = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
