/* SPDX-License-Identifier: MIT */
/*
 * stream: a byte stream over a socket, plain now, TLS later, chosen once.
 *
 * A small value {ops, fd, state}; whoever holds it closes it. Results are those
 * of read(2) and write(2): -1 with errno (EAGAIN: wait for `fd`), 0 from read
 * is a half-close. Owned by one worker.
 */
#ifndef PROXY_STREAM_H
#define PROXY_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct stream;

struct stream_ops {
	const char *name;
	bool spliceable;	/* the fd carries the payload itself */
	ssize_t (*read)(struct stream *s, void *p, size_t len);
	ssize_t (*write)(struct stream *s, const void *p, size_t len);
	int (*shutdown_write)(struct stream *s);
	/* With RST when `abort` (SO_LINGER 0); else ends the write side first
	 * if that has not been done. */
	void (*close)(struct stream *s, bool abort);
};

struct stream {
	const struct stream_ops *ops;	/* NULL: none, or closed */
	int fd;
	void *state;			/* of TLS */
};

/* Takes the descriptor. */
struct stream stream_plain(int fd);

static inline bool
stream_is_open(const struct stream *s)
{
	return s->ops != NULL;
}
static inline ssize_t
stream_read(struct stream *s, void *p, size_t len)
{
	return s->ops->read(s, p, len);
}
static inline ssize_t
stream_write(struct stream *s, const void *p, size_t len)
{
	return s->ops->write(s, p, len);
}
static inline int
stream_shutdown_write(struct stream *s)
{
	return s->ops->shutdown_write(s);
}
/* Harmless when closed already. */
static inline void
stream_close(struct stream *s, bool abort)
{
	if (s->ops == NULL)
		return;
	s->ops->close(s, abort);
	s->ops = NULL;
	s->fd = -1;
}

#endif
