/* SPDX-License-Identifier: MIT */
/*
 * A worker without its thread, turned by the test: connections over loopback
 * through every state, ended in each of the ways that there are, and split
 * wherever they can be. authd, acld and sessiond are played.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "conn_rig.h"

/* Brings a new client into that state; its end. */
static int
bring_to(struct rig *r, enum conn_state state)
{
	int fd = connect_client(r);

	hold(r, state == CONN_AUTH_WAIT, state == CONN_ACL_WAIT);
	if (state == CONN_GREETING)
		return fd;
	if (state == CONN_METHODS) {
		put_lit(fd, "\5");
		settle(r);
		return fd;
	}
	if (state == CONN_LINGER) {
		put_lit(fd, "\5\1\0");
		wait_state(r, state);
		return fd;
	}
	put_lit(fd, GREETING);
	settle(r);
	if (state == CONN_AUTH_DELAY)
		put_lit(fd, LOGIN_WRONG);
	else if (state != CONN_AUTH_READ)
		put_lit(fd, LOGIN);
	if (state >= CONN_RESOLVE)
		wait_state(r, CONN_REQUEST);
	if (state == CONN_RESOLVE)
		put_lit(fd, "\5\1\0\3\14name.example\0\120");
	else if (state > CONN_RESOLVE)
		put_request(r, fd);
	wait_state(r, state);
	return fd;
}

/* Those in which a connection can be found between two turns. DIAL to
 * loopback is over at once. */
static const enum conn_state resting[] = { CONN_METHODS, CONN_AUTH_READ,
	CONN_AUTH_WAIT, CONN_AUTH_DELAY, CONN_REQUEST, CONN_RESOLVE,
	CONN_ACL_WAIT, CONN_RELAY, CONN_LINGER };

/* ---- the table ---- */

static void
test_table(void **state)
{
	uint32_t reached = 1u << CONN_GREETING, before;

	(void)state;
	do {	/* from the first state on */
		before = reached;
		for (unsigned s = 0; s < CONN_STATES; s++)
			if (reached & 1u << s)
				reached |= conn_states[s].next;
	} while (reached != before);
	/* closing is allowed from each, and named by none */
	assert_int_equal(reached | 1u << CONN_CLOSING,
	    (1u << CONN_STATES) - 1);
	for (unsigned s = 0; s < CONN_STATES; s++) {
		const struct conn_state_info *i = &conn_states[s];
		bool timed = i->clock == CLOCK_HANDSHAKE ||
		    i->clock == CLOCK_DELAY || i->clock == CLOCK_LINGER;

		assert_string_equal(i->name, conn_state_names[s]);
		assert_int_equal(i->next >> CONN_STATES, 0);
		assert_int_equal(i->next & (1u << CONN_CLOSING | 1u << s), 0);
		assert_int_equal(i->expired != NULL, timed);
		/* whoever is asked has a budget of its own */
		assert_int_equal(i->answer != NULL, i->clock == CLOCK_ASKED);
	}
	assert_null(conn_state_names[CONN_STATES]);
}

/* ---- ends ---- */

static const char *
departure(enum conn_state s)
{
	return s == CONN_AUTH_DELAY ? "auth_failed" :
	    s == CONN_RELAY ? "client_reset" :
	    s == CONN_LINGER ? "no_method" : "client_gone";
}

static void
expect_one_end(struct rig *r, enum conn_state s, const char *reason)
{
	if (s == CONN_RELAY)
		peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers,
	    s == CONN_RELAY ? RECORD_CLOSE : RECORD_REJECT, reason);
}

static void
test_reset_in_each_state(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(resting); i++) {
		int fd;

		gate_reload(r->w.gate, &r->cfg);
		fd = bring_to(r, resting[i]);
		reset(fd);
		wait_gone(r);
		expect_one_end(r, resting[i], departure(resting[i]));
		hold(r, false, false);
		peers_release(r->peers);
	}
}

/* The end that the worker orders, twice as it may be. */
static void
test_close_in_each_state(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(resting); i++) {
		enum conn_state s = resting[i];
		struct conn *c;
		int fd;

		gate_reload(r->w.gate, &r->cfg);
		fd = bring_to(r, s);
		c = the_conn(r);
		conn_close(c, CLOSE_shutdown);
		conn_close(c, CLOSE_internal_error);
		wait_gone(r);
		close(fd);
		expect_one_end(r, s, s == CONN_AUTH_DELAY || s == CONN_LINGER
		    ? departure(s) : "shutdown");
		hold(r, false, false);
		peers_release(r->peers);
	}
}

