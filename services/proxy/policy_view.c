/* SPDX-License-Identifier: MIT */
#include "proxy/policy_view.h"

#include <string.h>

static void
halves(uint64_t out[2], const struct id *id)
{
	memcpy(out, id->b, sizeof(id->b));
}

/*
 * The fields are written one by one. A reader that meets a half-written view
 * compares with one real (instance, generation) pair and so at worst finds the
 * old pair, a moment longer, or none.
 */
void
policy_view_hear(struct policy_view *v, const struct id *instance,
    uint64_t generation, uint64_t now_ms)
{
	uint64_t h[2];

	halves(h, instance);
	atomic_store(&v->instance[0], h[0]);
	atomic_store(&v->instance[1], h[1]);
	atomic_store(&v->generation, generation);
	atomic_store(&v->heard_ms, now_ms);
}

bool
policy_view_names(const struct policy_view *v, const struct id *instance,
    uint64_t generation, uint64_t now_ms)
{
	uint64_t h[2];

	halves(h, instance);
	return policy_view_age(v, now_ms) < POLICY_VIEW_FRESH_MS &&
	    atomic_load(&v->generation) == generation &&
	    atomic_load(&v->instance[0]) == h[0] &&
	    atomic_load(&v->instance[1]) == h[1];
}

uint64_t
policy_view_age(const struct policy_view *v, uint64_t now_ms)
{
	uint64_t heard = atomic_load(&v->heard_ms);

	if (heard == 0)
		return UINT64_MAX;
	return now_ms > heard ? now_ms - heard : 0;
}
