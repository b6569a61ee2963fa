/* SPDX-License-Identifier: MIT */
#include "targets.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 512
#define ACCEPTS 64		/* per wake-up, so that running ones get on */
#define SOURCE_CHUNK (256 << 10)

static char buffer[1 << 20];

/* What an event belongs to: a listener or a connection, of which target. */
static uint64_t
tag(enum target kind, bool listener, int fd)
{
	return (uint64_t)kind << 40 | (uint64_t)listener << 32 | (uint32_t)fd;
}

static void
watch(struct targets *t, uint64_t data, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.u64 = data };

	if (epoll_ctl(t->epoll, EPOLL_CTL_ADD, (int)(uint32_t)data, &e) != 0)
		die("epoll_ctl: %s", strerror(errno));
}

static int
listen_on(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    listen(fd, 65535) != 0)
		die("port %u: %s", port, strerror(errno));
	return fd;
}

void
targets_listen(struct targets *t, uint16_t first)
{
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (t->epoll < 0)
		die("epoll_create1: %s", strerror(errno));
	for (unsigned i = 0; i < TARGETS; i++) {
		struct sockaddr_in a = { .sin_port = 0 };
		socklen_t len = sizeof(a);
		int fd = listen_on(first == 0 ? 0 : (uint16_t)(first + i));

		if (getsockname(fd, (struct sockaddr *)&a, &len) != 0)
			die("getsockname: %s", strerror(errno));
		t->listener[i] = fd;
		t->port[i] = ntohs(a.sin_port);
		watch(t, tag(i, true, fd), EPOLLIN);
	}
}

static void
take(struct targets *t, enum target kind)
{
	for (unsigned i = 0; i < ACCEPTS; i++) {
		/* cppcheck-suppress nullPointer ; accept4 allows it */
		int fd = accept4(t->listener[kind], NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		watch(t, tag(kind, false, fd),
		    kind == TARGET_SOURCE ? EPOLLIN | EPOLLOUT : EPOLLIN);
	}
}

/* False: the connection is over. */
static bool
carry_on(int fd, enum target kind, uint32_t events)
{
	ssize_t n;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		n = recv(fd, buffer, sizeof(buffer), 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return false;
		if (n > 0 && kind == TARGET_ECHO &&
		    send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
			return false;
	}
	if (events & EPOLLOUT) {
		n = send(fd, buffer, SOURCE_CHUNK, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return false;
	}
	return true;
}

void
targets_serve(struct targets *t)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int n = epoll_wait(t->epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			uint64_t data = events[i].data.u64;
			enum target kind = (enum target)(data >> 40);

			if (data >> 32 & 1)
				take(t, kind);
			else if (!carry_on((int)(uint32_t)data, kind,
			    events[i].events))
				close((int)(uint32_t)data);
		}
	}
}
