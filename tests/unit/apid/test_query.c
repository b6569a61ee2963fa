/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "helper.h"

#define ROWS 3000u

static struct base base;
static struct query *query;

static int
setup(void **state)
{
	(void)state;
	base_open(&base);
	base_add_ended(&base, 0, ROWS);
	query = query_new(base.source);
	query_source_set_timeout(base.source, 20000);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	query_free(&query);
	base_close(&base);
	return 0;
}

/* ---- collecting ---- */

struct collected {
	struct id ids[2 * ROWS];
	uint64_t started[2 * ROWS];
	size_t n;
};

static void
on_row(void *arg, const struct query_session *s)
{
	struct collected *c = arg;

	assert_true(c->n < ARRAY_LEN(c->ids));
	c->started[c->n] = s->started_us;
	c->ids[c->n++] = s->id;
}

/* All pages of a question; how many there were. */
static unsigned
collect(struct query_filter *f, struct collected *out)
{
	struct query_page page;
	unsigned pages = 0;

	out->n = 0;
	do {
		assert_int_equal(query_sessions(query, f, on_row, out, &page),
		    QUERY_OK);
		f->after = true;
		f->key = page.last;
		pages++;
	} while (page.more);
	return pages;
}

static int
newest_first(const void *a, const void *b)
{
	const struct seed *x = a, *y = b;

	if (x->started_us != y->started_us)
		return x->started_us < y->started_us ? 1 : -1;
	return -memcmp(x->id.b, y->id.b, sizeof(x->id.b));
}

static size_t
model(const struct query_filter *f, struct seed *out)
{
	size_t n = 0;

	for (unsigned i = 0; i < ROWS; i++) {
		struct seed s = seed_of(i);

		if (seed_matches(&s, f))
			out[n++] = s;
	}
	qsort(out, n, sizeof(*out), newest_first);
	return n;
}

static void
filters_agree_with_the_model(void **state)
{
	static struct collected got;
	static struct seed want[ROWS];
	static const unsigned limits[] = { 1000, 97 };

	(void)state;
	for (size_t i = 0; i < filter_cases_n; i++)
		for (size_t l = 0; l < ARRAY_LEN(limits); l++) {
			struct query_filter f = filter_of(&filter_cases[i],
			    limits[l]);
			size_t n = model(&f, want);

			collect(&f, &got);
			if (got.n != n)
				fail_msg("%s: %zu rows, the model has %zu",
				    filter_cases[i].name, got.n, n);
			for (size_t k = 0; k < n; k++)
				if (!id_eq(&got.ids[k], &want[k].id))
					fail_msg("%s: row %zu differs",
					    filter_cases[i].name, k);
		}
}

/* ---- pages ---- */

static void
pages_are_stable_under_inserts(void **state)
{
	struct query_filter f = filter_of(&filter_cases[0], 100);
	static struct collected got;
	struct query_page page;
	unsigned added = ROWS;

	(void)state;
	/* Rows that are newer than all: row numbers count back in time. */
	got.n = 0;
	do {
		assert_int_equal(query_sessions(query, &f, on_row, &got,
		    &page), QUERY_OK);
		f.after = true;
		f.key = page.last;
		base_add_newest(&base);
		added++;
	} while (page.more);
	assert_int_equal(got.n, ROWS);
	assert_true(added > ROWS + 20);
	for (size_t i = 1; i < got.n; i++)
		assert_true(got.started[i] < got.started[i - 1] ||
		    (got.started[i] == got.started[i - 1] &&
		    memcmp(got.ids[i].b, got.ids[i - 1].b, 16) < 0));
}

static void
the_last_page_says_so(void **state)
{
	static struct collected got;
	struct query_filter f = filter_of(&filter_cases[0], 1000);

	(void)state;
	assert_int_equal(collect(&f, &got), ROWS / 1000);
	f = filter_of(&filter_cases[3], 1000);
	assert_int_equal(collect(&f, &got), 1);
	assert_int_equal(got.n, 0);
}

