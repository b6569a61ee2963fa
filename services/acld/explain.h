/* SPDX-License-Identifier: MIT */
/*
 * explain: a decision in one sentence for people. Pure; any thread.
 */
#ifndef ACLD_EXPLAIN_H
#define ACLD_EXPLAIN_H

#include "acld/policy.h"

/* Appends to `out`: "rule alice-admin blocks admin.company.com:443". */
void explain_answer(const struct policy_question *q,
    const struct policy_answer *a, struct text *out);

/* "allow", "block"; "rule", "default", "hard_deny": log fields, labels and the
 * words of test data. */
const char *explain_action(enum policy_action action);
const char *explain_source(enum policy_source source);

#endif
