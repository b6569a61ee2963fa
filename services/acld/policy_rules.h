/* SPDX-License-Identifier: MIT */
/*
 * policy_rules: the rules of a policy as flat arrays.
 *
 * policy_parse fills them, policy_compile takes them over. A rule refers to
 * its destinations, ports, sources and texts by position, so that a policy of
 * any size is a handful of blocks of memory. Owned by whoever holds the
 * struct; one thread until it is part of a policy, immutable then.
 */
#ifndef ACLD_POLICY_RULES_H
#define ACLD_POLICY_RULES_H

#include "acld/policy.h"
#include "base/map.h"
#include "net/cidr.h"
#include "net/name_pattern.h"

#define POLICY_ARRAY(type)    \
	struct {              \
		type *v;      \
		size_t n, cap; \
	}
/* Room for one more at the end of a POLICY_ARRAY; gives a pointer to it. */
#define policy_array_add(a)                                           \
	((a)->v = policy_array_grow((a)->v, (a)->n, &(a)->cap,        \
	     sizeof(*(a)->v)),                                        \
	    &(a)->v[(a)->n++])
void *policy_array_grow(void *v, size_t n, size_t *cap, size_t size);

/* A run of elements of an array. */
struct policy_span { uint32_t first, n; };

enum policy_owner_kind { POLICY_EVERYBODY, POLICY_USER, POLICY_GROUP };

/* Whose rules they are. */
struct policy_owner {
	struct map_node node;		/* in users or groups, by name */
	enum policy_owner_kind kind;
	uint32_t index;			/* in owners; 0 is everybody */
	char *name;			/* groups: lower case */
	struct policy_owner **groups;	/* of a user, as the file says */
	size_t n_groups;
	uint32_t n_rules;
	/* Which keys the index has for this owner (policy_index.c): lengths
	 * of prefixes, labels in tails of patterns. */
	uint64_t prefixes_v4, prefixes_v6[3], tails[2];
	struct policy_span any;		/* entries of rules for everything */
	bool exact;			/* has names without wildcards */
};

enum policy_target_kind {
	TARGET_ANY,	/* "*" */
	TARGET_V4, TARGET_V6,	/* cidr */
	TARGET_EXACT,	/* the name is the text */
	TARGET_SUFFIX,	/* one or more labels before the text */
	TARGET_LABEL,	/* exactly one label before the text */
	TARGET_PATTERN,	/* wildcards; the text is what follows the last one */
};

struct policy_target {
	uint8_t kind;
	uint8_t len, labels;		/* of the text; bytes, labels */
	union {
		struct cidr cidr;
		struct {
			uint32_t text;		/* in texts */
			uint32_t pattern;	/* in patterns */
		};
	};
};

struct policy_ports { uint16_t first, last; };

struct policy_rule {
	uint32_t owner;			/* index in owners */
	uint32_t id;			/* in texts */
	uint32_t line, column;		/* where it stands, for order */
	uint32_t priority;
	enum policy_action action;
	bool allow_internal;
	uint8_t protocols, commands;	/* 1 << enum, as bits */
	struct policy_span targets;
	struct policy_span ports;	/* rising, apart; none: every port */
	struct policy_span sources;	/* none: any */
};

struct policy_rules {
	bool default_allow;
	POLICY_ARRAY(struct policy_owner *) owners;
	POLICY_ARRAY(struct policy_rule) rules;
	POLICY_ARRAY(struct policy_target) targets;
	POLICY_ARRAY(struct policy_ports) ports;
	POLICY_ARRAY(struct cidr) sources;
	POLICY_ARRAY(struct name_pattern) patterns;
	struct map users, groups;	/* of struct policy_owner */
	struct bytes texts;		/* NUL after each */
};

/* Empty, with everybody as owner 0. */
void policy_rules_init(struct policy_rules *r);
/* A new owner; NULL: this kind has one of that name. The name is copied. */
struct policy_owner *policy_rules_owner(struct policy_rules *r,
    enum policy_owner_kind kind, struct str name);
/* NULL: no such user; no such group. */
struct policy_owner *policy_rules_user(const struct policy_rules *r,
    struct str name);
struct policy_owner *policy_rules_group(const struct policy_rules *r,
    struct str name);
/* Position of a copy in texts. */
uint32_t policy_rules_text(struct policy_rules *r, struct str s);
/* A range or a name pattern; -1: neither, err says why. Adds it to targets. */
int policy_rules_target(struct policy_rules *r, struct str s, struct err *err)
    MUST_CHECK;
/* Puts the ranges from `first` on in order and joins those that touch. */
void policy_rules_join_ports(struct policy_rules *r, size_t first);
size_t policy_rules_memory(const struct policy_rules *r);
void policy_rules_fini(struct policy_rules *r);

static inline const char *
policy_rules_id(const struct policy_rules *r, const struct policy_rule *rule)
{
	return r->texts.ptr + rule->id;
}

/* Of a destination by name. */
static inline struct str
policy_rules_target_text(const struct policy_rules *r,
    const struct policy_target *t)
{
	return (struct str){ r->texts.ptr + t->text, t->len };
}

#endif
