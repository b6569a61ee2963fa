/* SPDX-License-Identifier: MIT */
/*
 * bundle: several envelopes in the body of one.
 *
 * A message costs far more than what is in it, so questions that come together
 * travel together (rpc_desk.c), and their answers too (rpc_server.c). Pure.
 * Any thread.
 */
#ifndef MSG_BUNDLE_H
#define MSG_BUNDLE_H

#include "base/buf.h"
#include "msg/envelope.h"

/* Of a bundle that we send or take. */
#define BUNDLE_ITEMS_MAX 64
/* Of one that we send, at most; never more than half of what may be sent. */
#define BUNDLE_BYTES_MAX 32768

/* Bytes that the item takes. */
size_t bundle_item_size(const struct envelope *e);
/* Appends it; `w` has failed when there is no room. */
void bundle_put(struct writer *w, const struct envelope *e);

enum bundle_result { BUNDLE_BAD = -1, BUNDLE_END, BUNDLE_ITEM };

/* Takes the next item from the front of `rest`; its error and body are
 * borrowed from there. After BUNDLE_BAD neither may be used. */
enum bundle_result bundle_next(struct str *rest, struct envelope *e)
    MUST_CHECK;

#endif
