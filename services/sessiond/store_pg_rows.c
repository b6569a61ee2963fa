/* SPDX-License-Identifier: MIT */
/*
 * Sessions and sums in PostgreSQL, by the tables of store_columns.h. All rows
 * of a call travel as one array of the table's own row type, which the server
 * takes in at nearly the cost of a COPY.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sessiond/store_pg.h"

#define INET_ARRAY   1041 /* the type inet[] */
#define INET_LEN     16
#define GREATEST_SQL "9223372036854775807"

static struct store_pg *
of(struct store *s)
{
	return container_of(s, struct store_pg, store);
}

/* ---- statements ---- */

static void
sql_raises(struct bytes *sql, const struct store_column *c)
{
	const char *comma = "";

	for (; c->name != NULL; c++) {
		const char *n = c->name;

		if (c->raise == RAISE_NOT)
			continue;
		bytes_fmt(sql, "%s%s = ", comma, n);
		comma = ", ";
		switch (c->raise) {
		case RAISE_GREATER:
			bytes_fmt(sql, "greatest(a.%s, excluded.%s)", n, n);
			break;
		case RAISE_SUM:
			bytes_fmt(sql,
			    "CASE WHEN a.%s > " GREATEST_SQL
			    " - excluded.%s THEN " GREATEST_SQL
			    " ELSE a.%s + excluded.%s END",
			    n, n, n, n);
			break;
		default: bytes_fmt(sql, "excluded.%s", n);
		}
	}
}

/* "INSERT INTO t AS a (…) SELECT … FROM unnest($1::t[]) u": a row for each of
 * the array. */
static void
sql_insert(struct bytes *sql, const struct store_pg_table *t)
{
	bytes_fmt(sql, "INSERT INTO sallyport.%s AS a (", t->name);
	store_columns_list(sql, t->columns, t->in, "");
	bytes_fmt(sql, ") SELECT ");
	store_columns_list(sql, t->columns, t->in, "u.");
	bytes_fmt(sql, " FROM unnest($1::sallyport.%s[]) u ", t->name);
}

/* A statement whose text is ours. */
static void
form(struct pg_statement *st, const char *name, struct bytes *sql)
{
	*st = (struct pg_statement){ name, xmemdup0(sql->ptr, sql->len) };
	bytes_clear(sql);
}

void
store_pg_rows_init(struct store_pg *s)
{
	struct bytes sql = { 0 };

	s->active = (struct store_pg_table){ .name = "session_active",
		.columns = store_columns,
		.in = IN_ACTIVE };
	s->session = (struct store_pg_table){
		.name = "session", .columns = store_columns, .in = IN_SESSION
	};
	s->rollup = (struct store_pg_table){ .name = "rollup_hour",
		.columns = store_rollup_columns,
		.in = IN_ROLLUP };
	sql_insert(&sql, &s->active);
	/* $2 and $3 leave all partitions aside but those of these rows. */
	bytes_fmt(&sql, "WHERE NOT EXISTS (SELECT FROM sallyport.session s "
			"WHERE s.started_at = u.started_at AND s.id = u.id "
			"AND s.started_at >= $2::timestamptz "
			"AND s.started_at <= $3::timestamptz) "
			"ON CONFLICT (id) DO UPDATE SET ");
	sql_raises(&sql, store_columns);
	bytes_fmt(&sql, " WHERE a.stream_id = excluded.stream_id "
			"AND a.last_seq < excluded.last_seq RETURNING a.id");
	form(&s->put_active, "active_put", &sql);
	/* All columns, in the catalogue's order. */
	bytes_fmt(&sql, "SELECT * FROM sallyport.session_active "
			"WHERE stream_id = $1::uuid AND id > $2::uuid "
			"ORDER BY id LIMIT 1000");
	form(&s->each_active, "active_each", &sql);
	sql_insert(&sql, &s->session);
	bytes_fmt(&sql, "WHERE NOT EXISTS (SELECT FROM "
			"sallyport.session_active r WHERE r.id = u.id) "
			"ON CONFLICT DO NOTHING RETURNING a.id");
	form(&s->add_sessions, "session_add", &sql);
	sql_insert(&sql, &s->rollup);
	bytes_fmt(&sql, "ON CONFLICT (dimension, hour, key) DO UPDATE SET ");
	sql_raises(&sql, store_rollup_columns);
	form(&s->add_rollups, "rollup_add", &sql);
	bytes_fini(&sql);
}

