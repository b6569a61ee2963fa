/* SPDX-License-Identifier: MIT */
#include "acld/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acld/policy_match.h"
#include "acld/policy_rules.h"
#include "base/mem.h"
#include "net/special.h"

struct policy {
	struct policy_rules rules;	/* in the order of rank */
	struct policy_index *index;
	struct match_pool pool;
	struct policy_fence fence;
};

/* ---- life ---- */

static int
by_rank(const void *a, const void *b)
{
	const struct policy_rule *x = a, *y = b;

	if (x->action != y->action)
		return x->action == POLICY_BLOCK ? -1 : 1;
	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return (x->column > y->column) - (x->column < y->column);
}

static struct cidr_list
cidrs_copy(const struct cidr_list *from)
{
	struct cidr_list to = { NULL, from->n };

	if (from->n == 0)
		return to;
	to.v = xcalloc(from->n, sizeof(*to.v));
	memcpy(to.v, from->v, from->n * sizeof(*to.v));
	return to;
}

struct policy *
policy_compile(struct policy_rules *rules, const struct policy_fence *fence)
{
	struct policy *p = xcalloc(1, sizeof(*p));
	struct policy_rules *r = &p->rules;
	uint32_t blocks = 0;

	*r = *rules;
	memset(rules, 0, sizeof(*rules));
	if (r->rules.n > 1)
		qsort(r->rules.v, r->rules.n, sizeof(*r->rules.v), by_rank);
	for (size_t i = 0; i < r->rules.n; i++) {
		r->owners.v[r->rules.v[i].owner]->n_rules++;
		blocks += r->rules.v[i].action == POLICY_BLOCK;
	}
	p->index = policy_index_new(r);
	p->pool = (struct match_pool){ r, p->index, blocks };
	p->fence.own = cidrs_copy(&fence->own);
	p->fence.internal = cidrs_copy(&fence->internal);
	p->fence.nat64 = cidrs_copy(&fence->nat64);
	return p;
}

struct policy_counts
policy_count(const struct policy *p)
{
	return (struct policy_counts){
		.rules = (uint32_t)p->rules.rules.n,
		.users = (uint32_t)p->rules.users.count,
		.groups = (uint32_t)p->rules.groups.count,
		.memory = sizeof(*p) + policy_rules_memory(&p->rules) +
		    policy_index_memory(p->index),
	};
}

void
policy_free(struct policy **pp)
{
	struct policy *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	policy_index_free(&p->index);
	policy_rules_fini(&p->rules);
	free(p->fence.own.v);
	free(p->fence.internal.v);
	free(p->fence.nat64.v);
	free(p);
}

/* ---- the fence ---- */

static bool
list_has(const struct cidr_list *l, const struct addr *a)
{
	for (size_t i = 0; i < l->n; i++)
		if (cidr_has(&l->v[i], a))
			return true;
	return false;
}

/* Why `a` stays closed without allow_internal, or NULL. */
static const char *
closed_range(const struct policy_fence *f, const struct addr *a)
{
	if (list_has(&f->own, a))
		return "own address";
	if (list_has(&f->internal, a))
		return "internal range";
	return special_range(a, f->nat64.v, f->nat64.n);
}

/* ---- deciding ---- */

/* What became of one resolved address. */
struct judged {
	struct match match;
	const char *closed;	/* allowed, but fenced off: by this range */
	bool internal_ok;
	bool permitted;
};

/* What becomes of all of them. */
struct verdict {
	struct match best;		/* over all addresses */
	uint32_t allow, opened;		/* best over the permitted ones */
	int closed_at;			/* the first that is fenced off; -1 */
	struct judged closed;
};

static const char *
id_of(const struct policy *p, uint32_t rule)
{
	if (rule == MATCH_NONE)
		return "";
	return policy_rules_id(&p->rules, &p->rules.rules.v[rule]);
}

