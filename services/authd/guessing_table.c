/* SPDX-License-Identifier: MIT */
#include "authd/guessing_table.h"

#include <string.h>

void
guessing_table_init(struct guessing_table *t, size_t max, size_t key_max)
{
	ASSERT(max > 0);
	map_init(&t->map);
	list_init(&t->aged);
	list_init(&t->held);
	t->pool = pool_new(sizeof(struct guessing_entry) + key_max, max);
	t->max = max;
	t->key_max = key_max;
}

void
guessing_table_fini(struct guessing_table *t)
{
	ASSERT(list_empty(&t->held));
	while (!list_empty(&t->aged))
		guessing_table_drop(t, guessing_table_oldest(t));
	map_fini(&t->map);
	pool_free(&t->pool);
}

struct guessing_entry *
guessing_table_find(const struct guessing_table *t, struct str key)
{
	struct map_node *n = map_find(&t->map, key);

	return n == NULL ? NULL :
	    container_of(n, struct guessing_entry, node);
}

struct guessing_entry *
guessing_table_get(struct guessing_table *t, struct str key)
{
	struct guessing_entry *e = guessing_table_find(t, key);

	ASSERT(key.len <= t->key_max);
	if (e != NULL)
		return e;
	if (t->map.count >= t->max && !list_empty(&t->aged))
		guessing_table_drop(t, guessing_table_oldest(t));
	e = pool_get(t->pool);
	if (e == NULL)
		return NULL;
	if (key.len > 0)
		memcpy(e->key, key.ptr, key.len);
	list_push(&t->aged, &e->link);
	map_insert(&t->map, &e->node, (struct str){ e->key, key.len });
	return e;
}

void
guessing_table_hold(struct guessing_table *t, struct guessing_entry *e)
{
	if (e->open++ > 0)
		return;
	list_del(&e->link);
	list_push(&t->held, &e->link);
}

void
guessing_table_let_go(struct guessing_table *t, struct guessing_entry *e)
{
	ASSERT(e->open > 0);
	if (--e->open > 0)
		return;
	list_del(&e->link);
	list_push(&t->aged, &e->link);
}

struct guessing_entry *
guessing_table_oldest(const struct guessing_table *t)
{
	return list_empty(&t->aged) ? NULL :
	    container_of(t->aged.next, struct guessing_entry, link);
}

void
guessing_table_drop(struct guessing_table *t, struct guessing_entry *e)
{
	ASSERT(e->open == 0);
	map_remove(&t->map, &e->node);
	list_del(&e->link);
	pool_put(t->pool, e);
}