void
store_pg_rows_fini(struct store_pg *s)
{
	free((char *)s->put_active.sql);
	free((char *)s->each_active.sql);
	free((char *)s->add_sessions.sql);
	free((char *)s->add_rollups.sql);
}

/* ---- columns ---- */

static bool
fits(enum store_column_kind kind, uint32_t type)
{
	switch (kind) {
	case COLUMN_ID: return type == PG_UUID;
	case COLUMN_NUMBER:
		return type == PG_INT8 || type == PG_INT4 || type == PG_INT2 ||
		       type == PG_BOOL || type == PG_TIMESTAMPTZ;
	case COLUMN_CHOICE: return type == PG_INT2;
	case COLUMN_TEXT:
	case COLUMN_NAME: return type == PG_TEXT || type == PG_JSONB;
	case COLUMN_BLOB: return type == PG_INET || type == INET_ARRAY;
	default: return false;
	}
}

static const struct store_column *
find_column(const struct store_pg_table *t, struct str name)
{
	for (const struct store_column *c = t->columns; c->name != NULL; c++) {
		if ((c->in & t->in) && str_eq(name, str_from(c->name)))
			return c;
	}
	return NULL;
}

enum pg_status
store_pg_look_up(struct store_pg *s, struct store_pg_table *t)
{
	static const struct pg_statement look = {
		.sql = "SELECT c.reltype::int8, a.attname::text, "
		       "a.atttypid::int8 "
		       "FROM pg_class c JOIN pg_attribute a "
		       "ON a.attrelid = c.oid "
		       "WHERE c.oid = ('sallyport.' || $1::text)::regclass "
		       "AND a.attnum > 0 AND NOT a.attisdropped "
		       "ORDER BY a.attnum",
	};
	struct pg_rows rows;
	enum pg_status r;

	pg_params_clear(&s->params);
	pg_put_str(&s->params, str_from(t->name));
	r = pg_query(s->pg, &look, &s->params, &rows);
	if (r != PG_OK)
		return r;
	t->n = 0;
	for (size_t i = 0; i < rows.n && r == PG_OK; i++) {
		struct str name = pg_str(&rows, i, 1);
		const struct store_column *c = find_column(t, name);
		uint32_t type = (uint32_t)pg_int(&rows, i, 2);

		t->type = (uint32_t)pg_int(&rows, i, 0);
		if (i >= STORE_PG_ATTRIBUTES ||
		    (c != NULL && !fits(c->kind, type))) {
			err_set(&s->err,
			    "sallyport.%s.%.*s is not of the type that "
			    "this release writes",
			    t->name, (int)name.len, name.ptr);
			r = PG_FAULT;
			break;
		}
		t->attributes[t->n].column = c;
		t->attributes[t->n++].type = type;
	}
	pg_rows_fini(&rows);
	return r;
}

/* ---- writing ---- */

static bool
put_number(struct pg_params *p, uint32_t type, uint64_t v)
{
	static const uint64_t int2_max = INT16_MAX, int4_max = INT32_MAX;

	switch (type) {
	case PG_TIMESTAMPTZ: pg_put_time(p, v); return v <= INT64_MAX;
	case PG_INT8: pg_put_int8(p, (int64_t)v); return v <= INT64_MAX;
	case PG_INT4: pg_put_int4(p, (int32_t)v); return v <= int4_max;
	case PG_INT2: pg_put_int2(p, (int16_t)v); return v <= int2_max;
	case PG_BOOL:
	default: pg_put_bool(p, v != 0); return v <= 1;
	}
}

