/* SPDX-License-Identifier: MIT */
#include "apid/query_sql.h"

#include "apid/query_filter.h"

static void
add_bind(struct query_sql *s, struct query_bind b)
{
	ASSERT(s->n < QUERY_BINDS_MAX);
	s->binds[s->n++] = b;
}

static void
bind_number(struct query_sql *s, uint64_t v)
{
	add_bind(s, (struct query_bind){ .kind = BIND_NUMBER, .number = v });
}

static void
bind_blob(struct query_sql *s, const void *p, size_t len)
{
	add_bind(s, (struct query_bind){ .kind = BIND_BLOB,
	    .bytes = { p, len } });
}

static void
add_condition(struct query_sql *s, const struct query_condition *c)
{
	const char *name = query_columns[c->column].name;

	if (!query_is_one_value(c)) {
		bytes_fmt(&s->text, "%s BETWEEN ? AND ?", name);
		bind_blob(s, &c->low, sizeof(c->low));
		bind_blob(s, &c->high, sizeof(c->high));
		return;
	}
	bytes_fmt(&s->text, "%s = ?", name);
	if (c->kind == QUERY_RANGE)
		bind_blob(s, &c->low, sizeof(c->low));
	else if (c->kind == QUERY_NUMBER)
		bind_number(s, c->number);
	else
		add_bind(s, (struct query_bind){ .kind = BIND_TEXT,
		    .bytes = c->text });
}

static void
add_group(struct query_sql *s, const struct query_filter *f, size_t first)
{
	unsigned group = f->conditions[first].group;

	bytes_fmt(&s->text, "%s(", s->residual ? " AND " : "");
	for (size_t i = first; i < f->n; i++) {
		if (f->conditions[i].group != group)
			continue;
		if (i > first)
			bytes_fmt(&s->text, " OR ");
		add_condition(s, &f->conditions[i]);
	}
	bytes_fmt(&s->text, ")");
	s->residual = true;
}

/* The column `hit`. */
static void
add_residual(struct query_sql *s, const struct query_filter *f,
    const struct query_condition *driver)
{
	bytes_fmt(&s->text, "coalesce(");
	for (size_t i = 0; i < f->n; i++)
		if (&f->conditions[i] != driver &&
		    query_is_first_of_group(f, i))
			add_group(s, f, i);
	bytes_fmt(&s->text, "%s, 0)", s->residual ? "" : "1");
}

/* Where an ended session must stand. */
static void
add_place(struct query_sql *s, const struct query_filter *f)
{
	bytes_fmt(&s->text, "started_at >= ? AND (started_at, id) < (?, ?) "
	    "ORDER BY started_at DESC, id DESC");
	bind_number(s, f->since_us);
	bind_number(s, f->after ? f->key.started_us : f->until_us);
	/* Before every id: until_us itself is outside. */
	bind_blob(s, f->key.id.b, f->after ? sizeof(f->key.id) : 0);
}

static void
add_active_place(struct query_sql *s, const struct query_filter *f)
{
	if (f->after) {
		bytes_fmt(&s->text, "WHERE id < ? ");
		bind_blob(s, f->key.id.b, sizeof(f->key.id));
	}
	bytes_fmt(&s->text, "ORDER BY id DESC");
}

void
query_sql_keys(struct query_sql *s, const struct query_filter *f)
{
	const struct query_condition *driver = query_driver(f);

	bytes_clear(&s->text);
	s->n = 0;
	s->residual = false;
	for (size_t i = 0; f->active && i < f->n; i++)
		ASSERT(query_columns[f->conditions[i].column].active);
	bytes_fmt(&s->text, "SELECT started_at, id, ");
	add_residual(s, f, driver);
	if (f->active) {
		bytes_fmt(&s->text, " FROM session_active ");
		add_active_place(s, f);
		return;
	}
	if (driver != NULL) {
		bytes_fmt(&s->text, " FROM session INDEXED BY %s WHERE ",
		    query_columns[driver->column].index);
		add_condition(s, driver);
		bytes_fmt(&s->text, " AND ");
	} else {
		bytes_fmt(&s->text, " FROM session NOT INDEXED WHERE ");
	}
	add_place(s, f);
}

void
query_sql_fini(struct query_sql *s)
{
	bytes_fini(&s->text);
}
