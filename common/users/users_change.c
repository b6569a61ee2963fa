/* SPDX-License-Identifier: MIT */
/*
 * The text is changed, never printed anew. The tree tells where things stand
 * (lines, and columns in characters). Whether the text says then what it
 * should is the caller's to find out.
 */
#include "users/users_change.h"

#include <string.h>

#include "base/clock.h"
#include "users/users_text.h"

static enum users_edit_result
by_hand(struct users_change *e, const struct node *n)
{
	(void)node_err(e->err, e->tree, n, "written in a way that is not "
	    "edited here; change it by hand");
	return USERS_EDIT_BAD_FILE;
}

/* The table of a user that is in the file. */
static const struct node *
table_of(const struct users_change *e, struct str name)
{
	const struct node *users = node_get(e->tree->root, "users");

	for (size_t i = 0; users != NULL && i < users->n; i++) {
		const char *s = node_string(node_get(users->kids[i],
		    "username"));

		if (str_eq(str_from(s), name))
			return users->kids[i];
	}
	return NULL;
}

/* Does it stand under [[users]], so that each key has lines of its own? */
static bool
has_lines(const struct users_change *e, const struct node *table)
{
	return users_text_starts_with(e->text, users_text_at(e->text,
	    table->line, table->column), "[[");
}

/* The text as it was, but for what is between two places in it. */
static void
splice(struct users_change *e, size_t from, size_t to, struct str with)
{
	bytes_add(&e->next, e->text.ptr, from);
	bytes_add(&e->next, with.ptr, with.len);
	bytes_add(&e->next, e->text.ptr + to, e->text.len - to);
}

/* A line at the end of the table, in the manner of its user name's. */
static enum users_edit_result
insert_key(struct users_change *e, const struct node *table, const char *key,
    struct str value)
{
	size_t like = users_text_line(e->text,
	    node_get(table, "username")->key_line);
	size_t at = users_text_line(e->text, table->last_line + 1);
	struct str indent = users_text_indent(e->text, like);
	const char *eol = users_text_eol(e->text, like);
	struct bytes line = { 0 };

	if (!has_lines(e, table))
		return by_hand(e, table);
	if (at > 0 && e->text.ptr[at - 1] != '\n')
		bytes_fmt(&line, "%s", eol);
	bytes_add(&line, indent.ptr, indent.len);
	bytes_fmt(&line, "%s = ", key);
	bytes_add(&line, value.ptr, value.len);
	bytes_fmt(&line, "%s", eol);
	splice(e, at, at, (struct str){ line.ptr, line.len });
	bytes_fini(&line);
	return USERS_EDIT_DONE;
}

/* With its lines. */
static enum users_edit_result
cut_key(struct users_change *e, const struct node *table, const struct node *n)
{
	if (!has_lines(e, table))
		return by_hand(e, n);
	splice(e, users_text_line(e->text, n->key_line),
	    users_text_line(e->text, n->last_line + 1), STR(""));
	return USERS_EDIT_DONE;
}

/* An empty value: the key shall not be there. */
static enum users_edit_result
set_value(struct users_change *e, struct str name, const char *key,
    struct str value)
{
	const struct node *table = table_of(e, name);
	const struct node *n = node_get(table, key);
	size_t from, to;

	if (n == NULL)
		return insert_key(e, table, key, value);
	if (value.len == 0)
		return cut_key(e, table, n);
	from = users_text_at(e->text, n->line, n->column);
	to = users_text_value_end(e->text, from);
	if (to == 0)
		return by_hand(e, n);
	splice(e, from, to, value);
	return USERS_EDIT_DONE;
}

/* ---- the lines: how each is written, or not at all ---- */

static void
print_name(struct bytes *b, const struct user *u)
{
	value_print_quoted(b, u->name.ptr);
}

static void
print_hash(struct bytes *b, const struct user *u)
{
	value_print_quoted(b, u->hash);
}

