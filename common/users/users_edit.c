/* SPDX-License-Identifier: MIT */
/*
 * The text is changed, never printed anew. The tree tells where things stand
 * (lines, and columns in characters); after the change the text is parsed
 * again and must say exactly what was wanted, so that a spelling of TOML which
 * is not understood here ends in an error and not in a damaged file.
 */
#include "users/users_edit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/tree.h"
#include "config/value.h"
#include "crypt/passhash.h"
#include "users/users_file.h"
#include "users/users_store.h"

/* An edit under way. */
struct edit {
	const char *path;	/* links followed */
	struct str text;	/* of the file as it is */
	struct tree *tree;
	struct users_file *file;
	struct bytes next;	/* the text as it will be */
	struct err *err;
};

static enum users_edit_result
by_hand(struct edit *e, const struct node *n)
{
	(void)node_err(e->err, e->tree, n, "written in a way that is not "
	    "edited here; change it by hand");
	return USERS_EDIT_BAD_FILE;
}

/* ---- places in the text ---- */

/* Where a line (from 1) begins; the end of the text beyond the last. */
static size_t
line_start(struct str text, int line)
{
	size_t at = 0;

	for (; line > 1 && at < text.len; line--) {
		const char *eol = memchr(text.ptr + at, '\n', text.len - at);

		at = eol == NULL ? text.len : (size_t)(eol - text.ptr) + 1;
	}
	return at;
}

/* The byte at a line and a column, which counts characters from 1. */
static size_t
position(struct str text, int line, int column)
{
	size_t at = line_start(text, line);

	for (; column > 1 && at < text.len; column--)
		do {
			at++;
		} while (at < text.len && (text.ptr[at] & 0xc0) == 0x80);
	return at;
}

/* The end of the string that begins at `from`, after its last quote; 0: there
 * is none in one line. */
static size_t
string_end(struct str text, size_t from)
{
	char quote = from < text.len ? text.ptr[from] : '\0';
	size_t at = from + 1;

	if ((quote != '"' && quote != '\'') ||
	    (at + 1 < text.len && text.ptr[at] == quote &&
	    text.ptr[at + 1] == quote))
		return 0;
	for (; at < text.len && text.ptr[at] != '\n'; at++) {
		if (text.ptr[at] == '\\' && quote == '"')
			at++;
		else if (text.ptr[at] == quote)
			return at + 1;
	}
	return 0;
}

static bool
starts_with(struct str text, size_t at, const char *what)
{
	size_t n = strlen(what);

	return text.len - at >= n && memcmp(text.ptr + at, what, n) == 0;
}

static bool
is_blank_line(struct str text, size_t at)
{
	while (at < text.len && (text.ptr[at] == ' ' || text.ptr[at] == '\t' ||
	    text.ptr[at] == '\r'))
		at++;
	return at == text.len || text.ptr[at] == '\n';
}

/* The table of a user that is in the file. */
static const struct node *
table_of(const struct edit *e, struct str name)
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

/* ---- changes of the text ---- */

static enum users_edit_result
append_user(struct edit *e, const struct users_edit_user *u)
{
	struct bytes *b = &e->next;

	bytes_add(b, e->text.ptr, e->text.len);
	if (b->len > 0 && b->ptr[b->len - 1] != '\n')
		bytes_fmt(b, "\n");
	bytes_fmt(b, "%s[[users]]\nusername = ", b->len > 0 ? "\n" : "");
	value_print_quoted(b, u->name.ptr);
	bytes_fmt(b, "\npassword_hash = ");
	value_print_quoted(b, u->hash.ptr);
	for (size_t i = 0; i < u->n_groups; i++) {
		bytes_fmt(b, "%s", i == 0 ? "\ngroups = [" : ", ");
		value_print_quoted(b, u->groups[i].ptr);
	}
	bytes_fmt(b, "%s\n", u->n_groups > 0 ? "]" : "");
	return USERS_EDIT_DONE;
}

static enum users_edit_result
replace_hash(struct edit *e, const struct users_edit_user *u)
{
	const struct node *n = node_get(table_of(e, u->name), "password_hash");
	size_t from = position(e->text, n->line, n->column);
	size_t to = string_end(e->text, from);

	if (to == 0)
		return by_hand(e, n);
	bytes_add(&e->next, e->text.ptr, from);
	value_print_quoted(&e->next, u->hash.ptr);
	bytes_add(&e->next, e->text.ptr + to, e->text.len - to);
	return USERS_EDIT_DONE;
}

