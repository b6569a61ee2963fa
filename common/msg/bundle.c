/* SPDX-License-Identifier: MIT */
#include "msg/bundle.h"

#include "proto/wire.h"

/* Field number of Bundle in envelope.proto. */
#define ITEMS 1

size_t
bundle_item_size(const struct envelope *e)
{
	return wire_bytes_size(ITEMS, envelope_size(e));
}

void
bundle_put(struct writer *w, const struct envelope *e)
{
	size_t size = envelope_size(e);

	if (w->failed || w->size - w->len < bundle_item_size(e)) {
		w->failed = true;
		return;
	}
	wire_put_head(w, ITEMS, size);
	envelope_pack(e, w->ptr + w->len);
	w->len += size;
}

enum bundle_result
bundle_next(struct str *rest, struct envelope *e)
{
	struct wire_field f;
	enum wire_result r;

	/* A later release may say more than items. */
	while ((r = wire_next(rest, &f)) == WIRE_FIELD && f.number != ITEMS)
		continue;
	if (r == WIRE_END)
		return BUNDLE_END;
	if (r == WIRE_BAD || f.type != WIRE_BYTES)
		return BUNDLE_BAD;
	return envelope_unpack(e, f.bytes) == 0 ? BUNDLE_ITEM : BUNDLE_BAD;
}
