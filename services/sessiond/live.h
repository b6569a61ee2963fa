/* SPDX-License-Identifier: MIT */
/*
 * live: what the records of one transaction come to, session by session, and
 * its events.
 *
 * The records of a session meet here before the database sees any of them, so
 * that a session that opens and closes within one commit is one insert. What
 * the rows then are does not depend on how the records were cut into commits.
 *
 * Rows and text live in the arena, record bodies and proxy names are borrowed
 * from their batches: both until live_reset. One thread.
 */
#ifndef SESSIOND_LIVE_H
#define SESSIOND_LIVE_H

#include "sessiond/arena.h"
#include "sessiond/store.h"

struct live;

struct live_source {
	struct id stream;
	struct str proxy;
	uint64_t received_us;
};

enum live_result {
	LIVE_OK,
	LIVE_END,       /* the stream's last record: see the struct */
	LIVE_MALFORMED, /* the rest: to the quarantine */
	LIVE_UNKNOWN,
	LIVE_CONFLICT, /* the session has ended already */
};

struct live_end {
	struct str reason;
	bool counters_lower_bound;
};

/* An event, as it came. */
struct live_event {
	struct live_event *next;
	struct store_event row;
};

/* A record that went into a row. */
struct live_record {
	struct live_record *next;
	uint64_t seq;
	struct str body;
};

struct live *live_new(struct arena *a) MUST_CHECK;
/* Takes one record. `end` is filled with LIVE_END only. */
enum live_result live_add(struct live *l, const struct live_source *from,
    uint64_t seq, struct str body, struct live_end *end) MUST_CHECK;
/* The sessions that run, or ended, after all records; in the order in which
 * they came first. Valid until live_reset. */
struct store_session *const *live_rows(struct live *l, bool ended, size_t *n);
/* The events, in the order in which they came. Valid until live_reset. */
const struct live_event *live_events(const struct live *l);
/* The records behind a row of live_rows. */
const struct live_record *live_records(const struct store_session *row);
/* Makes of a running row what an END of its stream makes of it. */
void live_end_row(struct store_session *row, const struct live_end *end,
    uint64_t seq, uint64_t now_us);
/* Forgets all; the arena is the caller's to reset afterwards. */
void live_reset(struct live *l);
void live_free(struct live **lp);

#endif
