/* SPDX-License-Identifier: MIT */
/*
 * policy_keys: tables of keys, and the values that the policy file is made of.
 *
 * A table of the file is described by an array of policy_key; policy_keys_read
 * refuses what is unknown (with the nearest name) or not in this release, and
 * hands each value to its function. Used by policy_parse*.c. One thread.
 */
#ifndef ACLD_POLICY_KEYS_H
#define ACLD_POLICY_KEYS_H

#include "acld/policy_notes.h"
#include "acld/policy_parse.h"
#include "acld/policy_rules.h"
#include "config/tree.h"

/* What parsing needs everywhere. */
struct policy_parser {
	const struct tree *tree;
	struct policy_rules *rules;
	struct policy_expects *expects;
	struct policy_notes *errors;
	uint32_t max_rules;
};

typedef void policy_key_fn(struct policy_parser *p, const struct node *value,
    void *object);

struct policy_key {
	const char *name;
	policy_key_fn *read;	/* NULL: known, but not in this release */
	bool required;
};

#define POLICY_KEYS_MAX 20

/* Reads in the order of `keys`, which has `n` and no more than the maximum. */
void policy_keys_read(struct policy_parser *p, const struct node *table,
    const struct policy_key *keys, size_t n, void *object);
/* Calls `read` for each of a list that must not be empty. */
void policy_keys_each(struct policy_parser *p, const struct node *list,
    policy_key_fn *read, void *object);

/* Notes an error at the place of `n`. */
void policy_complain(struct policy_parser *p, const struct node *n,
    const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Each of these gives false after it complained. */
/* A string of 1 to `max` bytes, UTF-8 without control characters. */
bool policy_read_text(struct policy_parser *p, const struct node *n,
    size_t max, struct str *out) MUST_CHECK;
/* A range or address. */
bool policy_read_cidr(struct policy_parser *p, const struct node *n,
    struct cidr *out) MUST_CHECK;
bool policy_read_port(struct policy_parser *p, const struct node *n,
    uint16_t *out) MUST_CHECK;

/* A word that stands for a number. */
struct policy_word {
	const char *word;
	uint8_t value;
};

/* One of `words`, which ends with word NULL. */
bool policy_read_word(struct policy_parser *p, const struct node *n,
    const struct policy_word *words, uint8_t *out) MUST_CHECK;

#endif
