/* SPDX-License-Identifier: MIT */
/*
 * worker: one thread with everything that its connections need.
 *
 * An event base without locks, its own listening sockets, sessions, leases,
 * caches and counters. Workers share immutable configuration and struct proxy
 * only. Fields are touched by the worker's own thread, but for the mailbox.
 */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>

#include "base/list.h"
#include "base/mailbox.h"
#include "base/metrics.h"
#include "proxy/assoc.h"
#include "proxy/dial.h"
#include "proxy/proxy.h"
#include "proxy/shaper.h"
#include "proxy/tempo.h"

struct listener;

struct worker {
	struct proxy *proxy;
	const struct proxy_config *cfg;
	unsigned index;
	pthread_t thread;
	struct event_base *base;
	struct mailbox *mailbox;
	struct event mail;
	struct event *tick;		/* every 250 ms */
	struct timeval handshake_tv;
	const struct timeval *handshake_time;	/* a common timeout, or _tv */

	struct asks *asks;
	struct gate *gate;
	struct resolver *resolver;
	struct dial_fence fence;	/* addresses as of the last reload */
	struct relay_room *relays;
	struct assoc_room *assocs;
	struct feed *feed;
	struct metrics_cells *cells;

	struct listener *listeners;
	unsigned n_listeners;
	struct pool *conns, *handshakes;
	struct list open;		/* struct conn, oldest first */
	struct list graveyard;		/* freed after the turn */
	struct list waiting;		/* handshakes of those who have not
					 * asked, oldest first; admit.c's */
	_Atomic uint64_t oldest_us;	/* when the first of them came, for
					 * other workers; UINT64_MAX: none */
	struct shaper refusals;		/* that are recorded */
	struct tempo tempo;

	uint64_t checkpoint_ms;		/* when counters are recorded next */
	bool running;			/* the thread exists; its starter's */
	bool stopping;			/* leave the loop */
	/* What the metrics already have of the rooms' own counters. */
	struct {
		uint64_t lease[2][3], evictions[2], renewals[2], dns[6];
		struct assoc_stats udp;
	} published;
};

/* Everything but the thread. */
int worker_new(struct worker **out, struct proxy *p, unsigned index,
    struct err *err) MUST_CHECK;
int worker_start(struct worker *w, struct err *err) MUST_CHECK;

/* From any thread; done on the worker in its next turn. */
void worker_reload(struct worker *w, const struct settings *s);
/* Accepts at these sockets, which listen and are the worker's from now on;
 * `listeners` says whose each is, by its number in the settings. Once, after
 * worker_start(). */
void worker_accept(struct worker *w, const int *fds,
    const unsigned *listeners, size_t n);
/* Takes who waits in the queues, but for those of an address that a successor
 * kept (proxy->kept); then accepts nobody. */
void worker_drain(struct worker *w);
/* Ends what still runs and waits for the thread. */
void worker_join(struct worker *w);
void worker_free(struct worker **wp);

#endif
