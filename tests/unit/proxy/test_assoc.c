/* SPDX-License-Identifier: MIT */
/*
 * An association on loopback with a played judge; conformance.md section 8.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "io_fixture.h"
#include "proxy/assoc.h"
#include "proxy/socks5_udp.h"
#include "proxy/udp_batch.h"

/* ---- the judge ---- */

struct judgement {
	judge_done_fn *done;
	void *arg;
	struct dest dest;
};

static struct script {
	bool wait;		/* answer when told */
	enum ruling_kind kind;
	uint64_t lease_ms;
	uint64_t generation;
	struct addr addr;	/* of a name */
	unsigned asked, cancelled;
	struct judgement *out;	/* the last that waits */
} script;

static const struct id instance = { { 7 } };

static struct judge_answer
answer_to(const struct dest *dest)
{
	return (struct judge_answer){ .ruling = {
		.kind = script.kind, .by_policy = true,
		.addr = dest->is_name ? script.addr : dest->addr,
		.until_ms = clock_mono_ms() + script.lease_ms,
		.generation = script.generation, .instance = instance,
	} };
}

static struct judgement *
play_start(const struct judge *j, const struct judge_question *q,
    struct judge_answer *now, judge_done_fn *done, void *arg)
{
	struct judgement *m;

	(void)j;
	assert_non_null(q->identity);
	script.asked++;
	if (!script.wait) {
		*now = answer_to(q->dest);
		return NULL;
	}
	m = xcalloc(1, sizeof(*m));
	*m = (struct judgement){ done, arg, *q->dest };
	script.out = m;
	return m;
}

static void
play_cancel(struct judgement *m)
{
	script.cancelled++;
	free(m);
}

static void
play_answer(void)
{
	struct judgement *m = script.out;
	struct judge_answer a = answer_to(&m->dest);

	script.out = NULL;
	m->done(m->arg, &a);
	free(m);
}

static const struct judge played = { .start = play_start,
	.cancel = play_cancel };

/* ---- the rig ---- */

struct rig {
	struct event_base *base;
	struct proxy_config cfg;
	struct policy_view view;
	const struct judge *judge;
	struct identity *identity;
	struct assoc_room *room;
	struct assoc *assoc;
	struct endpoint relay;	/* where the client sends */
	int control;		/* the client's end */
	int client, stranger, target;
	struct endpoint client_at, target_at;
	bool done;
	enum assoc_end end;
	struct dest first;
	unsigned firsts;
};

static int
udp_at(const char *text, struct endpoint *out)
{
	struct sockaddr_storage sa;
	struct endpoint e;
	socklen_t len;
	int fd, big = 1 << 20;

	assert_true(endpoint_parse(&e, str_from(text)));
	len = endpoint_to_sockaddr(&e, &sa);
	fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	if (out != NULL)
		assert_true(sock_local(fd, out));
	return fd;
}

static void
on_done(void *arg, enum assoc_end end)
{
	struct rig *r = arg;

	assert_false(r->done);
	r->done = true;
	r->end = end;
}

static void
on_first(void *arg, const struct dest *dest, const struct addr *addr,
    const struct decision *d)
{
	struct rig *r = arg;

	(void)addr, (void)d;
	r->first = *dest;
	r->firsts++;
}

static void
hear_policy(struct rig *r)
{
	policy_view_hear(&r->view, &instance, script.generation,
	    clock_mono_ms());
}

/* `at` and `target`: addresses of the two legs. */
static void
begin_at(struct rig *r, const char *at, const char *target, uint16_t locked)
{
	int control[2];
	struct assoc_spec s = { .done = on_done, .first = on_first, .arg = r };

	r->identity = xcalloc(1, sizeof(*r->identity));
	r->room = assoc_room_new(r->base, &r->cfg, r->judge, &r->view);
	io_tcp_pair(control);
	r->control = control[0];
	s.control = stream_plain(control[1]);
	s.fd = udp_at(at, &r->relay);
	s.identity = r->identity;
	r->client = udp_at(at, &r->client_at);
	r->stranger = udp_at(at, NULL);
	r->target = udp_at(target, &r->target_at);
	s.client = r->client_at;
	if (locked != 1)
		s.client.port = locked;
	r->assoc = assoc_new(r->room, &s);
	assert_non_null(r->assoc);
}

