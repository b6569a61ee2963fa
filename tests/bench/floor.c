/* SPDX-License-Identifier: MIT */
/*
 * floor: the least that a SOCKS5 CONNECT can cost; what Sallyport is held
 * against.
 *
 *   floor PORT [THREADS]      (2)
 *
 * It takes any password, decides nothing, records nothing, knows IPv4 only and
 * trusts its client to send each message in one piece. An epoll loop and a
 * SO_REUSEPORT listener a thread. A direction is copied until it has moved
 * 256 KiB, then spliced. Where a call can be left out it is; what the proxy
 * calls beyond these has to have a reason.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
#define ACCEPTS 32
#define COPY_MAX (256 << 10)	/* a read, and where splice begins */
#define PIPE_SIZE (1 << 20)
#define SMALL 4096		/* a shorter read was all there is */
#define ROUNDS 4		/* of one direction per wake-up */
#define UNWATCHED UINT32_MAX

enum phase { GREETING, LOGIN, REQUEST, CONNECTING, RELAY, DEAD };

/* One socket, and what was read from it and is not yet written. */
struct side {
	int fd;
	uint32_t watched;	/* epoll's events */
	bool eof;
	int pipe[2];
	size_t piped;		/* bytes in the pipe */
	char *rest;		/* what a short write left */
	size_t rest_at, rest_len;
	uint64_t moved;
	struct pair *pair;
};

struct pair {
	struct side side[2];	/* client, target */
	enum phase phase;
	struct pair *next;	/* of the dead */
};

static uint16_t port;
static __thread int epoll_fd;
static __thread char *buffer;
static __thread struct pair *dead;

static void
watch(struct side *s, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	if (s->watched == events)
		return;
	epoll_ctl(epoll_fd, s->watched == UNWATCHED ? EPOLL_CTL_ADD
	    : EPOLL_CTL_MOD, s->fd, &e);
	s->watched = events;
}

/* Its memory goes when all events of the turn are done. */
static void
bury(struct pair *p)
{
	if (p->phase == DEAD)
		return;
	for (unsigned i = 0; i < 2; i++) {
		struct side *s = &p->side[i];

		if (s->fd >= 0)
			close(s->fd);
		if (s->pipe[0] >= 0) {
			close(s->pipe[0]);
			close(s->pipe[1]);
		}
		free(s->rest);
	}
	p->phase = DEAD;
	p->next = dead;
	dead = p;
}

/* ---- relay ---- */

/* The steps of a move: more to do, nothing for now, or broken. */
enum step { MORE, WAIT, BROKEN };

static enum step
failed_step(void)
{
	return errno == EAGAIN ? WAIT : BROKEN;
}

static enum step
pass_eof(struct side *from, struct side *to)
{
	from->eof = true;
	shutdown(to->fd, SHUT_WR);
	return WAIT;
}

static enum step
flush(struct side *from, struct side *to)
{
	ssize_t n;

	if (from->rest_len > 0) {
		n = send(to->fd, from->rest + from->rest_at, from->rest_len,
		    MSG_NOSIGNAL);
		if (n < 0)
			return failed_step();
		from->rest_at += (size_t)n;
		from->rest_len -= (size_t)n;
	} else if (from->piped > 0) {
		n = splice(from->pipe[0], NULL, to->fd, NULL, from->piped,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0)
			return failed_step();
		from->piped -= (size_t)n;
	}
	return from->rest_len + from->piped > 0 ? WAIT : MORE;
}

static enum step
splice_in(struct side *from, struct side *to)
{
	ssize_t n;

	if (from->pipe[0] < 0) {
		if (pipe2(from->pipe, O_NONBLOCK | O_CLOEXEC) != 0)
			return BROKEN;
		fcntl(from->pipe[0], F_SETPIPE_SZ, PIPE_SIZE);
	}
	n = splice(from->fd, NULL, from->pipe[1], NULL, PIPE_SIZE,
	    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n < 0)
		return failed_step();
	if (n == 0)
		return pass_eof(from, to);
	from->piped = (size_t)n;
	return MORE;
}

static enum step
copy(struct side *from, struct side *to)
{
	ssize_t n = recv(from->fd, buffer, COPY_MAX, 0), sent;

	if (n < 0)
		return failed_step();
	if (n == 0)
		return pass_eof(from, to);
	from->moved += (uint64_t)n;
	sent = send(to->fd, buffer, (size_t)n, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN)
		return BROKEN;
	if (sent < 0)
		sent = 0;
	if (sent == n)
		return n < SMALL ? WAIT : MORE;
	free(from->rest);
	from->rest_len = (size_t)(n - sent);
	from->rest_at = 0;
	from->rest = xmalloc(from->rest_len);
	memcpy(from->rest, buffer + sent, from->rest_len);
	return WAIT;
}

static enum step
move(struct side *from, struct side *to)
{
	enum step step = MORE;

	for (unsigned i = 0; i < ROUNDS && step == MORE; i++) {
		step = flush(from, to);
		if (step != MORE || from->eof)
			break;
		step = from->moved > COPY_MAX ? splice_in(from, to)
		    : copy(from, to);
	}
	return step;
}

