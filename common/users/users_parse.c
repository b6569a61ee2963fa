/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "users/users_impl.h"

static const struct users_key file_keys[] = {
	{ "users", NULL, false },
};

static const struct users_key *
find_key(const struct users_key *keys, size_t n, const char *name)
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
unknown_key(struct users_parser *p, const struct users_key *keys, size_t n,
    const struct node *value)
{
	struct str name = str_from(value->key);
	struct node at = key_of(value);
	char shown[128];
	struct text t = text_on(shown, sizeof(shown));
	const struct users_key *near = NULL;
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
		users_complain(p, &at, "passwords in clear text are not read: "
		    "use password_hash");
	else
		users_complain(p, &at, "unknown key %s%s%s%s", shown,
		    near != NULL ? "; did you mean " : "",
		    near != NULL ? near->name : "", near != NULL ? "?" : "");
}

static void
unsupported_key(struct users_parser *p, const struct node *value)
{
	struct node at = key_of(value);

	users_complain(p, &at, "%s is not supported in this release yet, it "
	    "would have no effect", value->key);
}

/* Reads all keys of a user, whatever fails, to report every error. */
static bool
read_keys(struct users_parser *p, const struct node *table, struct user *u)
{
	bool ok = true;

	for (size_t i = 0; i < table->n; i++) {
		const struct node *n = table->kids[i];
		const struct users_key *k = find_key(users_keys,
		    USERS_KEYS, n->key);

		if (k == NULL)
			unknown_key(p, users_keys, USERS_KEYS, n);
		else if (k->read == NULL)
			unsupported_key(p, n);
		else if (k->read(p, n, u))
			continue;
		ok = false;
	}
	for (size_t i = 0; i < USERS_KEYS; i++) {
		if (!users_keys[i].required ||
		    node_get(table, users_keys[i].name) != NULL)
			continue;
		users_complain(p, table, "%s is missing", users_keys[i].name);
		ok = false;
	}
	return ok;
}

void
users_user_fini(struct user *u)
{
	for (size_t i = 0; i < u->groups.n; i++)
		free(u->groups.v[i]);
	free(u->groups.v);
	free(u->sources.v);
	free(u->networks.v);
	free(u->limits);
	free(u->hash);
	free((char *)u->name.ptr);
}

void
users_entry_free(struct users_entry *e)
{
	users_user_fini(&e->user);
	free(e);
}

static bool
is_new(struct users_parser *p, const struct node *table, const struct user *u)
{
	const struct map_node *m = map_find(&p->file->by_name, u->name);

	if (m == NULL)
		return true;
	users_complain(p, node_get(table, "username"), "the user %s is "
	    "already in line %d", u->name.ptr,
	    container_of(m, struct users_entry, node)->line);
	return false;
}

static void
add_networks(struct users_parser *p, const struct node *table,
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
	users_complain(arg, &at, "%s is already a network of the user %s in "
	    "line %d", text, first->entry->user.name.ptr, first->line);
}

static void
read_user(struct users_parser *p, const struct node *table)
{
	struct users_file *f = p->file;
	struct users_entry *e;

	if (table->kind != NODE_TABLE) {
		users_complain(p, table, "expected a table, not %s",
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
read_users(struct users_parser *p, const struct node *list)
{
	if (list->kind != NODE_LIST) {
		users_complain(p, list, "expected [[users]], a list of "
		    "tables, not %s", node_kind_name(list));
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
	struct users_parser p = { .tree = t, .file = f, .notes = notes };

	for (size_t i = 0; i < t->root->n; i++) {
		const struct node *n = t->root->kids[i];

		if (strcmp(n->key, "users") == 0)
			read_users(&p, n);
		else
			unknown_key(&p, file_keys, ARRAY_LEN(file_keys), n);
	}
	users_networks_sort(f, network_twice, &p);
}
