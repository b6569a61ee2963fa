/* SPDX-License-Identifier: MIT */
#include "acld/policy_match.h"

#include <string.h>

#define V4_BITS 96u

/* ---- does this rule match? ---- */

static bool
ports_have(const struct policy_rules *r, struct policy_span s, uint16_t port)
{
	const struct policy_ports *v;
	size_t low = 0, high = s.n;

	if (s.n == 0)
		return true;
	v = r->ports.v + s.first;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (port > v[middle].last)
			low = middle + 1;
		else if (port < v[middle].first)
			high = middle;
		else
			return true;
	}
	return false;
}

/* The ranges of a rule are joined where they touch. */
static bool
ports_are_all(const struct policy_rules *r, struct policy_span s)
{
	const struct policy_ports *v = r->ports.v + s.first;

	return s.n == 0 ||
	    (s.n == 1 && v->first == 1 && v->last == UINT16_MAX);
}

/*
 * Port 0 is any port of a peer that has yet to come: an allow may have the very
 * one in mind, a block must not reach beyond its own. Which port it was is
 * asked about when the peer is there.
 */
static bool
ports_fit(const struct match_question *m, const struct policy_rule *rule)
{
	const struct policy_rules *r = m->pool->rules;
	const struct policy_question *q = m->q;

	if (q->port == 0 && q->command == POLICY_COMMAND_BIND)
		return rule->action == POLICY_ALLOW ||
		    ports_are_all(r, rule->ports);
	return ports_have(r, rule->ports, q->port);
}

static bool
source_fits(struct match_question *m, const struct policy_rule *rule)
{
	const struct cidr *v;

	if (rule->sources.n == 0)
		return true;
	m->source_bound = true;
	v = m->pool->rules->sources.v + rule->sources.first;
	for (uint32_t i = 0; i < rule->sources.n; i++)
		if (cidr_has(&v[i], &m->q->source))
			return true;
	return false;
}

static bool
ends_with(struct str name, struct str tail)
{
	return name.len > tail.len + 1 &&
	    name.ptr[name.len - tail.len - 1] == '.' &&
	    memcmp(name.ptr + name.len - tail.len, tail.ptr, tail.len) == 0;
}

/* `a` is the address looked up; NULL: the name was. */
static bool
target_fits(const struct match_question *m, const struct policy_target *t,
    const struct addr *a)
{
	const struct policy_rules *r = m->pool->rules;
	struct str name = m->q->name;

	switch ((enum policy_target_kind)t->kind) {
	case TARGET_ANY:
		return true;
	case TARGET_V4:
	case TARGET_V6:
		return a != NULL && cidr_has(&t->cidr, a);
	case TARGET_EXACT:
		return a == NULL && str_eq(policy_rules_target_text(r, t), name);
	case TARGET_SUFFIX:
		return a == NULL && ends_with(name, policy_rules_target_text(r, t));
	case TARGET_LABEL:
		return a == NULL && ends_with(name, policy_rules_target_text(r, t)) &&
		    memchr(name.ptr, '.', name.len - t->len - 1) == NULL;
	case TARGET_PATTERN:
		return a == NULL &&
		    name_pattern_match(&r->patterns.v[t->pattern], name);
	}
	return false;
}

static bool
rule_fits(struct match_question *m, const struct policy_rule *rule,
    uint32_t owner, const struct policy_target *t, const struct addr *a)
{
	const struct policy_question *q = m->q;

	return rule->owner == owner &&
	    (rule->protocols >> q->protocol & 1) != 0 &&
	    (rule->commands >> q->command & 1) != 0 && ports_fit(m, rule) &&
	    target_fits(m, t, a) && source_fits(m, rule);
}

/* ---- looking up ---- */

/* Could rule `i` still change the answer? */
static bool
is_better(const struct match *best, uint32_t blocks, uint32_t i,
    const struct policy_rule *rule)
{
	if (i < blocks)
		return i < best->block;
	return i < best->allow || (rule->allow_internal && i < best->internal);
}

static void
take(struct match *best, uint32_t blocks, uint32_t i,
    const struct policy_rule *rule)
{
	if (i < blocks) {
		best->block = i;
		return;
	}
	if (i < best->allow)
		best->allow = i;
	if (rule->allow_internal && i < best->internal)
		best->internal = i;
}

