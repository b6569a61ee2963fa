/* SPDX-License-Identifier: MIT */
/*
 * cores: how many threads of one kind can run at a time.
 */
#ifndef BASE_CORES_H
#define BASE_CORES_H

/*
 * The cores that this process may run on, or fewer where its control group
 * (or one above it) limits the CPU time, as containers do: a limit of 1.5
 * cores gives 2. At least 1. What cannot be read limits nothing. Reads files;
 * any thread.
 */
unsigned cores_usable(void);

/*
 * The same for `n` cores, with the files below `root` ("" for the real ones).
 * For version 2 of control groups that is cpu.max, for version 1
 * cpu.cfs_quota_us and cpu.cfs_period_us (Linux, Documentation/admin-guide/
 * cgroup-v2.rst and Documentation/scheduler/sched-bwc.rst).
 */
unsigned cores_limited(unsigned n, const char *root);

#endif
