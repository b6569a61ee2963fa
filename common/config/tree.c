/* SPDX-License-Identifier: MIT */
#include "config/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/tree_build.h"

#define TREE_SIZE_MAX (64u << 20)

struct node *
node_new(enum node_kind kind, int line, int column)
{
	struct node *n = xcalloc(1, sizeof(*n));

	n->kind = kind;
	n->line = n->last_line = n->key_line = line;
	n->column = n->key_column = column;
	return n;
}

void
node_add(struct node *parent, struct node *kid)
{
	/* Room doubles whenever the number is a power of two. */
	if ((parent->n & (parent->n - 1)) == 0)
		parent->kids = xreallocarray(parent->kids,
		    parent->n == 0 ? 1 : 2 * parent->n, sizeof(*parent->kids));
	parent->kids[parent->n++] = kid;
	if (kid->last_line > parent->last_line)
		parent->last_line = kid->last_line;
}

int
node_set_text(struct node *n, struct str text)
{
	if (str_has_nul(text))
		return -1;
	n->text = xmemdup0(text.ptr, text.len);
	return 0;
}

void
node_free(struct node **np)
{
	struct node *n = *np;

	if (n == NULL)
		return;
	for (size_t i = 0; i < n->n; i++)
		node_free(&n->kids[i]);
	if (n->text != NULL)
		secret_wipe(n->text, strlen(n->text));
	free(n->text);
	free(n->kids);
	free(n->key);
	free(n);
	*np = NULL;
}

int
tree_error_at(
    struct err *err, const char *path, int line, int column, const char *what)
{
	char shown[512];
	struct text t = text_on(shown, sizeof(shown));

	text_escaped(&t, str_from(what));
	return err_set(err, "%s:%d:%d: %s", path, line, column, shown);
}

/* Bytes of the character that starts with `lead`; 1 for what is none. */
static size_t
character_length(unsigned char lead)
{
	return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* Names the place of the first byte that is no text. */
static int
text_error(struct err *err, const char *path, struct str text)
{
	int line = 1, column = 1;
	size_t i = 0;

	while (i < text.len) {
		size_t len = character_length((unsigned char)text.ptr[i]);
		struct str c = { text.ptr + i, len };

		if (len > text.len - i || !str_is_utf8(c))
			return tree_error_at(
			    err, path, line, column, "not valid UTF-8");
		if (*c.ptr == '\0')
			return tree_error_at(
			    err, path, line, column, "a NUL byte");
		column++;
		if (*c.ptr == '\n') {
			line++;
			column = 1;
		}
		i += len;
	}
	return 0;
}

static bool
has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

int
tree_parse(
    struct tree **out, const char *path, struct str text, struct err *err)
{
	bool yaml = has_suffix(path, ".yaml") || has_suffix(path, ".yml");
	struct node *root = NULL;

	*out = NULL;
	if (text.len > TREE_SIZE_MAX)
		return err_set(err, "%s: larger than 64 MiB", path);
	if (text_error(err, path, text) < 0)
		return -1;
	if ((yaml ? tree_yaml : tree_toml)(&root, path, text, err) < 0)
		return -1;
	*out = xcalloc(1, sizeof(**out));
	(*out)->path = xstrdup(path);
	(*out)->root = root;
	return 0;
}

/* Reads all of `path`, or one byte more than is allowed. */
static int
read_file(struct bytes *b, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char chunk[16384];
	ssize_t n = 0;

	if (fd < 0)
		return -1;
	while (b->len <= TREE_SIZE_MAX) {
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		bytes_add(b, chunk, (size_t)n);
	}
	secret_wipe(chunk, sizeof(chunk));
	int saved = errno;
	close(fd);
	errno = saved;
	return n < 0 ? -1 : 0;
}

int
tree_load(struct tree **out, const char *path, struct err *err)
{
	struct bytes b = { 0 };
	int r;

	*out = NULL;
	if (read_file(&b, path) < 0)
		r = err_sys(err, "%s", path);
	else
		r = tree_parse(out, path, (struct str){ b.ptr, b.len }, err);
	if (b.ptr != NULL)
		secret_wipe(b.ptr, b.len);
	bytes_fini(&b);
	return r;
}

void
tree_free(struct tree **tp)
{
	struct tree *t = *tp;

	if (t == NULL)
		return;
	node_free(&t->root);
	free(t->path);
	free(t);
	*tp = NULL;
}

const struct node *
node_get(const struct node *table, const char *key)
{
	if (table->kind != NODE_TABLE)
		return NULL;
	for (size_t i = 0; i < table->n; i++)
		if (strcmp(table->kids[i]->key, key) == 0)
			return table->kids[i];
	return NULL;
}

bool
node_is_nothing(const struct node *n)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	if (n->kind != NODE_PLAIN)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(n->text, words[i]) == 0)
			return true;
	return false;
}

const char *
node_kind_name(const struct node *n)
{
	static const char *const names[] = {
		[NODE_TABLE] = "a table",
		[NODE_LIST] = "a list",
		[NODE_STRING] = "a string",
		[NODE_INT] = "a number",
		[NODE_FLOAT] = "a number with a fraction",
		[NODE_BOOL] = "true or false",
		[NODE_DATETIME] = "a date or time",
		[NODE_PLAIN] = "an unquoted word",
	};

	return node_is_nothing(n) ? "nothing" : names[n->kind];
}

int
node_bool(const struct node *n, bool *out)
{
	if (n->kind != NODE_BOOL && n->kind != NODE_PLAIN)
		return -1;
	*out = strcmp(n->text, "true") == 0;
	return *out || strcmp(n->text, "false") == 0 ? 0 : -1;
}

int
node_u64(const struct node *n, uint64_t *out)
{
	if (n->kind != NODE_INT && n->kind != NODE_PLAIN)
		return -1;
	return str_to_u64(str_from(n->text), UINT64_MAX, out) ? 0 : -1;
}

const char *
node_string(const struct node *n)
{
	if (n->kind != NODE_STRING && n->kind != NODE_PLAIN)
		return NULL;
	return node_is_nothing(n) ? NULL : n->text;
}

int
node_err(struct err *err, const struct tree *t, const struct node *n,
    const char *fmt, ...)
{
	char what[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(err, "%s:%d:%d: %s", t->path, n->line, n->column, what);
}
