/* SPDX-License-Identifier: MIT */
/*
 * background: threads whose work is long and can wait.
 */
#ifndef BASE_BACKGROUND_H
#define BASE_BACKGROUND_H

/*
 * From now on whoever wakes takes the core from the calling thread at once,
 * where the kernel knows slices (Linux 6.12), instead of at the end of its
 * slice or at the next tick of the clock, which may be 4 ms away; for a
 * session that is as many times as threads work for it. Its share of the cores
 * becomes less by `nicer` steps of nice(2), 0 to 19: 0 takes nothing away. A
 * courtesy: it may fail, unseen. Not SCHED_IDLE: where others keep all cores
 * busy nobody would be let in.
 */
void background_begin(int nicer);

#endif
