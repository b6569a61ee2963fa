/* SPDX-License-Identifier: MIT */
/*
 * Life, deadlines and the control connection. Deadlines stand on a wheel, a
 * second coarse: datagrams only note the time, and the wheel looks.
 */
#include "proxy/assoc_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"

#define ASSOCS_MAX 1000000
#define CONTROL_READ 4096

static uint32_t
seconds(void)
{
	return (uint32_t)(clock_mono_ms() / 1000);
}

/* ---- limits ---- */

/* A datagram of any size passes where bytes are limited. */
static void
set_rates(struct assoc_room *room)
{
	room->packets = shaper_per_second(room->cfg->udp_packets_per_second, 1);
	room->bytes = shaper_per_second(room->cfg->udp_bytes_per_second,
	    UDP_PAYLOAD_MAX_V6);
}

static void
fill_rates(struct assoc *a)
{
	uint64_t now = clock_mono_us();

	for (int i = 0; i < 2; i++) {
		shaper_init(&a->packets[i], &a->room->packets, now);
		shaper_init(&a->bytes[i], &a->room->bytes, now);
	}
}

bool
assoc_may(struct assoc *a, int direction, size_t len, uint64_t now_us)
{
	const struct assoc_room *room = a->room;

	if (shaper_take(&a->packets[direction], &room->packets, now_us, 1) &&
	    shaper_take(&a->bytes[direction], &room->bytes, now_us, len))
		return true;
	assoc_drop(a, direction, UDP_LIMIT);
	return false;
}

/* ---- counters ---- */

void
assoc_sent(struct assoc *a, int direction, const struct udp_sent *s,
    uint32_t now_s)
{
	struct assoc_stats *stats = &a->room->stats;
	struct record_counters *c = &a->counters;

	stats->datagrams[direction][UDP_RELAYED] += s->sent;
	stats->datagrams[direction][UDP_ERROR] += s->failed;
	stats->bytes[direction] += s->bytes;
	*(direction == UDP_UP ? &c->packets_up : &c->packets_down) += s->sent;
	*(direction == UDP_UP ? &c->bytes_up : &c->bytes_down) += s->bytes;
	if (s->sent > 0)
		a->moved_s = now_s;
}

struct record_counters
assoc_count(const struct assoc *a)
{
	return a->counters;
}

uint32_t
assoc_destinations(const struct assoc *a)
{
	return a->peers.destinations;
}

/* ---- deadlines ---- */

/* Rounds up, and the begin is rounded down: to the second. */
static uint64_t
after(uint64_t from_s, uint64_t limit_ms)
{
	return limit_ms == 0 ? WHEEL_NEVER : from_s + (limit_ms + 999) / 1000;
}

static uint64_t
idle_due(const struct assoc *a)
{
	return after(a->moved_s, a->room->cfg->timeouts_udp_idle);
}

static void
schedule(struct assoc *a, uint64_t now)
{
	uint64_t idle = idle_due(a);
	uint64_t life = after(a->begun_s, a->room->cfg->timeouts_lifetime);

	wheel_set(&a->room->wheel, &a->entry, now, idle < life ? idle : life);
}

/* Out of the loop, off the wheel; what it holds stays for assoc_free. */
static void
stop(struct assoc *a)
{
	event_del(&a->control_readable);
	event_del(&a->readable);
	for (int i = 0; i < LEGS; i++)
		if (a->legs[i].fd >= 0)
			event_del(&a->legs[i].readable);
	wheel_remove(&a->room->wheel, &a->entry);
	assoc_forget(a);
}

static void
finish(struct assoc *a, enum assoc_end end)
{
	assoc_done_fn *done = a->done;

	stop(a);
	a->done = NULL;
	done(a->arg, end);
}

void
assoc_room_expire(struct assoc_room *room)
{
	uint64_t now = seconds();
	struct wheel_entry *e;

	while ((e = wheel_take(&room->wheel, now)) != NULL) {
		struct assoc *a = container_of(e, struct assoc, entry);

		if (now >= idle_due(a))
			finish(a, ASSOC_END_IDLE);
		else if (now >= after(a->begun_s,
		    room->cfg->timeouts_lifetime))
			finish(a, ASSOC_END_LIFETIME);
		else
			schedule(a, now);
	}
}

