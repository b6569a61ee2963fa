/* SPDX-License-Identifier: MIT */
/*
 * The compiled policy against a scan of every rule, on random policies made
 * of few words, so that rules overlap, and random questions about the same
 * words. The scan knows nothing of policy_rules.h: it keeps the rules as they
 * were drawn and judges with net/ alone. A seed may be given as argument.
 */
#include "policy_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/name_pattern.h"
#include "net/special.h"

#define POLICIES 150
#define QUESTIONS 100
#define RULES_MAX 24
#define LIST_MAX 3
#define OWNERS 6

static uint64_t seed = 20261121;

static unsigned
draw(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}

#define PICK(list) (list)[draw(ARRAY_LEN(list))]

static const char *const owners[OWNERS] = {
	"", "alice", "bob", "dev", "ops", "web",
};
#define FIRST_GROUP 3

static const char *const ranges[] = {
	"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "8.8.8.0/24",
	"8.8.8.8", "8.0.0.0/7", "127.0.0.0/8", "::/0", "2000::/3",
	"2606:4700::/32", "2606:4700::1", "fd00::/8", "64:ff9b::/96",
	"2002::/16", "169.254.169.254", "128.0.0.0/1", "0.0.0.0", "::",
};
static const char *const patterns[] = {
	"*", "a.test", "b.test", "a.b.test", "*.test", "*.b.test", "**.test",
	"**.b.test", "a*.test", "*b.test", "a.*.test", "*.*", "a*", "x",
	"*.*.test", "**.c.b.test",
};
static const char *const names[] = {
	"a.test", "b.test", "a.b.test", "ab.test", "aab.b.test", "x", "ab",
	"a.c.b.test", "q.c.b.test", "test", "a.z.test", "a.b", "z.z.z.test",
};
static const char *const addrs[] = {
	"10.1.2.3", "10.1.9.9", "10.9.9.9", "8.8.8.8", "8.8.8.9", "9.1.1.1",
	"127.0.0.1", "200.1.1.1", "1.1.1.1", "2606:4700::1", "2606:4700::2",
	"fd00::1", "64:ff9b::8.8.8.8", "64:ff9b::10.1.2.3", "2002:808:808::1",
	"2606:4700::5efe:10.1.2.3", "0.0.0.0", "::", "::1", "4000::1",
	"169.254.169.254", "2001:0:808:808::f5fe:fdfc",
};
static const char *const port_texts[] = { "1-10", "5", "8-20", "1,3,30", "*" };
static const char *const sources[] = { "192.0.2.0/24", "192.0.2.7",
	"2001:db8::/32", "0.0.0.0/0" };
static const char *const asking[] = { "192.0.2.7", "192.0.2.8",
	"198.51.100.1", "2001:db8::1", "::" };

/* A rule as it was drawn. */
struct drawn {
	unsigned owner;
	bool block, internal;
	unsigned priority;
	unsigned n_dests, n_sources;
	const char *dests[LIST_MAX], *sources[LIST_MAX];
	const char *ports;		/* NULL: any */
	unsigned protocols, commands;	/* 0: any; else 1 << number */
};

struct drawn_policy {
	bool allow;
	bool member[FIRST_GROUP][OWNERS];	/* of users, in the file */
	unsigned n;
	struct drawn rules[RULES_MAX];	/* in the order of the file */
};

/* ---- drawing, and writing it down ---- */

static void
draw_rule(struct drawn *r, unsigned owner)
{
	*r = (struct drawn){ .owner = owner, .block = draw(3) == 0,
		.priority = 99 + draw(3), .n_dests = 1 + draw(LIST_MAX) };
	r->internal = !r->block && draw(3) == 0;
	for (unsigned i = 0; i < r->n_dests; i++)
		r->dests[i] = r->internal || draw(2) == 0 ? PICK(ranges)
							  : PICK(patterns);
	if (draw(3) == 0)
		r->ports = PICK(port_texts);
	if (draw(4) == 0)
		r->n_sources = 1 + draw(LIST_MAX);
	for (unsigned i = 0; i < r->n_sources; i++)
		r->sources[i] = PICK(sources);
	if (draw(4) == 0)
		r->protocols = 2u << draw(2);
	if (draw(4) == 0)
		r->commands = 2u << draw(3);
}

