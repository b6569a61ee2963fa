/* SPDX-License-Identifier: MIT */
/*
 * policy_match: which rules match, by an index instead of a scan.
 *
 * Every destination of every rule has one key: its owner and a range's
 * prefix, or the labels of a name behind the last wildcard. A question looks
 * up the few keys that could match: those lengths of prefix and numbers of
 * labels that its owners have, if a filter says that anybody has such a
 * destination. Rules are numbered in the
 * order of their rank, blocks first, so the lowest number of all that match
 * is the answer. Only policy.c uses it. Immutable once made; any thread.
 *
 * The time of a question grows with the rules that have the *same* key and
 * differ in something else (ports, sources, wildcards before the last one).
 */
#ifndef ACLD_POLICY_MATCH_H
#define ACLD_POLICY_MATCH_H

#include "acld/policy_rules.h"

#define MATCH_NONE UINT32_MAX

/* The best rule of each sort among those that match, or MATCH_NONE. */
struct match {
	uint32_t block, allow;
	uint32_t internal;	/* an allow with allow_internal */
};

struct match_index;

/* `r` has its rules in the order of rank, `blocks` of them blocks, and stays
 * where it is; marks in its owners what the index has for them. */
struct match_index *match_index_new(const struct policy_rules *r,
    uint32_t blocks) MUST_CHECK;

/* A question being answered; on the asker's stack. */
struct match_question {
	const struct match_index *index;
	const struct policy_question *q;
	bool source_bound;	/* a rule was seen that looks at the source */
	/* What some of the owners have in the index (policy_rules.h). */
	bool exact;
	uint64_t prefixes_v4, prefixes_v6[3], tails[2];
	unsigned n_owners;
	const struct policy_owner *owners[2 * POLICY_GROUPS_MAX + 2];
};

void match_begin(struct match_question *m, const struct match_index *x,
    const struct policy_question *q);
/* Rules for everything, and those that match q->name if there is one. */
struct match match_request(struct match_question *m);
/* Rules by range that match `a`; `best` is improved. */
void match_addr(struct match_question *m, const struct addr *a,
    struct match *best);
/* The better of each sort. */
void match_join(struct match *into, const struct match *other);

size_t match_index_memory(const struct match_index *x);
void match_index_free(struct match_index **xp);

#endif
