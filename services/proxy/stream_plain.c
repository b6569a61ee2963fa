/* SPDX-License-Identifier: MIT */
/*
 * The stream without wrapping: what is read and written is the socket's.
 */
#include "proxy/stream.h"

#include <sys/socket.h>
#include <unistd.h>

static ssize_t
plain_read(struct stream *s, void *p, size_t len)
{
	return recv(s->fd, p, len, 0);
}

static ssize_t
plain_write(struct stream *s, const void *p, size_t len)
{
	return send(s->fd, p, len, MSG_NOSIGNAL);
}

static int
plain_shutdown_write(struct stream *s)
{
	return shutdown(s->fd, SHUT_WR);
}

static void
plain_close(struct stream *s, bool abort)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	if (abort)
		(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset,
		    sizeof(reset));
	close(s->fd);
}

static const struct stream_ops plain = {
	.name = "plain",
	.spliceable = true,
	.read = plain_read,
	.write = plain_write,
	.shutdown_write = plain_shutdown_write,
	.close = plain_close,
};

struct stream
stream_plain(int fd)
{
	return (struct stream){ .ops = &plain, .fd = fd };
}
