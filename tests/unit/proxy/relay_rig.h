/* SPDX-License-Identifier: MIT */
/*
 * relay_rig: a relay with its neighbours, sockets on loopback, in the test's
 * own loop; far ends that send and check a sequence. Included by tests of the
 * relay after cmocka.h.
 */
#ifndef UNIT_PROXY_RELAY_RIG_H
#define UNIT_PROXY_RELAY_RIG_H

#include <errno.h>
#include <event2/event_struct.h>
#include <poll.h>
#include <stdlib.h>

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

static inline struct proxy_config
config(void)
{
	return (struct proxy_config){
		.relay_buffer = 65536, .relay_splice_after = 262144,
		.timeouts_idle = 3600000, .timeouts_half_open = 1800000,
		.timeouts_keepalive = 60000, .timeouts_user_timeout = 60000,
	};
}

static inline void
on_end(void *arg, enum relay_end end)
{
	struct world *w = arg;

	assert_false(w->ended);
	w->ended = true;
	w->end = end;
}

/* What conn.c does with the event of its client. */
static inline void
on_client(evutil_socket_t fd, short what, void *arg)
{
	struct world *w = arg;

	(void)fd;
	relay_ready(w->relay, what);
}

static inline struct relay *
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

static inline void
world_open(struct world *w, const struct proxy_config *cfg)
{
	*w = (struct world){ .base = io_base(), .client = -1, .target = -1 };
	w->room = relay_room_new(w->base, cfg, 1);
}

static inline void
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

static inline void
world_new(struct world *w, const struct proxy_config *cfg)
{
	world_open(w, cfg);
	world_connect(w, NULL, 0);
}

static inline void
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

/* The kernel may take its time to deliver what the relay has sent. */
static inline void
turn_for(struct world *w, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	io_turn(w->base, 1);
	(void)poll(&p, 1, 1);
}

/* Turns the loop until `len` bytes came to `fd`, which must be these. */
static inline void
expect(struct world *w, int fd, const char *bytes, size_t len)
{
	char in[4096];
	size_t got = 0;

	assert_true(len <= sizeof(in));
	for (unsigned i = 0; got < len && i < 20000; i++) {
		ssize_t n = recv(fd, in + got, len - got, 0);

		if (n > 0)
			got += (size_t)n;
		else
			turn_for(w, fd);
	}
	assert_int_equal(got, len);
	assert_memory_equal(in, bytes, len);
}

/* Turns the loop until `fd` is at its end: 0 a FIN, else an errno. */
static inline int
expect_end(struct world *w, int fd)
{
	char in[256];
	ssize_t n;

	for (unsigned i = 0; i < 20000; i++) {
		n = recv(fd, in, sizeof(in), 0);
		if (n >= 0)
			return n == 0 ? 0 : -1;
		if (errno != EAGAIN)
			return errno;
		turn_for(w, fd);
	}
	return EAGAIN;
}

static inline void
at(uint64_t seconds)
{
	clock_test_set(1000 * SECOND + seconds * SECOND, SECOND);
}

static inline void
put(int fd, const char *s)
{
	assert_int_equal(send(fd, s, strlen(s), MSG_NOSIGNAL), strlen(s));
}

static inline void
reset(int *fd)
{
	const struct linger l = { 1, 0 };

	setsockopt(*fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(*fd);
	*fd = -1;
}

/* Sends from one far end until the relay takes no more. */
static inline void
hold_back(struct world *w, int fd)
{
	char *block = xcalloc(1, MIB);

	for (unsigned i = 0; i < 200; i++) {
		(void)!send(fd, block, MIB, MSG_NOSIGNAL);
		io_turn(w->base, 2);
	}
	free(block);
}

/* One end of a transfer: sends and checks a sequence that never repeats in
 * step with a power of two. */
struct far_end {
	int fd;
	uint64_t sent, got, total;
	uint32_t tx, rx;	/* state of the sequences */
};

static inline void
fill(char *out, size_t n, uint32_t *x)
{
	for (size_t i = 0; i < n; i++) {
		*x = *x * 1664525 + 1013904223;
		out[i] = (char)(*x >> 24);
	}
}

static inline void
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

static inline void
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

/* Nothing happens in the loop for a while. */
static inline bool
is_silent(struct event_base *base)
{
	const struct timeval a_while = { 0, 30000 };

	event_base_loopexit(base, &a_while);
	event_base_loop(base, EVLOOP_ONCE);
	return event_base_got_exit(base);
}

/* The kernel may still be busy with what was sent; a loop that spins never is
 * silent. */
static inline bool
falls_silent(struct event_base *base)
{
	for (unsigned i = 0; i < 100; i++)
		if (is_silent(base))
			return true;
	return false;
}

#endif
