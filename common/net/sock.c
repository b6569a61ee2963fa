/* SPDX-License-Identifier: MIT */
#include "net/sock.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define KEEPALIVE_PROBES 3

static bool
set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

static bool
set_on(int fd, int level, int option)
{
	return set_option(fd, level, option, 1);
}

/*
 * A bound TCP socket. SO_REUSEADDR passes over connections in TIME_WAIT but
 * never over a socket that listens. IPv6 sockets take IPv6 only, so that
 * 0.0.0.0:p and [::]:p can stand side by side.
 */
int
sock_bind(const struct endpoint *at, bool reuseport, struct err *err)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(at, &sa);
	char text[ENDPOINT_TEXT_SIZE];
	int fd, saved;

	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    IPPROTO_TCP);
	if (fd >= 0 && set_on(fd, SOL_SOCKET, SO_REUSEADDR) &&
	    (!reuseport || set_on(fd, SOL_SOCKET, SO_REUSEPORT)) &&
	    (sa.ss_family != AF_INET6 ||
	    set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY)) &&
	    bind(fd, (struct sockaddr *)&sa, len) == 0)
		return fd;
	saved = errno;
	if (fd >= 0)
		close(fd);
	endpoint_format(text, at);
	errno = saved;
	return err_sys(err, "%s", text);
}

int
sock_probe(const struct endpoint *at, struct err *err)
{
	int fd = sock_bind(at, false, err);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

int
sock_listen(const struct endpoint *at, bool reuseport, int backlog,
    struct err *err)
{
	char text[ENDPOINT_TEXT_SIZE];
	int fd = sock_bind(at, reuseport, err), saved;

	if (fd < 0 || listen(fd, backlog) == 0)
		return fd;
	saved = errno;
	close(fd);
	endpoint_format(text, at);
	errno = saved;
	return err_sys(err, "%s", text);
}

void
sock_set_patience(int fd, uint64_t keepalive_ms, uint64_t user_timeout_ms)
{
	int s = (int)((keepalive_ms + 999) / 1000);

	(void)set_option(fd, SOL_SOCKET, SO_KEEPALIVE, s > 0);
	if (s > 0) {
		(void)set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, s);
		(void)set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, s);
		(void)set_option(fd, IPPROTO_TCP, TCP_KEEPCNT,
		    KEEPALIVE_PROBES);
	}
	(void)set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)user_timeout_ms);
}

bool
sock_local(int fd, struct endpoint *out)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	return getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
	    endpoint_from_sockaddr(out, (struct sockaddr *)&sa);
}

bool
sock_peer(int fd, struct endpoint *out)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	return getpeername(fd, (struct sockaddr *)&sa, &len) == 0 &&
	    endpoint_from_sockaddr(out, (struct sockaddr *)&sa);
}

size_t
sock_own_addresses(struct addr *out, size_t max)
{
	struct ifaddrs *all;
	struct endpoint e;
	size_t n = 0;

	if (getifaddrs(&all) != 0)
		return 0;
	for (struct ifaddrs *i = all; i != NULL && n < max; i = i->ifa_next)
		if (i->ifa_addr != NULL &&
		    endpoint_from_sockaddr(&e, i->ifa_addr))
			out[n++] = e.addr;
	freeifaddrs(all);
	return n;
}