static void
begin(struct rig *r)
{
	begin_at(r, "127.0.0.1:0", "127.0.0.1:0", 0);
}

static int
setup(void **state)
{
	struct rig *r = xcalloc(1, sizeof(*r));

	script = (struct script){ .kind = RULING_OPEN, .lease_ms = 5000,
		.generation = 3 };
	r->base = io_base();
	r->judge = &played;
	r->cfg = (struct proxy_config){ .limits_sessions = 16,
		.timeouts_udp_idle = 120000, .udp_max_destinations = 256,
		.egress_interface = (char *)"" };
	hear_policy(r);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;

	assoc_free(&r->assoc, false);
	assert_int_equal(assoc_room_stats(r->room)->associations, 0);
	assoc_room_free(&r->room);
	event_base_free(r->base);
	close(r->control);
	close(r->client);
	close(r->stranger);
	close(r->target);
	free(r->identity);
	free(r);
	clock_test_reset();
	return 0;
}

static void
send_from(struct rig *r, int fd, const void *p, size_t len)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = endpoint_to_sockaddr(&r->relay, &sa);

	assert_int_equal(sendto(fd, p, len, 0, (struct sockaddr *)&sa, sa_len),
	    len);
}

/* A datagram of a client's: header and payload. */
static size_t
wrap(char *out, const struct endpoint *to, const void *p, size_t len)
{
	size_t head = socks5_udp_header((uint8_t *)out, to);

	memcpy(out + head, p, len);
	return head + len;
}

static void
send_to(struct rig *r, const struct endpoint *to, const char *text)
{
	char out[2048];

	send_from(r, r->client, out, wrap(out, to, text, strlen(text)));
}

static void
turn(struct rig *r)
{
	io_turn(r->base, 4);
}

/* What lies at a socket; the sender. */
static struct endpoint
expect(int fd, const void *p, size_t len)
{
	static char got[70000];
	struct sockaddr_storage sa;
	socklen_t sa_len = sizeof(sa);
	struct endpoint from;
	ssize_t n = recvfrom(fd, got, sizeof(got), 0, (struct sockaddr *)&sa,
	    &sa_len);

	if (n < 0)
		fail_msg("no datagram: %s", strerror(errno));
	assert_int_equal(n, len);
	assert_memory_equal(got, p, len);
	assert_true(endpoint_from_sockaddr(&from, (struct sockaddr *)&sa));
	return from;
}

static struct endpoint
expect_text(int fd, const char *text)
{
	return expect(fd, text, strlen(text));
}

static void
expect_silence(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void
answer(int fd, const struct endpoint *to, const char *text)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(to, &sa);

	assert_int_equal(sendto(fd, text, strlen(text), 0,
	    (struct sockaddr *)&sa, len), strlen(text));
}

/* The client gets `text` under the header of `from`. */
static void
expect_wrapped(struct rig *r, const struct endpoint *from, const char *text)
{
	char want[2048];
	struct endpoint relay;

	relay = expect(r->client, want, wrap(want, from, text, strlen(text)));
	assert_true(endpoint_eq(&relay, &r->relay));
}

static uint64_t
count(struct rig *r, int direction, enum udp_result what)
{
	return assoc_room_stats(r->room)->datagrams[direction][what];
}

/* ---- the way out and back ---- */

/* Cases 57 and 69: nothing known of the client before, both counted. */
static void
check_round_trip(struct rig *r)
{
	struct endpoint world;
	struct record_counters n;

	send_to(r, &r->target_at, "ping");
	turn(r);
	world = expect_text(r->target, "ping");
	assert_int_not_equal(world.port, r->relay.port);
	answer(r->target, &world, "pong!");
	turn(r);
	expect_wrapped(r, &r->target_at, "pong!");
	n = assoc_count(r->assoc);
	assert_int_equal(n.packets_up, 1);
	assert_int_equal(n.packets_down, 1);
	assert_int_equal(n.bytes_up, 4);
	assert_int_equal(n.bytes_down, 5);
	assert_int_equal(assoc_destinations(r->assoc), 1);
	assert_int_equal(r->firsts, 1);
	assert_int_equal(r->first.port, r->target_at.port);
}

static void
test_round_trip(void **state)
{
	begin(*state);
	check_round_trip(*state);
}

/* Case 67: each leg has a family of its own. */
static void
test_v6_world(void **state)
{
	begin_at(*state, "127.0.0.1:0", "[::1]:0", 0);
	check_round_trip(*state);
}

