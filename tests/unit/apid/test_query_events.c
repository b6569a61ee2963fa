/* SPDX-License-Identifier: MIT */
/* Pages of what daemons noticed, against a model; on either database. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "helper.h"

#define ROWS 600u
#define COLUMNS                                                            \
	"INSERT INTO telemetry_event (at, id, severity, category, event,"  \
	" message, component, instance, details, suppressed) "

static struct base base;
static struct query *query;

static const char *const categories[] = { "auth", "security", "audit",
	"of a later release" };

/* Row `n` is a step older than the one before it, but that every third shares
 * its moment with that. */
static uint64_t
at_of(unsigned n)
{
	return SEED_NOW_US - (n % 3 == 1 ? n - 1 : n) * SEED_STEP_US;
}

/* As id_of() of the tests' SQL makes it. */
static struct id
id_of(unsigned n)
{
	struct id id;
	struct writer w = writer_on(id.b, sizeof(id.b));

	writer_u64(&w, at_of(n) / 1000 << 16 | 0x7000);
	writer_u64(&w, UINT64_C(0x8000) << 48 | n);
	return id;
}

static unsigned
severity_of(unsigned n)
{
	return 1 + n % 7 % 3;
}

static const char *
category_of(unsigned n)
{
	return categories[n % 11 % ARRAY_LEN(categories)];
}

static void
add_rows(void)
{
	struct bytes sql = { 0 };

	bytes_fmt(&sql, COLUMNS "VALUES ");
	for (unsigned n = 0; n < ROWS; n++) {
		unsigned long long at = at_of(n);

		bytes_fmt(&sql, "%s(us(%llu), id_of(%llu, %u), %u, '%s',"
		    " 'event_%u', %s, 'authd', 'host-1', %s, %u)",
		    n > 0 ? ", " : "", at, at, n, severity_of(n),
		    category_of(n), n, n % 5 == 0 ? "NULL" : "'a message'",
		    n % 2 == 0 ? "NULL" : "'{\"n\":1}'", n % 4);
	}
	bytes_add(&sql, "", 1);
	base_run(&base, "%s", sql.ptr);
	bytes_fini(&sql);
}

static int
setup(void **state)
{
	(void)state;
	base_open(&base);
	add_rows();
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
	size_t n;
};

static void
on_event(void *arg, const struct query_event *e)
{
	struct collected *c = arg;

	assert_true(c->n < ARRAY_LEN(c->ids));
	c->ids[c->n++] = e->id;
}

/* All pages of a question; how many there were. */
static unsigned
collect(struct query_event_filter *f, struct collected *out)
{
	struct query_page page;
	unsigned pages = 0;

	out->n = 0;
	do {
		assert_int_equal(query_events(query, f, on_event, out, &page),
		    QUERY_OK);
		f->after = true;
		f->key = page.last;
		pages++;
	} while (page.more);
	return pages;
}

static bool
takes(const struct query_event_filter *f, unsigned n)
{
	bool found = f->n_categories == 0;

	for (size_t i = 0; i < f->n_categories; i++)
		found |= str_eq(f->categories[i], str_from(category_of(n)));
	return found && at_of(n) >= f->since_us && at_of(n) < f->until_us &&
	    (f->severities == 0 || f->severities & 1u << severity_of(n));
}

/* The ids in their order: of two of one moment the later number is first. */
static size_t
model(const struct query_event_filter *f, struct id *out)
{
	size_t n = 0;

	for (unsigned i = 0; i < ROWS; i += 3) {
		static const unsigned order[] = { 1, 0, 2 };

		for (unsigned k = 0; k < 3; k++)
			if (takes(f, i + order[k]))
				out[n++] = id_of(i + order[k]);
	}
	return n;
}

#define WARNING (1u << SEVERITY_WARNING)
#define ERROR (1u << SEVERITY_ERROR)

