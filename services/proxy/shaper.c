/* SPDX-License-Identifier: MIT */
#include "proxy/shaper.h"

#include "base/check.h"

#define SECOND_US UINT64_C(1000000)
#define MOST (UINT64_C(1) << 40)	/* times a second: below 2^60 */

struct shaper_rate
shaper_per_second(uint64_t rate, uint64_t burst)
{
	ASSERT(rate <= MOST && burst <= MOST);
	return (struct shaper_rate){
		.rate = rate,
		.period_us = SECOND_US,
		.burst = burst > rate ? burst : rate,
	};
}

struct shaper_rate
shaper_per_minute(uint32_t rate)
{
	return (struct shaper_rate){
		.rate = rate,
		.period_us = 60 * SECOND_US,
		.burst = rate,
	};
}

void
shaper_init(struct shaper *s, const struct shaper_rate *r, uint64_t now_us)
{
	s->credit = r->burst * r->period_us;
	s->at_us = now_us;
}

/* In a microsecond come `rate` of the parts of which a token has period_us:
 * whole numbers only. No product is formed that a full bucket could not hold. */
static void
refill(struct shaper *s, const struct shaper_rate *r, uint64_t now_us)
{
	uint64_t full = r->burst * r->period_us, gone;

	if (s->credit > full)	/* the limit was lowered */
		s->credit = full;
	if (now_us <= s->at_us)
		return;
	gone = now_us - s->at_us;
	s->at_us = now_us;
	if (gone > (full - s->credit) / r->rate)
		s->credit = full;
	else
		s->credit += gone * r->rate;
}

bool
shaper_take(struct shaper *s, const struct shaper_rate *r, uint64_t now_us,
    uint64_t n)
{
	if (r->rate == 0)
		return true;
	refill(s, r, now_us);
	if (n > r->burst || n * r->period_us > s->credit)
		return false;
	s->credit -= n * r->period_us;
	return true;
}