static void
a_page_examines_a_bounded_number_of_rows(void **state)
{
	static const struct filter_case port = { "", NULL,
		{ N(0, DEST_PORT, 443) }, 1, 0, INT64_MAX };
	struct query_filter f = filter_of(&port, 1000);
	static struct collected got;
	struct query_page page;

	(void)state;
	base_add_many(&base, QUERY_EXAMINED_MAX + 10000);
	got.n = 0;
	assert_int_equal(query_sessions(query, &f, on_row, &got, &page),
	    QUERY_OK);
	assert_int_equal(got.n, 0);
	assert_true(page.more);
	f.after = true;
	f.key = page.last;
	assert_int_equal(query_sessions(query, &f, on_row, &got, &page),
	    QUERY_OK);
	assert_int_equal(got.n, 1000);
}

static void
a_long_statement_is_ended(void **state)
{
	static const struct filter_case port = { "", NULL,
		{ N(0, DEST_PORT, 1) }, 1, 0, INT64_MAX };
	struct query_filter f = filter_of(&port, 1000);
	static struct collected got;
	struct query_page page;

	(void)state;
	base_add_many(&base, QUERY_EXAMINED_MAX);
	query_source_set_timeout(base.source, 0);
	assert_int_equal(query_sessions(query, &f, on_row, &got, &page),
	    QUERY_TIMEOUT);
	query_source_set_timeout(base.source, 20000);
	assert_int_equal(query_sessions(query, &f, on_row, &got, &page),
	    QUERY_OK);
	query_source_stop(base.source);
	assert_int_equal(query_sessions(query, &f, on_row, &got, &page),
	    QUERY_UNAVAILABLE);
}

/* ---- one ---- */

static void
on_one(void *arg, const struct query_session *s)
{
	struct query_session *out = arg;

	*out = *s;
	out->user = out->groups = out->source_ip = (struct str){ "", 0 };
	assert_true(str_eq(s->groups, STR("[\"staff\"]")) || s->active);
}

static void
a_session_is_found_by_its_id(void **state)
{
	struct seed ended = seed_of(5), active = seed_of(ROWS + 1);
	struct query_session s;
	struct id none = id_new_v7();

	(void)state;
	base_add_active(&base, ROWS, ROWS + 3);
	assert_int_equal(query_session(query, &ended.id, on_one, &s),
	    QUERY_OK);
	assert_false(s.active);
	assert_true(id_eq(&s.id, &ended.id));
	assert_int_equal(s.ended_us, ended.started_us + 1500000);
	assert_int_equal(s.setup_us, 2500);
	assert_true(s.last_contact_us == QUERY_NULL);
	assert_int_equal(query_session(query, &active.id, on_one, &s),
	    QUERY_OK);
	assert_true(s.active);
	assert_true(s.ended_us == QUERY_NULL);
	assert_int_equal(s.last_contact_us, SEED_NOW_US);
	assert_int_equal(query_session(query, &none, on_one, &s), QUERY_NONE);
}

static void
active_sessions_come_newest_first(void **state)
{
	struct query_filter f = { .active = true, .limit = 7 };
	static struct collected got;

	(void)state;
	base_add_active(&base, ROWS, ROWS + 20);
	assert_int_equal(collect(&f, &got), 3);
	assert_int_equal(got.n, 20);
	for (size_t i = 1; i < got.n; i++)
		assert_true(memcmp(got.ids[i].b, got.ids[i - 1].b, 16) < 0);
	f = (struct query_filter){ .active = true, .limit = 7, .n = 1,
		.conditions = { T(0, USER, "nobody") } };
	assert_int_equal(collect(&f, &got), 1);
	assert_int_equal(got.n, 0);
}

/* ---- sums ---- */

