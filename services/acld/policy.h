/* SPDX-License-Identifier: MIT */
/*
 * policy: whether a connection may be, by one immutable compiled policy
 * (design.md section 4).
 *
 * Rules of the user, of the user's groups and for everybody form one pool. A
 * BLOCK that matches beats every ALLOW; among equals the higher priority, then
 * the earlier in the file, is the one reported. Rules by name judge the name,
 * rules by range each resolved address and the IPv4 addresses embedded in it:
 * a block on any part wins, an allow on any part suffices. What is left must
 * pass the hard-deny set: every part that is closed needs a rule by range with
 * `allow_internal` of its own.
 *
 * BIND asks about the peer that may come, first as the client named it, then
 * as it came. Port 0 is any port of the peer: no ALLOW is kept from matching by
 * its ports, and no BLOCK with ports matches. 0.0.0.0 and :: are any peer,
 * which only a rule by range with `allow_internal` permits.
 *
 * Pure: no I/O, no clock, no lock, no allocation in policy_decide. A policy
 * never changes after policy_compile; any number of threads may ask it.
 */
#ifndef ACLD_POLICY_H
#define ACLD_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/str.h"
#include "config/value.h"
#include "net/addr.h"

struct policy;
struct policy_rules;

#define POLICY_RESOLVED_MAX 32
#define POLICY_GROUPS_MAX 1024

/* The numbers of the first three are those of the wire (decide.proto). */
enum policy_action { POLICY_ALLOW = 1, POLICY_BLOCK };
enum policy_source {
	POLICY_BY_RULE = 1, POLICY_BY_DEFAULT, POLICY_BY_HARD_DENY,
};
enum policy_command {
	POLICY_COMMAND_CONNECT = 1, POLICY_COMMAND_BIND, POLICY_COMMAND_UDP,
};
enum policy_protocol { POLICY_PROTOCOL_TCP = 1, POLICY_PROTOCOL_UDP };

/* Everything is borrowed until policy_decide returns. */
struct policy_question {
	struct str user;		/* exact; empty: nobody logged in */
	const struct str *groups;	/* ASCII case does not count */
	size_t n_groups;		/* at most POLICY_GROUPS_MAX */
	struct addr source;		/* unspecified: not known */
	enum policy_command command;
	enum policy_protocol protocol;
	struct str name;		/* canonical; empty: asked by address */
	const struct addr *resolved;
	unsigned n_resolved;	/* 0: the name alone is judged */
	uint16_t port;
};

/* Strings are borrowed from the policy, never NULL. */
struct policy_answer {
	enum policy_action action;
	enum policy_source source;
	const char *rule;		/* "": no rule decided */
	const char *route, *limits;	/* "": direct; none */
	unsigned n_permitted;
	uint8_t permitted[POLICY_RESOLVED_MAX];	/* rising indices */
	bool internal_ok[POLICY_RESOLVED_MAX];	/* of permitted[i] */
	bool source_bound;	/* another source might get another answer */
	/* What explain.h says in words. */
	int judged;		/* the address refused, or -1: not one alone */
	const char *closed;	/* HARD_DENY: the range; else "" */
	const char *allowed_by;	/* HARD_DENY: rule in vain; "": the default */
	const char *opened_by;	/* rule that opened a permitted one; or "" */
};

/* What stays closed besides net/special.h. Copied by policy_compile. */
struct policy_fence {
	struct cidr_list own;		/* the suite's addresses */
	struct cidr_list internal;	/* more internal ranges */
	struct cidr_list nat64;		/* RFC 6052 prefixes in use */
};

/* Takes what `rules` holds and leaves it empty. Never fails: what can be wrong
 * was refused by policy_parse. */
struct policy *policy_compile(struct policy_rules *rules,
    const struct policy_fence *fence) MUST_CHECK;
/* Port 0 and the addresses 0.0.0.0 and :: are never permitted, but for BIND. */
void policy_decide(const struct policy *p, const struct policy_question *q,
    struct policy_answer *out);

struct policy_counts { uint32_t rules, users, groups; size_t memory; };
/* How much it holds; memory in bytes. */
struct policy_counts policy_count(const struct policy *p);
/* A line each for rules that allow what stays closed, handed to `say`. */
void policy_warnings(const struct policy *p,
    void (*say)(void *arg, uint32_t line, uint32_t column, const char *text),
    void *arg);
void policy_free(struct policy **pp);

#endif
