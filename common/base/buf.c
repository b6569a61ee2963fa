/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <string.h>

struct reader
reader_on(const void *p, size_t len)
{
	return (struct reader){ .ptr = p, .left = len };
}

/* The next `n` bytes, or NULL. */
static const uint8_t *
take(struct reader *r, size_t n)
{
	const uint8_t *p = r->ptr;

	if (r->failed || n > r->left) {
		r->failed = true;
		return NULL;
	}
	r->left -= n;
	if (n > 0)
		r->ptr += n;
	return p;
}

static uint64_t
number(struct reader *r, size_t n)
{
	const uint8_t *p = take(r, n);
	uint64_t v = 0;

	for (; p != NULL && n > 0; n--)
		v = v << 8 | *p++;
	return v;
}

uint8_t
reader_u8(struct reader *r)
{
	return (uint8_t)number(r, 1);
}

uint16_t
reader_u16(struct reader *r)
{
	return (uint16_t)number(r, 2);
}

uint32_t
reader_u32(struct reader *r)
{
	return (uint32_t)number(r, 4);
}

uint64_t
reader_u64(struct reader *r)
{
	return number(r, 8);
}

struct str
reader_take(struct reader *r, size_t n)
{
	const uint8_t *p = take(r, n);

	if (r->failed)
		return (struct str){ 0 };
	return (struct str){ (const char *)p, n };
}

struct writer
writer_on(void *p, size_t size)
{
	return (struct writer){ .ptr = p, .size = size };
}

void
writer_put(struct writer *w, const void *p, size_t n)
{
	if (w->failed || n > w->size - w->len) {
		w->failed = true;
		return;
	}
	if (n > 0)
		memcpy(w->ptr + w->len, p, n);
	w->len += n;
}

static void
put_number(struct writer *w, uint64_t v, size_t n)
{
	uint8_t b[8];
	size_t i;

	for (i = n; i > 0; v >>= 8)
		b[--i] = (uint8_t)v;
	writer_put(w, b, n);
}

void
writer_u8(struct writer *w, uint8_t v)
{
	put_number(w, v, 1);
}

void
writer_u16(struct writer *w, uint16_t v)
{
	put_number(w, v, 2);
}

void
writer_u32(struct writer *w, uint32_t v)
{
	put_number(w, v, 4);
}

void
writer_u64(struct writer *w, uint64_t v)
{
	put_number(w, v, 8);
}
