/* SPDX-License-Identifier: MIT */
/*
 * Each socket has one event, level-triggered: readable while the pump out of
 * it wants bytes, writable while the pump into it holds some. An event that
 * wants nothing is not in the loop, and nobody would tell of a reset there
 * (case 44): a side that is held back, or has sent its FIN. The wheel, which
 * comes by a second later, puts it back edge-triggered if nothing of it has
 * moved for all of that second. Bulk traffic stops and goes many times a
 * second and never gets there: it pays a comparison each time it stops and a
 * turn of the wheel each second, and no system call.
 *
 * Deadlines stand on the room's wheel, a second coarse. Bytes only note the
 * time; the wheel looks at a relay when its earliest deadline might have come
 * and puts it back if it moved meanwhile.
 */
#include "proxy/relay.h"

#include <assert.h>
#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/process.h"
#include "net/sock.h"
#include "proxy/pump.h"
#include "proxy/wheel.h"

/* A session this old gets keepalive on its target's socket (ruling 5); most
 * are over before, and save the system calls. */
#define SETTLED_S 5
#define UNWATCHED_S 1	/* how often to look at sides not in the loop */
#define RELAYS_MAX 1000000

struct relay_room {
	struct event_base *base;
	struct pump_room pump;
	struct wheel wheel;
	struct event timer;
	uint64_t timer_at;	/* second; WHEEL_NEVER: not running */
	struct pool *relays;
	unsigned rooms;
	uint64_t idle_s, half_open_s, lifetime_s;	/* 0: none */
	uint64_t keepalive_ms, user_timeout_ms;
	struct metrics_cells *cells;	/* NULL: not counted */
	unsigned metric;
};

enum { CLIENT, TARGET };

struct relay {
	struct relay_room *room;
	relay_done_fn *done;	/* NULL once called */
	void *arg;
	struct wheel_entry entry;
	uint32_t begun_s, moved_s;
	uint8_t first_fin;	/* the side that ended first */
	bool settled;
	bool stuck[2];		/* out of the loop, and still since a look */
	short wants[2];		/* what a side's event is in the loop for */
	struct stream streams[2];
	struct pump pumps[2];	/* [CLIENT]: from the client, up */
	struct event *client_event;	/* of whoever began it */
	struct event target_event;
};
/* With what libevent keeps for two sockets, below 500 bytes (ruling 10). */
static_assert(sizeof(struct relay) <= 336, "an idle session is small");

static uint32_t
now_s(void)
{
	return (uint32_t)(clock_mono_ms() / 1000);
}

/* ------------------------------------------------------------ deadlines */

static uint64_t
earlier(uint64_t a, uint64_t from, uint64_t limit)
{
	return limit == 0 || from + limit > a ? a : from + limit;
}

static bool
is_half_open(const struct relay *r)
{
	return r->pumps[CLIENT].eof || r->pumps[TARGET].eof;
}

/* The limit of silence that holds now, and its end. */
static uint64_t
silence_due(const struct relay *r)
{
	return earlier(WHEEL_NEVER, r->moved_s, is_half_open(r)
	    ? r->room->half_open_s : r->room->idle_s);
}

static uint64_t
relay_due(const struct relay *r, uint64_t now)
{
	uint64_t due = earlier(silence_due(r), r->begun_s,
	    r->room->lifetime_s);

	if (!r->settled)
		due = earlier(due, r->begun_s, SETTLED_S);
	if (r->wants[CLIENT] == 0 || r->wants[TARGET] == 0)
		due = earlier(due, now, UNWATCHED_S);
	return due;
}

static void
room_arm(struct relay_room *room)
{
	uint64_t next = wheel_next(&room->wheel), now = clock_mono_ms();
	struct timeval tv = { 0, 0 };

	if (next == room->timer_at)
		return;
	room->timer_at = next;
	event_del(&room->timer);
	if (next == WHEEL_NEVER)
		return;
	if (next * 1000 > now) {
		tv.tv_sec = (time_t)((next * 1000 - now) / 1000);
		tv.tv_usec = (suseconds_t)((next * 1000 - now) % 1000 * 1000);
	}
	event_add(&room->timer, &tv);
}

