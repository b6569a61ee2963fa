/* SPDX-License-Identifier: MIT */
/*
 * writer: the thread that owns the store.
 *
 * Any thread offers messages; they wait in a queue of bounded size until
 * batch_size records or batch_interval have gathered, and are committed
 * together. While the database fails the writer tries again, with growing
 * pauses, says why through on_health, and heals by itself; an idle one is
 * looked at every five seconds. Retention, lost streams and the bounds of the
 * table of events are its pastime, a slice between two commits.
 *
 * A process that leads its session (background_hold()) stands back for all
 * others as long as the writer keeps up (pace.h), and not while it stops.
 */
#ifndef SESSIOND_WRITER_H
#define SESSIOND_WRITER_H

#include <stdatomic.h>

#include "base/err.h"
#include "base/metrics.h"
#include "base/str.h"
#include "sessiond/store.h"

struct writer;

/* What may change while it runs. */
struct writer_limits {
	uint32_t batch_size; /* records */
	uint64_t batch_interval_ms;
	uint32_t retention_days, rollup_days; /* 0: for ever */
	uint32_t max_events, event_hours;     /* of telemetry; at least 1 */
	uint64_t maintenance_interval_ms;
	uint64_t lost_after_ms;
};

struct writer_options {
	struct metrics *metrics;
	size_t queue_bytes;
	/* In writer_start or on the writer thread: why the database fails
	 * (borrowed), or NULL once it works again. */
	void (*on_health)(void *arg, const char *why);
	void *arg;
	/* Set when writer_stop has waited long enough: the store's `stop`.
	 * NULL: it waits for as long as it takes. */
	atomic_bool *give_up;
};

enum writer_offer { WRITER_TAKEN, WRITER_MALFORMED, WRITER_FULL };

/* Starts the thread. The store is the writer's from now on, but stays the
 * caller's to close after writer_stop. */
int writer_start(struct writer **out, struct store *s,
    const struct writer_options *o, const struct writer_limits *l,
    struct err *err) MUST_CHECK;
/* A batch as it came; copied. Any thread, never waits for the database. */
enum writer_offer writer_offer(struct writer *w, struct str message) MUST_CHECK;
void writer_set_limits(struct writer *w, const struct writer_limits *l);
/* Stores what was taken, if the database lets it, and ends the thread. */
void writer_stop(struct writer **wp);

#endif
