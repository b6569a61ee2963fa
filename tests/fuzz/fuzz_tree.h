/* SPDX-License-Identifier: MIT */
/* fuzz_tree: what must hold for every tree; for the harnesses of config. */
#ifndef FUZZ_FUZZ_TREE_H
#define FUZZ_FUZZ_TREE_H

#include <string.h>

#include "config/tree.h"

static inline void
check_node(const struct node *n, int depth)
{
	bool scalar = n->kind != NODE_TABLE && n->kind != NODE_LIST;

	ASSERT(depth <= 16 + scalar);
	ASSERT(n->line >= 1 && n->column >= 1 && n->last_line >= n->line);
	ASSERT(scalar == (n->text != NULL) && (!scalar || n->n == 0));
	if (scalar)
		ASSERT(str_is_utf8(str_from(n->text)));
	for (size_t i = 0; i < n->n; i++) {
		const struct node *kid = n->kids[i];

		ASSERT((n->kind == NODE_TABLE) == (kid->key != NULL));
		ASSERT(kid->last_line <= n->last_line);
		/* Unique: the first of a name is the only one. */
		if (kid->key != NULL && n->n < 1000)
			ASSERT(node_get(n, kid->key) == kid);
		check_node(kid, depth + 1);
	}
}

/* Either a whole tree, or none and an error that starts with the path. */
static inline void
check_tree(const char *path, const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct tree *t = NULL;
	struct err err = { 0 };

	if (tree_parse(&t, path, text, &err) == 0) {
		ASSERT(t->root->kind == NODE_TABLE);
		check_node(t->root, 1);
		tree_free(&t);
	} else {
		ASSERT(t == NULL);
		ASSERT(strncmp(err.text, path, strlen(path)) == 0);
		ASSERT(str_is_printable(str_from(err.text)));
	}
}

#endif
