/* SPDX-License-Identifier: MIT */
#include "proxy/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

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
	return p->kept != NULL || p->pipe != NULL;
}

bool
pump_keep(struct pump *p, const void *data, size_t len)
{
	ASSERT(p->kept == NULL && len <= UINT32_MAX);
	if (len == 0)
		return true;
	p->kept = malloc(len);
	if (p->kept == NULL)
		return false;
	memcpy(p->kept, data, len);
	p->kept_at = 0;
	p->kept_len = (uint32_t)len;
	return true;
}

void
pump_fini(struct pump *p, struct pump_room *room)
{
	free(p->kept);
	p->kept = NULL;
	if (p->pipe != NULL)
		pipes_put(&room->pipes, p->pipe);
	p->pipe = NULL;
}

static enum pump_result
deliver_kept(struct pump *p, struct stream *to)
{
	ssize_t n = stream_write(to, p->kept + p->kept_at, p->kept_len);

	if (n < 0)
		return would_block() ? PUMP_WAIT_WRITE : PUMP_TO_FAILED;
	p->bytes += (uint64_t)n;
	p->kept_at += (uint32_t)n;
	p->kept_len -= (uint32_t)n;
	if (p->kept_len > 0)
		return PUMP_WAIT_WRITE;
	free(p->kept);
	p->kept = NULL;
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

static enum pump_result
copy_round(struct pump *p, struct pump_ends ends, struct pump_room *room)
{
	ssize_t n = stream_read(ends.from, room->buffer, room->size), w;

	if (n <= 0)
		return nothing_read(p, n);
	count_bulk(p, (size_t)n);
	w = stream_write(ends.to, room->buffer, (size_t)n);
	if (w < 0 && !would_block())
		return PUMP_TO_FAILED;
	if (w < 0)
		w = 0;
	p->bytes += (uint64_t)w;
	if (w < n)
		return pump_keep(p, room->buffer + w, (size_t)(n - w))
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

enum pump_result
pump_run(struct pump *p, struct pump_ends ends, struct pump_room *room)
{
	enum pump_result r = PUMP_GO;
	bool readable = !pump_holds(p);

	if (p->eof)
		return PUMP_EOF;
	if (p->kept != NULL)
		r = deliver_kept(p, ends.to);
	else if (p->pipe != NULL)
		r = deliver_pipe(p, ends.to, room);
	for (int i = 0; i < ROUNDS && r == PUMP_GO; i++) {
		struct pipe *pipe =
		    is_bulk(p, ends, room) ? pipes_get(&room->pipes) : NULL;

		r = pipe != NULL ? splice_round(p, ends, room,
		    pipe, readable)
				 : copy_round(p, ends, room);
		readable = false;
	}
	return r;
}
