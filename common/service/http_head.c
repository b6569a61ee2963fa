/* SPDX-License-Identifier: MIT */
#include "service/http_head.h"

#include <string.h>

#define METHOD_MAX 16

static bool
is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* "GET /x?y HTTP/1.1", without the line's end. */
static bool
parse_line(struct http_head *out, struct str line)
{
	struct str version = STR("HTTP/1.");
	const char *end = line.ptr + line.len;
	const char *a = memchr(line.ptr, ' ', line.len), *b;

	if (a == NULL || a[1] != '/' || !str_is_printable(line))
		return false;
	b = memchr(a + 1, ' ', (size_t)(end - (a + 1)));
	if (b == NULL || (size_t)(end - (b + 1)) != version.len + 1 ||
	    memcmp(b + 1, version.ptr, version.len) != 0 ||
	    (end[-1] != '0' && end[-1] != '1'))
		return false;
	out->method = (struct str){ line.ptr, (size_t)(a - line.ptr) };
	out->path = (struct str){ a + 1, (size_t)(b - (a + 1)) };
	a = memchr(out->path.ptr, '?', out->path.len);
	if (a != NULL)
		out->path.len = (size_t)(a - out->path.ptr);
	return true;
}

/* Upper case, at most METHOD_MAX, a blank after it: a TLS hello or a SOCKS
 * greeting on this port is told from a request by its first byte. */
static bool
starts_well(struct str in)
{
	size_t i = 0;

	while (i < in.len && i < METHOD_MAX && is_upper(in.ptr[i]))
		i++;
	return i == in.len || (i > 0 && in.ptr[i] == ' ');
}

enum parse
http_head_parse(struct http_head *out, struct str in)
{
	const char *end;
	size_t len;

	if (in.len == 0)
		return PARSE_MORE;
	if (!starts_well(in))
		return PARSE_BAD;
	end = memchr(in.ptr, '\n', in.len);
	if (end == NULL)
		return PARSE_MORE;
	len = (size_t)(end - in.ptr);
	if (len == 0 || in.ptr[len - 1] != '\r' ||
	    !parse_line(out, (struct str){ in.ptr, len - 1 }))
		return PARSE_BAD;
	/* The line's own end counts: a request may have no field at all. */
	return memmem(end - 1, in.len - (len - 1), "\r\n\r\n", 4) != NULL ?
	    PARSE_DONE : PARSE_MORE;
}
