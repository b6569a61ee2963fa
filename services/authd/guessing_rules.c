/* SPDX-License-Identifier: MIT */
/*
 * A bucket is kept as a debt that time pays off: TOKEN for each failure, of
 * which a limit of n a minute pays n each millisecond. So no fraction is lost,
 * and a new limit counts at once. Attempts under way are no debt yet: they take
 * their room as they are, and one that was none leaves no trace.
 */
#include "authd/guessing_impl.h"

#define TOKEN GUESSING_MINUTE_MS
/* A pair without failures may have so many attempts under way: after a reload
 * the same question is asked again while the old one is being checked. */
#define ABREAST 2

uint64_t
guessing_since(uint64_t then_ms, uint64_t now_ms)
{
	return now_ms > then_ms ? now_ms - then_ms : 0;
}

uint32_t
guessing_rate(const struct guessing_limits *l, int table)
{
	switch (table) {
	case GUESSING_USER:
		return l->per_user;
	case GUESSING_SOURCE:
		return l->per_source;
	case GUESSING_TOTAL:
		return l->total;
	case GUESSING_KNOWN:
		return l->per_user > 0 ? l->per_user :
		    l->per_source > 0 ? l->per_source : l->total;
	default:
		return 0;
	}
}

/* What is left of it. */
static uint64_t
debt(const struct guessing_entry *e, uint32_t rate, uint64_t now_ms)
{
	uint64_t most = rate * TOKEN;
	uint64_t was = e->debt < most ? e->debt : most;
	uint64_t ms = guessing_since(e->debt_ms, now_ms);
	uint64_t paid = ms < TOKEN ? ms * rate : most;

	return was > paid ? was - paid : 0;
}

uint64_t
guessing_bucket_wait(const struct guessing_entry *e, uint32_t rate,
    uint64_t now_ms)
{
	uint64_t most = rate * TOKEN;
	uint64_t used = debt(e, rate, now_ms) + e->open * TOKEN + TOKEN;

	if (rate == 0 || used <= most)
		return 0;
	return (used - most + rate - 1) / rate;
}

void
guessing_bucket_take(struct guessing_entry *e, uint32_t rate, uint64_t now_ms)
{
	uint64_t most = rate * TOKEN, more = debt(e, rate, now_ms) + TOKEN;

	e->debt = more < most ? more : most;
	e->debt_ms = now_ms;
}

uint64_t
guessing_pair_delay(const struct guessing_entry *e,
    const struct guessing_limits *l)
{
	uint64_t failures = (uint64_t)e->failures + e->open;
	uint64_t ms = l->delay_base_ms;

	if (e->node.key.len == GUESSING_SOURCE_LEN)
		return 0;	/* nobody in particular */
	for (; failures > 1 && ms > 0 && ms < l->delay_max_ms; failures--)
		ms *= 2;
	return ms < l->delay_max_ms ? ms : l->delay_max_ms;
}

uint64_t
guessing_pair_wait(const struct guessing_entry *e,
    const struct guessing_limits *l, uint64_t now_ms)
{
	uint64_t from = e->touched_ms, ms, past;

	if (e->failures == 0 && e->open < ABREAST)
		return 0;
	if (e->open > 0 && e->begun_ms > from)
		from = e->begun_ms;
	ms = guessing_pair_delay(e, l);
	past = guessing_since(from, now_ms);
	return ms > past ? ms - past : 0;
}
