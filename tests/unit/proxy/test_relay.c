/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <event2/event_struct.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "io_fixture.h"
#include "proxy/relay.h"

#define SECOND UINT64_C(1000000)	/* µs */
#define MIB (UINT64_C(1) << 20)

/* A relay with its neighbours: what a client and a target hold. */
struct world {
	struct event client_event;
	struct event_base *base;
	struct relay_room *room;
	struct relay *relay;
	int client, target;	/* the far ends; -1: closed */
	int client_near, target_near;	/* the relay's */
	bool ended;
	enum relay_end end;
};

static struct proxy_config
config(void)
{
	return (struct proxy_config){
		.relay_buffer = 65536, .relay_splice_after = 262144,
		.timeouts_idle = 3600000, .timeouts_half_open = 1800000,
		.timeouts_keepalive = 60000, .timeouts_user_timeout = 60000,
	};
}

static void
on_end(void *arg, enum relay_end end)
{
	struct world *w = arg;

	assert_false(w->ended);
	w->ended = true;
	w->end = end;
}

/* What conn.c does with the event of its client. */
static void
on_client(evutil_socket_t fd, short what, void *arg)
{
	struct world *w = arg;

	(void)fd;
	relay_ready(w->relay, what);
}

static struct relay *
start_relay(struct world *w, struct stream client, struct stream target,
    const void *early, size_t len)
{
	struct relay_start start = {
		.client = client, .client_event = &w->client_event,
		.target = target, .early = { early, len },
		.done = on_end, .arg = w,
	};

	event_assign(&w->client_event, w->base, client.fd,
	    EV_READ | EV_PERSIST, on_client, w);
	event_add(&w->client_event, NULL);
	return relay_new(w->room, &start);
}

static void
world_open(struct world *w, const struct proxy_config *cfg)
{
	*w = (struct world){ .base = io_base(), .client = -1, .target = -1 };
	w->room = relay_room_new(w->base, cfg, 1);
}

static void
world_connect(struct world *w, const void *early, size_t len)
{
	int c[2], t[2];

	io_tcp_pair(c);
	io_tcp_pair(t);
	w->client = c[0];
	w->client_near = c[1];
	w->target_near = t[0];
	w->target = t[1];
	w->relay = start_relay(w, stream_plain(c[1]), stream_plain(t[0]),
	    early, len);
	assert_non_null(w->relay);
	assert_false(w->ended);
}

static void
world_new(struct world *w, const struct proxy_config *cfg)
{
	world_open(w, cfg);
	world_connect(w, NULL, 0);
}

static void
world_free(struct world *w)
{
	relay_free(&w->relay, false);
	relay_free(&w->relay, false);
	if (w->client >= 0)
		close(w->client);
	if (w->target >= 0)
		close(w->target);
	relay_room_free(&w->room);
	event_base_free(w->base);
	clock_test_reset();
}

/* Turns the loop until `len` bytes came to `fd`, which must be these. */
static void
expect(struct world *w, int fd, const char *bytes, size_t len)
{
	char in[4096];
	size_t got = 0;

	assert_true(len <= sizeof(in));
	for (unsigned i = 0; got < len && i < 100000; i++) {
		ssize_t n = recv(fd, in + got, len - got, 0);

		if (n > 0)
			got += (size_t)n;
		else
			io_turn(w->base, 1);
	}
	assert_int_equal(got, len);
	assert_memory_equal(in, bytes, len);
}

/* Turns the loop until `fd` is at its end: 0 a FIN, else an errno. */
static int
expect_end(struct world *w, int fd)
{
	char in[256];
	ssize_t n;

	for (unsigned i = 0; i < 100000; i++) {
		n = recv(fd, in, sizeof(in), 0);
		if (n >= 0)
			return n == 0 ? 0 : -1;
		if (errno != EAGAIN)
			return errno;
		io_turn(w->base, 1);
	}
	return EAGAIN;
}

static void
at(uint64_t seconds)
{
	clock_test_set(1000 * SECOND + seconds * SECOND, SECOND);
}

static void
put(int fd, const char *s)
{
	assert_int_equal(send(fd, s, strlen(s), MSG_NOSIGNAL), strlen(s));
}

