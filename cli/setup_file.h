/* SPDX-License-Identifier: MIT */
/*
 * setup_file: files that are made once and never changed afterwards.
 *
 * A file appears whole or not at all, by link(2) from a temporary one in the
 * same directory after fsync: what is there already, or appears meanwhile,
 * stays. Directories that are missing are made for us alone. One thread;
 * any number of processes.
 */
#ifndef CLI_SETUP_FILE_H
#define CLI_SETUP_FILE_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum setup_file {
	SETUP_FILE_FAILED = -1,	/* err says which path, why, what to do */
	SETUP_FILE_KEPT,
	SETUP_FILE_MADE,
};

/* Makes the directory that `path` is in, mode 0750, where it is missing (not
 * its parents). -1: that, or making a file there, is not ours to do. */
int setup_file_directory(const char *path, struct err *err) MUST_CHECK;
/* Makes `path` with this text, mode 0640, and its directory, unless there is
 * a file. */
enum setup_file setup_file_make(const char *path, struct str text,
    struct err *err) MUST_CHECK;
/*
 * The first line of a file, without its end, 1 to size - 2 bytes and no NUL.
 * 1: read; 0: there is no such file; -1: unreadable, empty, too long or with a
 * NUL, `err` says so. `out` is "" unless it is 1.
 */
int setup_file_line(const char *path, char *out, size_t size, struct err *err)
    MUST_CHECK;

#endif
