/* SPDX-License-Identifier: MIT */
/*
 * store_columns: which field of a struct of store.h is which column, in every
 * back end. From these tables come the statements, the writing and the
 * reading of rows. Constant.
 */
#ifndef SESSIOND_STORE_COLUMNS_H
#define SESSIOND_STORE_COLUMNS_H

#include <stddef.h>

#include "base/str.h"

enum store_column_kind {
	COLUMN_ID,     /* struct id */
	COLUMN_NUMBER, /* uint64_t; STORE_NULL is NULL */
	COLUMN_CHOICE, /* an enum */
	COLUMN_TEXT,   /* struct str; empty is NULL */
	COLUMN_NAME,   /* struct str; never NULL */
	COLUMN_BLOB,   /* struct str; empty is NULL */
};

/* Tables that have the column. */
enum { IN_ACTIVE = 1, IN_SESSION = 2, IN_ROLLUP = 4 };

/* What becomes of a row's column when another row comes to its key. */
enum store_column_raise {
	RAISE_NOT,     /* it stays */
	RAISE_GREATER, /* the greater of both */
	RAISE_NEWER,   /* the later one's */
	RAISE_SUM,     /* the sum, at most 2^63 - 1 */
};

/* Ended by name NULL. */
struct store_column {
	const char *name;
	enum store_column_kind kind;
	unsigned in;
	size_t offset; /* of the field */
	enum store_column_raise raise;
};

extern const struct store_column store_columns[];        /* store_session */
extern const struct store_column store_rollup_columns[]; /* store_rollup */

/* Appends "a, b, c": the columns of the table `in`, each after `before`. */
void store_columns_list(struct bytes *sql, const struct store_column *c,
    unsigned in, const char *before);

#endif