static void
relay_schedule(struct relay *r, uint64_t now)
{
	struct relay_room *room = r->room;

	wheel_set(&room->wheel, &r->entry, now, relay_due(r, now));
	if (r->entry.due < room->timer_at && r->entry.link.next != NULL)
		room_arm(room);
}

/* The client's socket has these from its listener. */
static void
relay_settle(struct relay *r)
{
	r->settled = true;
	sock_set_patience(r->streams[TARGET].fd, r->room->keepalive_ms,
	    r->room->user_timeout_ms);
}

/* -------------------------------------------------------------- the end */

static struct event *
side_event(struct relay *r, int i)
{
	return i == CLIENT ? r->client_event : &r->target_event;
}

/* Out of the loop and off the wheel; the streams stay open. */
static void
relay_stop(struct relay *r)
{
	for (int i = 0; i < 2; i++) {
		if (r->wants[i] != 0)
			event_del(side_event(r, i));
		r->wants[i] = 0;
		pump_fini(&r->pumps[i], &r->room->pump);
	}
	wheel_remove(&r->room->wheel, &r->entry);
}

static void
relay_finish(struct relay *r, enum relay_end end)
{
	relay_done_fn *done = r->done;

	relay_stop(r);
	r->done = NULL;
	done(r->arg, end);
}

static enum relay_end
end_of_error(int side, int error)
{
	switch (error) {
	case ECONNRESET: case EPIPE:
		return side == CLIENT ? RELAY_END_CLIENT_RESET
				      : RELAY_END_TARGET_RESET;
	case ETIMEDOUT:
		return side == CLIENT ? RELAY_END_CLIENT_TIMEOUT
				      : RELAY_END_TARGET_TIMEOUT;
	default:
		return RELAY_END_ERROR;
	}
}

/* ------------------------------------------------------------- movement */

static void
side_tell(struct relay *r, int i, short wants)
{
	struct event *event = side_event(r, i);

	if (r->wants[i] != 0)
		event_del(event);
	r->wants[i] = wants;
	r->stuck[i] = (wants & EV_ET) != 0;
	if (wants == 0)
		return;
	event_assign(event, r->room->base, r->streams[i].fd,
	    (short)(wants | EV_PERSIST), event_get_callback(event),
	    event_get_callback_arg(event));
	event_add(event, NULL);
}

/* What the loop should watch this socket for, told only when it changes. */
static void
side_watch(struct relay *r, int i)
{
	const struct pump *out = &r->pumps[i], *in = &r->pumps[!i];
	short wants = 0;

	if (!out->eof && !pump_holds(out))
		wants |= EV_READ;
	if (pump_holds(in))
		wants |= EV_WRITE;
	if (wants == r->wants[i] || (wants == 0 && r->stuck[i]))
		return;
	side_tell(r, i, wants);
	if (wants == 0 && (r->entry.link.next == NULL ||
	    r->entry.due > r->moved_s + UNWATCHED_S))
		relay_schedule(r, r->moved_s);
}

/* Sides that were stuck for a whole turn of this: only changes are told. */
static void
watch_for_resets(struct relay *r)
{
	for (int i = 0; i < 2; i++) {
		if (r->wants[i] != 0)
			continue;
		if (r->stuck[i])
			side_tell(r, i, EV_READ | EV_ET);
		else
			r->stuck[i] = true;
	}
}

/* Of a side that wants nothing: more bytes came, which wait, or it is gone. */
static void
look_for_reset(struct relay *r, int i)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(r->streams[i].fd, SOL_SOCKET, SO_ERROR, &error,
	    &len) != 0)
		error = errno;
	if (error != 0)
		relay_finish(r, end_of_error(i, error));
}

/*
 * `from` has ended and everything is delivered. When both have, closing sends
 * the last FIN. true: the relay goes on.
 */
