/* SPDX-License-Identifier: MIT */
#include "base/background.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_NS 100000000	/* the longest there is */
#define NICEST 19
#define SHARE  "/proc/self/autogroup"

static int share = -1;	/* SHARE, opened; -1: not ours to set */
static bool stands_back;	/* what was written last */

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

void
background_hold(void)
{
	if (share < 0 && getsid(0) == getpid())
		share = open(SHARE, O_WRONLY | O_CLOEXEC);
}

void
background_stand_back(bool back)
{
	const char *nice = back ? "19" : "0";

	if (share < 0 || back == stands_back)
		return;
	if (write(share, nice, strlen(nice)) >= 0 || errno != EAGAIN)
		stands_back = back;
}