/* Addresses, 16 bytes each: one, or an array of any number. */
static bool
put_addresses(struct store_pg *s, uint32_t type, struct str v)
{
	const uint8_t *b = (const uint8_t *)v.ptr;

	if (v.len % INET_LEN != 0 || (type == PG_INET && v.len != INET_LEN)) {
		pg_put_null(&s->params);
		return false;
	}
	if (type == PG_INET) {
		pg_put_inet(&s->params, b);
		return true;
	}
	pg_params_clear(&s->nested);
	pg_array_begin(&s->nested, PG_INET);
	for (size_t at = 0; at < v.len; at += INET_LEN)
		pg_put_inet(&s->nested, b + at);
	pg_array_end(&s->nested);
	pg_put_str(
	    &s->params, (struct str){ s->nested.data.ptr, s->nested.data.len });
	return true;
}

/* False: the value does not fit its column. */
static bool
put_field(struct store_pg *s, uint32_t type, const struct store_column *c,
    const void *row)
{
	const void *field = (const char *)row + (c != NULL ? c->offset : 0);
	struct pg_params *p = &s->params;
	const struct str *text = field;

	pg_record_field(p, type);
	if (c == NULL ||
	    (c->kind == COLUMN_NUMBER &&
		*(const uint64_t *)field == STORE_NULL) ||
	    ((c->kind == COLUMN_TEXT || c->kind == COLUMN_BLOB) &&
		text->len == 0)) {
		pg_put_null(p);
		return true;
	}
	switch (c->kind) {
	case COLUMN_ID:
		pg_put_uuid(p, ((const struct id *)field)->b);
		return true;
	case COLUMN_NUMBER:
		return put_number(p, type, *(const uint64_t *)field);
	case COLUMN_CHOICE:
		pg_put_int2(p, (int16_t) * (const int *)field);
		return true;
	case COLUMN_BLOB: return put_addresses(s, type, *text);
	case COLUMN_TEXT:
	case COLUMN_NAME:
	default: break;
	}
	if (type == PG_JSONB)
		pg_put_jsonb(p, *text);
	else
		pg_put_str(p, *text);
	return true;
}

static bool
put_row(struct store_pg *s, const struct store_pg_table *t, const void *row)
{
	bool fine = true;

	pg_record_begin(&s->params);
	for (unsigned i = 0; i < t->n; i++)
		fine &= put_field(
		    s, t->attributes[i].type, t->attributes[i].column, row);
	pg_record_end(&s->params);
	return fine;
}

/* $1: the rows as an array. STORE_POISON: one has a value that no column
 * takes. */
static enum store_result
put_rows(struct store_pg *s, const struct store_pg_table *t,
    const void *const *rows, size_t n)
{
	bool fine = true;

	pg_params_clear(&s->params);
	pg_array_begin(&s->params, t->type);
	for (size_t i = 0; i < n; i++)
		fine &= put_row(s, t, rows[i]);
	pg_array_end(&s->params);
	if (!fine)
		err_set(&s->err, "a value does not fit its column");
	return fine ? STORE_OK : STORE_POISON;
}

/* The ids that came back are those of the rows that were stored, in the order
 * of the rows. */
static enum store_result
mark_stored(struct store_pg *s, struct store_session *const *rows, size_t n,
    struct pg_rows *got)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		struct id id = { { 0 } };

		if (k < got->n)
			pg_uuid(got, k, 0, id.b);
		rows[i]->stored = k < got->n && id_eq(&id, &rows[i]->id);
		k += rows[i]->stored;
	}
	if (k == got->n && !got->bad)
		return STORE_OK;
	err_set(&s->err, "the rows of the server came in another order");
	return STORE_FAULT;
}

/* Sends a statement, and learns which rows it stored. */
static enum store_result
store_rows(struct store_pg *s, const struct pg_statement *st,
    struct store_session *const *rows, size_t n)
{
	struct pg_rows got;
	enum store_result r = store_pg_ask(s, st, &got);

	if (r != STORE_OK)
		return r;
	r = mark_stored(s, rows, n, &got);
	pg_rows_fini(&got);
	return r;
}

