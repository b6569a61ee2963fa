/* SPDX-License-Identifier: MIT */
#include "list.h"

#include <jansson.h>
#include <stdio.h>

#include "rest.h"

void
list_query(struct cli *c, struct text *path,
    const struct list_filter *filters, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *value = cli_get(&c->args, filters[i].option);

		if (value != NULL)
			rest_query(path, filters[i].parameter, value);
	}
}

static void
tell_next(const char *cursor)
{
	char array[512];
	struct text t = text_on(array, sizeof(array));

	text_escaped(&t, str_from(cursor));
	fprintf(stderr, "more: --cursor %s\n", array);
}

enum cli_exit
list_show(struct cli *c, const struct text *path,
    const struct out_column *columns, size_t n)
{
	enum cli_exit code;
	const char *next;
	json_t *page;

	if (path->cut)
		return cli_fail(CLI_USAGE, "the filters are too long");
	code = rest_get(c, path->ptr, &page);
	if (code != CLI_OK)
		return code;
	if (c->json) {
		out_json(page);
	} else {
		out_table(json_object_get(page, "items"), columns, n);
		next = json_string_value(json_object_get(page, "next_cursor"));
		if (next != NULL)
			tell_next(next);
	}
	json_decref(page);
	return CLI_OK;
}
