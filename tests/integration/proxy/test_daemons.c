/* SPDX-License-Identifier: MIT */
/*
 * When authd and acld fail, lie, or come too late, and what is remembered of
 * what they said.
 *
 * usage: test_daemons SALLYPORT-PROXY
 */
#include "rig.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proto/auth.pb-c.h"
#include "proto/decide.pb-c.h"

/* A whole session, both ends closed, its two records read. */
static void
visit(struct rig *r, const char *user)
{
	int target, fd = rig_session(r, user, &target);

	close(fd);
	assert_int_equal(rig_expect_end(target), RIG_FIN);
	close(target);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
}

static void
expect_login_refused(struct rig *r, const char *user, const char *reason,
    enum record_status status)
{
	const struct record_session *s;
	int fd = rig_connect(r, NULL);

	rig_send_login(fd, user, PEERS_PASSWORD);
	rig_expect_lit(fd, "\5\2\1\1");
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	close(fd);
	s = peers_next_session(r->peers, RECORD_REJECT, reason);
	assert_int_equal(s->status, status);
	assert_true(str_eq(s->user, str_from(user)));
}

static const struct record_session *
expect_request_refused(struct rig *r, uint8_t code, const char *reason)
{
	int fd = rig_connect(r, NULL);

	rig_login(fd, "alice");
	rig_request(fd, &r->target_at);
	rig_expect_refusal(fd, code);
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	close(fd);
	return peers_next_session(r->peers, RECORD_REJECT, reason);
}

/* ---- authd ---- */

static void
test_authd_silent(void **state)
{
	struct rig *r = *state;
	uint64_t began;

	rig_start(r, (const char *[]){ "proxy.timeouts.login=300ms", NULL });
	peers_script_login(r->peers, &(struct peers_login){
		.how = PEERS_HOLD });
	began = clock_mono_ms();
	expect_login_refused(r, "alice", "auth_silent", STATUS_FAILED);
	assert_true(clock_mono_ms() - began >= 250);
	assert_int_equal(rig_metric(r,
	    "proxy_auth_attempts_total{method=\"userpass\","
	    "result=\"silent\"}"), 1);
}

/* Says what it should not: refused, and the next one is served. */
static void
test_authd_answers_nonsense(void **state)
{
	static const struct {
		struct peers_login script;
		const char *reason;
		enum record_status status;
	} cases[] = {
		{ { .how = PEERS_GARBAGE }, "auth_silent", STATUS_FAILED },
		{ { .how = PEERS_BUSY }, "auth_silent", STATUS_FAILED },
		{ { .result = 3 }, "auth_silent", STATUS_FAILED },
		{ { .result = 99 }, "auth_silent", STATUS_FAILED },
		{ { .groups = 65 }, "auth_silent", STATUS_FAILED },
		{ { .groups = 1, .group = "a\nb" }, "auth_silent",
		    STATUS_FAILED },
		{ { .result = 2 }, "auth_failed", STATUS_REJECTED },
	};
	struct rig *r = *state;

	rig_start(r, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		peers_script_login(r->peers, &cases[i].script);
		expect_login_refused(r, "alice", cases[i].reason,
		    cases[i].status);
	}
	peers_script_login(r->peers, &(struct peers_login){ 0 });
	visit(r, "alice");
}

/* threats.md section 7: within 2 s if nobody is connected; running sessions
 * go on; it heals when authd comes back. */
static void
test_authd_absent(void **state)
{
	struct rig *r = *state;
	int target, fd;

	rig_start(r, (const char *[]){ "proxy.lease.login=0", NULL });
	fd = rig_session(r, "alice", &target);
	peers_stop_authd(r->peers);
	rig_wait_metric(r, "bus_connected{socket=\"auth\"}", 0);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	expect_login_refused(r, "alice", "auth_silent", STATUS_FAILED);
	rig_send_lit(fd, "still here");
	rig_expect_lit(target, "still here");
	assert_false(rig_is_ready(r));
	close(fd);
	close(target);
	peers_next_session(r->peers, RECORD_CLOSE, NULL);
	peers_start_authd(r->peers);
	rig_wait_metric(r, "bus_connected{socket=\"auth\"}", 1);
	visit(r, "alice");
}

