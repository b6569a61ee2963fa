/* SPDX-License-Identifier: MIT */
#include "apid/probe.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define ANSWER_MAX 2048		/* what is beyond is not looked at */

/* One question under way. */
struct asking {
	struct probe *probe;
	int fd;			/* -1: over */
	bool sent;
	size_t len;
	char answer[ANSWER_MAX];
};

static void
end(struct asking *a, enum probe_state state, const char *text)
{
	struct text t = text_on(a->probe->text, sizeof(a->probe->text));

	a->probe->state = state;
	text_str(&t, str_from(text));
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}

static void
begin(struct asking *a, struct probe *p)
{
	struct endpoint at = p->at;
	struct sockaddr_storage sa;
	socklen_t len;

	*a = (struct asking){ .probe = p, .fd = -1 };
	if (at.port == 0) {
		end(a, PROBE_UNKNOWN, "its port is chosen at its start");
		return;
	}
	/* Who listens everywhere is asked here. */
	if (addr_is_unspecified(&at.addr))
		at.addr = addr_is_v4(&at.addr) ?
		    addr_from_v4((const uint8_t[]){ 127, 0, 0, 1 }) :
		    addr_from_v6((const uint8_t[16]){ [15] = 1 });
	len = endpoint_to_sockaddr(&at, &sa);
	a->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	if (a->fd < 0 || (connect(a->fd, (struct sockaddr *)&sa, len) < 0 &&
	        errno != EINPROGRESS))
		end(a, PROBE_UNREACHABLE, strerror(errno));
}

/* The lines after the head, joined. */
static void
tell_reasons(struct asking *a)
{
	struct text t = text_on(a->probe->text, sizeof(a->probe->text));
	const char *end = a->answer + a->len, *p, *line;

	line = memmem(a->answer, a->len, "\r\n\r\n", 4);
	for (line = line != NULL ? line + 4 : end; line < end; line = p + 1) {
		p = memchr(line, '\n', (size_t)(end - line));
		if (p == NULL)
			p = end;
		if (t.len > 0)
			text_str(&t, STR("; "));
		text_escaped(&t, (struct str){ line, (size_t)(p - line) });
	}
}

/* The peer has said all it had to say. */
static void
judge(struct asking *a)
{
	if (a->len < 12 || memcmp(a->answer, "HTTP/1.", 7) != 0) {
		end(a, PROBE_UNREACHABLE, "no answer of a daemon");
	} else if (memcmp(a->answer + 9, "200", 3) == 0) {
		end(a, PROBE_READY, "");
	} else {
		end(a, PROBE_NOT_READY, "");
		tell_reasons(a);
	}
}

static void
send_question(struct asking *a)
{
	static const char request[] =
	    "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";

	if (send(a->fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
		end(a, PROBE_UNREACHABLE, strerror(errno));
	a->sent = true;
}

static void
receive(struct asking *a)
{
	ssize_t n = read(a->fd, a->answer + a->len,
	    sizeof(a->answer) - a->len);

	if (n > 0)
		a->len += (size_t)n;
	else if (n < 0 && errno == EAGAIN)
		return;
	else if (n < 0)
		end(a, PROBE_UNREACHABLE, strerror(errno));
	if (a->fd >= 0 && (n == 0 || a->len == sizeof(a->answer)))
		judge(a);
}

/* Waits for any of them; false: the time is over, or none is left. */
static bool
turn(struct asking *all, size_t n, uint64_t deadline_ms)
{
	struct pollfd fds[PROBES_MAX];
	uint64_t now = clock_mono_ms();
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		fds[i] = (struct pollfd){ .fd = all[i].fd,
			.events = all[i].sent ? POLLIN : POLLOUT };
		left += all[i].fd >= 0;
	}
	if (left == 0 || now >= deadline_ms ||
	    poll(fds, n, (int)(deadline_ms - now)) <= 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (all[i].fd < 0 || fds[i].revents == 0)
			continue;
		if (all[i].sent)
			receive(&all[i]);
		else
			send_question(&all[i]);
	}
	return true;
}

void
probe_all(struct probe *probes, size_t n, unsigned timeout_ms)
{
	uint64_t deadline_ms = clock_mono_ms() + timeout_ms;
	struct asking all[PROBES_MAX];

	ASSERT(n <= PROBES_MAX);
	for (size_t i = 0; i < n; i++)
		begin(&all[i], &probes[i]);
	while (turn(all, n, deadline_ms))
		continue;
	for (size_t i = 0; i < n; i++)
		if (all[i].fd >= 0)
			end(&all[i], PROBE_UNREACHABLE, "no answer in time");
}
