/* SPDX-License-Identifier: MIT */
/*
 * ask: counts and times a question to the database.
 *
 *	struct ask a = ask_begin(metrics, QUESTION_STATS);
 *	r = query_stats(...);
 *	ask_end(&a, r);
 */
#ifndef APID_ASK_H
#define APID_ASK_H

#include "apid/metrics.h"
#include "apid/query.h"

struct ask {
	struct metrics_cells *cells;	/* the calling thread's */
	enum apid_question question;
	uint64_t began_us;
};

struct ask ask_begin(struct metrics *m, enum apid_question q);
void ask_end(const struct ask *a, enum query_result r);

#endif
