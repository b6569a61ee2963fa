/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "acld/policy_parse_table.h"
#include "base/mem.h"

#define TEXT_MAX 260

static void
read_user(struct policy_parser *p, const struct node *value, void *object)
{
	struct policy_expect *e = object;

	if (!policy_read_text(p, value, 255, &e->user))
		e->user = STR("");
}

static void
read_group(struct policy_parser *p, const struct node *value, void *object)
{
	struct policy_expect *e = object;
	struct str name;

	if (!policy_read_text(p, value, 255, &name))
		return;
	if (e->n_groups == POLICY_GROUPS_MAX) {
		policy_complain(p, value, "more than %d groups",
		    POLICY_GROUPS_MAX);
		return;
	}
	e->groups = xreallocarray(e->groups, e->n_groups + 1,
	    sizeof(*e->groups));
	e->groups[e->n_groups++] = name;
}

static void
read_groups(struct policy_parser *p, const struct node *value, void *object)
{
	policy_keys_each(p, value, read_group, object);
}

static bool
read_addr(struct policy_parser *p, const struct node *value,
    struct addr *out)
{
	struct str s;

	if (!policy_read_text(p, value, TEXT_MAX, &s))
		return false;
	if (addr_parse(out, s))
		return true;
	policy_complain(p, value, "`%s` is not an IP address", s.ptr);
	return false;
}

static void
read_source(struct policy_parser *p, const struct node *value, void *object)
{
	struct policy_expect *e = object;
	struct addr a;

	if (read_addr(p, value, &a))
		e->source = a;
}

static void
read_dest(struct policy_parser *p, const struct node *value, void *object)
{
	struct policy_expect *e = object;
	struct str s;

	if (!policy_read_text(p, value, TEXT_MAX, &s))
		return;
	if (name_canonical(&e->dest, s) == NAME_BAD)
		policy_complain(p, value, "dest: `%s` is neither a host name "
		    "nor an address", s.ptr);
}

static void
read_port(struct policy_parser *p, const struct node *value, void *object)
{
	struct policy_expect *e = object;

	if (!policy_read_port(p, value, &e->dest.port))
		e->dest.port = 1;
}

static void
read_address(struct policy_parser *p, const struct node *value, void *object)
{
	struct policy_expect *e = object;
	struct addr a;

	if (!read_addr(p, value, &a))
		return;
	if (e->n_resolved == POLICY_RESOLVED_MAX)
		policy_complain(p, value, "resolved: more than %d addresses",
		    POLICY_RESOLVED_MAX);
	else
		e->resolved[e->n_resolved++] = a;
}

/* Comes after `dest`, which says whether there is anything to resolve. */
static void
read_resolved(struct policy_parser *p, const struct node *value,
    void *object)
{
	const struct policy_expect *e = object;

	if (!e->dest.is_name)
		policy_complain(p, value, "resolved: `dest` is an address "
		    "already");
	else
		policy_keys_each(p, value, read_address, object);
}

static void
read_protocol(struct policy_parser *p, const struct node *value,
    void *object)
{
	static const struct policy_word words[] = {
		{ "tcp", POLICY_PROTOCOL_TCP }, { "udp", POLICY_PROTOCOL_UDP },
		{ NULL, 0 },
	};
	struct policy_expect *e = object;
	uint8_t v;

	if (policy_read_word(p, value, words, &v))
		e->protocol = v;
}

static void
read_command(struct policy_parser *p, const struct node *value, void *object)
{
	static const struct policy_word words[] = {
		{ "connect", POLICY_COMMAND_CONNECT },
		{ "bind", POLICY_COMMAND_BIND },
		{ "udp", POLICY_COMMAND_UDP }, { NULL, 0 },
	};
	struct policy_expect *e = object;
	uint8_t v;

	if (!policy_read_word(p, value, words, &v))
		return;
	e->command = v;
	if (v == POLICY_COMMAND_UDP)
		e->protocol = POLICY_PROTOCOL_UDP;
}

static void
read_decision(struct policy_parser *p, const struct node *value,
    void *object)
{
	static const struct policy_word words[] = {
		{ "allow", POLICY_ALLOW }, { "block", POLICY_BLOCK },
		{ "deny", POLICY_BLOCK }, { NULL, 0 },
	};
	struct policy_expect *e = object;
	uint8_t v;

	if (policy_read_word(p, value, words, &v))
		e->decision = v;
}

static void
read_rule(struct policy_parser *p, const struct node *value, void *object)
{
	struct policy_expect *e = object;

	if (!policy_read_text(p, value, POLICY_ID_MAX, &e->rule))
		e->rule = STR("");
}

/* In the order in which one depends on another. */
static const struct policy_key expect_keys[] = {
	{ "user", read_user, true },
	{ "groups", read_groups, false },
	{ "source", read_source, false },
	{ "dest", read_dest, true },
	{ "resolved", read_resolved, false },
	{ "port", read_port, true },
	{ "command", read_command, false },
	{ "protocol", read_protocol, false },
	{ "decision", read_decision, true },
	{ "rule", read_rule, false },
};

void
policy_parse_expect(struct policy_parser *p, const struct node *value,
    void *object)
{
	struct policy_expect e = {
		.command = POLICY_COMMAND_CONNECT,
		.protocol = POLICY_PROTOCOL_TCP,
		.line = value->line, .column = value->column,
	};

	(void)object;
	policy_keys_read(p, value, expect_keys, ARRAY_LEN(expect_keys), &e);
	if (!e.dest.is_name) {
		e.resolved[0] = e.dest.addr;
		e.n_resolved = 1;
	}
	*policy_array_add(p->expects) = e;
}
