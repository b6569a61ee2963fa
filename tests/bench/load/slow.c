/* SPDX-License-Identifier: MIT */
/*
 * Clients that never finish. Each has its moment in the interval, so that the
 * bytes of all come evenly; at it, a closed one connects and an open one sends
 * its next byte. What the proxy answers is read and thrown away.
 */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define EVENTS 512
#define WAIT_MS 5
#define FAST 200000u		/* ns for each of the first connections */

struct slow {
	int epoll;
	const struct load_options *o;
	struct load_result *r;
	struct client_conn *conns;
	unsigned open, next;
	bool held;		/* each has connected once */
	uint64_t due_ns;
};

static void
lose(struct slow *s, struct client_conn *conn)
{
	client_close(conn);
	s->open--;
	s->r->cut++;
}

static void
connect_one(struct slow *s, struct client_conn *conn, unsigned serial)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = conn };

	conn->fd = client_socket(serial, s->o->proxy_port, false);
	conn->got = 0;
	if (conn->fd < 0) {
		s->r->failed[CLIENT_CONNECTING]++;
		return;
	}
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, conn->fd, &e) != 0)
		die("epoll_ctl: %s", strerror(errno));
	s->open++;
}

/* 255 methods: as long a greeting as there is. */
static void
send_byte(struct slow *s, struct client_conn *conn)
{
	uint8_t byte = conn->got == 0 ? 5 : conn->got == 1 ? 255 : 2;

	if (send(conn->fd, &byte, 1, MSG_NOSIGNAL) == 1) {
		conn->got++;
		s->r->bytes++;
	} else if (errno != EAGAIN) {
		lose(s, conn);
	}
}

static void
do_due(struct slow *s, uint64_t now, uint64_t step)
{
	for (; s->due_ns <= now; s->due_ns += step) {
		struct client_conn *conn = &s->conns[s->next];

		if (conn->fd < 0)
			connect_one(s, conn, s->next);
		else
			send_byte(s, conn);
		s->next = (s->next + 1) % s->o->conns;
		if (s->next == 0 && !s->held) {
			s->held = true;
			load_say_held(s->open);
		}
	}
}

/* False: the caller has closed stdin. */
static bool
turn(struct slow *s)
{
	struct epoll_event events[EVENTS];
	char heard[512];
	int n = epoll_wait(s->epoll, events, EVENTS, WAIT_MS);
	bool more = true;

	for (int i = 0; i < n; i++) {
		struct client_conn *conn = events[i].data.ptr;
		ssize_t got;

		if (conn == NULL) {
			more = false;
			continue;
		}
		got = recv(conn->fd, heard, sizeof(heard), 0);
		if (got == 0 || (got < 0 && errno != EAGAIN))
			lose(s, conn);
	}
	return more;
}

void
load_slow(const struct load_options *o, struct load_result *r)
{
	struct slow s = { .epoll = epoll_create1(EPOLL_CLOEXEC), .o = o, .r = r,
		.conns = xcalloc(o->conns, sizeof(*s.conns)) };
	struct epoll_event e = { .events = EPOLLIN };
	uint64_t begin = client_now_ns(), step;
	uint64_t end = begin + (uint64_t)(o->seconds * 1e9);

	step = (uint64_t)(o->interval * 1e9 / o->conns);
	if (s.epoll < 0 ||
	    epoll_ctl(s.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &e) != 0)
		die("slow: standard input must be a pipe");
	for (unsigned i = 0; i < o->conns; i++)
		s.conns[i].fd = -1;
	s.due_ns = begin;
	/* The first round is quicker, so that nobody waits for it. */
	while (turn(&s) && client_now_ns() < end)
		do_due(&s, client_now_ns(), s.held || step < FAST ? step
		    : FAST);
	r->done = s.open;
	r->seconds = (double)(client_now_ns() - begin) / 1e9;
	for (unsigned i = 0; i < o->conns; i++)
		client_close(&s.conns[i]);
	close(s.epoll);
	free(s.conns);
}
