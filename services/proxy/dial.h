/* SPDX-License-Identifier: MIT */
/*
 * dial: connect to the first of the permitted addresses that answers.
 *
 * The next address starts when the one before failed, or `eyeballs_delay`
 * later (RFC 8305), three at a time at most; the first to connect wins, the
 * others are closed. Only addresses of one decision are ever dialled: the
 * argument is a permit, and the last fence refuses the suite's own listeners
 * and this machine's own addresses unless the permit marks the address as
 * internal_ok. Owned by one worker.
 */
#ifndef PROXY_DIAL_H
#define PROXY_DIAL_H

#include <event2/event.h>

#include "config/settings.h"
#include "net/addr.h"
#include "proxy/socks5.h"

#define DIAL_ADDRS_MAX 32

/* What acld allowed; nothing else makes one. */
struct permit {
	struct addr addrs[DIAL_ADDRS_MAX];
	bool internal_ok[DIAL_ADDRS_MAX];
	uint8_t n;
	uint16_t port;
	bool masked;		/* the client is not told where it leaves */
};

/* Own addresses, which may be others after a reload, and listeners. Owned by
 * one worker. */
struct dial_fence {
	struct addr *own;		/* this machine's interfaces */
	size_t n_own;
	struct endpoint *listeners;	/* the suite's, as far as known */
	size_t n_listeners;
};
/* Is this address and port open to a dial under that flag? A suite listener
 * stays closed even with internal_ok. Pure. */
bool dial_fence_permits(const struct dial_fence *f, const struct endpoint *to,
    bool internal_ok);

enum dial_result {
	DIAL_OK,
	DIAL_REFUSED,		/* 05 connect_refused */
	DIAL_NET_UNREACHABLE,	/* 03 network_unreachable */
	DIAL_HOST_UNREACHABLE,	/* 04 host_unreachable */
	DIAL_TTL_EXPIRED,	/* 06 ttl_expired: ICMP time exceeded */
	DIAL_TIMEOUT,		/* 04 connect_timeout */
	DIAL_RESOURCES,		/* 01 out_of_resources */
	DIAL_FENCED,		/* 02 hard_deny */
	DIAL_ERROR,		/* 01 connect_error */
};

struct dial;
/* DIAL_OK: `fd` is the caller's, connected, non-blocking, with TCP_NODELAY and
 * SO_OOBINLINE (keepalive comes from the relay); `to` is who answered. Else fd
 * is -1, `to` the address whose failure is reported (the one nearest to
 * success: 05, 03, 06, 04, 01). `local` is the socket's own address, NULL where it
 * is not to be shown or there is none. Both are borrowed until return. Once, on
 * the worker, not from within dial_start; the dial is gone when it runs. */
typedef void dial_done_fn(void *arg, enum dial_result result, int fd,
    const struct endpoint *to, const struct endpoint *local);

/* Sockets leave as egress.h says. `cfg` and `fence` must outlive the dial. NULL:
 * resources (no socket could be made at all is reported by done). */
struct dial *dial_start(struct event_base *base,
    const struct proxy_config *cfg, const struct dial_fence *fence,
    const struct permit *permit, dial_done_fn *done, void *arg) MUST_CHECK;
void dial_cancel(struct dial **dp);	/* done() will not run */

#endif
