/* SPDX-License-Identifier: MIT */
/*
 * libyaml's events into nodes. What YAML has beyond TOML is refused: aliases
 * (a few lines can stand for gigabytes), tags, keys that are not plain words,
 * several documents.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"
#include "config/tree_build.h"

struct yaml_reader {
	yaml_parser_t parser;
	const char *path;
	struct err *err;
};

static struct node *read_value(
    struct yaml_reader *r, yaml_event_t *e, int depth);

static int
mark_line(yaml_mark_t m)
{
	return m.line < INT_MAX ? (int)m.line + 1 : INT_MAX;
}

static int
mark_column(yaml_mark_t m)
{
	return m.column < INT_MAX ? (int)m.column + 1 : INT_MAX;
}

static int
fail_at(struct yaml_reader *r, yaml_mark_t at, const char *what)
{
	return tree_error_at(
	    r->err, r->path, mark_line(at), mark_column(at), what);
}

static int
next_event(struct yaml_reader *r, yaml_event_t *e)
{
	if (yaml_parser_parse(&r->parser, e))
		return 0;
	memset(e, 0, sizeof(*e));
	return fail_at(r, r->parser.problem_mark,
	    r->parser.problem != NULL ? r->parser.problem : "not YAML");
}

static struct node *
node_at(enum node_kind kind, const yaml_event_t *e)
{
	return node_new(
	    kind, mark_line(e->start_mark), mark_column(e->start_mark));
}

static struct node *
read_scalar(struct yaml_reader *r, const yaml_event_t *e)
{
	struct str text = { (const char *)e->data.scalar.value,
		e->data.scalar.length };
	bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	struct node *n = node_at(plain ? NODE_PLAIN : NODE_STRING, e);

	n->last_line = mark_line(e->end_mark);
	/* A block of text ends where the next line begins. */
	if (e->end_mark.column == 0 && n->last_line > n->line)
		n->last_line--;
	if (node_set_text(n, text) < 0) {
		fail_at(r, e->start_mark, "a NUL in a string");
		node_free(&n);
	}
	return n;
}

static struct node *
read_list(struct yaml_reader *r, const yaml_event_t *start, int depth)
{
	struct node *list = node_at(NODE_LIST, start);
	yaml_event_t e;

	while (next_event(r, &e) == 0) {
		bool end = e.type == YAML_SEQUENCE_END_EVENT;
		struct node *kid = end ? NULL : read_value(r, &e, depth);

		yaml_event_delete(&e);
		if (end)
			return list;
		if (kid == NULL)
			break;
		node_add(list, kid);
	}
	node_free(&list);
	return NULL;
}

/* The value that belongs to the key in `e`, with the key set. */
static struct node *
read_pair(struct yaml_reader *r, const yaml_event_t *e, int depth)
{
	struct node *key, *kid = NULL;
	yaml_event_t value;

	if (e->type != YAML_SCALAR_EVENT) {
		fail_at(r, e->start_mark, "expected a key");
		return NULL;
	}
	key = read_scalar(r, e);
	if (key == NULL)
		return NULL;
	if (next_event(r, &value) == 0) {
		kid = read_value(r, &value, depth);
		yaml_event_delete(&value);
	}
	if (kid != NULL) {
		kid->key = key->text;
		kid->key_line = key->line;
		kid->key_column = key->column;
		key->text = NULL;
	}
	node_free(&key);
	return kid;
}

static int
compare_keys(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a;
	const struct node *y = *(struct node *const *)b;
	int order = strcmp(x->key, y->key);

	if (order != 0)
		return order;
	return x->key_line != y->key_line ? x->key_line - y->key_line
					  : x->key_column - y->key_column;
}

