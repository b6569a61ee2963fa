/* SPDX-License-Identifier: MIT */
/*
 * Sessions begin, carry, end; streams of other kinds.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "relay_rig.h"

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
		cmocka_unit_test(test_store_inside_a_stream),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_room_is_full),
		cmocka_unit_test(test_thousand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
