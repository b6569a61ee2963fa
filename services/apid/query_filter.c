/* SPDX-License-Identifier: MIT */
#include "apid/query_filter.h"

const struct query_column_info query_columns[QUERY_COLUMNS] = {
	[QUERY_USER] = { "username", "session_username", true },
	[QUERY_SOURCE_IP] = { "source_ip", "session_source_ip", true },
	[QUERY_DEST_IP] = { "dest_ip", "session_dest_ip", true },
	[QUERY_DEST_HOST] = { "dest_host", "session_dest_host", true },
	[QUERY_DEST_PORT] = { "dest_port", NULL, true },
	[QUERY_STATUS] = { "status", "session_status", false },
	[QUERY_CLOSE_REASON] = { "close_reason", NULL, false },
	[QUERY_DECISION] = { "acl_decision", NULL, true },
	[QUERY_RULE] = { "acl_rule_matched", NULL, true },
	[QUERY_PROTOCOL] = { "protocol", NULL, true },
	[QUERY_COMMAND] = { "command", NULL, true },
	[QUERY_PROXY] = { "proxy", NULL, true },
};

/* Which index to prefer where several conditions have one. */
static const enum query_column preference[] = {
	QUERY_DEST_IP, QUERY_DEST_HOST, QUERY_SOURCE_IP, QUERY_USER,
	QUERY_STATUS,
};

bool
query_is_one_value(const struct query_condition *c)
{
	return c->kind != QUERY_RANGE || addr_eq(&c->low, &c->high);
}

static bool
is_alone(const struct query_filter *f, const struct query_condition *c)
{
	for (size_t i = 0; i < f->n; i++)
		if (&f->conditions[i] != c &&
		    f->conditions[i].group == c->group)
			return false;
	return true;
}

const struct query_condition *
query_driver(const struct query_filter *f)
{
	for (size_t p = 0; !f->active && p < ARRAY_LEN(preference); p++)
		for (size_t i = 0; i < f->n; i++) {
			const struct query_condition *c = &f->conditions[i];

			if (c->column == preference[p] &&
			    query_is_one_value(c) && is_alone(f, c))
				return c;
		}
	return NULL;
}

bool
query_is_first_of_group(const struct query_filter *f, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (f->conditions[i].group == f->conditions[at].group)
			return false;
	return true;
}
