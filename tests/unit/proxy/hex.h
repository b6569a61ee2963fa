/* SPDX-License-Identifier: MIT */
/* hex: the bytes of a transcript, "04 01 00 50" or "0401 0050". */
#ifndef UNIT_PROXY_HEX_H
#define UNIT_PROXY_HEX_H

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"

static inline unsigned
hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = strchr(digits, c);

	ASSERT(c != '\0' && at != NULL);
	return (unsigned)(at - digits);
}

/* Spaces separate; 'text' is ASCII. Free ->ptr, which has just those bytes, so
 * that ASan sees one too many. */
static inline struct str
hex_bytes(const char *text)
{
	char *out = xmalloc(strlen(text) + 1);
	size_t n = 0;

	while (*text != '\0') {
		if (*text == ' ') {
			text++;
		} else if (*text == '\'') {
			for (text++; *text != '\''; text++) {
				ASSERT(*text != '\0');
				out[n++] = *text;
			}
			text++;
		} else {
			out[n++] = (char)(hex_digit(text[0]) << 4 |
			    hex_digit(text[1]));
			text += 2;
		}
	}
	return (struct str){ xreallocarray(out, n == 0 ? 1 : n, 1), n };
}

/* The first `n` bytes of it, in a block of their own. */
static inline struct str
hex_cut(struct str all, size_t n)
{
	char *copy = xmalloc(n == 0 ? 1 : n);

	memcpy(copy, all.ptr, n);
	return (struct str){ copy, n };
}

#endif
