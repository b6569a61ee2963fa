/* SPDX-License-Identifier: MIT */
#include "proxy/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/sock.h"
#include "proxy/conn.h"
#include "proxy/proxy_metrics.h"
#include "proxy/worker.h"

#define ACCEPTS_PER_WAKE_UP 32
#define QUEUE_MAX 4096

static const struct timeval pause_time = { .tv_usec = 100000 };
static const struct timeval next_turn = { 0 };

/* The kernel copies these to every socket it accepts: no call per connection. */
void
listener_set_options(int fd, uint64_t keepalive_ms, uint64_t user_timeout_ms)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	sock_set_patience(fd, keepalive_ms, user_timeout_ms);
}

static bool
is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS ||
	    error == ENOMEM;
}

static void
set_paused(struct listener *l, bool paused)
{
	if (l->paused == paused)
		return;
	l->paused = paused;
	metrics_gauge_add(l->worker->cells, METRIC_proxy_accept_paused, 0,
	    paused ? 1 : -1);
}

static void
listener_pause(struct listener *l, int error)
{
	struct worker *w = l->worker;

	set_paused(l, true);
	event_del(&l->readable);
	evtimer_add(&l->resume, &pause_time);
	metrics_add(w->cells, METRIC_proxy_accept_pauses_total, 0, 1);
	log_warn(NULL, "accept_paused", log_str("listener", l->cfg->name),
	    log_str("error", strerrordesc_np(error)));
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd;
	(void)what;
	set_paused(l, false);
	if (!l->leaving) {
		event_add(&l->readable, NULL);
		return;
	}
	close(l->fd);
	l->fd = -1;
}

/* At most so many of those who wait. */
static void
take(struct listener *l, unsigned most)
{
	for (unsigned i = 0; i < most; i++) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		struct endpoint peer;
		int client = accept4(l->fd, (struct sockaddr *)&sa, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client >= 0) {
			if (endpoint_from_sockaddr(&peer,
				(struct sockaddr *)&sa))
				conn_accept(l, client, &peer);
			else
				close(client);
			continue;
		}
		/* Everything else concerns that one connection, or EAGAIN. */
		if (errno == ECONNABORTED || errno == EINTR)
			continue;
		if (is_shortage(errno))
			listener_pause(l, errno);
		return;
	}
}

static void
on_connection(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	take(arg, ACCEPTS_PER_WAKE_UP);
}

void
listener_start(struct listener *l, struct worker *w, int fd,
    const struct listener_list *all, unsigned index)
{
	ASSERT(index < all->n);
	l->worker = w;
	l->fd = fd;
	l->index = index;
	l->cfg = &all->v[index];
	terms_read(&l->terms, l->cfg);
	ASSERT(sock_local(fd, &l->at));
	event_assign(&l->readable, w->base, fd, EV_READ | EV_PERSIST,
	    on_connection, l);
	evtimer_assign(&l->resume, w->base, on_resume, l);
	event_add(&l->readable, NULL);
}

void
listener_reload(struct listener *l, const struct listener_list *all)
{
	ASSERT(l->index < all->n);
	l->cfg = &all->v[l->index];
}

/* libevent stops watching before it waits the next time, and not by closing:
 * what another process shares would be watched for ever. */
void
listener_leave(struct listener *l, bool take_queued)
{
	if (l->fd < 0 || l->leaving)
		return;
	if (take_queued)
		take(l, QUEUE_MAX);
	l->leaving = true;
	event_del(&l->readable);
	evtimer_add(&l->resume, &next_turn);
}

void
listener_stop(struct listener *l)
{
	if (l->fd < 0)
		return;
	event_del(&l->readable);
	evtimer_del(&l->resume);
	set_paused(l, false);
	close(l->fd);
	l->fd = -1;
}
