/* SPDX-License-Identifier: MIT */
/*
 * pump: one direction of a relay.
 *
 * Reads from `from` only while nothing is held for `to`. What was read and
 * could not be written is held in memory of just that size, or in a pipe;
 * while nothing moves, nothing is held. What all pumps of a worker hold is
 * bounded: near the bound bytes are looked at, written, and only those that
 * were taken leave the kernel, so that nothing new is held and who has a
 * reader is still served. It knows no events and no time: the relay calls
 * pump_run when a socket is ready. Owned by one worker.
 */
#ifndef PROXY_PUMP_H
#define PROXY_PUMP_H

#include <stdint.h>

#include "base/check.h"
#include "proxy/pipes.h"
#include "proxy/stream.h"

/* What the pumps of a worker share. */
struct pump_room {
	char *buffer;
	size_t size;
	uint32_t splice_after;	/* 0: never */
	struct pipes pipes;
	size_t kept;		/* of all pumps, outside pipes */
	size_t memory_max;	/* for that and the pipes; they take half */
};

/* Where a pump's bytes come from and go to. */
struct pump_ends {
	struct stream *from, *to;
};

struct pump {
	char *kept;		/* read and not yet written; NULL: nothing */
	uint32_t kept_at, kept_len;
	struct pipe *pipe;	/* borrowed while it holds bytes */
	uint64_t bytes;		/* delivered */
	uint32_t bulk;		/* in large pieces, since the last small one */
	bool eof;		/* `from` has ended; nothing is held then */
	bool left;		/* bytes wait in the kernel, not here */
	uint8_t dry;		/* splices in a row that got nothing when ready */
};

enum pump_result {
	PUMP_WAIT_READ,		/* `from` has no more now */
	PUMP_WAIT_WRITE,	/* `to` takes no more now; bytes are held */
	PUMP_AGAIN,		/* enough for one turn, there may be more */
	PUMP_EOF,		/* `from` ended and all of it was delivered */
	PUMP_FROM_FAILED,	/* errno; the same for the next */
	PUMP_TO_FAILED,
	PUMP_NO_MEMORY,
};

/* Holds a copy of bytes that are to go first. false: memory is out. */
bool pump_keep(struct pump *p, struct pump_room *room, const void *data,
    size_t len) MUST_CHECK;
/* Does it wait for `to`? */
bool pump_holds(const struct pump *p);
/* Moves what can be moved, within a bound. */
enum pump_result pump_run(struct pump *p, struct pump_ends ends,
    struct pump_room *room) MUST_CHECK;
/* Drops what is held. */
void pump_fini(struct pump *p, struct pump_room *room);

#endif
