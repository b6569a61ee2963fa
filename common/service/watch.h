/* SPDX-License-Identifier: MIT */
/*
 * watch: tells when a file was changed, replaced or swapped behind a link.
 *
 * Watches the directory by inotify (and the file's identity: device, inode,
 * size, mtime), so that rename-over and kubelet's ..data links are seen. Calls
 * back on a thread of its own, 100 ms after the last change of a burst. Where
 * inotify is not to be had it looks every 500 ms.
 */
#ifndef SERVICE_WATCH_H
#define SERVICE_WATCH_H

#include "base/err.h"

struct watch;

typedef void watch_fn(void *arg);

/* The directory must exist; the file need not. */
int watch_start(struct watch **out, const char *path, watch_fn *fn, void *arg,
    struct err *err) MUST_CHECK;
/* fn does not run any more when it returns. */
void watch_stop(struct watch **wp);

#endif
