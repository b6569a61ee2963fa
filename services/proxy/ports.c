/* SPDX-License-Identifier: MIT */
#include "proxy/ports.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "base/id.h"

/* What is wanted of each port that is tried. */
struct wanted {
	struct addr at;
	uint16_t low, high;
	int type;		/* SOCK_STREAM or SOCK_DGRAM */
	int backlog;		/* SOCK_STREAM */
};

static bool
set_on(int fd, int level, int option)
{
	int on = 1;

	return setsockopt(fd, level, option, &on, sizeof(on)) == 0;
}

/*
 * A range is small: a port is free again as soon as nobody listens on it, not
 * a minute after its last session. UDP has nothing to wait for, and there the
 * option would let a second socket take the datagrams of the first.
 */
static bool
set_options(int fd, int family, const struct wanted *w)
{
	if (family == AF_INET6 && !set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY))
		return false;
	return w->type != SOCK_STREAM || w->low == 0 ||
	    set_on(fd, SOL_SOCKET, SO_REUSEADDR);
}

static void
close_quietly(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

static int
socket_new(const struct wanted *w)
{
	int family = addr_is_v4(&w->at) ? AF_INET : AF_INET6;
	int fd = socket(family, w->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || set_options(fd, family, w))
		return fd;
	close_quietly(fd);
	return -1;
}

static bool
bind_to(int fd, const struct addr *at, uint16_t port)
{
	struct endpoint e = { *at, port };
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&e, &sa);

	return bind(fd, (struct sockaddr *)&sa, len) == 0;
}

/*
 * Tries one port with *fd, which is not bound yet, or -1. A socket that was
 * bound, but lost the port to another before it listened, is of no more use.
 */
static bool
take(int *fd, const struct wanted *w, uint16_t port)
{
	if (*fd < 0)
		*fd = socket_new(w);
	if (*fd < 0 || !bind_to(*fd, &w->at, port))
		return false;
	if (w->type != SOCK_STREAM || listen(*fd, w->backlog) == 0)
		return true;
	close_quietly(*fd);
	*fd = -1;
	return false;
}

static uint32_t
random_below(uint32_t n)
{
	uint64_t r;

	random_bytes(&r, sizeof(r));
	return (uint32_t)(r % n);
}

static int
search(const struct wanted *w)
{
	uint32_t n = (uint32_t)w->high - w->low + 1u;
	uint32_t first = n > 1 ? random_below(n) : 0;
	uint32_t tries = n < PORTS_TRIES ? n : PORTS_TRIES;
	int fd = -1;

	for (uint32_t i = 0; i < tries; i++) {
		uint16_t port = (uint16_t)(w->low + (first + i) % n);

		if (take(&fd, w, port))
			return fd;
		if (errno != EADDRINUSE)
			break;
	}
	if (fd >= 0)
		close_quietly(fd);
	return -1;
}

static int
fail(const struct wanted *w, struct err *err)
{
	char text[ADDR_TEXT_SIZE];
	int saved = errno;

	addr_format(text, &w->at);
	if (w->low == 0)
		(void)err_sys(err, "no port at %s", text);
	else
		(void)err_sys(err, "no free port from %u to %u at %s",
		    (unsigned)w->low, (unsigned)w->high, text);
	errno = saved;
	return -1;
}

int
ports_listen(const struct addr *at, uint16_t low, uint16_t high, int backlog,
    struct err *err)
{
	const struct wanted w = { *at, low, high, SOCK_STREAM, backlog };
	int fd = search(&w);

	return fd >= 0 ? fd : fail(&w, err);
}

int
ports_datagram(const struct addr *at, uint16_t low, uint16_t high,
    struct err *err)
{
	const struct wanted w = { *at, low, high, SOCK_DGRAM, 0 };
	int fd = search(&w);

	return fd >= 0 ? fd : fail(&w, err);
}
