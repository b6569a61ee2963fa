/* SPDX-License-Identifier: MIT */
/*
 * A client that waits for the peer of its BIND: every way to leave, answers
 * that come too late, and every split of what it sends.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "conn_rig.h"

#define BIND_REQUEST "\5\2\0\1\177\0\0\1\0\0"
#define ANY_REQUEST "\5\2\0\1\0\0\0\0\0\0"
#define FULL (CONN_INPUT_MAX + 100)	/* bytes */

static struct endpoint
read_reply(int fd)
{
	struct endpoint e;
	uint8_t b[10];

	assert_int_equal(recv(fd, b, sizeof(b), MSG_WAITALL), sizeof(b));
	assert_memory_equal(b, "\5\0\0\1", 4);
	e.addr = addr_from_v4(b + 4);
	e.port = (uint16_t)(b[8] << 8 | b[9]);
	return e;
}

/* A client in CONN_BIND_WAIT. */
static int
bring_to_wait(struct rig *r, struct endpoint *at)
{
	int fd = connect_client(r);
	char answers[4];

	hold(r, false, false);
	put_lit(fd, GREETING LOGIN BIND_REQUEST);
	wait_state(r, CONN_BIND_WAIT);
	assert_int_equal(recv(fd, answers, 4, MSG_WAITALL), 4);
	*at = read_reply(fd);
	return fd;
}

static int64_t
listeners(struct rig *r)
{
	return (int64_t)metrics_value(r->metrics, METRIC_proxy_bind_listeners,
	    0);
}

static uint64_t
peers_that(struct rig *r, unsigned result)
{
	return metrics_value(r->metrics, METRIC_proxy_bind_peers_total,
	    result);
}

static int
connect_peer(const struct endpoint *at)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(at, &sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&sa, len) == 0)
		return fd;
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
	return -1;
}

static void
expect_end(struct rig *r, const char *reason)
{
	wait_gone(r);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, reason);
	assert_int_equal(listeners(r), 0);
}

/* ---- leaving ---- */

enum departure { BY_RESET, BY_FIN, BY_ORDER, DEPARTURES };

static void
depart(struct rig *r, int fd, enum departure how)
{
	switch (how) {
	case BY_RESET:
		reset(fd);
		return;
	case BY_FIN:
		shutdown(fd, SHUT_WR);
		wait_gone(r);
		break;
	case BY_ORDER:
		conn_close(the_conn(r), CLOSE_shutdown);
		conn_bury(&r->w);
		break;
	case DEPARTURES:
		break;
	}
	close(fd);
}

/* Having sent nothing since, something, all that is kept, and more. */
static void
test_each_departure(void **state)
{
	static const size_t sizes[] = { 0, 5, CONN_INPUT_MAX, FULL };
	char early[FULL] = "early";
	struct rig *r = *state;

	for (unsigned i = 0; i < DEPARTURES * ARRAY_LEN(sizes); i++) {
		enum departure how = i % DEPARTURES;
		size_t size = sizes[i / DEPARTURES];
		struct endpoint at;
		int fd = bring_to_wait(r, &at);

		assert_int_equal(listeners(r), 1);
		if (size > 0)
			put(fd, early, size);
		settle(r);
		assert_int_equal(the_conn(r)->state, CONN_BIND_WAIT);
		assert_int_equal(the_conn(r)->h->in_len,
		    size < CONN_INPUT_MAX ? size : CONN_INPUT_MAX);
		depart(r, fd, how);
		expect_end(r, how == BY_ORDER ? "shutdown" : "client_gone");
		assert_int_equal(connect_peer(&at), -1);
	}
}

/* A FIN that came with the request is one as well. */
static void
test_departure_with_the_request(void **state)
{
	struct rig *r = *state;
	int fd = connect_client(r);

	put_lit(fd, GREETING LOGIN BIND_REQUEST);
	shutdown(fd, SHUT_WR);
	expect_end(r, "client_gone");
	close(fd);
}

