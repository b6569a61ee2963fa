/* SPDX-License-Identifier: MIT */
/*
 * io_fixture: a loop as the workers have it, sockets on loopback, and a count
 * of descriptors. Included by one test each.
 */
#ifndef UNIT_PROXY_IO_FIXTURE_H
#define UNIT_PROXY_IO_FIXTURE_H

#include <arpa/inet.h>
#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/settings.h"
#include "net/sock.h"

static inline struct event_base *
io_base(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base;

	signal(SIGPIPE, SIG_IGN);
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK |
	    EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
	base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	assert_non_null(base);
	return base;
}

/* Turns the loop until `*done`; fails after 10 s. */
static inline void
io_run(struct event_base *base, const bool *done)
{
	const struct timeval limit = { 10, 0 };
	struct timeval begin, now;

	evutil_gettimeofday(&begin, NULL);
	while (!*done) {
		event_base_loopexit(base, &limit);
		event_base_loop(base, EVLOOP_ONCE);
		evutil_gettimeofday(&now, NULL);
		if (now.tv_sec > begin.tv_sec + 10)
			fail_msg("nothing happened for 10 s");
	}
}

/* Takes what is ready, without waiting. */
static inline void
io_turn(struct event_base *base, unsigned times)
{
	while (times-- > 0)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static inline size_t
io_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* A listening socket on 127.0.0.1 or ::1, and where it is. */
static inline int
io_listen(const char *at, int backlog, struct endpoint *out)
{
	struct endpoint e;
	int fd;

	assert_true(endpoint_parse(&e, str_from(at)));
	fd = sock_listen(&e, false, backlog, NULL);
	assert_true(fd >= 0);
	assert_true(sock_local(fd, out));
	return fd;
}

static inline void
io_nonblocking(int fd)
{
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

/* Two ends of a TCP connection over loopback, both non-blocking. */
static inline void
io_tcp_pair(int fd[2])
{
	struct sockaddr_storage sa;
	struct endpoint at;
	int l = io_listen("127.0.0.1:0", 1, &at);
	socklen_t len = endpoint_to_sockaddr(&at, &sa);

	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd[0], (struct sockaddr *)&sa, len), 0);
	fd[1] = accept(l, NULL, NULL);
	assert_true(fd[1] >= 0);
	io_nonblocking(fd[0]);
	io_nonblocking(fd[1]);
	close(l);
}

#endif