/* A FIN ends what waits for more bytes, and nothing else. */
static void
test_fin_in_each_state(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(resting); i++) {
		enum conn_state s = resting[i];
		bool waits = s == CONN_AUTH_WAIT || s == CONN_ACL_WAIT ||
		    s == CONN_AUTH_DELAY || s == CONN_RESOLVE ||
		    s == CONN_RELAY;
		int fd;

		gate_reload(r->w.gate, &r->cfg);
		fd = bring_to(r, s);
		shutdown(fd, SHUT_WR);
		settle(r);
		assert_int_equal(the_conn(r) != NULL, waits);
		if (waits && s != CONN_AUTH_DELAY)
			conn_close(the_conn(r), CLOSE_shutdown);
		wait_gone(r);
		close(fd);
		expect_one_end(r, s, !waits || s == CONN_AUTH_DELAY
		    ? departure(s) : "shutdown");
		hold(r, false, false);
		peers_release(r->peers);
	}
}

/* ---- clocks ---- */

static void
test_handshake_clock(void **state)
{
	static const enum conn_state clocked[] = { CONN_GREETING, CONN_METHODS,
		CONN_AUTH_READ, CONN_REQUEST };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(clocked); i++) {
		int fd;

		set_handshake(r, 150);
		fd = bring_to(r, clocked[i]);
		wait_gone(r);
		peers_next_session(r->peers, RECORD_REJECT,
		    "handshake_timeout");
		close(fd);
	}
}

/* What was used up before a question counts after it, and the question
 * itself does not. */
static void
test_handshake_clock_stands(void **state)
{
	struct rig *r = *state;
	struct handshake *h;
	uint64_t left;
	int fd = bring_to(r, CONN_AUTH_READ);

	h = the_conn(r)->h;
	assert_true(event_pending(&h->clock, EV_TIMEOUT, NULL));
	hold(r, true, false);
	put_lit(fd, LOGIN);
	wait_state(r, CONN_AUTH_WAIT);
	assert_false(event_pending(&h->clock, EV_TIMEOUT, NULL));
	left = h->left_ms;
	assert_in_range(left, 1, 20000);
	peers_wait_logins(r->peers, 1);
	poll(NULL, 0, 30);
	hold(r, false, false);
	peers_release(r->peers);
	wait_state(r, CONN_REQUEST);
	assert_true(event_pending(&h->clock, EV_TIMEOUT, NULL));
	assert_int_equal(h->left_ms, left);
	reset(fd);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "client_gone");
}

static void
test_delay_and_linger_clocks(void **state)
{
	struct rig *r = *state;
	char reply[4];
	int fd = bring_to(r, CONN_AUTH_DELAY);

	assert_int_equal(recv(fd, reply, sizeof(reply), 0), 2);
	wait_state(r, CONN_LINGER);
	assert_int_equal(recv(fd, reply, sizeof(reply), 0), 2);
	assert_memory_equal(reply, "\1\1", 2);
	/* its write side is shut; ours stays open until the clock ends it */
	assert_int_equal(recv(fd, reply, sizeof(reply), 0), 0);
	put_lit(fd, "noise");
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "auth_failed");
	close(fd);
}

static void
test_questions_have_budgets(void **state)
{
	struct rig *r = *state;
	int fd;

	r->cfg.timeouts_login = 100;
	fd = bring_to(r, CONN_AUTH_WAIT);
	wait_state(r, CONN_LINGER);
	close(fd);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "auth_silent");
	r->cfg.timeouts_login = 20000;
	r->cfg.timeouts_decide = 100;
	fd = bring_to(r, CONN_ACL_WAIT);
	wait_state(r, CONN_LINGER);
	close(fd);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "acl_silent");
}

/* ---- splits ---- */

static size_t
transcript(const struct rig *r, char out[static 64])
{
	static const char head[] = GREETING LOGIN REQUEST_HEAD;
	size_t len = sizeof(head) - 1;

	memcpy(out, head, len);
	out[len++] = (char)(r->target_at.port >> 8);
	out[len++] = (char)r->target_at.port;
	memcpy(out + len, "payload", 7);
	return len + 7;
}

static const char seen_of_success[] =
    "\5\2\1\0" "\5\0\0\1\177\0\0\1\0\0" "bye";