static const struct query_event_filter cases[] = {
	{ .until_us = INT64_MAX },
	{ .until_us = UINT64_MAX, .severities = WARNING },
	{ .until_us = INT64_MAX, .severities = WARNING | ERROR },
	{ .until_us = INT64_MAX, .severities = 1u << SEVERITY_NONE },
	{ .until_us = INT64_MAX, .n_categories = 1,
		.categories = { STR("security") } },
	{ .until_us = INT64_MAX, .n_categories = 8, .severities = ERROR,
		.categories = { STR("a"), STR("b"), STR("c"), STR("d"),
			STR("e"), STR("f"), STR("g"),
			STR("of a later release") } },
	{ .until_us = INT64_MAX, .n_categories = 2,
		.categories = { STR("auth' OR '1'='1"), STR("") } },
	{ .until_us = INT64_MAX, .n_categories = 3,
		.categories = { STR("a\0u"), STR("\xff\xfe"), STR("auth") } },
	{ .until_us = INT64_MAX, .n_categories = 1,
		.categories = { STR("\xff") } },
	{ .since_us = SEED_NOW_US - 90 * SEED_STEP_US,
		.until_us = SEED_NOW_US - 30 * SEED_STEP_US },
	{ .since_us = SEED_NOW_US, .until_us = SEED_NOW_US },
	{ .since_us = UINT64_MAX, .until_us = UINT64_MAX },
};

static void
filters_agree_with_the_model(void **state)
{
	static const unsigned limits[] = { 500, 97, 1 };
	static struct collected got;
	static struct id want[ROWS];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t l = 0; l < ARRAY_LEN(limits); l++) {
			struct query_event_filter f = cases[i];
			size_t n = model(&f, want);

			f.limit = limits[l];
			collect(&f, &got);
			if (got.n != n)
				fail_msg("%zu: %zu rows, the model has %zu",
				    i, got.n, n);
			assert_memory_equal(got.ids, want, n * sizeof(*want));
		}
}

static void
the_last_page_says_so(void **state)
{
	struct query_event_filter f = { .until_us = INT64_MAX,
		.limit = ROWS / 2 };
	static struct collected got;

	(void)state;
	assert_int_equal(collect(&f, &got), 2);
	f = (struct query_event_filter){ .until_us = INT64_MAX,
		.limit = ROWS / 2 - 1 };
	assert_int_equal(collect(&f, &got), 3);
	assert_int_equal(got.n, ROWS);
}

/* ---- a row ---- */

static void
on_row(void *arg, const struct query_event *e)
{
	unsigned *n = arg;
	struct id id = id_of(*n);

	assert_true(id_eq(&e->id, &id));
	assert_int_equal(e->at_us, at_of(*n));
	assert_int_equal(e->severity, severity_of(*n));
	assert_true(str_eq(e->category, str_from(category_of(*n))));
	assert_true(str_eq(e->component, STR("authd")));
	assert_true(str_eq(e->instance, STR("host-1")));
	assert_true(str_eq(e->message, *n % 5 == 0 ? STR("") :
	    STR("a message")));
	assert_true(str_eq(e->details, *n % 2 == 0 ? STR("") :
	    STR("{\"n\":1}")));
	assert_int_equal(e->suppressed, *n % 4);
}

static void
a_row_has_what_was_stored(void **state)
{
	static const unsigned rows[] = { 0, 2, 3, 5, 599 };
	struct query_page page;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned n = rows[i];
		struct query_event_filter f = { .since_us = at_of(n),
			.until_us = at_of(n) + 1, .limit = 500 };

		if (n % 3 == 0) {	/* after the one of its moment */
			f.after = true;
			f.key.started_us = at_of(n + 1);
			f.key.id = id_of(n + 1);
		}
		assert_int_equal(query_events(query, &f, on_row, &n, &page),
		    QUERY_OK);
		assert_true(page.last.started_us == at_of(n));
	}
}

static void
on_odd(void *arg, const struct query_event *e)
{
	bool *seen = arg;

	*seen = true;
	assert_true(e->severity == 0 || e->severity == INT16_MAX);
	assert_true(e->suppressed == 0 || e->suppressed == INT64_MAX);
}

/* Nothing that a row may hold is taken for granted. */
static void
numbers_out_of_range_are_no_others(void **state)
{
	struct query_event_filter f = { .since_us = SEED_NOW_US + 1,
		.until_us = INT64_MAX, .limit = 500 };
	struct query_page page;
	bool seen = false;

	(void)state;
	base_run(&base, COLUMNS "VALUES (us(%llu), newid(), -1, '', '', NULL,"
	    " '', '', '', -5), (us(%llu), newid(), 32767, '', '', NULL, '', '',"
	    " '', 9223372036854775807)",
	    (unsigned long long)SEED_NOW_US + 1000,
	    (unsigned long long)SEED_NOW_US + 2000);
	assert_int_equal(query_events(query, &f, on_odd, &seen, &page),
	    QUERY_OK);
	assert_true(seen);
	seen = false;
	f.severities = 1u << SEVERITY_INFO | WARNING | ERROR;
	assert_int_equal(query_events(query, &f, on_odd, &seen, &page),
	    QUERY_OK);
	assert_false(seen);
}

