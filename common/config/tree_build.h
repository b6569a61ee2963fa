/* SPDX-License-Identifier: MIT */
/*
 * tree_build: what tree.c and the parsers of the two syntaxes share.
 *
 * Not for other rooms. A parser gets text that is valid UTF-8 without NUL and
 * gives a root, a TABLE whose keys are unique, or an error. Any thread.
 */
#ifndef CONFIG_TREE_BUILD_H
#define CONFIG_TREE_BUILD_H

#include "config/tree.h"

#define TREE_DEPTH_MAX 16	/* tables and lists inside each other */

struct node *node_new(enum node_kind kind, int line, int column) MUST_CHECK;
/* Takes `kid`. */
void node_add(struct node *parent, struct node *kid);
/* Sets the text of a scalar. -1: there is a NUL in it. */
int node_set_text(struct node *n, struct str text) MUST_CHECK;
/* With all kids; texts are wiped, since some are secrets. */
void node_free(struct node **np);

/* err = "path:line:column: what", `what` made harmless; returns -1. */
int tree_error_at(struct err *err, const char *path, int line, int column,
    const char *what);

/* 0 and a root for the caller to free; -1 with err. */
int tree_toml(struct node **root, const char *path, struct str text,
    struct err *err) MUST_CHECK;
int tree_yaml(struct node **root, const char *path, struct str text,
    struct err *err) MUST_CHECK;

#endif
