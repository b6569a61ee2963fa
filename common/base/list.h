/* SPDX-License-Identifier: MIT */
/*
 * list: intrusive, doubly linked, circular. The list owns nothing.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

/* Head and link alike. A link that is in no list points at itself. */
struct list {
	struct list *next, *prev;
};

static inline void
list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool
list_empty(const struct list *l)
{
	return l->next == l;
}

/* Adds `n` as the last of `head`. */
static inline void
list_push(struct list *head, struct list *n)
{
	n->next = head;
	n->prev = head->prev;
	head->prev->next = n;
	head->prev = n;
}

/* Takes `n` out of its list; harmless when it is in none. */
static inline void
list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/* Takes out the first; NULL when empty. */
static inline struct list *
list_pop(struct list *head)
{
	struct list *n = head->next;

	if (n == head)
		return NULL;
	list_del(n);
	return n;
}

/* Moves all of `from` to the end of `head`; `from` is empty then. */
static inline void
list_move(struct list *head, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = head->prev;
	head->prev->next = from->next;
	from->prev->next = head;
	head->prev = from->prev;
	list_init(from);
}

#define list_for_each(it, head) \
	for (struct list *it = (head)->next; it != (head); it = it->next)
/* The body may take `it` out. */
#define list_for_each_safe(it, head)                                      \
	for (struct list *it = (head)->next, *it##_next = it->next;       \
	     it != (head); it = it##_next, it##_next = it->next)

#endif
