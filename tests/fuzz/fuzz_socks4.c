/* SPDX-License-Identifier: MIT */
/*
 * The input is what a client sends. It is read whole and at every length
 * below: the verdict may turn from "more" to its end only once, and what was
 * accepted lies inside the input and within its bounds.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz.h"
#include "proxy/socks4.h"

static void
check_inside(struct str all, struct str part)
{
	ASSERT(part.len == 0 || (part.ptr >= all.ptr &&
	    (size_t)(part.ptr - all.ptr) <= all.len - part.len));
	ASSERT(part.len <= SOCKS4_FIELD_MAX && !str_has_nul(part));
}

static enum parse
parse(struct str in, size_t *used)
{
	struct socks4_request r;
	char text[DEST_TEXT_SIZE];
	enum parse p = socks4_parse_request(in, &r, used);

	check_inside(in, r.user_id);
	check_inside(in, r.raw_host);
	ASSERT((p == PARSE_BAD) == (r.why != NULL));
	if (p == PARSE_DONE) {
		ASSERT(r.command == SOCKS4_BIND || r.dest.port != 0);
		ASSERT(r.is_4a || (!r.dest.is_name &&
		    addr_is_v4(&r.dest.addr)));
		dest_format(text, &r.dest);
	}
	return p;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = { (const char *)data, size };
	size_t end = 0, used;
	enum parse whole = parse(all, &end);

	ASSERT(end <= SOCKS4_INPUT_MAX && (end > 0) == (whole == PARSE_DONE));
	ASSERT(size < SOCKS4_INPUT_MAX || whole != PARSE_MORE);
	for (size_t n = 0; n < size && n <= SOCKS4_INPUT_MAX; n++) {
		char *copy = xmalloc(n == 0 ? 1 : n);
		enum parse p;

		memcpy(copy, data, n);
		p = parse((struct str){ copy, n }, &used);
		free(copy);
		ASSERT(p == PARSE_MORE || p == whole);
		ASSERT(p != PARSE_DONE || (n >= end && used == end));
		ASSERT(p == PARSE_DONE || whole != PARSE_DONE || n < end);
	}
	return 0;
}
