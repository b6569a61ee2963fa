/* SPDX-License-Identifier: MIT */
/*
 * The input is a policy file (YAML if it starts with `---`), then a NUL, then
 * questions: a byte for user, group, command and protocol, two for the port,
 * one for the length of a name, the name, one for the number of addresses, the
 * addresses. A policy that is refused has an error; one that is accepted
 * answers every question within the rules of policy.h.
 */
#include <string.h>

#include "acld/explain.h"
#include "acld/policy_load.h"
#include "base/buf.h"
#include "config/settings.h"
#include "config/tree.h"
#include "fuzz.h"
#include "net/name.h"
#include "net/special.h"

static bool
is_yaml(struct str s)
{
	return s.len >= 3 && memcmp(s.ptr, "---", 3) == 0;
}

static struct policy *
load(struct str text)
{
	const struct acld_config cfg = { .max_rules = 10000 };
	struct policy_report report = { .expect_failures = 0 };
	struct policy *p = NULL;
	struct tree *tree;
	struct err err;

	if (tree_parse(&tree, is_yaml(text) ? "acl.yaml" : "acl.toml", text,
		&err) != 0)
		return NULL;
	if (policy_load_tree(&p, tree, &cfg, &report) != 0)
		ASSERT(p == NULL && report.errors.n > 0);
	else
		ASSERT(p != NULL && report.errors.total == 0);
	tree_free(&tree);
	policy_report_fini(&report);
	return p;
}

static void
check_permitted(const struct policy_question *q,
    const struct policy_answer *a)
{
	for (unsigned i = 0; i < a->n_permitted; i++) {
		const struct addr *to = &q->resolved[a->permitted[i]];

		ASSERT(a->permitted[i] < q->n_resolved);
		ASSERT(i == 0 || a->permitted[i] > a->permitted[i - 1]);
		ASSERT(!addr_is_unspecified(to));
		ASSERT(a->internal_ok[i] ||
		    special_range(to, NULL, 0) == NULL);
	}
}

static void
check_answer(const struct policy_question *q, const struct policy_answer *a)
{
	char why[512];
	struct text text = text_on(why, sizeof(why));

	explain_answer(q, a, &text);
	ASSERT(text.len > 0);
	ASSERT((a->source == POLICY_BY_RULE) == (a->rule[0] != '\0'));
	ASSERT((a->source == POLICY_BY_HARD_DENY) == (a->closed[0] != '\0'));
	if (a->action == POLICY_BLOCK) {
		ASSERT(a->n_permitted == 0);
	} else {
		ASSERT(a->action == POLICY_ALLOW && q->port != 0);
		ASSERT(a->source != POLICY_BY_HARD_DENY);
		ASSERT((a->n_permitted > 0) == (q->n_resolved > 0));
	}
	check_permitted(q, a);
}

/* false: the input has no more questions. */
static bool
ask(const struct policy *p, struct reader *r)
{
	static const struct str names[] = { STR(""), STR("alice"), STR("bob"),
		STR("Developers") };
	uint8_t bits = reader_u8(r);
	struct addr resolved[POLICY_RESOLVED_MAX];
	struct dest dest = { .is_name = false };
	struct policy_question q = {
		.user = names[bits & 3], .groups = &names[bits >> 2 & 3],
		.n_groups = 1, .command = 1 + (bits >> 4 & 3) % 3,
		.protocol = 1 + (bits >> 6 & 1), .resolved = resolved,
		.port = reader_u16(r),
	};
	struct policy_answer a, again;
	unsigned n;

	if (name_canonical(&dest, reader_take(r, reader_u8(r))) == NAME_OK)
		q.name = (struct str){ dest.name, dest.name_len };
	n = reader_u8(r) % (POLICY_RESOLVED_MAX + 1);
	for (; q.n_resolved < n && !r->failed; q.n_resolved++) {
		struct str raw = reader_take(r, 16);

		if (!r->failed)
			resolved[q.n_resolved] =
			    addr_from_v6((const uint8_t *)raw.ptr);
	}
	if (r->failed)
		return false;
	policy_decide(p, &q, &a);
	check_answer(&q, &a);
	policy_decide(p, &q, &again);
	ASSERT(again.action == a.action && again.source == a.source);
	ASSERT(again.rule == a.rule && again.closed == a.closed);
	ASSERT(again.n_permitted == a.n_permitted);
	ASSERT(again.source_bound == a.source_bound);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size == 0 ? NULL : memchr(data, 0, size);
	size_t len = nul == NULL ? size : (size_t)(nul - data);
	struct policy *p = load((struct str){ (const char *)data, len });
	struct reader r;

	if (p == NULL)
		return 0;
	if (nul != NULL) {
		r = reader_on(nul + 1, size - len - 1);
		while (ask(p, &r))
			;
	}
	policy_free(&p);
	return 0;
}