/* The client, or the time, is over while peers are judged: their answers find
 * nobody. */
static void
test_answers_that_come_too_late(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < DEPARTURES; i++) {
		struct endpoint at;
		int fd, peer[3];
		unsigned asked;
		char byte;

		fd = bring_to_wait(r, &at);
		asked = peers_decisions(r->peers);
		hold(r, false, true);
		for (unsigned k = 0; k < ARRAY_LEN(peer); k++)
			peer[k] = connect_peer(&at);
		settle(r);
		wait_decisions(r, asked + ARRAY_LEN(peer));
		depart(r, fd, i);
		expect_end(r, i == BY_ORDER ? "shutdown" : "client_gone");
		for (unsigned k = 0; k < ARRAY_LEN(peer); k++) {
			assert_int_equal(recv(peer[k], &byte, 1, 0), -1);
			close(peer[k]);
		}
		assert_int_equal(peers_that(r, PEER_LATE),
		    (i + 1) * ARRAY_LEN(peer));
		hold(r, false, false);
		peers_release(r->peers);
		settle(r);
	}
}

/* Two who are as good as each other: the first answer decides. */
static void
test_first_answer_decides(void **state)
{
	struct rig *r = *state;
	struct endpoint at, is[2], told;
	int fd, peer[2], lost;
	unsigned asked;
	char byte;

	fd = bring_to_wait(r, &at);
	asked = peers_decisions(r->peers);
	hold(r, false, true);
	for (unsigned i = 0; i < 2; i++) {
		peer[i] = connect_peer(&at);
		assert_true(sock_local(peer[i], &is[i]));
	}
	settle(r);
	wait_decisions(r, asked + 2);
	hold(r, false, false);
	peers_release(r->peers);
	wait_state(r, CONN_RELAY);
	told = read_reply(fd);
	lost = endpoint_eq(&told, &is[0]) ? 1 : 0;
	assert_true(endpoint_eq(&told, &is[1 - lost]));
	assert_int_equal(recv(peer[lost], &byte, 1, 0), -1);
	assert_int_equal(peers_that(r, PEER_ADMITTED), 1);
	assert_int_equal(peers_that(r, PEER_LATE), 1);
	assert_int_equal(listeners(r), 0);
	close(peer[0]);
	close(peer[1]);
	reset(fd);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, NULL);
}

static void
test_time_is_over(void **state)
{
	struct rig *r = *state;
	struct endpoint at;
	char early[FULL] = "", reply[11];
	int fd;

	r->cfg.timeouts_bind = 100;
	fd = bring_to_wait(r, &at);
	put(fd, early, sizeof(early));
	wait_state(r, CONN_LINGER);
	assert_int_equal(recv(fd, reply, sizeof(reply), MSG_WAITALL), 10);
	assert_memory_equal(reply, "\5\6\0\1\0\0\0\0\0\0", 10);
	assert_int_equal(connect_peer(&at), -1);
	/* what was too much is drained, so that the reply is not lost */
	close(fd);
	expect_end(r, "bind_timeout");
}

/* The policy permits it, the last fence does not. */
static void
test_fenced_peer(void **state)
{
	struct rig *r = *state;
	struct endpoint at;
	int fd = bring_to_wait(r, &at), peer;
	char byte;

	peers_script_decision(r->peers, &(struct peers_decision){
		.closed = true });
	peer = connect_peer(&at);
	while (peers_that(r, PEER_REFUSED) == 0) {
		turn(r);
		poll(NULL, 0, 1);
	}
	assert_int_equal(recv(peer, &byte, 1, 0), -1);
	close(peer);
	assert_int_equal(the_conn(r)->state, CONN_BIND_WAIT);
	reset(fd);
	expect_end(r, "client_gone");
}

