/* SPDX-License-Identifier: MIT */
/*
 * The tier before the first byte: who is let in by the address alone, who is
 * not, and what becomes of what was sent meanwhile.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "conn_rig.h"
#include "proto/auth.pb-c.h"

#define RESULT(name) SALLYPORT__PB__AUTH_REPLY__RESULT__##name

/* A listener that asks about addresses, and then for a login or not. */
static void
ask_addresses(struct rig *r, bool login)
{
	struct terms *t = &r->listener.terms;
	struct id instance = peers_instance(r->peers);

	t->client = AUTH_PAM_ADDRESS;
	t->login = login ? AUTH_USERPASS : AUTH_NONE;
	t->login_optional = !login;
	t->methods[0] = login ? SOCKS5_METHOD_USERPASS : SOCKS5_METHOD_NONE;
	t->n_methods = 1;
	policy_view_hear(&r->proxy.view, &instance,
	    peers_generation(r->peers), clock_mono_ms() + 3600000);
}

static void
answer(struct rig *r, const struct peers_login *l)
{
	peers_script_login(r->peers, l);
	gate_reload(r->w.gate, &r->cfg);	/* nothing is remembered */
}

/* The end, and no byte before it. */
static void
expect_nothing(int fd)
{
	char byte;

	assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
}

/* ---- let in ---- */

#define ANONYMOUS5 "\5\1\0"

/* Case 1: cut anywhere, with every carrier; what the client says early waits
 * until it is let in. */
static void
test_each_carrier(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *records;
	} cases[] = {
		{ ANONYMOUS5 REQUEST_HEAD "%phi", 15,
		    "1 lan  0 0 0;3 lan client_closed 0 2 3;" },
		{ "\4\1%p\177\0\0\1bob\0hi", 14,
		    "1 lan  0 0 0;3 lan client_closed 90 2 3;" },
	};
	struct rig *r = *state;

	ask_addresses(r, false);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char in[SPLIT_MAX];
		struct outcome o;
		size_t at;

		memcpy(in, cases[i].in, cases[i].len);
		at = (size_t)((char *)memmem(in, cases[i].len, "%p", 2) - in);
		in[at] = (char)(r->target_at.port >> 8);
		in[at + 1] = (char)r->target_at.port;
		answer(r, &(struct peers_login){ .user = "lan" });
		check_splits(r, in, cases[i].len, 2, &o);
		assert_string_equal(o.records, cases[i].records);
		assert_int_equal(o.n_passed, 2);
		assert_memory_equal(o.passed, "hi", 2);
	}
}

/* Whose session it is, and how that was found out. */
static void
expect_session(struct rig *r, int fd, const char *user,
    enum record_auth method, const char *limits)
{
	const struct record_session *s;

	put_request(r, fd);
	wait_state(r, CONN_RELAY);
	close(fd);
	close(accept(r->target, NULL, NULL));
	wait_gone(r);
	s = peers_next_session(r->peers, RECORD_OPEN, NULL);
	assert_true(str_eq(s->user, str_from(user)));
	assert_int_equal(s->auth_method, method);
	assert_true(str_eq(s->limits, str_from(limits)));
	assert_string_equal(peers_asked_decision(r->peers).user, user);
	peers_next_session(r->peers, RECORD_CLOSE, NULL);
}

static void
test_identity(void **state)
{
	struct rig *r = *state;
	int fd;

	/* a user of the users file, whose network it is */
	ask_addresses(r, false);
	answer(r, &(struct peers_login){ .user = "printer",
		.limits = "slow" });
	fd = connect_client(r);
	put_lit(fd, ANONYMOUS5);
	expect_session(r, fd, "printer", AUTH_PAM_ADDRESS, "slow");
	assert_string_equal(peers_asked_login(r->peers).method, "pam.address");
	assert_string_equal(peers_asked_login(r->peers).listener,
	    "127.0.0.1:1080");
	/* nobody in particular, but the class is theirs */
	answer(r, &(struct peers_login){ .limits = "guests" });
	fd = connect_client(r);
	put_lit(fd, ANONYMOUS5);
	expect_session(r, fd, "anonymous", AUTH_PAM_ADDRESS, "guests");
	/* who logs in besides is who that says */
	ask_addresses(r, true);
	answer(r, &(struct peers_login){ 0 });
	fd = connect_client(r);
	put_lit(fd, GREETING);
	put_lit(fd, LOGIN);
	expect_session(r, fd, "alice", AUTH_USERPASS, "");
	assert_int_equal(peers_logins(r->peers), 4);
}

