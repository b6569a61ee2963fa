/* SPDX-License-Identifier: MIT */
/*
 * udp_floor: the least that a SOCKS5 UDP ASSOCIATE can cost with recvfrom and
 * sendto; what Sallyport's relay of datagrams is held against.
 *
 *   udp_floor PORT [THREADS]      (2)
 *
 * Serves on 127.0.0.1. It takes any password and the first who sends,
 * decides nothing, counts nothing, knows IPv4 only and trusts its client to
 * send each message in one piece. An epoll loop and a SO_REUSEPORT listener a
 * thread; a socket is read until it is empty, one call a datagram in, one out.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define EVENTS 256
#define AT_ONCE 32		/* datagrams of one socket per wake-up */
#define HEADER 10
#define SIZE (HEADER + 65536)

enum sort { LISTENER, CONTROL, CLIENT, WORLD };

struct end {
	enum sort sort;
	int fd;
	struct assoc *assoc;
};

struct assoc {
	struct end control, client, world;
	unsigned step;		/* of the handshake */
	struct sockaddr_in from;	/* the client; port 0: not known */
	struct assoc *next;	/* of the dead */
};

static uint16_t port;

static void
watch(int loop, struct end *e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = e };

	if (epoll_ctl(loop, EPOLL_CTL_ADD, e->fd, &ev) != 0)
		die("udp_floor: epoll: %s", strerror(errno));
}

static int
udp_on(in_addr_t at)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = at };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
		die("udp_floor: socket: %s", strerror(errno));
	return fd;
}

/* The answer of success, and both sockets. */
static void
associate(int loop, struct assoc *a)
{
	struct sockaddr_in at;
	socklen_t len = sizeof(at);
	uint8_t reply[10] = { 5, 0, 0, 1 };

	a->client = (struct end){ CLIENT, udp_on(htonl(INADDR_LOOPBACK)), a };
	a->world = (struct end){ WORLD, udp_on(htonl(INADDR_ANY)), a };
	getsockname(a->client.fd, (struct sockaddr *)&at, &len);
	memcpy(reply + 4, &at.sin_addr, 4);
	memcpy(reply + 8, &at.sin_port, 2);
	watch(loop, &a->client);
	watch(loop, &a->world);
	if (write(a->control.fd, reply, sizeof(reply)) != sizeof(reply))
		die("udp_floor: a client does not read");
}

/* false: it has ended. */
static bool
on_control(int loop, struct assoc *a)
{
	uint8_t in[600];
	ssize_t n = read(a->control.fd, in, sizeof(in));
	const char *answer = a->step == 0 ? "\5\2" : "\1\0";

	if (n <= 0)
		return false;
	if (a->step == 0 && memchr(in + 2, 2, (size_t)n - 2) == NULL) {
		answer = "\5\0";	/* a client without password */
		a->step++;
	}
	if (a->step < 2 && write(a->control.fd, answer, 2) != 2)
		return false;
	if (a->step == 2)
		associate(loop, a);
	a->step++;
	return true;
}

static void
on_client(struct assoc *a, char *buffer)
{
	for (int i = 0; i < AT_ONCE; i++) {
		socklen_t len = sizeof(a->from);
		struct sockaddr_in to = { .sin_family = AF_INET };
		ssize_t n = recvfrom(a->client.fd, buffer, SIZE, 0,
		    (struct sockaddr *)&a->from, &len);

		if (n < HEADER)
			return;
		memcpy(&to.sin_addr, buffer + 4, 4);
		memcpy(&to.sin_port, buffer + 8, 2);
		(void)sendto(a->world.fd, buffer + HEADER, (size_t)n - HEADER,
		    0, (struct sockaddr *)&to, sizeof(to));
	}
}

static void
on_world(struct assoc *a, char *buffer)
{
	static const char head[4] = { 0, 0, 0, 1 };

	for (int i = 0; i < AT_ONCE; i++) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(a->world.fd, buffer + HEADER,
		    SIZE - HEADER, 0, (struct sockaddr *)&from, &len);

		if (n < 0)
			return;
		memcpy(buffer, head, 4);
		memcpy(buffer + 4, &from.sin_addr, 4);
		memcpy(buffer + 8, &from.sin_port, 2);
		(void)sendto(a->client.fd, buffer, (size_t)n + HEADER, 0,
		    (struct sockaddr *)&a->from, sizeof(a->from));
	}
}

static void
take_in(int loop, int listener)
{
	struct assoc *a;
	/* cppcheck-suppress nullPointer ; accept4 allows it */
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

	if (fd < 0)
		return;
	a = xcalloc(1, sizeof(*a));
	a->control = (struct end){ CONTROL, fd, a };
	a->client.fd = a->world.fd = -1;
	watch(loop, &a->control);
}

/* Out of the loop at once, freed after the turn. */
static void
end(struct assoc *a, struct assoc **dead)
{
	close(a->control.fd);
	if (a->client.fd >= 0) {
		close(a->client.fd);
		close(a->world.fd);
	}
	a->control.fd = -1;
	a->next = *dead;
	*dead = a;
}

static void
handle(int loop, struct end *e, char *buffer, struct assoc **dead)
{
	if (e->sort == LISTENER)
		take_in(loop, e->fd);
	else if (e->assoc->control.fd < 0)
		return;
	else if (e->sort == CLIENT)
		on_client(e->assoc, buffer);
	else if (e->sort == WORLD)
		on_world(e->assoc, buffer);
	else if (!on_control(loop, e->assoc))
		end(e->assoc, dead);
}

static int
listener_open(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(fd, 4096) != 0)
		die("udp_floor: port %u: %s", port, strerror(errno));
	return fd;
}

static void *
run(void *arg)
{
	struct end listener = { LISTENER, listener_open(), NULL };
	int loop = epoll_create1(0);
	char *buffer = xmalloc(SIZE);

	(void)arg;
	watch(loop, &listener);
	for (;;) {
		struct epoll_event ready[EVENTS];
		struct assoc *dead = NULL;
		int n = epoll_wait(loop, ready, EVENTS, -1);

		for (int i = 0; i < n; i++)
			handle(loop, ready[i].data.ptr, buffer, &dead);
		while (dead != NULL) {
			struct assoc *a = dead;

			dead = a->next;
			free(a);
		}
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	unsigned long threads = argc > 2 ? strtoul(argv[2], NULL, 10) : 2;

	port = argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 0;
	if (port == 0 || threads == 0 || threads > 64)
		die("usage: udp_floor PORT [THREADS]");
	signal(SIGPIPE, SIG_IGN);
	(void)setrlimit(RLIMIT_NOFILE, &files);
	for (unsigned long i = 1; i < threads; i++) {
		pthread_t t;

		if (pthread_create(&t, NULL, run, NULL) != 0)
			die("udp_floor: no thread");
	}
	run(NULL);
	return 0;
}
