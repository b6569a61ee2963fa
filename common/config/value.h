/* SPDX-License-Identifier: MIT */
/*
 * value: the types that a key can have; each is one row of functions.
 *
 * Units stand in the value ("10s", "64KiB"), not in the key. Durations are
 * kept in milliseconds, sizes in bytes. Whatever the file's syntax, a value is
 * read from its text; the row says of which kinds that text may be. Any thread.
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

/* Ports to choose from, both ends included; 0-0: the kernel chooses. */
struct port_range {
	uint16_t low, high;
};

/* What to tell clients in place of an address of our own. */
struct advertised {
	struct cidr clients;	/* meaningless if everyone */
	bool everyone;
	struct addr address;	/* neither unspecified nor multicast */
};

struct advertised_list {
	struct advertised *v;
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
	VALUE_PORTS,		/* struct port_range: ephemeral 40000-40999 */
	VALUE_ADVERTISED,	/* struct advertised_list: NETWORK=ADDRESS or a
				 * bare ADDRESS for all clients */
};

/* What `min` and `max` of a key count. */
enum value_measure {
	MEASURE_NONE,		/* no range */
	MEASURE_NUMBER,		/* the value itself */
	MEASURE_LENGTH,		/* bytes of the text */
	MEASURE_ENTRIES,	/* of the list */
};

/* Room for any value; zeroed, it is an empty value of every type. */
union value {
	bool boolean;
	uint32_t u32;
	uint64_t u64;
	char *string;
	struct string_list strings;
	struct endpoint endpoint;
	struct endpoint_list endpoints;
	struct cidr_list cidrs;
	struct port_range ports;
	struct advertised_list advertised;
};

struct value_ops {
	const char *name;	/* "duration" */
	const char *expected;	/* "a duration such as \"10s\"" */
	size_t size;
	unsigned kinds;		/* 1u << enum node_kind, or-ed: may be this */
	bool list;		/* parse adds one entry to it */
	bool hidden;		/* never shown, in no message either */
	enum value_measure measured;
	/* `v` is zeroed or, for a list, has the entries so far. -1: `err` has
	 * what is wrong with `s`, without a place; `v` is as before. */
	int (*parse)(union value *v, struct str s,
	    const char *const *choices, struct err *err);
	/* As TOML and YAML both read it. */
	void (*print)(const union value *v, const char *const *choices,
	    struct bytes *out);
	bool (*equal)(const union value *a, const union value *b);
	uint64_t (*measure)(const union value *v);
	void (*free)(union value *v);	/* and wipes secrets */
};

extern const struct value_ops value_types[];	/* by enum value_type */

/* The value as the config struct's field at `p` holds it; borrowed. */
union value value_at(enum value_type type, const void *p);
void value_store(enum value_type type, void *p, const union value *v);

/*
 * The address of the wanted family for `client`: the first entry that is for
 * it, in the list's order. NULL: none is, use our own. Borrowed from `l`.
 */
const struct addr *advertised_find(const struct advertised_list *l,
    const struct addr *client, bool v4);

/* "1500ms" -> 1500; a bare number other than 0 is an error. */
int value_parse_duration(struct str s, uint64_t *ms, struct err *err)
    MUST_CHECK;
/* "64KiB" -> 65536; a bare number is bytes. */
int value_parse_bytes(struct str s, uint64_t *out, struct err *err) MUST_CHECK;
/* In the largest unit that divides it: 60000 -> "1m"; 0 -> "0". */
void value_print_duration(struct bytes *out, uint64_t ms);
void value_print_bytes(struct bytes *out, uint64_t n);
/* In double quotes, escaped as TOML and YAML both read it. */
void value_print_quoted(struct bytes *out, const char *s);

#endif
