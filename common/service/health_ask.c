/* SPDX-License-Identifier: MIT */
#include "service/health.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define ASK_MS 5000
#define ANSWER_MAX 4096		/* what is beyond is not looked at */

/* 0 when `fd` became ready before the deadline. */
static int
wait_for(int fd, short events, uint64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now = clock_mono_ms();
	int rc = poll(&p, 1, now < deadline_ms ? (int)(deadline_ms - now) : 0);

	if (rc > 0)
		return 0;
	if (rc == 0)
		errno = ETIMEDOUT;
	return -1;
}

static int
dial(int fd, const struct endpoint *at, uint64_t deadline_ms)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(at, &sa);
	int error = 0;

	if (connect(fd, (struct sockaddr *)&sa, len) == 0)
		return 0;
	if (errno != EINPROGRESS || wait_for(fd, POLLOUT, deadline_ms) != 0)
		return -1;
	len = sizeof(error);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	errno = error;
	return error == 0 ? 0 : -1;
}

/* All that comes until the peer closes, or as much as there is room for. */
static int
receive(int fd, char *answer, size_t size, size_t *len, uint64_t deadline_ms)
{
	for (*len = 0; *len < size;) {
		ssize_t n = read(fd, answer + *len, size - *len);

		if (n == 0)
			return 0;
		if (n > 0)
			*len += (size_t)n;
		else if (errno != EAGAIN || wait_for(fd, POLLIN, deadline_ms))
			return -1;
	}
	return 0;
}

/* What stands after the head, made harmless, without the last line's end. */
static void
tell_body(struct text *out, const char *answer, size_t len)
{
	const char *body = memmem(answer, len, "\r\n\r\n", 4), *p, *end;

	if (body == NULL)
		return;
	end = answer + len;
	for (body += 4; body < end; body = p + 1) {
		p = memchr(body, '\n', (size_t)(end - body));
		if (p == NULL)
			p = end;
		if (out->len > 0)
			text_str(out, STR("; "));
		text_escaped(out, (struct str){ body, (size_t)(p - body) });
	}
}

static int
judge(const char *answer, size_t len, struct err *err)
{
	char array[ERR_TEXT_MAX / 2];
	struct text body = text_on(array, sizeof(array));

	if (len < 12 || memcmp(answer, "HTTP/1.", 7) != 0 || answer[8] != ' ')
		return err_set(err, "no answer of a daemon");
	if (memcmp(answer + 9, "200", 3) == 0)
		return 0;
	tell_body(&body, answer, len);
	return err_set(err, "%s", body.len > 0 ? array : "not ready");
}

int
health_ask(const struct endpoint *at, struct err *err)
{
	static const char request[] =
	    "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
	uint64_t deadline_ms = clock_mono_ms() + ASK_MS;
	char text[ENDPOINT_TEXT_SIZE], answer[ANSWER_MAX];
	size_t len;
	int fd, rc;

	endpoint_format(text, at);
	fd = socket(addr_is_v4(&at->addr) ? AF_INET : AF_INET6,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(err, "%s", text);
	if (dial(fd, at, deadline_ms) != 0 ||
	    send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0 ||
	    receive(fd, answer, sizeof(answer), &len, deadline_ms) != 0)
		rc = err_sys(err, "%s", text);
	else if ((rc = judge(answer, len, err)) != 0)
		err_prefix(err, "%s", text);
	close(fd);
	return rc;
}