static void
check_success(struct rig *r)
{
	struct outcome o;
	char in[64];
	size_t len = transcript(r, in);

	check_splits(r, in, len, 2, &o);
	assert_int_equal(o.n_seen, sizeof(seen_of_success) - 1);
	assert_memory_equal(o.seen, seen_of_success, o.n_seen);
	assert_int_equal(o.n_passed, 7);
	assert_memory_equal(o.passed, "payload", 7);
	assert_string_equal(o.records,
	    "1 alice  0 0 0;3 alice client_closed 0 7 3;");
}

static void
test_split_with_warm_leases(void **state)
{
	struct rig *r = *state;
	struct id instance = peers_instance(r->peers);

	policy_view_hear(&r->proxy.view, &instance,
	    peers_generation(r->peers), clock_mono_ms() + 3600000);
	check_success(r);
	assert_true(peers_logins(r->peers) < 10);
}

static void
test_split_with_questions(void **state)
{
	struct rig *r = *state;

	r->cfg.lease_login = r->cfg.lease_decision = 0;
	check_success(r);
	assert_true(peers_logins(r->peers) > 30);
	assert_true(peers_decisions(r->peers) > 30);
}

static void
test_split_refusals(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *seen;
		size_t n_seen;
		const char *records;
	} cases[] = {
#define CASE(in, seen, records) \
	{ in, sizeof(in) - 1, seen, sizeof(seen) - 1, records }
		CASE(GREETING LOGIN_WRONG, "\5\2\1\1",
		    "4 alice auth_failed 255 0 0;"),
		CASE(GREETING LOGIN "\5\4\0\1\177\0\0\1\0\120",
		    "\5\2\1\0" "\5\7\0\1\0\0\0\0\0\0",
		    "4 alice command_unknown 7 0 0;"),
		CASE(GREETING LOGIN "\5\1\0\3\7a b.com\0\120",
		    "\5\2\1\0" "\5\1\0\1\0\0\0\0\0\0",
		    "4 alice invalid_name 1 0 0;"),
		CASE(GREETING LOGIN "\5\1\0\3\11x.invalid\0\120",
		    "\5\2\1\0" "\5\4\0\1\0\0\0\0\0\0",
		    "4 alice dns_not_found 4 0 0;"),
		CASE("\5\2\0\1", "\5\377", "4  no_method 255 0 0;"),
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct outcome o;

		check_splits(r, cases[i].in, cases[i].len, 1, &o);
		assert_int_equal(o.n_seen, cases[i].n_seen);
		assert_memory_equal(o.seen, cases[i].seen, o.n_seen);
		assert_string_equal(o.records, cases[i].records);
		assert_int_equal(o.n_passed, 0);
	}
}

/* ---- memory ---- */

/* No object left: refused at the door, and room again afterwards. */
static void
test_pools_are_bounds(void **state)
{
	struct rig *r = *state;
	int fd[CONNS + 1];
	char byte;

	r->proxy.max_connections = CONNS + 1;
	for (size_t i = 0; i <= CONNS; i++)
		fd[i] = connect_client(r);
	assert_int_equal(recv(fd[CONNS], &byte, 1, 0), 0);
	assert_int_equal(metrics_value(r->metrics,
	    METRIC_proxy_connections_total, ACCEPT_NO_MEMORY), 1);
	for (size_t i = 0; i <= CONNS; i++)
		close(fd[i]);
	wait_gone(r);
	fd[0] = connect_client(r);
	assert_non_null(the_conn(r));
	close(fd[0]);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "out_of_resources");
	assert_int_equal(peers_sums(r->peers).records, 1);
}

/* What an idle session costs in this room (ruling 10). */
static void
test_a_session_is_small(void **state)
{
	(void)state;
	assert_true(sizeof(struct conn) <= 400);
}

/* The login's bytes do not stay in memory that the next client gets. */
static void
test_password_is_wiped(void **state)
{
	struct rig *r = *state;
	int fd = bring_to(r, CONN_REQUEST);
	struct handshake *h = the_conn(r)->h;

	assert_int_equal(h->in_len, 0);
	assert_non_null(memmem(h, sizeof(*h), "alice", 5));
	assert_null(memmem(h, sizeof(*h), "right", 5));
	reset(fd);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "client_gone");
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_a_session_is_small),
		T(reset_in_each_state), T(close_in_each_state),
		T(fin_in_each_state), T(handshake_clock),
		T(handshake_clock_stands), T(delay_and_linger_clocks),
		T(questions_have_budgets), T(split_with_warm_leases),
		T(split_with_questions), T(split_refusals),
		T(pools_are_bounds), T(password_is_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
