/* SPDX-License-Identifier: MIT */
#include "pgsql/pg_wire.h"

#include <string.h>

#include "base/buf.h"

/* 2000-01-01, where PostgreSQL begins to count, in µs since 1970. */
#define EPOCH_US INT64_C(946684800000000)

enum { FAMILY_V4 = 2, FAMILY_V6 = 3 };
static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };

/* Dimensions, whether there are NULLs, type, length, lower bound. */
#define ARRAY_HEAD    20
#define ARRAY_DIMS_AT 0
#define ARRAY_NULL_AT 4
#define ARRAY_LEN_AT  12

static void
store_u32(char *at, uint32_t v)
{
	const unsigned char b[4] = { (unsigned char)(v >> 24),
		(unsigned char)(v >> 16), (unsigned char)(v >> 8),
		(unsigned char)v };

	memcpy(at, b, sizeof(b));
}

void
pg_params_clear(struct pg_params *p)
{
	ASSERT(!p->in_array);
	bytes_clear(&p->data);
	p->n = 0;
}

void
pg_params_fini(struct pg_params *p)
{
	bytes_fini(&p->data);
	p->n = 0;
}

static void
add_length(struct pg_params *p, uint32_t len)
{
	char b[4];

	store_u32(b, len);
	bytes_add(&p->data, b, sizeof(b));
}

/* A value comes, in two parts: its length before it in an array, noted
 * beside it otherwise. */
static void
put(struct pg_params *p, const void *head, size_t head_len, struct str v)
{
	ASSERT(v.len < INT32_MAX - 16);
	if (p->in_array) {
		add_length(p, (uint32_t)(head_len + v.len));
		p->array_n += !p->in_record;
	} else {
		ASSERT(p->n < PG_PARAMS_MAX);
		p->values[p->n].at = p->data.len;
		p->values[p->n++].len = (int32_t)(head_len + v.len);
	}
	bytes_add(&p->data, head, head_len);
	bytes_add(&p->data, v.ptr, v.len);
}

static void
put_number(struct pg_params *p, uint64_t v, size_t len)
{
	uint8_t b[8];

	for (size_t i = 0; i < len; i++)
		b[i] = (uint8_t)(v >> (8 * (len - 1 - i)));
	put(p, b, len, (struct str){ 0 });
}

void
pg_put_null(struct pg_params *p)
{
	if (p->in_array) {
		if (!p->in_record)
			store_u32(p->data.ptr + p->array_at + ARRAY_NULL_AT, 1);
		add_length(p, UINT32_MAX);
		p->array_n += !p->in_record;
		return;
	}
	put(p, NULL, 0, (struct str){ 0 });
	p->values[p->n - 1].len = -1;
}

void
pg_put_bool(struct pg_params *p, bool v)
{
	put_number(p, v, 1);
}

void
pg_put_int2(struct pg_params *p, int16_t v)
{
	put_number(p, (uint64_t)v, 2);
}

void
pg_put_int4(struct pg_params *p, int32_t v)
{
	put_number(p, (uint64_t)v, 4);
}

void
pg_put_int8(struct pg_params *p, int64_t v)
{
	put_number(p, (uint64_t)v, 8);
}

void
pg_put_time(struct pg_params *p, uint64_t us)
{
	pg_put_int8(p, (int64_t)us - EPOCH_US);
}

void
pg_put_str(struct pg_params *p, struct str v)
{
	put(p, NULL, 0, v);
}

void
pg_put_jsonb(struct pg_params *p, struct str v)
{
	static const char version = 1;

	put(p, &version, 1, v);
}

void
pg_put_uuid(struct pg_params *p, const uint8_t v[static 16])
{
	put(p, v, 16, (struct str){ 0 });
}

void
pg_put_inet(struct pg_params *p, const uint8_t v[static 16])
{
	bool v4 = memcmp(v, v4_mapped, sizeof(v4_mapped)) == 0;
	size_t len = v4 ? 4 : 16;
	const uint8_t head[4] = { v4 ? FAMILY_V4 : FAMILY_V6,
		(uint8_t)(len * 8), 0 /* inet, not cidr */, (uint8_t)len };

	put(p, head, sizeof(head),
	    (struct str){ (const char *)v + 16 - len, len });
}

void
pg_array_begin(struct pg_params *p, uint32_t of)
{
	char head[ARRAY_HEAD] = { 0 };

	ASSERT(!p->in_array);
	store_u32(head, 1);
	store_u32(head + 8, of);
	store_u32(head + 16, 1);
	put(p, head, sizeof(head), (struct str){ 0 });
	p->in_array = true;
	p->array_at = p->values[p->n - 1].at;
	p->array_n = 0;
}