/* The second tier is asked all the same, and a yes to the first is none. */
static void
test_login_after_address(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;
	char reply[4];
	int fd;

	ask_addresses(r, true);
	answer(r, &(struct peers_login){ .user = "printer" });
	fd = connect_client(r);
	put_lit(fd, GREETING);
	put_lit(fd, LOGIN_WRONG);
	wait_state(r, CONN_LINGER);
	assert_int_equal(recv(fd, reply, sizeof(reply), 0), 4);
	assert_memory_equal(reply, "\5\2\1\1", 4);
	close(fd);
	wait_gone(r);
	s = peers_next_session(r->peers, RECORD_REJECT, "auth_failed");
	assert_true(str_eq(s->user, STR("alice")));
	assert_int_equal(s->auth_method, AUTH_USERPASS);
	/* none at all */
	fd = connect_client(r);
	put_lit(fd, ANONYMOUS5);
	wait_state(r, CONN_LINGER);
	assert_int_equal(recv(fd, reply, sizeof(reply), 0), 2);
	assert_memory_equal(reply, "\5\xff", 2);
	close(fd);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "no_method");
	/* SOCKS4 has no login to offer */
	fd = connect_client(r);
	put_lit(fd, "\4\1\0\120\177\0\0\1\0");
	wait_state(r, CONN_LINGER);
	close(fd);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "no_method");
	assert_int_equal(peers_decisions(r->peers), 0);
}

/* ---- not let in ---- */

static void
test_refusals(void **state)
{
	static const struct {
		struct peers_login script;
		const char *reason;
		enum record_status status;
		unsigned counted;
	} cases[] = {
		{ { .result = RESULT(FAILED) }, "client_auth_failed",
		    STATUS_REJECTED, AUTH_RESULT_FAILED },
		{ { .result = RESULT(FAILED), .delay_ms = 60000 },
		    "client_auth_failed", STATUS_REJECTED,
		    AUTH_RESULT_FAILED },
		{ { .result = RESULT(THROTTLED), .delay_ms = 60000 },
		    "auth_throttled", STATUS_REJECTED, AUTH_RESULT_THROTTLED },
		{ { .result = RESULT(BUSY) }, "auth_silent", STATUS_FAILED,
		    AUTH_RESULT_BUSY },
		{ { .how = PEERS_BUSY }, "auth_silent", STATUS_FAILED,
		    AUTH_RESULT_SILENT },
		{ { .how = PEERS_GARBAGE }, "auth_silent", STATUS_FAILED,
		    AUTH_RESULT_SILENT },
		{ { .user = "a\nb" }, "auth_silent", STATUS_FAILED,
		    AUTH_RESULT_SILENT },
	};
	static const char *const early[] = { "", ANONYMOUS5, "\4\1",
		"CONNECT a.b:80 HTTP/1.1\r\n\r\n" };
	struct rig *r = *state;

	ask_addresses(r, false);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t e = 0; e < ARRAY_LEN(early); e++) {
			const struct record_session *s;
			unsigned cell = (AUTH_PAM_ADDRESS - AUTH_USERPASS) *
			    AUTH_RESULTS + cases[i].counted;
			uint64_t before = metrics_value(r->metrics,
			    METRIC_proxy_auth_attempts_total, cell);
			int fd;

			answer(r, &cases[i].script);
			fd = connect_client(r);
			put(fd, early[e], strlen(early[e]));
			wait_gone(r);
			expect_nothing(fd);
			s = peers_next_session(r->peers, RECORD_REJECT,
			    cases[i].reason);
			assert_int_equal(s->status, cases[i].status);
			assert_int_equal(s->auth_method, AUTH_PAM_ADDRESS);
			assert_int_equal(s->user.len, 0);
			assert_int_equal(s->carrier, CARRIER_NONE);
			assert_int_equal(s->reply_code, RECORD_NO_REPLY);
			assert_int_equal(metrics_value(r->metrics,
			    METRIC_proxy_auth_attempts_total, cell),
			    before + 1);
		}
	assert_int_equal(peers_decisions(r->peers), 0);
}

/* Threats.md P-6: no answer is a no. The clock of the handshake stands while
 * authd has its own budget, and goes on when it has answered. */
static void
test_clocks(void **state)
{
	struct rig *r = *state;
	int fd;

	ask_addresses(r, false);
	r->cfg.timeouts_login = 100;
	answer(r, &(struct peers_login){ .how = PEERS_HOLD });
	fd = connect_client(r);
	wait_state(r, CONN_CLIENT_WAIT);
	assert_false(event_pending(&the_conn(r)->h->clock, EV_TIMEOUT, NULL));
	wait_gone(r);
	expect_nothing(fd);
	peers_next_session(r->peers, RECORD_REJECT, "auth_silent");
	r->cfg.timeouts_login = 20000;
	answer(r, &(struct peers_login){ 0 });
	peers_release(r->peers);
	set_handshake(r, 100);
	fd = connect_client(r);
	wait_gone(r);
	expect_nothing(fd);
	peers_next_session(r->peers, RECORD_REJECT, "handshake_timeout");
}

