/* SPDX-License-Identifier: MIT */
/*
 * assoc_rig: an association on loopback with a played judge; conformance.md
 * section 8. Included by tests of associations after cmocka.h.
 */
#ifndef UNIT_PROXY_ASSOC_RIG_H
#define UNIT_PROXY_ASSOC_RIG_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "io_fixture.h"
#include "proxy/assoc.h"
#include "proxy/socks5_udp.h"
#include "proxy/udp_batch.h"
#include "udp_bound.h"

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

static inline struct judge_answer
answer_to(const struct dest *dest)
{
	return (struct judge_answer){ .ruling = {
		.kind = script.kind, .by_policy = true,
		.addr = dest->is_name ? script.addr : dest->addr,
		.until_ms = clock_mono_ms() + script.lease_ms,
		.generation = script.generation, .instance = instance,
	} };
}

static inline struct judgement *
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

static inline void
play_cancel(struct judgement *m)
{
	script.cancelled++;
	free(m);
}

static inline void
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

static inline int
udp_at(const char *text, struct endpoint *out)
{
	return udp_bound(text, SOCK_NONBLOCK, out);
}

static inline void
on_done(void *arg, enum assoc_end end)
{
	struct rig *r = arg;

	assert_false(r->done);
	r->done = true;
	r->end = end;
}

static inline void
on_first(void *arg, const struct dest *dest, const struct addr *addr,
    const struct decision *d)
{
	struct rig *r = arg;

	(void)addr, (void)d;
	r->first = *dest;
	r->firsts++;
}

static inline void
hear_policy(struct rig *r)
{
	policy_view_hear(&r->view, &instance, script.generation,
	    clock_mono_ms());
}

/* `at` and `target`: addresses of the two legs. */
static inline void
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

static inline void
begin(struct rig *r)
{
	begin_at(r, "127.0.0.1:0", "127.0.0.1:0", 0);
}

static inline int
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

static inline int
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

static inline void
send_from(struct rig *r, int fd, const void *p, size_t len)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = endpoint_to_sockaddr(&r->relay, &sa);

	assert_int_equal(sendto(fd, p, len, 0, (struct sockaddr *)&sa, sa_len),
	    len);
}

/* A datagram of a client's: header and payload. */
static inline size_t
wrap(char *out, const struct endpoint *to, const void *p, size_t len)
{
	size_t head = socks5_udp_header((uint8_t *)out, to);

	memcpy(out + head, p, len);
	return head + len;
}

static inline void
send_to(struct rig *r, const struct endpoint *to, const char *text)
{
	char out[2048];

	send_from(r, r->client, out, wrap(out, to, text, strlen(text)));
}

static inline void
turn(struct rig *r)
{
	io_turn(r->base, 4);
}

/* What lies at a socket; the sender. */
static inline struct endpoint
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

static inline struct endpoint
expect_text(int fd, const char *text)
{
	return expect(fd, text, strlen(text));
}

static inline void
expect_silence(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static inline void
answer(int fd, const struct endpoint *to, const char *text)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(to, &sa);

	assert_int_equal(sendto(fd, text, strlen(text), 0,
	    (struct sockaddr *)&sa, len), strlen(text));
}

/* The client gets `text` under the header of `from`. */
static inline void
expect_wrapped(struct rig *r, const struct endpoint *from, const char *text)
{
	char want[2048];
	struct endpoint relay;

	relay = expect(r->client, want, wrap(want, from, text, strlen(text)));
	assert_true(endpoint_eq(&relay, &r->relay));
}

static inline uint64_t
count(struct rig *r, int direction, enum udp_result what)
{
	return assoc_room_stats(r->room)->datagrams[direction][what];
}

/* Cases 57 and 69: nothing known of the client before, both counted. */
static inline void
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

#endif