static void
reset(int *fd)
{
	const struct linger l = { 1, 0 };

	setsockopt(*fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(*fd);
	*fd = -1;
}

static void
test_both_ways(void **state)
{
	struct proxy_config cfg = config();
	struct world w;

	(void)state;
	world_new(&w, &cfg);
	for (unsigned i = 0; i < 50; i++) {
		put(w.client, "ping");
		expect(&w, w.target, "ping", 4);
		put(w.target, "pong!");
		expect(&w, w.client, "pong!", 5);
	}
	assert_int_equal(relay_count(w.relay).up, 200);
	assert_int_equal(relay_count(w.relay).down, 250);
	assert_false(w.ended);
	world_free(&w);
}

/* Case 42 and its mirror, 43: the other direction goes on. */
/* What a session delivers is counted at once, not when it ends. */
static void
test_meter(void **state)
{
	static const char *const ways[] = { "up", "down", NULL };
	static const struct metric_labels by_way = { { "way" }, { ways } };
	static const struct metric_def defs[] = {
		{ METRIC_COUNTER, "other_total", "Another" },
		{ METRIC_COUNTER, "bytes_total", "Bytes", &by_way },
	};
	struct metrics *m = metrics_new("test", NULL, defs, 2);
	struct proxy_config cfg = config();
	struct world w;

	(void)state;
	world_open(&w, &cfg);
	relay_room_meter(w.room, metrics_thread(m), 1);
	world_connect(&w, "early", 5);
	expect(&w, w.target, "early", 5);
	put(w.client, "up");
	expect(&w, w.target, "up", 2);
	put(w.target, "down it goes");
	expect(&w, w.client, "down it goes", 12);
	assert_int_equal(metrics_value(m, 1, 0), 7);
	assert_int_equal(metrics_value(m, 1, 1), 12);
	assert_int_equal(metrics_value(m, 0, 0), 0);
	world_free(&w);
	metrics_free(&m);
}

static void
test_half_close(void **state)
{
	struct proxy_config cfg = config();

	(void)state;
	for (int first = 0; first < 2; first++) {
		struct world w;
		int a, b;

		world_new(&w, &cfg);
		a = first == 0 ? w.client : w.target;
		b = first == 0 ? w.target : w.client;
		put(a, "the end");
		shutdown(a, SHUT_WR);
		expect(&w, b, "the end", 7);
		assert_int_equal(expect_end(&w, b), 0);
		for (unsigned i = 0; i < 10; i++) {
			put(b, "response");
			expect(&w, a, "response", 8);
		}
		assert_false(w.ended);
		shutdown(b, SHUT_WR);
		io_run(w.base, &w.ended);
		assert_int_equal(w.end, first == 0 ? RELAY_END_CLIENT
						   : RELAY_END_TARGET);
		relay_free(&w.relay, false);
		assert_int_equal(expect_end(&w, a), 0);
		world_free(&w);
	}
}

/* Case 44: a RST comes out as a RST. */
static void
test_reset(void **state)
{
	struct proxy_config cfg = config();

	(void)state;
	for (int first = 0; first < 2; first++) {
		struct world w;

		world_new(&w, &cfg);
		put(w.client, "x");
		expect(&w, w.target, "x", 1);
		reset(first == 0 ? &w.client : &w.target);
		io_run(w.base, &w.ended);
		assert_int_equal(w.end, first == 0 ? RELAY_END_CLIENT_RESET
						   : RELAY_END_TARGET_RESET);
		relay_free(&w.relay, true);
		assert_int_equal(expect_end(&w,
		    first == 0 ? w.target : w.client), ECONNRESET);
		world_free(&w);
	}
}

/* Sends from one far end until the relay takes no more. */
static void
hold_back(struct world *w, int fd)
{
	char *block = xcalloc(1, MIB);

	for (unsigned i = 0; i < 200; i++) {
		(void)!send(fd, block, MIB, MSG_NOSIGNAL);
		io_turn(w->base, 2);
	}
	free(block);
}

/* The one who does not read is reset: seen by the write. */
static void
test_reset_while_writing(void **state)
{
	struct proxy_config cfg = config();
	struct world w;

	(void)state;
	world_new(&w, &cfg);
	hold_back(&w, w.client);
	reset(&w.target);
	io_run(w.base, &w.ended);
	assert_int_equal(w.end, RELAY_END_TARGET_RESET);
	world_free(&w);
}

/* The one who is not read is reset: seen from its second second on. */
static void
test_reset_while_held_back(void **state)
{
	struct proxy_config cfg = config();

	(void)state;
	for (int first = 0; first < 2; first++) {
		struct world w;

		at(0);
		world_new(&w, &cfg);
		hold_back(&w, first == 0 ? w.client : w.target);
		at(1);
		relay_room_expire(w.room);
		at(2);
		relay_room_expire(w.room);
		io_turn(w.base, 3);
		assert_false(w.ended);
		reset(first == 0 ? &w.client : &w.target);
		io_run(w.base, &w.ended);
		assert_int_equal(w.end, first == 0 ? RELAY_END_CLIENT_RESET
						   : RELAY_END_TARGET_RESET);
		world_free(&w);
	}
}

/* What stops and goes is not looked at, whatever the wheel's second. */
static void
test_held_back_for_less(void **state)
{
	struct proxy_config cfg = config();
	struct world w;
	char *in = xmalloc(MIB);

	(void)state;
	at(0);
	world_new(&w, &cfg);
	for (unsigned s = 1; s < 5; s++) {
		uint64_t before = relay_count(w.relay).up;

		hold_back(&w, w.client);
		while (relay_count(w.relay).up == before) {
			(void)!recv(w.target, in, MIB, 0);
			io_turn(w.base, 1);
		}
		hold_back(&w, w.client);
		at(s);
		relay_room_expire(w.room);
	}
	reset(&w.client);
	io_turn(w.base, 10);
	assert_false(w.ended);
	at(5);
	relay_room_expire(w.room);
	io_run(w.base, &w.ended);
	assert_int_equal(w.end, RELAY_END_CLIENT_RESET);
	free(in);
	world_free(&w);
}

/* Nor is one who has sent its FIN read: its reset comes through as well. */
static void
test_reset_after_fin(void **state)
{
	struct proxy_config cfg = config();

	(void)state;
	for (int first = 0; first < 2; first++) {
		struct world w;

		at(0);
		world_new(&w, &cfg);
		shutdown(first == 0 ? w.client : w.target, SHUT_WR);
		assert_int_equal(expect_end(&w,
		    first == 0 ? w.target : w.client), 0);
		at(1);
		relay_room_expire(w.room);
		at(2);
		relay_room_expire(w.room);
		io_turn(w.base, 3);
		assert_false(w.ended);
		reset(first == 0 ? &w.client : &w.target);
		io_run(w.base, &w.ended);
		assert_int_equal(w.end, first == 0 ? RELAY_END_CLIENT_RESET
						   : RELAY_END_TARGET_RESET);
		world_free(&w);
	}
}

/* Case 3: first, in order, counted. */
static void
test_early(void **state)
{
	struct proxy_config cfg = config();
	struct world w;

	(void)state;
	world_open(&w, &cfg);
	world_connect(&w, "GET / ", 6);
	put(w.client, "HTTP");
	expect(&w, w.target, "GET / HTTP", 10);
	assert_int_equal(relay_count(w.relay).up, 10);
	world_free(&w);
}

/* Early bytes for a target that takes none yet wait their turn. */
static void
test_early_is_kept(void **state)
{
	struct proxy_config cfg = config();
	char *junk = xcalloc(1, 16 * MIB), *in = xmalloc(16 * MIB);
	size_t filled = 0, got = 0;
	int c[2], t[2];
	struct world w;
	ssize_t n;

	(void)state;
	world_open(&w, &cfg);
	io_tcp_pair(c);
	io_tcp_pair(t);
	while ((n = send(t[0], junk, 16 * MIB, 0)) > 0)
		filled += (size_t)n;
	w.client = c[0];
	w.target = t[1];
	w.relay = start_relay(&w, stream_plain(c[1]), stream_plain(t[0]),
	    "early", 5);
	put(w.client, "late");
	for (unsigned i = 0; got < filled + 9 && i < 100000; i++) {
		n = recv(w.target, in, 16 * MIB, 0);
		if (n > 0)
			got += (size_t)n;
		if (n >= 9 && got == filled + 9)
			assert_memory_equal(in + n - 9, "earlylate", 9);
		io_turn(w.base, 1);
	}
	assert_int_equal(got, filled + 9);
	assert_int_equal(relay_count(w.relay).up, 9);
	free(junk);
	free(in);
	world_free(&w);
}

static void
test_early_to_a_dead_target(void **state)
{
	struct proxy_config cfg = config();
	int c[2], t[2];
	struct world w;

	(void)state;
	world_open(&w, &cfg);
	io_tcp_pair(c);
	io_tcp_pair(t);
	w.client = c[0];
	reset(&t[1]);
	w.relay = start_relay(&w, stream_plain(c[1]), stream_plain(t[0]),
	    "early", 5);
	assert_non_null(w.relay);
	assert_false(w.ended);
	io_run(w.base, &w.ended);
	assert_int_equal(w.end, RELAY_END_TARGET_RESET);
	world_free(&w);
}

/* ------------------------------------------------------------ bulk */

/* One end of a transfer: sends and checks a sequence that never repeats in
 * step with a power of two. */
struct far_end {
	int fd;
	uint64_t sent, got, total;
	uint32_t tx, rx;	/* state of the sequences */
};

static void
fill(char *out, size_t n, uint32_t *x)
{
	for (size_t i = 0; i < n; i++) {
		*x = *x * 1664525 + 1013904223;
		out[i] = (char)(*x >> 24);
	}
}

static void
far_send(struct far_end *e)
{
	static char block[32768];
	uint64_t left = e->total - e->sent;
	size_t n = left < sizeof(block) ? (size_t)left : sizeof(block);
	uint32_t x = e->tx;
	ssize_t w;

	fill(block, n, &x);
	w = send(e->fd, block, n, MSG_NOSIGNAL);
	if (w <= 0)
		return;
	fill(block, (size_t)w, &e->tx);
	e->sent += (uint64_t)w;
	if (e->sent == e->total)
		shutdown(e->fd, SHUT_WR);
}

static void
far_receive(struct far_end *e)
{
	static char in[65536], want[65536];
	ssize_t n = recv(e->fd, in, sizeof(in), 0);

	if (n <= 0)
		return;
	fill(want, (size_t)n, &e->rx);
	assert_memory_equal(in, want, n);
	e->got += (uint64_t)n;
}

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

/* Nothing happens in the loop for a while. */
static bool
is_silent(struct event_base *base)
{
	const struct timeval a_while = { 0, 30000 };

	event_base_loopexit(base, &a_while);
	event_base_loop(base, EVLOOP_ONCE);
	return event_base_got_exit(base);
}

/* The kernel may still be busy with what was sent; a loop that spins never is
 * silent. */
static bool
falls_silent(struct event_base *base)
{
	for (unsigned i = 0; i < 100; i++)
		if (is_silent(base))
			return true;
	return false;
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

/* -------------------------------------------------- streams of other kinds */

/* Unspliceable, gives two bytes at a time from a store of its own, as TLS
 * may; fails with an errno where told so. */
struct odd {
	char store[4096];
	size_t at, len;
	int read_error, write_error;
};

static ssize_t
odd_read(struct stream *s, void *p, size_t len)
{
	struct odd *o = s->state;
	size_t n = len < 2 ? len : 2;

	if (o->read_error != 0) {
		errno = o->read_error;
		return -1;
	}
	if (o->at == o->len) {
		ssize_t r = recv(s->fd, o->store, sizeof(o->store), 0);

		if (r <= 0)
			return r;
		o->at = 0;
		o->len = (size_t)r;
	}
	if (n > o->len - o->at)
		n = o->len - o->at;
	memcpy(p, o->store + o->at, n);
	o->at += n;
	return (ssize_t)n;
}

static ssize_t
odd_write(struct stream *s, const void *p, size_t len)
{
	struct odd *o = s->state;

	if (o->write_error != 0) {
		errno = o->write_error;
		return -1;
	}
	return send(s->fd, p, len < 3 ? len : 3, MSG_NOSIGNAL);
}

static int
odd_shutdown(struct stream *s)
{
	return shutdown(s->fd, SHUT_WR);
}

static void
odd_close(struct stream *s, bool abort)
{
	(void)abort;
	close(s->fd);
}

static const struct stream_ops odd_ops = {
	"odd", false, odd_read, odd_write, odd_shutdown, odd_close,
};

static void
world_odd(struct world *w, struct odd *client, struct odd *target,
    const struct proxy_config *cfg)
{
	int c[2], t[2];

	world_open(w, cfg);
	io_tcp_pair(c);
	io_tcp_pair(t);
	w->client = c[0];
	w->target = t[1];
	w->relay = start_relay(w,
	    (struct stream){ &odd_ops, c[1], client },
	    (struct stream){ &odd_ops, t[0], target }, NULL, 0);
	assert_non_null(w->relay);
}

/* What is inside a stream moves on without news from its socket. */
static void
test_store_inside_a_stream(void **state)
{
	struct proxy_config cfg = config();
	struct odd client = { .at = 0 }, target = { .at = 0 };
	char text[3001];
	struct world w;

	(void)state;
	cfg.relay_splice_after = 1;
	for (size_t i = 0; i < 3000; i++)
		text[i] = (char)('a' + i % 26);
	text[3000] = '\0';
	world_odd(&w, &client, &target, &cfg);
	put(w.client, text);
	shutdown(w.client, SHUT_WR);
	expect(&w, w.target, text, 3000);
	assert_int_equal(expect_end(&w, w.target), 0);
	world_free(&w);
}

struct error_case {
	int client_read, client_write, target_read, target_write;
	enum relay_end end;
};

static const struct error_case errors[] = {
	{ ECONNRESET, 0, 0, 0, RELAY_END_CLIENT_RESET },
	{ ETIMEDOUT, 0, 0, 0, RELAY_END_CLIENT_TIMEOUT },
	{ EIO, 0, 0, 0, RELAY_END_ERROR },
	{ 0, EPIPE, 0, 0, RELAY_END_CLIENT_RESET },
	{ 0, ETIMEDOUT, 0, 0, RELAY_END_CLIENT_TIMEOUT },
	{ 0, 0, ECONNRESET, 0, RELAY_END_TARGET_RESET },
	{ 0, 0, ETIMEDOUT, 0, RELAY_END_TARGET_TIMEOUT },
	{ 0, 0, EHOSTUNREACH, 0, RELAY_END_ERROR },
	{ 0, 0, 0, ECONNRESET, RELAY_END_TARGET_RESET },
	{ 0, 0, 0, ETIMEDOUT, RELAY_END_TARGET_TIMEOUT },
	{ 0, 0, 0, EIO, RELAY_END_ERROR },
};

static void
test_errors(void **state)
{
	struct proxy_config cfg = config();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		const struct error_case *e = &errors[i];
		struct odd client = { .read_error = e->client_read,
			.write_error = e->client_write };
		struct odd target = { .read_error = e->target_read,
			.write_error = e->target_write };
		struct world w;

		world_odd(&w, &client, &target, &cfg);
		if (e->client_read != 0 || e->target_write != 0)
			put(w.client, "x");
		else
			put(w.target, "x");
		io_run(w.base, &w.ended);
		assert_int_equal(w.end, e->end);
		world_free(&w);
	}
}

/* ------------------------------------------------------------- deadlines */

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

/* ----------------------------------------------------------------- many */

static void
test_room_is_full(void **state)
{
	struct proxy_config cfg = config();
	int c[2], t[2];
	struct relay_start start;
	struct event event;
	struct world w;

	(void)state;
	cfg.limits_sessions = 1;
	world_new(&w, &cfg);
	io_tcp_pair(c);
	io_tcp_pair(t);
	start = (struct relay_start){
		.client = stream_plain(c[1]), .client_event = &event,
		.target = stream_plain(t[0]), .done = on_end, .arg = &w,
	};
	assert_null(relay_new(w.room, &start));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(close(c[i]), 0);	/* still ours */
		assert_int_equal(close(t[i]), 0);
	}
	world_free(&w);
}

