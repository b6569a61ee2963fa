/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypt/passhash.h"
#include "users/users_impl.h"

struct parser {
	const struct tree *tree;
	struct users_file *file;
	struct users_notes *notes;
};

/* Reads one value into the user; false after it complained. */
typedef bool read_fn(struct parser *p, const struct node *n, struct user *u);

struct key {
	const char *name;
	read_fn *read;		/* NULL: known, but not in this release */
	bool required;
};

static void complain(struct parser *p, const struct node *n, const char *fmt,
    ...) PRINTF_LIKE(3, 4);

static void
complain(struct parser *p, const struct node *n, const char *fmt, ...)
{
	char raw[ERR_TEXT_MAX];
	struct text t = text_on(raw, sizeof(raw));
	struct err err;
	va_list ap;

	va_start(ap, fmt);
	text_vfmt(&t, fmt, ap);
	va_end(ap);
	(void)node_err(&err, p->tree, n, "%s", raw);
	users_notes_error(p->notes, "%s", err.text);
}

/* ---- values ---- */

bool
users_name_ok(struct str name)
{
	return name.len >= 1 && name.len <= USERS_NAME_MAX &&
	    str_is_utf8(name) && str_is_printable(name) &&
	    name.ptr[0] != ' ' && name.ptr[name.len - 1] != ' ';
}

static bool
expect_name(struct parser *p, const struct node *n)
{
	const char *s = node_string(n);

	if (s == NULL)
		complain(p, n, "expected a string, not %s", node_kind_name(n));
	else if (!users_name_ok(str_from(s)))
		complain(p, n, "expected a name of 1 to %d bytes, without "
		    "control characters, spaces at its ends or bytes that are "
		    "not UTF-8", USERS_NAME_MAX);
	else
		return true;
	return false;
}

static bool
read_name(struct parser *p, const struct node *n, struct user *u)
{
	if (!expect_name(p, n))
		return false;
	u->name.ptr = xstrdup(n->text);
	u->name.len = strlen(n->text);
	return true;
}

static bool
read_hash(struct parser *p, const struct node *n, struct user *u)
{
	const char *s = node_string(n);
	struct err err;

	if (s == NULL) {
		complain(p, n, "expected a string, not %s", node_kind_name(n));
		return false;
	}
	if (passhash_check(str_from(s), &err) != 0) {
		complain(p, n, "%s", err.text);
		return false;
	}
	u->hash = xstrdup(s);
	return true;
}

static bool
has_group(const struct user *u, const char *name)
{
	for (size_t i = 0; i < u->groups.n; i++)
		if (str_eq_nocase(str_from(u->groups.v[i]), str_from(name)))
			return true;
	return false;
}

static bool
read_groups(struct parser *p, const struct node *n, struct user *u)
{
	if (n->kind != NODE_LIST) {
		complain(p, n, "expected a list of group names, not %s",
		    node_kind_name(n));
		return false;
	}
	if (n->n > USERS_GROUPS_MAX) {
		complain(p, n, "%zu groups, more than %d", n->n,
		    USERS_GROUPS_MAX);
		return false;
	}
	u->groups.v = xcalloc(n->n + 1, sizeof(*u->groups.v));
	for (size_t i = 0; i < n->n; i++) {
		if (!expect_name(p, n->kids[i]))
			return false;
		if (has_group(u, n->kids[i]->text)) {
			complain(p, n->kids[i], "the group stands here twice");
			return false;
		}
		u->groups.v[u->groups.n++] = xstrdup(n->kids[i]->text);
	}
	return true;
}

static bool
read_enabled(struct parser *p, const struct node *n, struct user *u)
{
	if (node_bool(n, &u->enabled) == 0)
		return true;
	complain(p, n, "expected true or false");
	return false;
}

static bool
read_expires(struct parser *p, const struct node *n, struct user *u)
{
	bool kind = n->kind == NODE_DATETIME || n->kind == NODE_PLAIN;

	/* 0 would read as "never". */
	if (kind && clock_parse(n->text, strlen(n->text), &u->expires_us) == 0
	    && u->expires_us > 0)
		return true;
	complain(p, n, "expected a time with its offset from UTC, unquoted, "
	    "such as 2027-01-01T00:00:00Z");
	return false;
}

