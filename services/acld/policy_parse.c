/* SPDX-License-Identifier: MIT */
/*
 * The file from the top: its tables, their owners, and what holds for the
 * whole. A rule is read by policy_parse_rule.c, an expectation by
 * policy_parse_expect.c.
 */
#include "acld/policy_parse.h"

#include <stdlib.h>
#include <string.h>

#include "acld/policy_keys.h"
#include "acld/policy_parse_table.h"
#include "base/mem.h"

#define OWNER_NAME_MAX 255

/* ---- users, groups, everybody ---- */

/* A user or group while its table is read. */
struct owner_draft {
	enum policy_owner_kind kind;
	struct policy_owner *owner;	/* NULL: the name was refused */
};

static void
read_owner_name(struct policy_parser *p, const struct node *value,
    void *object)
{
	struct owner_draft *d = object;
	struct str name;

	if (!policy_read_text(p, value, OWNER_NAME_MAX, &name))
		return;
	d->owner = policy_rules_owner(p->rules, d->kind, name);
	if (d->owner == NULL)
		policy_complain(p, value, "%s `%s` is there already",
		    d->kind == POLICY_USER ? "user" : "group", name.ptr);
}

static void
read_member_of(struct policy_parser *p, const struct node *value,
    void *object)
{
	struct policy_owner *user = object;
	struct policy_owner *group;
	struct str name;

	if (!policy_read_text(p, value, OWNER_NAME_MAX, &name))
		return;
	group = policy_rules_group(p->rules, name);
	if (group == NULL) {
		policy_complain(p, value, "there is no group `%s`", name.ptr);
		return;
	}
	if (user->n_groups == POLICY_GROUPS_MAX) {
		policy_complain(p, value, "more than %d groups",
		    POLICY_GROUPS_MAX);
		return;
	}
	user->groups = xreallocarray(user->groups, user->n_groups + 1,
	    sizeof(*user->groups));
	user->groups[user->n_groups++] = group;
}

static void
read_user_groups(struct policy_parser *p, const struct node *value,
    void *object)
{
	struct owner_draft *d = object;

	if (d->owner != NULL)
		policy_keys_each(p, value, read_member_of, d->owner);
}

/* Rules are read even if their owner has no name: to find all errors. */
static void
read_owner_rules(struct policy_parser *p, const struct node *value,
    void *object)
{
	struct owner_draft *d = object;
	struct policy_owner *o = d->owner != NULL ? d->owner
						  : p->rules->owners.v[0];

	policy_parse_rules(p, value, o);
}

static const struct policy_key user_keys[] = {
	{ "username", read_owner_name, true },
	{ "groups", read_user_groups, false },
	{ "rules", read_owner_rules, false },
};

static const struct policy_key group_keys[] = {
	{ "name", read_owner_name, true },
	{ "rules", read_owner_rules, false },
};

static void
read_user(struct policy_parser *p, const struct node *value, void *object)
{
	struct owner_draft d = { POLICY_USER, NULL };

	(void)object;
	policy_keys_read(p, value, user_keys, ARRAY_LEN(user_keys), &d);
}

static void
read_group(struct policy_parser *p, const struct node *value, void *object)
{
	struct owner_draft d = { POLICY_GROUP, NULL };

	(void)object;
	policy_keys_read(p, value, group_keys, ARRAY_LEN(group_keys), &d);
}

/* ---- the top ---- */

static void
read_default(struct policy_parser *p, const struct node *value, void *object)
{
	static const struct policy_word words[] = {
		{ "allow", true }, { "block", false }, { "deny", false },
		{ NULL, 0 },
	};
	uint8_t allow;

	(void)object;
	if (policy_read_word(p, value, words, &allow))
		p->rules->default_allow = allow != 0;
}

static const struct policy_key global_keys[] = {
	{ "default_policy", read_default, false },
};

static void
read_global(struct policy_parser *p, const struct node *value, void *object)
{
	policy_keys_read(p, value, global_keys, ARRAY_LEN(global_keys), object);
}

static void
read_groups(struct policy_parser *p, const struct node *value, void *object)
{
	policy_keys_each(p, value, read_group, object);
}

static void
read_users(struct policy_parser *p, const struct node *value, void *object)
{
	policy_keys_each(p, value, read_user, object);
}

static void
read_rules(struct policy_parser *p, const struct node *value, void *object)
{
	(void)object;
	policy_parse_rules(p, value, p->rules->owners.v[0]);
}

static void
read_expectations(struct policy_parser *p, const struct node *value,
    void *object)
{
	policy_keys_each(p, value, policy_parse_expect, object);
}

/* Groups before users, who name them. */
static const struct policy_key top_keys[] = {
	{ "global", read_global, false },
	{ "limits", NULL, false },
	{ "groups", read_groups, false },
	{ "users", read_users, false },
	{ "rules", read_rules, false },
	{ "expect", read_expectations, false },
};

/* ---- the whole ---- */

/* Written or generated, an id names one rule. */
static void
check_ids(struct policy_parser *p)
{
	struct policy_rules *r = p->rules;
	struct map_node *nodes = xcalloc(r->rules.n + 1, sizeof(*nodes));
	struct map seen;

	map_init(&seen);
	for (size_t i = 0; i < r->rules.n; i++) {
		const struct policy_rule *rule = &r->rules.v[i];
		struct str id = str_from(policy_rules_id(r, rule));
		struct map_node *first = map_find(&seen, id);

		if (first == NULL)
			map_insert(&seen, &nodes[i], id);
		else
			policy_notes_add(p->errors, p->tree->path, rule->line,
			    rule->column, "rule id `%s` is used twice; also "
			    "at line %u", id.ptr,
			    r->rules.v[first - nodes].line);
	}
	map_fini(&seen);
	free(nodes);
}

int
policy_parse(const struct tree *tree, uint32_t max_rules,
    struct policy_rules *rules, struct policy_expects *expects,
    struct policy_notes *errors)
{
	struct policy_parser p = { tree, rules, expects, errors, max_rules };

	policy_keys_read(&p, tree->root, top_keys, ARRAY_LEN(top_keys), NULL);
	if (rules->rules.n > max_rules)
		policy_notes_add(errors, tree->path,
		    rules->rules.v[max_rules].line,
		    rules->rules.v[max_rules].column,
		    "%zu rules; acld.max_rules allows %u", rules->rules.n,
		    max_rules);
	/* Rules without their owner would have ids of others. */
	if (errors->total == 0)
		check_ids(&p);
	return errors->total == 0 ? 0 : -1;
}

void
policy_expects_fini(struct policy_expects *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->v[i].groups);
	free(e->v);
	memset(e, 0, sizeof(*e));
}
