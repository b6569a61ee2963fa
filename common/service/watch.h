/* SPDX-License-Identifier: MIT */
/*
 * watch: tells when a file was changed, replaced or swapped behind a link.
 *
 * What counts is the file's identity (device, inode, size, ctime) with links
 * followed, so that rename-over, chmod and kubelet's ..data links are seen.
 * inotify on the directory says when to look; besides, it looks every 500 ms,
 * for what inotify does not tell (links to elsewhere, network file systems, a
 * directory that was itself replaced). Calls back on a thread of its own,
 * 100 ms after the last change of a burst.
 */
#ifndef SERVICE_WATCH_H
#define SERVICE_WATCH_H

#include "base/err.h"

struct watch;

typedef void watch_fn(void *arg);

/* The directory must exist; the file need not. Start it before the file is
 * read, so that no change falls between. A file that vanishes is a change. */
int watch_start(struct watch **out, const char *path, watch_fn *fn, void *arg,
    struct err *err) MUST_CHECK;
/* fn does not run any more when it returns. Not from fn. */
void watch_stop(struct watch **wp);

#endif
