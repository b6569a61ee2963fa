/* SPDX-License-Identifier: MIT */
/*
 * The input is what a client sends as host. Whatever is accepted must be in
 * canonical form, stay the same when canonicalised again, and come back from
 * its text.
 */
#include <string.h>

#include "fuzz.h"
#include "net/name.h"

#define NAME_BYTES "abcdefghijklmnopqrstuvwxyz0123456789-_."

static void
check_name(const struct dest *d)
{
	struct str name = { d->name, d->name_len };
	struct dest again;

	ASSERT(d->is_name && name.len > 0 && name.len <= NAME_MAX_LEN);
	ASSERT(strlen(d->name) == name.len);
	ASSERT(strspn(d->name, NAME_BYTES) == name.len);
	ASSERT(name.ptr[0] != '.' && name.ptr[name.len - 1] != '.');
	ASSERT(strstr(d->name, "..") == NULL);
	ASSERT(name_canonical(&again, name) == NAME_OK);
	ASSERT(strcmp(again.name, d->name) == 0);
}

static void
check_addr(const struct dest *d)
{
	char text[ADDR_TEXT_SIZE];
	struct dest again;

	ASSERT(!d->is_name && d->name_len == 0);
	addr_format(text, &d->addr);
	ASSERT(name_canonical(&again, str_from(text)) == NAME_IS_ADDR);
	ASSERT(addr_eq(&again.addr, &d->addr));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dest d = { .port = 443 };
	char text[DEST_TEXT_SIZE];
	struct endpoint e;

	switch (name_canonical(&d, (struct str){ (const char *)data, size })) {
	case NAME_OK: check_name(&d); break;
	case NAME_IS_ADDR: check_addr(&d); break;
	case NAME_BAD: return 0;
	}
	ASSERT(d.port == 443);
	dest_format(text, &d);
	ASSERT(endpoint_parse(&e, str_from(text)) == !d.is_name);
	return 0;
}
