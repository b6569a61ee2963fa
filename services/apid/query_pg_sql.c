/* SPDX-License-Identifier: MIT */
#include "apid/query_pg_sql.h"

#include <string.h>

#include "apid/query_filter.h"

/* The IPv4 addresses among those of 16 bytes, and what stands around them. */
static const struct addr v4_first = { { [10] = 0xff, [11] = 0xff } };
static const struct addr v4_last = { { [10] = 0xff, [11] = 0xff,
	[12] = 0xff, [13] = 0xff, [14] = 0xff, [15] = 0xff } };
static const struct addr below_v4 = { { [10] = 0xff, [11] = 0xfe,
	[12] = 0xff, [13] = 0xff, [14] = 0xff, [15] = 0xff } };
static const struct addr above_v4 = { { [9] = 1 } };

static int
compare(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

/* ---- conditions ---- */

/* Only text comes from outside. Numbers and addresses are written by us, as
 * they are; a range may need four of them and would use up the parameters. */
static unsigned
put_text(struct pg_params *params, struct str s)
{
	pg_put_str(params, s);
	return params->n;
}

/* What PostgreSQL can hold as text; nothing else can be in a row. */
static bool
is_text(struct str s)
{
	return str_is_utf8(s) && !str_has_nul(s);
}

static void
add_addr(struct query_pg_sql *s, const struct addr *a)
{
	char text[ADDR_TEXT_SIZE];

	addr_format(text, a);
	bytes_fmt(&s->text, "'%s'::inet", text);
}

static void
add_between(struct query_pg_sql *s, const char *name, const struct addr *low,
    const struct addr *high)
{
	bytes_fmt(&s->text, "s.%s BETWEEN ", name);
	add_addr(s, low);
	bytes_fmt(&s->text, " AND ");
	add_addr(s, high);
}

/*
 * A range of 16 bytes. To PostgreSQL all of IPv4 is less than all of IPv6 and
 * no part of it: where a range reaches into both, it is two.
 */
static void
add_range(struct query_pg_sql *s, const char *name,
    const struct query_condition *c)
{
	const struct addr *low = &c->low, *high = &c->high;
	bool has_v4 = compare(low, &v4_last) <= 0 &&
	    compare(high, &v4_first) >= 0;
	bool has_v6 = compare(low, &v4_first) < 0 ||
	    compare(high, &v4_last) > 0;

	if (has_v4)
		add_between(s, name, addr_is_v4(low) ? low : &v4_first,
		    addr_is_v4(high) ? high : &v4_last);
	if (has_v4 && has_v6)
		bytes_fmt(&s->text, " OR ");
	if (has_v6)
		add_between(s, name, addr_is_v4(low) ? &above_v4 : low,
		    addr_is_v4(high) ? &below_v4 : high);
}

/* The one value of a condition. */
static void
add_value(struct query_pg_sql *s, struct pg_params *params,
    const struct query_condition *c)
{
	if (c->kind == QUERY_RANGE)
		add_addr(s, &c->low);
	else if (c->kind == QUERY_NUMBER)
		bytes_fmt(&s->text, "%llu::int8", (unsigned long long)
		    (c->number < INT64_MAX ? c->number : INT64_MAX));
	else
		bytes_fmt(&s->text, "$%u::text", put_text(params, c->text));
}

static void
add_condition(struct query_pg_sql *s, struct pg_params *params,
    const struct query_condition *c)
{
	const char *name = query_columns[c->column].name;

	if (c->kind == QUERY_TEXT && !is_text(c->text)) {
		bytes_fmt(&s->text, "false");
		return;
	}
	if (!query_is_one_value(c)) {
		add_range(s, name, c);
		return;
	}
	bytes_fmt(&s->text, "s.%s = ", name);
	add_value(s, params, c);
}

static void
add_group(struct query_pg_sql *s, struct pg_params *params,
    const struct query_filter *f, size_t first)
{
	unsigned group = f->conditions[first].group;

	bytes_fmt(&s->text, "%s(", s->residual ? " AND " : "");
	for (size_t i = first; i < f->n; i++) {
		if (f->conditions[i].group != group)
			continue;
		if (i > first)
			bytes_fmt(&s->text, " OR ");
		add_condition(s, params, &f->conditions[i]);
	}
	bytes_fmt(&s->text, ")");
	s->residual = true;
}

/* The column `hit`. */
static void
add_residual(struct query_pg_sql *s, struct pg_params *params,
    const struct query_filter *f, const struct query_condition *driver)
{
	bytes_fmt(&s->text, "coalesce(");
	for (size_t i = 0; i < f->n; i++)
		if (&f->conditions[i] != driver &&
		    query_is_first_of_group(f, i))
			add_group(s, params, f, i);
	bytes_fmt(&s->text, "%s, false) AS hit", s->residual ? "" : "true");
}

/* ---- place and order ---- */

static void
add_order(struct query_pg_sql *s, const struct query_filter *f,
    const struct query_condition *driver)
{
	bytes_fmt(&s->text, " ORDER BY ");
	if (driver != NULL)
		bytes_fmt(&s->text, "s.%s DESC, ",
		    query_columns[driver->column].name);
	bytes_fmt(&s->text, "%ss.id DESC", f->active ? "" :
	    "s.started_at DESC, ");
}

/* Where a running session must stand. */
static void
add_active_place(struct query_pg_sql *s, struct pg_params *params,
    const struct query_filter *f)
{
	if (!f->after)
		return;
	pg_put_uuid(params, f->key.id.b);
	bytes_fmt(&s->text, " WHERE s.id < $%u::uuid", params->n);
}

/* Where an ended session must stand; before every id: until_us itself is
 * outside. */
static void
add_place(struct query_pg_sql *s, struct pg_params *params,
    const struct query_filter *f, const struct query_condition *driver)
{
	static const struct id zero;
	uint64_t until = f->after ? f->key.started_us : f->until_us;
	unsigned first = params->n + 1;

	pg_put_time(params, until < INT64_MAX ? until : INT64_MAX);
	pg_put_time(params, f->since_us < INT64_MAX ? f->since_us :
	    INT64_MAX);
	bytes_fmt(&s->text, " WHERE s.started_at <= $%u::timestamptz"
	    " AND s.started_at >= $%u::timestamptz", first, first + 1);
	if (driver != NULL && driver->kind == QUERY_TEXT &&
	    !is_text(driver->text)) {
		bytes_fmt(&s->text, " AND false");
		return;
	}
	pg_put_uuid(params, f->after ? f->key.id.b : zero.b);
	if (driver == NULL) {
		bytes_fmt(&s->text, " AND (s.started_at, s.id) <"
		    " ($%u::timestamptz, $%u::uuid)", first, first + 2);
		return;
	}
	/* Also what tells that a partial index has all that is wanted. */
	bytes_fmt(&s->text, " AND s.%s >= ",
	    query_columns[driver->column].name);
	add_value(s, params, driver);
	bytes_fmt(&s->text, " AND (s.%s, s.started_at, s.id) >= (",
	    query_columns[driver->column].name);
	add_value(s, params, driver);
	bytes_fmt(&s->text, ", $%u::timestamptz,"
	    " '00000000-0000-0000-0000-000000000000'::uuid)"
	    " AND (s.%s, s.started_at, s.id) < (", first + 1,
	    query_columns[driver->column].name);
	add_value(s, params, driver);
	bytes_fmt(&s->text, ", $%u::timestamptz, $%u::uuid)", first,
	    first + 2);
}

/* ---- the whole ---- */

static void
add_from(struct query_pg_sql *s, struct pg_params *params,
    const struct query_filter *f, const struct query_condition *driver)
{
	bytes_fmt(&s->text, " FROM sallyport.%s s", f->active ?
	    "session_active" : "session");
	if (f->active)
		add_active_place(s, params, f);
	else
		add_place(s, params, f, driver);
}

/* Rows with their number and whether they are hits, as far as the limit of
 * what is looked at and one more. */
static void
add_examined(struct query_pg_sql *s, struct pg_params *params,
    const struct query_filter *f, const struct query_condition *driver)
{
	bytes_fmt(&s->text, " FROM (SELECT s.*, row_number() OVER (");
	add_order(s, f, driver);
	bytes_fmt(&s->text, ") AS n, ");
	add_residual(s, params, f, driver);
	add_from(s, params, f, driver);
	add_order(s, f, driver);
	bytes_fmt(&s->text, " LIMIT %d) s WHERE s.hit OR s.n >= %d",
	    QUERY_EXAMINED_MAX + 1, QUERY_EXAMINED_MAX);
}

void
query_pg_sql_page(struct query_pg_sql *s, struct pg_params *params,
    const struct query_filter *f, const char *columns)
{
	const struct query_condition *driver = query_driver(f);

	bytes_clear(&s->text);
	s->residual = false;
	for (size_t i = 0; f->active && i < f->n; i++)
		ASSERT(query_columns[f->conditions[i].column].active);
	bytes_fmt(&s->text, "SELECT %s", columns);
	if (f->n > (driver != NULL ? 1 : 0)) {
		bytes_fmt(&s->text, "s.hit, s.n");
		add_examined(s, params, f, driver);
	} else {
		bytes_fmt(&s->text, "true, 0::int8");
		add_from(s, params, f, driver);
	}
	add_order(s, f, driver);
	/* One more than the page has says that it is not the last. */
	bytes_fmt(&s->text, " LIMIT %u", f->limit + 1);
	bytes_add(&s->text, "", 1);
}

void
query_pg_sql_fini(struct query_pg_sql *s)
{
	bytes_fini(&s->text);
}
