/* SPDX-License-Identifier: MIT */
#include "proxy/tempo.h"

#include <sched.h>

void
tempo_turn(struct tempo *t, unsigned events)
{
	t->turns++;
	t->events += events;
}

static bool
should_gather(const struct tempo *t)
{
	return t->events >= t->turns * (t->gathers ? TEMPO_FEW : TEMPO_MANY) &&
	    t->turns > 0;
}

void
tempo_look(struct tempo *t)
{
	const struct sched_param plain = { 0 };
	bool gathers = should_gather(t);

	if (gathers != t->gathers)
		(void)sched_setscheduler(0, gathers ? SCHED_BATCH : SCHED_OTHER,
		    &plain);
	*t = (struct tempo){ .gathers = gathers };
}
