/* SPDX-License-Identifier: MIT */
/*
 * policy_parse_table: the two tables of the policy file that have a .c of
 * their own. Only policy_parse.c calls these.
 */
#ifndef ACLD_POLICY_PARSE_TABLE_H
#define ACLD_POLICY_PARSE_TABLE_H

#include "acld/policy_keys.h"

/* A list of rules, which are `owner`'s. */
void policy_parse_rules(struct policy_parser *p, const struct node *list,
    struct policy_owner *owner);
/* One [[expect]]. */
void policy_parse_expect(struct policy_parser *p, const struct node *value,
    void *object);

#endif
