/* SPDX-License-Identifier: MIT */
#include "cutter.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define TURN_MS 5

struct cutter {
	int listener;
	unsigned short server_port;
	char *url;
	pthread_t thread;
	atomic_bool stopping, frozen, was_cut;
	atomic_long left; /* until the cut; -1: none */
	atomic_long passed;
};

const char *
cutter_server(void)
{
	const char *url = getenv("SALLYPORT_TEST_PG");

	if (url == NULL)
		die("run it under tests/tools/with_postgres.py");
	return url;
}

/* "postgresql://USER:PASSWORD@HOST:PORT/NAME" apart: from '@', from the last
 * ':'. */
char *
cutter_url(const char *url, const char *user, const char *password,
    unsigned short port)
{
	const char *start = strstr(url, "://") + 3, *at = strrchr(url, '@');
	const char *colon = strrchr(at, ':'), *slash = strchr(at, '/');
	char *who = user != NULL ? xasprintf("%s:%s", user, password)
				 : xmemdup0(start, (size_t)(at - start));
	char *where = port != 0 ? xasprintf("127.0.0.1:%u", port)
				: xmemdup0(at + 1, (size_t)(slash - at - 1));
	char *whole = xasprintf("postgresql://%s@%s%s", who, where, slash);

	ASSERT(colon != NULL && colon < slash);
	free(who);
	free(where);
	return whole;
}

static int
connect_to_server(const struct cutter *c)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(c->server_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool
pass(int to, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(to, p, n, MSG_NOSIGNAL);

		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

/* From the server: as much as may pass before the cut. */
static bool
pass_down(struct cutter *c, int client, const char *p, size_t n)
{
	long left = atomic_load(&c->left);

	atomic_fetch_add(&c->passed, (long)n);
	if (left < 0)
		return pass(client, p, n);
	if (left >= (long)n) {
		atomic_store(&c->left, left - (long)n);
		return pass(client, p, n);
	}
	(void)!pass(client, p, (size_t)left);
	atomic_store(&c->left, -1);
	atomic_store(&c->was_cut, true);
	return false;
}

static void
carry(struct cutter *c, int client, int server)
{
	char buf[16384];
	bool on = server >= 0;

	while (on && !atomic_load(&c->stopping)) {
		struct pollfd fds[2] = { { client, POLLIN, 0 },
			{ server, POLLIN, 0 } };
		bool frozen = atomic_load(&c->frozen);
		ssize_t n;

		if (poll(fds, frozen ? 0 : 2, TURN_MS) <= 0)
			continue;
		if (fds[0].revents != 0) {
			n = read(client, buf, sizeof(buf));
			on = n > 0 && pass(server, buf, (size_t)n);
		}
		if (on && fds[1].revents != 0) {
			n = read(server, buf, sizeof(buf));
			on = n > 0 && pass_down(c, client, buf, (size_t)n);
		}
	}
	if (server >= 0)
		close(server);
	close(client);
}

static void *
run(void *arg)
{
	struct cutter *c = arg;

	while (!atomic_load(&c->stopping)) {
		struct pollfd fd = { c->listener, POLLIN, 0 };

		if (poll(&fd, 1, TURN_MS) > 0)
			carry(c, accept(c->listener, NULL, NULL),
			    connect_to_server(c));
	}
	return NULL;
}

struct cutter *
cutter_start(void)
{
	struct cutter *c = xcalloc(1, sizeof(*c));
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	const char *port = strrchr(cutter_server(), ':') + 1;

	c->server_port = (unsigned short)atoi(port);
	atomic_store(&c->left, -1);
	c->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(c->listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(c->listener, 8) < 0 ||
	    getsockname(c->listener, (struct sockaddr *)&a, &len) < 0)
		die("cutter: no port");
	c->url = cutter_url(cutter_server(), NULL, NULL, ntohs(a.sin_port));
	if (pthread_create(&c->thread, NULL, run, c) != 0)
		die("cutter: no thread");
	return c;
}

const char *
cutter_through(const struct cutter *c)
{
	return c->url;
}

void
cutter_cut_after(struct cutter *c, long bytes)
{
	atomic_store(&c->was_cut, false);
	atomic_store(&c->left, bytes);
}

bool
cutter_was_cut(const struct cutter *c)
{
	return atomic_load(&c->was_cut);
}

long
cutter_passed(const struct cutter *c)
{
	return atomic_load(&c->passed);
}

void
cutter_freeze(struct cutter *c, bool frozen)
{
	atomic_store(&c->frozen, frozen);
}

void
cutter_stop(struct cutter **cp)
{
	struct cutter *c = *cp;

	if (c == NULL)
		return;
	atomic_store(&c->stopping, true);
	pthread_join(c->thread, NULL);
	close(c->listener);
	free(c->url);
	free(c);
	*cp = NULL;
}