/* Offers to come without a login as well, and sends its request at once. */
static void
expect_nobody_let_in(struct rig *r)
{
	static const char basic[] =
	    "Proxy-Authorization: Basic YWxpY2U6cmlnaHQ=\r\n";
	int fd = rig_connect(r, NULL);

	rig_send_lit(fd, "\5\2\0\2\1\5alice\5right");
	rig_request(fd, &r->target_at);
	rig_expect_lit(fd, "\5\2\1\1");
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	close(fd);
	peers_next_session(r->peers, RECORD_REJECT, "auth_silent");
	fd = rig_connect(r, NULL);
	rig_send_connect(fd, &r->target_at, basic);
	rig_expect_answer(fd, "HTTP/1.1 503 ", "\r\nConnection: close\r\n");
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	close(fd);
	peers_next_session(r->peers, RECORD_REJECT, "auth_silent");
}

/* threats.md P-6: who meant to log in is not served as nobody instead, though
 * nobody would be. */
static void
test_no_other_way_without_authd(void **state)
{
	struct rig *r = *state;

	rig_start(r, (const char *[]){ "proxy.socks_methods=userpass,none",
	    "proxy.allow_anonymous=true", "proxy.timeouts.login=300ms",
	    NULL });
	peers_script_login(r->peers, &(struct peers_login){
		.how = PEERS_HOLD });
	expect_nobody_let_in(r);
	peers_stop_authd(r->peers);
	rig_wait_metric(r, "bus_connected{socket=\"auth\"}", 0);
	expect_nobody_let_in(r);
	assert_int_equal(peers_decisions(r->peers), 0);
}

static void
test_warm_login_without_authd(void **state)
{
	struct rig *r = *state;

	rig_start(r, NULL);
	visit(r, "alice");
	peers_stop_authd(r->peers);
	rig_wait_metric(r, "bus_connected{socket=\"auth\"}", 0);
	visit(r, "alice");
	expect_login_refused(r, "bob", "auth_silent", STATUS_FAILED);
}

/* B16: whoever asked has left, and the connection's memory has another
 * owner; the answer must not reach that one. */
static void
test_late_login_is_given_to_nobody(void **state)
{
	struct rig *r = *state;

	rig_start(r, NULL);
	for (unsigned i = 0; i < 20; i++) {
		unsigned asked = peers_logins(r->peers);
		char user[16];
		int gone, fd;

		peers_script_login(r->peers, &(struct peers_login){
			.how = PEERS_HOLD });
		gone = rig_connect(r, NULL);
		snprintf(user, sizeof(user), "alice-%u", i);
		rig_send_login(gone, user, PEERS_PASSWORD);
		rig_expect_lit(gone, "\5\2");
		peers_wait_logins(r->peers, asked + 1);
		rig_reset(gone);
		peers_next_session(r->peers, RECORD_REJECT, "client_gone");
		/* takes the place of the one that left */
		fd = rig_connect(r, NULL);
		rig_send_login(fd, "mallory", "wrong");
		rig_expect_lit(fd, "\5\2");
		peers_wait_logins(r->peers, asked + 2);
		/* alice: yes; mallory: no */
		peers_script_login(r->peers, &(struct peers_login){ 0 });
		peers_release(r->peers);
		rig_expect_lit(fd, "\1\1");
		assert_int_equal(rig_expect_end(fd), RIG_FIN);
		close(fd);
		peers_next_session(r->peers, RECORD_REJECT, "auth_failed");
	}
}

#define LIFE "workers = 1\ntimeouts.drain = \"0s\"\n"

/* The answer comes after the budget; the place has another client, for whom
 * there is time. */
