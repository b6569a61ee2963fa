/* SPDX-License-Identifier: MIT */
#include "proxy/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ROUNDS 4	/* reads in one turn */
#define SMALL 4096	/* below it, copying costs less than splicing */
#define DRY_MAX 3	/* once may be an event that is out of date */

/* Inside this file: a round moved bytes and another one may follow. */
#define PUMP_GO PUMP_AGAIN

static bool
would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

bool
pump_holds(const struct pump *p)
{
	return p->kept != NULL || p->pipe != NULL || p->left;
}

bool
pump_keep(struct pump *p, struct pump_room *room, const void *data,
    size_t len)
{
	ASSERT(p->kept == NULL && len <= UINT32_MAX);
	if (len == 0)
		return true;
	p->kept = malloc(len);
	if (p->kept == NULL)
		return false;
	memcpy(p->kept, data, len);
	room->kept += len;
	p->kept_at = 0;
	p->kept_len = (uint32_t)len;
	return true;
}

static void
drop_kept(struct pump *p, struct pump_room *room)
{
	if (p->kept == NULL)
		return;
	room->kept -= p->kept_at + p->kept_len;
	free(p->kept);
	p->kept = NULL;
}

void
pump_fini(struct pump *p, struct pump_room *room)
{
	drop_kept(p, room);
	if (p->pipe != NULL)
		pipes_put(&room->pipes, p->pipe);
	p->pipe = NULL;
}

static enum pump_result
deliver_kept(struct pump *p, struct stream *to, struct pump_room *room)
{
	ssize_t n = stream_write(to, p->kept + p->kept_at, p->kept_len);

	if (n < 0)
		return would_block() ? PUMP_WAIT_WRITE : PUMP_TO_FAILED;
	p->bytes += (uint64_t)n;
	p->kept_at += (uint32_t)n;
	p->kept_len -= (uint32_t)n;
	if (p->kept_len > 0)
		return PUMP_WAIT_WRITE;
	drop_kept(p, room);
	return PUMP_GO;
}

/* Empty, the pipe goes back: taking it again costs nothing. */
static enum pump_result
deliver_pipe(struct pump *p, struct stream *to, struct pump_room *room)
{
	ssize_t n = splice(p->pipe->out, NULL, to->fd, NULL, p->pipe->held,
	    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n < 0)
		return would_block() ? PUMP_WAIT_WRITE : PUMP_TO_FAILED;
	p->bytes += (uint64_t)n;
	p->pipe->held -= (size_t)n;
	if (p->pipe->held > 0)
		return PUMP_WAIT_WRITE;
	pipes_put(&room->pipes, p->pipe);
	p->pipe = NULL;
	return PUMP_GO;
}

static enum pump_result
nothing_read(struct pump *p, ssize_t n)
{
	if (n < 0)
		return would_block() ? PUMP_WAIT_READ : PUMP_FROM_FAILED;
	p->eof = true;
	return PUMP_EOF;
}

static void
count_bulk(struct pump *p, size_t n)
{
	if (n < SMALL)
		p->bulk = 0;
	else if (__builtin_add_overflow(p->bulk, n, &p->bulk))
		p->bulk = UINT32_MAX;
}

/* Another buffer that nobody takes would be too much. */
static bool
is_tight(const struct pump_room *room)
{
	return room->kept + room->pipes.bytes + room->size > room->memory_max;
}

/* Writes what stands in the buffer: how much of it was taken, or -1. */
static ssize_t
write_some(struct pump *p, struct stream *to, struct pump_room *room, size_t n)
{
	ssize_t w = stream_write(to, room->buffer, n);

	if (w < 0)
		return would_block() ? 0 : -1;
	p->bytes += (uint64_t)w;
	return w;
}

/* Takes bytes out of a socket that have been delivered already. */
static bool
discard(struct stream *from, size_t n)
{
	while (n > 0) {
		/* With MSG_TRUNC TCP copies nothing (tcp(7)). */
		// cppcheck-suppress nullPointer
		ssize_t gone = recv(from->fd, NULL, n, MSG_TRUNC);

		if (gone <= 0)
			return false;
		n -= (size_t)gone;
	}
	return true;
}

