/* SPDX-License-Identifier: MIT */
/*
 * bind: listen for the one peer that a client waits for (RFC 1928, BIND).
 *
 * Whoever comes is looked at in turn. Who is not among the peers asked for is
 * reset at once; the others are judged, BIND_PEERS_MAX of them at a time, while
 * more wait in the kernel's queue; who is refused is reset. Listening goes on
 * until the first is admitted or the time is over: no stranger can use the port
 * up by being faster (threats.md B-1). Nothing is read from a peer here. When
 * descriptors run out, accepting pauses. Owned by one worker.
 */
#ifndef PROXY_BIND_H
#define PROXY_BIND_H

#include <event2/event.h>

#include "base/check.h"
#include "base/err.h"
#include "config/value.h"
#include "proxy/lease.h"

#define BIND_PEERS_MAX 4
#define BIND_ASKED_MAX 32

/* What to wait for, and where; copied. */
struct bind_plan {
	struct addr at;			/* of this machine, not 0.0.0.0 or :: */
	struct port_range ports;
	bool any;			/* whoever comes is judged, else: */
	struct addr asked[BIND_ASKED_MAX];
	unsigned n_asked;
	uint64_t timeout_ms;
};

/* Somebody who has come, until the verdict; then gone. */
struct bind_peer {
	struct bind *bind;
	int fd;				/* bind.c's; -1: nobody */
	struct endpoint from;
	/* For the judge, to wait for an answer with; cancelled when the peer
	 * goes. `arg` is the one of bind_start. */
	struct lease_waiter waiter;
	void *arg;
};

enum bind_verdict { BIND_REFUSE, BIND_ADMIT, BIND_LATER };

/* Why a peer was reset. */
enum bind_reset {
	BIND_WRONG_PEER,	/* not asked for */
	BIND_REFUSED,		/* by the judge */
	BIND_TOO_LATE,		/* under judgement when the waiting ended */
};

enum bind_result {
	BIND_PEER,		/* admitted: the waiting was not in vain */
	BIND_TIMEOUT,		/* 06 bind_timeout */
};

struct bind_ops {
	/* A peer that was asked for. LATER: bind_judged() says. May be called
	 * from within neither bind_start nor bind_cancel; must not cancel. */
	enum bind_verdict (*judge)(void *arg, struct bind_peer *peer);
	/* One was reset: for a counter. Also from within bind_cancel. */
	void (*turned_away)(void *arg, enum bind_reset why);
	/* Once, unless cancelled; the bind is gone, its port closed. PEER:
	 * `fd` is the callee's, connected, non-blocking, with TCP_NODELAY and
	 * SO_OOBINLINE, and `from` is who it is, borrowed until return. Else
	 * -1 and NULL. Never from within bind_start. */
	void (*done)(void *arg, enum bind_result result, int fd,
	    const struct endpoint *from);
};

struct bind;

/* Listens. NULL: errno says why (as in ports.h), err in words (may be NULL).
 * `ops` is borrowed until the end. */
struct bind *bind_start(struct event_base *base, const struct bind_plan *plan,
    const struct bind_ops *ops, void *arg, struct err *err) MUST_CHECK;
/* The address and port listened on. */
struct endpoint bind_at(const struct bind *b);
/* The verdict that was to come LATER; not from within judge(). The peer is
 * gone on return, and if admitted so is the bind: done() has run. */
void bind_judged(struct bind_peer *peer, bool admit);
/* The port is closed, peers under judgement are reset; done() will not run. */
void bind_cancel(struct bind **bp);

#endif
