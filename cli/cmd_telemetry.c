/* SPDX-License-Identifier: MIT */
/* sallyctl telemetry: what the daemons noticed, as apid knows it. */
#include "list.h"

enum cli_exit
cmd_telemetry_list(struct cli *c)
{
	static const struct list_filter filters[] = {
		{ "minutes", "minutes" }, { "since", "since" },
		{ "until", "until" }, { "severity", "severity" },
		{ "category", "category" }, { "limit", "limit" },
		{ "cursor", "cursor" },
	};
	static const struct out_column columns[] = {
		{ "TIME", "timestamp", NULL },
		{ "SEVERITY", "severity", NULL },
		{ "CATEGORY", "category", NULL },
		{ "EVENT", "event", NULL },
		{ "COMPONENT", "component", NULL },
		{ "INSTANCE", "instance", NULL },
		{ "SUPPRESSED", "suppressed", NULL },
		{ "MESSAGE", "message", NULL },
	};
	char array[LIST_PATH_MAX];
	struct text path = text_on(array, sizeof(array));

	text_fmt(&path, "/api/telemetry/events");
	list_query(c, &path, filters, ARRAY_LEN(filters));
	return list_show(c, &path, columns, ARRAY_LEN(columns));
}
