/* SPDX-License-Identifier: MIT */
#include "proxy/socks4.h"

#include <string.h>

#include "base/check.h"

#define VERSION 4

static enum parse
bad(struct socks4_request *out, enum socks4_reply answer, const char *why)
{
	out->answer = answer;
	out->why = why;
	return PARSE_BAD;
}

/* Text up to a NUL: the bound comes before the search for the end. */
static enum parse
take_field(struct reader *r, struct str *out)
{
	size_t room = SOCKS4_FIELD_MAX + 1;
	size_t most = r->left < room ? r->left : room;
	const uint8_t *nul = most > 0 ? memchr(r->ptr, 0, most) : NULL;

	if (nul == NULL)
		return most < room ? PARSE_MORE : PARSE_BAD;
	*out = reader_take(r, (size_t)(nul - r->ptr));
	(void)reader_u8(r);
	return PARSE_DONE;
}

/* 0.0.0.x with x not 0 announces a name. */
static bool
announces_name(const uint8_t b[4])
{
	return b[0] == 0 && b[1] == 0 && b[2] == 0 && b[3] != 0;
}

/* User id, and the name where one was announced. */
static enum parse
take_fields(struct reader *r, struct socks4_request *out)
{
	enum parse p = take_field(r, &out->user_id);

	if (p == PARSE_DONE && out->is_4a)
		p = take_field(r, &out->raw_host);
	if (p == PARSE_BAD)
		return bad(out, SOCKS4_SILENT, "invalid_request");
	return p;
}

/* What is judged when every byte is here; the command before its argument. */
static enum parse
judge(struct socks4_request *out)
{
	if (out->command != SOCKS4_CONNECT && out->command != SOCKS4_BIND)
		return bad(out, SOCKS4_REFUSED, "command_unknown");
	if (out->is_4a &&
	    name_canonical(&out->dest, out->raw_host) == NAME_BAD)
		return bad(out, SOCKS4_REFUSED, "invalid_name");
	if (out->command == SOCKS4_CONNECT && out->dest.port == 0)
		return bad(out, SOCKS4_REFUSED, "invalid_request");
	return PARSE_DONE;
}

enum parse
socks4_parse_request(struct str in, struct socks4_request *out, size_t *used)
{
	struct reader r = reader_on(in.ptr, in.len);
	struct str address;
	enum parse p;

	*used = 0;
	memset(out, 0, sizeof(*out));
	if (reader_u8(&r) != VERSION && !r.failed)
		return bad(out, SOCKS4_SILENT, "invalid_request");
	out->command = reader_u8(&r);
	out->dest.port = reader_u16(&r);
	address = reader_take(&r, 4);
	if (r.failed)
		return PARSE_MORE;
	out->is_4a = announces_name((const uint8_t *)address.ptr);
	if (!out->is_4a)
		out->dest.addr = addr_from_v4((const uint8_t *)address.ptr);
	p = take_fields(&r, out);
	if (p == PARSE_DONE)
		p = judge(out);
	if (p == PARSE_DONE)
		*used = in.len - r.left;
	return p;
}

void
socks4_reply(uint8_t out[static SOCKS4_REPLY_SIZE], enum socks4_reply reply,
    const struct endpoint *bound)
{
	struct writer w = writer_on(out, SOCKS4_REPLY_SIZE);

	ASSERT(reply != SOCKS4_SILENT);
	memset(out, 0, SOCKS4_REPLY_SIZE);
	writer_u8(&w, 0);
	writer_u8(&w, (uint8_t)reply);
	if (bound == NULL || !addr_is_v4(&bound->addr))
		return;
	writer_u16(&w, bound->port);
	writer_put(&w, bound->addr.b + 12, 4);
	ASSERT(!w.failed);
}