/* At least one, at most `max`; the file's size bounds what has no maximum. */
static bool
read_ranges(struct parser *p, const struct node *n, const char *absent,
    size_t max, struct cidr_list *out)
{
	struct err err;

	if (n->kind != NODE_LIST || n->n == 0) {
		complain(p, n, "expected a list of at least one address "
		    "range; leave the key out %s", absent);
		return false;
	}
	if (n->n > max) {
		complain(p, n, "%zu address ranges, more than %zu", n->n, max);
		return false;
	}
	out->v = xcalloc(n->n, sizeof(*out->v));
	for (size_t i = 0; i < n->n; i++) {
		const char *s = node_string(n->kids[i]);

		if (s == NULL)
			(void)err_set(&err, "expected a string such as "
			    "\"10.0.0.0/8\", not %s",
			    node_kind_name(n->kids[i]));
		else if (cidr_parse(&out->v[out->n], str_from(s), &err) == 0) {
			out->n++;
			continue;
		}
		complain(p, n->kids[i], "%s", err.text);
		return false;
	}
	return true;
}

static bool
read_sources(struct parser *p, const struct node *n, struct user *u)
{
	return read_ranges(p, n, "to allow any source", SIZE_MAX, &u->sources);
}

static bool
read_networks(struct parser *p, const struct node *n, struct user *u)
{
	return read_ranges(p, n, "where there is none", USERS_NETWORKS_MAX,
	    &u->networks);
}

static bool
is_class(const char *s)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t len = strlen(s);

	return len >= 1 && len <= USERS_LIMITS_MAX &&
	    strspn(s, allowed) == len;
}

static bool
read_limits(struct parser *p, const struct node *n, struct user *u)
{
	const char *s = node_string(n);

	if (s == NULL) {
		complain(p, n, "expected a string, not %s", node_kind_name(n));
		return false;
	}
	if (!is_class(s)) {
		complain(p, n, "expected the name of a limits class: 1 to %d "
		    "letters, digits, dots, hyphens or underscores",
		    USERS_LIMITS_MAX);
		return false;
	}
	u->limits = xstrdup(s);
	return true;
}

static const struct key user_keys[] = {
	{ "username", read_name, true },
	{ "password_hash", read_hash, false },
	{ "groups", read_groups, false },
	{ "enabled", read_enabled, false },
	{ "expires", read_expires, false },
	{ "sources", read_sources, false },
	{ "networks", read_networks, false },
	{ "limits", read_limits, false },
	{ "scopes", NULL, false },
	{ "certificate_names", NULL, false },
};

/* ---- tables ---- */

static const struct key file_keys[] = {
	{ "users", NULL, false },
};

