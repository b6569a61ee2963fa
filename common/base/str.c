/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define DISTANCE_MAX 99

struct str
str_from(const char *cstr)
{
	return (struct str){ cstr, cstr != NULL ? strlen(cstr) : 0 };
}

bool
str_eq(struct str a, struct str b)
{
	return a.len == b.len
	    && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
str_eq_nocase(struct str a, struct str b)
{
	size_t i;

	if (a.len != b.len)
		return false;
	for (i = 0; i < a.len; i++) {
		if (lower(a.ptr[i]) != lower(b.ptr[i]))
			return false;
	}
	return true;
}

bool
str_has_nul(struct str s)
{
	return s.len > 0 && memchr(s.ptr, '\0', s.len) != NULL;
}

bool
str_is_printable(struct str s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		if ((uint8_t)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
			return false;
	}
	return true;
}

size_t
str_char(struct str s, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t first = s.len > 0 ? (uint8_t)s.ptr[0] : 0xff;
	size_t n, i;
	uint32_t c;

	if (first < 0x80) {
		*code = first;
		return 1;
	}
	n = first >= 0xf8 ? 0 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3
	    : first >= 0xc0 ? 2 : 0;
	if (n == 0 || n > s.len)
		return 0;
	c = first & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if (((uint8_t)s.ptr[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | ((uint8_t)s.ptr[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*code = c;
	return n;
}

bool
str_char_is_printable(uint32_t c)
{
	return c >= 0x20 && !(c >= 0x7f && c < 0xa0)
	    && !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069)
	    && c != 0xfeff;
}

bool
str_is_clean(struct str s)
{
	uint32_t code;
	size_t n;

	for (; s.len > 0; s.ptr += n, s.len -= n) {
		n = str_char(s, &code);
		if (n == 0 || !str_char_is_printable(code))
			return false;
	}
	return true;
}

bool
str_is_utf8(struct str s)
{
	uint32_t code;
	size_t n;

	for (; s.len > 0; s.ptr += n, s.len -= n) {
		n = str_char(s, &code);
		if (n == 0)
			return false;
	}
	return true;
}

bool
str_copy(char *dst, size_t size, struct str s)
{
	size_t n = s.len;

	if (size == 0)
		return false;
	if (n > size - 1)
		n = size - 1;
	if (n > 0)
		memcpy(dst, s.ptr, n);
	dst[n] = '\0';
	return n == s.len;
}

bool
str_to_u64(struct str s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < s.len; i++) {
		uint8_t digit = (uint8_t)(s.ptr[i] - '0');

		if (digit > 9 || __builtin_mul_overflow(v, 10, &v)
		    || __builtin_add_overflow(v, digit, &v))
			return false;
	}
	if (s.len == 0 || v > max)
		return false;
	*out = v;
	return true;
}

void
str_lower(char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		s[i] = lower(s[i]);
}

struct text
text_on(char *array, size_t size)
{
	if (size > 0)
		array[0] = '\0';
	return (struct text){ .ptr = array, .size = size };
}

/* Bytes that still fit, the NUL set aside. */
static size_t
text_room(const struct text *t)
{
	return t->cut || t->size == 0 ? 0 : t->size - 1 - t->len;
}

/* Something did not fit: what is there ends with a whole character. */
static void
text_set_cut(struct text *t)
{
	size_t i = t->len;
	uint32_t code;

	t->cut = true;
	while (i > 0 && t->len - i < 3 && (t->ptr[i - 1] & 0xc0) == 0x80)
		i--;
	if (i > 0 && (uint8_t)t->ptr[i - 1] >= 0xc0
	    && str_char((struct str){ t->ptr + i - 1, t->len - i + 1 },
		   &code) == 0)
		t->len = i - 1;
	if (t->size > 0)
		t->ptr[t->len] = '\0';
}

void
text_str(struct text *t, struct str s)
{
	size_t room = text_room(t);
	size_t n = s.len < room ? s.len : room;

	if (n > 0) {
		memcpy(t->ptr + t->len, s.ptr, n);
		t->len += n;
		t->ptr[t->len] = '\0';
	}
	if (n < s.len && !t->cut)
		text_set_cut(t);
}

void
text_vfmt(struct text *t, const char *fmt, va_list ap)
{
	size_t room = text_room(t);
	char *at = t->size > 0 ? t->ptr + t->len : NULL;
	int n;

	if (t->cut)
		return;
	n = vsnprintf(at, t->size > 0 ? room + 1 : 0, fmt, ap);
	if (n >= 0 && (size_t)n <= room) {
		t->len += (size_t)n;
	} else {
		t->len += n < 0 ? 0 : room;
		text_set_cut(t);
	}
}

void
text_fmt(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_vfmt(t, fmt, ap);
	va_end(ap);
}

/* All of it or nothing. */
static void
text_whole(struct text *t, struct str s)
{
	if (s.len > text_room(t))
		t->cut = true;
	else
		text_str(t, s);
}

size_t
str_plain(struct str s)
{
	size_t n = 0;

	while (n < s.len && s.ptr[n] >= 0x20 && s.ptr[n] < 0x7f &&
	    s.ptr[n] != '\\')
		n++;
	return n;
}

void
text_escaped(struct text *t, struct str s)
{
	static const char hex[] = "0123456789abcdef";
	uint32_t code;
	size_t n, i;

	for (; s.len > 0 && !t->cut; s.ptr += n, s.len -= n) {
		n = str_plain(s);
		if (n > 0) {	/* nearly always all of it */
			text_str(t, (struct str){ s.ptr, n });
			continue;
		}
		n = str_char(s, &code);
		if (n > 0 && code == '\\') {
			text_whole(t, STR("\\\\"));
		} else if (n > 0 && str_char_is_printable(code)) {
			text_whole(t, (struct str){ s.ptr, n });
		} else {
			n = n > 0 ? n : 1;
			for (i = 0; i < n; i++) {
				uint8_t b = (uint8_t)s.ptr[i];
				char x[] = { '\\', 'x', hex[b >> 4],
					hex[b & 15] };

				text_whole(t, (struct str){ x, sizeof(x) });
			}
		}
	}
}

static unsigned
min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Optimal string alignment, three rows of its matrix at a time. */
unsigned
str_distance(struct str a, struct str b)
{
	unsigned rows[3][DISTANCE_MAX + 1], cost;
	unsigned *two = rows[0], *one = rows[1], *now = rows[2], *old;
	size_t i, j;

	if (str_eq(a, b))
		return 0;
	if (a.len > DISTANCE_MAX || b.len > DISTANCE_MAX)
		return DISTANCE_MAX;
	for (j = 0; j <= b.len; j++)
		now[j] = (unsigned)j;
	for (i = 1; i <= a.len; i++) {
		old = two;
		two = one;
		one = now;
		now = old;
		now[0] = (unsigned)i;
		for (j = 1; j <= b.len; j++) {
			cost = a.ptr[i - 1] != b.ptr[j - 1];
			now[j] = min3(one[j] + 1, now[j - 1] + 1,
			    one[j - 1] + cost);
			if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2]
			    && a.ptr[i - 2] == b.ptr[j - 1])
				now[j] = min3(now[j], now[j], two[j - 2] + 1);
		}
	}
	return now[b.len];
}

/* Room for `more` bytes and a NUL that vsnprintf writes. */
static void
bytes_reserve(struct bytes *b, size_t more)
{
	size_t need, cap = b->cap > 0 ? b->cap : 64;

	ASSERT(!__builtin_add_overflow(b->len, more, &need)
	    && need < SIZE_MAX / 2);
	while (cap <= need)
		cap *= 2;
	if (cap != b->cap)
		b->ptr = xreallocarray(b->ptr, cap, 1);
	b->cap = cap;
}

void
bytes_add(struct bytes *b, const void *p, size_t len)
{
	if (len == 0)
		return;
	bytes_reserve(b, len);
	memcpy(b->ptr + b->len, p, len);
	b->len += len;
}

void
bytes_fmt(struct bytes *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ASSERT(n >= 0);
	bytes_reserve(b, (size_t)n);
	va_start(ap, fmt);
	vsnprintf(b->ptr + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void
bytes_clear(struct bytes *b)
{
	b->len = 0;
}

void
bytes_fini(struct bytes *b)
{
	free(b->ptr);
	*b = (struct bytes){ 0 };
}
