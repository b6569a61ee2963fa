/* SPDX-License-Identifier: MIT */
/*
 * What a decision costs, and what it costs to put a policy in force, at 10,
 * 1,000 and 100,000 rules (design.md section 8: decision <= 2 us, compile and
 * swap <= 100 ms, the whole load <= 2 s, all at 100,000). CPU time of this
 * thread, since shared machines make wall time worthless.
 *
 * A fifth of the rules is for everybody, the rest belongs to users and groups;
 * destinations are names, wildcards and ranges of many lengths. Each question
 * has a user, three groups, a name and two addresses; about half of them are
 * met by some rule.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "acld/policy_load.h"
#include "acld/policy_parse.h"
#include "config/settings.h"
#include "config/tree.h"

#define QUESTIONS 4096
#define ROUNDS 100

static uint64_t seed = 88172645463325252u;

static unsigned
draw(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}

static double
cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
write_dest(struct bytes *b, unsigned i)
{
	unsigned bits = 12 + draw(21);
	uint32_t v4 = (uint32_t)draw(1u << 31) << 1;

	v4 &= ~(uint32_t)0 << (32 - bits);
	switch (draw(5)) {
	case 0:
		bytes_fmt(b, "www.host%u.example.com", i);
		break;
	case 1:
		bytes_fmt(b, "*.zone%u.example.net", i);
		break;
	case 2:
		bytes_fmt(b, "**.deep%u.example.org", i);
		break;
	case 3:
		bytes_fmt(b, "%u.%u.%u.%u/%u", v4 >> 24, v4 >> 16 & 255,
		    v4 >> 8 & 255, v4 & 255, bits);
		break;
	default:
		bytes_fmt(b, "2a00:%x:%x::/48", i >> 16, i & 0xffff);
	}
}

static void
write_rule(struct bytes *b, const char *list, unsigned i)
{
	bytes_fmt(b, "[[%s]]\naction = \"%s\"\ndestinations = [\"", list,
	    draw(4) == 0 ? "block" : "allow");
	write_dest(b, i);
	bytes_fmt(b, "\"]\n");
	if (draw(2) == 0)
		bytes_fmt(b, "ports = [\"80,443\", \"8000-9000\"]\n");
}

/* `n` rules: every owner has up to 40 of them. */
static void
write_policy(struct bytes *b, unsigned n)
{
	unsigned i = 0, owner = 0;

	while (i < n * 4 / 5) {
		const char *kind = owner % 4 == 3 ? "groups" : "users";
		unsigned end = i + 40 < n * 4 / 5 ? i + 40 : n * 4 / 5;
		char list[16];

		bytes_fmt(b, owner % 4 == 3 ? "[[groups]]\nname = \"g%u\"\n"
		    : "[[users]]\nusername = \"u%u\"\n", owner);
		snprintf(list, sizeof(list), "%s.rules", kind);
		for (; i < end; i++)
			write_rule(b, list, i);
		owner++;
	}
	for (; i < n; i++)
		write_rule(b, "rules", i);
}

struct asked {
	struct policy_question q;
	struct str groups[3];
	char texts[5][64];
	struct addr resolved[2];
};

static void
draw_question(struct asked *a, unsigned rules)
{
	static const char *const before[] = { "www.host", "mail.zone",
		"a.b.deep", "no" };
	static const char *const after[] = { "com", "net", "org", "int" };
	unsigned owners = rules / 50 + 1;
	uint8_t v4[4], v6[16] = { 0x2a };
	unsigned shape = draw(4);

	a->q = (struct policy_question){ .groups = a->groups, .n_groups = 3,
		.command = POLICY_COMMAND_CONNECT,
		.protocol = POLICY_PROTOCOL_TCP, .resolved = a->resolved,
		.n_resolved = 2, .port = 443 };
	snprintf(a->texts[0], 64, "u%u", draw(owners));
	snprintf(a->texts[4], 64, "%s%u.example.%s", before[shape],
	    draw(rules), after[shape]);
	a->q.user = str_from(a->texts[0]);
	a->q.name = str_from(a->texts[4]);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(a->texts[1 + i], 64, "g%u", draw(owners) / 4 * 4 + 3);
		a->groups[i] = str_from(a->texts[1 + i]);
	}
	for (unsigned i = 0; i < 4; i++)
		v4[i] = (uint8_t)draw(224);
	for (unsigned i = 2; i < 6; i++)
		v6[i] = (uint8_t)draw(256);
	a->resolved[0] = addr_from_v4(v4);
	a->resolved[1] = addr_from_v6(v6);
}

static double
ns_per_decision(const struct policy *p, unsigned rules, double *by_rule)
{
	static struct asked asked[QUESTIONS];
	struct policy_answer a;
	unsigned hits = 0;
	double start;

	for (unsigned i = 0; i < QUESTIONS; i++)
		draw_question(&asked[i], rules);
	for (unsigned i = 0; i < QUESTIONS; i++) {
		policy_decide(p, &asked[i].q, &a);
		hits += a.source == POLICY_BY_RULE;
	}
	*by_rule = 100.0 * hits / QUESTIONS;
	start = cpu_seconds();
	for (unsigned r = 0; r < ROUNDS; r++)
		for (unsigned i = 0; i < QUESTIONS; i++)
			policy_decide(p, &asked[i].q, &a);
	return (cpu_seconds() - start) * 1e9 / QUESTIONS / ROUNDS;
}

static void
measure(unsigned n)
{
	const struct policy_fence fence = { .own = { NULL, 0 } };
	struct policy_notes errors = { .n = 0 };
	struct policy_expects expects = { NULL, 0, 0 };
	struct policy_rules rules;
	struct bytes text = { NULL, 0, 0 };
	struct policy *p;
	struct tree *tree;
	struct err err;
	double t[4], ns, by_rule;

	write_policy(&text, n);
	policy_rules_init(&rules);
	t[0] = cpu_seconds();
	if (tree_parse(&tree, "acl.toml", (struct str){ text.ptr, text.len },
		&err) != 0)
		die("%s", err.text);
	t[1] = cpu_seconds();
	if (policy_parse(tree, n, &rules, &expects, &errors) != 0)
		die("%s", errors.v[0]);
	t[2] = cpu_seconds();
	p = policy_compile(&rules, &fence);
	t[3] = cpu_seconds();
	tree_free(&tree);
	ns = ns_per_decision(p, n, &by_rule);
	printf("%8u %9.0f %8.0f %9.2f %9.2f %9.2f %8.1f\n", n, ns, by_rule,
	    (t[1] - t[0]) * 1e3, (t[2] - t[1]) * 1e3, (t[3] - t[2]) * 1e3,
	    (double)policy_count(p).memory / 1048576);
	policy_free(&p);
	policy_rules_fini(&rules);
	bytes_fini(&text);
}

int
main(void)
{
	printf("%8s %9s %8s %9s %9s %9s %8s\n", "rules", "ns/answer",
	    "by_rule%", "file_ms", "check_ms", "index_ms", "MiB");
	measure(10);
	measure(1000);
	measure(100000);
	return 0;
}
