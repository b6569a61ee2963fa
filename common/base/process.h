/* SPDX-License-Identifier: MIT */
/*
 * process: what the kernel counts for this process. Any thread.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stdint.h>

struct process_usage {
	uint64_t cpu_us;		/* user and system time */
	uint64_t resident_bytes;
	uint64_t open_fds, max_fds;	/* max: the soft limit */
};

/* What /proc does not tell (not mounted, closed by a sandbox) is 0. */
struct process_usage process_usage(void);
/* Bytes of memory there are for it: the machine's, or what its control group
 * or one above leaves it. `groups`: where those of version 2 are mounted,
 * /sys/fs/cgroup. */
uint64_t process_memory_max(const char *groups);
/* When the process was started: µs since 1970; 0: /proc does not tell. */
uint64_t process_start_us(void);

#endif
