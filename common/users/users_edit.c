/* SPDX-License-Identifier: MIT */
/*
 * After a change the text is parsed again and must say exactly what was wanted,
 * so that a spelling of TOML which is not understood here ends in an error and
 * not in a damaged file.
 */
#include "users/users_edit.h"

#include <string.h>

#include "users/users_change.h"
#include "users/users_impl.h"
#include "users/users_store.h"
#include "users/users_wish.h"

/* What may be done to a user. */
struct operation {
	/* NULL: of `line` alone. */
	enum users_edit_result (*change)(struct users_change *e,
	    const struct user *wish);
	enum users_line line;
	/* What the file shall say of him then; NULL: it shall not know him. */
	void (*expect)(struct user *u, const struct user *wish);
	bool there;	/* he must be there before, or must not */
};

/* ---- what must hold before and after ---- */

static void
expect_hash(struct user *u, const struct user *wish)
{
	u->hash = wish->hash;
}

static void
expect_groups(struct user *u, const struct user *wish)
{
	u->groups = wish->groups;
}

static void
expect_enabled(struct user *u, const struct user *wish)
{
	u->enabled = wish->enabled;
}

static void
expect_expires(struct user *u, const struct user *wish)
{
	u->expires_us = wish->expires_us;
}

static void
expect_sources(struct user *u, const struct user *wish)
{
	u->sources = wish->sources;
}

static void
expect_networks(struct user *u, const struct user *wish)
{
	u->networks = wish->networks;
}

static void
expect_limits(struct user *u, const struct user *wish)
{
	u->limits = wish->limits;
}

static void
expect_new(struct user *u, const struct user *wish)
{
	*u = *wish;
	u->enabled = true;
}

static const struct operation op_add = {
	.change = users_change_add, .expect = expect_new };
static const struct operation op_delete = {
	.change = users_change_delete, .there = true };
static const struct operation op_set_hash = {
	.line = USERS_LINE_HASH, .expect = expect_hash, .there = true };
static const struct operation op_set_groups = {
	.line = USERS_LINE_GROUPS, .expect = expect_groups, .there = true };
static const struct operation op_set_enabled = {
	.line = USERS_LINE_ENABLED, .expect = expect_enabled, .there = true };
static const struct operation op_set_expires = {
	.line = USERS_LINE_EXPIRES, .expect = expect_expires, .there = true };
static const struct operation op_set_sources = {
	.line = USERS_LINE_SOURCES, .expect = expect_sources, .there = true };
static const struct operation op_set_networks = {
	.line = USERS_LINE_NETWORKS, .expect = expect_networks, .there = true };
static const struct operation op_set_limits = {
	.line = USERS_LINE_LIMITS, .expect = expect_limits, .there = true };

static enum users_edit_result
bad_file(struct users_change *e, const struct users_notes *notes)
{
	(void)users_notes_err(notes, e->err);
	return USERS_EDIT_BAD_FILE;
}

/* The file as it is, in all forms; a file that is missing is empty. */
static enum users_edit_result
read_old(struct users_change *e)
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

/* NULL is a text of its own. */
static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
same_ranges(const struct cidr_list *a, const struct cidr_list *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (!cidr_covers(&a->v[i], &b->v[i]) ||
		    !cidr_covers(&b->v[i], &a->v[i]))
			return false;
	return a->n == b->n;
}

