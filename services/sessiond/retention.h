/* SPDX-License-Identifier: MIT */
/*
 * retention: removes what is older than the configuration keeps.
 *
 * In slices, a transaction each, so that the writer can store batches in
 * between. Belongs to the writer thread.
 */
#ifndef SESSIOND_RETENTION_H
#define SESSIOND_RETENTION_H

#include "sessiond/store.h"

#define RETENTION_SLICE 5000 /* rows */

struct retention {
	uint32_t session_days, rollup_days; /* 0: for ever */
	/* of the round under way */
	enum store_history at;
};

/* Begins a round. */
void retention_start(struct retention *r);
/* One slice. `more`: the round is not over. `dropped`: sessions removed.
 * STORE_BUSY: readers are in the way of this kind of history, which is left to
 * the next round. After any other failure the same slice is tried again. */
enum store_result retention_step(struct retention *r, struct store *s,
    uint64_t now_us, bool *more, uint64_t *dropped) MUST_CHECK;

#endif
