/* SPDX-License-Identifier: MIT */
/*
 * udp_load: datagrams through a SOCKS5 server, there and back.
 *
 *   udp_load HOST:PORT USER PASSWORD ASSOCIATIONS SIZE SECONDS [WINDOW]
 *
 * Opens so many UDP associations (USER "": without a login), each with an echo
 * on loopback as its destination and WINDOW datagrams of SIZE bytes of payload
 * under way (default 8). One that comes back is sent again; what is missing for
 * 100 ms is replaced and counted as lost. Prints a line when it begins to
 * count, for whoever takes the server's CPU time, and one at the end:
 *
 *   udp begins
 *   udp associations=1 size=64 window=8 seconds=5.0 relayed=123456 lost=0
 *
 * `relayed` is what the server carried while the time was taken, each way
 * counted: the unit for its CPU time. Exit code 0, or 1 with a line on stderr:
 * the server cannot be reached, refuses, or does not relay. IPv4 only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/addr.h"

#define BATCH 32
#define HEADER 10
#define MOST 65536
#define EVENTS 256
#define PATIENCE_MS 100
#define WARM_UP_MS 300

struct assoc {
	int control, fd;
	uint64_t back, back_before;	/* datagrams that returned */
};

static struct endpoint server;
static const char *user, *password;
static unsigned n_assocs, window;
static size_t size;
static struct sockaddr_in echo_at;
static _Atomic uint64_t echoed;
static uint64_t returned, lost;

/* ---- sockets ---- */

static int
udp_socket(struct sockaddr_in *at)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(*at);
	int big = 4 << 20, fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) != 0)
		die("udp_load: socket: %s", strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	if (at != NULL)
		getsockname(fd, (struct sockaddr *)at, &len);
	return fd;
}

/* Many datagrams in and out again as they are. */
struct batch {
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in from[BATCH];
	char bytes[BATCH][HEADER + MOST];
};

static struct batch *
batch_new(void)
{
	struct batch *b = xcalloc(1, sizeof(*b));

	for (unsigned i = 0; i < BATCH; i++) {
		b->msgs[i].msg_hdr.msg_iov = &b->iov[i];
		b->msgs[i].msg_hdr.msg_iovlen = 1;
		b->msgs[i].msg_hdr.msg_name = &b->from[i];
		b->iov[i].iov_base = b->bytes[i];
	}
	return b;
}

/* Sends back what waits; how many. */
static unsigned
bounce(struct batch *b, int fd, int flags)
{
	int n;

	for (unsigned i = 0; i < BATCH; i++) {
		b->iov[i].iov_len = sizeof(b->bytes[i]);
		b->msgs[i].msg_hdr.msg_namelen = sizeof(b->from[i]);
	}
	n = recvmmsg(fd, b->msgs, BATCH, flags, NULL);
	for (int i = 0; i < n; i++)
		b->iov[i].iov_len = b->msgs[i].msg_len;
	for (int at = 0; at < n;) {
		int sent = sendmmsg(fd, b->msgs + at, (unsigned)(n - at), 0);

		if (sent <= 0)
			break;
		at += sent;
	}
	return n > 0 ? (unsigned)n : 0;
}

static void *
echo(void *arg)
{
	int fd = *(int *)arg;
	struct batch *b = batch_new();

	for (;;)
		atomic_fetch_add_explicit(&echoed,
		    bounce(b, fd, MSG_WAITFORONE), memory_order_relaxed);
	return NULL;
}

/* ---- SOCKS ---- */

static void
say(int fd, const void *p, size_t len)
{
	if (send(fd, p, len, MSG_NOSIGNAL) != (ssize_t)len)
		die("udp_load: the server went away");
}

static void
hear(int fd, uint8_t *p, size_t len)
{
	if (recv(fd, p, len, MSG_WAITALL) != (ssize_t)len)
		die("udp_load: the server went away");
}

static void
log_in(int fd)
{
	uint8_t out[513], in[2];
	size_t u = strlen(user), p = strlen(password), n = 0;

	say(fd, u > 0 ? "\5\1\2" : "\5\1\0", 3);
	hear(fd, in, 2);
	if (in[1] != (u > 0 ? 2 : 0))
		die("udp_load: login method %d", in[1]);
	if (u == 0)
		return;
	out[n++] = 1;
	out[n++] = (uint8_t)u;
	memcpy(out + n, user, u);
	n += u;
	out[n++] = (uint8_t)p;
	memcpy(out + n, password, p);
	say(fd, out, n + p);
	hear(fd, in, 2);
	if (in[1] != 0)
		die("udp_load: login refused");
}

