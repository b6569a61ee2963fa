/* SPDX-License-Identifier: MIT */
#include "sessiond/pace.h"

bool
pace_stands_back(const struct pace *p, bool back)
{
	uint64_t late_ms = back ? PACE_LATE_MS : PACE_ON_TIME_MS;
	size_t full = p->room / (back ? 4 : 8);

	return p->waited_ms <= p->interval_ms + late_ms && p->bytes <= full;
}
