/* SPDX-License-Identifier: MIT */
/*
 * assoc_impl: what assoc.c (life, deadlines, control connection), assoc_up.c
 * (client to world, judgements) and assoc_down.c (world to client) share.
 */
#ifndef PROXY_ASSOC_IMPL_H
#define PROXY_ASSOC_IMPL_H

#include <event2/event_struct.h>

#include "proxy/assoc.h"
#include "proxy/shaper.h"
#include "proxy/udp_batch.h"
#include "proxy/wheel.h"

struct assoc_room {
	struct event_base *base;
	const struct proxy_config *cfg;
	const struct policy_view *view;
	struct judge judge;
	struct peers_room peers;
	struct udp_batch *batch;
	struct udp_sending *sending[2];	/* up: by family; down: the first */
	struct wheel wheel;
	struct pool *assocs;
	struct shaper_rate packets, bytes;
	size_t held;		/* bytes that wait for judgements */
	struct assoc_stats stats;
};

/* A socket towards the world. */
struct leg {
	struct assoc *assoc;
	int fd;			/* -1: not needed so far */
	struct udp_habit habit;
	struct event readable;
};
enum { LEG_V4, LEG_V6, LEGS };

struct assoc {
	struct assoc_room *room;
	assoc_done_fn *done;
	assoc_first_fn *first;
	void *arg;
	const struct identity *identity;
	struct wheel_entry entry;
	uint32_t begun_s, moved_s;
	uint32_t control_bytes;
	struct stream control;
	struct event control_readable;

	struct endpoint client;	/* port 0: not learnt yet */
	union sock_name client_name;
	socklen_t client_name_len;
	int fd;			/* the client's */
	struct udp_habit habit;
	struct event readable;
	struct leg legs[LEGS];

	struct assoc_peers peers;
	size_t held;
	struct shaper packets[2], bytes[2];	/* by direction */
	struct record_counters counters;
};

/* In assoc_up.c and assoc_down.c: what the loop calls. */
void assoc_on_client(evutil_socket_t fd, short what, void *arg);
void assoc_on_world(evutil_socket_t fd, short what, void *arg);
/* Cancels judgements, drops what waits for them. */
void assoc_forget(struct assoc *a);

static inline void
assoc_drop(struct assoc *a, int direction, enum udp_result why)
{
	a->room->stats.datagrams[direction][why]++;
}

/* Within the limits of that direction? Else it is counted. */
bool assoc_may(struct assoc *a, int direction, size_t len, uint64_t now_us)
    MUST_CHECK;
/* Notes what was sent, and when. */
void assoc_sent(struct assoc *a, int direction, const struct udp_sent *s,
    uint32_t now_s);

#endif