static enum users_edit_result
cut_user(struct edit *e, const struct users_edit_user *u)
{
	const struct node *table = table_of(e, u->name);
	size_t from = line_start(e->text, table->line);
	size_t to = line_start(e->text, table->last_line + 1);

	if (!starts_with(e->text, position(e->text, table->line,
	    table->column), "[["))
		return by_hand(e, table);
	/* One of the blank lines around it goes as well. */
	if (to < e->text.len && is_blank_line(e->text, to))
		to = line_start(e->text, table->last_line + 2);
	bytes_add(&e->next, e->text.ptr, from);
	bytes_add(&e->next, e->text.ptr + to, e->text.len - to);
	return USERS_EDIT_DONE;
}

/* ---- what must hold before and after ---- */

static enum users_edit_result
bad_file(struct edit *e, const struct users_notes *notes)
{
	(void)users_notes_err(notes, e->err);
	return USERS_EDIT_BAD_FILE;
}

/* The file as it is, in all forms; a file that is missing is empty. */
static enum users_edit_result
read_old(struct edit *e)
{
	struct users_notes notes = { .n_errors = 0 };
	enum users_edit_result r = USERS_EDIT_DONE;

	if (users_file_parse(&e->file, e->path, e->text, &notes) != 0)
		r = bad_file(e, &notes);
	else if (tree_parse(&e->tree, e->path, e->text, e->err) != 0)
		r = USERS_EDIT_BAD_FILE;
	users_notes_fini(&notes);
	return r;
}

static bool
same_user(const struct user *u, const struct user *v)
{
	if (u == NULL || v == NULL || strcmp(u->hash, v->hash) != 0 ||
	    u->groups.n != v->groups.n || u->enabled != v->enabled ||
	    u->expires_us != v->expires_us || u->sources.n != v->sources.n)
		return false;
	for (size_t i = 0; i < u->groups.n; i++)
		if (strcmp(u->groups.v[i], v->groups.v[i]) != 0)
			return false;
	for (size_t i = 0; i < u->sources.n; i++)
		if (!cidr_covers(&u->sources.v[i], &v->sources.v[i]) ||
		    !cidr_covers(&v->sources.v[i], &u->sources.v[i]))
			return false;
	return true;
}

/* All of `old` but the edited user are in `new` as they were. */
static bool
others_kept(const struct users_file *old, const struct users_file *new,
    struct str edited)
{
	for (size_t i = 0; i < users_file_count(old); i++) {
		const struct user *u = users_file_at(old, i);

		if (!str_eq(u->name, edited) &&
		    !same_user(u, users_file_find(new, u->name)))
			return false;
	}
	return true;
}

/* `hash` empty: the user must be gone. */
static enum users_edit_result
check_new(struct edit *e, const struct users_edit_user *u, size_t count)
{
	struct users_notes notes = { .n_errors = 0 };
	enum users_edit_result r = USERS_EDIT_DONE;
	struct users_file *new;
	const struct user *found;

	if (users_file_parse(&new, e->path,
	    (struct str){ e->next.ptr, e->next.len }, &notes) != 0) {
		r = bad_file(e, &notes);
	} else {
		found = users_file_find(new, u->name);
		if (users_file_count(new) != count ||
		    (found != NULL) != (u->hash.len > 0) ||
		    (found != NULL && strcmp(found->hash, u->hash.ptr) != 0) ||
		    !others_kept(e->file, new, u->name)) {
			(void)err_set(e->err, "%s: written in a way that is "
			    "not edited here; change it by hand", e->path);
			r = USERS_EDIT_BAD_FILE;
		}
	}
	users_file_free(&new);
	users_notes_fini(&notes);
	return r;
}

/* ---- an edit ---- */

struct operation {
	enum users_edit_result (*change)(struct edit *e,
	    const struct users_edit_user *u);
	bool there;	/* the user must be there before, or must not */
	bool hash;	/* needs one, and has it afterwards */
	int more;	/* users there are more afterwards */
};

static const struct operation op_add = { append_user, false, true, 1 };
static const struct operation op_set_hash = { replace_hash, true, true, 0 };
static const struct operation op_delete = { cut_user, true, false, -1 };

static enum users_edit_result
check_presence(struct edit *e, struct str name, bool wanted)
{
	bool there = users_file_find(e->file, name) != NULL;

	if (there == wanted)
		return USERS_EDIT_DONE;
	(void)err_set(e->err, there ? "%s: there is a user %s already" :
	    "%s: there is no user %s", e->path, name.ptr);
	return there ? USERS_EDIT_EXISTS : USERS_EDIT_NOT_FOUND;
}

