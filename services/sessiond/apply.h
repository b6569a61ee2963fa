/* SPDX-License-Identifier: MIT */
/*
 * apply: batches into the database, exactly once.
 *
 * One transaction judges every batch by the position of its stream, folds the
 * records, writes rows, sums, gaps and quarantine, moves the positions and
 * commits (audit.md section 7). After every commit the database equals the
 * fold of each stream's records up to its position. Belongs to the writer
 * thread, as does the store.
 */
#ifndef SESSIOND_APPLY_H
#define SESSIOND_APPLY_H

#include "audit/batch.h"
#include "base/metrics.h"
#include "sessiond/store.h"

struct apply;

struct apply_batch {
	struct batch batch;
	bool done; /* out: in the database, or judged to stay out of it */
};

/* Counts into `cells` what was committed, under the metrics of sessiond. */
struct apply *apply_new(
    struct store *s, struct metrics_cells *cells) MUST_CHECK;
/*
 * Applies those that are not done, in one transaction; where the database
 * refuses a value, batch by batch, and within a batch down to the one record,
 * which goes to the quarantine. Anything but STORE_OK may heal: call again
 * with the same batches.
 */
enum store_result apply_batches(
    struct apply *a, struct apply_batch *const *batches, size_t n) MUST_CHECK;
/* Closes what streams left open that were last heard of before `before_us`,
 * as proxy_lost. `more`: there are others. A stream that speaks again later
 * goes on from its position. */
enum store_result apply_lost(
    struct apply *a, uint64_t before_us, bool *more) MUST_CHECK;
/* Events of all commits so far; those that were known already are counted. */
uint64_t apply_events(const struct apply *a);
void apply_free(struct apply **ap);

#endif
