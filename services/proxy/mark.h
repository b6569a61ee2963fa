/* SPDX-License-Identifier: MIT */
/*
 * mark: has a file become another one since it was last looked at?
 *
 * Told by time of change, size and inode. Any thread.
 */
#ifndef PROXY_MARK_H
#define PROXY_MARK_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

struct mark {
	struct timespec changed;
	off_t size;
	ino_t inode;	/* all zero: there is no file */
};

/* false: it cannot be told, `out` is zero. */
bool mark_look(const char *path, struct mark *out);
bool mark_eq(const struct mark *a, const struct mark *b);

#endif