static void
test_v6_client(void **state)
{
	begin_at(*state, "[::1]:0", "127.0.0.1:0", 0);
	check_round_trip(*state);
}

/* One batch to both families, and as many as come at once. */
static void
test_mixed_batch(void **state)
{
	struct rig *r = *state;
	struct endpoint at6;
	int target6 = udp_at("[::1]:0", &at6);

	begin(r);
	for (int i = 0; i < 50; i++) {
		send_to(r, &r->target_at, "four");
		send_to(r, &at6, "six");
	}
	turn(r);
	for (int i = 0; i < 50; i++) {
		(void)expect_text(r->target, "four");
		(void)expect_text(target6, "six");
	}
	assert_int_equal(count(r, UDP_UP, UDP_RELAYED), 100);
	assert_int_equal(assoc_destinations(r->assoc), 2);
	close(target6);
}

/* Case 65. */
static void
test_empty_payload(void **state)
{
	struct rig *r = *state;
	struct endpoint world;

	begin(r);
	send_to(r, &r->target_at, "");
	turn(r);
	world = expect_text(r->target, "");
	answer(r->target, &world, "");
	turn(r);
	expect_wrapped(r, &r->target_at, "");
}

/* Case 66: resolved once, as the judge says; the answer has the address. */
static void
test_name(void **state)
{
	static const char head[] = "\0\0\0\3\7foo.bar";
	struct rig *r = *state;
	char out[64];
	size_t n = sizeof(head) - 1;

	script.addr = r->target_at.addr;
	begin(r);
	script.addr = r->target_at.addr;
	memcpy(out, head, n);
	out[n++] = (char)(r->target_at.port >> 8);
	out[n++] = (char)r->target_at.port;
	memcpy(out + n, "hi", 2);
	send_from(r, r->client, out, n + 2);
	send_from(r, r->client, out, n + 2);
	turn(r);
	answer(r->target, (struct endpoint[]){ expect_text(r->target, "hi") },
	    "lo");
	(void)expect_text(r->target, "hi");
	turn(r);
	expect_wrapped(r, &r->target_at, "lo");
	assert_int_equal(script.asked, 1);
	assert_true(r->first.is_name);
	assert_string_equal(r->first.name, "foo.bar");
}

/* ---- who is the client ---- */

/* Case 60, U-1, B11: 10,000 from another port and another address. */
static void
test_strangers(void **state)
{
	struct rig *r = *state;
	char out[64];
	size_t len;
	int far = udp_at("127.0.0.2:0", NULL);

	begin(r);
	check_round_trip(r);
	len = wrap(out, &r->target_at, "evil", 4);
	for (int i = 0; i < 5000; i++) {
		send_from(r, r->stranger, out, len);
		send_from(r, far, out, len);
		if (i % 64 == 0)
			turn(r);
	}
	turn(r);
	expect_silence(r->target);
	assert_int_equal(count(r, UDP_UP, UDP_SOURCE), 10000);
	assert_int_equal(count(r, UDP_UP, UDP_RELAYED), 1);
	send_to(r, &r->target_at, "still");
	turn(r);
	(void)expect_text(r->target, "still");
	close(far);
}

/* Nobody of another address can take the place before the client comes, nor
 * can what is malformed. */
static void
test_latch(void **state)
{
	struct rig *r = *state;
	char out[64];
	int far = udp_at("127.0.0.2:0", NULL);

	begin(r);
	send_from(r, far, out, wrap(out, &r->target_at, "evil", 4));
	send_from(r, r->stranger, "\0\1\0\1", 4);
	turn(r);
	check_round_trip(r);
	close(far);
}

/* Case 58. */
static void
test_locked_from_the_start(void **state)
{
	struct rig *r = *state;
	char out[64];

	begin_at(r, "127.0.0.1:0", "127.0.0.1:0", 1);
	send_from(r, r->stranger, out, wrap(out, &r->target_at, "evil", 4));
	turn(r);
	expect_silence(r->target);
	assert_int_equal(count(r, UDP_UP, UDP_SOURCE), 1);
	check_round_trip(r);
}

