/* SPDX-License-Identifier: MIT */
#include "acld/policy_load.h"

#include <string.h>

#include "acld/explain.h"
#include "acld/policy_parse.h"
#include "config/settings.h"
#include "config/tree.h"

/* Where warnings go. */
struct warn_target {
	struct policy_notes *notes;
	const char *path;
};

static void
on_warning(void *arg, uint32_t line, uint32_t column, const char *text)
{
	struct warn_target *t = arg;

	policy_notes_add(t->notes, t->path, line, column, "%s", text);
}

static bool
holds(const struct policy_expect *e, const struct policy_answer *a)
{
	return a->action == e->decision &&
	    (e->rule.len == 0 || str_eq(e->rule, str_from(a->rule)));
}

static void
check_expect(const struct policy *p, const struct tree *tree,
    const struct policy_expect *e, struct policy_report *report)
{
	const struct policy_question q = {
		.user = e->user, .groups = e->groups, .n_groups = e->n_groups,
		.source = e->source, .command = e->command,
		.protocol = e->protocol,
		.name = { e->dest.name, e->dest.name_len },
		.resolved = e->resolved, .n_resolved = e->n_resolved,
		.port = e->dest.port,
	};
	struct policy_answer a;
	char why[512];
	struct text text = text_on(why, sizeof(why));

	policy_decide(p, &q, &a);
	if (holds(e, &a))
		return;
	explain_answer(&q, &a, &text);
	report->expect_failures++;
	policy_notes_add(&report->errors, tree->path, (unsigned)e->line,
	    (unsigned)e->column, "expected %s%s%.*s, but %s",
	    explain_action(e->decision), e->rule.len > 0 ? " by rule " : "",
	    (int)e->rule.len, e->rule.len > 0 ? e->rule.ptr : "", why);
}

static struct policy *
compile(struct policy_rules *rules, const struct acld_config *cfg)
{
	const struct policy_fence fence = {
		.own = cfg->own_addresses, .internal = cfg->internal_ranges,
		.nat64 = cfg->nat64_prefixes,
	};

	return policy_compile(rules, &fence);
}

int
policy_load_tree(struct policy **out, const struct tree *tree,
    const struct acld_config *cfg, struct policy_report *report)
{
	struct warn_target warn = { &report->warnings, tree->path };
	struct policy_expects expects = { 0 };
	struct policy_rules rules;
	struct policy *p = NULL;

	policy_rules_init(&rules);
	if (policy_parse(tree, cfg->max_rules, &rules, &expects,
		&report->errors) == 0) {
		p = compile(&rules, cfg);
		for (size_t i = 0; i < expects.n; i++)
			check_expect(p, tree, &expects.v[i], report);
	}
	if (report->errors.total > 0)
		policy_free(&p);
	else
		policy_warnings(p, on_warning, &warn);
	policy_rules_fini(&rules);
	policy_expects_fini(&expects);
	*out = p;
	return p != NULL ? 0 : -1;
}

int
policy_load(struct policy **out, const char *path,
    const struct acld_config *cfg, struct policy_report *report)
{
	struct tree *tree;
	struct err err;
	int rc;

	*out = NULL;
	if (tree_load(&tree, path, &err) != 0) {
		policy_notes_add(&report->errors, NULL, 0, 0, "%s", err.text);
		return -1;
	}
	rc = policy_load_tree(out, tree, cfg, report);
	tree_free(&tree);
	return rc;
}

void
policy_report_fini(struct policy_report *report)
{
	policy_notes_fini(&report->errors);
	policy_notes_fini(&report->warnings);
	memset(report, 0, sizeof(*report));
}
