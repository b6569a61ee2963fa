/* SPDX-License-Identifier: MIT */
/*
 * What an association carries, for whom, and from whom.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "assoc_rig.h"

/* ---- the way out and back ---- */

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
		T(test_blast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
