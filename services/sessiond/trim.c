/* SPDX-License-Identifier: MIT */
#include "sessiond/trim.h"

#define HOUR_US UINT64_C(3600000000)
/* More than a commit can bring. */
#define ADDED_MAX 250000

void
trim_start(struct trim *t)
{
	t->due = true;
}

void
trim_added(struct trim *t, uint64_t n)
{
	t->added += n;
	if (t->added > ADDED_MAX)
		t->added = ADDED_MAX;
	if (n > 0 && t->added >= TRIM_EVERY)
		t->due = true;
}

/* Freed room is not given back: the next events fill it. */
enum store_result
trim_step(struct trim *t, struct store *s, uint64_t now_us)
{
	uint64_t age_us = t->hours * HOUR_US, deleted;
	unsigned max = TRIM_SLICE + (unsigned)t->added;
	enum store_result r;
	bool more = false;

	if (!t->due)
		return STORE_OK;
	t->due = false;
	r = s->ops->begin(s);
	if (r == STORE_OK)
		r = s->ops->trim_events(s,
		    now_us > age_us ? now_us - age_us : 0, t->max_events, max,
		    &deleted, &more);
	if (r == STORE_OK)
		r = s->ops->commit(s);
	if (r != STORE_OK) {
		s->ops->rollback(s);
		return r;
	}
	t->added = 0;
	t->due = more;
	return STORE_OK;
}
