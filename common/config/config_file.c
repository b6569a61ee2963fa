/* SPDX-License-Identifier: MIT */
/* The file: from its tree to values, every error at its place. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/config_impl.h"
#include "config/tree.h"

static char *
place_of(const struct loader *l, int line, int column)
{
	return xasprintf("%s:%d:%d", l->tree->path, line, column);
}

static void
bad_node(struct loader *l, const struct config_key *k, const struct node *n,
    const char *why)
{
	char *where = place_of(l, n->line, n->column);

	config_bad_value(l, k, where, why);
	free(where);
}

static bool
is_kind(struct loader *l, const struct config_key *k, const struct node *n,
    const char *expected)
{
	char why[CONFIG_NAME_MAX];
	struct text t = text_on(why, sizeof(why));

	if ((value_types[k->type].kinds & 1u << n->kind) != 0 &&
	    !node_is_nothing(n))
		return true;
	text_fmt(&t, "expected %s, not %s", expected, node_kind_name(n));
	bad_node(l, k, n, why);
	return false;
}

/* A real list: every bad entry is reported at its place. */
static void
set_list(struct loader *l, const struct config_key *k, const struct node *list,
    const struct source *src)
{
	const struct value_ops *ops = &value_types[k->type];
	union value v = { 0 };
	struct err err;
	bool good = true;

	for (size_t i = 0; i < list->n && i <= k->max; i++) {
		const struct node *n = list->kids[i];

		if (!is_kind(l, k, n, "a string")) {
			good = false;
		} else if (ops->parse(&v, str_from(n->text), k->choices, &err) <
			   0) {
			bad_node(l, k, n, err.text);
			good = false;
		}
	}
	if (good && config_check_range(k, &v, &err) < 0) {
		bad_node(l, k, list, err.text);
		good = false;
	}
	if (good)
		config_set_value(l, k, &v, src);
	else
		ops->free(&v);
}

static void
set_node(struct loader *l, const struct config_key *k, const struct node *n)
{
	const struct value_ops *ops = &value_types[k->type];
	char *where = place_of(l, n->line, n->column);
	struct source src = { ORIGIN_FILE, where };

	if (ops->list && n->kind == NODE_LIST) {
		if (!config_said_twice(l, k, &src))
			set_list(l, k, n, &src);
	} else if (is_kind(l, k, n, ops->expected)) {
		config_take_text(l, k, str_from(n->text), &src);
	}
	free(where);
}

static void
set_node_file(
    struct loader *l, const struct config_key *k, const struct node *n)
{
	char *where = place_of(l, n->line, n->column);
	struct source src = { ORIGIN_FILE, where };

	if (node_string(n) != NULL)
		config_take_file(l, k, n->text, &src);
	else
		bad_node(
		    l, k, n, "expected the path of a file with the secret");
	free(where);
}

/* A list of tables with about the name that ours have. */
static bool
is_meant_for_listeners(const char *name, const struct node *n)
{
	const char *wanted = strchr(config_listener.name, '.') + 1;
	const char *dot = strrchr(name, '.');

	if (dot != NULL)
		name = dot + 1;
	return n->kind == NODE_LIST && n->n > 0 &&
	       n->kids[0]->kind == NODE_TABLE &&
	       str_distance(str_from(name), str_from(wanted)) <= 2;
}

static void
unknown_node(struct loader *l, const char *name, const struct node *n)
{
	bool section = strchr(name, '.') == NULL;
	struct config_hint hint = config_did_you_mean(
	    is_meant_for_listeners(name, n) ? config_listener.name
					    : config_nearest(name));

	config_errors_add(l->errors, "%s:%d:%d: %s: unknown %s%s",
	    l->tree->path, n->key_line, n->key_column, name,
	    section ? "section" : "key", hint.text);
}

/* "<prefix>.<key>"; false: too long to be a name. A name that needs escapes
 * is no key, so the escaped one is looked up. */
static bool
name_of(
    char out[static CONFIG_NAME_MAX], const char *prefix, const struct node *n)
{
	struct text t = text_on(out, CONFIG_NAME_MAX);

	text_fmt(&t, "%s%s", prefix, *prefix == '\0' ? "" : ".");
	text_escaped(&t, str_from(n->key));
	return !t.cut;
}

/* ---- listeners ---- */

static void bad_listeners(struct loader *l, const struct node *n,
    const char *fmt, ...) PRINTF_LIKE(3, 4);

