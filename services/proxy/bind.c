/* SPDX-License-Identifier: MIT */
/*
 * The listening socket is watched while a peer can be taken: not while all
 * places are under judgement, nor for 100 ms after a shortage. A bind that ends
 * is freed before its done() runs, and by nothing else than done()'s caller or
 * bind_cancel(), so that each function here knows whether `b` is still there.
 */
#include "proxy/bind.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/sock.h"
#include "proxy/ports.h"
#include "proxy/stream.h"

#define BACKLOG 16
#define ACCEPTS_PER_WAKE_UP 32

static const struct timeval pause_time = { .tv_usec = 100000 };

struct bind {
	struct bind_plan plan;
	const struct bind_ops *ops;
	void *arg;
	int fd;
	struct endpoint at;
	struct event readable;
	struct event resume;	/* accepting, after a shortage */
	struct event deadline;
	struct bind_peer peers[BIND_PEERS_MAX];
};

/* ---- peers ---- */

static void
turn_away(struct bind_peer *p, enum bind_reset why)
{
	struct stream s = stream_plain(p->fd);

	p->fd = -1;
	lease_cancel(&p->waiter);
	stream_close(&s, true);
	p->bind->ops->turned_away(p->arg, why);
}

static struct bind_peer *
free_place(struct bind *b)
{
	for (unsigned i = 0; i < BIND_PEERS_MAX; i++)
		if (b->peers[i].fd < 0)
			return &b->peers[i];
	return NULL;
}

static bool
is_asked_for(const struct bind_plan *plan, const struct addr *a)
{
	for (unsigned i = 0; i < plan->n_asked; i++)
		if (addr_eq(&plan->asked[i], a))
			return true;
	return plan->any;
}

/* ---- the end ---- */

static void
bind_free(struct bind *b)
{
	event_del(&b->readable);
	evtimer_del(&b->resume);
	evtimer_del(&b->deadline);
	close(b->fd);
	for (unsigned i = 0; i < BIND_PEERS_MAX; i++)
		if (b->peers[i].fd >= 0)
			turn_away(&b->peers[i], BIND_TOO_LATE);
	free(b);
}

/* `winner` NULL: nobody. */
static void
bind_finish(struct bind *b, struct bind_peer *winner)
{
	const struct bind_ops *ops = b->ops;
	void *arg = b->arg;
	struct endpoint from = { .port = 0 };
	int fd = -1;

	if (winner != NULL) {
		fd = winner->fd;
		from = winner->from;
		winner->fd = -1;
		lease_cancel(&winner->waiter);
	}
	bind_free(b);
	if (fd >= 0)
		ops->done(arg, BIND_PEER, fd, &from);
	else
		ops->done(arg, BIND_TIMEOUT, -1, NULL);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	bind_finish(arg, NULL);
}

/* ---- accepting ---- */

/* true: this was the one, the bind is gone. */
static bool
look_at(struct bind *b, struct bind_peer *p)
{
	if (!is_asked_for(&b->plan, &p->from.addr)) {
		turn_away(p, BIND_WRONG_PEER);
		return false;
	}
	switch (b->ops->judge(b->arg, p)) {
	case BIND_LATER:
		break;
	case BIND_REFUSE:
		turn_away(p, BIND_REFUSED);
		break;
	case BIND_ADMIT:
		bind_finish(b, p);
		return true;
	}
	return false;
}

/* false: nobody is there, or none can be taken now. */
static bool
accept_peer(struct bind *b, struct bind_peer *p)
{
	struct sockaddr_storage sa;
	socklen_t len;

	do {
		len = sizeof(sa);
		p->fd = accept4(b->fd, (struct sockaddr *)&sa, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (p->fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (p->fd >= 0 &&
	    endpoint_from_sockaddr(&p->from, (struct sockaddr *)&sa))
		return true;
	if (p->fd >= 0) {
		close(p->fd);
		p->fd = -1;
	} else if (errno == EAGAIN) {
		return false;
	}
	/* A shortage, or an error that might come again at once. */
	event_del(&b->readable);
	evtimer_add(&b->resume, &pause_time);
	return false;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct bind *b = arg;

	(void)fd, (void)what;
	for (unsigned i = 0; i < ACCEPTS_PER_WAKE_UP; i++) {
		struct bind_peer *p = free_place(b);

		if (p == NULL) {
			event_del(&b->readable);
			return;
		}
		if (!accept_peer(b, p) || look_at(b, p))
			return;
	}
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct bind *b = arg;

	(void)fd, (void)what;
	event_add(&b->readable, NULL);
}

void
bind_judged(struct bind_peer *p, bool admit)
{
	struct bind *b = p->bind;

	ASSERT(p->fd >= 0);
	if (admit) {
		bind_finish(b, p);
		return;
	}
	turn_away(p, BIND_REFUSED);
	if (!evtimer_pending(&b->resume, NULL))
		event_add(&b->readable, NULL);
}

/* ---- life ---- */

/* What is accepted inherits these. */
static void
set_options(int fd)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
}

static void
start_events(struct bind *b, struct event_base *base)
{
	uint64_t ms = b->plan.timeout_ms;
	struct timeval tv = { (time_t)(ms / 1000),
		(suseconds_t)(ms % 1000 * 1000) };

	event_assign(&b->readable, base, b->fd, EV_READ | EV_PERSIST,
	    on_readable, b);
	evtimer_assign(&b->resume, base, on_resume, b);
	evtimer_assign(&b->deadline, base, on_deadline, b);
	event_add(&b->readable, NULL);
	evtimer_add(&b->deadline, &tv);
}

struct bind *
bind_start(struct event_base *base, const struct bind_plan *plan,
    const struct bind_ops *ops, void *arg, struct err *err)
{
	struct bind *b;
	int fd;

	ASSERT(plan->n_asked <= BIND_ASKED_MAX);
	fd = ports_listen(&plan->at, plan->ports.low, plan->ports.high,
	    BACKLOG, err);
	if (fd < 0)
		return NULL;
	b = malloc(sizeof(*b));
	if (b == NULL) {
		close(fd);
		(void)err_set(err, "out of memory");
		errno = ENOMEM;
		return NULL;
	}
	*b = (struct bind){ .plan = *plan, .ops = ops, .arg = arg, .fd = fd };
	for (unsigned i = 0; i < BIND_PEERS_MAX; i++) {
		b->peers[i] =
		    (struct bind_peer){ .bind = b, .fd = -1, .arg = arg };
		list_init(&b->peers[i].waiter.link);
	}
	set_options(fd);
	if (!sock_local(fd, &b->at))
		b->at = (struct endpoint){ plan->at, 0 };
	start_events(b, base);
	return b;
}

struct endpoint
bind_at(const struct bind *b)
{
	return b->at;
}

void
bind_cancel(struct bind **bp)
{
	if (*bp != NULL)
		bind_free(*bp);
	*bp = NULL;
}
