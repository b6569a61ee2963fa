/* SPDX-License-Identifier: MIT */
/* What administrators ask of guessing: who has to wait, and let him go on. */
#include <string.h>

#include "authd/guessing_impl.h"

static struct str
user_of(struct str pair)
{
	return guessing_key(GUESSING_USER, pair);
}

static struct str
source_of(struct str pair)
{
	return guessing_key(GUESSING_SOURCE, pair);
}

static bool
has_failed(const struct guessing_entry *e)
{
	return e->failures > 0 || e->debt > 0;
}

static struct guessing_row
row_of(struct guessing *g, const struct guessing_entry *e, uint64_t now_ms)
{
	struct guessing_row row = {
		.user = user_of(e->node.key),
		.failures = e->failures,
		.age_ms = guessing_since(e->touched_ms, now_ms),
	};
	enum guessing_scope scope;

	memcpy(row.source.b, e->node.key.ptr, GUESSING_SOURCE_LEN);
	row.wait_ms = guessing_wait(g, e->node.key, now_ms, &scope);
	return row;
}

/* false: enough. */
static bool
list_backwards(struct guessing *g, struct list *head, struct str user,
    uint64_t now_ms, guessing_row_fn *each, void *arg)
{
	for (struct list *it = head->prev; it != head; it = it->prev) {
		const struct guessing_entry *e = container_of(it,
		    struct guessing_entry, link);
		struct guessing_row row;

		if (e->failures == 0 || guessing_is_old(g, e, now_ms) ||
		    (user.len > 0 &&
		    !str_eq_nocase(user, user_of(e->node.key))))
			continue;
		row = row_of(g, e, now_ms);
		if (!each(arg, &row))
			return false;
	}
	return true;
}

void
guessing_list(struct guessing *g, struct str user, uint64_t now_ms,
    guessing_row_fn *each, void *arg)
{
	struct guessing_table *t = &g->tables[GUESSING_PAIR];

	if (list_backwards(g, &t->held, user, now_ms, each, arg))
		(void)list_backwards(g, &t->aged, user, now_ms, each, arg);
}

/* Is the entry one of those that unlocking means? */
static bool
is_meant(int table, struct str key, struct str user,
    const struct str *source)
{
	switch (table) {
	case GUESSING_USER:
		return user.len > 0 ? str_eq(key, user) : source == NULL;
	case GUESSING_SOURCE:
		return source != NULL ? str_eq(key, *source) : user.len == 0;
	case GUESSING_TOTAL:
		return user.len == 0 && source == NULL;
	default:
		return (user.len == 0 || str_eq(user_of(key), user)) &&
		    (source == NULL || str_eq(source_of(key), *source));
	}
}

static size_t
unlock_in(struct guessing_table *t, int table, struct str user,
    const struct str *source)
{
	size_t n = 0;

	list_for_each (it, &t->held) {
		struct guessing_entry *e = container_of(it,
		    struct guessing_entry, link);

		if (!is_meant(table, e->node.key, user, source))
			continue;
		n += has_failed(e);
		guessing_forgive(e);
	}
	list_for_each_safe (it, &t->aged) {
		struct guessing_entry *e = container_of(it,
		    struct guessing_entry, link);

		if (!is_meant(table, e->node.key, user, source))
			continue;
		n += has_failed(e);
		guessing_forgive(e);
		if (table != GUESSING_KNOWN)
			guessing_table_drop(t, e);
	}
	return n;
}

size_t
guessing_unlock(struct guessing *g, struct str user,
    const struct addr *source)
{
	const struct addr nowhere = { 0 };
	char bytes[GUESSING_PAIR_MAX];
	const struct str pair = guessing_pair(bytes, user,
	    source != NULL ? source : &nowhere);
	const struct str key = source_of(pair);
	size_t n = 0;

	for (int table = 0; table < GUESSING_TABLES; table++)
		n += unlock_in(&g->tables[table], table,
		    user_of(pair), source != NULL ? &key : NULL);
	return n;
}

struct guessing_counts
guessing_count(const struct guessing *g)
{
	return (struct guessing_counts){
		.users = g->tables[GUESSING_USER].map.count,
		.sources = g->tables[GUESSING_SOURCE].map.count,
		.pairs = g->tables[GUESSING_PAIR].map.count,
		.known = g->tables[GUESSING_KNOWN].map.count,
	};
}
