/* SPDX-License-Identifier: MIT */
#include "authd/groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#define NAME_MAX_LEN 255

/* ---- lists ---- */

static bool
can_be_named(struct str s)
{
	return s.len > 0 && s.len <= NAME_MAX_LEN && str_is_utf8(s) &&
	    str_is_printable(s);
}

static bool
has(const struct string_list *list, struct str name)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_eq_nocase(str_from(list->v[i]), name))
			return true;
	return false;
}

bool
groups_add(struct string_list *list, struct str name)
{
	if (!can_be_named(name) || has(list, name))
		return true;
	if (list->n >= GROUPS_MAX)
		return false;
	list->v = xreallocarray(list->v, list->n + 1, sizeof(*list->v));
	list->v[list->n++] = xmemdup0(name.ptr, name.len);
	return true;
}

bool
groups_join(struct string_list *list, const struct string_list *more)
{
	for (size_t i = 0; i < more->n; i++)
		if (!groups_add(list, str_from(more->v[i])))
			return false;
	return true;
}

void
groups_fini(struct string_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
	*list = (struct string_list){ 0 };
}

/* ---- memory ---- */

struct entry {
	struct map_node node;
	struct list used;	/* in `by_use`, the last used at the end */
	uint64_t until_ms;
	size_t n;		/* names */
	char text[];		/* the user, then the names, each with a NUL */
};

struct groups {
	struct map by_user;
	struct list by_use;
	size_t max;
};

struct groups *
groups_new(size_t max_users)
{
	struct groups *g = xcalloc(1, sizeof(*g));

	ASSERT(max_users > 0);
	map_init(&g->by_user);
	list_init(&g->by_use);
	g->max = max_users;
	return g;
}

static void
forget(struct groups *g, struct entry *e)
{
	map_remove(&g->by_user, &e->node);
	list_del(&e->used);
	free(e);
}

static struct entry *
find(const struct groups *g, struct str user)
{
	struct map_node *m = map_find(&g->by_user, user);

	return m == NULL ? NULL : container_of(m, struct entry, node);
}

bool
groups_get(struct groups *g, struct str user, uint64_t now_ms,
    struct string_list *out)
{
	struct entry *e = find(g, user);
	const char *name;

	if (e == NULL)
		return false;
	if (now_ms >= e->until_ms) {
		forget(g, e);
		return false;
	}
	list_del(&e->used);
	list_push(&g->by_use, &e->used);
	if (e->n > 0)
		out->v = xreallocarray(NULL, e->n, sizeof(*out->v));
	name = e->text + user.len + 1;
	for (out->n = 0; out->n < e->n; name += strlen(name) + 1)
		out->v[out->n++] = xstrdup(name);
	return true;
}

static size_t
size_of(struct str user, const struct string_list *names)
{
	size_t size = user.len + 1;

	for (size_t i = 0; i < names->n; i++)
		size += strlen(names->v[i]) + 1;
	return size;
}

static struct entry *
entry_new(struct str user, const struct string_list *names)
{
	struct entry *e = xmalloc(sizeof(*e) + size_of(user, names));
	char *at;

	*e = (struct entry){ .n = names->n };
	at = e->text;
	if (user.len > 0)
		at = mempcpy(at, user.ptr, user.len);
	*at++ = '\0';
	for (size_t i = 0; i < names->n; i++)
		at = stpcpy(at, names->v[i]) + 1;
	return e;
}

void
groups_put(struct groups *g, struct str user, const struct string_list *names,
    uint64_t until_ms)
{
	struct entry *e;

	ASSERT(names->n <= GROUPS_MAX);
	groups_drop(g, user);
	if (g->by_user.count == g->max)
		forget(g, container_of(g->by_use.next, struct entry, used));
	e = entry_new(user, names);
	e->until_ms = until_ms;
	map_insert(&g->by_user, &e->node, (struct str){ e->text, user.len });
	list_push(&g->by_use, &e->used);
}

void
groups_drop(struct groups *g, struct str user)
{
	struct entry *e = find(g, user);

	if (e != NULL)
		forget(g, e);
}

void
groups_flush(struct groups *g)
{
	list_for_each_safe (link, &g->by_use)
		forget(g, container_of(link, struct entry, used));
}

size_t
groups_count(const struct groups *g)
{
	return g->by_user.count;
}

void
groups_free(struct groups **gp)
{
	struct groups *g = *gp;

	*gp = NULL;
	if (g == NULL)
		return;
	groups_flush(g);
	map_fini(&g->by_user);
	free(g);
}