static bool
holds(const struct side *s)
{
	return s->rest_len + s->piped > 0;
}

/* Only what the event can have changed. */
static void
relay(struct pair *p, struct side *s, uint32_t events)
{
	struct side *other = &p->side[s == &p->side[0]];

	if (((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 &&
	    move(s, other) == BROKEN) ||
	    ((events & EPOLLOUT) != 0 && move(other, s) == BROKEN) ||
	    (s->eof && other->eof && !holds(s) && !holds(other))) {
		bury(p);
		return;
	}
	for (unsigned i = 0; i < 2; i++) {
		const struct side *peer = &p->side[!i];

		s = &p->side[i];
		watch(s, (s->eof || holds(s) ? 0u : (uint32_t)EPOLLIN) |
		    (holds(peer) ? (uint32_t)EPOLLOUT : 0u));
	}
}

/* ---- handshake ---- */

static bool
answer(struct pair *p, const char *text, ssize_t len)
{
	return send(p->side[0].fd, text, (size_t)len, MSG_NOSIGNAL) == len;
}

static bool
greeting(struct pair *p, const uint8_t *in, ssize_t len)
{
	bool login = len >= 3 && in[2] == 2;

	if (len < 3 || in[0] != 5)
		return false;
	p->phase = login ? LOGIN : REQUEST;
	return answer(p, login ? "\5\2" : "\5\0", 2);
}

static bool
login(struct pair *p, const uint8_t *in, ssize_t len)
{
	(void)in;
	(void)len;
	p->phase = REQUEST;
	return answer(p, "\1\0", 2);
}

static bool
request(struct pair *p, const uint8_t *in, ssize_t len)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int one = 1, fd;

	if (len < 10 || in[1] != 1 || in[3] != 1)
		return false;
	memcpy(&to.sin_addr, in + 4, 4);
	memcpy(&to.sin_port, in + 8, 2);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	p->side[1].fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 &&
	    errno != EINPROGRESS)
		return false;
	p->phase = CONNECTING;
	watch(&p->side[0], 0);
	watch(&p->side[1], EPOLLOUT);
	return true;
}

static bool
connected(struct pair *p, struct side *s)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (s == &p->side[0] ||
	    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 ||
	    error != 0 || !answer(p, "\5\0\0\1\0\0\0\0\0\0", 10))
		return false;
	p->phase = RELAY;
	watch(&p->side[0], EPOLLIN);
	watch(&p->side[1], EPOLLIN);
	return true;
}

static bool
heard(struct pair *p)
{
	uint8_t in[520];
	ssize_t len = recv(p->side[0].fd, in, sizeof(in), 0);

	if (len <= 0)
		return len < 0 && errno == EAGAIN;
	return p->phase == GREETING ? greeting(p, in, len)
	    : p->phase == LOGIN ? login(p, in, len) : request(p, in, len);
}

static void
on_event(struct side *s, uint32_t events)
{
	struct pair *p = s->pair;

	if (p->phase == RELAY)
		relay(p, s, events);
	else if (p->phase != DEAD &&
	    !(p->phase == CONNECTING ? connected(p, s) : heard(p)))
		bury(p);
}

/* ---- threads ---- */

static void
take(int listener)
{
	int one = 1;

	for (unsigned i = 0; i < ACCEPTS; i++) {
		/* cppcheck-suppress nullPointer ; accept4 allows it */
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		struct pair *p;

		if (fd < 0)
			return;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		p = xcalloc(1, sizeof(*p));
		for (unsigned k = 0; k < 2; k++)
			p->side[k] = (struct side){ .fd = -1, .pair = p,
				.watched = UNWATCHED, .pipe = { -1, -1 } };
		p->side[0].fd = fd;
		watch(&p->side[0], EPOLLIN);
	}
}

static int
listen_here(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    listen(fd, 4096) != 0)
		die("port %u: %s", port, strerror(errno));
	return fd;
}

static void
free_dead(void)
{
	while (dead != NULL) {
		struct pair *p = dead;

		dead = p->next;
		free(p);
	}
}

static void *
work(void *arg)
{
	struct epoll_event events[EVENTS], e = { .events = EPOLLIN };
	int listener = listen_here();

	(void)arg;
	buffer = xmalloc(COPY_MAX);
	epoll_fd = epoll_create1(0);
	if (epoll_fd < 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e) != 0)
		die("epoll: %s", strerror(errno));
	for (;;) {
		int n = epoll_wait(epoll_fd, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				take(listener);
			else
				on_event(events[i].data.ptr, events[i].events);
		}
		free_dead();
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	long number = argc >= 2 ? strtol(argv[1], NULL, 10) : 0;
	long threads = argc == 3 ? strtol(argv[2], NULL, 10) : 2;
	struct rlimit files;
	pthread_t thread;

	if (argc < 2 || argc > 3 || number < 1 || number > 65535 || threads < 1)
		die("usage: floor PORT [THREADS]");
	port = (uint16_t)number;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_IGN);
	for (long i = 1; i < threads; i++)
		if (pthread_create(&thread, NULL, work, NULL) != 0)
			die("cannot start a thread");
	work(NULL);
}
