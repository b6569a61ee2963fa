/* SPDX-License-Identifier: MIT */
/*
 * policy_load: from a file to a policy that may be activated: read, parse,
 * compile, hold it to its own [[expect]]. All or nothing. Any thread.
 */
#ifndef ACLD_POLICY_LOAD_H
#define ACLD_POLICY_LOAD_H

#include "acld/policy.h"
#include "acld/policy_notes.h"

struct acld_config;
struct tree;

/* What was found; policy_report_fini frees it. */
struct policy_report {
	struct policy_notes errors, warnings;
	unsigned expect_failures;	/* counted among the errors too */
};

/* Zeroed before; -1: errors has at least one. The fence and max_rules come
 * from `cfg`, not the path. */
int policy_load(struct policy **out, const char *path,
    const struct acld_config *cfg, struct policy_report *report) MUST_CHECK;
/* The same from a tree, which may be freed afterwards. */
int policy_load_tree(struct policy **out, const struct tree *tree,
    const struct acld_config *cfg, struct policy_report *report) MUST_CHECK;
void policy_report_fini(struct policy_report *report);

#endif