/* Rules stand in the file in the order of their owners' sections. */
static void
draw_policy(struct drawn_policy *p)
{
	unsigned per_owner[OWNERS] = { 0 };

	memset(p, 0, sizeof(*p));
	p->allow = draw(4) == 0;
	for (unsigned u = 1; u < FIRST_GROUP; u++)
		for (unsigned g = FIRST_GROUP; g < OWNERS; g++)
			p->member[u][g] = draw(3) == 0;
	for (unsigned i = draw(RULES_MAX); i > 0; i--)
		per_owner[draw(OWNERS)]++;
	for (unsigned o = 0; o < OWNERS; o++)
		for (unsigned i = 0; i < per_owner[o]; i++)
			draw_rule(&p->rules[p->n++], o);
}

static void
write_list(struct bytes *b, const char *key, const char *const *v, unsigned n)
{
	if (n == 0)
		return;
	bytes_fmt(b, "%s = [", key);
	for (unsigned i = 0; i < n; i++)
		bytes_fmt(b, "%s\"%s\"", i > 0 ? ", " : "", v[i]);
	bytes_fmt(b, "]\n");
}

static void
write_rule(struct bytes *b, const struct drawn *r, unsigned index)
{
	static const char *const words[] = { "connect", "bind", "udp" };
	const char *word;

	bytes_fmt(b, "[[%s]]\n", r->owner == 0 ? "rules"
	    : r->owner < FIRST_GROUP ? "users.rules" : "groups.rules");
	bytes_fmt(b, "id = \"r%u\"\naction = \"%s\"\npriority = %u\n", index,
	    r->block ? "block" : "allow", r->priority);
	write_list(b, "destinations", r->dests, r->n_dests);
	write_list(b, "sources", r->sources, r->n_sources);
	write_list(b, "ports", &r->ports, r->ports != NULL);
	if (r->internal)
		bytes_fmt(b, "allow_internal = true\n");
	word = r->protocols == 2 ? "tcp" : "udp";
	write_list(b, "protocols", &word, r->protocols != 0);
	if (r->commands != 0)
		word = words[__builtin_ctz(r->commands) - 1];
	write_list(b, "commands", &word, r->commands != 0);
}

static void
write_owner(struct bytes *b, const struct drawn_policy *p, unsigned o)
{
	const char *groups[OWNERS];
	unsigned n = 0;

	if (o >= FIRST_GROUP) {
		/* cppcheck-suppress arrayIndexOutOfBoundsCond; all callers
		 * stay below OWNERS */
		bytes_fmt(b, "[[groups]]\nname = \"%s\"\n", owners[o]);
		return;
	}
	bytes_fmt(b, "[[users]]\nusername = \"%s\"\n", owners[o]);
	for (unsigned g = FIRST_GROUP; g < OWNERS; g++)
		if (p->member[o][g])
			groups[n++] = owners[g];
	write_list(b, "groups", groups, n);
}

static struct policy *
write_policy(const struct drawn_policy *p, struct bytes *b)
{
	bytes_clear(b);
	bytes_fmt(b, "[global]\ndefault_policy = \"%s\"\n",
	    p->allow ? "allow" : "block");
	for (unsigned o = 0, i = 0; o < OWNERS; o++) {
		if (o > 0)
			write_owner(b, p, o);
		for (; i < p->n && p->rules[i].owner == o; i++)
			write_rule(b, &p->rules[i], i);
	}
	bytes_add(b, "", 1);
	return fixture_policy(b->ptr);
}

/* ---- the naive evaluator ---- */

struct best { int block, allow, internal; };

static bool
is_range(const char *dest)
{
	struct cidr c;
	struct err err;

	return cidr_parse(&c, str_from(dest), &err) == 0;
}

static bool
range_has(const char *range, const struct addr *a)
{
	struct cidr c;
	struct err err;

	return cidr_parse(&c, str_from(range), &err) == 0 && cidr_has(&c, a);
}

static bool
name_fits(const char *pattern, struct str name)
{
	struct name_pattern p;
	struct err err;

	if (strcmp(pattern, "*") == 0)
		return true;
	return !is_range(pattern) && name.len > 0 &&
	    name_pattern_parse(&p, str_from(pattern), &err) == 0 &&
	    name_pattern_match(&p, name);
}

static bool
port_fits(const char *text, unsigned port)
{
	while (text != NULL && strcmp(text, "*") != 0) {
		unsigned first, last;
		int n = sscanf(text, "%u-%u", &first, &last);

		if (port >= first && port <= (n == 2 ? last : first))
			return true;
		text = strchr(text, ',');
		if (text == NULL)
			return false;
		text++;
	}
	return true;
}

