/* SPDX-License-Identifier: MIT */
/*
 * policy_index: from a destination to the rules that name it.
 *
 * Every destination of every rule has one key: its owner and a range's prefix,
 * or the labels of a name behind the last wildcard. A hash of the key leads to
 * the rules; what is found is a candidate and must be compared in full. Only
 * policy.c and policy_match.c use it. Immutable once made; any thread.
 */
#ifndef ACLD_POLICY_INDEX_H
#define ACLD_POLICY_INDEX_H

#include "acld/policy_rules.h"

struct policy_index;

/* A rule, and the destination of it that stands under a key; positions in the
 * arrays of struct policy_rules. */
struct policy_entry {
	uint32_t rule;
	uint32_t target;
};

/* Lowest rule first; borrowed from the index. */
struct policy_entries {
	const struct policy_entry *v;
	uint32_t n;
};

/* Borrows `r`, whose rules are in their final order, and marks in its owners
 * what the index has for each. */
struct policy_index *policy_index_new(const struct policy_rules *r) MUST_CHECK;

/* What is looked up: the first `bits` of an address (IPv4: 96 and more), as
 * TARGET_V4 or TARGET_V6. */
uint64_t policy_index_prefix(const struct addr *a, unsigned bits);

#define POLICY_LABELS_MAX 127	/* in a name of 253 bytes */
/* What is looked up: out[k] is the last k labels, as TARGET_SUFFIX, or all of
 * them, as TARGET_EXACT. The number of labels. */
unsigned policy_index_tails(struct str name,
    uint64_t out[static POLICY_LABELS_MAX + 2]);

/* false: nobody has such a destination. Cheaper than asking for each owner. */
bool policy_index_may_have(const struct policy_index *x,
    enum policy_target_kind kind, uint64_t what);
struct policy_entries policy_index_find(const struct policy_index *x,
    uint32_t owner, enum policy_target_kind kind, uint64_t what);
/* Rules of an owner for `*`. */
struct policy_entries policy_index_everything(const struct policy_index *x,
    const struct policy_owner *owner);

size_t policy_index_memory(const struct policy_index *x);
void policy_index_free(struct policy_index **xp);

#endif
