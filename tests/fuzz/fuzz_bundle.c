/* SPDX-License-Identifier: MIT */
/*
 * The input is the body of a bundle. What is accepted must lie in the input,
 * and say the same when it is put into another bundle and read again.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "fuzz.h"
#include "msg/bundle.h"

static void
check_within(struct str part, struct str whole)
{
	if (part.len == 0)
		return;
	ASSERT(part.ptr >= whole.ptr);
	ASSERT(part.ptr + part.len <= whole.ptr + whole.len);
}

static void
check_again(const struct envelope *e)
{
	size_t size = bundle_item_size(e);
	char *room = xmalloc(size);
	struct writer w = writer_on(room, size);
	struct str rest = { room, size };
	struct envelope again;

	bundle_put(&w, e);
	ASSERT(!w.failed && w.len == size);
	ASSERT(bundle_next(&rest, &again) == BUNDLE_ITEM);
	ASSERT(id_eq(&again.id, &e->id) && again.kind == e->kind);
	ASSERT(again.deadline_ms == e->deadline_ms);
	ASSERT(again.status == e->status && again.bundle == e->bundle);
	ASSERT(str_eq(again.error, e->error) && str_eq(again.body, e->body));
	ASSERT(bundle_next(&rest, &again) == BUNDLE_END);
	free(room);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data, size }, whole = rest;
	struct envelope e;

	while (bundle_next(&rest, &e) == BUNDLE_ITEM) {
		check_within(e.error, whole);
		check_within(e.body, whole);
		check_within(rest, whole);
		check_again(&e);
	}
	return 0;
}
