/* SPDX-License-Identifier: MIT */
/*
 * A v7 here is: 48 bits of milliseconds, 12 bits of counter that start at
 * random in the lower half each millisecond (RFC 9562 section 6.2, method 1),
 * and 62 random bits. When the counter is used up, the millisecond is moved
 * on, as the RFC permits.
 */
#include "base/id.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"

#define COUNTER_MAX 0xfff

void
random_bytes(void *p, size_t len)
{
	uint8_t *at = p;

	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);

		if (n < 0 && errno != EINTR)
			die("no random bytes from the kernel");
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
}

/* Random bytes for an id, with one system call for sixteen of them. */
static void
fill(struct id *id)
{
	static _Thread_local struct id stock[16];
	static _Thread_local size_t left;

	if (left == 0) {
		random_bytes(stock, sizeof(stock));
		left = ARRAY_LEN(stock);
	}
	*id = stock[--left];
}

struct id
id_random(void)
{
	struct id id;

	fill(&id);
	return id;
}

struct id
id_new_v7(void)
{
	static _Thread_local uint64_t last_ms;
	static _Thread_local unsigned counter;
	uint64_t ms = clock_wall_us() / 1000;
	struct id id;
	int i;

	fill(&id);
	if (ms > last_ms || counter == COUNTER_MAX) {
		last_ms = ms > last_ms ? ms : last_ms + 1;
		counter = (id.b[6] << 8 | id.b[7]) & COUNTER_MAX >> 1;
	} else {
		counter++;
	}
	for (i = 0; i < 6; i++)
		id.b[i] = (uint8_t)(last_ms >> (40 - 8 * i));
	id.b[6] = (uint8_t)(0x70 | counter >> 8);
	id.b[7] = (uint8_t)counter;
	id.b[8] = (uint8_t)(0x80 | (id.b[8] & 0x3f));
	return id;
}

uint64_t
id_ms(const struct id *id)
{
	uint64_t ms = 0;
	int i;

	for (i = 0; i < 6; i++)
		ms = ms << 8 | id->b[i];
	return ms;
}

bool
id_eq(const struct id *a, const struct id *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool
id_is_zero(const struct id *id)
{
	static const struct id zero;

	return id_eq(id, &zero);
}

/* A dash stands before these bytes in the long form. */
static bool
dash_before(size_t i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

static void
format(char *out, const struct id *id, bool dashes)
{
	static const char hex[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < sizeof(id->b); i++) {
		if (dashes && dash_before(i))
			*out++ = '-';
		*out++ = hex[id->b[i] >> 4];
		*out++ = hex[id->b[i] & 15];
	}
	*out = '\0';
}

void
id_format(char out[static ID_TEXT_SIZE], const struct id *id)
{
	format(out, id, true);
}

void
id_hex(char out[static ID_HEX_SIZE], const struct id *id)
{
	format(out, id, false);
}

/* -1: not a hexadecimal digit. */
static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
id_parse(struct id *out, struct str s)
{
	bool dashes = s.len == ID_TEXT_SIZE - 1;
	const char *p = s.ptr;
	struct id id;
	size_t i;

	if (!dashes && s.len != ID_HEX_SIZE - 1)
		return false;
	for (i = 0; i < sizeof(id.b); i++) {
		int high, low;

		if (dashes && dash_before(i) && *p++ != '-')
			return false;
		high = digit(*p++);
		low = digit(*p++);
		if (high < 0 || low < 0)
			return false;
		id.b[i] = (uint8_t)(high << 4 | low);
	}
	*out = id;
	return true;
}