static void
print_groups(struct bytes *b, const struct user *u)
{
	const union value v = { .strings = u->groups };

	if (u->groups.n > 0)
		value_types[VALUE_STRINGS].print(&v, NULL, b);
}

static void
print_expires(struct bytes *b, const struct user *u)
{
	char text[CLOCK_TEXT_SIZE] = "";
	char *fraction;

	if (u->expires_us != 0)
		clock_format(text, u->expires_us, 6);
	fraction = strstr(text, ".000000Z");
	if (fraction != NULL)
		memcpy(fraction, "Z", sizeof("Z"));
	bytes_fmt(b, "%s", text);
}

static void
print_ranges(struct bytes *b, const struct cidr_list *ranges)
{
	const union value v = { .cidrs = *ranges };

	if (ranges->n > 0)
		value_types[VALUE_CIDRS].print(&v, NULL, b);
}

static void
print_sources(struct bytes *b, const struct user *u)
{
	print_ranges(b, &u->sources);
}

static void
print_networks(struct bytes *b, const struct user *u)
{
	print_ranges(b, &u->networks);
}

static void
print_limits(struct bytes *b, const struct user *u)
{
	if (u->limits != NULL)
		value_print_quoted(b, u->limits);
}

static void
print_enabled(struct bytes *b, const struct user *u)
{
	bytes_fmt(b, "%s", u->enabled ? "true" : "false");
}

static const struct {
	const char *key;
	void (*print)(struct bytes *b, const struct user *u);
} lines[] = {
	[USERS_LINE_NAME] = { "username", print_name },
	[USERS_LINE_HASH] = { "password_hash", print_hash },
	[USERS_LINE_GROUPS] = { "groups", print_groups },
	[USERS_LINE_EXPIRES] = { "expires", print_expires },
	[USERS_LINE_SOURCES] = { "sources", print_sources },
	[USERS_LINE_NETWORKS] = { "networks", print_networks },
	[USERS_LINE_LIMITS] = { "limits", print_limits },
	[USERS_LINE_ENABLED] = { "enabled", print_enabled },
};

static void
print_line(struct bytes *b, const struct user *u, enum users_line line)
{
	struct bytes value = { 0 };

	lines[line].print(&value, u);
	if (value.len > 0) {
		bytes_fmt(b, "%s = ", lines[line].key);
		bytes_add(b, value.ptr, value.len);
		bytes_fmt(b, "\n");
	}
	bytes_fini(&value);
}

/* ---- changes ---- */

enum users_edit_result
users_change_add(struct users_change *e, const struct user *wish)
{
	struct bytes *b = &e->next;

	bytes_add(b, e->text.ptr, e->text.len);
	if (b->len > 0 && b->ptr[b->len - 1] != '\n')
		bytes_fmt(b, "\n");
	bytes_fmt(b, "%s[[users]]\n", b->len > 0 ? "\n" : "");
	for (enum users_line k = 0; k < USERS_LINES_OF_NEW; k++)
		print_line(b, wish, k);
	return USERS_EDIT_DONE;
}

enum users_edit_result
users_change_delete(struct users_change *e, const struct user *wish)
{
	const struct node *table = table_of(e, wish->name);
	size_t to = users_text_line(e->text, table->last_line + 1);

	if (!has_lines(e, table))
		return by_hand(e, table);
	/* One of the blank lines around it goes as well. */
	if (to < e->text.len && users_text_is_blank(e->text, to))
		to = users_text_line(e->text, table->last_line + 2);
	splice(e, users_text_line(e->text, table->line), to, STR(""));
	return USERS_EDIT_DONE;
}

enum users_edit_result
users_change_line(struct users_change *e, const struct user *wish,
    enum users_line line)
{
	struct bytes value = { 0 };
	enum users_edit_result r;

	lines[line].print(&value, wish);
	r = set_value(e, wish->name, lines[line].key,
	    (struct str){ value.ptr, value.len });
	bytes_fini(&value);
	return r;
}
