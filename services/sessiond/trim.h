/* SPDX-License-Identifier: MIT */
/*
 * trim: keeps the table of events within its bounds.
 *
 * retention.h looks once a round at what is days old. Events have a greatest
 * number too, and a flood of them would leave it far behind between two
 * rounds: so they are also trimmed after every TRIM_EVERY that were added. A
 * slice is a transaction, and takes no less than came since the last one:
 * however fast they come, the table does not run away. Belongs to the writer
 * thread.
 */
#ifndef SESSIOND_TRIM_H
#define SESSIOND_TRIM_H

#include "sessiond/store.h"

#define TRIM_EVERY 1000 /* events */
#define TRIM_SLICE 1000 /* rows, and as many as were added since the last */

struct trim {
	uint64_t max_events; /* at least 1 */
	uint32_t hours;
	/* what is under way */
	bool due;
	uint64_t added; /* since the last slice */
};

/* A round of maintenance begins. */
void trim_start(struct trim *t);
/* `n` events were committed. */
void trim_added(struct trim *t, uint64_t n);
/* One slice, if one is due. After a failure none is due until one of the
 * functions above says so again. */
enum store_result trim_step(
    struct trim *t, struct store *s, uint64_t now_us) MUST_CHECK;

#endif
