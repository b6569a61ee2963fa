/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "apid/users.h"
#include "helper.h"
#include "prom.h"

static struct users *users;
static struct bytes page;

static void
start(enum config_user_series series, char **list, size_t n, uint32_t top_n)
{
	const struct metrics_config c = { .user_series = series,
		.user_list = { list, n }, .user_top_n = top_n };

	users = users_new(&c);
	assert_non_null(users);
}

/* A user whose sums are the same in both windows. */
static void
add(const char *name, uint64_t sessions, uint64_t up, uint64_t down)
{
	const struct query_user_sum s = { sessions, up, down };
	const struct query_user u = { str_from(name), s, s };

	users_add(users, &u);
}

static void
show(void)
{
	bytes_clear(&page);
	users_expose(users, &page, "x");
	bytes_add(&page, "", 1);
	prom_check(page.ptr);
}

static double
sessions(const char *user)
{
	char name[2048];

	snprintf(name, sizeof(name), "x_user_sessions_total{user=\"%s\"}",
	    user);
	return prom_value(page.ptr, name);
}

static double
bytes_of(const char *user, const char *direction)
{
	char name[256];

	snprintf(name, sizeof(name), "x_user_bandwidth_bytes_total"
	    "{user=\"%s\",direction=\"%s\"}", user, direction);
	return prom_value(page.ptr, name);
}

static bool
shows(const char *user)
{
	char name[256];

	snprintf(name, sizeof(name), "{user=\"%s\"", user);
	return strstr(page.ptr, name) != NULL;
}

static int
teardown(void **state)
{
	(void)state;
	users_free(&users);
	bytes_fini(&page);
	page = (struct bytes){ 0 };
	return 0;
}

static void
off_is_nothing(void **state)
{
	const struct metrics_config c = { .user_top_n = 20 };

	(void)state;
	assert_null(users_new(&c));
}

static void
a_list_counts_growth_and_the_rest(void **state)
{
	char *list[] = { "alice", "bob", "alice", "", "__other__", "\xff" };

	(void)state;
	start(CONFIG_USER_SERIES_LIST, list, ARRAY_LEN(list), 20);
	show();
	assert_string_equal(page.ptr, "");
	users_begin(users);
	add("carol", 100, 1000, 1000);
	add("alice", 10, 100, 200);
	users_end(users);
	show();
	assert_int_equal(prom_check(page.ptr), 9);
	assert_true(sessions("alice") == 0 && sessions("bob") == 0 &&
	    sessions(USERS_REST) == 0);
	users_begin(users);
	add("carol", 105, 1000, 1007);
	add("alice", 11, 150, 200);
	add("bob", 2, 3, 4);
	add("__other__", 1, 0, 0);
	users_end(users);
	show();
	assert_true(sessions("alice") == 1 && sessions("bob") == 2);
	assert_true(sessions(USERS_REST) == 6);
	assert_true(bytes_of("alice", "sent") == 50 &&
	    bytes_of("alice", "received") == 0);
	assert_true(bytes_of("bob", "sent") == 3 &&
	    bytes_of(USERS_REST, "received") == 7);
	assert_false(shows("carol"));
}

static void
a_moving_window_loses_nothing(void **state)
{
	char *list[] = { "alice" };
	struct query_user u = { STR("alice"), { 10, 0, 0 }, { 4, 0, 0 } };

	(void)state;
	start(CONFIG_USER_SERIES_LIST, list, 1, 20);
	for (int i = 0; i < 2; i++) {
		users_begin(users);
		users_add(users, &u);
		users_end(users);
		/* One more than the 4 that the next window held. */
		u.grown.sessions = 5;
		u.sum.sessions = 3;
	}
	show();
	assert_true(sessions("alice") == 1);
	/* All of them left the window. */
	users_begin(users);
	users_end(users);
	show();
	assert_true(sessions("alice") == 1 && sessions(USERS_REST) == 0);
}

static void
a_round_that_fails_changes_nothing(void **state)
{
	(void)state;
	start(CONFIG_USER_SERIES_TOP, NULL, 0, 2);
	users_begin(users);
	add("alice", 5, 0, 0);
	users_end(users);
	for (int i = 0; i < 3; i++) {
		users_begin(users);
		add("alice", 7, 0, 0);
		add("bob", 7, 0, 0);
	}
	show();
	assert_true(sessions("alice") == 0 && !shows("bob"));
	users_end(users);
	show();
	assert_true(sessions("alice") == 2 && sessions("bob") == 0 &&
	    sessions(USERS_REST) == 7);
}

