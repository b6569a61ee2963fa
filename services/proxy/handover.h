/* SPDX-License-Identifier: MIT */
/*
 * handover: give the listening sockets to a successor.
 *
 * The other side of takeover.h: a small thread of its own waits at
 * run_dir/takeover.sock (0600; root and our own user are heard) and serves one
 * at a time. Who is slow (2 s to say hello, 30 s to be ready), dies, or says
 * nonsense is dropped, and nothing has changed. At most one succeeds; then the
 * thread ends.
 */
#ifndef PROXY_HANDOVER_H
#define PROXY_HANDOVER_H

#include "base/check.h"
#include "base/err.h"
#include "net/addr.h"

struct handover;

/* All of it is borrowed until handover_stop(). */
struct handover_offer {
	const char *run_dir;
	const int *listeners;	/* of clients */
	size_t n_listeners;
	int admin;
	/* Somebody serves from now on: these of our addresses, and the admin
	 * address. On handover's thread. */
	void (*done)(void *arg, const struct endpoint *kept, size_t n);
	void *arg;
};

/* `succeeding`: we took over, so that the socket's name may still be our
 * predecessor's. -1 with err: nobody will be able to take over from us, e.g.
 * because another proxy that runs has the name. */
int handover_start(struct handover **out, const struct handover_offer *offer,
    bool succeeding, struct err *err) MUST_CHECK;
/* Nobody is served any more, and done() will not run, when it returns. */
void handover_stop(struct handover **hp);

#endif
