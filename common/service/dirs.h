/* SPDX-License-Identifier: MIT */
/*
 * dirs: run_dir and state_dir, made where they are missing.
 *
 * Every daemon makes its ipc sockets in run_dir after it gave up root, and the
 * daemons may have different users. So it is made root's (or the starting
 * user's) with the daemon's group and mode 1770: those of the group can add
 * sockets and reach them, and by the sticky bit nobody can remove or replace
 * another's. With bus.admin_group it is 1771, so that those of that group can
 * pass through to the admin sockets; nobody else gets more by it, since each
 * socket has its own mode. state_dir is made 0700 and the daemon's own. What exists already
 * is left as the administrator made it. Main thread.
 */
#ifndef SERVICE_DIRS_H
#define SERVICE_DIRS_H

#include "base/err.h"
#include "config/settings.h"
#include "service/priv.h"

/* Before privileges are dropped; `ids` from priv_lookup(). Only the last part
 * of a path is made. -1: "state_dir /x: why; what to do". */
int dirs_make(const struct daemon_config *d, const struct priv_ids *ids,
    struct err *err) MUST_CHECK;
/* After that: is run_dir open to us, and can state_dir be written to? */
int dirs_check(const struct daemon_config *d, struct err *err) MUST_CHECK;

#endif
