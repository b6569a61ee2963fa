/* SPDX-License-Identifier: MIT */
#include "proto/wire.h"

#define TAG(number, type) ((uint64_t)(number) << 3 | (type))
#define NUMBER_MAX ((1u << 29) - 1)
#define VARINT_MAX 10	/* bytes */

static bool
take_varint(struct str *rest, uint64_t *out)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < rest->len && i < VARINT_MAX; i++) {
		uint8_t b = (uint8_t)rest->ptr[i];

		if (i == VARINT_MAX - 1 && b > 1)
			return false;	/* beyond 64 bits */
		v |= (uint64_t)(b & 0x7f) << (7 * i);
		if (b < 0x80) {
			*rest = (struct str){ rest->ptr + i + 1,
				rest->len - i - 1 };
			*out = v;
			return true;
		}
	}
	return false;
}

static bool
take_bytes(struct str *rest, uint64_t n, struct str *out)
{
	if (n > rest->len)
		return false;
	*out = (struct str){ rest->ptr, (size_t)n };
	*rest = (struct str){ rest->ptr + n, rest->len - (size_t)n };
	return true;
}

/* Little endian, whatever the machine. */
static bool
take_fixed(struct str *rest, size_t n, uint64_t *out)
{
	struct str s;

	if (!take_bytes(rest, n, &s))
		return false;
	*out = 0;
	while (n-- > 0)
		*out = *out << 8 | (uint8_t)s.ptr[n];
	return true;
}

static bool
take_value(struct str *rest, struct wire_field *f)
{
	uint64_t len;

	switch (f->type) {
	case WIRE_VARINT: return take_varint(rest, &f->value);
	case WIRE_FIXED64: return take_fixed(rest, 8, &f->value);
	case WIRE_FIXED32: return take_fixed(rest, 4, &f->value);
	case WIRE_BYTES:
		return take_varint(rest, &len) &&
		    take_bytes(rest, len, &f->bytes);
	}
	return false;
}

enum wire_result
wire_next(struct str *rest, struct wire_field *f)
{
	uint64_t tag;

	if (rest->len == 0)
		return WIRE_END;
	if (!take_varint(rest, &tag))
		return WIRE_BAD;
	*f = (struct wire_field){ .type = (enum wire_type)(tag & 7) };
	if (tag >> 3 == 0 || tag >> 3 > NUMBER_MAX)
		return WIRE_BAD;
	f->number = (uint32_t)(tag >> 3);
	return take_value(rest, f) ? WIRE_FIELD : WIRE_BAD;
}

static size_t
varint_len(uint64_t v)
{
	/* Seven bits a byte, and a byte for 0. */
	return ((size_t)(63 - __builtin_clzll(v | 1)) / 7) + 1;
}

size_t
wire_varint_size(uint32_t number, uint64_t value)
{
	if (value == 0)
		return 0;
	return varint_len(TAG(number, WIRE_VARINT)) + varint_len(value);
}

size_t
wire_bytes_size(uint32_t number, size_t len)
{
	if (len == 0)
		return 0;
	return varint_len(TAG(number, WIRE_BYTES)) + varint_len(len) + len;
}

static uint8_t *
store_varint(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

/* A tag and a value or length, in one go; in place where there is room for the
 * longest, which is nearly always. */
static void
put_pair(struct writer *w, uint64_t tag, uint64_t v)
{
	uint8_t b[2 * VARINT_MAX];
	uint8_t *at = (uint8_t *)w->ptr + w->len;

	if (w->failed || w->size - w->len < sizeof(b))
		writer_put(w, b,
		    (size_t)(store_varint(store_varint(b, tag), v) - b));
	else
		w->len += (size_t)(store_varint(store_varint(at, tag), v) - at);
}

void
wire_put_varint(struct writer *w, uint32_t number, uint64_t value)
{
	if (value != 0)
		put_pair(w, TAG(number, WIRE_VARINT), value);
}

void
wire_put_head(struct writer *w, uint32_t number, size_t len)
{
	put_pair(w, TAG(number, WIRE_BYTES), len);
}

void
wire_put_bytes(struct writer *w, uint32_t number, struct str s)
{
	if (s.len == 0)
		return;
	wire_put_head(w, number, s.len);
	writer_put(w, s.ptr, s.len);
}