static void
test_port_change(void **state)
{
	struct rig *r = *state;
	struct endpoint world;
	char out[64];
	int far = udp_at("127.0.0.2:0", NULL);

	r->cfg.udp_port_change = true;
	begin(r);
	check_round_trip(r);
	send_from(r, far, out, wrap(out, &r->target_at, "evil", 4));
	send_from(r, r->stranger, out, wrap(out, &r->target_at, "me", 2));
	turn(r);
	world = expect_text(r->target, "me");
	answer(r->target, &world, "you");
	turn(r);
	expect_silence(r->client);
	(void)expect(r->stranger, out, wrap(out, &r->target_at, "you", 3));
	close(far);
}

/* Cases 62, 63, 64: dropped and counted; it lives. */
static void
test_malformed(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum udp_result why;
	} rows[] = {
#define ROW(text, why) { text, sizeof(text) - 1, why }
		ROW("", UDP_HEADER), ROW("\0", UDP_HEADER),
		ROW("\0\0\0\1\x7f\0\0\1\0", UDP_HEADER),
		ROW("\0\0\0\1\x7f\0\0\1\0\0x", UDP_HEADER),
		ROW("\0\1\0\1\x7f\0\0\1\0\7x", UDP_HEADER),
		ROW("\1\0\0\1\x7f\0\0\1\0\7x", UDP_HEADER),
		ROW("\0\0\1\1\x7f\0\0\1\0\7x", UDP_FRAGMENT),
		ROW("\0\0\x80\1\x7f\0\0\1\0\7x", UDP_FRAGMENT),
		ROW("\0\0\0\2\x7f\0\0\1\0\7x", UDP_HEADER),
		ROW("\0\0\0\3\xff" "abc\0\7x", UDP_HEADER),
		ROW("\0\0\0\3\0\0\7x", UDP_HEADER),
		ROW("\0\0\0\3\3a b\0\7x", UDP_HEADER),
		ROW("\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0", UDP_HEADER),
	};
	struct rig *r = *state;

	begin(r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t before;

		before = count(r, UDP_UP, rows[i].why);
		send_from(r, r->client, rows[i].bytes, rows[i].len);
		turn(r);
		assert_int_equal(count(r, UDP_UP, rows[i].why), before + 1);
	}
	assert_int_equal(script.asked, 0);
	check_round_trip(r);
}

/* ---- who may answer ---- */

/* Case 70. */
static void
test_unsolicited(void **state)
{
	struct rig *r = *state;
	struct endpoint world;

	begin(r);
	send_to(r, &r->target_at, "ping");
	turn(r);
	world = expect_text(r->target, "ping");
	answer(r->stranger, &world, "spam");
	turn(r);
	expect_silence(r->client);
	assert_int_equal(count(r, UDP_DOWN, UDP_UNSOLICITED), 1);
}

static void
test_full_cone(void **state)
{
	struct rig *r = *state;
	struct endpoint world, who;

	r->cfg.udp_full_cone = true;
	begin(r);
	send_to(r, &r->target_at, "ping");
	turn(r);
	world = expect_text(r->target, "ping");
	assert_true(sock_local(r->stranger, &who));
	answer(r->stranger, &world, "hello");
	turn(r);
	expect_wrapped(r, &who, "hello");
}

/* U-4: a blast from a stranger and one beyond the limit; nothing is kept. */
static void
test_blast(void **state)
{
	struct rig *r = *state;
	struct endpoint world;

	r->cfg.udp_packets_per_second = 100;
	begin(r);
	send_to(r, &r->target_at, "ping");
	turn(r);
	world = expect_text(r->target, "ping");
	clock_test_set(clock_mono_us(), clock_wall_us());
	for (int i = 0; i < 5000; i++) {
		answer(r->stranger, &world, "spam");
		answer(r->target, &world, "flood");
		if (i % 32 == 0)
			turn(r);
	}
	turn(r);
	assert_int_equal(count(r, UDP_DOWN, UDP_UNSOLICITED), 5000);
	assert_int_equal(count(r, UDP_DOWN, UDP_RELAYED), 100);
	assert_int_equal(count(r, UDP_DOWN, UDP_LIMIT), 4900);
}

/* ---- judgements ---- */

