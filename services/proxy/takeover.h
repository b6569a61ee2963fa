/* SPDX-License-Identifier: MIT */
/*
 * takeover: be the successor of a proxy that runs.
 *
 * `--takeover` asks it, over run_dir/takeover.sock, for its listening sockets
 * (handover.h is its side). They are the very same sockets, so that not even a
 * connection is lost that waits in the kernel. Until takeover_begin() has
 * succeeded nothing has changed for the other one: it accepts, and goes on
 * doing so if we end. Main thread.
 */
#ifndef PROXY_TAKEOVER_H
#define PROXY_TAKEOVER_H

#include <sys/types.h>

#include "base/check.h"
#include "base/err.h"
#include "net/addr.h"

struct takeover;

/*
 * Asks for the sockets; waits 5 s at most. `user` is who we are going to be:
 * only root, ourselves and that user are believed to be our predecessor.
 * 0 with *out NULL: nobody is there to take over from. -1 with err: somebody
 * is, but did not give them.
 */
int takeover_ask(struct takeover **out, const char *run_dir, uid_t user,
    struct err *err) MUST_CHECK;
/* The admin listener, from now on the caller's; -1: none came, or is left. */
int takeover_admin(struct takeover *t);
/* How many for clients came; 0 for NULL. */
size_t takeover_count(const struct takeover *t);
/* A socket that listens on `at`, from now on the caller's; -1: none is left. */
int takeover_take(struct takeover *t, const struct endpoint *at);
/* The first address that nobody took; false: all were taken. */
bool takeover_untaken(const struct takeover *t, struct endpoint *out);
/*
 * "I am ready, and serve these addresses"; waits 10 s at most for the answer.
 * 0: they are ours alone, the other one accepts no longer (or has died, which
 * is logged). -1 with err: it keeps them.
 */
int takeover_begin(struct takeover *t, const struct endpoint *kept, size_t n,
    struct err *err) MUST_CHECK;
/* Closes what was not taken, and hangs up. */
void takeover_free(struct takeover **tp);

#endif
