/* SPDX-License-Identifier: MIT */
/*
 * policy_match: which rules match a question.
 *
 * Asks the index for the few keys that could match: those lengths of prefix
 * and numbers of labels that the question's owners have, if anybody has such a
 * destination. Rules are numbered in the order of their rank, blocks first, so
 * the lowest number of all that match is the answer. Pure; any thread.
 *
 * The time grows with the rules that have the *same* key and differ in
 * something else (ports, sources, wildcards before the last one).
 */
#ifndef ACLD_POLICY_MATCH_H
#define ACLD_POLICY_MATCH_H

#include "acld/policy_index.h"

#define MATCH_NONE UINT32_MAX

/* The best rule of each sort among those that match, or MATCH_NONE. */
struct match {
	uint32_t block, allow;
	uint32_t internal;	/* an allow with allow_internal */
};

/* What is asked: rules in the order of rank, those below `blocks` block. */
struct match_pool {
	const struct policy_rules *rules;
	const struct policy_index *index;
	uint32_t blocks;
};

/* A question being answered; on the asker's stack. */
struct match_question {
	const struct match_pool *pool;
	const struct policy_question *q;
	bool source_bound;	/* a rule was seen that looks at the source */
	/* What some of the owners have in the index (policy_rules.h). */
	bool exact;
	uint64_t prefixes_v4, prefixes_v6[3], tails[2];
	unsigned n_owners;
	const struct policy_owner *owners[2 * POLICY_GROUPS_MAX + 2];
};

void policy_match_begin(struct match_question *m, const struct match_pool *p,
    const struct policy_question *q);
/* Rules for everything, and those that match q->name if there is one. */
struct match policy_match_request(struct match_question *m);
/* Rules by range that match `a`; `best` is improved. */
void policy_match_addr(struct match_question *m, const struct addr *a,
    struct match *best);
/* The better of each sort. */
void policy_match_join(struct match *into, const struct match *other);

#endif
