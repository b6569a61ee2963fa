/* SPDX-License-Identifier: MIT */
/* The file, the environment and --set: finding the key, taking its text. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config_impl.h"
#include "config/tree.h"

#define SECRET_FILE_MAX 65536
#define NAME_SHOWN      200

/* What did_you_mean() adds to a message. */
struct hint {
	char text[128];
};

static struct hint
did_you_mean(const char *name)
{
	struct hint h = { "" };
	struct text t = text_on(h.text, sizeof(h.text));

	if (name != NULL)
		text_fmt(&t, "; did you mean %s?", name);
	return h;
}

static void
set_text(struct loader *l, const struct config_key *k, struct str text,
    const struct source *src)
{
	union value v = { 0 };
	struct err err;

	if (config_said_twice(l, k, src))
		return;
	if (config_read_text(k, &v, text, &err) < 0)
		config_bad_value(l, k, src->where, err.text);
	else
		config_set_value(l, k, &v, src);
}

/* Reads at most `size` bytes; -1 with errno. */
static ssize_t
read_secret(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -1;
	while (len < size) {
		n = read(fd, out + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	int saved = errno;
	close(fd);
	errno = saved;
	return n < 0 ? -1 : (ssize_t)len;
}

/* The content of `path`, without the newline at its end, as the value. */
static void
set_from_file(struct loader *l, const struct config_key *k, const char *path,
    const struct source *src)
{
	char *content = xmalloc(SECRET_FILE_MAX);
	ssize_t n = read_secret(path, content, SECRET_FILE_MAX);
	struct err err;

	if (n < 0) {
		err_sys(&err, "cannot read the file that is named here");
		config_bad_value(l, k, src->where, err.text);
	} else {
		struct str s = { content, (size_t)n };

		if (s.len > 0 && s.ptr[s.len - 1] == '\n')
			s.len--;
		if (s.len > 0 && s.ptr[s.len - 1] == '\r')
			s.len--;
		set_text(l, k, s, src);
	}
	secret_wipe(content, SECRET_FILE_MAX);
	free(content);
}

/* ---- the file ---- */

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
	char why[NAME_SHOWN];
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
		set_text(l, k, str_from(n->text), &src);
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
		set_from_file(l, k, n->text, &src);
	else
		bad_node(
		    l, k, n, "expected the path of a file with the secret");
	free(where);
}

static void
unknown_node(struct loader *l, const char *name, const struct node *n)
{
	struct hint hint = did_you_mean(config_nearest(name));
	bool section = strchr(name, '.') == NULL;

	config_errors_add(l->errors, "%s:%d:%d: %s: unknown %s%s",
	    l->tree->path, n->key_line, n->key_column, name,
	    section ? "section" : "key", hint.text);
}

/* A name that needs escapes is no key, so the escaped one is looked up. */
static void
read_table(struct loader *l, const struct node *table, const char *prefix)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct node *n = table->kids[i];
		char name[NAME_SHOWN];
		struct text t = text_on(name, sizeof(name));
		const struct config_key *k;

		text_fmt(&t, "%s%s", prefix, *prefix == '\0' ? "" : ".");
		text_escaped(&t, str_from(n->key));
		if (!t.cut && (k = config_find(name)) != NULL)
			set_node(l, k, n);
		else if (!t.cut && (k = config_find_file(name)) != NULL)
			set_node_file(l, k, n);
		else if (t.cut || !config_is_table(name))
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

/* ---- environment and --set ---- */

/* "SALLYPORT_PROXY__TIMEOUTS__IDLE" -> "proxy.timeouts.idle"; false: such a
 * variable is never configuration. */
static bool
name_from_env(char *out, size_t size, struct str variable)
{
	struct str prefix = STR("SALLYPORT_");
	struct text t = text_on(out, size);

	if (variable.len < prefix.len ||
	    memcmp(variable.ptr, prefix.ptr, prefix.len) != 0 ||
	    memmem(variable.ptr, variable.len, "__", 2) == NULL)
		return false;
	for (size_t i = prefix.len; i < variable.len; i++) {
		char c = variable.ptr[i];

		if (c == '_' && i + 1 < variable.len &&
		    variable.ptr[i + 1] == '_') {
			c = '.';
			i++;
		} else if (c >= 'A' && c <= 'Z') {
			c = (char)(c + 32);
		} else if (c >= 'a' && c <= 'z') {
			c = (char)(c - 32); /* no key has capitals */
		}
		text_escaped(&t, (struct str){ &c, 1 });
	}
	return true;
}

void
config_read_variable(struct loader *l, const char *entry)
{
	struct str variable = { entry, strcspn(entry, "=") };
	const struct config_key *k;
	char name[NAME_SHOWN], shown[NAME_SHOWN], like[NAME_SHOWN];
	struct text t = text_on(shown, sizeof(shown));
	struct text u = text_on(like, sizeof(like));
	struct source src = { ORIGIN_ENV, shown };

	if (entry[variable.len] == '\0' ||
	    !name_from_env(name, sizeof(name), variable))
		return;
	text_escaped(&t, variable);
	const char *value = entry + variable.len + 1;
	if ((k = config_find(name)) != NULL) {
		set_text(l, k, str_from(value), &src);
	} else if ((k = config_find_file(name)) != NULL) {
		set_from_file(l, k, value, &src);
	} else {
		const char *nearest = config_nearest(name);

		if (nearest != NULL)
			config_env_name(&u, nearest);
		config_errors_add(l->warnings, "%s: unknown variable%s", shown,
		    did_you_mean(nearest == NULL ? NULL : like).text);
	}
}

void
config_read_set(struct loader *l, const char *entry)
{
	struct str written = { entry, strcspn(entry, "=") };
	const struct config_key *k;
	char name[NAME_SHOWN];
	struct text t = text_on(name, sizeof(name));
	struct source src = { ORIGIN_FLAG, "--set" };
	const char *value = entry + written.len + 1;

	text_escaped(&t, written);
	if (entry[written.len] == '\0' || written.len == 0 ||
	    config_is_table(name))
		config_errors_add(
		    l->errors, "--set: %s: expected section.key=value", name);
	else if ((k = config_find(name)) != NULL)
		set_text(l, k, str_from(value), &src);
	else if ((k = config_find_file(name)) != NULL)
		set_from_file(l, k, value, &src);
	else
		config_errors_add(l->errors, "--set: %s: unknown key%s", name,
		    did_you_mean(config_nearest(name)).text);
}