enum store_result
store_pg_put_active(
    struct store *store, struct store_session *const *rows, size_t n)
{
	struct store_pg *s = of(store);
	uint64_t first = UINT64_MAX, last = 0;
	enum store_result r;

	if (n == 0)
		return STORE_OK;
	for (size_t i = 0; i < n; i++) {
		uint64_t at = rows[i]->started_us;

		first = at < first ? at : first;
		last = at > last ? at : last;
	}
	r = put_rows(s, &s->active, (const void *const *)rows, n);
	pg_put_time(&s->params, first);
	pg_put_time(&s->params, last);
	return r == STORE_OK ? store_rows(s, &s->put_active, rows, n) : r;
}

/* Takes the running rows of these sessions away, unless they are another
 * stream's. */
static enum store_result
end_active(struct store_pg *s, struct store_session *const *rows, size_t n)
{
	static const struct pg_statement end = { "active_end",
		"DELETE FROM sallyport.session_active a USING "
		"unnest($1::uuid[], $2::uuid[]) u(id, stream_id) "
		"WHERE a.id = u.id AND a.stream_id = u.stream_id" };
	struct pg_params *p = &s->params;

	pg_params_clear(p);
	pg_array_begin(p, PG_UUID);
	for (size_t i = 0; i < n; i++)
		pg_put_uuid(p, rows[i]->id.b);
	pg_array_end(p);
	pg_array_begin(p, PG_UUID);
	for (size_t i = 0; i < n; i++)
		pg_put_uuid(p, rows[i]->stream.b);
	pg_array_end(p);
	return store_pg_result(s, pg_send(s->pg, &end, p));
}

enum store_result
store_pg_add_sessions(
    struct store *store, struct store_session *const *rows, size_t n)
{
	struct store_pg *s = of(store);
	enum store_result r = STORE_OK;

	if (n == 0)
		return STORE_OK;
	r = end_active(s, rows, n);
	if (r == STORE_OK)
		r = put_rows(s, &s->session, (const void *const *)rows, n);
	return r == STORE_OK ? store_rows(s, &s->add_sessions, rows, n) : r;
}

/* In the order of the key: writers do not wait for each other in a circle. */
static int
by_key(const void *pa, const void *pb)
{
	const struct store_rollup *a = *(void *const *)pa;
	const struct store_rollup *b = *(void *const *)pb;
	size_t len = a->key.len < b->key.len ? a->key.len : b->key.len;
	int r;

	if (a->dimension != b->dimension)
		return a->dimension < b->dimension ? -1 : 1;
	if (a->hour_us != b->hour_us)
		return a->hour_us < b->hour_us ? -1 : 1;
	r = len > 0 ? memcmp(a->key.ptr, b->key.ptr, len) : 0;
	return r != 0 ? r
		      : (a->key.len > b->key.len) - (a->key.len < b->key.len);
}

enum store_result
store_pg_add_rollups(
    struct store *store, const struct store_rollup *rows, size_t n)
{
	struct store_pg *s = of(store);
	const void **sorted;
	enum store_result r;

	if (n == 0)
		return STORE_OK;
	sorted = xreallocarray(NULL, n, sizeof(*sorted));
	for (size_t i = 0; i < n; i++)
		sorted[i] = &rows[i];
	qsort(sorted, n, sizeof(*sorted), by_key);
	r = put_rows(s, &s->rollup, sorted, n);
	free(sorted);
	if (r == STORE_OK)
		r = store_pg_result(
		    s, pg_send(s->pg, &s->add_rollups, &s->params));
	return r;
}

/* ---- reading ---- */

static uint64_t
read_number(struct pg_rows *rows, size_t row, unsigned at, uint32_t type)
{
	switch (type) {
	case PG_TIMESTAMPTZ: return pg_time(rows, row, at);
	case PG_BOOL: return pg_bool(rows, row, at);
	default: return (uint64_t)pg_int(rows, row, at);
	}
}