/* As copy_round, but what is not taken stays where it is. */
static enum pump_result
peek_round(struct pump *p, struct pump_ends ends, struct pump_room *room)
{
	ssize_t n = recv(ends.from->fd, room->buffer, room->size, MSG_PEEK), w;

	if (n <= 0)
		return nothing_read(p, n);
	w = write_some(p, ends.to, room, (size_t)n);
	if (w < 0)
		return PUMP_TO_FAILED;
	if (!discard(ends.from, (size_t)w))
		return PUMP_FROM_FAILED;
	p->left = w < n;
	return p->left ? PUMP_WAIT_WRITE : PUMP_GO;
}

/* A stream that cannot be looked into gives little at a time when memory is
 * short. */
static enum pump_result
copy_round(struct pump *p, struct pump_ends ends, struct pump_room *room)
{
	size_t most = room->size > SMALL && is_tight(room) ? SMALL : room->size;
	ssize_t n = stream_read(ends.from, room->buffer, most), w;

	if (n <= 0)
		return nothing_read(p, n);
	count_bulk(p, (size_t)n);
	w = write_some(p, ends.to, room, (size_t)n);
	if (w < 0)
		return PUMP_TO_FAILED;
	if (w < n)
		return pump_keep(p, room, room->buffer + w, (size_t)(n - w))
		    ? PUMP_WAIT_WRITE : PUMP_NO_MEMORY;
	/* A socket gave all it had. Other streams may hold more inside. */
	return (size_t)n < room->size && ends.from->ops->spliceable
	    ? PUMP_WAIT_READ : PUMP_GO;
}

/*
 * The kernel does not splice past an urgent byte: it says EAGAIN while the
 * socket stays `readable`. Then copying takes over.
 */
static enum pump_result
splice_round(struct pump *p, struct pump_ends ends, struct pump_room *room,
    struct pipe *pipe, bool readable)
{
	ssize_t n = splice(ends.from->fd, NULL, pipe->in, NULL, pipe->size,
	    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	enum pump_result r;

	if (n <= 0) {
		int saved = errno;

		pipes_put(&room->pipes, pipe);
		errno = saved;
		if (readable && ++p->dry >= DRY_MAX)
			p->bulk = p->dry = 0;
		return nothing_read(p, n);
	}
	p->dry = 0;
	count_bulk(p, (size_t)n);
	pipe->held = (size_t)n;
	p->pipe = pipe;
	r = deliver_pipe(p, ends.to, room);
	/* Little came: the loop will tell of more, which saves asking. */
	return r == PUMP_GO && (size_t)n < pipe->size / 4 ? PUMP_WAIT_READ : r;
}

static bool
is_bulk(const struct pump *p, struct pump_ends ends,
    const struct pump_room *room)
{
	return room->splice_after > 0 && p->bulk >= room->splice_after &&
	    ends.from->ops->spliceable && ends.to->ops->spliceable;
}

/* What pipes may take of the room's memory: half, if as much is left. */
static size_t
pipes_most(const struct pump_room *room)
{
	size_t half = room->memory_max / 2;

	if (room->kept <= half)
		return half;
	return room->kept < room->memory_max ? room->memory_max - room->kept
					     : 0;
}

static enum pump_result
round_of(struct pump *p, struct pump_ends ends, struct pump_room *room,
    bool readable)
{
	struct pipe *pipe = is_bulk(p, ends, room)
	    ? pipes_get(&room->pipes, pipes_most(room)) : NULL;

	if (pipe != NULL)
		return splice_round(p, ends, room, pipe, readable);
	if (is_tight(room) && ends.from->ops->spliceable)
		return peek_round(p, ends, room);
	return copy_round(p, ends, room);
}

enum pump_result
pump_run(struct pump *p, struct pump_ends ends, struct pump_room *room)
{
	enum pump_result r = PUMP_GO;
	bool readable = !pump_holds(p);

	if (p->eof)
		return PUMP_EOF;
	p->left = false;
	if (p->kept != NULL)
		r = deliver_kept(p, ends.to, room);
	else if (p->pipe != NULL)
		r = deliver_pipe(p, ends.to, room);
	for (int i = 0; i < ROUNDS && r == PUMP_GO; i++) {
		r = round_of(p, ends, room, readable);
		readable = false;
	}
	return r;
}
