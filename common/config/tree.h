/* SPDX-License-Identifier: MIT */
/*
 * tree: a TOML or YAML file as nodes that know their line and column.
 *
 * The one reader of configuration, policy and users files. Both syntaxes give
 * the same tree; YAML scalars stay NODE_PLAIN until whoever asks gives them a
 * type, so that `no`, `1e3` or `12:30` mean the same in both. jansson nodes
 * cannot carry positions, hence nodes of our own. A tree is immutable once
 * made and owned by who asked for it; nodes are borrowed from it. Any thread.
 */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum node_kind {
	NODE_TABLE, NODE_LIST,
	NODE_STRING,
	NODE_INT, NODE_FLOAT, NODE_BOOL, NODE_DATETIME,	/* TOML knows */
	NODE_PLAIN,	/* YAML, unquoted: any scalar */
};

struct node {
	enum node_kind kind;
	int line, column;	/* from 1; of the value */
	int last_line;		/* the last line that belongs to it */
	int key_line, key_column;	/* of the key; of the value if none */
	char *key;		/* in its table; NULL in a list */
	char *text;		/* scalars: unescaped, no NUL inside */
	struct node **kids;	/* TABLE, LIST: in the order of the file */
	size_t n;
};

struct tree {
	char *path;		/* as given, for messages */
	struct node *root;	/* a TABLE */
};

/* At most 64 MiB; depth at most 16. By the ending: .yaml, .yml or TOML.
 * -1: `err` has "path:line:column: what", or "path: why" for the system. */
int tree_load(struct tree **out, const char *path, struct err *err) MUST_CHECK;
/* The same from memory; `path` is used for messages and the syntax. */
int tree_parse(struct tree **out, const char *path, struct str text,
    struct err *err) MUST_CHECK;
void tree_free(struct tree **tp);

/* NULL: no such key. Keys of a table are unique (duplicates are errors). */
const struct node *node_get(const struct node *table, const char *key);
/* "a table", "a list", "a string", "a number", … for messages. */
const char *node_kind_name(const struct node *n);
/* YAML's way to say nothing: an empty value, `~` or `null`, unquoted. */
bool node_is_nothing(const struct node *n);

/* Typed reading; -1: not of that type. PLAIN is read as what is asked. */
int node_bool(const struct node *n, bool *out) MUST_CHECK;
int node_u64(const struct node *n, uint64_t *out) MUST_CHECK;
/* Text of a STRING or PLAIN; NULL for every other kind and for nothing. */
const char *node_string(const struct node *n);

/* err = "path:line:column: message"; returns -1. */
int node_err(struct err *err, const struct tree *t, const struct node *n,
    const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