static enum users_edit_result
change(struct edit *e, const struct users_edit_user *u,
    const struct operation *op)
{
	enum users_edit_result r = read_old(e);

	if (r == USERS_EDIT_DONE)
		r = check_presence(e, u->name, op->there);
	if (r == USERS_EDIT_DONE)
		r = op->change(e, u);
	if (r == USERS_EDIT_DONE)
		r = check_new(e, u, users_file_count(e->file) +
		    (size_t)op->more);
	return r;
}

static bool
is_toml(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot == NULL ||
	    (strcmp(dot, ".yaml") != 0 && strcmp(dot, ".yml") != 0);
}

static enum users_edit_result
run(const char *path, const struct users_edit_user *u,
    const struct operation *op, struct err *err)
{
	struct edit e = { .err = err };
	enum users_edit_result r = USERS_EDIT_FAILED;
	struct users_store *store;

	if (!is_toml(path)) {
		(void)err_set(err, "%s: only TOML is edited; change it by "
		    "hand", path);
		return USERS_EDIT_BAD_FILE;
	}
	if (users_store_open(&store, path, err) != 0)
		return USERS_EDIT_FAILED;
	e.path = users_store_path(store);
	e.text = users_store_text(store);
	r = change(&e, u, op);
	if (r == USERS_EDIT_DONE && users_store_replace(store,
	    (struct str){ e.next.ptr, e.next.len }, err) != 0)
		r = USERS_EDIT_FAILED;
	bytes_fini(&e.next);
	users_file_free(&e.file);
	tree_free(&e.tree);
	users_store_close(&store);
	return r;
}

/* ---- what may be asked ---- */

/* Strings with a NUL behind them, for printing; owned. */
struct input {
	struct users_edit_user user;
	struct str groups[USERS_GROUPS_MAX];
};

static int
input_group(struct input *in, struct str group, struct err *err)
{
	if (!users_name_ok(group))
		return err_set(err, "not a group's name");
	for (size_t i = 0; i < in->user.n_groups; i++)
		if (str_eq_nocase(in->groups[i], group))
			return err_set(err, "the group %s is given twice",
			    in->groups[i].ptr);
	in->groups[in->user.n_groups++] = (struct str){
		xmemdup0(group.ptr, group.len), group.len };
	return 0;
}

static int
input_init(struct input *in, const struct users_edit_user *u, bool hash,
    struct err *err)
{
	*in = (struct input){ .user.groups = in->groups };
	if (!users_name_ok(u->name))
		return err_set(err, "expected a user name of 1 to %d bytes, "
		    "without control characters, spaces at its ends or bytes "
		    "that are not UTF-8", USERS_NAME_MAX);
	if (hash && passhash_check(u->hash, err) != 0)
		return -1;
	if (u->n_groups > USERS_GROUPS_MAX)
		return err_set(err, "more than %d groups", USERS_GROUPS_MAX);
	for (size_t i = 0; i < u->n_groups; i++)
		if (input_group(in, u->groups[i], err) != 0)
			return -1;
	in->user.name = (struct str){ xmemdup0(u->name.ptr, u->name.len),
		u->name.len };
	in->user.hash = (struct str){ xmemdup0(u->hash.ptr, u->hash.len),
		u->hash.len };
	return 0;
}

static void
input_fini(struct input *in)
{
	for (size_t i = 0; i < in->user.n_groups; i++)
		free((char *)in->groups[i].ptr);
	free((char *)in->user.name.ptr);
	free((char *)in->user.hash.ptr);
}

static enum users_edit_result
check_and_run(const char *path, const struct users_edit_user *u,
    const struct operation *op, struct err *err)
{
	struct input in;
	enum users_edit_result r = USERS_EDIT_BAD_INPUT;

	if (input_init(&in, u, op->hash, err) == 0)
		r = run(path, &in.user, op, err);
	input_fini(&in);
	return r;
}

enum users_edit_result
users_edit_add(const char *path, const struct users_edit_user *user,
    struct err *err)
{
	return check_and_run(path, user, &op_add, err);
}

enum users_edit_result
users_edit_set_hash(const char *path, struct str name, struct str hash,
    struct err *err)
{
	const struct users_edit_user u = { .name = name, .hash = hash };

	return check_and_run(path, &u, &op_set_hash, err);
}

enum users_edit_result
users_edit_delete(const char *path, struct str name, struct err *err)
{
	const struct users_edit_user u = { .name = name };

	return check_and_run(path, &u, &op_delete, err);
}
