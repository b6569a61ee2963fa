/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "acld/policy_parse_table.h"

#define PRIORITY_DEFAULT 100
#define DESCRIPTION_MAX 1024
#define PORTS_TEXT_MAX 1024
/* A destination as written: a name, or wildcards in its place. */
#define DEST_TEXT_MAX 260
/* So much of an owner's name stands in a generated id. */
#define ID_NAME_MAX 96

#define ALL_BITS 0xff

/* A rule while its table is read. */
struct rule_draft {
	struct policy_rule rule;
	struct str id;
	const struct node *destinations, *allow_internal;
};

static void
read_id(struct policy_parser *p, const struct node *value, void *object)
{
	struct rule_draft *d = object;

	if (!policy_read_text(p, value, POLICY_ID_MAX, &d->id))
		d->id = STR("");
}

static void
read_action(struct policy_parser *p, const struct node *value, void *object)
{
	static const struct policy_word words[] = {
		{ "allow", POLICY_ALLOW }, { "block", POLICY_BLOCK },
		{ "deny", POLICY_BLOCK }, { NULL, 0 },
	};
	struct rule_draft *d = object;
	const char *word = node_string(value);
	uint8_t action;

	if (word != NULL && strcmp(word, "redirect") == 0)
		policy_complain(p, value,
		    "redirect: not supported in this release yet");
	else if (policy_read_word(p, value, words, &action))
		d->rule.action = action;
}

static void
read_description(struct policy_parser *p, const struct node *value,
    void *object)
{
	const char *text = node_string(value);

	(void)object;
	if (text == NULL)
		policy_complain(p, value, "must be a string, not %s",
		    node_kind_name(value));
	else if (strlen(text) > DESCRIPTION_MAX)
		policy_complain(p, value, "must have at most %d bytes",
		    DESCRIPTION_MAX);
}

/* What a destination that is no name may have been meant as. */
static const char *
destination_hint(const char *text)
{
	const char *colon = strchr(text, ':');

	if (strstr(text, "://") != NULL)
		return "; a destination has no scheme and no path";
	if (colon != NULL && strchr(colon + 1, ':') == NULL)
		return "; ports stand in `ports`";
	if (text[0] == '[')
		return "; an IPv6 address stands without brackets";
	return "";
}

static void
read_destination(struct policy_parser *p, const struct node *value,
    void *object)
{
	struct err err;
	struct str s;

	(void)object;
	if (!policy_read_text(p, value, DEST_TEXT_MAX, &s))
		return;
	if (policy_rules_target(p->rules, s, &err) != 0)
		policy_complain(p, value, "destination `%s`: %s%s", s.ptr,
		    err.text, destination_hint(s.ptr));
}

static void
read_destinations(struct policy_parser *p, const struct node *value,
    void *object)
{
	struct rule_draft *d = object;

	d->destinations = value;
	policy_keys_each(p, value, read_destination, d);
}

/* "443", "8000-9000", "*". */
static bool
port_range(struct str s, struct policy_ports *out)
{
	const char *dash = memchr(s.ptr, '-', s.len);
	struct str last = s;
	uint64_t a, b;

	if (str_eq(s, STR("*"))) {
		*out = (struct policy_ports){ 1, UINT16_MAX };
		return true;
	}
	if (dash != NULL) {
		last.len = s.len - (size_t)(dash + 1 - s.ptr);
		last.ptr = dash + 1;
		s.len = (size_t)(dash - s.ptr);
	}
	if (!str_to_u64(s, UINT16_MAX, &a) ||
	    !str_to_u64(last, UINT16_MAX, &b) || a == 0)
		return false;
	*out = (struct policy_ports){ (uint16_t)a, (uint16_t)b };
	return true;
}

static void
add_ports(struct policy_parser *p, const struct node *value, struct str s)
{
	struct policy_ports r;

	if (!port_range(s, &r))
		policy_complain(p, value, "ports `%s`: write 443, 8000-9000, "
		    "80,443 or *; a port is from 1 to 65535", value->text);
	else if (r.first > r.last)
		policy_complain(p, value, "ports `%s`: the range ends before "
		    "it starts", value->text);
	else
		*policy_array_add(&p->rules->ports) = r;
}

