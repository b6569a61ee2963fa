/* SPDX-License-Identifier: MIT */
/*
 * name_pattern: exact names and wildcards of the policy (design.md 4.4).
 *
 * `*` as a label is exactly one label; inside a label (`prod-*.x`) it stands
 * for any run of bytes of that label; `**.x` is one or more labels before x;
 * `*` alone is everything. Patterns are canonicalised like names.
 * Immutable after parse; any thread.
 */
#ifndef NET_NAME_PATTERN_H
#define NET_NAME_PATTERN_H

#include "net/name.h"

enum name_pattern_kind {
	NAME_PATTERN_ALL,	/* "*" */
	NAME_PATTERN_EXACT,
	NAME_PATTERN_SUFFIX,	/* "**.x" */
	NAME_PATTERN_LABELS,	/* wildcards in labels */
};

struct name_pattern {
	enum name_pattern_kind kind;
	uint8_t len;
	char text[NAME_MAX_LEN + 1];	/* SUFFIX: what follows "**." */
};

int name_pattern_parse(struct name_pattern *out, struct str s, struct err *err)
    MUST_CHECK;
/* `name` is canonical. Time is bounded by len(name) * len(pattern). */
bool name_pattern_match(const struct name_pattern *p, struct str name);

#endif