static void
test_answer_after_the_budget(void **state)
{
	struct rig *r = *state;
	int fd;

	rig_configure(r, LIFE "timeouts.login = \"200ms\"\n");
	rig_start(r, NULL);
	peers_script_login(r->peers, &(struct peers_login){
		.how = PEERS_HOLD });
	expect_login_refused(r, "alice", "auth_silent", STATUS_FAILED);
	rig_reload(r, LIFE "timeouts.decide = \"200ms\"\n");
	fd = rig_connect(r, NULL);
	rig_send_lit(fd, "\5\1\2");
	rig_expect_lit(fd, "\5\2");
	peers_script_login(r->peers, &(struct peers_login){ 0 });
	peers_release(r->peers);
	rig_send_lit(fd, "\1\7mallory\5wrong");
	rig_expect_lit(fd, "\1\1");
	close(fd);
	peers_next_session(r->peers, RECORD_REJECT, "auth_failed");
	peers_script_decision(r->peers, &(struct peers_decision){
		.how = PEERS_HOLD });
	expect_request_refused(r, 1, "acl_silent");
	rig_reload(r, LIFE);
	peers_script_decision(r->peers, &(struct peers_decision){
		.action = SALLYPORT__PB__DECISION__ACTION__BLOCK });
	fd = rig_connect(r, NULL);
	rig_login(fd, "bob");
	peers_script_decision(r->peers, &(struct peers_decision){ 0 });
	peers_release(r->peers);	/* alice may; nobody hears it */
	peers_script_decision(r->peers, &(struct peers_decision){
		.action = SALLYPORT__PB__DECISION__ACTION__BLOCK });
	rig_request(fd, &r->target_at);
	rig_expect_refusal(fd, 2);
	close(fd);
	peers_next_session(r->peers, RECORD_REJECT, "policy_block");
}

/* A refusal may be told late; the record does not wait, nor does one who
 * leaves meanwhile turn the failure into something else. */
static void
test_delayed_refusal(void **state)
{
	struct rig *r = *state;
	uint64_t began;
	int fd;

	rig_start(r, NULL);
	peers_script_login(r->peers, &(struct peers_login){
		.delay_ms = 400 });
	began = clock_mono_ms();
	fd = rig_connect(r, NULL);
	rig_send_login(fd, "alice", "wrong");
	rig_expect_lit(fd, "\5\2");
	peers_next_session(r->peers, RECORD_REJECT, "auth_failed");
	rig_expect_lit(fd, "\1\1");
	assert_true(clock_mono_ms() - began >= 350);
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	close(fd);
	peers_script_login(r->peers, &(struct peers_login){
		.delay_ms = 60000 });
	for (unsigned i = 0; i < 2; i++) {
		fd = rig_connect(r, NULL);
		rig_send_login(fd, "alice", "wrong");
		rig_expect_lit(fd, "\5\2");
		peers_next_session(r->peers, RECORD_REJECT, "auth_failed");
		rig_reset(fd);
	}
	rig_wait_metric(r, "proxy_connections{state=\"auth_delay\"}", 0);
	/* a good login is not delayed */
	visit(r, "alice");
}

/* ---- acld ---- */

static void
test_acld_silent(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;

	rig_start(r, (const char *[]){ "proxy.timeouts.decide=300ms", NULL });
	peers_script_decision(r->peers, &(struct peers_decision){
		.how = PEERS_HOLD });
	s = expect_request_refused(r, 1, "acl_silent");
	assert_int_equal(s->status, STATUS_FAILED);
	assert_int_equal(s->reply_code, 1);
	assert_int_equal(s->decision, DECISION_NONE);
	assert_int_equal(s->dest_port, r->target_at.port);
}

static void
test_acld_answers_nonsense(void **state)
{
	static const struct peers_decision scripts[] = {
		{ .how = PEERS_GARBAGE },
		{ .how = PEERS_BUSY },
		{ .permit = PERMIT_BEYOND },
		{ .permit = PERMIT_TOO_MANY },
		{ .permit = PERMIT_UNMARKED },
		{ .permit = PERMIT_NONE },
		{ .anonymous = true },
		{ .route = "elsewhere" },
		{ .action = SALLYPORT__PB__DECISION__ACTION__REDIRECT },
		{ .action = 99 },
		{ .source = 99 },
		{ .rule = "new\nline" },
	};
	struct rig *r = *state;

	rig_start(r, NULL);
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		peers_script_decision(r->peers, &scripts[i]);
		expect_request_refused(r, 1, "acl_silent");
	}
	peers_script_decision(r->peers, &(struct peers_decision){ 0 });
	visit(r, "alice");
}

static void
test_acld_absent(void **state)
{
	struct rig *r = *state;
	int target, fd;

	rig_start(r, (const char *[]){ "proxy.lease.decision=0", NULL });
	fd = rig_session(r, "alice", &target);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_stop_acld(r->peers);
	rig_wait_metric(r, "bus_connected{socket=\"decide\"}", 0);
	expect_request_refused(r, 1, "acl_silent");
	rig_send_lit(target, "still here");
	rig_expect_lit(fd, "still here");
	close(fd);
	close(target);
	peers_next_session(r->peers, RECORD_CLOSE, NULL);
	peers_start_acld(r->peers);
	rig_wait_metric(r, "bus_connected{socket=\"decide\"}", 1);
	visit(r, "alice");
}