static void
test_thousand(void **state)
{
	struct proxy_config cfg = config();
	size_t fds = io_count_fds();
	struct world w;

	(void)state;
	world_open(&w, &cfg);
	for (unsigned i = 0; i < 1000; i++) {
		world_connect(&w, "hi", i % 2 == 0 ? 0 : 2);
		if (i % 2 == 1)
			expect(&w, w.target, "hi", 2);
		close(w.client);
		w.client = -1;
		if (i % 3 == 0) {
			assert_int_equal(expect_end(&w, w.target), 0);
			close(w.target);
			io_run(w.base, &w.ended);
			assert_int_equal(w.end, RELAY_END_CLIENT);
		} else {
			close(w.target);
		}
		w.target = -1;
		relay_free(&w.relay, i % 2 == 0);
		w.ended = false;
	}
	world_free(&w);
	assert_int_equal(io_count_fds(), fds);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_meter),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_reset_while_writing),
		cmocka_unit_test(test_reset_while_held_back),
		cmocka_unit_test(test_held_back_for_less),
		cmocka_unit_test(test_reset_after_fin),
		cmocka_unit_test(test_early),
		cmocka_unit_test(test_early_is_kept),
		cmocka_unit_test(test_early_to_a_dead_target),
		cmocka_unit_test(test_both_ways_at_once),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_memory_is_shared),
		cmocka_unit_test(test_free_while_held),
		cmocka_unit_test(test_urgent),
		cmocka_unit_test(test_store_inside_a_stream),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_half_open),
		cmocka_unit_test(test_half_open_is_rearmed),
		cmocka_unit_test(test_lifetime),
		cmocka_unit_test(test_no_limits),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_timer),
		cmocka_unit_test(test_settles),
		cmocka_unit_test(test_room_is_full),
		cmocka_unit_test(test_thousand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
