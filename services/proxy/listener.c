/* SPDX-License-Identifier: MIT */
#include "proxy/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/conn.h"
#include "proxy/proxy_metrics.h"
#include "proxy/worker.h"

#define ACCEPTS_PER_WAKE_UP 32
#define KEEPALIVE_PROBES 3

static const struct timeval pause_time = { .tv_usec = 100000 };

/* The kernel copies these to every socket it accepts: no call per connection. */
void
listener_set_options(int fd, uint64_t keepalive_ms, uint64_t user_timeout_ms)
{
	int on = 1, seconds = (int)(keepalive_ms / 1000);
	int probes = KEEPALIVE_PROBES, timeout = (int)user_timeout_ms;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	if (seconds > 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds,
		    sizeof(seconds));
		(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds,
		    sizeof(seconds));
		(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes,
		    sizeof(probes));
	}
	if (timeout > 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout,
		    sizeof(timeout));
}

static bool
is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS ||
	    error == ENOMEM;
}

static void
listener_pause(struct listener *l, int error)
{
	struct worker *w = l->worker;

	event_del(&l->readable);
	evtimer_add(&l->resume, &pause_time);
	metrics_add(w->cells, METRIC_proxy_accept_pauses_total, 0, 1);
	log_warn(NULL, "accept_paused", log_str("listener", l->name),
	    log_str("error", strerrordesc_np(error)));
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd;
	(void)what;
	event_add(&l->readable, NULL);
}

static void
on_connection(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_WAKE_UP; i++) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		struct endpoint peer;
		int client = accept4(fd, (struct sockaddr *)&sa, &len,
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

void
listener_start(struct listener *l, struct worker *w, int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct endpoint at;

	l->worker = w;
	l->fd = fd;
	if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
	    endpoint_from_sockaddr(&at, (struct sockaddr *)&sa))
		endpoint_format(l->name, &at);
	event_assign(&l->readable, w->base, fd, EV_READ | EV_PERSIST,
	    on_connection, l);
	evtimer_assign(&l->resume, w->base, on_resume, l);
	event_add(&l->readable, NULL);
}

void
listener_stop(struct listener *l)
{
	if (l->fd < 0)
		return;
	event_del(&l->readable);
	evtimer_del(&l->resume);
	close(l->fd);
	l->fd = -1;
}