/* ---- control connection ---- */

/* Bytes on it mean nothing; its end means everything (case 72, 73). */
static void
on_control(evutil_socket_t fd, short what, void *arg)
{
	struct assoc *a = arg;
	char nothing[CONTROL_READ];
	ssize_t n = stream_read(&a->control, nothing, sizeof(nothing));

	(void)fd, (void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		finish(a, n < 0 && errno == ETIMEDOUT ? ASSOC_END_TIMEOUT :
		    ASSOC_END_CONTROL);
		return;
	}
	a->control_bytes += (uint32_t)n;
	if (a->control_bytes > ASSOC_CONTROL_MAX)
		finish(a, ASSOC_END_FLOOD);
}

/* ---- room ---- */

struct assoc_room *
assoc_room_new(struct event_base *base, const struct proxy_config *cfg,
    const struct judge *judge, const struct policy_view *view)
{
	struct assoc_room *room = xcalloc(1, sizeof(*room));
	size_t max = cfg->limits_sessions;

	room->base = base;
	room->cfg = cfg;
	room->view = view;
	room->judge = *judge;
	set_rates(room);
	room->batch = udp_batch_new();
	for (int i = 0; i < LEGS; i++)
		room->sending[i] = udp_sending_new();
	peers_room_init(&room->peers);
	wheel_init(&room->wheel, seconds());
	room->assocs = pool_new(sizeof(struct assoc), max > 0 ? max :
	    ASSOCS_MAX);
	return room;
}

void
assoc_room_reload(struct assoc_room *room, const struct proxy_config *cfg)
{
	room->cfg = cfg;
	set_rates(room);
	wheel_hurry(&room->wheel);
}

const struct assoc_stats *
assoc_room_stats(const struct assoc_room *room)
{
	return &room->stats;
}

void
assoc_room_free(struct assoc_room **roomp)
{
	struct assoc_room *room = *roomp;

	if (room == NULL)
		return;
	pool_free(&room->assocs);
	peers_room_fini(&room->peers);
	udp_batch_free(&room->batch);
	for (int i = 0; i < LEGS; i++)
		udp_sending_free(&room->sending[i]);
	free(room);
	*roomp = NULL;
}

/* ---- association ---- */

static void
watch(struct assoc *a)
{
	struct event_base *base = a->room->base;

	event_assign(&a->control_readable, base, a->control.fd,
	    EV_READ | EV_PERSIST, on_control, a);
	event_assign(&a->readable, base, a->fd, EV_READ | EV_PERSIST,
	    assoc_on_client, a);
	event_add(&a->control_readable, NULL);
	event_add(&a->readable, NULL);
}

struct assoc *
assoc_new(struct assoc_room *room, const struct assoc_spec *s)
{
	struct assoc *a = pool_get(room->assocs);

	if (a == NULL)
		return NULL;
	a->room = room;
	a->done = s->done;
	a->first = s->first;
	a->arg = s->arg;
	a->identity = s->identity;
	a->begun_s = a->moved_s = seconds();
	a->control_bytes = s->control_bytes;
	a->control = s->control;
	a->client = s->client;
	a->client_name_len = sock_name_of(&a->client_name, &a->client);
	a->fd = s->fd;
	for (int i = 0; i < LEGS; i++)
		a->legs[i] = (struct leg){ .assoc = a, .fd = -1 };
	assoc_peers_init(&a->peers, &room->peers);
	fill_rates(a);
	schedule(a, a->begun_s);
	watch(a);
	room->stats.associations++;
	return a;
}

void
assoc_free(struct assoc **ap, bool abort)
{
	struct assoc *a = *ap;

	if (a == NULL)
		return;
	*ap = NULL;
	stop(a);
	assoc_peers_fini(&a->peers);
	stream_close(&a->control, abort);
	close(a->fd);
	for (int i = 0; i < LEGS; i++)
		if (a->legs[i].fd >= 0)
			close(a->legs[i].fd);
	a->room->stats.associations--;
	pool_put(a->room->assocs, a);
}
