/* SPDX-License-Identifier: MIT */
/*
 * shaper: a token bucket, of new connections a minute or bytes a second.
 *
 * A full bucket holds `burst` tokens; `rate` of them come in every period,
 * without rounding, however often it is looked at. Pure: time comes as an
 * argument. Owned by whoever embeds it; sixteen bytes.
 */
#ifndef PROXY_SHAPER_H
#define PROXY_SHAPER_H

#include <stdbool.h>
#include <stdint.h>

/* How fast; one for many buckets. Made by the functions below. */
struct shaper_rate {
	uint64_t rate;		/* tokens a period; 0: no limit */
	uint64_t period_us;
	uint64_t burst;		/* tokens; what is more never passes */
};

struct shaper {
	uint64_t credit;	/* tokens, each period_us of them */
	uint64_t at_us;		/* when it was so */
};

/* Both numbers at most 2^40; a burst below `rate` is raised to it, so that
 * after one period at the latest any bucket is full. */
struct shaper_rate shaper_per_second(uint64_t rate, uint64_t burst);
/* A whole minute's worth may come at once. */
struct shaper_rate shaper_per_minute(uint32_t rate);

/* Full. */
void shaper_init(struct shaper *s, const struct shaper_rate *r,
    uint64_t now_us);
/* Takes `n` tokens; false: there are fewer, and none was taken. The rate may
 * differ from call to call, the period may not. A clock that goes back stands
 * still. */
bool shaper_take(struct shaper *s, const struct shaper_rate *r,
    uint64_t now_us, uint64_t n);

#endif