static void
sums_agree_with_the_model(void **state)
{
	uint64_t hour = UINT64_C(3600000000);
	uint64_t since = SEED_NOW_US - SEED_NOW_US % hour;
	struct query_sum want = { .sessions = 0 };
	static struct query_stats got;
	unsigned n;

	(void)state;
	base_add_active(&base, ROWS, ROWS + 2);
	for (n = 0; n < ROWS + 2; n++) {
		struct seed s = seed_of(n);

		if (s.started_us < since)
			continue;
		want.sessions++;
		want.active += n >= ROWS;
		if (n < ROWS) {
			want.closed += s.status == STATUS_CLOSED;
			want.failed += s.status == STATUS_FAILED;
			want.rejected += s.status == STATUS_REJECTED;
		}
		want.allowed += s.decision == DECISION_ALLOW;
		want.blocked += s.decision == DECISION_BLOCK;
		want.bytes_up += s.bytes_up;
		want.bytes_down += s.bytes_down;
	}
	assert_int_equal(query_stats(query, since, 0, &got), QUERY_OK);
	assert_memory_equal(&got.window, &want, sizeof(want));
	assert_int_equal(got.today.sessions, ROWS + 2);
	assert_int_equal(got.active, 2);
}

static void
the_top_lists_are_sorted_and_named(void **state)
{
	static struct query_stats got;
	uint64_t sessions = 0;

	(void)state;
	base_add_active(&base, ROWS, ROWS + 5);
	assert_int_equal(query_stats(query, 0, 0, &got), QUERY_OK);
	assert_int_equal(got.n_users, 5);
	assert_int_equal(got.n_destinations, QUERY_TOP);
	for (size_t i = 0; i < got.n_users; i++) {
		sessions += got.users[i].sessions;
		assert_memory_equal(got.users[i].key, "user", 4);
		if (i > 0)
			assert_true(got.users[i].sessions <=
			    got.users[i - 1].sessions);
	}
	assert_int_equal(sessions, ROWS + 5);
	assert_memory_equal(got.destinations[0].key, "h", 1);
}

static void
totals_stop_at_the_greatest_number(void **state)
{
	struct query_totals got;

	(void)state;
	base_run(&base, BASE_ROLLUP
	    " (0, us(1), '', 1, 1, 0, 0,"
	    " 1, 0, 0, 9223372036854775807, 9223372036854775807, 0),"
	    " (0, us(2), '', 1, 1, 0, 0, 1, 0, 0, 9223372036854775807, 1, 0)");
	assert_int_equal(query_totals(query, SEED_NOW_US, &got), QUERY_OK);
	assert_int_equal(got.all.sessions, ROWS + 2);
	assert_true(got.all.bytes_up >= (uint64_t)INT64_MAX - 1024);
	assert_int_equal(got.last_record_us, 0);
}

static void
silent_streams_are_counted(void **state)
{
	struct query_totals got;

	(void)state;
	base_add_active(&base, ROWS, ROWS + 1);
	assert_int_equal(query_totals(query, SEED_NOW_US, &got), QUERY_OK);
	assert_int_equal(got.streams_live, 1);
	assert_int_equal(got.streams_silent, 0);
	assert_int_equal(got.last_record_us, SEED_NOW_US);
	assert_int_equal(query_totals(query, SEED_NOW_US + QUERY_SILENT_US +
	    1, &got), QUERY_OK);
	assert_int_equal(got.streams_live, 0);
	assert_int_equal(got.streams_silent, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(filters_agree_with_the_model),
		TEST(pages_are_stable_under_inserts),
		TEST(the_last_page_says_so),
		TEST(a_page_examines_a_bounded_number_of_rows),
		TEST(a_long_statement_is_ended),
		TEST(a_session_is_found_by_its_id),
		TEST(active_sessions_come_newest_first),
		TEST(sums_agree_with_the_model),
		TEST(the_top_lists_are_sorted_and_named),
		TEST(totals_stop_at_the_greatest_number),
		TEST(silent_streams_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
