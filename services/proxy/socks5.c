/* SPDX-License-Identifier: MIT */
#include "proxy/socks5.h"

#include <string.h>

#include "base/check.h"

#define VERSION 5
#define LOGIN_VERSION 1

/* The verdict when all fields were asked for: done, or some are not here. */
static enum parse
finish(const struct reader *r, struct str in, size_t *used)
{
	if (r->failed)
		return PARSE_MORE;
	*used = in.len - r->left;
	return PARSE_DONE;
}

enum parse
socks5_parse_greeting(struct str in, struct socks5_greeting *out, size_t *used)
{
	struct reader r = reader_on(in.ptr, in.len);

	*used = 0;
	if (reader_u8(&r) != VERSION && !r.failed)
		return PARSE_BAD;
	out->n_methods = reader_u8(&r);
	out->methods = (const uint8_t *)reader_take(&r, out->n_methods).ptr;
	return finish(&r, in, used);
}

enum socks5_method
socks5_choose(const struct socks5_greeting *g, const uint8_t *wanted,
    size_t n_wanted)
{
	for (size_t i = 0; i < n_wanted; i++)
		if (wanted[i] != SOCKS5_METHOD_NO_ACCEPTABLE &&
		    g->n_methods > 0 &&
		    memchr(g->methods, wanted[i], g->n_methods) != NULL)
			return (enum socks5_method)wanted[i];
	return SOCKS5_METHOD_NO_ACCEPTABLE;
}

size_t
socks5_method_reply(uint8_t out[static 2], enum socks5_method m)
{
	out[0] = VERSION;
	out[1] = (uint8_t)m;
	return 2;
}

bool
socks5_login_ok(struct str user, struct str password)
{
	return user.len > 0 && user.len <= UINT8_MAX &&
	    password.len > 0 && password.len <= UINT8_MAX &&
	    str_is_printable(user) && !str_has_nul(password);
}

enum parse
socks5_parse_login(struct str in, struct socks5_login *out, size_t *used)
{
	struct reader r = reader_on(in.ptr, in.len);
	uint8_t len;

	*used = 0;
	if (reader_u8(&r) != LOGIN_VERSION && !r.failed)
		return PARSE_BAD;
	len = reader_u8(&r);
	if (len == 0 && !r.failed)
		return PARSE_BAD;
	out->user = reader_take(&r, len);
	len = reader_u8(&r);
	if (len == 0 && !r.failed)
		return PARSE_BAD;
	out->password = reader_take(&r, len);
	if (!r.failed && !socks5_login_ok(out->user, out->password))
		return PARSE_BAD;
	return finish(&r, in, used);
}

size_t
socks5_login_reply(uint8_t out[static 2], bool ok)
{
	out[0] = LOGIN_VERSION;
	out[1] = ok ? 0 : 1;
	return 2;
}

static enum parse
bad(struct socks5_request *out, enum socks5_reply answer, const char *why)
{
	out->answer = answer;
	out->why = why;
	return PARSE_BAD;
}

/* Reads DST.ADDR; a name is canonicalised only once the request is whole. */
static enum parse
parse_host(struct reader *r, uint8_t atyp, struct socks5_request *out)
{
	struct str s;

	switch (atyp) {
	case SOCKS5_ATYP_IPV4:
		s = reader_take(r, 4);
		if (!r->failed)
			out->dest.addr = addr_from_v4((const uint8_t *)s.ptr);
		return PARSE_MORE;
	case SOCKS5_ATYP_IPV6:
		s = reader_take(r, 16);
		if (!r->failed)
			out->dest.addr = addr_from_v6((const uint8_t *)s.ptr);
		return PARSE_MORE;
	case SOCKS5_ATYP_NAME:
		s.len = reader_u8(r);
		if (s.len == 0 && !r->failed)
			return bad(out, SOCKS5_GENERAL, "invalid_name");
		out->raw_host = reader_take(r, s.len);
		return PARSE_MORE;
	default:
		return bad(out, SOCKS5_ATYP_UNSUPPORTED,
		    "address_type_unknown");
	}
}

/* What is judged when every byte is here; the command before its argument. */
static enum parse
judge_request(struct socks5_request *out, uint8_t atyp)
{
	if (out->command < SOCKS5_CONNECT || out->command > SOCKS5_UDP)
		return bad(out, SOCKS5_COMMAND_UNSUPPORTED, "command_unknown");
	if (atyp == SOCKS5_ATYP_NAME &&
	    name_canonical(&out->dest, out->raw_host) == NAME_BAD)
		return bad(out, SOCKS5_GENERAL, "invalid_name");
	if (out->command == SOCKS5_CONNECT && out->dest.port == 0)
		return bad(out, SOCKS5_GENERAL, "invalid_request");
	out->answer = SOCKS5_COMMAND_UNSUPPORTED;
	out->why = "command_disabled";
	return PARSE_DONE;
}

enum parse
socks5_parse_request(struct str in, struct socks5_request *out, size_t *used)
{
	struct reader r = reader_on(in.ptr, in.len);
	uint8_t atyp;

	*used = 0;
	memset(out, 0, sizeof(*out));
	if (reader_u8(&r) != VERSION && !r.failed)
		return bad(out, SOCKS5_SILENT, "invalid_request");
	out->command = reader_u8(&r);
	out->rsv_set = reader_u8(&r) != 0;
	atyp = reader_u8(&r);
	if (r.failed)
		return PARSE_MORE;
	if (parse_host(&r, atyp, out) == PARSE_BAD)
		return PARSE_BAD;
	out->dest.port = reader_u16(&r);
	if (r.failed)
		return PARSE_MORE;
	if (judge_request(out, atyp) == PARSE_BAD)
		return PARSE_BAD;
	return finish(&r, in, used);
}

void
socks5_put_endpoint(struct writer *w, const struct endpoint *e)
{
	if (addr_is_v4(&e->addr)) {
		writer_u8(w, SOCKS5_ATYP_IPV4);
		writer_put(w, e->addr.b + 12, 4);
	} else {
		writer_u8(w, SOCKS5_ATYP_IPV6);
		writer_put(w, e->addr.b, 16);
	}
	writer_u16(w, e->port);
}

size_t
socks5_reply(uint8_t out[static SOCKS5_REPLY_MAX], enum socks5_reply reply,
    const struct endpoint *bound)
{
	static const struct endpoint masked = {
		.addr.b = { [10] = 0xff, [11] = 0xff },
	};
	struct writer w = writer_on(out, SOCKS5_REPLY_MAX);

	ASSERT(reply != SOCKS5_SILENT);
	writer_u8(&w, VERSION);
	writer_u8(&w, (uint8_t)reply);
	writer_u8(&w, 0);
	socks5_put_endpoint(&w, bound != NULL ? bound : &masked);
	ASSERT(!w.failed);
	return w.len;
}