/* A string may hold several, with commas between. */
static void
read_port_list(struct policy_parser *p, const struct node *value,
    void *object)
{
	struct policy_ports one;
	struct str s;

	(void)object;
	if (value->kind == NODE_INT) {
		if (policy_read_port(p, value, &one.first)) {
			one.last = one.first;
			*policy_array_add(&p->rules->ports) = one;
		}
		return;
	}
	if (!policy_read_text(p, value, PORTS_TEXT_MAX, &s))
		return;
	for (;;) {
		const char *comma = memchr(s.ptr, ',', s.len);
		size_t n = comma == NULL ? s.len : (size_t)(comma - s.ptr);

		add_ports(p, value, (struct str){ s.ptr, n });
		if (comma == NULL)
			return;
		s = (struct str){ comma + 1, s.len - n - 1 };
	}
}

static void
read_ports(struct policy_parser *p, const struct node *value, void *object)
{
	policy_keys_each(p, value, read_port_list, object);
}

static void
read_protocol(struct policy_parser *p, const struct node *value,
    void *object)
{
	static const struct policy_word words[] = {
		{ "tcp", 1 << POLICY_PROTOCOL_TCP },
		{ "udp", 1 << POLICY_PROTOCOL_UDP },
		{ "both", ALL_BITS }, { "*", ALL_BITS }, { NULL, 0 },
	};
	struct rule_draft *d = object;
	uint8_t bits;

	if (policy_read_word(p, value, words, &bits))
		d->rule.protocols |= bits;
}

static void
read_protocols(struct policy_parser *p, const struct node *value,
    void *object)
{
	policy_keys_each(p, value, read_protocol, object);
}

static void
read_command(struct policy_parser *p, const struct node *value, void *object)
{
	static const struct policy_word words[] = {
		{ "connect", 1 << POLICY_COMMAND_CONNECT },
		{ "bind", 1 << POLICY_COMMAND_BIND },
		{ "udp", 1 << POLICY_COMMAND_UDP },
		{ "*", ALL_BITS }, { NULL, 0 },
	};
	struct rule_draft *d = object;
	uint8_t bits;

	if (policy_read_word(p, value, words, &bits))
		d->rule.commands |= bits;
}

static void
read_commands(struct policy_parser *p, const struct node *value,
    void *object)
{
	policy_keys_each(p, value, read_command, object);
}

static void
read_source(struct policy_parser *p, const struct node *value, void *object)
{
	struct cidr c;

	(void)object;
	if (policy_read_cidr(p, value, &c))
		*policy_array_add(&p->rules->sources) = c;
}

static void
read_sources(struct policy_parser *p, const struct node *value, void *object)
{
	policy_keys_each(p, value, read_source, object);
}

static void
read_priority(struct policy_parser *p, const struct node *value,
    void *object)
{
	struct rule_draft *d = object;
	uint64_t v;

	if (node_u64(value, &v) != 0 || v > UINT32_MAX)
		policy_complain(p, value, "priority: must be a number from 0 "
		    "to %u", UINT32_MAX);
	else
		d->rule.priority = (uint32_t)v;
}

static void
read_allow_internal(struct policy_parser *p, const struct node *value,
    void *object)
{
	struct rule_draft *d = object;

	d->allow_internal = value;
	if (node_bool(value, &d->rule.allow_internal) != 0)
		policy_complain(p, value, "allow_internal: must be true or "
		    "false");
}

static const struct policy_key rule_keys[] = {
	{ "id", read_id, false },
	{ "action", read_action, true },
	{ "description", read_description, false },
	{ "destinations", read_destinations, true },
	{ "ports", read_ports, false },
	{ "protocols", read_protocols, false },
	{ "commands", read_commands, false },
	{ "sources", read_sources, false },
	{ "priority", read_priority, false },
	{ "allow_internal", read_allow_internal, false },
	{ "countries", NULL, false },
	{ "times", NULL, false },
	{ "route", NULL, false },
	{ "redirect_to", NULL, false },
	{ "limits", NULL, false },
	{ "preconnect", NULL, false },
};