static const struct key *
find_key(const struct key *keys, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static struct node
key_of(const struct node *n)
{
	struct node at = *n;

	at.line = n->key_line;
	at.column = n->key_column;
	return at;
}

static void
unknown_key(struct parser *p, const struct key *keys, size_t n,
    const struct node *value)
{
	struct str name = str_from(value->key);
	struct node at = key_of(value);
	char shown[128];
	struct text t = text_on(shown, sizeof(shown));
	const struct key *near = NULL;
	unsigned best = 4;

	for (size_t i = 0; i < n; i++) {
		unsigned d = str_distance(name, str_from(keys[i].name));

		if (d < best) {
			best = d;
			near = &keys[i];
		}
	}
	text_escaped(&t, name);
	if (strcmp(value->key, "password") == 0)
		complain(p, &at, "passwords in clear text are not read: use "
		    "password_hash");
	else
		complain(p, &at, "unknown key %s%s%s%s", shown,
		    near != NULL ? "; did you mean " : "",
		    near != NULL ? near->name : "", near != NULL ? "?" : "");
}

static void
unsupported_key(struct parser *p, const struct node *value)
{
	struct node at = key_of(value);

	complain(p, &at, "%s is not supported in this release yet, it would "
	    "have no effect", value->key);
}

/* Reads all keys of a user, whatever fails, to report every error. */
static bool
read_keys(struct parser *p, const struct node *table, struct user *u)
{
	bool ok = true;

	for (size_t i = 0; i < table->n; i++) {
		const struct node *n = table->kids[i];
		const struct key *k = find_key(user_keys,
		    ARRAY_LEN(user_keys), n->key);

		if (k == NULL)
			unknown_key(p, user_keys, ARRAY_LEN(user_keys), n);
		else if (k->read == NULL)
			unsupported_key(p, n);
		else if (k->read(p, n, u))
			continue;
		ok = false;
	}
	for (size_t i = 0; i < ARRAY_LEN(user_keys); i++) {
		if (!user_keys[i].required ||
		    node_get(table, user_keys[i].name) != NULL)
			continue;
		complain(p, table, "%s is missing", user_keys[i].name);
		ok = false;
	}
	return ok;
}

void
users_entry_free(struct users_entry *e)
{
	struct user *u = &e->user;

	for (size_t i = 0; i < u->groups.n; i++)
		free(u->groups.v[i]);
	free(u->groups.v);
	free(u->sources.v);
	free(u->networks.v);
	free(u->limits);
	free(u->hash);
	free((char *)u->name.ptr);
	free(e);
}

static bool
is_new(struct parser *p, const struct node *table, const struct user *u)
{
	const struct map_node *m = map_find(&p->file->by_name, u->name);

	if (m == NULL)
		return true;
	complain(p, node_get(table, "username"), "the user %s is already in "
	    "line %d", u->name.ptr,
	    container_of(m, struct users_entry, node)->line);
	return false;
}

static void
add_networks(struct parser *p, const struct node *table,
    const struct users_entry *e)
{
	const struct node *list = node_get(table, "networks");

	for (size_t i = 0; i < e->user.networks.n; i++)
		users_networks_add(p->file, &(struct users_network){
		    .cidr = e->user.networks.v[i], .entry = e,
		    .line = list->kids[i]->line,
		    .column = list->kids[i]->column });
}

static void
network_twice(void *arg, const struct users_network *first,
    const struct users_network *again)
{
	const struct node at = { .line = again->line,
		.column = again->column };
	char text[CIDR_TEXT_SIZE];

	cidr_format(text, &again->cidr);
	complain(arg, &at, "%s is already a network of the user %s in line %d",
	    text, first->entry->user.name.ptr, first->line);
}

static void
read_user(struct parser *p, const struct node *table)
{
	struct users_file *f = p->file;
	struct users_entry *e;

	if (table->kind != NODE_TABLE) {
		complain(p, table, "expected a table, not %s",
		    node_kind_name(table));
		return;
	}
	e = xcalloc(1, sizeof(*e));
	e->user.enabled = true;
	e->line = table->line;
	e->column = table->column;
	if (!read_keys(p, table, &e->user) || !is_new(p, table, &e->user)) {
		users_entry_free(e);
		return;
	}
	map_insert(&f->by_name, &e->node, e->user.name);
	f->v[f->n++] = e;
	add_networks(p, table, e);
}

static void
read_users(struct parser *p, const struct node *list)
{
	if (list->kind != NODE_LIST) {
		complain(p, list, "expected [[users]], a list of tables, not "
		    "%s", node_kind_name(list));
		return;
	}
	p->file->v = xcalloc(list->n + 1, sizeof(struct users_entry *));
	for (size_t i = 0; i < list->n; i++)
		read_user(p, list->kids[i]);
}

void
users_parse(struct users_file *f, const struct tree *t,
    struct users_notes *notes)
{
	struct parser p = { .tree = t, .file = f, .notes = notes };

	for (size_t i = 0; i < t->root->n; i++) {
		const struct node *n = t->root->kids[i];

		if (strcmp(n->key, "users") == 0)
			read_users(&p, n);
		else
			unknown_key(&p, file_keys, ARRAY_LEN(file_keys), n);
	}
	users_networks_sort(f, network_twice, &p);
}
