/* SPDX-License-Identifier: MIT */
#include "acld/explain.h"

#include <string.h>

const char *
explain_action(enum policy_action action)
{
	return action == POLICY_ALLOW ? "allow" : "block";
}

const char *
explain_source(enum policy_source source)
{
	switch (source) {
	case POLICY_BY_RULE: return "rule";
	case POLICY_BY_DEFAULT: return "default";
	case POLICY_BY_HARD_DENY: return "hard_deny";
	}
	return "";
}

static void
add_addr(struct text *out, const struct addr *a)
{
	char text[ADDR_TEXT_SIZE];

	addr_format(text, a);
	text_str(out, str_from(text));
}

/* What was asked for, with its port. */
static void
add_dest(struct text *out, const struct policy_question *q)
{
	char text[ENDPOINT_TEXT_SIZE];
	struct endpoint e = { .port = q->port };

	if (q->name.len > 0) {
		text_str(out, q->name);
		text_fmt(out, ":%u", (unsigned)q->port);
	} else if (q->n_resolved > 0) {
		e.addr = q->resolved[0];
		endpoint_format(text, &e);
		text_str(out, str_from(text));
	}
}

static void
add_rule(struct text *out, const struct policy_question *q,
    const struct policy_answer *a)
{
	bool allow = a->action == POLICY_ALLOW;

	if (a->source == POLICY_BY_DEFAULT) {
		text_str(out, STR("no rule matches "));
		add_dest(out, q);
		text_fmt(out, "; the default is %s", explain_action(a->action));
	} else {
		text_fmt(out, "rule %s %s ", a->rule,
		    allow ? "allows" : "blocks");
		add_dest(out, q);
	}
}

static void
add_closed(struct text *out, const struct policy_question *q,
    const struct policy_answer *a)
{
	if (q->port == 0 && q->command != POLICY_COMMAND_BIND) {
		text_str(out, STR("port 0 is no destination"));
		return;
	}
	if (a->judged >= 0)
		add_addr(out, &q->resolved[a->judged]);
	text_fmt(out, " (%s) stays closed: ", a->closed);
	if (a->allowed_by[0] == '\0')
		text_str(out, STR("the default allows it"));
	else
		text_fmt(out, "rule %s allows it", a->allowed_by);
	text_str(out, STR(", without allow_internal"));
}

/* What an answer by a rule or the default leaves unsaid. */
static void
add_remarks(struct text *out, const struct policy_question *q,
    const struct policy_answer *a)
{
	if (q->n_resolved == 0)
		text_str(out, STR("; judged by the name alone, "
		    "no address was given"));
	else if (a->action == POLICY_ALLOW && a->n_permitted < q->n_resolved)
		text_fmt(out, "; %u of %u addresses are refused",
		    q->n_resolved - a->n_permitted, q->n_resolved);
	if (a->opened_by[0] != '\0' && strcmp(a->opened_by, a->rule) != 0)
		text_fmt(out, "; rule %s opens it", a->opened_by);
}

void
explain_answer(const struct policy_question *q, const struct policy_answer *a,
    struct text *out)
{
	if (a->source == POLICY_BY_HARD_DENY) {
		add_closed(out, q, a);
		return;
	}
	add_rule(out, q, a);
	add_remarks(out, q, a);
}
