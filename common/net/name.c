/* SPDX-License-Identifier: MIT */
#include "net/name.h"

#include <stdio.h>
#include <string.h>

#define LABEL_MAX_LEN 63

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    is_digit(c) || c == '-' || c == '_';
}

static bool
all_digits(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_digit(s.ptr[i]))
			return false;
	return true;
}

/* Letters, digits, '-', '_' in labels of 1 to 63 bytes; `last` is the last. */
static bool
labels_ok(struct str s, struct str *last)
{
	size_t start = 0;

	for (size_t i = 0; i <= s.len; i++) {
		if (i < s.len && s.ptr[i] != '.') {
			if (!is_name_byte(s.ptr[i]))
				return false;
			continue;
		}
		if (i == start || i - start > LABEL_MAX_LEN)
			return false;
		*last = (struct str){ s.ptr + start, i - start };
		start = i + 1;
	}
	return true;
}

/* Would a system parser take a name that ends like this for an address? */
static bool
looks_numeric(struct str last)
{
	return all_digits(last) || (last.len >= 2 && last.ptr[0] == '0' &&
	    (last.ptr[1] == 'x' || last.ptr[1] == 'X'));
}

enum name_result
name_canonical(struct dest *out, struct str host)
{
	struct str last = host;

	out->is_name = false;
	out->name_len = 0;
	out->name[0] = '\0';
	memset(&out->addr, 0, sizeof(out->addr));
	if (host.len == 0)
		return NAME_BAD;
	if (addr_parse(&out->addr, host))
		return NAME_IS_ADDR;
	if (host.ptr[host.len - 1] == '.')
		host.len--;
	if (host.len > NAME_MAX_LEN || !labels_ok(host, &last) ||
	    looks_numeric(last))
		return NAME_BAD;
	memcpy(out->name, host.ptr, host.len);
	out->name[host.len] = '\0';
	str_lower(out->name, host.len);
	out->name_len = (uint8_t)host.len;
	out->is_name = true;
	return NAME_OK;
}

void
dest_format(char out[static DEST_TEXT_SIZE], const struct dest *d)
{
	struct endpoint e = { d->addr, d->port };

	if (d->is_name)
		snprintf(out, DEST_TEXT_SIZE, "%.*s:%u", (int)d->name_len,
		    d->name, (unsigned)d->port);
	else
		endpoint_format(out, &e);
}
