/* SPDX-License-Identifier: MIT */
/*
 * relay: carry bytes both ways between two connected streams.
 *
 * A relay is two pumps, written once for both directions. It owns both streams
 * from relay_new() on, passes FIN on as half-close (case 42, 43) and RST as RST
 * (case 44), keeps nothing while nothing moves, stops reading from a side while
 * the other has not taken what was read, and bounds the work of one wake-up.
 * Small messages go through the worker's shared buffer (read, write at once,
 * keep only the rest); a direction that moved `splice_after` bytes in pieces of
 * 4 KiB and more borrows a pipe from the worker and is spliced; the pipe goes
 * back whenever it is empty. All that the relays of a process hold stays below
 * relay.memory_max; each worker has an equal share. Keepalive and
 * TCP_USER_TIMEOUT are set on the target's socket when a session has lived 5 s
 * (ruling 5). The process ignores SIGPIPE (splice has no MSG_NOSIGNAL).
 * Everything happens on the worker that made it.
 */
#ifndef PROXY_RELAY_H
#define PROXY_RELAY_H

#include <event2/event.h>
#include <stdint.h>

#include "base/check.h"
#include "base/metrics.h"
#include "base/str.h"
#include "config/settings.h"
#include "proxy/stream.h"

struct relay;
struct relay_room;	/* what the relays of a worker share */

enum relay_end {
	RELAY_END_CLIENT,	/* both finished, the client's FIN came first */
	RELAY_END_TARGET,	/* both finished, the target's FIN came first */
	RELAY_END_IDLE,		/* nothing moved for timeouts.idle */
	RELAY_END_HALF_OPEN,	/* one finished, the other silent too long */
	RELAY_END_LIFETIME,	/* timeouts.lifetime */
	RELAY_END_CLIENT_RESET, RELAY_END_TARGET_RESET,
	RELAY_END_CLIENT_TIMEOUT, RELAY_END_TARGET_TIMEOUT,	/* ETIMEDOUT */
	RELAY_END_ERROR,
};

struct relay_bytes {
	uint64_t up, down;	/* delivered; up: client to target */
};

/* Called once, from the loop, never from within relay_new; the callee frees. */
typedef void relay_done_fn(void *arg, enum relay_end end);

/* Shared buffer, pipe pool, coarse clock wheel for idle times. One of `rooms`
 * that share relay.memory_max, at least 1. */
struct relay_room *relay_room_new(struct event_base *base,
    const struct proxy_config *cfg, unsigned rooms) MUST_CHECK;
/* Adds all that is delivered from now on to this counter of two labels: 0 up,
 * 1 down. Without it nothing is counted but for each relay. */
void relay_room_meter(struct relay_room *room, struct metrics_cells *cells,
    unsigned metric);
/* Bytes that are held now for sides that do not take them: pipes, which count
 * with what they can hold, and memory. At most the room's share, but for early
 * bytes and, from streams that are not spliceable, 4 KiB each. */
size_t relay_room_memory(const struct relay_room *room);
/* New limits hold for running relays too, from the next second on. */
void relay_room_reload(struct relay_room *room, const struct proxy_config *cfg);
/* Looks at deadlines that have come, at so many in a turn of the loop: those
 * that do not wait for their end are served in between. The room's own timer
 * does this; tests that move the clock call it. */
#define RELAY_LOOKS_MAX 128
void relay_room_expire(struct relay_room *room);
void relay_room_free(struct relay_room **roomp);	/* relays first */

/* What a relay begins with. */
struct relay_start {
	struct stream client, target;	/* connected; the relay's */
	/* Of the client's socket, assigned, in the loop for EV_READ or not at
	 * all. Whoever assigned it calls relay_ready() from its callback: a
	 * session keeps the one watcher that it had from its first byte on,
	 * which saves telling the kernel. Borrowed until the end. */
	struct event *client_event;
	/* What the client sent before the reply (case 3), copied if it cannot
	 * be written at once; it counts as up. */
	struct str early;
	relay_done_fn *done;
	void *arg;
};

/* NULL: memory is out, the streams stay the caller's. */
struct relay *relay_new(struct relay_room *room,
    const struct relay_start *start) MUST_CHECK;
/* The client's event has fired. May end the relay. */
void relay_ready(struct relay *r, short what);
struct relay_bytes relay_count(const struct relay *r);
/* Closes what is still open: with RST when `abort`, else orderly. */
void relay_free(struct relay **rp, bool abort);

#endif
