/* SPDX-License-Identifier: MIT */
/*
 * priv: give up root, for good. Main thread, before any other thread exists.
 */
#ifndef SERVICE_PRIV_H
#define SERVICE_PRIV_H

#include "base/err.h"
#include "base/check.h"

/*
 * When root: becomes user and group (supplementary groups cleared), drops all
 * capabilities, sets no_new_privs, and verifies that root cannot be had back.
 * An empty user keeps the uid, but still empties the capability sets. When not
 * root: only no_new_privs. A user that does not exist is an error that says
 * how to make it.
 */
int priv_drop(const char *user, const char *group, struct err *err) MUST_CHECK;
/* Soft RLIMIT_NOFILE to the hard one; no core dumps; not dumpable. */
void priv_limits(void);

#endif
