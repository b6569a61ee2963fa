/* SPDX-License-Identifier: MIT */
#include "sessiond/retention.h"

#define DAY_US UINT64_C(86400000000)

void
retention_start(struct retention *r)
{
	r->at = (enum store_history)0;
}

/* Days that rows of this kind are kept. */
static uint32_t
days_of(const struct retention *r, enum store_history what)
{
	return what == HISTORY_ROLLUPS ? r->rollup_days : r->session_days;
}

static enum store_result
delete_slice(struct store *s, enum store_history what, uint64_t before_us,
    uint64_t *n, bool *more)
{
	enum store_result r = s->ops->begin(s);

	if (r == STORE_OK)
		r = s->ops->delete_old(
		    s, what, before_us, RETENTION_SLICE, n, more);
	if (r == STORE_OK)
		r = s->ops->commit(s);
	if (r != STORE_OK)
		s->ops->rollback(s);
	return r;
}

enum store_result
retention_step(struct retention *r, struct store *s, uint64_t now_us,
    bool *more, uint64_t *dropped)
{
	enum store_result result;
	bool again = false;
	uint64_t n = 0;

	*dropped = 0;
	*more = true;
	while (r->at < HISTORIES &&
	       (days_of(r, r->at) == 0 || days_of(r, r->at) * DAY_US >= now_us))
		r->at++;
	if (r->at == HISTORIES) {
		*more = false;
		return STORE_OK;
	}
	result = delete_slice(
	    s, r->at, now_us - days_of(r, r->at) * DAY_US, &n, &again);
	if (result != STORE_OK && result != STORE_BUSY)
		return result;
	if (result == STORE_OK && r->at == HISTORY_SESSIONS)
		*dropped = n;
	if (result == STORE_OK && n > 0)
		result = s->ops->tidy(s);
	if (!again)
		r->at++;
	*more = r->at < HISTORIES;
	return result;
}
