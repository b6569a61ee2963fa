/* SPDX-License-Identifier: MIT */
/*
 * Much at once, slow readers, memory; conformance cases 45 and 48.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <sys/ioctl.h>

#include "relay_rig.h"

static void
transfer(const struct proxy_config *cfg, uint64_t total)
{
	size_t fds = io_count_fds();
	struct world w;

	world_new(&w, cfg);
	struct far_end a = { w.client, 0, 0, total, 1, 2 };
	struct far_end b = { w.target, 0, 0, total, 2, 1 };

	while (!w.ended) {
		far_send(&a);
		far_send(&b);
		io_turn(w.base, 1);
		far_receive(&a);
		far_receive(&b);
	}
	while (a.got < total || b.got < total) {
		far_receive(&a);
		far_receive(&b);
	}
	assert_int_equal(a.got, total);
	assert_int_equal(b.got, total);
	assert_int_equal(relay_count(w.relay).up, total);
	assert_int_equal(relay_count(w.relay).down, total);
	world_free(&w);
	assert_int_equal(io_count_fds(), fds);
}

/* Case 48. */
static void
test_both_ways_at_once(void **state)
{
	struct proxy_config cfg = config();

	(void)state;
	cfg.relay_splice_after = 0;
	transfer(&cfg, 64 * MIB);
	cfg.relay_splice_after = 1;
	transfer(&cfg, 64 * MIB);
	cfg.relay_splice_after = 262144;
	cfg.relay_buffer = 4096;	/* turns bulk all the same */
	transfer(&cfg, 4 * MIB);
}

/* How much the relay has read from this socket. */
static uint64_t
taken_from(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int unread = 0;

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len),
	    0);
	assert_int_equal(ioctl(fd, SIOCINQ, &unread), 0);
	return info.tcpi_bytes_received - (uint64_t)unread;
}

/*
 * Case 45: who sends is stopped; the relay holds a buffer or a pipe at most
 * and the loop is silent. Then everything arrives.
 */
static void
slow_reader(const struct proxy_config *cfg, size_t most)
{
	struct far_end a = { .total = UINT64_MAX, .tx = 1 }, b = { .rx = 1 };
	uint64_t before, held;
	struct world w;

	at(0);
	world_new(&w, cfg);
	a.fd = w.client;
	b.fd = w.target;
	do {
		before = a.sent;
		for (unsigned i = 0; i < 100; i++) {
			far_send(&a);
			io_turn(w.base, 1);
		}
	} while (a.sent > before);
	held = taken_from(w.client_near) - relay_count(w.relay).up;
	assert_in_range(held, 1, most);
	for (unsigned s = 0; s < 4; s++) {
		assert_true(falls_silent(w.base));
		at(s);
		relay_room_expire(w.room);
		io_turn(w.base, 2);
	}
	while (b.got < a.sent) {
		far_receive(&b);
		io_turn(w.base, 1);
	}
	assert_int_equal(relay_count(w.relay).up, a.sent);
	world_free(&w);
}

static void
test_slow_reader(void **state)
{
	struct proxy_config cfg = config();

	(void)state;
	cfg.relay_splice_after = 0;
	slow_reader(&cfg, 65536);
	cfg.relay_splice_after = 65536;
	slow_reader(&cfg, 1 << 20);
}

#define CROWD 20

/* Sessions that share a room, every other one the other way. */
struct crowd {
	struct world w[CROWD + 1];
	struct far_end from[CROWD + 1], to[CROWD + 1];
};

