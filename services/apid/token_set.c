/* SPDX-License-Identifier: MIT */
#include "apid/token_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/tree.h"

/* By bit of enum token_scope. */
static const char *const scopes[] = { "read", "operate", "policy", "admin" };

const char *
token_scope_name(unsigned scope)
{
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
		if (scope == 1u << i)
			return scopes[i];
	return "";
}

typedef int key_fn(struct token *t, const struct tree *tree,
    const struct node *n, struct err *err);

static int
read_name(struct token *t, const struct tree *tree, const struct node *n,
    struct err *err)
{
	struct str s = str_from(node_string(n));

	if (s.len == 0 || !str_is_printable(s) ||
	    !str_copy(t->name, sizeof(t->name), s))
		return node_err(err, tree, n, "name: expected a string of 1 "
		    "to %d printable characters", TOKEN_NAME_MAX);
	return 0;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The text is not shown: somebody may have written the token itself. */
static int
read_sha256(struct token *t, const struct tree *tree, const struct node *n,
    struct err *err)
{
	struct str s = str_from(node_string(n));
	bool good = s.len == 2 * DIGEST_SIZE;

	for (size_t i = 0; good && i < DIGEST_SIZE; i++) {
		int high = hex(s.ptr[2 * i]), low = hex(s.ptr[2 * i + 1]);

		good = high >= 0 && low >= 0;
		if (good)
			t->digest[i] = (uint8_t)(high << 4 | low);
	}
	return good ? 0 : node_err(err, tree, n, "sha256: expected 64 "
	    "hexadecimal digits, the SHA-256 of the token");
}

static int
read_scopes(struct token *t, const struct tree *tree, const struct node *n,
    struct err *err)
{
	if (n->kind != NODE_LIST || n->n == 0)
		return node_err(err, tree, n, "scopes: expected a list of "
		    "read, operate, policy, admin");
	for (size_t i = 0; i < n->n; i++) {
		const char *word = node_string(n->kids[i]);
		size_t s = 0;

		while (s < ARRAY_LEN(scopes) && (word == NULL ||
		        strcmp(word, scopes[s]) != 0))
			s++;
		if (s == ARRAY_LEN(scopes))
			return node_err(err, tree, n->kids[i], "scopes: "
			    "expected read, operate, policy or admin");
		t->scopes |= 1u << s;
	}
	return 0;
}

static int
read_expires(struct token *t, const struct tree *tree, const struct node *n,
    struct err *err)
{
	const char *text = n->kind == NODE_DATETIME ? n->text :
	    node_string(n);

	if (text == NULL || clock_parse(text, strlen(text),
	        &t->expires_us) != 0)
		return node_err(err, tree, n, "expires: expected a time with "
		    "its offset, such as 2027-01-01T00:00:00Z");
	return 0;
}

static const struct key {
	const char *name;
	key_fn *read;
	bool needed;
} keys[] = {
	{ "name", read_name, true },
	{ "sha256", read_sha256, true },
	{ "scopes", read_scopes, true },
	{ "expires", read_expires, false },
};

static int
read_key(struct token *t, const struct tree *tree, const struct node *n,
    struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (strcmp(n->key, keys[i].name) == 0)
			return keys[i].read(t, tree, n, err);
	return node_err(err, tree, n, "unknown key %s; expected name, sha256, "
	    "scopes, expires", n->key);
}

static int
read_token(struct token *t, const struct tree *tree, const struct node *n,
    struct err *err)
{
	t->expires_us = UINT64_MAX;
	if (n->kind != NODE_TABLE)
		return node_err(err, tree, n, "tokens: expected tables, "
		    "[[tokens]]");
	for (size_t i = 0; i < n->n; i++)
		if (read_key(t, tree, n->kids[i], err) != 0)
			return -1;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].needed && node_get(n, keys[i].name) == NULL)
			return node_err(err, tree, n, "a token needs %s",
			    keys[i].name);
	return 0;
}

/* A name or a hash that an earlier one has. */
static int
check_unique(const struct token_set *s, const struct token *t,
    const struct tree *tree, const struct node *n, struct err *err)
{
	for (size_t i = 0; &s->v[i] != t; i++) {
		if (strcmp(s->v[i].name, t->name) == 0)
			return node_err(err, tree, n,
			    "another token has the name %s", t->name);
		if (memcmp(s->v[i].digest, t->digest, DIGEST_SIZE) == 0)
			return node_err(err, tree, n,
			    "%s has the same sha256", s->v[i].name);
	}
	return 0;
}

static int
read_list(struct token_set *s, const struct tree *tree,
    const struct node *list, struct err *err)
{
	if (list->kind != NODE_LIST || list->n > TOKENS_MAX)
		return node_err(err, tree, list, "tokens: expected at most "
		    "%d tables, [[tokens]]", TOKENS_MAX);
	s->v = xcalloc(list->n + 1, sizeof(*s->v));
	for (; s->n < list->n; s->n++) {
		const struct node *n = list->kids[s->n];
		struct token *t = &s->v[s->n];

		if (read_token(t, tree, n, err) != 0 ||
		    check_unique(s, t, tree, n, err) != 0)
			return -1;
	}
	return 0;
}

/* Takes the tree. */
static int
from_tree(struct token_set **out, struct tree *tree, struct err *err)
{
	struct token_set *s = xcalloc(1, sizeof(*s));
	int r = 0;

	for (size_t i = 0; r == 0 && i < tree->root->n; i++) {
		const struct node *n = tree->root->kids[i];

		r = strcmp(n->key, "tokens") == 0 ?
		    read_list(s, tree, n, err) :
		    node_err(err, tree, n, "unknown key %s; expected "
			"[[tokens]]", n->key);
	}
	tree_free(&tree);
	if (r != 0)
		token_set_free(&s);
	*out = s;
	return r;
}

int
token_set_load(struct token_set **out, const char *path, struct err *err)
{
	struct tree *tree;

	*out = NULL;
	if (tree_load(&tree, path, err) != 0)
		return -1;
	return from_tree(out, tree, err);
}

int
token_set_parse(struct token_set **out, const char *path, struct str text,
    struct err *err)
{
	struct tree *tree;

	*out = NULL;
	if (tree_parse(&tree, path, text, err) != 0)
		return -1;
	return from_tree(out, tree, err);
}

size_t
token_set_count(const struct token_set *s)
{
	return s->n;
}

void
token_set_free(struct token_set **sp)
{
	struct token_set *s = *sp;

	if (s == NULL)
		return;
	free(s->v);
	free(s);
	*sp = NULL;
}
