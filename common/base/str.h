/* SPDX-License-Identifier: MIT */
/*
 * str: byte strings with a length, bounded copies that report truncation.
 *
 * A struct str borrows: valid as long as what it points to. No function here
 * needs a NUL at the end, and none looks past `len`. Any thread.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct str {
	const char *ptr;
	size_t len;
};

#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })

/* NULL gives the empty string. */
struct str str_from(const char *cstr);
bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b);	/* ASCII case only */
bool str_has_nul(struct str s);
/* No byte below 0x20, no 0x7f. */
bool str_is_printable(struct str s);
/* How many bytes from the start text_escaped() leaves as they are: printable
 * ASCII but the backslash. */
size_t str_plain(struct str s);
bool str_is_utf8(struct str s);		/* valid UTF-8, RFC 3629 */
/* The first character: its bytes and its code; 0: `s` is empty or no UTF-8. */
size_t str_char(struct str s, uint32_t *code);
/* No control, line separator, byte order mark or change of direction. */
bool str_char_is_printable(uint32_t code);
/* UTF-8 of nothing but such characters; "" too. */
bool str_is_clean(struct str s);
/* Copies with a NUL; false: cut to fit (still terminated if size > 0). */
bool str_copy(char *dst, size_t size, struct str s) MUST_CHECK;
/* Decimal, whole string, no sign, at most `max`. */
bool str_to_u64(struct str s, uint64_t max, uint64_t *out) MUST_CHECK;
void str_lower(char *s, size_t len);	/* ASCII, in place */

/* Text being built in a caller's array; always terminated, and never cut
 * within a character. Once cut, what is added later is left out. */
struct text {
	char *ptr;
	size_t size;	/* of the array */
	size_t len;	/* without the NUL */
	bool cut;	/* something did not fit */
};

struct text text_on(char *array, size_t size);
void text_str(struct text *t, struct str s);
void text_fmt(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void text_vfmt(struct text *t, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/*
 * Makes any bytes valid UTF-8 without control characters: printable UTF-8
 * stays, `\` becomes `\\`, all else becomes \xNN. decode(encode(x)) == x.
 */
void text_escaped(struct text *t, struct str s);

/* How far apart two words are: characters inserted, deleted, replaced, and
 * neighbours swapped; at most 99. */
unsigned str_distance(struct str a, struct str b);

/* Growing byte buffer on the heap; memory out ends the process. */
struct bytes {
	char *ptr;
	size_t len, cap;
};

void bytes_add(struct bytes *b, const void *p, size_t len);
void bytes_fmt(struct bytes *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void bytes_clear(struct bytes *b);	/* keeps the memory */
void bytes_fini(struct bytes *b);

#endif
