/* SPDX-License-Identifier: MIT */
/*
 * pg_wire: PostgreSQL's binary forms of values.
 *
 * A struct pg_params is filled value by value in the order of $1, $2, …; a
 * value may be an array, whose elements are put between pg_array_begin and
 * pg_array_end. The readers take a value as the server sent it and never look
 * past its end. Pure; any thread.
 */
#ifndef PGSQL_PG_WIRE_H
#define PGSQL_PG_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* The numbers are PostgreSQL's, fixed for ever in its catalogue. */
enum pg_type {
	PG_BOOL = 16,
	PG_BYTEA = 17,
	PG_INT8 = 20,
	PG_INT2 = 21,
	PG_INT4 = 23,
	PG_TEXT = 25,
	PG_INET = 869,
	PG_TIMESTAMPTZ = 1184,
	PG_UUID = 2950,
	PG_JSONB = 3802,
};

#define PG_PARAMS_MAX 64

/* To be zeroed first, used again after pg_params_clear. */
struct pg_params {
	struct bytes data;
	unsigned n;
	struct {
		size_t at;
		int32_t len; /* -1: NULL */
	} values[PG_PARAMS_MAX];
	/* of the array being put, and its record */
	bool in_array, in_record;
	size_t array_at, record_at;
	uint32_t array_n, record_n;
};

void pg_params_clear(struct pg_params *p); /* keeps the memory */
void pg_params_fini(struct pg_params *p);

void pg_put_null(struct pg_params *p);
void pg_put_bool(struct pg_params *p, bool v);
void pg_put_int2(struct pg_params *p, int16_t v);
void pg_put_int4(struct pg_params *p, int32_t v);
void pg_put_int8(struct pg_params *p, int64_t v);
/* µs since 1970, below 2^63. */
void pg_put_time(struct pg_params *p, uint64_t us);
/* text and bytea */
void pg_put_str(struct pg_params *p, struct str v);
void pg_put_jsonb(struct pg_params *p, struct str v);
void pg_put_uuid(struct pg_params *p, const uint8_t v[static 16]);
/* IPv4 as ::ffff:a.b.c.d becomes an inet of 4 bytes. */
void pg_put_inet(struct pg_params *p, const uint8_t v[static 16]);
/* One-dimensional; elements may be NULL. `of`: an enum pg_type, or the number
 * of a composite type. */
void pg_array_begin(struct pg_params *p, uint32_t of);
void pg_array_end(struct pg_params *p);
/* An element of a composite type: before each field its type is named. */
void pg_record_begin(struct pg_params *p);
void pg_record_field(struct pg_params *p, uint32_t type);
void pg_record_end(struct pg_params *p);

/* False: not a value of that type; `out` is then untouched. */
bool pg_get_int(struct str v, int64_t *out) MUST_CHECK; /* 2, 4, 8 bytes */
bool pg_get_bool(struct str v, bool *out) MUST_CHECK;
bool pg_get_time(struct str v, uint64_t *out_us) MUST_CHECK;
bool pg_get_jsonb(struct str v, struct str *out) MUST_CHECK;
bool pg_get_uuid(struct str v, uint8_t out[static 16]) MUST_CHECK;
/* Single addresses only, no networks. */
bool pg_get_inet(struct str v, uint8_t out[static 16]) MUST_CHECK;

/* The elements of a one-dimensional array, one after the other. */
struct pg_array {
	struct str rest;
	uint32_t left; /* elements to come */
};

bool pg_get_array(struct str v, struct pg_array *out) MUST_CHECK;
/* The next element; false: no more, or the rest is damaged (then left > 0).
 * `null`: it is NULL. */
bool pg_array_next(struct pg_array *a, struct str *v, bool *null) MUST_CHECK;

#endif