/* Candidates under one key, best rule first. */
static void
scan(struct match_question *m, uint32_t owner, struct policy_entries found,
    const struct addr *a, struct match *best)
{
	const struct policy_rules *r = m->pool->rules;
	uint32_t blocks = m->pool->blocks;

	for (uint32_t e = 0; e < found.n; e++) {
		uint32_t i = found.v[e].rule;
		const struct policy_rule *rule = &r->rules.v[i];

		/* A block was found: no allow can help. */
		if (best->block != MATCH_NONE && i > best->block)
			return;
		if (is_better(best, blocks, i, rule) &&
		    rule_fits(m, rule, owner,
			&r->targets.v[found.v[e].target], a))
			take(best, blocks, i, rule);
	}
}

/* One destination, for all owners. */
static void
look_up(struct match_question *m, enum policy_target_kind kind, uint64_t what,
    const struct addr *a, struct match *best)
{
	const struct policy_index *x = m->pool->index;

	if (!policy_index_may_have(x, kind, what))
		return;
	for (unsigned i = 0; i < m->n_owners; i++) {
		uint32_t owner = m->owners[i]->index;

		scan(m, owner, policy_index_find(x, owner, kind, what), a,
		    best);
	}
}

static void
add_owner(struct match_question *m, const struct policy_owner *o)
{
	if (o == NULL || o->n_rules == 0)
		return;
	for (unsigned i = 0; i < m->n_owners; i++)
		if (m->owners[i] == o)
			return;
	m->owners[m->n_owners++] = o;
	m->exact |= o->exact;
	m->prefixes_v4 |= o->prefixes_v4;
	for (unsigned i = 0; i < ARRAY_LEN(m->prefixes_v6); i++)
		m->prefixes_v6[i] |= o->prefixes_v6[i];
	for (unsigned i = 0; i < ARRAY_LEN(m->tails); i++)
		m->tails[i] |= o->tails[i];
}

void
policy_match_begin(struct match_question *m, const struct match_pool *p,
    const struct policy_question *q)
{
	const struct policy_rules *r = p->rules;
	const struct policy_owner *user = policy_rules_user(r, q->user);

	ASSERT(q->n_groups <= POLICY_GROUPS_MAX);
	ASSERT(user == NULL || user->n_groups <= POLICY_GROUPS_MAX);
	m->pool = p;
	m->q = q;
	m->source_bound = m->exact = false;
	m->n_owners = 0;
	m->prefixes_v4 = 0;
	memset(m->prefixes_v6, 0, sizeof(m->prefixes_v6));
	memset(m->tails, 0, sizeof(m->tails));
	add_owner(m, r->owners.v[0]);
	add_owner(m, user);
	for (size_t i = 0; user != NULL && i < user->n_groups; i++)
		add_owner(m, user->groups[i]);
	for (size_t i = 0; r->groups.count > 0 && i < q->n_groups; i++)
		add_owner(m, policy_rules_group(r, q->groups[i]));
}

static void
match_name(struct match_question *m, struct match *best)
{
	uint64_t tails[POLICY_LABELS_MAX + 2];
	unsigned labels = policy_index_tails(m->q->name, tails);

	if (m->exact)
		look_up(m, TARGET_EXACT, tails[labels], NULL, best);
	for (unsigned k = 0; k < labels; k++)
		if ((m->tails[k / 64] >> k % 64 & 1) != 0)
			look_up(m, TARGET_SUFFIX, tails[k], NULL, best);
}

struct match
policy_match_request(struct match_question *m)
{
	struct match best = { MATCH_NONE, MATCH_NONE, MATCH_NONE };

	for (unsigned i = 0; i < m->n_owners; i++)
		scan(m, m->owners[i]->index, policy_index_everything(
		    m->pool->index, m->owners[i]), NULL, &best);
	if (m->q->name.len > 0)
		match_name(m, &best);
	return best;
}

/* Each length of prefix whose bit is set; the first bit stands for `base`. */
static void
match_prefixes(struct match_question *m, enum policy_target_kind kind,
    uint64_t set, unsigned base, const struct addr *a, struct match *best)
{
	for (; set != 0; set &= set - 1) {
		unsigned bits = base + (unsigned)__builtin_ctzll(set);

		look_up(m, kind, policy_index_prefix(a, bits), a, best);
	}
}

void
policy_match_addr(struct match_question *m, const struct addr *a,
    struct match *best)
{
	if (addr_is_v4(a)) {
		match_prefixes(m, TARGET_V4, m->prefixes_v4, V4_BITS, a, best);
		return;
	}
	for (unsigned i = 0; i < ARRAY_LEN(m->prefixes_v6); i++)
		match_prefixes(m, TARGET_V6, m->prefixes_v6[i], 64 * i, a,
		    best);
}

static uint32_t
lower(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

void
policy_match_join(struct match *into, const struct match *other)
{
	into->block = lower(into->block, other->block);
	into->allow = lower(into->allow, other->allow);
	into->internal = lower(into->internal, other->internal);
}
