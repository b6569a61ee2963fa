/* SPDX-License-Identifier: MIT */
#include "http_peer.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"

static void
receive_head(struct http_peer *p, int fd)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && strstr(p->request, "\r\n\r\n") == NULL &&
	    len + 1 < sizeof(p->request)) {
		n = recv(fd, p->request + len, sizeof(p->request) - 1 - len, 0);
		len += n > 0 ? (size_t)n : 0;
	}
}

static bool
send_all(struct http_peer *p, int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p->sent += (size_t)n;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

static void *
serve(void *arg)
{
	static const struct linger now = { .l_onoff = 1 };
	struct http_peer *p = arg;
	int fd = accept(p->fd, NULL, NULL);
	char chunk[65536];

	if (fd < 0)
		return NULL;
	receive_head(p, fd);
	if (send_all(p, fd, p->answer, strlen(p->answer)) &&
	    p->end == HTTP_PEER_ENDLESS) {
		memset(chunk, p->answer[strlen(p->answer) - 1], sizeof(chunk));
		while (send_all(p, fd, chunk, sizeof(chunk)))
			;
	}
	if (p->end == HTTP_PEER_RESET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	return NULL;
}

void
http_peer_start(struct http_peer *p, const char *answer,
    enum http_peer_end end)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(sa);

	memset(p, 0, sizeof(*p));
	p->answer = answer;
	p->end = end;
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ASSERT(p->fd >= 0);
	ASSERT(bind(p->fd, (struct sockaddr *)&sa, len) == 0);
	ASSERT(listen(p->fd, 1) == 0);
	ASSERT(getsockname(p->fd, (struct sockaddr *)&sa, &len) == 0);
	snprintf(p->server, sizeof(p->server), "http://127.0.0.1:%u",
	    (unsigned)ntohs(sa.sin_port));
	ASSERT(pthread_create(&p->thread, NULL, serve, p) == 0);
}

void
http_peer_stop(struct http_peer *p)
{
	shutdown(p->fd, SHUT_RDWR);	/* wakes accept() */
	ASSERT(pthread_join(p->thread, NULL) == 0);
	close(p->fd);
}