/* Anybody who comes to where the client is. */
static void
test_any_peer(void **state)
{
	struct rig *r = *state;
	int fd = connect_client(r), peer;
	struct endpoint at;
	char answers[4];

	put_lit(fd, GREETING LOGIN ANY_REQUEST);
	wait_state(r, CONN_BIND_WAIT);
	assert_int_equal(recv(fd, answers, 4, MSG_WAITALL), 4);
	at = read_reply(fd);
	assert_true(addr_is_loopback(&at.addr));
	peer = connect_peer(&at);
	wait_state(r, CONN_RELAY);
	close(peer);
	reset(fd);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, NULL);
}

/* ---- splits ---- */

static void
send_cut(struct rig *r, int fd, const char *in, size_t len, const bool *cut)
{
	size_t from = 0;

	for (size_t i = 1; i <= len; i++) {
		if (i < len && !cut[i])
			continue;
		put(fd, in + from, i - from);
		from = i;
		settle(r);
	}
}

/* Everything the client sends, a peer that greets it and goes. */
static void
run_bind(struct rig *r, const bool *cut, struct outcome *o)
{
	static const char in[] = GREETING LOGIN BIND_REQUEST "early";
	uint64_t end = clock_mono_ms() + PATIENCE_MS;
	bool ended = false, peer_ended = false;
	struct endpoint at;
	int fd = connect_client(r), peer;

	memset(o, 0, sizeof(*o));
	send_cut(r, fd, in, sizeof(in) - 1, cut);
	wait_state(r, CONN_BIND_WAIT);
	at = bind_at(the_conn(r)->h->bind);
	peer = connect_peer(&at);
	put_lit(peer, "hello");
	while (o->n_passed < 5 || o->n_seen < 29) {
		turn(r);
		drain(fd, o->seen, &o->n_seen, &ended);
		drain(peer, o->passed, &o->n_passed, &peer_ended);
		assert_true(clock_mono_ms() < end);
	}
	shutdown(fd, SHUT_WR);
	while (!ended) {
		turn(r);
		drain(fd, o->seen, &o->n_seen, &ended);
		drain(peer, o->passed, &o->n_passed, &peer_ended);
		if (peer_ended)
			shutdown(peer, SHUT_WR);
		assert_true(clock_mono_ms() < end);
	}
	close(fd);
	close(peer);
	wait_gone(r);
	note_records(r, o, 2);
	memset(o->seen + 12, 0, 2);	/* ports */
	memset(o->seen + 22, 0, 2);
}

static void
test_splits(void **state)
{
	static const char seen[] = "\5\2\1\0" "\5\0\0\1\177\0\0\1\0\0"
	    "\5\0\0\1\177\0\0\1\0\0" "hello";
	struct rig *r = *state;
	bool cut[SPLIT_MAX] = { false };
	struct outcome whole, o;

	run_bind(r, cut, &whole);
	assert_int_equal(whole.n_seen, sizeof(seen) - 1);
	assert_memory_equal(whole.seen, seen, whole.n_seen);
	assert_int_equal(whole.n_passed, 5);
	assert_memory_equal(whole.passed, "early", 5);
	assert_string_equal(whole.records,
	    "1 alice  0 0 0;3 alice client_closed 0 5 5;");
	for (size_t at = 1; at < sizeof(GREETING LOGIN BIND_REQUEST "early");
	     at++) {
		cut[at] = true;
		run_bind(r, cut, &o);
		assert_same(&whole, &o);
		cut[at] = false;
	}
	memset(cut, true, sizeof(cut));
	run_bind(r, cut, &o);
	assert_same(&whole, &o);
}

static int
bind_setup(void **state)
{
	struct rig *r;

	if (setup(state) != 0)
		return -1;
	r = *state;
	r->cfg.timeouts_bind = 60000;
	return 0;
}

#define T(name) \
	cmocka_unit_test_setup_teardown(test_##name, bind_setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_departure), T(departure_with_the_request),
		T(answers_that_come_too_late), T(first_answer_decides),
		T(time_is_over), T(fenced_peer), T(any_peer), T(splits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