static void
test_blocked(void **state)
{
	static const struct {
		int source;
		const char *reason;
	} cases[] = {
		{ SALLYPORT__PB__DECISION__SOURCE__RULE, "policy_block" },
		{ SALLYPORT__PB__DECISION__SOURCE__DEFAULT, "policy_default" },
		{ SALLYPORT__PB__DECISION__SOURCE__HARD_DENY, "hard_deny" },
	};
	struct rig *r = *state;

	rig_start(r, (const char *[]){ "proxy.lease.decision=0", NULL });
	peers_script_login(r->peers, &(struct peers_login){ .groups = 2 });
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct record_session *s;

		peers_script_decision(r->peers, &(struct peers_decision){
			.action = SALLYPORT__PB__DECISION__ACTION__BLOCK,
			.source = cases[i].source, .rule = "no-loopback",
			.reason = "rule no-loopback blocks it",
			.permit = PERMIT_NONE });
		s = expect_request_refused(r, 2, cases[i].reason);
		assert_int_equal(s->status, STATUS_REJECTED);
		assert_int_equal(s->reply_code, 2);
		assert_int_equal(s->decision, DECISION_BLOCK);
		assert_true(str_eq(s->user, STR("alice")));
		assert_int_equal(s->n_groups, 2);
		assert_true(str_eq(s->rule, STR("no-loopback")));
		assert_true(str_eq(s->close_detail,
		    STR("rule no-loopback blocks it")));
		assert_int_equal(s->generation, peers_generation(r->peers));
		assert_true(addr_eq(&s->dest_ip, &r->target_at.addr));
		assert_int_equal(s->dest_port, r->target_at.port);
		assert_int_equal(s->setup_us, 0);
		assert_true(s->duration_us > 0);
	}
}

/* ---- departures while a question is out ---- */

static void
test_client_leaves_while_asked(void **state)
{
	struct rig *r = *state;
	int fd;

	rig_start(r, NULL);
	peers_script_login(r->peers, &(struct peers_login){
		.how = PEERS_HOLD });
	fd = rig_connect(r, NULL);
	rig_send_login(fd, "alice", PEERS_PASSWORD);
	rig_expect_lit(fd, "\5\2");
	peers_wait_logins(r->peers, 1);
	rig_reset(fd);
	peers_next_session(r->peers, RECORD_REJECT, "client_gone");
	peers_script_login(r->peers, &(struct peers_login){ 0 });
	peers_release(r->peers);
	peers_script_decision(r->peers, &(struct peers_decision){
		.how = PEERS_HOLD });
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	rig_request(fd, &r->target_at);
	peers_wait_decisions(r->peers, 1);
	rig_reset(fd);
	assert_int_equal(peers_next_session(r->peers, RECORD_REJECT,
	    "client_gone")->dest_port, r->target_at.port);
	peers_script_decision(r->peers, &(struct peers_decision){ 0 });
	peers_release(r->peers);
	visit(r, "alice");
}

/* Stopped while both are being asked: nobody is left waiting. */
static void
test_stop_while_asked(void **state)
{
	struct rig *r = *state;
	int a, b;

	rig_start(r, NULL);
	peers_script_decision(r->peers, &(struct peers_decision){
		.how = PEERS_HOLD });
	a = rig_connect(r, NULL);
	rig_login(a, "alice");
	rig_request(a, &r->target_at);
	peers_wait_decisions(r->peers, 1);
	peers_script_login(r->peers, &(struct peers_login){
		.how = PEERS_HOLD });
	b = rig_connect(r, NULL);
	rig_send_login(b, "bob", PEERS_PASSWORD);
	peers_wait_logins(r->peers, 2);
	rig_signal(r, SIGTERM);
	assert_int_equal(rig_wait_exit(r), 0);
	peers_next_session(r->peers, RECORD_REJECT, "shutdown");
	peers_next_session(r->peers, RECORD_REJECT, "shutdown");
	assert_int_equal(peers_next_record(r->peers)->record.type,
	    RECORD_END);
	close(a);
	close(b);
}

