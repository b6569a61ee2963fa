/* SPDX-License-Identifier: MIT */
#include "proxy/http_basic.h"

#include <string.h>

#include "proxy/socks5.h"

/* Six bits, or -1. */
static int
digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters, of which the last `pad` are '='. */
static bool
decode_group(char out[static 3], const char *in, size_t pad)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int d = i < 4 - pad ? digit(in[i]) : 0;

		if (d < 0)
			return false;
		bits = bits << 6 | (uint32_t)d;
	}
	out[0] = (char)(bits >> 16);
	out[1] = (char)(bits >> 8);
	out[2] = (char)bits;
	/* What the padding stands for must be 0. */
	return (bits & ((1u << 8 * pad) - 1)) == 0;
}

static bool
decode(struct http_basic *out, struct str in, size_t *len)
{
	size_t pad = 0;

	if (in.len == 0 || in.len % 4 != 0 ||
	    in.len / 4 > sizeof(out->bytes) / 3)
		return false;
	while (pad < 2 && in.ptr[in.len - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < in.len / 4; i++)
		if (!decode_group(out->bytes + i * 3, in.ptr + i * 4,
			i == in.len / 4 - 1 ? pad : 0))
			return false;
	*len = in.len / 4 * 3 - pad;
	return true;
}

/* The scheme's name and the spaces behind it. */
static bool
skip_scheme(struct str *value)
{
	static const struct str scheme = { "Basic ", 6 };
	struct str head = { value->ptr, scheme.len };

	if (value->len < scheme.len || !str_eq_nocase(head, scheme))
		return false;
	value->ptr += scheme.len;
	value->len -= scheme.len;
	while (value->len > 0 && value->ptr[0] == ' ') {
		value->ptr++;
		value->len--;
	}
	return true;
}

bool
http_basic_parse(struct http_basic *out, struct str value)
{
	const char *colon;
	size_t len;

	if (!skip_scheme(&value) || !decode(out, value, &len))
		return false;
	colon = memchr(out->bytes, ':', len);
	if (colon == NULL)
		return false;
	out->user = (struct str){ out->bytes, (size_t)(colon - out->bytes) };
	out->password = (struct str){ colon + 1, len - out->user.len - 1 };
	return socks5_login_ok(out->user, out->password);
}
