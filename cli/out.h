/* SPDX-License-Identifier: MIT */
/*
 * out: a table for people on stdout, from JSON objects.
 *
 * Columns are as wide as their widest cell, a list of words is one cell; control
 * characters are escaped, so that no record can play with a terminal. One
 * thread.
 */
#ifndef CLI_OUT_H
#define CLI_OUT_H

#include <jansson.h>
#include <stddef.h>

struct out_column {
	const char *title;
	const char *member;	/* of each object */
	const char *fallback;	/* member to show where the first is null */
};

/* A line a row under a line of titles; "nothing" where there is no row. */
void out_table(const json_t *rows, const struct out_column *columns, size_t n);
/* "name  value" lines of an object's plain members and lists of words. */
void out_members(const json_t *object);
void out_json(const json_t *value);

#endif