/* Case 68: refused, unresolved; dropped, asked once. */
static void
test_refused(void **state)
{
	struct rig *r = *state;

	begin(r);
	script.kind = RULING_REFUSED;
	for (int i = 0; i < 3; i++)
		send_to(r, &r->target_at, "no");
	turn(r);
	expect_silence(r->target);
	assert_int_equal(count(r, UDP_UP, UDP_REFUSED), 3);
	assert_int_equal(script.asked, 1);
	assert_int_equal(assoc_destinations(r->assoc), 0);
	assert_int_equal(r->firsts, 0);
	script.kind = RULING_UNRESOLVED;
	r->target_at.port ^= 1;
	send_to(r, &r->target_at, "no");
	turn(r);
	assert_int_equal(count(r, UDP_UP, UDP_UNRESOLVED), 1);
}

/* What comes meanwhile waits, in order, and then goes, or is dropped. */
static void
test_held(void **state)
{
	struct rig *r = *state;
	char text[16];

	begin(r);
	script.wait = true;
	for (int i = 0; i < 70; i++) {
		snprintf(text, sizeof(text), "%d", i);
		send_to(r, &r->target_at, text);
		turn(r);
	}
	expect_silence(r->target);
	assert_int_equal(script.asked, 1);
	play_answer();
	for (int i = 0; i < 70; i++) {
		snprintf(text, sizeof(text), "%d", i);
		(void)expect_text(r->target, text);
	}
	r->target_at.port ^= 1;
	send_to(r, &r->target_at, "x");
	turn(r);
	script.kind = RULING_REFUSED;
	play_answer();
	assert_int_equal(count(r, UDP_UP, UDP_REFUSED), 1);
	assert_int_equal(count(r, UDP_UP, UDP_RELAYED), 70);
}

static void
test_held_is_bounded(void **state)
{
	struct rig *r = *state;
	static char big[40000], out[40100];
	size_t len;

	begin(r);
	script.wait = true;
	len = wrap(out, &r->target_at, big, sizeof(big));
	for (int i = 0; i < 5; i++) {
		send_from(r, r->client, out, len);
		turn(r);
	}
	assert_int_equal(count(r, UDP_UP, UDP_HELD_FULL), 2);
	/* What is asked when it ends is asked no more. */
	assoc_free(&r->assoc, false);
	assert_int_equal(script.cancelled, 1);
}

/* The lease runs out under a running flow: asked again, nothing lost. */
static void
test_lease_runs_out(void **state)
{
	struct rig *r = *state;
	uint64_t now = clock_mono_us();

	clock_test_set(now, 1);
	hear_policy(r);
	begin(r);
	send_to(r, &r->target_at, "1");
	turn(r);
	(void)expect_text(r->target, "1");
	clock_test_set(now + 4999000, 1);
	hear_policy(r);
	send_to(r, &r->target_at, "2");
	turn(r);
	(void)expect_text(r->target, "2");
	assert_int_equal(script.asked, 1);
	clock_test_set(now + 5000000, 1);
	hear_policy(r);
	script.wait = true;
	send_to(r, &r->target_at, "3");
	send_to(r, &r->target_at, "4");
	turn(r);
	expect_silence(r->target);
	assert_int_equal(script.asked, 2);
	play_answer();
	(void)expect_text(r->target, "3");
	(void)expect_text(r->target, "4");
	assert_int_equal(assoc_destinations(r->assoc), 1);
	assert_int_equal(r->firsts, 1);
}

/* D-6: a new policy counts with the next datagram, and who is refused by it
 * may not answer any more; no heartbeat counts as run out (D-5). */
static void
test_policy_changes(void **state)
{
	struct rig *r = *state;
	struct endpoint world;
	uint64_t now = clock_mono_us();

	clock_test_set(now, 1);
	hear_policy(r);
	begin(r);
	send_to(r, &r->target_at, "1");
	turn(r);
	world = expect_text(r->target, "1");
	script.generation++;
	hear_policy(r);
	script.kind = RULING_REFUSED;
	send_to(r, &r->target_at, "2");
	turn(r);
	expect_silence(r->target);
	answer(r->target, &world, "late");
	turn(r);
	expect_silence(r->client);
	assert_int_equal(count(r, UDP_DOWN, UDP_UNSOLICITED), 1);
	script.kind = RULING_OPEN;
	script.generation++;
	hear_policy(r);
	send_to(r, &r->target_at, "3");
	turn(r);
	(void)expect_text(r->target, "3");
	assert_int_equal(script.asked, 3);
	clock_test_set(now + POLICY_VIEW_FRESH_MS * 1000, 1);
	send_to(r, &r->target_at, "4");
	turn(r);
	assert_int_equal(script.asked, 4);
}

