/* SPDX-License-Identifier: MIT */
#include "base/background.h"

#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_NS 100000000	/* the longest there is */
#define NICEST 19

void
background_begin(int nicer)
{
	int now = getpriority(PRIO_PROCESS, (id_t)gettid());
	int nice = now + nicer < NICEST ? now + nicer : NICEST;
	/* The kernel's; the C library of Debian 12 has none. */
	const struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t slice_ns, deadline, period;
	} wanted = { .size = sizeof(wanted), .policy = SCHED_OTHER,
		.nice = nice, .slice_ns = SLICE_NS };

	if (syscall(SYS_sched_setattr, 0, &wanted, 0) != 0)
		(void)setpriority(PRIO_PROCESS, (id_t)gettid(), nice);
}
