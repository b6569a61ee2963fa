/* SPDX-License-Identifier: MIT */
/*
 * policy_parse: acl.toml (or YAML) into rules and expectations.
 *
 * The tables of keys in the .c are the format. Everything that can be wrong
 * with a policy is found here, with line and column; all errors of a file are
 * reported, not the first. One thread.
 */
#ifndef ACLD_POLICY_PARSE_H
#define ACLD_POLICY_PARSE_H

#include "acld/policy_notes.h"
#include "acld/policy_rules.h"
#include "config/tree.h"
#include "net/name.h"

/* A rule's id as it is written, bytes; generated ones obey it as well. */
#define POLICY_ID_MAX 128

/* An [[expect]]: what must be answered, or the policy is not activated.
 * Strings are borrowed from the tree. */
struct policy_expect {
	struct str user;
	struct str *groups;
	size_t n_groups;
	struct addr source;
	enum policy_command command;
	enum policy_protocol protocol;
	struct dest dest;
	struct addr resolved[POLICY_RESOLVED_MAX];
	unsigned n_resolved;
	enum policy_action decision;
	struct str rule;		/* empty: any */
	int line, column;
};

struct policy_expects {
	struct policy_expect *v;
	size_t n, cap;
};

/*
 * Fills `rules` (initialised, empty) and `expects` (zeroed). More than
 * `max_rules` rules are an error. -1: `errors` says why; both must be freed in
 * any case.
 */
int policy_parse(const struct tree *tree, uint32_t max_rules,
    struct policy_rules *rules, struct policy_expects *expects,
    struct policy_notes *errors) MUST_CHECK;
void policy_expects_fini(struct policy_expects *e);

#endif
