/* SPDX-License-Identifier: MIT */
/*
 * An address that is being tried has one event: it fires when the socket is
 * connected, has failed, or took too long. The timer of the dial starts the
 * next address, and carries an end that is already known when dial_start
 * returns. Timeouts are the base's common ones: all dials share a queue.
 *
 * A connection that a router gave up (ICMP time exceeded, case 38) fails with
 * the errno of a host that is not there. What ICMP said is kept for a socket
 * that asks before it connects, one more call each; so only when all addresses
 * have failed and EHOSTUNREACH is what would be told, that address is dialled
 * once more by such a socket. Whatever comes of it counts, success as well.
 */
#include "proxy/dial.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/sock.h"
#include "proxy/egress.h"
#include "proxy/icmp.h"

/* Sockets that one dial has at most: a name with many addresses that do not
 * answer must not eat the descriptors of others. */
#define TRIES_MAX 3
/* The answer came once; a second look waits no longer for it, nor beyond
 * timeouts.connect. */
#define LOOK_MS UINT64_C(1000)

struct try {
	struct dial *dial;
	struct endpoint to;
	int fd;			/* -1: not begun, or over */
	struct event event;
};

struct dial {
	struct event_base *base;
	dial_done_fn *done;
	void *arg;
	const struct proxy_config *cfg;
	const struct dial_fence *fence;
	uint64_t attempt_ms, begun_ms;
	struct event timer;	/* the next address, or the end */
	struct event deadline;	/* of all; where there are several */
	enum dial_result failure;	/* failure nearest to success so far */
	struct endpoint failure_to;
	struct try *unreachable;	/* the first that the network refused */
	bool looking;		/* at it once more, for ICMP's own words */
	struct permit permit;
	uint8_t next;		/* the first address not begun */
	uint8_t open;		/* tries under way */
	struct try tries[];	/* one for each address */
};

/* How near to success a failure came; conformance.md section 0. */
static const uint8_t nearness[] = {
	[DIAL_OK] = 0, [DIAL_FENCED] = 1, [DIAL_ERROR] = 2,
	[DIAL_RESOURCES] = 2, [DIAL_TIMEOUT] = 3, [DIAL_HOST_UNREACHABLE] = 3,
	[DIAL_TTL_EXPIRED] = 4, [DIAL_NET_UNREACHABLE] = 5,
	[DIAL_REFUSED] = 6,
};

static enum dial_result
result_of(int error)
{
	switch (error) {
	case ECONNREFUSED: return DIAL_REFUSED;
	case ENETUNREACH: case ENETDOWN: case EAFNOSUPPORT:
		return DIAL_NET_UNREACHABLE;
	case EHOSTUNREACH: case EHOSTDOWN: return DIAL_HOST_UNREACHABLE;
	case ETIMEDOUT: return DIAL_TIMEOUT;
	case EMFILE: case ENFILE: case ENOBUFS: case ENOMEM:
	case EADDRNOTAVAIL: case EAGAIN: return DIAL_RESOURCES;
	default: return DIAL_ERROR;
	}
}

static bool
is_own(const struct dial_fence *f, const struct addr *a)
{
	if (addr_is_loopback(a))
		return true;
	for (size_t i = 0; i < f->n_own; i++)
		if (addr_eq(&f->own[i], a))
			return true;
	return false;
}

/* A listener on 0.0.0.0 or :: is behind each address of this machine. */
static bool
is_listener(const struct dial_fence *f, const struct endpoint *to)
{
	for (size_t i = 0; i < f->n_listeners; i++) {
		const struct endpoint *l = &f->listeners[i];

		if (l->port == to->port && (addr_eq(&l->addr, &to->addr) ||
		    (addr_is_unspecified(&l->addr) && is_own(f, &to->addr))))
			return true;
	}
	return false;
}

bool
dial_fence_permits(const struct dial_fence *f, const struct endpoint *to,
    bool internal_ok)
{
	if (addr_is_unspecified(&to->addr) || is_listener(f, to))
		return false;
	return internal_ok || !is_own(f, &to->addr);
}

