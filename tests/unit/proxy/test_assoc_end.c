/* SPDX-License-Identifier: MIT */
/*
 * The bounds of an association, and its end.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "assoc_rig.h"

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
		T(test_sizes), T(test_too_large_for_v4), T(test_limits),
		T(test_port_unreachable), T(test_control_fin),
		T(test_control_reset), T(test_control_noise), T(test_idle),
		T(test_lifetime), T(test_reload), T(test_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