/* -1 and an error at the first key that is there twice. */
static int
check_unique(struct yaml_reader *r, const struct node *table)
{
	struct node **sorted =
	    xreallocarray(NULL, table->n + 1, sizeof(*sorted));
	const struct node *twice = NULL;

	for (size_t i = 0; i < table->n; i++)
		sorted[i] = table->kids[i];
	qsort(sorted, table->n, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < table->n; i++)
		if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0 &&
		    (twice == NULL || sorted[i]->key_line < twice->key_line))
			twice = sorted[i];
	free(sorted);
	if (twice == NULL)
		return 0;
	return tree_error_at(r->err, r->path, twice->key_line,
	    twice->key_column, "this key is set twice");
}

static struct node *
read_table(struct yaml_reader *r, const yaml_event_t *start, int depth)
{
	struct node *table = node_at(NODE_TABLE, start);
	yaml_event_t e;

	while (next_event(r, &e) == 0) {
		bool end = e.type == YAML_MAPPING_END_EVENT;
		struct node *kid = end ? NULL : read_pair(r, &e, depth);

		yaml_event_delete(&e);
		if (end && check_unique(r, table) == 0)
			return table;
		if (kid == NULL)
			break;
		node_add(table, kid);
	}
	node_free(&table);
	return NULL;
}

static bool
has_tag(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT: return e->data.scalar.tag != NULL;
	case YAML_SEQUENCE_START_EVENT:
		return e->data.sequence_start.tag != NULL;
	case YAML_MAPPING_START_EVENT: return e->data.mapping_start.tag != NULL;
	default: return false;
	}
}

/* The node that starts with `e`, which stays the caller's; NULL: an error. */
static struct node *
read_value(struct yaml_reader *r, yaml_event_t *e, int depth)
{
	const char *what = "expected a value";

	if (has_tag(e))
		what = "tags (!…) are not supported";
	else if (e->type == YAML_ALIAS_EVENT)
		what = "aliases (*…) are not supported";
	else if (e->type == YAML_SCALAR_EVENT)
		return read_scalar(r, e);
	else if (depth >= TREE_DEPTH_MAX)
		what = "more than 16 levels deep";
	else if (e->type == YAML_SEQUENCE_START_EVENT)
		return read_list(r, e, depth + 1);
	else if (e->type == YAML_MAPPING_START_EVENT)
		return read_table(r, e, depth + 1);
	fail_at(r, e->start_mark, what);
	return NULL;
}

/* After DOCUMENT-START: its table, then nothing more. */
static struct node *
read_document(struct yaml_reader *r)
{
	yaml_event_t e;
	struct node *root;

	if (next_event(r, &e) < 0)
		return NULL;
	root = read_value(r, &e, 0);
	if (root != NULL && node_is_nothing(root)) {
		node_free(&root);
		root = node_at(NODE_TABLE, &e);
	} else if (root != NULL && root->kind != NODE_TABLE) {
		fail_at(r, e.start_mark, "expected a table of keys");
		node_free(&root);
	}
	yaml_event_delete(&e);
	return root;
}

static struct node *
read_stream(struct yaml_reader *r)
{
	struct node *root = NULL;
	yaml_event_t e;

	while (next_event(r, &e) == 0) {
		yaml_event_type_t type = e.type;
		yaml_mark_t at = e.start_mark;

		yaml_event_delete(&e);
		if (type == YAML_STREAM_END_EVENT)
			return root != NULL ? root : node_new(NODE_TABLE, 1, 1);
		if (type != YAML_DOCUMENT_START_EVENT)
			continue;
		if (root != NULL) {
			fail_at(r, at, "a second document in the same file");
			break;
		}
		root = read_document(r);
		if (root == NULL)
			break;
	}
	node_free(&root);
	return NULL;
}

int
tree_yaml(
    struct node **root, const char *path, struct str text, struct err *err)
{
	struct yaml_reader r = { .path = path, .err = err };

	if (!yaml_parser_initialize(&r.parser))
		return err_set(err, "%s: out of memory", path);
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser,
	    (const unsigned char *)(text.len > 0 ? text.ptr : ""), text.len);
	*root = read_stream(&r);
	yaml_parser_delete(&r.parser);
	return *root != NULL ? 0 : -1;
}