/* The address, and what it embeds. */
struct parts {
	size_t n;
	struct addr addr[SPECIAL_EMBEDDED_MAX + 1];
	bool opened[SPECIAL_EMBEDDED_MAX + 1];	/* by a rule that names it */
};

static void
match_parts(const struct policy *p, struct match_question *m,
    const struct addr *a, struct parts *parts, struct match *best)
{
	parts->addr[0] = *a;
	parts->n = 1 + special_embedded(a, p->fence.nat64.v,
	    p->fence.nat64.n, parts->addr + 1);
	for (size_t i = 0; i < parts->n; i++) {
		struct match here = { MATCH_NONE, MATCH_NONE, MATCH_NONE };

		policy_match_addr(m, &parts->addr[i], &here);
		parts->opened[i] = here.internal != MATCH_NONE;
		policy_match_join(best, &here);
	}
}

/*
 * The first part that is closed and was not opened itself; NULL: none. Nothing
 * opens 0.0.0.0 and :: as a destination; as the peer of a BIND they mean
 * anybody, and are closed like any other address.
 */
static const char *
still_closed(const struct policy *p, const struct policy_question *q,
    const struct parts *parts)
{
	const char *closed = NULL;

	if (q->command != POLICY_COMMAND_BIND &&
	    addr_is_unspecified(&parts->addr[0]))
		return "no destination";
	for (size_t i = 0; i < parts->n && closed == NULL; i++)
		if (!parts->opened[i])
			closed = closed_range(&p->fence, &parts->addr[i]);
	return closed;
}

static struct judged
judge(const struct policy *p, struct match_question *m,
    const struct match *request, const struct addr *a)
{
	struct judged j = { .match = *request };
	struct parts parts;

	match_parts(p, m, a, &parts, &j.match);
	if (j.match.block != MATCH_NONE ||
	    (j.match.allow == MATCH_NONE && !p->rules.default_allow))
		return j;
	j.internal_ok = parts.opened[0];
	j.closed = still_closed(p, m->q, &parts);
	j.permitted = j.closed == NULL;
	return j;
}

static void
permit(struct policy_answer *out, struct verdict *v, unsigned i,
    const struct judged *j)
{
	out->permitted[out->n_permitted] = (uint8_t)i;
	out->internal_ok[out->n_permitted++] = j->internal_ok;
	if (j->match.allow < v->allow)
		v->allow = j->match.allow;
	if (j->internal_ok && j->match.internal < v->opened)
		v->opened = j->match.internal;
}

static void
answer_rule(const struct policy *p, struct policy_answer *out,
    enum policy_action action, uint32_t rule)
{
	out->action = action;
	out->source = rule == MATCH_NONE ? POLICY_BY_DEFAULT : POLICY_BY_RULE;
	out->rule = id_of(p, rule);
}

static void
answer_closed(const struct policy *p, struct policy_answer *out,
    int at, const struct judged *j)
{
	out->action = POLICY_BLOCK;
	out->source = POLICY_BY_HARD_DENY;
	out->judged = at;
	out->closed = j->closed;
	out->allowed_by = id_of(p, j->match.allow);
}

/* Nothing may be dialled: a rule that blocks is the reason before all else. */
static void
answer_refusal(const struct policy *p, const struct policy_question *q,
    const struct verdict *v, struct policy_answer *out)
{
	if (v->best.block != MATCH_NONE || v->closed_at < 0) {
		answer_rule(p, out, POLICY_BLOCK, v->best.block);
		out->judged = q->n_resolved == 1 ? 0 : -1;
		return;
	}
	answer_closed(p, out, v->closed_at, &v->closed);
}