/* So that less fills what the kernel holds. */
static void
shrink(int fd)
{
	int size = 65536;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static void
crowd_new(struct crowd *c, const struct proxy_config *cfg)
{
	world_open(&c->w[0], cfg);
	for (unsigned i = 0; i <= CROWD; i++) {
		struct world *w = &c->w[i];
		bool up = i % 2 == 0;

		if (i > 0)
			*w = (struct world){ .base = c->w[0].base,
				.room = c->w[0].room };
		world_connect(w, NULL, 0);
		shrink(w->client_near);
		shrink(w->target_near);
		shrink(up ? w->client : w->target);
		c->from[i] = (struct far_end){ .fd = up ? w->client : w->target,
			.total = UINT64_MAX, .tx = i };
		c->to[i] = (struct far_end){ .fd = up ? w->target : w->client,
			.rx = i };
	}
}

static void
crowd_free(struct crowd *c)
{
	for (unsigned i = 1; i <= CROWD; i++) {
		relay_free(&c->w[i].relay, false);
		close(c->w[i].client);
		close(c->w[i].target);
	}
	world_free(&c->w[0]);
}

/* Threats A-4: what is held for those who do not read is bounded, one who
 * does read is served meanwhile, and everything arrives in the end. */
static void
crowd_of_slow_readers(const struct proxy_config *cfg, size_t least)
{
	struct crowd c;
	struct relay_room *room;
	uint64_t before, sent = 0;

	crowd_new(&c, cfg);
	room = c.w[0].room;
	do {
		before = sent;
		sent = 0;
		for (unsigned i = 0; i < CROWD; i++) {
			far_send(&c.from[i]);
			io_turn(c.w[0].base, 1);
			sent += c.from[i].sent;
			assert_true(relay_room_memory(room) <=
			    cfg->relay_memory_max);
		}
	} while (sent > before || !is_silent(c.w[0].base));
	assert_true(relay_room_memory(room) >= least);
	while (c.to[CROWD].got < MIB) {
		far_send(&c.from[CROWD]);
		io_turn(c.w[0].base, 1);
		far_receive(&c.to[CROWD]);
		assert_true(relay_room_memory(room) <= cfg->relay_memory_max);
	}
	for (unsigned i = 0; i <= CROWD; i++)
		while (c.to[i].got < c.from[i].sent) {
			io_turn(c.w[0].base, 1);
			far_receive(&c.to[i]);
		}
	assert_true(falls_silent(c.w[0].base));
	crowd_free(&c);
}

static void
test_memory_is_bounded(void **state)
{
	struct proxy_config cfg = config();

	(void)state;
	cfg.relay_splice_after = 0;
	cfg.relay_memory_max = 8 * cfg.relay_buffer;
	crowd_of_slow_readers(&cfg, 1);
	/* Not even one buffer may be held. */
	cfg.relay_memory_max = cfg.relay_buffer - 1;
	crowd_of_slow_readers(&cfg, 0);
	/* Two pipes, and a few buffers. */
	cfg.relay_splice_after = 1;
	cfg.relay_memory_max = 4 * MIB;
	crowd_of_slow_readers(&cfg, MIB);
}

/* An equal share each; a reload changes it for those who run. */
static void
test_memory_is_shared(void **state)
{
	struct proxy_config cfg = config();
	struct world w;

	(void)state;
	cfg.relay_splice_after = 0;
	cfg.relay_memory_max = 4 * cfg.relay_buffer;
	for (unsigned rooms = 1; rooms <= 8; rooms *= 8) {
		world_open(&w, &cfg);
		relay_room_free(&w.room);
		w.room = relay_room_new(w.base, &cfg, rooms);
		world_connect(&w, NULL, 0);
		hold_back(&w, w.client);
		if (rooms == 1)
			assert_true(relay_room_memory(w.room) > 0);
		else
			assert_int_equal(relay_room_memory(w.room), 0);
		world_free(&w);
	}
	/* Nothing set: some of the machine's memory, so it is used. */
	cfg.relay_memory_max = 0;
	world_new(&w, &cfg);
	hold_back(&w, w.client);
	assert_true(relay_room_memory(w.room) > 0);
	world_free(&w);
}

/* Freed in the middle, with bytes in a pipe that must not meet another. */
static void
test_free_while_held(void **state)
{
	struct proxy_config cfg = config();
	struct far_end a = { .total = UINT64_MAX, .tx = 1 };
	size_t fds = io_count_fds();
	struct world w;

	(void)state;
	cfg.relay_splice_after = 1;
	world_open(&w, &cfg);
	for (unsigned k = 0; k < 10; k++) {
		world_connect(&w, NULL, 0);
		a.fd = w.client;
		for (unsigned i = 0; i < 1000; i++) {
			far_send(&a);
			io_turn(w.base, 1);
		}
		relay_free(&w.relay, true);
		close(w.client);
		close(w.target);
		w.client = w.target = -1;
	}
	world_connect(&w, NULL, 0);
	struct far_end c = { w.client, 0, 0, MIB, 7, 0 };
	struct far_end d = { w.target, 0, 0, 0, 0, 7 };

	while (d.got < MIB) {
		far_send(&c);
		io_turn(w.base, 1);
		far_receive(&d);
	}
	world_free(&w);
	assert_int_equal(io_count_fds(), fds);
}

/* Receives `len` bytes, of which the one at `mark` is '!', the others 'a'. */
static void
expect_marked(struct world *w, size_t len, size_t mark)
{
	char in[4096];
	size_t got = 0;

	for (unsigned turns = 0; got < len && turns < 10000; turns++) {
		ssize_t n = recv(w->target, in, sizeof(in), 0);

		for (ssize_t i = 0; i < n; i++, got++)
			assert_int_equal(in[i], got == mark ? '!' : 'a');
		io_turn(w->base, 1);
	}
	assert_int_equal(got, len);
}

/* Case 48: an urgent byte stays in its place, also between spliced ones. */
static void
test_urgent(void **state)
{
	struct proxy_config cfg = config();
	char bulk[32768];

	(void)state;
	memset(bulk, 'a', sizeof(bulk));
	for (unsigned way = 0; way < 3; way++) {
		struct world w;
		int on = 1;

		/* Copied, spliced, looked at before it is taken. */
		cfg.relay_splice_after = way == 1;
		cfg.relay_memory_max = way == 2 ? 1 : 0;
		world_new(&w, &cfg);
		setsockopt(w.client_near, SOL_SOCKET, SO_OOBINLINE, &on,
		    sizeof(on));
		(void)!send(w.client, bulk, sizeof(bulk), 0);
		expect_marked(&w, sizeof(bulk), SIZE_MAX);
		(void)!send(w.client, bulk, sizeof(bulk), 0);
		assert_int_equal(send(w.client, "!", 1, MSG_OOB), 1);
		(void)!send(w.client, bulk, sizeof(bulk), 0);
		expect_marked(&w, 2 * sizeof(bulk) + 1, sizeof(bulk));
		assert_true(falls_silent(w.base));
		world_free(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways_at_once),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_memory_is_shared),
		cmocka_unit_test(test_free_while_held),
		cmocka_unit_test(test_urgent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
