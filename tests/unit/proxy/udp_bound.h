/* SPDX-License-Identifier: MIT */
/*
 * udp_bound: a socket of UDP for a test, on an address of its own.
 */
#ifndef UNIT_PROXY_UDP_BOUND_H
#define UNIT_PROXY_UDP_BOUND_H

#include <sys/socket.h>

#include "net/sock.h"

/* `at`: address and port, 0 a free one; `out`, if not NULL, gets both. `flags`
 * as of socket(2), e.g. SOCK_NONBLOCK. Much may lie there unread. */
static inline int
udp_bound(const char *at, int flags, struct endpoint *out)
{
	struct sockaddr_storage sa;
	struct endpoint e;
	socklen_t len;
	int fd, big = 1 << 20;

	assert_true(endpoint_parse(&e, str_from(at)));
	len = endpoint_to_sockaddr(&e, &sa);
	fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | flags, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	if (out != NULL)
		assert_true(sock_local(fd, out));
	return fd;
}

#endif
