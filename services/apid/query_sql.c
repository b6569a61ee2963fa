/* SPDX-License-Identifier: MIT */
#include "apid/query_sql.h"

#include <string.h>

/* The index that gives a column's rows in the order of time; NULL: none. In
 * the order of how much one value usually narrows. */
static const struct column {
	const char *name;
	const char *index;
	bool active;		/* session_active has it too */
} columns[QUERY_COLUMNS] = {
	[QUERY_USER] = { "username", "session_username", true },
	[QUERY_SOURCE_IP] = { "source_ip", "session_source_ip", true },
	[QUERY_DEST_IP] = { "dest_ip", "session_dest_ip", true },
	[QUERY_DEST_HOST] = { "dest_host", "session_dest_host", true },
	[QUERY_DEST_PORT] = { "dest_port", NULL, true },
	[QUERY_STATUS] = { "status", "session_status", false },
	[QUERY_CLOSE_REASON] = { "close_reason", NULL, false },
	[QUERY_DECISION] = { "acl_decision", NULL, true },
	[QUERY_RULE] = { "acl_rule_matched", NULL, true },
	[QUERY_PROTOCOL] = { "protocol", NULL, true },
	[QUERY_COMMAND] = { "command", NULL, true },
	[QUERY_PROXY] = { "proxy", NULL, true },
};

/* Which index to prefer where several conditions have one. */
static const enum query_column preference[] = {
	QUERY_DEST_IP, QUERY_DEST_HOST, QUERY_SOURCE_IP, QUERY_USER,
	QUERY_STATUS,
};

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

static bool
is_one_value(const struct query_condition *c)
{
	return c->kind != QUERY_RANGE || addr_eq(&c->low, &c->high);
}

static void
add_condition(struct query_sql *s, const struct query_condition *c)
{
	const char *name = columns[c->column].name;

	if (!is_one_value(c)) {
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

static bool
is_alone(const struct query_filter *f, const struct query_condition *c)
{
	for (size_t i = 0; i < f->n; i++)
		if (&f->conditions[i] != c &&
		    f->conditions[i].group == c->group)
			return false;
	return true;
}

/* The condition that an index answers wholly; NULL: none does. */
static const struct query_condition *
choose_driver(const struct query_filter *f)
{
	for (size_t p = 0; !f->active && p < ARRAY_LEN(preference); p++)
		for (size_t i = 0; i < f->n; i++) {
			const struct query_condition *c = &f->conditions[i];

			if (c->column == preference[p] && is_one_value(c) &&
			    is_alone(f, c))
				return c;
		}
	return NULL;
}

static bool
is_first_of_group(const struct query_filter *f, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (f->conditions[i].group == f->conditions[at].group)
			return false;
	return true;
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
		if (&f->conditions[i] != driver && is_first_of_group(f, i))
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
	const struct query_condition *driver = choose_driver(f);

	bytes_clear(&s->text);
	s->n = 0;
	s->residual = false;
	for (size_t i = 0; f->active && i < f->n; i++)
		ASSERT(columns[f->conditions[i].column].active);
	bytes_fmt(&s->text, "SELECT started_at, id, ");
	add_residual(s, f, driver);
	if (f->active) {
		bytes_fmt(&s->text, " FROM session_active ");
		add_active_place(s, f);
		return;
	}
	if (driver != NULL) {
		bytes_fmt(&s->text, " FROM session INDEXED BY %s WHERE ",
		    columns[driver->column].index);
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