static void
who_enters_the_top_counts_from_then(void **state)
{
	(void)state;
	start(CONFIG_USER_SERIES_TOP, NULL, 0, 1);
	users_begin(users);
	add("alice", 9, 0, 0);
	add("bob", 8, 0, 0);
	users_end(users);
	users_begin(users);
	add("bob", 20, 0, 0);
	add("alice", 10, 0, 0);
	users_end(users);
	users_begin(users);
	add("bob", 23, 0, 0);
	add("alice", 11, 0, 0);
	users_end(users);
	show();
	/* Bob's first twelve went to the rest and stay there. */
	assert_true(sessions("alice") == 2 && sessions("bob") == 3 &&
	    sessions(USERS_REST) == 12);
}

static void
only_the_least_active_gives_way(void **state)
{
	char name[16];

	(void)state;
	start(CONFIG_USER_SERIES_TOP, NULL, 0, USERS_MAX + 9);
	users_begin(users);
	for (int i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		add(name, (uint64_t)(100 - i), 0, 0);
	}
	users_end(users);
	show();
	assert_int_equal(prom_check(page.ptr), 3 * (USERS_MAX + 1));
	assert_true(shows("user48") && !shows("user49"));
	users_begin(users);
	add("newcomer", 500, 0, 0);
	for (int i = 48; i >= 0; i--) {
		snprintf(name, sizeof(name), "user%d", i);
		add(name, 200, 0, 0);
	}
	users_end(users);
	show();
	assert_true(shows("newcomer") && !shows("user0") && shows("user48"));
	assert_int_equal(prom_check(page.ptr), 3 * (USERS_MAX + 1));
}

static void
the_idle_and_the_ill_named_do_not_enter(void **state)
{
	(void)state;
	start(CONFIG_USER_SERIES_TOP, NULL, 0, 20);
	users_begin(users);
	add("__other__", 5, 0, 0);
	add("\xc3(", 4, 0, 0);
	add("a\"b\\c\nd", 3, 0, 0);
	add("guessed", 0, 0, 0);
	users_end(users);
	show();
	assert_int_equal(prom_check(page.ptr), 6);
	assert_true(sessions("a\\\"b\\\\c\\nd") == 0 && !shows("guessed"));
}

/* ---- the question to the database ---- */

static void
add_one(void *arg, const struct query_user *u)
{
	(void)arg;
	users_add(users, u);
}

static void
ask(struct query *q, uint64_t now_us, uint64_t *window)
{
	users_begin(users);
	assert_int_equal(query_users(q, now_us, window, add_one, NULL),
	    QUERY_OK);
	users_end(users);
	show();
}

static void
sessions_of_any_length_are_counted_once(void **state)
{
#define ENDED BASE_ROLLUP \
	"(1, us(%llu), 'user9', 1, 1, 0, 0, 1, 0, 0, 50, 60, 0)"
	const uint64_t hour = UINT64_C(3600000000);
	char *list[] = { "user9" };
	uint64_t window = 0, now = SEED_NOW_US;
	struct query *q;
	struct base b;

	(void)state;
	base_open(&b);
	q = query_new(b.source);
	start(CONFIG_USER_SERIES_LIST, list, 1, 20);
	base_add_active(&b, 0, 1);
	base_run(&b, "UPDATE session_active SET username = 'user9',"
	    " bytes_up = 10, bytes_down = 20");
	ask(q, now, &window);
	assert_int_equal(window % hour, 0);
	base_run(&b, "UPDATE session_active SET bytes_up = 45");
	/* Days later it is in the window still, and ends. */
	now += 72 * hour;
	ask(q, now, &window);
	assert_true(window <= SEED_NOW_US);
	assert_true(bytes_of("user9", "sent") == 35);
	base_run(&b, "DELETE FROM session_active");
	base_run(&b, ENDED, (unsigned long long)(SEED_NOW_US -
	    SEED_NOW_US % hour));
	for (int i = 0; i < 3; i++)
		ask(q, now += hour, &window);
	assert_true(window > SEED_NOW_US);
	assert_true(bytes_of("user9", "sent") == 40);
	assert_true(bytes_of("user9", "received") == 40);
	assert_true(sessions("user9") == 0);
	/* A new one, and one that was refused. */
	base_run(&b, ENDED, (unsigned long long)(now - now % hour));
	base_run(&b, BASE_ROLLUP "(1, us(%llu), 'eve', 7, 0, 0, 7, 0, 7, 0,"
	    " 0, 0, 0)", (unsigned long long)(now - now % hour));
	ask(q, now, &window);
	assert_true(sessions("user9") == 1 && sessions(USERS_REST) == 0);
	query_free(&q);
	base_close(&b);
}

#define TEST(f) cmocka_unit_test_teardown(f, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(off_is_nothing),
		TEST(a_list_counts_growth_and_the_rest),
		TEST(a_moving_window_loses_nothing),
		TEST(a_round_that_fails_changes_nothing),
		TEST(who_enters_the_top_counts_from_then),
		TEST(only_the_least_active_gives_way),
		TEST(the_idle_and_the_ill_named_do_not_enter),
		TEST(sessions_of_any_length_are_counted_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
