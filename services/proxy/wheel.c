/* SPDX-License-Identifier: MIT */
#include "proxy/wheel.h"

void
wheel_init(struct wheel *w, uint64_t now)
{
	for (size_t i = 0; i < WHEEL_SLOTS; i++)
		list_init(&w->slots[i]);
	w->now = now;
	w->count = 0;
}

void
wheel_remove(struct wheel *w, struct wheel_entry *e)
{
	if (e->link.next == NULL)
		return;
	list_del(&e->link);
	e->link.next = NULL;
	w->count--;
}

/* Into the slot of its second, or the last one if that is too far. */
static void
place(struct wheel *w, struct wheel_entry *e)
{
	uint64_t last = w->now + WHEEL_SLOTS - 1, slot = e->due;

	if (slot <= w->now)
		slot = w->now + 1;
	if (slot > last)
		slot = last;
	list_push(&w->slots[slot % WHEEL_SLOTS], &e->link);
	w->count++;
}

void
wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t now, uint64_t due)
{
	wheel_remove(w, e);
	if (due == WHEEL_NEVER)
		return;
	if (w->count == 0 && now > w->now)
		w->now = now;
	e->due = due;
	place(w, e);
}

void
wheel_hurry(struct wheel *w)
{
	struct list all;

	list_init(&all);
	for (size_t i = 0; i < WHEEL_SLOTS; i++)
		list_move(&all, &w->slots[i]);
	list_for_each(l, &all)
		container_of(l, struct wheel_entry, link)->due = 0;
	list_move(&w->slots[(w->now + 1) % WHEEL_SLOTS], &all);
}

/* Each entry of the slot of w->now is due, or goes round again. */
static struct wheel_entry *
take_due(struct wheel *w)
{
	struct list *slot = &w->slots[w->now % WHEEL_SLOTS];

	while (!list_empty(slot)) {
		struct wheel_entry *e =
		    container_of(slot->next, struct wheel_entry, link);

		wheel_remove(w, e);
		if (e->due <= w->now)
			return e;
		place(w, e);
	}
	return NULL;
}

struct wheel_entry *
wheel_take(struct wheel *w, uint64_t now)
{
	struct wheel_entry *e = take_due(w);

	while (e == NULL && w->count > 0 && w->now < now) {
		w->now++;
		e = take_due(w);
	}
	return e;
}

uint64_t
wheel_next(const struct wheel *w)
{
	if (w->count == 0)
		return WHEEL_NEVER;
	for (uint64_t t = w->now; t < w->now + WHEEL_SLOTS; t++)
		if (!list_empty(&w->slots[t % WHEEL_SLOTS]))
			return t;
	return WHEEL_NEVER;
}