/* `out` gets a datagram to a name, `text` its payload; its length. */
static size_t
wrap_name(char *out, const char *name, uint16_t port, const char *text)
{
	size_t len = strlen(name), n = 5 + len;

	memcpy(out, "\0\0\0\3", 4);
	out[4] = (char)len;
	memcpy(out + 5, name, len);
	out[n++] = (char)(port >> 8);
	out[n++] = (char)port;
	memcpy(out + n, text, strlen(text));
	return n + strlen(text);
}

static struct judgement *
start_and_move(const struct judge *j, const struct judge_question *q,
    struct judge_answer *now, judge_done_fn *done, void *arg)
{
	struct rig *r = (struct rig *)j->gate;

	/* The one between them brings a new policy and a new address. */
	if (!q->dest->is_name) {
		script.generation++;
		hear_policy(r);
		script.addr.b[15] = 2;
	}
	return play_start(j, q, now, done, arg);
}

/* All of one batch: what was on its way out to the old address goes there,
 * though the contact is gone before it leaves. */
static void
test_name_moves_within_a_batch(void **state)
{
	struct rig *r = *state;
	struct endpoint old = { addr_from_v4((uint8_t[]){ 127, 0, 0, 1 }), 0 };
	struct endpoint here, there;
	int first = udp_at("127.0.0.1:0", &here), second;
	char at[ENDPOINT_TEXT_SIZE], out[64];
	struct judge moving = { .start = start_and_move,
		.cancel = play_cancel, .gate = (struct gate *)r };

	old.addr.b[15] = 2;
	old.port = here.port;
	endpoint_format(at, &old);
	second = udp_at(at, &there);
	r->judge = &moving;
	begin(r);
	script.addr = here.addr;
	send_from(r, r->client, out, wrap_name(out, "a.b", here.port, "1"));
	turn(r);
	(void)expect_text(first, "1");
	send_from(r, r->client, out, wrap_name(out, "a.b", here.port, "2"));
	send_to(r, &r->target_at, "x");
	send_from(r, r->client, out, wrap_name(out, "a.b", here.port, "3"));
	turn(r);
	(void)expect_text(first, "2");
	(void)expect_text(second, "3");
	(void)expect_text(r->target, "x");
	close(first);
	close(second);
}

/* U-3: as many destinations as may be, and no more of anything. */
static void
test_many_destinations(void **state)
{
	struct rig *r = *state;
	struct endpoint to = { addr_from_v4((uint8_t[]){ 127, 9, 0, 1 }), 9 };
	uint64_t now = clock_mono_us();

	script.kind = RULING_REFUSED;
	clock_test_set(now, 1);
	hear_policy(r);
	begin(r);
	for (unsigned i = 0; i < 100000; i++) {
		to.addr.b[13] = (uint8_t)(i >> 16);
		to.addr.b[14] = (uint8_t)(i >> 8);
		to.addr.b[15] = (uint8_t)i;
		send_to(r, &to, "scan");
		if (i % 64 == 63)
			turn(r);
	}
	turn(r);
	assert_int_equal(script.asked, 256);
	assert_int_equal(count(r, UDP_UP, UDP_REFUSED), 256);
	assert_int_equal(count(r, UDP_UP, UDP_DESTINATIONS), 100000 - 256);
	clock_test_set(now + PEERS_SILENT_S * 1000000ull, 1);
	hear_policy(r);
	script.kind = RULING_OPEN;
	check_round_trip(r);
}

/* ---- sizes, limits, errors ---- */

/* Case 71: up to what fits, either way; whole or not at all. */
static void
test_sizes(void **state)
{
	static char big[UDP_PAYLOAD_MAX_V4], want[UDP_PAYLOAD_MAX_V4];
	static const size_t fits[] = { 1, 1500, 9000, 65000,
		UDP_PAYLOAD_MAX_V4 - SOCKS5_UDP_HEADER_V4 };
	struct rig *r = *state;
	struct endpoint world;
	struct sockaddr_storage sa;
	socklen_t len;
	size_t n;

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7);
	begin(r);
	for (size_t i = 0; i < ARRAY_LEN(fits); i++) {
		n = wrap(want, &r->target_at, big, fits[i]);
		send_from(r, r->client, want, n);
		turn(r);
		world = expect(r->target, big, fits[i]);
		len = endpoint_to_sockaddr(&world, &sa);
		assert_int_equal(sendto(r->target, big, fits[i], 0,
		    (struct sockaddr *)&sa, len), fits[i]);
		turn(r);
		(void)expect(r->client, want, n);
	}
	assert_int_equal(sendto(r->target, big, sizeof(big), 0,
	    (struct sockaddr *)&sa, len), sizeof(big));
	turn(r);
	expect_silence(r->client);
	assert_int_equal(count(r, UDP_DOWN, UDP_TOO_LARGE), 1);
	assert_int_equal(assoc_count(r->assoc).packets_down, ARRAY_LEN(fits));
}

