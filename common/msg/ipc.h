/* SPDX-License-Identifier: MIT */
/*
 * ipc: the socket files below nng's ipc:// addresses, looked at without nng.
 * Internal to common/msg. Any thread.
 *
 * Nothing here hangs up on nng 1.5.2 before its greeting came: such a peer
 * ends its listener for ever (fixed in 1.6).
 */
#ifndef MSG_IPC_H
#define MSG_IPC_H

#include <stdbool.h>

#include "base/err.h"

/* Does anybody accept here? Waits at most 2 s for a greeting; errno says
 * why not. */
bool ipc_is_live(const char *path);
/* Takes away what a dead process left behind, and nothing else. -1: somebody
 * lives there, or it is no socket. `address` is for the message. */
int ipc_clear(const char *path, const char *address, struct err *err)
    MUST_CHECK;
/* A non-blocking socket, the caller's to close; -1 with errno. */
int ipc_connect(const char *path) MUST_CHECK;
/* Has the other side's greeting come within so many ms? */
bool ipc_is_greeted(int fd, int ms);
/* Greets back as a peer of no known protocol, so that nng makes a pipe of it
 * and drops it. */
bool ipc_greet(int fd) MUST_CHECK;

#endif