static bool
same_user(const struct user *u, const struct user *v)
{
	if (u == NULL || v == NULL || !str_eq(u->name, v->name) ||
	    !same_text(u->hash, v->hash) ||
	    !same_text(u->limits, v->limits) ||
	    u->groups.n != v->groups.n || u->enabled != v->enabled ||
	    u->expires_us != v->expires_us ||
	    !same_ranges(&u->sources, &v->sources) ||
	    !same_ranges(&u->networks, &v->networks))
		return false;
	for (size_t i = 0; i < u->groups.n; i++)
		if (strcmp(u->groups.v[i], v->groups.v[i]) != 0)
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

/* What the file shall say of him; NULL: nothing. Made in `u`, and borrows from
 * the file as it is and from the wish. */
static const struct user *
expected(struct user *u, const struct users_change *e, const struct user *wish,
    const struct operation *op)
{
	const struct user *old = users_file_find(e->file, wish->name);

	if (op->expect == NULL)
		return NULL;
	*u = old != NULL ? *old : (struct user){ 0 };
	op->expect(u, wish);
	return u;
}

static bool
is_as_wished(const struct users_change *e, const struct users_file *new,
    const struct user *wish, const struct operation *op)
{
	const struct user *old = users_file_find(e->file, wish->name);
	const struct user *found = users_file_find(new, wish->name);
	size_t others = users_file_count(e->file) - (old != NULL);
	struct user u;
	const struct user *right = expected(&u, e, wish, op);

	if (right != NULL ? !same_user(right, found) : found != NULL)
		return false;
	return users_file_count(new) == others + (found != NULL) &&
	    others_kept(e->file, new, wish->name);
}

static enum users_edit_result
check_new(struct users_change *e, const struct user *wish,
    const struct operation *op)
{
	struct users_notes notes = { .n_errors = 0 };
	enum users_edit_result r = USERS_EDIT_DONE;
	struct users_file *new;

	if (users_file_parse(&new, e->path,
	    (struct str){ e->next.ptr, e->next.len }, &notes) != 0) {
		r = bad_file(e, &notes);
	} else if (!is_as_wished(e, new, wish, op)) {
		(void)err_set(e->err, "%s: written in a way that is not "
		    "edited here; change it by hand", e->path);
		r = USERS_EDIT_BAD_FILE;
	}
	users_file_free(&new);
	users_notes_fini(&notes);
	return r;
}

/* ---- an edit ---- */

static enum users_edit_result
check_presence(struct users_change *e, struct str name, bool wanted)
{
	bool there = users_file_find(e->file, name) != NULL;

	if (there == wanted)
		return USERS_EDIT_DONE;
	(void)err_set(e->err, there ? "%s: there is a user %s already" :
	    "%s: there is no user %s", e->path, name.ptr);
	return there ? USERS_EDIT_EXISTS : USERS_EDIT_NOT_FOUND;
}

/* NULL: nobody has it. */
static const struct user *
owner_of(const struct users_file *f, const struct cidr *network)
{
	for (size_t i = 0; i < users_file_count(f); i++) {
		const struct user *u = users_file_at(f, i);

		if (users_networks_have(&u->networks, network))
			return u;
	}
	return NULL;
}

/* What reads the new text would find it too, but name the one of the two who
 * stands first there. */
static enum users_edit_result
check_networks(struct users_change *e, const struct user *wish)
{
	for (size_t i = 0; i < wish->networks.n; i++) {
		const struct cidr *network = &wish->networks.v[i];
		const struct user *owner = owner_of(e->file, network);
		char text[CIDR_TEXT_SIZE];

		if (owner == NULL || str_eq(owner->name, wish->name))
			continue;
		cidr_format(text, network);
		(void)err_set(e->err, "%s: %s is already a network of the "
		    "user %s", e->path, text, owner->name.ptr);
		return USERS_EDIT_EXISTS;
	}
	return USERS_EDIT_DONE;
}

/* However it is written. */
static bool
says_so_already(const struct users_change *e, const struct user *wish,
    const struct operation *op)
{
	struct user u;

	return same_user(expected(&u, e, wish, op),
	    users_file_find(e->file, wish->name));
}

static enum users_edit_result
change(struct users_store *store, struct users_change *e,
    const struct user *wish, const struct operation *op)
{
	enum users_edit_result r = read_old(e);

	if (r == USERS_EDIT_DONE)
		r = check_presence(e, wish->name, op->there);
	if (r == USERS_EDIT_DONE)
		r = check_networks(e, wish);
	if (r != USERS_EDIT_DONE || says_so_already(e, wish, op))
		return r;
	r = op->change != NULL ? op->change(e, wish) :
	    users_change_line(e, wish, op->line);
	if (r == USERS_EDIT_DONE)
		r = check_new(e, wish, op);
	if (r == USERS_EDIT_DONE && users_store_replace(store,
	    (struct str){ e->next.ptr, e->next.len }, e->err) != 0)
		r = USERS_EDIT_FAILED;
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
run(const char *path, const struct user *wish, const struct operation *op,
    struct err *err)
{
	struct users_change e = { .err = err };
	enum users_edit_result r;
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
	r = change(store, &e, wish, op);
	bytes_fini(&e.next);
	users_file_free(&e.file);
	tree_free(&e.tree);
	users_store_close(&store);
	return r;
}

/* ---- what may be asked ---- */

/* `ok`: whether the wish could be read; ends it. */
static enum users_edit_result
finish(const char *path, struct user *wish, bool ok,
    const struct operation *op, struct err *err)
{
	enum users_edit_result r = ok ? run(path, wish, op, err) :
	    USERS_EDIT_BAD_INPUT;

	users_user_fini(wish);
	return r;
}

/* A new user, but for his hash. */
static bool
wish_new(struct user *wish, const struct users_edit_user *user,
    struct err *err)
{
	return users_wish_name(wish, user->name, err) == 0 &&
	    users_wish_groups(wish, user->groups, user->n_groups,
		err) == 0 &&
	    users_wish_expires(wish, user->expires_us, err) == 0 &&
	    users_wish_sources(wish, user->sources, user->n_sources,
		err) == 0 &&
	    users_wish_networks(wish, user->networks, user->n_networks,
		err) == 0 &&
	    users_wish_limits(wish, user->limits, err) == 0;
}

enum users_edit_result
users_edit_check(const struct users_edit_user *user, struct err *err)
{
	struct user wish = { 0 };
	bool ok = wish_new(&wish, user, err);

	users_user_fini(&wish);
	return ok ? USERS_EDIT_DONE : USERS_EDIT_BAD_INPUT;
}

enum users_edit_result
users_edit_add(const char *path, const struct users_edit_user *user,
    struct err *err)
{
	struct user wish = { 0 };
	bool ok = wish_new(&wish, user, err) &&
	    users_wish_hash(&wish, user->hash, err) == 0;

	return finish(path, &wish, ok, &op_add, err);
}

enum users_edit_result
users_edit_set_hash(const char *path, struct str name, struct str hash,
    struct err *err)
{
	struct user wish = { 0 };
	bool ok = users_wish_name(&wish, name, err) == 0 &&
	    users_wish_hash(&wish, hash, err) == 0;

	return finish(path, &wish, ok, &op_set_hash, err);
}

enum users_edit_result
users_edit_set_groups(const char *path, struct str name,
    const struct str *groups, size_t n, struct err *err)
{
	struct user wish = { 0 };
	bool ok = users_wish_name(&wish, name, err) == 0 &&
	    users_wish_groups(&wish, groups, n, err) == 0;

	return finish(path, &wish, ok, &op_set_groups, err);
}

enum users_edit_result
users_edit_set_enabled(const char *path, struct str name, bool enabled,
    struct err *err)
{
	struct user wish = { .enabled = enabled };
	bool ok = users_wish_name(&wish, name, err) == 0;

	return finish(path, &wish, ok, &op_set_enabled, err);
}

enum users_edit_result
users_edit_set_expires(const char *path, struct str name, uint64_t expires_us,
    struct err *err)
{
	struct user wish = { 0 };
	bool ok = users_wish_name(&wish, name, err) == 0 &&
	    users_wish_expires(&wish, expires_us, err) == 0;

	return finish(path, &wish, ok, &op_set_expires, err);
}

enum users_edit_result
users_edit_set_sources(const char *path, struct str name,
    const struct str *sources, size_t n, struct err *err)
{
	struct user wish = { 0 };
	bool ok = users_wish_name(&wish, name, err) == 0 &&
	    users_wish_sources(&wish, sources, n, err) == 0;

	return finish(path, &wish, ok, &op_set_sources, err);
}

enum users_edit_result
users_edit_set_networks(const char *path, struct str name,
    const struct str *networks, size_t n, struct err *err)
{
	struct user wish = { 0 };
	bool ok = users_wish_name(&wish, name, err) == 0 &&
	    users_wish_networks(&wish, networks, n, err) == 0;

	return finish(path, &wish, ok, &op_set_networks, err);
}

enum users_edit_result
users_edit_set_limits(const char *path, struct str name, struct str limits,
    struct err *err)
{
	struct user wish = { 0 };
	bool ok = users_wish_name(&wish, name, err) == 0 &&
	    users_wish_limits(&wish, limits, err) == 0;

	return finish(path, &wish, ok, &op_set_limits, err);
}

enum users_edit_result
users_edit_delete(const char *path, struct str name, struct err *err)
{
	struct user wish = { 0 };
	bool ok = users_wish_name(&wish, name, err) == 0;

	return finish(path, &wish, ok, &op_delete, err);
}