/* ---- what holds between keys ---- */

static void
check_internal(struct policy_parser *p, const struct rule_draft *d)
{
	const struct policy_target *t;

	if (!d->rule.allow_internal)
		return;
	if (d->rule.action == POLICY_BLOCK)
		policy_complain(p, d->allow_internal,
		    "allow_internal: a rule that blocks opens nothing");
	/* After an error among the destinations they do not pair up. */
	if (d->destinations == NULL ||
	    d->destinations->n != d->rule.targets.n ||
	    d->rule.targets.n == 0)
		return;
	t = p->rules->targets.v + d->rule.targets.first;
	for (uint32_t i = 0; i < d->rule.targets.n; i++)
		if (t[i].kind != TARGET_V4 && t[i].kind != TARGET_V6)
			policy_complain(p, d->destinations->kids[i],
			    "allow_internal opens ranges of addresses only, "
			    "never the name `%s`",
			    d->destinations->kids[i]->text);
}

/* "users.alice.2": the owner, and which of its rules. */
static void
generate_id(struct policy_parser *p, const struct policy_owner *o,
    size_t nth, struct policy_rule *rule)
{
	static const char *const prefixes[] = {
		[POLICY_EVERYBODY] = "rules", [POLICY_USER] = "users.",
		[POLICY_GROUP] = "groups.",
	};
	char id[POLICY_ID_MAX + 1], name[ID_NAME_MAX + 1];
	struct text text = text_on(id, sizeof(id));
	struct text part = text_on(name, sizeof(name));

	text_str(&part, str_from(o->name));
	text_fmt(&text, "%s%s", prefixes[o->kind], name);
	if (part.cut)	/* keeps apart names that begin alike */
		text_fmt(&text, "~%u", o->index);
	text_fmt(&text, ".%zu", nth);
	rule->id = policy_rules_text(p->rules, (struct str){ id, text.len });
}

/* ---- a rule, a list of them ---- */

static void
parse_rule(struct policy_parser *p, const struct node *value,
    const struct policy_owner *o, size_t nth)
{
	struct policy_rules *r = p->rules;
	struct rule_draft d = { .rule = {
		.owner = o->index, .priority = PRIORITY_DEFAULT,
		.line = (uint32_t)value->line,
		.column = (uint32_t)value->column,
		.targets.first = (uint32_t)r->targets.n,
		.ports.first = (uint32_t)r->ports.n,
		.sources.first = (uint32_t)r->sources.n,
	} };

	policy_keys_read(p, value, rule_keys, ARRAY_LEN(rule_keys), &d);
	policy_rules_join_ports(r, d.rule.ports.first);
	d.rule.targets.n = (uint32_t)r->targets.n - d.rule.targets.first;
	d.rule.ports.n = (uint32_t)r->ports.n - d.rule.ports.first;
	d.rule.sources.n = (uint32_t)r->sources.n - d.rule.sources.first;
	if (d.rule.protocols == 0)
		d.rule.protocols = ALL_BITS;
	if (d.rule.commands == 0)
		d.rule.commands = ALL_BITS;
	check_internal(p, &d);
	if (d.id.len > 0)
		d.rule.id = policy_rules_text(r, d.id);
	else
		generate_id(p, o, nth, &d.rule);
	*policy_array_add(&r->rules) = d.rule;
}

void
policy_parse_rules(struct policy_parser *p, const struct node *list,
    struct policy_owner *owner)
{
	if (list->kind != NODE_LIST) {
		policy_complain(p, list, "rules: must be a list, not %s",
		    node_kind_name(list));
		return;
	}
	if (list->n == 0)
		policy_complain(p, list, "rules: an empty list; leave the "
		    "key out");
	for (size_t i = 0; i < list->n; i++)
		parse_rule(p, list->kids[i], owner, i + 1);
}