/* ---- leases, seen from outside ---- */

static void
test_warm_leases_ask_nobody(void **state)
{
	struct rig *r = *state;

	rig_start(r, NULL);
	for (unsigned i = 0; i < 5; i++)
		visit(r, "alice");
	assert_int_equal(peers_logins(r->peers), 1);
	assert_int_equal(peers_decisions(r->peers), 1);
	visit(r, "bob");
	assert_int_equal(peers_logins(r->peers), 2);
	assert_int_equal(peers_decisions(r->peers), 2);
	rig_wait_metric(r,
	    "proxy_cache_requests_total{cache=\"login\",result=\"hit\"}", 4);
	rig_wait_metric(r,
	    "proxy_cache_requests_total{cache=\"decision\",result=\"hit\"}",
	    4);
}

/* D-6: a new policy is asked as soon as its heartbeat is heard. */
static void
test_new_generation_is_asked(void **state)
{
	struct rig *r = *state;

	rig_start(r, NULL);
	visit(r, "alice");
	visit(r, "alice");
	assert_int_equal(peers_decisions(r->peers), 1);
	peers_script_decision(r->peers, &(struct peers_decision){
		.action = SALLYPORT__PB__DECISION__ACTION__BLOCK });
	peers_set_policy(r->peers, 2000);
	rig_wait_metric(r, "proxy_policy_generation", 2000);
	expect_request_refused(r, 2, "policy_block");
	assert_int_equal(peers_decisions(r->peers), 2);
	assert_int_equal(peers_logins(r->peers), 1);
	/* a block is remembered as well */
	expect_request_refused(r, 2, "policy_block");
	assert_int_equal(peers_decisions(r->peers), 2);
}

/* An answer of a policy that is not in force is used, but not remembered. */
static void
test_old_generation_is_not_remembered(void **state)
{
	struct rig *r = *state;

	rig_start(r, NULL);
	peers_script_decision(r->peers, &(struct peers_decision){
		.generation = 999 });
	for (unsigned i = 1; i <= 3; i++) {
		visit(r, "alice");
		assert_int_equal(peers_decisions(r->peers), i);
	}
}

/* D-5: without a heartbeat for 2 s every session asks again. */
static void
test_no_heartbeat(void **state)
{
	struct rig *r = *state;
	unsigned asked;

	rig_start(r, NULL);
	visit(r, "alice");
	peers_set_heartbeats(r->peers, false);
	rig_wait_metric_from(r, "proxy_policy_heartbeat_age_seconds", 2);
	asked = peers_decisions(r->peers);
	for (unsigned i = 1; i <= 3; i++) {
		visit(r, "alice");
		assert_int_equal(peers_decisions(r->peers), asked + i);
	}
	peers_set_heartbeats(r->peers, true);
	rig_wait_metric(r, "proxy_policy_heartbeat_age_seconds", 0);
	visit(r, "alice");	/* may still have to be asked */
	asked = peers_decisions(r->peers);
	visit(r, "alice");
	assert_int_equal(peers_decisions(r->peers), asked);
}

/* Clients at two addresses, decisions that are good for one each. */
static void
test_bound_to_the_source(void **state)
{
	struct rig *r = *state;

	rig_start(r, NULL);
	peers_script_decision(r->peers, &(struct peers_decision){
		.source_bound = true });
	for (unsigned i = 0; i < 6; i++) {
		int target, fd = rig_connect(r,
		    i % 2 == 0 ? "127.0.0.2:0" : "127.0.0.3:0");

		rig_login(fd, "alice");
		rig_request(fd, &r->target_at);
		(void)rig_expect_success(fd);
		target = rig_accept(r->target);
		close(fd);
		(void)rig_expect_end(target);
		close(target);
	}
	assert_int_equal(peers_logins(r->peers), 2);
	assert_int_equal(peers_decisions(r->peers), 2);
}

/* threats.md P-1, P-5: authd is asked about each source, also while it is asked
 * about another; where one has guessed too often, the lease of the user himself
 * does not let the right guess in. */