/* IPv6 carries twenty bytes more than IPv4. */
static void
test_too_large_for_v4(void **state)
{
	static char big[UDP_PAYLOAD_MAX_V6], out[UDP_PAYLOAD_MAX_V6];
	struct rig *r = *state;

	begin_at(r, "[::1]:0", "127.0.0.1:0", 0);
	send_from(r, r->client, out, wrap(out, &r->target_at, big,
	    UDP_PAYLOAD_MAX_V4 + 1));
	send_from(r, r->client, out, wrap(out, &r->target_at, big,
	    UDP_PAYLOAD_MAX_V4));
	turn(r);
	(void)expect(r->target, big, UDP_PAYLOAD_MAX_V4);
	assert_int_equal(count(r, UDP_UP, UDP_TOO_LARGE), 1);
}

/* Case 76: packets, then bytes, each way; they come back with time. */
static void
test_limits(void **state)
{
	struct rig *r = *state;
	uint64_t now = clock_mono_us();
	char text[1001];

	memset(text, 'x', 1000);
	text[1000] = '\0';
	r->cfg.udp_packets_per_second = 10;
	clock_test_set(now, 1);
	hear_policy(r);
	begin(r);
	for (int i = 0; i < 30; i++)
		send_to(r, &r->target_at, "x");
	turn(r);
	assert_int_equal(count(r, UDP_UP, UDP_RELAYED), 10);
	assert_int_equal(count(r, UDP_UP, UDP_LIMIT), 20);
	now += 500000;
	clock_test_set(now, 1);
	for (int i = 0; i < 30; i++)
		send_to(r, &r->target_at, "x");
	turn(r);
	assert_int_equal(count(r, UDP_UP, UDP_RELAYED), 15);
	r->cfg.udp_packets_per_second = 0;
	r->cfg.udp_bytes_per_second = 100000;
	assoc_room_reload(r->room, &r->cfg);
	for (int i = 0; i < 150; i++) {
		send_to(r, &r->target_at, text);
		turn(r);
	}
	assert_int_equal(count(r, UDP_UP, UDP_RELAYED), 115);
	now += 100000;
	clock_test_set(now, 1);
	for (int i = 0; i < 15; i++)
		send_to(r, &r->target_at, text);
	turn(r);
	assert_int_equal(count(r, UDP_UP, UDP_RELAYED), 125);
}

/* Case 75: one closed port says nothing of the others. */
static void
test_port_unreachable(void **state)
{
	struct rig *r = *state;
	struct endpoint closed;
	int fd = udp_at("127.0.0.1:0", &closed);

	begin(r);
	close(fd);
	for (int i = 0; i < 3; i++) {
		send_to(r, &closed, "knock");
		send_to(r, &r->target_at, "ping");
	}
	turn(r);
	for (int i = 0; i < 3; i++)
		(void)expect_text(r->target, "ping");
	turn(r);
	assert_int_equal(count(r, UDP_UP, UDP_UNREACHABLE), 3);
	assert_int_equal(count(r, UDP_UP, UDP_RELAYED), 6);
	assert_int_equal(count(r, UDP_UP, UDP_ERROR), 0);
	assert_false(r->done);
}

/* ---- the end ---- */

static void
expect_end(struct rig *r, enum assoc_end end)
{
	io_run(r->base, &r->done);
	assert_int_equal(r->end, end);
	/* Nothing more is relayed, even before it is freed. */
	send_to(r, &r->target_at, "late");
	turn(r);
	expect_silence(r->target);
}

/* Case 72. */
static void
test_control_fin(void **state)
{
	struct rig *r = *state;

	begin(r);
	assert_int_equal(shutdown(r->control, SHUT_WR), 0);
	expect_end(r, ASSOC_END_CONTROL);
}

