/* SPDX-License-Identifier: MIT */
/*
 * listener: accept connections for one worker.
 *
 * Takes a bounded number a wake-up. When descriptors or memory run out it
 * pauses for 100 ms instead of spinning. Owned by its worker.
 *
 * The socket may be another process' as well (handover.h): then it lives on
 * when it is closed here, and so would our watching it.
 */
#ifndef PROXY_LISTENER_H
#define PROXY_LISTENER_H

#include <event2/event_struct.h>

#include "net/addr.h"
#include "proxy/terms.h"

struct worker;

struct listener {
	struct worker *worker;
	int fd;				/* -1: closed */
	bool leaving;			/* `resume` closes it */
	struct event readable, resume;
	struct endpoint at;
	bool paused;			/* until `resume` */
	unsigned index;			/* among settings.listeners */
	const struct listener_config *cfg;	/* as reloaded last */
	struct terms terms;		/* cfg's, as of the start */
};

/* Sets the options that accepted sockets inherit; a time of 0 switches off
 * what it is for. */
void listener_set_options(int fd, uint64_t keepalive_ms,
    uint64_t user_timeout_ms);
/* Accepts at `fd` as number `index` of the listeners says. */
void listener_start(struct listener *l, struct worker *w, int fd,
    const struct listener_list *all, unsigned index);
/* Goes by these from now on: the same listeners, only what may be reloaded
 * differs. They must outlive it. */
void listener_reload(struct listener *l, const struct listener_list *all);
/* Takes nobody from now on, but for those who wait at this moment if asked to
 * `take_queued`; closes the socket in the next turn. */
void listener_leave(struct listener *l, bool take_queued);
/* Closes the socket when the loop runs no longer; harmless when closed. */
void listener_stop(struct listener *l);

#endif