/* Addresses, 16 bytes each, added to `out`, which does not move. */
static struct str
read_addresses(struct pg_rows *rows, size_t row, unsigned at, uint32_t type,
    struct bytes *out)
{
	size_t from = out->len;
	struct pg_array a;
	uint8_t b[INET_LEN];
	struct str v;
	bool null;

	if (type == PG_INET) {
		pg_inet(rows, row, at, b);
		bytes_add(out, b, sizeof(b));
		return (struct str){ out->ptr + from, sizeof(b) };
	}
	a = pg_array(rows, row, at);
	while (pg_array_next(&a, &v, &null)) {
		if (null || !pg_get_inet(v, b))
			rows->bad = true;
		else
			bytes_add(out, b, sizeof(b));
	}
	rows->bad |= a.left > 0;
	return (struct str){ out->ptr + from, out->len - from };
}

static void
read_field(struct pg_rows *rows, size_t row, unsigned at, uint32_t type,
    const struct store_column *c, void *out, struct bytes *addresses)
{
	void *field = (char *)out + c->offset;

	if (pg_is_null(rows, row, at)) {
		if (c->kind == COLUMN_NUMBER)
			*(uint64_t *)field = STORE_NULL;
		return;
	}
	switch (c->kind) {
	case COLUMN_ID: pg_uuid(rows, row, at, ((struct id *)field)->b); break;
	case COLUMN_NUMBER:
		*(uint64_t *)field = read_number(rows, row, at, type);
		break;
	case COLUMN_BLOB:
		*(struct str *)field =
		    read_addresses(rows, row, at, type, addresses);
		break;
	case COLUMN_TEXT:
	case COLUMN_NAME:
		*(struct str *)field = type == PG_JSONB
					   ? pg_jsonb(rows, row, at)
					   : pg_str(rows, row, at);
		break;
	case COLUMN_CHOICE:
	default: break;
	}
}

/* Room for all addresses of a row: on the wire one takes 8 bytes at least. */
static void
make_room(struct pg_rows *rows, size_t row, const struct store_pg_table *t,
    struct bytes *addresses)
{
	size_t need = INET_LEN;

	for (unsigned i = 0; i < t->n; i++) {
		if (t->attributes[i].column != NULL &&
		    t->attributes[i].column->kind == COLUMN_BLOB &&
		    !pg_is_null(rows, row, i))
			need += 2 * pg_str(rows, row, i).len;
	}
	if (need > addresses->cap) {
		addresses->ptr = xreallocarray(addresses->ptr, need, 1);
		addresses->cap = need;
	}
	bytes_clear(addresses);
}

static void
read_row(struct pg_rows *rows, size_t row, const struct store_pg_table *t,
    struct store_session *out, struct bytes *addresses)
{
	*out = (struct store_session){ 0 };
	make_room(rows, row, t, addresses);
	for (unsigned i = 0; i < t->n; i++) {
		if (t->attributes[i].column != NULL)
			read_field(rows, row, i, t->attributes[i].type,
			    t->attributes[i].column, out, addresses);
	}
}

enum store_result
store_pg_each_active(struct store *store, const struct id *stream,
    void (*fn)(void *arg, const struct store_session *row), void *arg)
{
	struct store_pg *s = of(store);
	struct bytes addresses = { 0 };
	struct store_session row = { 0 };
	enum store_result r = STORE_OK;
	struct pg_rows rows;
	size_t n;

	do {
		n = 0;
		pg_params_clear(&s->params);
		pg_put_uuid(&s->params, stream->b);
		pg_put_uuid(&s->params, row.id.b);
		r = store_pg_ask(s, &s->each_active, &rows);
		if (r != STORE_OK)
			break;
		for (; n < rows.n && !rows.bad; n++) {
			read_row(&rows, n, &s->active, &row, &addresses);
			fn(arg, &row);
		}
		if (rows.bad) {
			err_set(&s->err, "session_active: a row is not as "
					 "expected");
			r = STORE_CORRUPT;
		}
		pg_rows_fini(&rows);
	} while (r == STORE_OK && n > 0);
	bytes_fini(&addresses);
	return r;
}
