/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "audit/record.h"
#include "authd/groups.h"

/* Names with a comma between. */
static void
assert_names(const struct string_list *list, const char *want)
{
	char array[1024];
	struct text t = text_on(array, sizeof(array));

	for (size_t i = 0; i < list->n; i++)
		text_fmt(&t, "%s%s", i > 0 ? "," : "", list->v[i]);
	assert_string_equal(array, want);
}

static void
add(struct string_list *list, const char *name)
{
	assert_true(groups_add(list, str_from(name)));
}

static void
fill(struct string_list *list, unsigned n)
{
	char name[16];

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "group%u", i);
		add(list, name);
	}
}

/* ---- lists ---- */

static void
each_name_is_there_once(void **state)
{
	struct string_list file = { 0 }, nss = { 0 };

	(void)state;
	add(&file, "staff");
	add(&file, "Admins");
	add(&file, "STAFF");
	assert_names(&file, "staff,Admins");
	add(&nss, "Staff");
	add(&nss, "Developers@ad.example");
	add(&nss, "domain users");
	add(&nss, "admin");
	assert_true(groups_join(&file, &nss));
	assert_names(&file,
	    "staff,Admins,Developers@ad.example,domain users,admin");
	groups_fini(&file);
	groups_fini(&nss);
	assert_true(groups_join(&file, &nss));
	assert_names(&file, "");
	groups_fini(&file);	/* harmless */
}

/* Only that of ASCII. */
static void
case_is_that_of_ascii(void **state)
{
	struct string_list l = { 0 };

	(void)state;
	add(&l, "\xc3\xa4rzte");
	add(&l, "\xc3\x84rzte");
	add(&l, "a[b");
	add(&l, "a{b");
	assert_int_equal(l.n, 4);
	groups_fini(&l);
}

static void
what_no_policy_can_name_is_left_out(void **state)
{
	char longest[257];
	struct string_list l = { 0 };

	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_true(groups_add(&l, (struct str){ longest, 256 }));
	assert_true(groups_add(&l, (struct str){ NULL, 0 }));
	assert_true(groups_add(&l, (struct str){ "a\0b", 3 }));
	add(&l, "a\nb");
	add(&l, "\xff");
	assert_names(&l, "");
	assert_true(groups_add(&l, (struct str){ longest, 255 }));
	add(&l, " space ");
	assert_int_equal(l.n, 2);
	assert_int_equal(strlen(l.v[0]), 255);
	groups_fini(&l);
}

static void
too_many_are_told(void **state)
{
	struct string_list l = { 0 }, more = { 0 };

	(void)state;
	assert_int_equal(GROUPS_MAX, RECORD_GROUPS_MAX);
	fill(&l, GROUPS_MAX);
	/* What is there needs no room, and what cannot be named neither. */
	add(&l, "GROUP0");
	add(&l, "");
	fill(&more, GROUPS_MAX);
	assert_true(groups_join(&l, &more));
	assert_false(groups_add(&l, STR("one more")));
	groups_fini(&more);
	add(&more, "group1");
	add(&more, "one more");
	assert_false(groups_join(&l, &more));
	assert_int_equal(l.n, GROUPS_MAX);
	groups_fini(&l);
	groups_fini(&more);
}

/* ---- memory ---- */

/* `want` NULL: nothing is known. */
static void
knows(struct groups *g, const char *user, uint64_t now_ms, const char *want)
{
	struct string_list l = { 0 };

	assert_int_equal(groups_get(g, str_from(user), now_ms, &l),
	    want != NULL);
	assert_names(&l, want != NULL ? want : "");
	groups_fini(&l);
}

static void
put(struct groups *g, const char *user, const char *name, uint64_t until_ms)
{
	struct string_list l = { 0 };

	add(&l, name);
	groups_put(g, str_from(user), &l, until_ms);
	groups_fini(&l);
}

static void
remembers_and_replaces(void **state)
{
	struct groups *g = groups_new(4);
	struct string_list l = { 0 };

	(void)state;
	knows(g, "alice", 0, NULL);
	put(g, "alice", "staff", 100);
	put(g, "bob", "guests", 100);
	knows(g, "alice", 0, "staff");
	knows(g, "Alice", 0, NULL);
	knows(g, "bob", 0, "guests");
	add(&l, "one");
	add(&l, "two");
	groups_put(g, STR("alice"), &l, 100);
	groups_fini(&l);
	knows(g, "alice", 0, "one,two");
	assert_int_equal(groups_count(g), 2);
	groups_free(&g);
	groups_free(&g);	/* harmless */
}

/* Or they would be looked up at each login. */
static void
no_groups_are_remembered_too(void **state)
{
	const struct string_list none = { 0 };
	struct groups *g = groups_new(4);

	(void)state;
	groups_put(g, STR("alice"), &none, 100);
	knows(g, "alice", 99, "");
	groups_put(g, STR(""), &none, 100);
	knows(g, "", 99, "");
	groups_free(&g);
}

static void
a_full_list_is_whole(void **state)
{
	struct groups *g = groups_new(1);
	struct string_list l = { 0 }, out = { 0 };

	(void)state;
	fill(&l, GROUPS_MAX);
	groups_put(g, STR("alice"), &l, 100);
	assert_true(groups_get(g, STR("alice"), 0, &out));
	assert_int_equal(out.n, GROUPS_MAX);
	for (size_t i = 0; i < GROUPS_MAX; i++)
		assert_string_equal(out.v[i], l.v[i]);
	groups_fini(&l);
	groups_fini(&out);
	groups_free(&g);
}

static void
forgets_in_time(void **state)
{
	struct groups *g = groups_new(4);

	(void)state;
	put(g, "alice", "staff", 100);
	knows(g, "alice", 99, "staff");
	knows(g, "alice", 100, NULL);
	assert_int_equal(groups_count(g), 0);
	put(g, "alice", "staff", 200);
	knows(g, "alice", 100, "staff");
	groups_free(&g);
}

static void
the_least_used_goes_first(void **state)
{
	struct groups *g = groups_new(2);

	(void)state;
	put(g, "alice", "a", 100);
	put(g, "bob", "b", 100);
	knows(g, "alice", 0, "a");
	put(g, "carol", "c", 100);
	knows(g, "bob", 0, NULL);
	put(g, "alice", "aa", 100);	/* replaces: nobody has to go */
	knows(g, "carol", 0, "c");
	knows(g, "alice", 0, "aa");
	assert_int_equal(groups_count(g), 2);
	groups_free(&g);
}

static void
forgets_on_demand(void **state)
{
	struct groups *g = groups_new(4);

	(void)state;
	put(g, "alice", "a", 100);
	put(g, "bob", "b", 100);
	groups_drop(g, STR("alice"));
	groups_drop(g, STR("nobody"));
	knows(g, "alice", 0, NULL);
	knows(g, "bob", 0, "b");
	groups_flush(g);
	knows(g, "bob", 0, NULL);
	assert_int_equal(groups_count(g), 0);
	put(g, "bob", "again", 100);
	knows(g, "bob", 0, "again");
	groups_free(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_name_is_there_once),
		cmocka_unit_test(case_is_that_of_ascii),
		cmocka_unit_test(what_no_policy_can_name_is_left_out),
		cmocka_unit_test(too_many_are_told),
		cmocka_unit_test(remembers_and_replaces),
		cmocka_unit_test(no_groups_are_remembered_too),
		cmocka_unit_test(a_full_list_is_whole),
		cmocka_unit_test(forgets_in_time),
		cmocka_unit_test(the_least_used_goes_first),
		cmocka_unit_test(forgets_on_demand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