/* ---- while it is asked ---- */

static int
connect_waiting(struct rig *r)
{
	unsigned asked = peers_logins(r->peers);
	int fd;

	ask_addresses(r, false);
	answer(r, &(struct peers_login){ .how = PEERS_HOLD });
	fd = connect_client(r);
	assert_int_equal(the_conn(r)->state, CONN_CLIENT_WAIT);
	peers_wait_logins(r->peers, asked + 1);
	return fd;
}

static void
release(struct rig *r)
{
	peers_script_login(r->peers, &(struct peers_login){ .user = "lan" });
	peers_release(r->peers);
}

/* The answer that nobody waits for has come: the next one asks for itself. */
static void
wait_landed(struct rig *r)
{
	uint64_t end = clock_mono_ms() + PATIENCE_MS;

	while (gate_logins(r->w.gate) == 0) {
		assert_true(clock_mono_ms() < end);
		turn(r);
		poll(NULL, 0, 1);
	}
}

/* A port scan or a health check leaves no record, whatever it is told. */
static void
test_left_without_a_word(void **state)
{
	struct rig *r = *state;
	int fd = connect_waiting(r);

	shutdown(fd, SHUT_WR);
	settle(r);
	assert_int_equal(the_conn(r)->state, CONN_CLIENT_WAIT);
	release(r);
	wait_gone(r);
	expect_nothing(fd);
	reset(connect_waiting(r));
	wait_gone(r);
	release(r);
	wait_landed(r);
	/* it did say one, and is gone before anybody heard it */
	fd = connect_waiting(r);
	put_lit(fd, ANONYMOUS5);
	settle(r);
	reset(fd);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "client_gone");
	release(r);
	assert_int_equal(peers_sums(r->peers).records, 1);
}

/* More than is kept stays in the kernel, and none of it is lost. */
static void
test_early_bytes(void **state)
{
	struct rig *r = *state;
	char request[10] = REQUEST_HEAD, bulk[3 * CONN_INPUT_MAX];
	char got[sizeof(bulk)];
	size_t n = 0;
	int fd = connect_waiting(r), target;

	memset(bulk, 'x', sizeof(bulk));
	request[8] = (char)(r->target_at.port >> 8);
	request[9] = (char)r->target_at.port;
	put_lit(fd, ANONYMOUS5);
	put(fd, request, sizeof(request));
	put(fd, bulk, sizeof(bulk));
	settle(r);
	assert_int_equal(the_conn(r)->h->in_len, CONN_INPUT_MAX);
	assert_false(the_conn(r)->h->watching);
	assert_int_equal(peers_decisions(r->peers), 0);
	release(r);
	wait_state(r, CONN_RELAY);
	target = accept(r->target, NULL, NULL);
	io_nonblocking(target);
	while (n < sizeof(bulk)) {
		ssize_t k = recv(target, got + n, sizeof(got) - n, 0);

		turn(r);
		n += k > 0 ? (size_t)k : 0;
	}
	assert_memory_equal(got, bulk, sizeof(bulk));
	close(fd);
	close(target);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, NULL);
}

/* Those who wait to be let in are among those who have not asked. */
static void
test_put_out_while_asked(void **state)
{
	struct rig *r = *state;
	int first = connect_waiting(r), second;

	r->cfg.limits_pre_login = 1;
	second = connect_client(r);
	settle(r);
	expect_nothing(first);
	feed_flush(r->w.feed);
	peers_next_session(r->peers, RECORD_REJECT, "limit_global");
	assert_int_equal(the_conn(r)->state, CONN_CLIENT_WAIT);
	release(r);
	wait_state(r, CONN_GREETING);
	reset(second);
	wait_gone(r);
}

/* ---- leases ---- */

static void
test_leases(void **state)
{
	struct rig *r = *state;

	ask_addresses(r, false);
	answer(r, &(struct peers_login){ .user = "lan" });
	for (unsigned i = 0; i < 3; i++) {
		int fd = connect_client(r);

		/* the second and third are let in at once */
		if (i > 0)
			assert_int_equal(the_conn(r)->state, CONN_GREETING);
		put_lit(fd, ANONYMOUS5);
		expect_session(r, fd, "lan", AUTH_PAM_ADDRESS, "");
	}
	assert_int_equal(peers_logins(r->peers), 1);
	/* two at once are one question */
	answer(r, &(struct peers_login){ .how = PEERS_HOLD });
	reset(connect_client(r));
	reset(connect_client(r));
	peers_wait_logins(r->peers, 2);
	wait_gone(r);
	release(r);
	settle(r);
	assert_int_equal(peers_logins(r->peers), 2);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_carrier), T(identity), T(login_after_address),
		T(refusals), T(clocks), T(left_without_a_word),
		T(early_bytes), T(put_out_while_asked), T(leases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
