/* SPDX-License-Identifier: MIT */
/*
 * The input is what a client sends. Each of the three parsers reads it whole
 * and at every length below: the verdict may turn from "more" to its end only
 * once, and what was accepted lies inside the input.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz.h"
#include "proxy/socks5.h"

typedef enum parse parser_fn(struct str in, size_t *used);

static void
check_inside(struct str all, const void *p, size_t len)
{
	const char *at = p;

	ASSERT(len == 0 || (at >= all.ptr &&
	    (size_t)(at - all.ptr) <= all.len - len));
}

static enum parse
greeting(struct str in, size_t *used)
{
	static const uint8_t wanted[] = { 2, 0, 0xff };
	struct socks5_greeting g;
	enum parse p = socks5_parse_greeting(in, &g, used);
	enum socks5_method m;

	if (p != PARSE_DONE)
		return p;
	check_inside(in, g.methods, g.n_methods);
	m = socks5_choose(&g, wanted, sizeof(wanted));
	ASSERT(m == SOCKS5_METHOD_NO_ACCEPTABLE ||
	    memchr(g.methods, (int)m, g.n_methods) != NULL);
	return p;
}

static enum parse
login(struct str in, size_t *used)
{
	struct socks5_login l;
	enum parse p = socks5_parse_login(in, &l, used);

	if (p != PARSE_DONE)
		return p;
	check_inside(in, l.user.ptr, l.user.len);
	check_inside(in, l.password.ptr, l.password.len);
	ASSERT(l.user.len > 0 && l.password.len > 0);
	ASSERT(str_is_printable(l.user) && !str_has_nul(l.password));
	return p;
}

static enum parse
request(struct str in, size_t *used)
{
	uint8_t reply[SOCKS5_REPLY_MAX];
	char text[DEST_TEXT_SIZE];
	struct socks5_request r;
	enum parse p = socks5_parse_request(in, &r, used);

	if (p == PARSE_MORE)
		return p;
	ASSERT(r.why != NULL && r.answer != SOCKS5_OK);
	check_inside(in, r.raw_host.ptr, r.raw_host.len);
	if (r.answer != SOCKS5_SILENT)
		ASSERT(socks5_reply(reply, r.answer, NULL) == 10);
	if (p == PARSE_DONE) {
		ASSERT(r.command != SOCKS5_CONNECT || r.dest.port != 0);
		dest_format(text, &r.dest);
	}
	return p;
}

static void
every_length(parser_fn *parse, struct str all)
{
	size_t used, end = 0;
	enum parse whole = parse(all, &end);

	ASSERT(end <= all.len && (end > 0) == (whole == PARSE_DONE));
	ASSERT(all.len < SOCKS5_INPUT_MAX || whole != PARSE_MORE);
	for (size_t n = 0; n < all.len && n <= SOCKS5_INPUT_MAX; n++) {
		char *copy = xmalloc(n == 0 ? 1 : n);
		enum parse p;

		memcpy(copy, all.ptr, n);
		p = parse((struct str){ copy, n }, &used);
		free(copy);
		ASSERT(p == PARSE_MORE || p == whole);
		ASSERT(p != PARSE_DONE || (n >= end && used == end));
		ASSERT(p == PARSE_DONE || whole != PARSE_DONE || n < end);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = { (const char *)data, size };

	every_length(greeting, all);
	every_length(login, all);
	every_length(request, all);
	return 0;
}