static bool
pass_fin(struct relay *r, int from)
{
	if (r->pumps[!from].eof) {
		relay_finish(r, r->first_fin == CLIENT ? RELAY_END_CLIENT
						       : RELAY_END_TARGET);
		return false;
	}
	r->first_fin = (uint8_t)from;
	(void)stream_shutdown_write(&r->streams[!from]);
	relay_schedule(r, r->moved_s);
	return true;
}

static void
room_count(struct relay_room *room, int from, uint64_t n)
{
	static_assert(CLIENT == 0, "the label of what goes up");

	if (n > 0 && room->cells != NULL)
		metrics_add(room->cells, room->metric, (unsigned)from, n);
}

/* Runs the pump out of side `from`. false: the relay has ended, and may be
 * gone. */
static bool
move(struct relay *r, int from)
{
	struct pump *p = &r->pumps[from];
	struct pump_ends ends = {
		&r->streams[from], &r->streams[!from],
	};
	uint64_t before = p->bytes;
	enum pump_result result;

	if (p->eof)
		return true;
	result = pump_run(p, ends, &r->room->pump);
	room_count(r->room, from, p->bytes - before);
	if (p->bytes != before)
		r->stuck[from] = false;
	switch (result) {
	case PUMP_WAIT_READ: case PUMP_WAIT_WRITE:
		return true;
	case PUMP_AGAIN:	/* the loop may not know of bytes inside TLS */
		if (!ends.from->ops->spliceable && r->wants[from] != 0)
			event_active(side_event(r, from), EV_READ, 0);
		return true;
	case PUMP_EOF:
		return pass_fin(r, from);
	case PUMP_FROM_FAILED:
		relay_finish(r, end_of_error(from, errno));
		return false;
	case PUMP_TO_FAILED:
		relay_finish(r, end_of_error(!from, errno));
		return false;
	case PUMP_NO_MEMORY:
		break;
	}
	relay_finish(r, RELAY_END_ERROR);
	return false;
}

static void
side_ready(struct relay *r, int i, short what)
{
	if (r->wants[i] & EV_ET) {
		look_for_reset(r, i);
		return;
	}
	r->moved_s = now_s();
	if ((what & EV_READ) && !move(r, i))
		return;
	if ((what & EV_WRITE) && !move(r, !i))
		return;
	side_watch(r, CLIENT);
	side_watch(r, TARGET);
}

void
relay_ready(struct relay *r, short what)
{
	side_ready(r, CLIENT, what);
}

static void
on_target(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	side_ready(arg, TARGET, what);
}

/* ----------------------------------------------------------------- room */

/* A deadline may have come. Ends the relay, or puts it back. */
static void
relay_look(struct relay *r, uint64_t now)
{
	if (!r->settled && now >= r->begun_s + SETTLED_S)
		relay_settle(r);
	if (now >= silence_due(r)) {
		relay_finish(r, is_half_open(r) ? RELAY_END_HALF_OPEN
						: RELAY_END_IDLE);
	} else if (now >= relay_due(r, now)) {
		relay_finish(r, RELAY_END_LIFETIME);
	} else {
		watch_for_resets(r);
		relay_schedule(r, now);
	}
}

void
relay_room_expire(struct relay_room *room)
{
	uint64_t now = now_s();
	struct wheel_entry *e;

	room->timer_at = 0;	/* do not arm for each that goes back */
	for (unsigned i = 0; i < RELAY_LOOKS_MAX &&
	    (e = wheel_take(&room->wheel, now)) != NULL; i++)
		relay_look(container_of(e, struct relay, entry), now);
	room_arm(room);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	relay_room_expire(arg);
}

/* Rounds up: no session ends before its time. */
static uint64_t
seconds(uint64_t ms)
{
	return (ms + 999) / 1000;
}

static size_t
memory_share(const struct proxy_config *cfg, unsigned rooms)
{
	uint64_t all = cfg->relay_memory_max;

	if (all == 0)
		all = process_memory_max("/sys/fs/cgroup") / 4;
	return (size_t)(all / rooms);
}

