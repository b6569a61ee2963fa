/* SPDX-License-Identifier: MIT */
/*
 * quota: how many of something each key has now, in the whole process, with a
 * limit.
 *
 * Who takes one gets a hold and gives that back, whatever the limits are by
 * then: a limit that is off costs neither lock nor hash, and switching it on
 * counts what comes from then on. A key that has none costs no memory. Any
 * thread; a hold belongs to one at a time.
 */
#ifndef PROXY_QUOTA_H
#define PROXY_QUOTA_H

#include <stdint.h>

#include "base/check.h"
#include "base/str.h"

struct quota;
struct quota_count;

enum quota_kind {
	QUOTA_SOURCE,		/* sessions of one source */
	QUOTA_USER,		/* … of one user */
	QUOTA_DESTINATION,	/* … to one destination */
	QUOTA_BIND,		/* BINDs of one user that wait for a peer */
	QUOTA_DNS,		/* names that one user waits for */
	QUOTA_KINDS,
};

enum quota_result {
	QUOTA_OK,
	QUOTA_FULL,		/* the key has as many as it may */
	QUOTA_NO_MEMORY,
};

/* Zeroed: holds nothing. */
struct quota_hold {
	struct quota_count *count;
};

struct quota *quota_new(void) MUST_CHECK;
/* One more for `key`, at most `max` (0: no limit, nothing is held). `hold` must
 * hold nothing. */
enum quota_result quota_take(struct quota *q, enum quota_kind kind,
    struct str key, uint32_t max, struct quota_hold *hold) MUST_CHECK;
/* Harmless when nothing is held. */
void quota_give(struct quota_hold *hold);
/* How many holds the key has. */
uint32_t quota_of(struct quota *q, enum quota_kind kind, struct str key);
/* Everything must have been given back. */
void quota_free(struct quota **qp);

#endif
