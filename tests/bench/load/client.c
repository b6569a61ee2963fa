/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOURCES 0x7f000101u	/* 127.0.1.1 */
#define TARGETS 0x7f000201u
#define SPREAD 250

uint64_t
client_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void
client_close(struct client_conn *conn)
{
	if (conn->fd >= 0)
		close(conn->fd);
	conn->fd = -1;
}

void
client_fail(struct client *c, struct client_conn *conn)
{
	client_close(conn);
	c->failed(c, conn);
}

static void
watch(struct client *c, struct client_conn *conn, int op, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = conn };

	if (epoll_ctl(c->epoll, op, conn->fd, &e) != 0)
		die("epoll_ctl: %s", strerror(errno));
}

void
client_watch(struct client *c, struct client_conn *conn, uint32_t events)
{
	watch(c, conn, EPOLL_CTL_MOD, events);
}

int
client_send(struct client *c, struct client_conn *conn, const void *data,
    size_t len)
{
	if (send(conn->fd, data, len, MSG_NOSIGNAL) == (ssize_t)len)
		return 0;
	client_fail(c, conn);
	return -1;
}

static struct sockaddr_in
address(uint32_t first, unsigned serial, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(first + serial % SPREAD) };
}

int
client_socket(unsigned serial, uint16_t port, bool target)
{
	struct sockaddr_in from = address(SOURCES, serial, 0);
	struct sockaddr_in to = target ? address(TARGETS, serial, port)
	    : address(INADDR_LOOPBACK, 0, port);
	int one = 1, saved, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0 &&
	    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
	    sizeof(one)) == 0 &&
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0 &&
	    (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ||
	    errno == EINPROGRESS))
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

void
client_start(struct client *c, struct client_conn *conn)
{
	bool straight = c->proxy_port == 0;

	conn->serial = c->serial++;
	conn->stage = CLIENT_CONNECTING;
	conn->have = 0;
	conn->got = 0;
	conn->fd = client_socket(conn->serial,
	    straight ? c->target_port : c->proxy_port, straight);
	if (conn->fd < 0)
		c->failed(c, conn);
	else
		watch(c, conn, EPOLL_CTL_ADD, EPOLLOUT);
}

static void
connected(struct client *c, struct client_conn *conn)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 ||
	    error != 0) {
		client_fail(c, conn);
		return;
	}
	client_watch(c, conn, EPOLLIN);
	if (c->proxy_port == 0) {
		conn->stage = CLIENT_OPEN;
		c->opened(c, conn, 0);
		return;
	}
	conn->stage = CLIENT_GREETING;
	(void)!client_send(c, conn, c->user != NULL ? "\5\1\2" : "\5\1\0", 3);
}

static void
log_in(struct client *c, struct client_conn *conn)
{
	size_t user = strlen(c->user), password = strlen(c->password);
	uint8_t out[513] = { 1, (uint8_t)user };

	memcpy(out + 2, c->user, user);
	out[2 + user] = (uint8_t)password;
	memcpy(out + 3 + user, c->password, password);
	conn->stage = CLIENT_LOGIN;
	conn->have = 0;
	(void)!client_send(c, conn, out, 3 + user + password);
}

static void
request(struct client *c, struct client_conn *conn)
{
	struct sockaddr_in to = address(TARGETS, conn->serial, c->target_port);
	uint8_t out[10] = { 5, 1, 0, 1 };

	memcpy(out + 4, &to.sin_addr, 4);
	memcpy(out + 8, &to.sin_port, 2);
	conn->stage = CLIENT_REQUEST;
	conn->have = 0;
	(void)!client_send(c, conn, out, sizeof(out));
}

/* RFC 1928, section 6; how long it is can be told after five bytes. */
static void
reply(struct client *c, struct client_conn *conn)
{
	unsigned len = conn->in[3] == 1 ? 10 : conn->in[3] == 4 ? 22
	    : 7u + conn->in[4];

	if (conn->in[1] != 0) {
		client_fail(c, conn);
	} else if (conn->have >= len) {
		conn->stage = CLIENT_OPEN;
		c->opened(c, conn, conn->have - len);
	}
}

static void
answered(struct client *c, struct client_conn *conn)
{
	ssize_t n = recv(conn->fd, conn->in + conn->have,
	    sizeof(conn->in) - conn->have, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		client_fail(c, conn);
		return;
	}
	conn->have += (unsigned)n;
	if (conn->stage == CLIENT_REQUEST) {
		if (conn->have >= 5)
			reply(c, conn);
	} else if (conn->have < 2) {
		return;
	} else if (conn->stage == CLIENT_GREETING && conn->in[1] == 2 &&
	    c->user != NULL) {
		log_in(c, conn);
	} else if (conn->in[1] == 0) {
		request(c, conn);
	} else {
		client_fail(c, conn);
	}
}

void
client_event(struct client *c, struct client_conn *conn, uint32_t events)
{
	if (conn->fd < 0)
		return;
	if (conn->stage == CLIENT_CONNECTING)
		connected(c, conn);
	else if (conn->stage == CLIENT_OPEN)
		c->event(c, conn, events);
	else
		answered(c, conn);
}
