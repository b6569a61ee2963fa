/* SPDX-License-Identifier: MIT */
/*
 * value: the types that a key can have; each is one row {parse, print, free}.
 *
 * Units stand in the value ("10s", "64KiB"), not in the key. Durations are
 * kept in milliseconds, sizes in bytes. Any thread.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/addr.h"
#include "net/cidr.h"

struct endpoint_list {
	struct endpoint *v;
	size_t n;
};

struct cidr_list {
	struct cidr *v;
	size_t n;
};

struct string_list {
	char **v;
	size_t n;
};

enum value_type {
	VALUE_BOOL,		/* bool */
	VALUE_U32,		/* uint32_t */
	VALUE_DURATION,		/* uint64_t ms: 250ms 10s 5m 1h 30d; 0 */
	VALUE_BYTES,		/* uint64_t: 4096 64KiB 1MiB 4GiB */
	VALUE_STRING,		/* char *, never NULL */
	VALUE_PATH,		/* char *, absolute or relative to the cwd */
	VALUE_SECRET,		/* char *, never shown */
	VALUE_CHOICE,		/* uint32_t, index into the key's choices */
	VALUE_STRINGS,		/* struct string_list */
	VALUE_ENDPOINT,		/* struct endpoint */
	VALUE_ENDPOINTS,	/* struct endpoint_list; min..max: how many */
	VALUE_CIDRS,		/* struct cidr_list */
};

/* "1500ms" -> 1500; a bare number other than 0 is an error. */
int value_parse_duration(struct str s, uint64_t *ms, struct err *err)
    MUST_CHECK;
int value_parse_bytes(struct str s, uint64_t *out, struct err *err) MUST_CHECK;

#endif
