/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "pgsql/pg_impl.h"

bool
pg_is_null(const struct pg_rows *rows, size_t row, unsigned column)
{
	return PQgetisnull(rows->result, (int)row, (int)column) != 0;
}

struct str
pg_str(struct pg_rows *rows, size_t row, unsigned column)
{
	const PGresult *r = rows->result;

	if (row >= rows->n || (int)column >= PQnfields(r) ||
	    pg_is_null(rows, row, column)) {
		rows->bad = true;
		return (struct str){ "", 0 };
	}
	return (struct str){ PQgetvalue(r, (int)row, (int)column),
		(size_t)PQgetlength(r, (int)row, (int)column) };
}

int64_t
pg_int(struct pg_rows *rows, size_t row, unsigned column)
{
	int64_t v = 0;

	if (!pg_get_int(pg_str(rows, row, column), &v))
		rows->bad = true;
	return v;
}

bool
pg_bool(struct pg_rows *rows, size_t row, unsigned column)
{
	bool v = false;

	if (!pg_get_bool(pg_str(rows, row, column), &v))
		rows->bad = true;
	return v;
}

uint64_t
pg_time(struct pg_rows *rows, size_t row, unsigned column)
{
	uint64_t v = 0;

	if (!pg_get_time(pg_str(rows, row, column), &v))
		rows->bad = true;
	return v;
}

struct str
pg_jsonb(struct pg_rows *rows, size_t row, unsigned column)
{
	struct str v = { "", 0 };

	if (!pg_get_jsonb(pg_str(rows, row, column), &v))
		rows->bad = true;
	return v;
}

void
pg_uuid(
    struct pg_rows *rows, size_t row, unsigned column, uint8_t out[static 16])
{
	memset(out, 0, 16);
	if (!pg_get_uuid(pg_str(rows, row, column), out))
		rows->bad = true;
}

void
pg_inet(
    struct pg_rows *rows, size_t row, unsigned column, uint8_t out[static 16])
{
	memset(out, 0, 16);
	if (!pg_get_inet(pg_str(rows, row, column), out))
		rows->bad = true;
}

struct pg_array
pg_array(struct pg_rows *rows, size_t row, unsigned column)
{
	struct pg_array a = { { "", 0 }, 0 };

	if (!pg_get_array(pg_str(rows, row, column), &a))
		rows->bad = true;
	return a;
}

void
pg_rows_fini(struct pg_rows *rows)
{
	PQclear(rows->result);
	*rows = (struct pg_rows){ 0 };
}