static bool
applies(const struct drawn_policy *p, const struct drawn *r,
    const struct policy_question *q)
{
	const char *owner = owners[r->owner];

	if (r->owner == 0 || (r->owner < FIRST_GROUP &&
	    str_eq(q->user, str_from(owner))))
		return true;
	if (r->owner < FIRST_GROUP)
		return false;
	for (size_t i = 0; i < q->n_groups; i++)
		if (str_eq_nocase(q->groups[i], str_from(owner)))
			return true;
	for (unsigned u = 1; u < FIRST_GROUP; u++)
		if (str_eq(q->user, str_from(owners[u])) &&
		    p->member[u][r->owner])
			return true;
	return false;
}

static bool
facets_fit(const struct drawn *r, const struct policy_question *q)
{
	bool source = r->n_sources == 0;

	for (unsigned i = 0; i < r->n_sources; i++)
		source |= range_has(r->sources[i], &q->source);
	return source && (q->port == 0 ? !r->block || port_fits(r->ports, 0)
		: port_fits(r->ports, q->port)) &&
	    (r->protocols == 0 || (r->protocols >> q->protocol & 1) != 0) &&
	    (r->commands == 0 || (r->commands >> q->command & 1) != 0);
}

/* Is rule a reported before rule b (-1: none)? */
static bool
outranks(const struct drawn_policy *p, int a, int b)
{
	return b < 0 || p->rules[a].priority > p->rules[b].priority ||
	    /* cppcheck-suppress arrayIndexThenCheck; a is no limit */
	    (p->rules[a].priority == p->rules[b].priority && a < b);
}

/* `a` NULL: the name; else the address. */
static struct best
scan(const struct drawn_policy *p, const struct policy_question *q,
    const struct addr *a)
{
	struct best best = { -1, -1, -1 };

	for (int i = 0; i < (int)p->n; i++) {
		const struct drawn *r = &p->rules[i];
		bool hit = false;

		for (unsigned d = 0; d < r->n_dests; d++)
			hit |= a == NULL ? name_fits(r->dests[d], q->name)
					 : range_has(r->dests[d], a);
		if (!hit || !applies(p, r, q) || !facets_fit(r, q))
			continue;
		if (r->block && outranks(p, i, best.block))
			best.block = i;
		if (!r->block && outranks(p, i, best.allow))
			best.allow = i;
		if (r->internal && outranks(p, i, best.internal))
			best.internal = i;
	}
	return best;
}

struct expected {
	bool allow;
	enum policy_source source;
	int rule;
	unsigned n, permitted[POLICY_RESOLVED_MAX];
	bool internal[POLICY_RESOLVED_MAX];
};

static void
improve(const struct drawn_policy *p, int *best, int i)
{
	if (i >= 0 && outranks(p, i, *best))
		*best = i;
}

/* One address: is it permitted? Says whether it is closed, and opened. */
static bool
naive_address(const struct drawn_policy *p, const struct policy_question *q,
    const struct addr *a, struct best *whole, bool *closed, bool *opened)
{
	struct addr parts[SPECIAL_EMBEDDED_MAX + 1] = { *a };
	size_t n = 1 + special_embedded(a, NULL, 0, parts + 1);
	bool shut = addr_is_unspecified(a) &&
	    q->command != POLICY_COMMAND_BIND;

	for (size_t i = 0; i < n; i++) {
		struct best b = scan(p, q, &parts[i]);

		if (i == 0)
			*opened = b.internal >= 0;
		shut |= b.internal < 0 && special_range(&parts[i], NULL, 0);
		improve(p, &whole->block, b.block);
		improve(p, &whole->allow, b.allow);
	}
	if (whole->block >= 0 || (whole->allow < 0 && !p->allow))
		return false;
	*closed = shut;
	return !shut;
}

static void
naive_decide(const struct drawn_policy *p, const struct policy_question *q,
    struct expected *e)
{
	struct best request = scan(p, q, NULL);
	int block = request.block, allow = -1;
	bool any_closed = false;