static void
test_sources_log_in_apart(void **state)
{
	static const char *const from[] = { "127.0.0.2:0", "127.0.0.3:0" };
	struct rig *r = *state;
	int fd[2];

	rig_start(r, NULL);
	peers_script_login(r->peers, &(struct peers_login){
		.how = PEERS_HOLD });
	for (size_t i = 0; i < 2; i++) {
		fd[i] = rig_connect(r, from[i]);
		rig_send_login(fd[i], "alice", PEERS_PASSWORD);
		rig_expect_lit(fd[i], "\5\2");
	}
	rig_wait_metric(r, "proxy_connections{state=\"auth_wait\"}", 2);
	peers_wait_logins(r->peers, 2);
	peers_script_login(r->peers, &(struct peers_login){ 0 });
	peers_release(r->peers);
	for (size_t i = 0; i < 2; i++) {
		rig_expect_lit(fd[i], "\1\0");
		close(fd[i]);
		peers_next_session(r->peers, RECORD_REJECT, "client_gone");
	}
	peers_script_login(r->peers, &(struct peers_login){
		.result = SALLYPORT__PB__AUTH_REPLY__RESULT__THROTTLED });
	fd[0] = rig_connect(r, "127.0.0.4:0");
	rig_send_login(fd[0], "alice", PEERS_PASSWORD);
	rig_expect_lit(fd[0], "\5\2\1\1");
	close(fd[0]);
	peers_next_session(r->peers, RECORD_REJECT, "auth_throttled");
	fd[0] = rig_connect(r, from[0]);
	rig_login(fd[0], "alice");
	close(fd[0]);
	assert_int_equal(peers_logins(r->peers), 3);
}

/* Single flight: many clients with one login, one question. */
static void
test_single_flight(void **state)
{
	struct rig *r = *state;
	int fd[30];

	rig_start(r, NULL);
	peers_script_login(r->peers, &(struct peers_login){
		.how = PEERS_HOLD });
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = rig_connect(r, NULL);
		rig_send_login(fd[i], "alice", PEERS_PASSWORD);
		rig_expect_lit(fd[i], "\5\2");
	}
	rig_wait_metric(r, "proxy_connections{state=\"auth_wait\"}",
	    ARRAY_LEN(fd));
	peers_wait_logins(r->peers, 1);
	/* one of them leaves, and it is the one who asked */
	rig_reset(fd[0]);
	rig_wait_metric(r, "proxy_connections{state=\"auth_wait\"}",
	    ARRAY_LEN(fd) - 1);
	peers_script_login(r->peers, &(struct peers_login){ 0 });
	peers_release(r->peers);
	for (size_t i = 1; i < ARRAY_LEN(fd); i++)
		rig_expect_lit(fd[i], "\1\0");
	assert_int_equal(peers_logins(r->peers), 1);
	for (size_t i = 1; i < ARRAY_LEN(fd); i++)
		close(fd[i]);
}

/* sessiond is not in the path. */
static void
test_sessiond_absent(void **state)
{
	struct rig *r = *state;
	int target, fd;

	peers_start_authd(r->peers);
	peers_start_acld(r->peers);
	peers_start_policy(r->peers);
	rig_spawn(r, NULL);
	rig_wait_metric(r, "bus_connected{socket=\"decide\"}", 1);
	fd = rig_session(r, "alice", &target);
	rig_send_lit(fd, "hello");
	rig_expect_lit(target, "hello");
	close(fd);
	close(target);
	rig_wait_metric_from(r, "proxy_batches_total{result=\"no_peer\"}",
	    1);
	assert_false(rig_is_ready(r));
}

#define T(name) \
	cmocka_unit_test_setup_teardown(test_##name, rig_setup, rig_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(authd_silent), T(authd_answers_nonsense), T(authd_absent),
		T(no_other_way_without_authd),
		T(warm_login_without_authd),
		T(late_login_is_given_to_nobody),
		T(answer_after_the_budget), T(delayed_refusal),
		T(acld_silent), T(acld_answers_nonsense), T(acld_absent),
		T(blocked), T(client_leaves_while_asked), T(stop_while_asked),
		T(warm_leases_ask_nobody), T(new_generation_is_asked),
		T(old_generation_is_not_remembered), T(no_heartbeat),
		T(bound_to_the_source), T(sources_log_in_apart),
		T(single_flight), T(sessiond_absent),
	};

	if (argc != 2)
		return 2;
	rig_binary = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
