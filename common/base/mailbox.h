/* SPDX-License-Identifier: MIT */
/*
 * mailbox: hands finished work to the one thread that owns it.
 *
 * A locked list and an eventfd. Any thread may post; only the owner takes.
 * The eventfd is written only when the list was empty, and the owner takes the
 * whole list at once. A letter is owned by the mailbox from post to take.
 */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include "base/check.h"
#include "base/list.h"

struct mailbox;

struct letter {
	struct list link;
	/* Runs on the owner's thread, once per post. */
	void (*deliver)(struct letter *l);
};

/* NULL with errno: no descriptor left. */
struct mailbox *mailbox_new(void) MUST_CHECK;
/* Readable while letters wait; for the owner's event loop. */
int mailbox_fd(const struct mailbox *m);
void mailbox_post(struct mailbox *m, struct letter *l);
/* Takes all letters and runs deliver() of each, in order of posting. */
void mailbox_deliver(struct mailbox *m);
/* No thread may post any more; letters that wait are not delivered. */
void mailbox_free(struct mailbox **mp);

#endif