static struct timeval
timeval_of(uint64_t ms)
{
	return (struct timeval){ (time_t)(ms / 1000),
		(suseconds_t)(ms % 1000 * 1000) };
}

/* Adds an event whose timeout shares the base's queue for that duration. */
static void
add_common(struct dial *d, struct event *ev, uint64_t ms)
{
	struct timeval tv = timeval_of(ms);
	const struct timeval *common =
	    event_base_init_common_timeout(d->base, &tv);

	event_add(ev, common != NULL ? common : &tv);
}

static void
note_failure(struct dial *d, enum dial_result why, const struct endpoint *to)
{
	if (nearness[why] <= nearness[d->failure])
		return;
	d->failure = why;
	d->failure_to = *to;
}

static void
try_close(struct try *t)
{
	if (t->fd < 0)
		return;
	event_del(&t->event);
	close(t->fd);
	t->fd = -1;
	t->dial->open--;
}

static void
dial_free(struct dial *d)
{
	event_del(&d->timer);
	event_del(&d->deadline);
	for (uint8_t i = 0; i < d->next; i++)
		try_close(&d->tries[i]);
	free(d);
}

/* The end: the dial is gone when done runs. */
static void
dial_finish(struct dial *d, enum dial_result result, int fd,
    struct endpoint to, const struct endpoint *local)
{
	dial_done_fn *done = d->done;
	void *arg = d->arg;

	dial_free(d);
	done(arg, result, fd, &to, local);
}

/*
 * An error shows as readable and writable; writable alone is a connection,
 * which saves asking.
 */
static int
try_error(const struct try *t, short what)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (what & EV_TIMEOUT)
		return ETIMEDOUT;
	if ((what & EV_READ) && getsockopt(t->fd, SOL_SOCKET, SO_ERROR,
	    &error, &len) != 0)
		return errno;
	return error;
}

/* What to make of it; notes whom to look at once more. */
static enum dial_result
judge_error(struct try *t, int error)
{
	struct dial *d = t->dial;
	enum dial_result result = result_of(error);

	if (result != DIAL_HOST_UNREACHABLE)
		return result;
	if (d->looking)
		return icmp_take_time_exceeded(t->fd) ? DIAL_TTL_EXPIRED
						      : result;
	if (d->unreachable == NULL)
		d->unreachable = t;
	return result;
}

static void dial_go_on(struct dial *d);

static void
try_won(struct try *t, const struct endpoint *local)
{
	int fd = t->fd;

	event_del(&t->event);
	t->fd = -1;
	dial_finish(t->dial, DIAL_OK, fd, t->to,
	    t->dial->permit.masked ? NULL : local);
}

/*
 * A connection to a port of this machine that nobody listens on may meet
 * itself (TCP simultaneous open) when the kernel picks that very port.
 */
static void
on_try(evutil_socket_t fd, short what, void *arg)
{
	struct try *t = arg;
	struct dial *d = t->dial;
	bool own = is_own(d->fence, &t->to.addr);
	struct endpoint local;
	enum dial_result result;
	int error = try_error(t, what);

	if (error == 0 && (own || !d->permit.masked) &&
	    !sock_local(fd, &local))
		error = errno;
	if (error == 0 && own && endpoint_eq(&local, &t->to))
		error = ECONNREFUSED;
	if (error == 0) {
		try_won(t, &local);
		return;
	}
	result = judge_error(t, error);
	try_close(t);
	note_failure(d, result, &t->to);
	dial_go_on(d);
}

/* A non-blocking socket that is connecting, or -1 with errno. `looking`: what
 * ICMP says is kept. */
static int
connect_to(const struct endpoint *to, const struct proxy_config *cfg,
    bool looking)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(to, &sa);
	int on = 1, saved;
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0)
		return -1;
	if (looking)
		icmp_keep(fd, addr_is_v4(&to->addr));
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)) == 0 &&
	    egress_bind(cfg, fd, addr_is_v4(&to->addr)) == 0 &&
	    (connect(fd, (struct sockaddr *)&sa, len) == 0 ||
	    errno == EINPROGRESS))
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static bool
try_connect(struct try *t)
{
	struct dial *d = t->dial;

	t->fd = connect_to(&t->to, d->cfg, d->looking);
	if (t->fd < 0) {
		note_failure(d, result_of(errno), &t->to);
		return false;
	}
	event_assign(&t->event, d->base, t->fd, EV_READ | EV_WRITE, on_try, t);
	d->open++;
	return true;
}

