/* SPDX-License-Identifier: MIT */
/*
 * id: 128-bit identifiers. Sessions have UUIDv7 (RFC 9562 section 5.7), whose
 * first 48 bits are the wall clock's milliseconds; streams, requests and
 * instances are 128 random bits.
 *
 * Any thread; id_new_v7 keeps its last value in a thread-local.
 */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct id {
	uint8_t b[16];
};

#define ID_TEXT_SIZE 37		/* 8-4-4-4-12 and a NUL */
#define ID_HEX_SIZE 33		/* 32 digits and a NUL */

/* ms = max(wall clock, the last one's): never falls within a thread. */
struct id id_new_v7(void);
struct id id_random(void);
uint64_t id_ms(const struct id *id);	/* of a v7: ms since 1970 */
bool id_eq(const struct id *a, const struct id *b);
bool id_is_zero(const struct id *id);
void id_format(char out[static ID_TEXT_SIZE], const struct id *id);
void id_hex(char out[static ID_HEX_SIZE], const struct id *id);
/* Either form, any case. */
bool id_parse(struct id *out, struct str s) MUST_CHECK;

/* From the kernel; ends the process if it has none. */
void random_bytes(void *p, size_t len);

#endif