	*e = (struct expected){ .rule = -1 };
	for (unsigned i = 0; i < q->n_resolved; i++) {
		struct best whole = request;
		bool closed = false, opened = false;

		if (naive_address(p, q, &q->resolved[i], &whole, &closed,
			&opened)) {
			e->permitted[e->n] = i;
			e->internal[e->n++] = opened;
			improve(p, &allow, whole.allow);
		}
		improve(p, &block, whole.block);
		any_closed |= closed;
	}
	if (q->n_resolved == 0) {
		e->allow = block < 0 && (request.allow >= 0 || p->allow);
		allow = request.allow;
	} else {
		e->allow = e->n > 0;
	}
	e->rule = e->allow ? allow : block;
	e->source = e->rule >= 0 ? POLICY_BY_RULE
	    : !e->allow && any_closed ? POLICY_BY_HARD_DENY
	    : POLICY_BY_DEFAULT;
}

/* ---- asking both ---- */

struct asked {
	struct policy_question q;
	struct str groups[2];
	struct addr resolved[4];
};

static void
draw_question(struct asked *a)
{
	static const char *const users[] = { "alice", "bob", "carol", "" };
	static const char *const groups[] = { "DEV", "ops", "Web", "none" };
	struct policy_question *q = &a->q;

	*q = (struct policy_question){ .user = str_from(PICK(users)),
		.groups = a->groups, .n_groups = draw(3),
		.command = 1 + draw(3), .protocol = 1 + draw(2),
		.resolved = a->resolved, .port = (uint16_t)(1 + draw(32)) };
	for (size_t i = 0; i < q->n_groups; i++)
		a->groups[i] = str_from(PICK(groups));
	assert_true(addr_parse(&q->source, str_from(PICK(asking))));
	if (q->command == POLICY_COMMAND_BIND && draw(2) == 0)
		q->port = 0;
	if (draw(4) > 0)
		q->name = str_from(PICK(names));
	q->n_resolved = q->name.len > 0 ? draw(5) : 1;
	for (unsigned i = 0; i < q->n_resolved; i++)
		assert_true(addr_parse(&a->resolved[i], str_from(PICK(addrs))));
}

static bool
same(const struct policy_answer *a, const struct expected *e)
{
	char rule[16] = "";

	if (e->rule >= 0)
		snprintf(rule, sizeof(rule), "r%d", e->rule);
	if ((a->action == POLICY_ALLOW) != e->allow ||
	    a->source != e->source || strcmp(a->rule, rule) != 0 ||
	    a->n_permitted != e->n)
		return false;
	for (unsigned i = 0; i < e->n; i++)
		if (a->permitted[i] != e->permitted[i] ||
		    a->internal_ok[i] != e->internal[i])
			return false;
	return true;
}

/* An answer that is not bound to the source is the same from any other. */
static void
check_source_bound(const struct drawn_policy *p, struct asked *a,
    const struct policy_answer *answer, const char *text)
{
	struct expected e;

	for (unsigned i = 0; !answer->source_bound && i < ARRAY_LEN(asking);
	     i++) {
		assert_true(addr_parse(&a->q.source, str_from(asking[i])));
		naive_decide(p, &a->q, &e);
		if (!same(answer, &e))
			fail_msg("depends on the source:\n%s", text);
	}
}

static void
test_agrees_with_scan(void **state)
{
	struct bytes text = { NULL, 0, 0 };
	unsigned allowed = 0, blocked = 0;

	(void)state;
	for (unsigned i = 0; i < POLICIES; i++) {
		struct drawn_policy drawn;
		struct policy *p;

		draw_policy(&drawn);
		p = write_policy(&drawn, &text);
		for (unsigned k = 0; k < QUESTIONS; k++) {
			struct policy_answer got;
			struct expected want;
			struct asked a;

			draw_question(&a);
			policy_decide(p, &a.q, &got);
			naive_decide(&drawn, &a.q, &want);
			if (!same(&got, &want))
				fail_msg("policy %u, question %u: %s by `%s`, "
				    "not %s by r%d\n%s", i, k,
				    got.action == POLICY_ALLOW ? "allow"
							       : "block",
				    got.rule, want.allow ? "allow" : "block",
				    want.rule, text.ptr);
			check_source_bound(&drawn, &a, &got, text.ptr);
			allowed += want.allow;
			blocked += !want.allow && want.rule >= 0;
		}
		policy_free(&p);
	}
	bytes_fini(&text);
	/* The words must make both happen often. */
	assert_true(allowed > POLICIES * QUESTIONS / 20);
	assert_true(blocked > POLICIES * QUESTIONS / 20);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agrees_with_scan),
	};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10) | 1;	/* 0 stays 0 */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