static void
test_control_reset(void **state)
{
	const struct linger l = { .l_onoff = 1 };
	struct rig *r = *state;

	begin(r);
	setsockopt(r->control, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(r->control);
	r->control = -1;
	expect_end(r, ASSOC_END_CONTROL);
}

/* Case 73: 64 KiB mean nothing, one byte more ends it. */
static void
test_control_noise(void **state)
{
	static char noise[ASSOC_CONTROL_MAX / 16];
	struct rig *r = *state;

	begin(r);
	for (int i = 0; i < 16; i++) {
		assert_int_equal(send(r->control, noise, sizeof(noise), 0),
		    sizeof(noise));
		turn(r);
	}
	assert_false(r->done);
	check_round_trip(r);
	assert_int_equal(send(r->control, noise, 1, 0), 1);
	expect_end(r, ASSOC_END_FLOOD);
}

/* Case 74, B12: silence ends it; what is relayed, either way, is no silence,
 * and what is dropped is. */
static void
test_idle(void **state)
{
	struct rig *r = *state;
	uint64_t now = clock_mono_us(), s = 1000000;
	struct endpoint world;

	clock_test_set(now, 1);
	hear_policy(r);
	begin(r);
	clock_test_set(now + 119 * s, 1);
	assoc_room_expire(r->room);
	hear_policy(r);
	send_to(r, &r->target_at, "up");
	turn(r);
	world = expect_text(r->target, "up");
	clock_test_set(now + 230 * s, 1);
	assoc_room_expire(r->room);
	answer(r->target, &world, "down");
	turn(r);
	clock_test_set(now + 349 * s, 1);
	answer(r->stranger, &world, "spam");
	turn(r);
	assoc_room_expire(r->room);
	assert_false(r->done);
	clock_test_set(now + 351 * s, 1);
	assoc_room_expire(r->room);
	assert_true(r->done);
	assert_int_equal(r->end, ASSOC_END_IDLE);
}

static void
test_lifetime(void **state)
{
	struct rig *r = *state;
	uint64_t now = clock_mono_us();

	r->cfg.timeouts_lifetime = 60000;
	clock_test_set(now, 1);
	begin(r);
	clock_test_set(now + 59000000, 1);
	assoc_room_expire(r->room);
	assert_false(r->done);
	clock_test_set(now + 61000000, 1);
	assoc_room_expire(r->room);
	assert_true(r->done);
	assert_int_equal(r->end, ASSOC_END_LIFETIME);
}

/* A shorter idle time holds for who runs already. */
static void
test_reload(void **state)
{
	struct rig *r = *state;
	uint64_t now = clock_mono_us();

	clock_test_set(now, 1);
	begin(r);
	r->cfg.timeouts_udp_idle = 5000;
	assoc_room_reload(r->room, &r->cfg);
	clock_test_set(now + 6000000, 1);
	assoc_room_expire(r->room);
	assert_true(r->done);
}

/* Every descriptor is given back, whatever the end. */
static void
test_descriptors(void **state)
{
	struct rig *r = *state;
	struct endpoint at6;
	int target6 = udp_at("[::1]:0", &at6);
	size_t before;

	begin(r);
	before = io_count_fds();
	send_to(r, &r->target_at, "four");
	send_to(r, &at6, "six");
	turn(r);
	assert_int_equal(io_count_fds(), before + 2);
	assoc_free(&r->assoc, true);
	assert_int_equal(io_count_fds(), before - 2);
	close(target6);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		T(test_round_trip), T(test_v6_world), T(test_v6_client),
		T(test_mixed_batch), T(test_empty_payload), T(test_name),
		T(test_strangers), T(test_latch),
		T(test_locked_from_the_start), T(test_port_change),
		T(test_malformed), T(test_unsolicited), T(test_full_cone),
		T(test_blast), T(test_refused), T(test_held),
		T(test_held_is_bounded), T(test_lease_runs_out),
		T(test_policy_changes), T(test_name_moves_within_a_batch),
		T(test_many_destinations),
		T(test_sizes), T(test_too_large_for_v4), T(test_limits),
		T(test_port_unreachable), T(test_control_fin),
		T(test_control_reset), T(test_control_noise), T(test_idle),
		T(test_lifetime), T(test_reload), T(test_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
