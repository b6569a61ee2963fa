/* SPDX-License-Identifier: MIT */
/*
 * priv: give up root, for good. Main thread, before any other thread exists.
 */
#ifndef SERVICE_PRIV_H
#define SERVICE_PRIV_H

#include <sys/types.h>

#include "base/check.h"
#include "base/err.h"

struct priv_ids {
	uid_t uid;
	gid_t gid;
};

/*
 * Who the process will be after priv_drop() with the same names: not root, or
 * an empty name, keeps what it is; an empty group is the user's own. A user or
 * group that does not exist is an error that says how to make it.
 */
int priv_lookup(struct priv_ids *out, const char *user, const char *group,
    struct err *err) MUST_CHECK;
#define PRIV_NO_GROUP ((gid_t)-1)

/* The group that the process keeps beside its own: root may keep any, others
 * must be in it. Errors as above. */
int priv_lookup_kept(gid_t *out, const char *group, struct err *err)
    MUST_CHECK;
/*
 * When root: becomes user and group, with `kept` (or PRIV_NO_GROUP) as the only
 * supplementary group, drops all capabilities, sets no_new_privs, and verifies
 * that root cannot be had back. An empty user keeps the uid, but still empties
 * the capability sets. When not root: empties the capability sets and sets
 * no_new_privs. Errors as above.
 */
int priv_drop(const char *user, const char *group, gid_t kept,
    struct err *err) MUST_CHECK;
/* Soft RLIMIT_NOFILE to the hard one; no core dumps; not dumpable. */
void priv_limits(void);

#endif
