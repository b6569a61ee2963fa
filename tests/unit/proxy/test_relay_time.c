/* SPDX-License-Identifier: MIT */
/*
 * What ends a relay in time; conformance cases 46 and 47.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/tcp.h>

#include "relay_rig.h"

/* Case 47: re-armed by every byte. */
static void
test_idle(void **state)
{
	struct proxy_config cfg = config();
	struct world w;

	(void)state;
	at(0);
	world_new(&w, &cfg);
	for (uint64_t t = 3000; t <= 9000; t += 3000) {
		at(t);
		relay_room_expire(w.room);
		put(t % 2000 == 0 ? w.client : w.target, "x");
		expect(&w, t % 2000 == 0 ? w.target : w.client, "x", 1);
	}
	at(9000 + 3599);
	relay_room_expire(w.room);
	assert_false(w.ended);
	at(9000 + 3600);
	relay_room_expire(w.room);
	assert_true(w.ended);
	assert_int_equal(w.end, RELAY_END_IDLE);
	world_free(&w);
}

/* Case 46: a limit of its own, re-armed by every byte (below). */
static void
test_half_open(void **state)
{
	struct proxy_config cfg = config();

	(void)state;
	for (int first = 0; first < 2; first++) {
		struct world w;
		int a, b;

		at(0);
		world_new(&w, &cfg);
		a = first == 0 ? w.client : w.target;
		b = first == 0 ? w.target : w.client;
		at(10);		/* the next look would be for the idle time */
		relay_room_expire(w.room);
		shutdown(a, SHUT_WR);
		assert_int_equal(expect_end(&w, b), 0);
		at(1810);
		relay_room_expire(w.room);
		assert_true(w.ended);
		assert_int_equal(w.end, RELAY_END_HALF_OPEN);
		world_free(&w);
	}
}

static void
test_half_open_is_rearmed(void **state)
{
	struct proxy_config cfg = config();

	(void)state;
	for (int first = 0; first < 2; first++) {
		struct world w;
		int a, b;

		at(0);
		world_new(&w, &cfg);
		a = first == 0 ? w.client : w.target;
		b = first == 0 ? w.target : w.client;
		shutdown(a, SHUT_WR);
		assert_int_equal(expect_end(&w, b), 0);
		for (uint64_t t = 1700; t <= 5100; t += 1700) {
			at(t);
			relay_room_expire(w.room);
			put(b, "x");
			expect(&w, a, "x", 1);
		}
		at(5100 + 1799);
		relay_room_expire(w.room);
		assert_false(w.ended);
		at(5100 + 1800);
		relay_room_expire(w.room);
		assert_true(w.ended);
		assert_int_equal(w.end, RELAY_END_HALF_OPEN);
		world_free(&w);
	}
}

static void
test_lifetime(void **state)
{
	struct proxy_config cfg = config();
	struct world w;

	(void)state;
	cfg.timeouts_idle = 0;
	cfg.timeouts_lifetime = 7200 * 1000;
	at(0);
	world_new(&w, &cfg);
	at(7199);
	put(w.client, "x");
	expect(&w, w.target, "x", 1);
	relay_room_expire(w.room);
	assert_false(w.ended);
	at(7200);
	relay_room_expire(w.room);
	assert_int_equal(w.end, RELAY_END_LIFETIME);
	assert_true(w.ended);
	world_free(&w);
}

static void
test_no_limits(void **state)
{
	struct proxy_config cfg = config();
	struct world w;

	(void)state;
	cfg.timeouts_idle = cfg.timeouts_half_open = 0;
	at(0);
	world_new(&w, &cfg);
	at(100000000);
	relay_room_expire(w.room);
	assert_false(w.ended);
	put(w.client, "still");
	expect(&w, w.target, "still", 5);
	world_free(&w);
}

static void
test_reload(void **state)
{
	struct proxy_config cfg = config();
	struct world w;

	(void)state;
	at(0);
	world_new(&w, &cfg);
	at(100);
	relay_room_expire(w.room);
	cfg.timeouts_idle = 60000;
	relay_room_reload(w.room, &cfg);
	assert_false(w.ended);
	at(101);
	relay_room_expire(w.room);
	assert_true(w.ended);
	assert_int_equal(w.end, RELAY_END_IDLE);
	world_free(&w);
}

/* The room's own timer does it as well: no call here but the loop's. */
static void
test_timer(void **state)
{
	struct proxy_config cfg = config();
	struct world w;

	(void)state;
	cfg.timeouts_idle = 1000;
	clock_test_set(999999, 0);
	world_new(&w, &cfg);
	clock_test_set(2 * SECOND, 0);
	io_run(w.base, &w.ended);
	assert_int_equal(w.end, RELAY_END_IDLE);
	world_free(&w);
}

static int
option(int fd, int level, int name)
{
	int v = 0;
	socklen_t len = sizeof(v);

	assert_int_equal(getsockopt(fd, level, name, &v, &len), 0);
	return v;
}

/* Relays that all end in the same second, and one loop. */
static void
test_many_at_once(void **state)
{
	enum { N = 2 * RELAY_LOOKS_MAX + 1 };
	struct world *many = xcalloc(N, sizeof(*many));
	struct proxy_config cfg = config();
	unsigned ended, turns = 0;

	(void)state;
	cfg.timeouts_idle = 1000;
	clock_test_set(999999, 0);
	world_open(&many[0], &cfg);
	for (unsigned i = 0; i < N; i++) {
		many[i].base = many[0].base;
		many[i].room = many[0].room;
		world_connect(&many[i], NULL, 0);
	}
	clock_test_set(2 * SECOND, 0);
	do {
		unsigned before = turns == 0 ? 0 : ended;

		event_base_loop(many[0].base, EVLOOP_ONCE);
		turns++;
		ended = 0;
		for (unsigned i = 0; i < N; i++)
			ended += many[i].ended;
		assert_true(ended - before <= RELAY_LOOKS_MAX);
	} while (ended < N);
	for (unsigned i = N; i-- > 1;) {
		relay_free(&many[i].relay, false);
		close(many[i].client);
		close(many[i].target);
	}
	world_free(&many[0]);
	free(many);
}

/* Ruling 5: keepalive once the session has lived 5 s. */
static void
test_settles(void **state)
{
	struct proxy_config cfg = config();
	struct world w;

	(void)state;
	at(0);
	world_new(&w, &cfg);
	at(4);
	relay_room_expire(w.room);
	assert_int_equal(option(w.target_near, SOL_SOCKET, SO_KEEPALIVE), 0);
	at(5);
	relay_room_expire(w.room);
	assert_int_equal(option(w.target_near, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option(w.target_near, IPPROTO_TCP, TCP_KEEPIDLE),
	    60);
	assert_int_equal(option(w.target_near, IPPROTO_TCP, TCP_KEEPCNT), 3);
	assert_int_equal(option(w.target_near, IPPROTO_TCP, TCP_USER_TIMEOUT),
	    60000);
	assert_int_equal(option(w.client_near, SOL_SOCKET, SO_KEEPALIVE), 0);
	world_free(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_half_open),
		cmocka_unit_test(test_half_open_is_rearmed),
		cmocka_unit_test(test_lifetime),
		cmocka_unit_test(test_no_limits),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_timer),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_settles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
