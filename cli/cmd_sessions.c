/* SPDX-License-Identifier: MIT */
/* sallyctl sessions: what apid knows of sessions. */
#include "cli.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/value.h"
#include "list.h"
#include "rest.h"

#define HOUR_MS 3600000

static const struct out_column columns[] = {
	{ "STARTED", "start_time", NULL },
	{ "USER", "user", NULL },
	{ "CLIENT", "source_ip", NULL },
	{ "DESTINATION", "dest_host", "dest_ip" },
	{ "PORT", "dest_port", NULL },
	{ "STATUS", "status", NULL },
	{ "REASON", "close_reason", NULL },
	{ "RULE", "acl_rule_matched", NULL },
	{ "SENT", "bytes_sent", NULL },
	{ "RECEIVED", "bytes_received", NULL },
	{ "SECONDS", "duration_secs", NULL },
};

/* --last 24h -> whole hours, rounded up. */
static enum cli_exit
hours_of(const char *last, char out[static 16])
{
	struct err err = { 0 };
	uint64_t ms;

	if (value_parse_duration(str_from(last), &ms, &err) != 0 || ms == 0)
		return cli_fail(CLI_USAGE, "%s: expected a time like 24h or 7d",
		    last);
	snprintf(out, 16, "%llu",
	    (unsigned long long)((ms + HOUR_MS - 1) / HOUR_MS));
	return CLI_OK;
}

static enum cli_exit
list_path(struct cli *c, struct text *path)
{
	static const struct list_filter filters[] = {
		{ "user", "user" }, { "status", "status" },
		{ "dest-ip", "dest_ip" }, { "dest-host", "dest_host" },
		{ "source-ip", "source_ip" }, { "limit", "limit" },
		{ "cursor", "cursor" },
	};
	bool active = cli_get(&c->args, "active") != NULL;
	const char *last = cli_get(&c->args, "last");
	char hours[16];

	text_fmt(path, "/api/sessions/%s", active ? "active" : "history");
	if (last != NULL) {
		enum cli_exit code = hours_of(last, hours);

		if (code != CLI_OK)
			return code;
		rest_query(path, "hours", hours);
	}
	list_query(c, path, filters, ARRAY_LEN(filters));
	return CLI_OK;
}

enum cli_exit
cmd_sessions_list(struct cli *c)
{
	char array[LIST_PATH_MAX];
	struct text path = text_on(array, sizeof(array));
	enum cli_exit code = list_path(c, &path);

	return code != CLI_OK ? code :
	    list_show(c, &path, columns, ARRAY_LEN(columns));
}

static enum cli_exit
show_object(struct cli *c, const char *path)
{
	json_t *object;
	enum cli_exit code = rest_get(c, path, &object);

	if (code != CLI_OK)
		return code;
	if (c->json)
		out_json(object);
	else
		out_members(object);
	json_decref(object);
	return CLI_OK;
}

enum cli_exit
cmd_sessions_show(struct cli *c)
{
	char path[64];
	const char *id = c->args.words[0];

	if (strlen(id) > 36 || strspn(id, "0123456789abcdefABCDEF-") != strlen(id))
		return cli_fail(CLI_USAGE, "%s is not a session's id", id);
	snprintf(path, sizeof(path), "/api/sessions/%s", id);
	return show_object(c, path);
}

static void
show_stats(const json_t *stats)
{
	static const struct out_column users[] = {
		{ "TOP USERS", "user", NULL },
		{ "SESSIONS", "session_count", NULL },
		{ "SENT", "bytes_sent", NULL },
		{ "RECEIVED", "bytes_received", NULL },
	};
	static const struct out_column destinations[] = {
		{ "TOP DESTINATIONS", "destination", NULL },
		{ "SESSIONS", "session_count", NULL },
		{ "SENT", "bytes_sent", NULL },
		{ "RECEIVED", "bytes_received", NULL },
	};

	out_members(stats);
	putchar('\n');
	out_table(json_object_get(stats, "top_users"), users,
	    ARRAY_LEN(users));
	putchar('\n');
	out_table(json_object_get(stats, "top_destinations"), destinations,
	    ARRAY_LEN(destinations));
}

enum cli_exit
cmd_sessions_stats(struct cli *c)
{
	const char *window = cli_get(&c->args, "window");
	char array[256], hours[16];
	struct text path = text_on(array, sizeof(array));
	enum cli_exit code = CLI_OK;
	json_t *stats;

	text_fmt(&path, "/api/sessions/stats");
	if (window != NULL) {
		code = hours_of(window, hours);
		rest_query(&path, "window_hours", hours);
	}
	if (code == CLI_OK)
		code = rest_get(c, path.ptr, &stats);
	if (code != CLI_OK)
		return code;
	if (c->json)
		out_json(stats);
	else
		show_stats(stats);
	json_decref(stats);
	return CLI_OK;
}