/* ---- bounds ---- */

static void
add_many(unsigned n)
{
	base_run(&base, "WITH RECURSIVE c(i) AS (VALUES (0) UNION ALL SELECT "
	    "i + 1 FROM c WHERE i < %u) " COLUMNS "SELECT later(us(%llu),"
	    " i * 1000), newid(), 1, 'many', 'x', NULL, 'x', 'x', NULL, 0"
	    " FROM c", n - 1, (unsigned long long)SEED_NOW_US * 2);
}

static void
a_page_examines_a_bounded_number_of_rows(void **state)
{
	struct query_event_filter f = { .until_us = INT64_MAX, .limit = 500,
		.severities = WARNING };
	static struct collected got;
	struct query_page page;

	(void)state;
	add_many(QUERY_EXAMINED_MAX + 1000);
	got.n = 0;
	assert_int_equal(query_events(query, &f, on_event, &got, &page),
	    QUERY_OK);
	assert_int_equal(got.n, 0);
	assert_true(page.more);
	/* The place to go on from is where it stopped, not a row that fits. */
	assert_true(page.last.started_us == 2 * SEED_NOW_US + 1000 * 1000);
	f.after = true;
	f.key = page.last;
	assert_int_equal(query_events(query, &f, on_event, &got, &page),
	    QUERY_OK);
	assert_true(got.n > 0);
	assert_false(page.more);
}

static void
a_long_statement_is_ended(void **state)
{
	struct query_event_filter f = { .until_us = INT64_MAX, .limit = 500,
		.severities = WARNING };
	static struct collected got;
	struct query_page page;

	(void)state;
	add_many(QUERY_EXAMINED_MAX);
	query_source_set_timeout(base.source, 0);
	assert_int_equal(query_events(query, &f, on_event, &got, &page),
	    QUERY_TIMEOUT);
	query_source_set_timeout(base.source, 20000);
	assert_int_equal(query_events(query, &f, on_event, &got, &page),
	    QUERY_OK);
	query_source_stop(base.source);
	assert_int_equal(query_events(query, &f, on_event, &got, &page),
	    QUERY_UNAVAILABLE);
}

/* ---- a database that sessiond has not upgraded ---- */

static void
an_older_schema_is_told_and_heals(void **state)
{
	struct query_event_filter f = { .until_us = INT64_MAX, .limit = 500 };
	static struct collected got;
	struct query_totals totals;
	struct query_page page;

	(void)state;
	base_run(&base, "ALTER TABLE telemetry_event RENAME TO later_on");
	base_run(&base, "DELETE FROM schema_migration WHERE number > 1");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(query_events(query, &f, on_event, &got,
		    &page), QUERY_UNAVAILABLE);
		assert_non_null(strstr(query_why(query), "its schema 1 has no"
		    " events yet: run this release's sallyport-sessiond"));
		assert_int_equal(query_totals(query, SEED_NOW_US, &totals),
		    QUERY_OK);
	}
	base_run(&base, "ALTER TABLE later_on RENAME TO telemetry_event");
	assert_int_equal(collect(&f, &got), 2);
	assert_int_equal(got.n, ROWS);
}

/* Where it should be, that is no question of releases. */
static void
a_table_that_is_gone_is_not_blamed_on_the_schema(void **state)
{
	struct query_event_filter f = { .until_us = INT64_MAX, .limit = 500 };
	static struct collected got;
	struct query_page page;

	(void)state;
	base_run(&base, "DROP TABLE telemetry_event");
	assert_int_equal(query_events(query, &f, on_event, &got, &page),
	    QUERY_UNAVAILABLE);
	assert_null(strstr(query_why(query), "its schema"));
	assert_non_null(strstr(query_why(query), "telemetry_event"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(filters_agree_with_the_model),
		TEST(the_last_page_says_so),
		TEST(a_row_has_what_was_stored),
		TEST(numbers_out_of_range_are_no_others),
		TEST(a_page_examines_a_bounded_number_of_rows),
		TEST(a_long_statement_is_ended),
		TEST(an_older_schema_is_told_and_heals),
		TEST(a_table_that_is_gone_is_not_blamed_on_the_schema),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