static void
decide_by_addresses(const struct policy *p, struct match_question *m,
    const struct match *request, struct policy_answer *out)
{
	const struct policy_question *q = m->q;
	struct verdict v = { .best = *request, .allow = MATCH_NONE,
		.opened = MATCH_NONE, .closed_at = -1 };

	for (unsigned i = 0; i < q->n_resolved; i++) {
		struct judged j = judge(p, m, request, &q->resolved[i]);

		policy_match_join(&v.best, &j.match);
		if (j.permitted)
			permit(out, &v, i, &j);
		if (j.closed != NULL && v.closed_at < 0) {
			v.closed_at = (int)i;
			v.closed = j;
		}
	}
	if (out->n_permitted == 0) {
		answer_refusal(p, q, &v, out);
		return;
	}
	answer_rule(p, out, POLICY_ALLOW, v.allow);
	out->opened_by = id_of(p, v.opened);
}

/* No addresses: what the name alone says. */
static void
decide_by_name(const struct policy *p, const struct match *request,
    struct policy_answer *out)
{
	if (request->block != MATCH_NONE)
		answer_rule(p, out, POLICY_BLOCK, request->block);
	else if (request->allow != MATCH_NONE || p->rules.default_allow)
		answer_rule(p, out, POLICY_ALLOW, request->allow);
	else
		answer_rule(p, out, POLICY_BLOCK, MATCH_NONE);
}

void
policy_decide(const struct policy *p, const struct policy_question *q,
    struct policy_answer *out)
{
	const struct judged no_port = { .closed = "no destination",
		.match = { MATCH_NONE, MATCH_NONE, MATCH_NONE } };
	struct match_question m;
	struct match request;

	ASSERT(q->n_resolved <= POLICY_RESOLVED_MAX);
	*out = (struct policy_answer){ .rule = "", .route = "", .limits = "",
		.judged = -1, .closed = "", .allowed_by = "", .opened_by = "" };
	if (q->port == 0 && q->command != POLICY_COMMAND_BIND) {
		answer_closed(p, out, -1, &no_port);
		return;
	}
	policy_match_begin(&m, &p->pool, q);
	request = policy_match_request(&m);
	if (q->n_resolved > 0)
		decide_by_addresses(p, &m, &request, out);
	else
		decide_by_name(p, &request, out);
	out->source_bound = m.source_bound;
}

/* ---- warnings ---- */

/* What of a range stays closed, or NULL. The whole of IPv4 or IPv6 means
 * "the Internet" and needs no warning. */
static const char *
closed_part(const struct policy_fence *f, const struct cidr *c)
{
	const struct cidr_list *lists[] = { &f->own, &f->internal };

	if (c->bits == (c->v4 ? 96 : 0))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		for (size_t j = 0; j < lists[i]->n; j++)
			if (cidr_overlaps(&lists[i]->v[j], c))
				return i == 0 ? "own address"
					      : "internal range";
	return special_overlap(c);
}

static void
warn_closed(const struct policy *p, const struct policy_rule *rule,
    const struct cidr *c, struct text *out)
{
	char range[CIDR_TEXT_SIZE];
	const char *what = closed_part(&p->fence, c);

	if (what == NULL)
		return;
	cidr_format(range, c);
	text_fmt(out, "rule %s allows %s, which stays closed without "
	    "`allow_internal = true` (%s)",
	    policy_rules_id(&p->rules, rule), range, what);
}

void
policy_warnings(const struct policy *p,
    void (*say)(void *arg, uint32_t line, uint32_t column, const char *text),
    void *arg)
{
	for (size_t i = 0; i < p->rules.rules.n; i++) {
		const struct policy_rule *rule = &p->rules.rules.v[i];
		const struct policy_target *t =
		    p->rules.targets.v + rule->targets.first;

		if (rule->action != POLICY_ALLOW || rule->allow_internal)
			continue;
		for (uint32_t k = 0; k < rule->targets.n; k++) {
			char line[512];
			struct text text = text_on(line, sizeof(line));

			if (t[k].kind == TARGET_V4 || t[k].kind == TARGET_V6)
				warn_closed(p, rule, &t[k].cidr, &text);
			if (text.len > 0)
				say(arg, rule->line, rule->column, line);
		}
	}
}
