/* SPDX-License-Identifier: MIT */
/*
 * probe: asks several daemons at once for their /readyz.
 *
 * Blocks its caller until all have answered or the time is over, so it is for
 * a thread that serves nobody. Any thread.
 */
#ifndef APID_PROBE_H
#define APID_PROBE_H

#include "net/addr.h"

#define PROBE_TEXT_SIZE 256
#define PROBES_MAX 8

enum probe_state {
	PROBE_UNKNOWN,		/* not asked: it has no fixed port */
	PROBE_READY,
	PROBE_NOT_READY,	/* it says so; `text` has its reasons */
	PROBE_UNREACHABLE,	/* no answer; `text` says why */
};

struct probe {
	struct endpoint at;	/* in; port 0: is not asked */
	enum probe_state state;
	char text[PROBE_TEXT_SIZE];
};

/* Asks `n` daemons, at most PROBES_MAX. */
void probe_all(struct probe *probes, size_t n, unsigned timeout_ms);

#endif
