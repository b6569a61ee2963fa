/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/list.h"

struct item {
	char name;
	struct list link;
};

static struct item items[5] = { { 'a', { 0 } }, { 'b', { 0 } }, { 'c', { 0 } },
	{ 'd', { 0 } }, { 'e', { 0 } } };

static struct item *
item_of(struct list *l)
{
	return container_of(l, struct item, link);
}

/* Forwards and backwards the list reads as `names`. */
static void
check(struct list *head, const char *names)
{
	size_t n = 0;

	list_for_each(it, head)
		assert_int_equal(item_of(it)->name, names[n++]);
	assert_int_equal(n, strlen(names));
	for (struct list *l = head->prev; l != head; l = l->prev)
		assert_int_equal(item_of(l)->name, names[--n]);
	assert_int_equal(list_empty(head), names[0] == '\0');
}

static void
test_push_pop_del(void **state)
{
	struct list head;
	int i;

	(void)state;
	list_init(&head);
	check(&head, "");
	assert_null(list_pop(&head));
	for (i = 0; i < 4; i++)
		list_push(&head, &items[i].link);
	check(&head, "abcd");
	list_del(&items[1].link);
	check(&head, "acd");
	list_del(&items[1].link);
	check(&head, "acd");
	assert_int_equal(item_of(list_pop(&head))->name, 'a');
	check(&head, "cd");
	list_for_each_safe(it, &head)
		list_del(it);
	check(&head, "");
}

static void
test_move(void **state)
{
	struct list a, b;

	(void)state;
	list_init(&a);
	list_init(&b);
	list_move(&a, &b);
	check(&a, "");
	list_push(&b, &items[2].link);
	list_push(&b, &items[3].link);
	list_move(&a, &b);
	check(&a, "cd");
	check(&b, "");
	list_push(&b, &items[0].link);
	list_move(&a, &b);
	check(&a, "cda");
	list_move(&a, &b);
	check(&a, "cda");
	list_push(&b, &items[4].link);
	check(&b, "e");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_push_pop_del),
		cmocka_unit_test(test_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
