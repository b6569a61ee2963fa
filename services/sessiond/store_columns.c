/* SPDX-License-Identifier: MIT */
#include "sessiond/store_columns.h"

#include "sessiond/store.h"

#define AT(field) offsetof(struct store_session, field)
#define IN_BOTH   (IN_ACTIVE | IN_SESSION)

const struct store_column store_columns[] = {
	{ "id", COLUMN_ID, IN_BOTH, AT(id), RAISE_NOT },
	{ "started_at", COLUMN_NUMBER, IN_BOTH, AT(started_us), RAISE_NOT },
	{ "ended_at", COLUMN_NUMBER, IN_SESSION, AT(ended_us), RAISE_NOT },
	{ "received_at", COLUMN_NUMBER, IN_SESSION, AT(received_us),
	    RAISE_NOT },
	{ "duration_us", COLUMN_NUMBER, IN_BOTH, AT(duration_us),
	    RAISE_GREATER },
	{ "stream_id", COLUMN_ID, IN_BOTH, AT(stream), RAISE_NOT },
	{ "last_seq", COLUMN_NUMBER, IN_ACTIVE, AT(seq), RAISE_NEWER },
	{ "close_seq", COLUMN_NUMBER, IN_SESSION, AT(seq), RAISE_NOT },
	{ "proxy", COLUMN_NAME, IN_BOTH, AT(proxy), RAISE_NOT },
	{ "listener", COLUMN_TEXT, IN_BOTH, AT(listener), RAISE_NOT },
	{ "username", COLUMN_TEXT, IN_BOTH, AT(user), RAISE_NOT },
	{ "groups", COLUMN_TEXT, IN_BOTH, AT(groups), RAISE_NOT },
	{ "claimed_user", COLUMN_TEXT, IN_BOTH, AT(claimed_user), RAISE_NOT },
	{ "source_ip", COLUMN_BLOB, IN_BOTH, AT(source_ip), RAISE_NOT },
	{ "source_port", COLUMN_NUMBER, IN_BOTH, AT(source_port), RAISE_NOT },
	{ "dest_host", COLUMN_TEXT, IN_BOTH, AT(dest_host), RAISE_NOT },
	{ "dest_ip", COLUMN_BLOB, IN_BOTH, AT(dest_ip), RAISE_NOT },
	{ "dest_port", COLUMN_NUMBER, IN_BOTH, AT(dest_port), RAISE_NOT },
	{ "resolved_ips", COLUMN_BLOB, IN_BOTH, AT(resolved_ips), RAISE_NOT },
	{ "destinations", COLUMN_NUMBER, IN_BOTH, AT(destinations),
	    RAISE_GREATER },
	{ "command", COLUMN_NUMBER, IN_BOTH, AT(command), RAISE_NOT },
	{ "carrier", COLUMN_NUMBER, IN_BOTH, AT(carrier), RAISE_NOT },
	{ "protocol", COLUMN_NUMBER, IN_BOTH, AT(protocol), RAISE_NOT },
	{ "acl_decision", COLUMN_NUMBER, IN_BOTH, AT(decision), RAISE_NOT },
	{ "acl_rule_matched", COLUMN_TEXT, IN_BOTH, AT(rule), RAISE_NOT },
	{ "policy_generation", COLUMN_NUMBER, IN_BOTH, AT(generation),
	    RAISE_NOT },
	{ "route", COLUMN_TEXT, IN_BOTH, AT(route), RAISE_NOT },
	{ "limits_class", COLUMN_TEXT, IN_BOTH, AT(limits), RAISE_NOT },
	{ "auth_method", COLUMN_NUMBER, IN_BOTH, AT(auth_method), RAISE_NOT },
	{ "bytes_up", COLUMN_NUMBER, IN_BOTH, AT(bytes_up), RAISE_GREATER },
	{ "bytes_down", COLUMN_NUMBER, IN_BOTH, AT(bytes_down), RAISE_GREATER },
	{ "packets_up", COLUMN_NUMBER, IN_BOTH, AT(packets_up), RAISE_GREATER },
	{ "packets_down", COLUMN_NUMBER, IN_BOTH, AT(packets_down),
	    RAISE_GREATER },
	{ "status", COLUMN_NUMBER, IN_SESSION, AT(status), RAISE_NOT },
	{ "close_reason", COLUMN_NAME, IN_SESSION, AT(close_reason),
	    RAISE_NOT },
	{ "close_detail", COLUMN_TEXT, IN_SESSION, AT(close_detail),
	    RAISE_NOT },
	{ "reply_code", COLUMN_NUMBER, IN_SESSION, AT(reply_code), RAISE_NOT },
	{ "setup_us", COLUMN_NUMBER, IN_SESSION, AT(setup_us), RAISE_NOT },
	{ "attempts", COLUMN_NUMBER, IN_SESSION, AT(attempts), RAISE_NOT },
	{ "incomplete", COLUMN_NUMBER, IN_BOTH, AT(incomplete), RAISE_NOT },
	{ "counters_lower_bound", COLUMN_NUMBER, IN_SESSION,
	    AT(counters_lower_bound), RAISE_NOT },
	{ 0 },
};

#undef AT
#define AT(field) offsetof(struct store_rollup, field)
#define SUM(field)                                                             \
	{                                                                      \
#field, COLUMN_NUMBER, IN_ROLLUP, AT(field), RAISE_SUM         \
	}

const struct store_column store_rollup_columns[] = {
	{ "dimension", COLUMN_CHOICE, IN_ROLLUP, AT(dimension), RAISE_NOT },
	{ "hour", COLUMN_NUMBER, IN_ROLLUP, AT(hour_us), RAISE_NOT },
	{ "key", COLUMN_NAME, IN_ROLLUP, AT(key), RAISE_NOT },
	SUM(sessions),
	SUM(closed),
	SUM(failed),
	SUM(rejected),
	SUM(allowed),
	SUM(blocked),
	SUM(redirected),
	SUM(bytes_up),
	SUM(bytes_down),
	SUM(duration_us),
	{ 0 },
};

void
store_columns_list(struct bytes *sql, const struct store_column *c, unsigned in,
    const char *before)
{
	const char *comma = "";

	for (; c->name != NULL; c++) {
		if (!(c->in & in))
			continue;
		bytes_fmt(sql, "%s%s%s", comma, before, c->name);
		comma = ", ";
	}
}