static void
assoc_open(struct assoc *a)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&server, &sa);
	struct sockaddr_in relay = { .sin_family = AF_INET };
	uint8_t reply[10];

	a->control = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(a->control, (struct sockaddr *)&sa, len) != 0)
		die("udp_load: connect: %s", strerror(errno));
	log_in(a->control);
	say(a->control, "\5\3\0\1\0\0\0\0\0\0", 10);
	hear(a->control, reply, sizeof(reply));
	if (reply[1] != 0 || reply[3] != 1)
		die("udp_load: UDP ASSOCIATE: reply %d", reply[1]);
	memcpy(&relay.sin_addr, reply + 4, 4);
	memcpy(&relay.sin_port, reply + 8, 2);
	a->fd = udp_socket(NULL);
	if (connect(a->fd, (struct sockaddr *)&relay, sizeof(relay)) != 0)
		die("udp_load: connect: %s", strerror(errno));
}

/* ---- load ---- */

/* `n` new ones on the way. */
static void
feed(const struct assoc *a, uint64_t n)
{
	char out[HEADER + MOST] = { 0, 0, 0, 1 };

	memcpy(out + 4, &echo_at.sin_addr, 4);
	memcpy(out + 8, &echo_at.sin_port, 2);
	while (n-- > 0)
		(void)send(a->fd, out, HEADER + size, MSG_DONTWAIT);
}

/* Who stands still gets a whole window anew. */
static void
look_for_lost(struct assoc *assocs)
{
	for (unsigned i = 0; i < n_assocs; i++) {
		struct assoc *a = &assocs[i];

		if (a->back == a->back_before) {
			lost += window;
			feed(a, window);
		}
		a->back_before = a->back;
	}
}

static void
run_until(int loop, struct batch *b, struct assoc *assocs, uint64_t end_ms)
{
	uint64_t look_ms = clock_mono_ms() + PATIENCE_MS, now;

	while ((now = clock_mono_ms()) < end_ms) {
		struct epoll_event ready[EVENTS];
		int n = epoll_wait(loop, ready, EVENTS, PATIENCE_MS);

		for (int i = 0; i < n; i++) {
			struct assoc *a = ready[i].data.ptr;
			unsigned came = bounce(b, a->fd, MSG_DONTWAIT);

			a->back += came;
			returned += came;
		}
		if (now >= look_ms) {
			look_for_lost(assocs);
			look_ms = now + PATIENCE_MS;
		}
	}
}

static void
measure(struct assoc *assocs, uint64_t ms)
{
	struct batch *b = batch_new();
	int loop = epoll_create1(0);
	uint64_t begin, relayed;

	for (unsigned i = 0; i < n_assocs; i++) {
		struct epoll_event ev = { .events = EPOLLIN,
			.data.ptr = &assocs[i] };

		assoc_open(&assocs[i]);
		epoll_ctl(loop, EPOLL_CTL_ADD, assocs[i].fd, &ev);
		feed(&assocs[i], window);
	}
	run_until(loop, b, assocs, clock_mono_ms() + WARM_UP_MS);
	lost = 0;
	relayed = returned + atomic_load(&echoed);
	begin = clock_mono_us();
	puts("udp begins");
	fflush(stdout);
	run_until(loop, b, assocs, clock_mono_ms() + ms);
	relayed = returned + atomic_load(&echoed) - relayed;
	printf("udp associations=%u size=%zu window=%u seconds=%.1f "
	    "relayed=%ju lost=%ju\n", n_assocs, size, window,
	    (double)(clock_mono_us() - begin) / 1e6, (uintmax_t)relayed,
	    (uintmax_t)lost);
	if (relayed == 0)
		die("udp_load: nothing was relayed");
}

static unsigned long
number(const char *text, unsigned long min, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n < min || n > max)
		die("udp_load: %s is not a number from %lu to %lu", text, min,
		    max);
	return n;
}

int
main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	pthread_t t;
	int fd;

	if (argc < 7 || argc > 8 ||
	    !endpoint_parse(&server, str_from(argv[1])))
		die("usage: udp_load HOST:PORT USER PASSWORD ASSOCIATIONS "
		    "SIZE SECONDS [WINDOW]");
	user = argv[2];
	password = argv[3];
	n_assocs = (unsigned)number(argv[4], 1, 10000);
	size = number(argv[5], 0, 65497);
	window = argc > 7 ? (unsigned)number(argv[7], 1, 1024) : 8;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	fd = udp_socket(&echo_at);
	if (pthread_create(&t, NULL, echo, &fd) != 0)
		die("udp_load: no thread");
	measure(xcalloc(n_assocs, sizeof(struct assoc)),
	    number(argv[6], 1, 3600) * 1000);
	return 0;
}