static bool
try_start(struct dial *d, uint8_t i)
{
	struct try *t = &d->tries[i];

	t->dial = d;
	t->to = (struct endpoint){ d->permit.addrs[i], d->permit.port };
	t->fd = -1;
	if (!dial_fence_permits(d->fence, &t->to, d->permit.internal_ok[i])) {
		note_failure(d, DIAL_FENCED, &t->to);
		return false;
	}
	if (!try_connect(t))
		return false;
	add_common(d, &t->event, d->attempt_ms);
	return true;
}

/* Was it a router? Asked once. true: wait for the answer. */
static bool
dial_look_again(struct dial *d)
{
	struct try *t = d->unreachable;
	uint64_t spent_ms = clock_mono_ms() - d->begun_ms, left_ms = LOOK_MS;
	struct timeval tv;

	if (t == NULL || d->looking || d->failure != DIAL_HOST_UNREACHABLE ||
	    spent_ms >= d->cfg->timeouts_connect)
		return false;
	if (left_ms > d->cfg->timeouts_connect - spent_ms)
		left_ms = d->cfg->timeouts_connect - spent_ms;
	d->looking = true;
	if (!try_connect(t))
		return false;
	/* No queue of its own: there are few, and each is another time. */
	tv = timeval_of(left_ms);
	event_add(&t->event, &tv);
	return true;
}

/* Begins the next address that can be begun; false: all of them failed. */
static bool
dial_launch(struct dial *d)
{
	event_del(&d->timer);
	while (d->next < d->permit.n)
		if (try_start(d, d->next++))
			break;
	if (d->open > 0 && d->open < TRIES_MAX && d->next < d->permit.n)
		add_common(d, &d->timer, d->cfg->dns_eyeballs_delay);
	return d->open > 0;
}

static void
dial_go_on(struct dial *d)
{
	if (!dial_launch(d) && !dial_look_again(d))
		dial_finish(d, d->failure, -1, d->failure_to, NULL);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	dial_go_on(arg);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;

	(void)fd, (void)what;
	for (uint8_t i = 0; i < d->next; i++)
		if (d->tries[i].fd >= 0)
			note_failure(d, DIAL_TIMEOUT, &d->tries[i].to);
	dial_finish(d, d->failure, -1, d->failure_to, NULL);
}

struct dial *
dial_start(struct event_base *base, const struct proxy_config *cfg,
    const struct dial_fence *fence, const struct permit *permit,
    dial_done_fn *done, void *arg)
{
	struct dial *d;

	ASSERT(permit->n <= DIAL_ADDRS_MAX);
	d = malloc(sizeof(*d) + permit->n * sizeof(d->tries[0]));
	if (d == NULL)
		return NULL;
	*d = (struct dial){
		.base = base, .done = done, .arg = arg, .cfg = cfg,
		.fence = fence, .permit = *permit,
		.attempt_ms = cfg->timeouts_connect_attempt,
		.begun_ms = clock_mono_ms(),
	};
	if (d->attempt_ms > cfg->timeouts_connect)
		d->attempt_ms = cfg->timeouts_connect;
	if (permit->n == 0)
		d->failure = DIAL_FENCED;
	event_assign(&d->timer, base, -1, 0, on_timer, d);
	event_assign(&d->deadline, base, -1, 0, on_deadline, d);
	if (!dial_launch(d))
		event_active(&d->timer, EV_TIMEOUT, 0);
	else if (permit->n > 1)
		add_common(d, &d->deadline, cfg->timeouts_connect);
	return d;
}

void
dial_cancel(struct dial **dp)
{
	if (*dp != NULL)
		dial_free(*dp);
	*dp = NULL;
}
