/* SPDX-License-Identifier: MIT */
/*
 * context: what service.c, reload.c and service_metrics.c share; not for other
 * rooms. Owned by service_main's frame. The main thread's unless a member says
 * otherwise.
 */
#ifndef SERVICE_CONTEXT_H
#define SERVICE_CONTEXT_H

#include <stdatomic.h>

#include "base/list.h"
#include "base/log.h"
#include "service/args.h"
#include "service/health.h"
#include "service/ready.h"
#include "service/service.h"

#define CONTEXT_SOCKETS 6	/* of the bus */

/* Settings that are or were in force: readers may hold them to the end. */
struct generation {
	struct list link;
	struct settings *settings;
	struct daemon_config daemon;	/* borrows from the settings */
};

struct service_context {
	const struct service *service;
	const struct args *args;
	_Atomic(struct generation *) current;	/* any thread reads */
	struct list generations;
	struct ready ready;			/* any thread */
	_Atomic uint64_t turned_ms;		/* 0: not in the main loop */
	struct metrics *metrics;		/* any thread */
	struct metric_def *metric_defs;		/* the daemon's and ours */
	struct metrics_cells *cells;
	uint64_t log_counted[LOG_TRACE + 1];	/* scraping thread's */
	uint64_t log_lost_counted;		/* the same */
	struct health *health;
	char *bus[CONTEXT_SOCKETS];		/* immutable once made */
	unsigned group, admin_group;
	int signals, wake;			/* signalfd, eventfd */
	_Atomic bool superseded;		/* any thread, then `wake` */
	bool bound;		/* bind() or takeover() was done */
	bool bad_config;
	void *data;
};

/* Makes `s` current; it is the context's from now on. */
void context_publish(struct service_context *c, struct settings *s);

#endif