void
pg_array_end(struct pg_params *p)
{
	char *head = p->data.ptr + p->array_at;

	ASSERT(p->in_array && !p->in_record);
	p->in_array = false;
	/* An empty array has no dimension at all. */
	if (p->array_n == 0) {
		store_u32(head + ARRAY_DIMS_AT, 0);
		p->data.len = p->array_at + ARRAY_LEN_AT;
	} else {
		store_u32(head + ARRAY_LEN_AT, p->array_n);
	}
	ASSERT(p->data.len - p->array_at < INT32_MAX);
	p->values[p->n - 1].len = (int32_t)(p->data.len - p->array_at);
}

void
pg_record_begin(struct pg_params *p)
{
	ASSERT(p->in_array && !p->in_record);
	p->in_record = true;
	p->record_at = p->data.len;
	p->record_n = 0;
	add_length(p, 0); /* both known at its end */
	add_length(p, 0);
}

void
pg_record_field(struct pg_params *p, uint32_t type)
{
	ASSERT(p->in_record);
	add_length(p, type);
	p->record_n++;
}

void
pg_record_end(struct pg_params *p)
{
	size_t len = p->data.len - p->record_at - 4;

	ASSERT(p->in_record && len < INT32_MAX);
	store_u32(p->data.ptr + p->record_at, (uint32_t)len);
	store_u32(p->data.ptr + p->record_at + 4, p->record_n);
	p->in_record = false;
	p->array_n++;
}

bool
pg_get_int(struct str v, int64_t *out)
{
	struct reader r = reader_on(v.ptr, v.len);

	switch (v.len) {
	case 2: *out = (int16_t)reader_u16(&r); return true;
	case 4: *out = (int32_t)reader_u32(&r); return true;
	case 8: *out = (int64_t)reader_u64(&r); return true;
	default: return false;
	}
}

bool
pg_get_bool(struct str v, bool *out)
{
	if (v.len != 1 || (uint8_t)v.ptr[0] > 1)
		return false;
	*out = v.ptr[0] == 1;
	return true;
}

bool
pg_get_time(struct str v, uint64_t *out_us)
{
	int64_t us;

	if (v.len != 8 || !pg_get_int(v, &us))
		return false;
	/* The greatest is "infinity": it stays the greatest. */
	if (__builtin_add_overflow(us, EPOCH_US, &us))
		us = INT64_MAX;
	*out_us = us > 0 ? (uint64_t)us : 0;
	return true;
}

bool
pg_get_jsonb(struct str v, struct str *out)
{
	if (v.len < 1 || v.ptr[0] != 1)
		return false;
	*out = (struct str){ v.ptr + 1, v.len - 1 };
	return true;
}

bool
pg_get_uuid(struct str v, uint8_t out[static 16])
{
	if (v.len != 16)
		return false;
	memcpy(out, v.ptr, 16);
	return true;
}

bool
pg_get_inet(struct str v, uint8_t out[static 16])
{
	struct reader r = reader_on(v.ptr, v.len);
	uint8_t family = reader_u8(&r), bits = reader_u8(&r);
	uint8_t cidr = reader_u8(&r), len = reader_u8(&r);

	if (r.failed || r.left != len || cidr > 1 || bits != len * 8)
		return false;
	if (family == FAMILY_V4 && len == 4) {
		memcpy(out, v4_mapped, sizeof(v4_mapped));
		memcpy(out + 12, r.ptr, 4);
		return true;
	}
	if (family == FAMILY_V6 && len == 16) {
		memcpy(out, r.ptr, 16);
		return true;
	}
	return false;
}

bool
pg_get_array(struct str v, struct pg_array *out)
{
	struct reader r = reader_on(v.ptr, v.len);
	uint32_t dims = reader_u32(&r), n = 0;

	reader_u32(&r); /* whether there are NULLs */
	reader_u32(&r); /* type */
	if (dims == 1) {
		n = reader_u32(&r);
		reader_u32(&r); /* lower bound */
	}
	/* Each element has a length at least. */
	if (r.failed || dims > 1 || n > r.left / 4 || (n == 0 && r.left > 0))
		return false;
	*out = (struct pg_array){ { (const char *)r.ptr, r.left }, n };
	return true;
}

bool
pg_array_next(struct pg_array *a, struct str *v, bool *null)
{
	struct reader r = reader_on(a->rest.ptr, a->rest.len);
	uint32_t len;

	if (a->left == 0)
		return false;
	len = reader_u32(&r);
	*null = !r.failed && len == UINT32_MAX;
	*v = reader_take(&r, *null ? 0 : len);
	if (r.failed)
		return false;
	a->rest = (struct str){ (const char *)r.ptr, r.left };
	a->left--;
	return true;
}
