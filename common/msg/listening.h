/* SPDX-License-Identifier: MIT */
/*
 * listening: one socket's listener, kept alive. Internal to common/msg.
 *
 * An ipc listener of nng 1.5.2 takes no more peers, for ever, once one of them
 * hung up before it was greeted (fixed in 1.6). Where nng is that old a thread
 * greets the listener every second; when no pipe comes of it within 2.5 s, a
 * new listener takes its place, which cuts the old one's peers off.
 */
#ifndef MSG_LISTENING_H
#define MSG_LISTENING_H

#include "base/err.h"

struct nng_socket_s;
struct listening;

/* Borrows the strings; sets *out also when it fails. `path` is the one in an
 * ipc address, else NULL; the socket file gets mode 0660, and `group` when not
 * (gid_t)-1. */
int listening_start(struct listening **out, const struct nng_socket_s *socket,
    const char *address, const char *path, unsigned group, struct err *err)
    MUST_CHECK;
/* nng made a pipe: it lives. Any thread; NULL is harmless. */
void listening_on_add(struct listening *l);
/* Before the socket is closed: no new listener from here on. */
void listening_stop(struct listening *l);
/* After that; NULL inside is harmless. */
void listening_free(struct listening **lp);

#endif
