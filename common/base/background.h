/* SPDX-License-Identifier: MIT */
/*
 * background: threads, and a whole process, whose work is long and can wait.
 *
 * Both are courtesies: they may fail, unseen.
 */
#ifndef BASE_BACKGROUND_H
#define BASE_BACKGROUND_H

#include <stdbool.h>

/*
 * From now on whoever wakes takes the core from the calling thread at once,
 * where the kernel knows slices (Linux 6.12), instead of at the end of its
 * slice or at the next tick of the clock, which may be 4 ms away; for a
 * session that is as many times as threads work for it. Its share of the cores
 * becomes less by `nicer` steps of nice(2), 0 to 19: 0 takes nothing away. Not
 * SCHED_IDLE: where others keep all cores busy nobody would be let in.
 */
void background_begin(int nicer);

/*
 * Where the kernel's autogroups are in force (sched(7), "The autogroup
 * feature"), sessions share the cores, and what a thread asks for counts among
 * those of its own session only. This takes hold of the calling process's
 * session, if it leads one (setsid(1), systemd, PID 1 of a container): nobody
 * else's, say that of a terminal, is ever touched. First thing in main(): a
 * process that cannot be dumped may not open the file any more. Holds a
 * descriptor until the process ends. Main thread, before there are others.
 */
void background_hold(void);
/*
 * Whether the session that is held gets next to nothing of cores that other
 * sessions want (nice 19), or its full share again (nice 0). To be called again
 * and again: without a change it does nothing, and where the kernel puts a
 * process off (but root, nobody may within 100 ms of anybody's last change)
 * the next call tries again. One thread at a time.
 */
void background_stand_back(bool back);

#endif
