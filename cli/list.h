/* SPDX-License-Identifier: MIT */
/*
 * list: what apid gives in pages, as a table or as JSON.
 *
 * One thread.
 */
#ifndef CLI_LIST_H
#define CLI_LIST_H

#include "cli.h"
#include "out.h"

#define LIST_PATH_MAX 2048

/* An option that apid takes as a parameter, as it was given. */
struct list_filter {
	const char *option, *parameter;
};

/* Appends those that were given. */
void list_query(struct cli *c, struct text *path,
    const struct list_filter *filters, size_t n);
/* Asks for the page at `path`, which may be too long, and shows it; the cursor
 * of the next one goes to stderr. */
enum cli_exit list_show(struct cli *c, const struct text *path,
    const struct out_column *columns, size_t n) MUST_CHECK;

#endif