static void
room_configure(struct relay_room *room, const struct proxy_config *cfg)
{
	room->pump.splice_after = (uint32_t)cfg->relay_splice_after;
	room->pump.memory_max = memory_share(cfg, room->rooms);
	room->idle_s = seconds(cfg->timeouts_idle);
	room->half_open_s = seconds(cfg->timeouts_half_open);
	room->lifetime_s = seconds(cfg->timeouts_lifetime);
	room->keepalive_ms = cfg->timeouts_keepalive;
	room->user_timeout_ms = cfg->timeouts_user_timeout;
}

struct relay_room *
relay_room_new(struct event_base *base, const struct proxy_config *cfg,
    unsigned rooms)
{
	struct relay_room *room = xcalloc(1, sizeof(*room));
	size_t max = cfg->limits_sessions;

	room->base = base;
	room->rooms = rooms;
	room->pump.size = cfg->relay_buffer;
	room->pump.buffer = xmalloc(room->pump.size);
	pipes_init(&room->pump.pipes);
	wheel_init(&room->wheel, now_s());
	room->timer_at = WHEEL_NEVER;
	event_assign(&room->timer, base, -1, 0, on_timer, room);
	room->relays = pool_new(sizeof(struct relay), max > 0 ? max
							      : RELAYS_MAX);
	room_configure(room, cfg);
	return room;
}

void
relay_room_meter(struct relay_room *room, struct metrics_cells *cells,
    unsigned metric)
{
	room->cells = cells;
	room->metric = metric;
}

size_t
relay_room_memory(const struct relay_room *room)
{
	return room->pump.kept + room->pump.pipes.bytes;
}

void
relay_room_reload(struct relay_room *room, const struct proxy_config *cfg)
{
	room_configure(room, cfg);
	wheel_hurry(&room->wheel);
	room_arm(room);
}

void
relay_room_free(struct relay_room **roomp)
{
	struct relay_room *room = *roomp;

	if (room == NULL)
		return;
	event_del(&room->timer);
	pool_free(&room->relays);
	pipes_fini(&room->pump.pipes);
	free(room->pump.buffer);
	free(room);
	*roomp = NULL;
}

/* ---------------------------------------------------------------- relay */

/*
 * Writes the early bytes at once if the target takes them. Whatever is wrong
 * with the target shows again when the loop finds it writable.
 */
static bool
send_early(struct relay *r, struct str early)
{
	struct pump *up = &r->pumps[CLIENT];
	ssize_t n = early.len == 0 ? 0 :
	    stream_write(&r->streams[TARGET], early.ptr, early.len);

	if (n < 0)
		n = 0;
	up->bytes = (uint64_t)n;
	room_count(r->room, CLIENT, up->bytes);
	return pump_keep(up, &r->room->pump, early.ptr + n, early.len - (size_t)n);
}

struct relay *
relay_new(struct relay_room *room, const struct relay_start *start)
{
	struct relay *r = pool_get(room->relays);

	if (r == NULL)
		return NULL;
	r->room = room;
	r->done = start->done;
	r->arg = start->arg;
	r->begun_s = r->moved_s = now_s();
	r->streams[CLIENT] = start->client;
	r->streams[TARGET] = start->target;
	r->client_event = start->client_event;
	if (!send_early(r, start->early)) {
		pool_put(room->relays, r);
		return NULL;
	}
	event_assign(&r->target_event, room->base, start->target.fd, EV_READ,
	    on_target, r);
	if (event_pending(start->client_event, EV_READ, NULL))
		r->wants[CLIENT] = EV_READ;
	relay_schedule(r, r->begun_s);
	side_watch(r, CLIENT);
	side_watch(r, TARGET);
	return r;
}

struct relay_bytes
relay_count(const struct relay *r)
{
	return (struct relay_bytes){
		.up = r->pumps[CLIENT].bytes, .down = r->pumps[TARGET].bytes,
	};
}

void
relay_free(struct relay **rp, bool abort)
{
	struct relay *r = *rp;

	if (r == NULL)
		return;
	relay_stop(r);
	for (int i = 0; i < 2; i++)
		stream_close(&r->streams[i], abort);
	pool_put(r->room->relays, r);
	*rp = NULL;
}