static void
bad_listeners(struct loader *l, const struct node *n, const char *fmt, ...)
{
	char why[CONFIG_NAME_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	config_errors_add(l->errors, "%s:%d:%d: %s: %s", l->tree->path, n->line,
	    n->column, config_listener.name, why);
}

/* A key that the whole proxy has is told from one that nobody has. */
static void
unknown_in_listener(struct loader *l, const char *name, const struct node *n)
{
	const char *written = name + strlen(config_listener.name) + 1;
	char all[CONFIG_NAME_MAX];
	struct text t = text_on(all, sizeof(all));
	const char *nearest = config_nearest_in(&config_listener, written);

	text_fmt(&t, "proxy.%s", written);
	if (config_find(all) != NULL || config_is_table(all))
		config_errors_add(l->errors,
		    "%s:%d:%d: %s: not for one listener; set %s for all",
		    l->tree->path, n->key_line, n->key_column, name, all);
	else
		config_errors_add(l->errors, "%s:%d:%d: %s: unknown key%s",
		    l->tree->path, n->key_line, n->key_column, name,
		    config_did_you_mean(nearest).text);
}

/* What the proxy has no value for, or not one for each listener. */
static void
require(struct loader *l, const struct node *table, const char *name,
    const char *example)
{
	const struct config_key *k = config_listener_key(name);
	struct origin *slot = config_loader_slot(l, k);

	if (slot->from != ORIGIN_DEFAULT || slot->failed)
		return;
	bad_listeners(l, table, "a listener needs %s, such as %s = %s", name,
	    name, example);
	slot->failed = true;
}

static void
read_listener(struct loader *l, const struct node *table)
{
	l->listener = config_listener_add(l->s);
	for (size_t i = 0; i < table->n; i++) {
		const struct node *n = table->kids[i];
		const struct config_key *k = NULL;
		char name[CONFIG_NAME_MAX];

		if (name_of(name, config_listener.name, n))
			k = config_listener_key(
			    name + strlen(config_listener.name) + 1);
		if (k != NULL)
			set_node(l, k, n);
		else
			unknown_in_listener(l, name, n);
	}
	require(l, table, "name", "\"lan\"");
	require(l, table, "listen", "[\"127.0.0.1:1080\"]");
	l->listener = NULL;
}

static void
read_listeners(struct loader *l, const struct node *list)
{
	struct origins *o = l->s->origins;

	if (list->kind != NODE_LIST) {
		bad_listeners(l, list,
		    "expected a list of tables, each headed "
		    "[[proxy.listeners]], not %s",
		    node_kind_name(list));
		return;
	}
	if (list->n == 0 || list->n > CONFIG_LISTEN_MAX || o->tables != NULL) {
		bad_listeners(l, list,
		    o->tables != NULL ? "set twice"
		    : list->n == 0    ? "is empty; leave it out to have one "
					"listener for each of proxy.listen"
				      : "has more than 16 entries");
		return;
	}
	o->tables = place_of(l, list->line, list->column);
	for (size_t i = 0; i < list->n; i++) {
		const struct node *n = list->kids[i];

		if (n->kind == NODE_TABLE)
			read_listener(l, n);
		else
			bad_listeners(l, n, "expected a table, not %s",
			    node_kind_name(n));
	}
}

/* ---- all of it ---- */

static void
read_table(struct loader *l, const struct node *table, const char *prefix)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct node *n = table->kids[i];
		char name[CONFIG_NAME_MAX];
		bool good = name_of(name, prefix, n);
		const struct config_key *k;

		if (good && (k = config_find(name)) != NULL)
			set_node(l, k, n);
		else if (good && (k = config_find_file(name)) != NULL)
			set_node_file(l, k, n);
		else if (good && strcmp(name, config_listener.name) == 0)
			read_listeners(l, n);
		else if (!good || !config_is_table(name))
			unknown_node(l, name, n);
		else if (n->kind == NODE_TABLE)
			read_table(l, n, name);
		else
			config_errors_add(l->errors,
			    "%s:%d:%d: %s: expected a table, not %s",
			    l->tree->path, n->line, n->column, name,
			    node_kind_name(n));
	}
}

void
config_read_file(struct loader *l, const char *path)
{
	struct tree *t = NULL;
	struct err err;

	if (tree_load(&t, path, &err) < 0) {
		config_errors_add(l->errors, "%s", err.text);
		l->unread = true;
		return;
	}
	l->tree = t;
	read_table(l, t->root, "");
	l->tree = NULL;
	tree_free(&t);
}
