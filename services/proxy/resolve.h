/* SPDX-License-Identifier: MIT */
/*
 * resolve: canonical names to addresses, on a worker's loop.
 *
 * In this order: `localhost` and `*.localhost` (loopback) and `*.invalid` (no
 * such name) without asking (RFC 6761), the hosts file, the cache, c-ares (A
 * and AAAA together, TCP after truncation, no search list). No name is ever
 * given to inet_aton or getaddrinfo(3). At most 32 addresses; TTLs are clamped.
 * Single flight: equal questions share one lookup. Owned by one worker.
 */
#ifndef PROXY_RESOLVE_H
#define PROXY_RESOLVE_H

#include <event2/event.h>

#include "base/err.h"
#include "config/settings.h"
#include "net/addr.h"

#define RESOLVE_ADDRS_MAX 32

enum resolve_result {
	RESOLVE_OK,
	RESOLVE_NOT_FOUND,	/* NXDOMAIN or no address: dns_not_found */
	RESOLVE_TIMEOUT,	/* dns_timeout */
	RESOLVE_FAILED,		/* SERVFAIL, refused, …: dns_failure */
	RESOLVE_BUSY,		/* too many in flight: out_of_resources */
	RESOLVE_LIMITED,	/* too many of this user: limit_user */
};

struct quota;
struct resolver;
struct resolve_query;

/* `addrs` is borrowed until return, in the order to try (RFC 6724 light:
 * families interleaved, IPv6 first where the machine has it). Called on the
 * worker, once, never after resolve_cancel; it may run before resolve_start
 * returns: then resolve_start gives NULL. */
typedef void resolve_done_fn(void *arg, enum resolve_result result,
    const struct addr *addrs, size_t n);

int resolver_new(struct resolver **out, struct event_base *base,
    const struct proxy_config *cfg, struct err *err) MUST_CHECK;
void resolver_reload(struct resolver *r, const struct proxy_config *cfg);
/* From now on resolve_start_for counts there (QUOTA_DNS); `q` outlives r. */
void resolver_count_users(struct resolver *r, struct quota *q);
/* `name`: canonical (net/name.h). */
struct resolve_query *resolve_start(struct resolver *r, struct str name,
    resolve_done_fn *done, void *arg);
/* The same for a user, who may wait for dns.in_flight_per_user names in the
 * whole process; what is known without asking does not count. */
struct resolve_query *resolve_start_for(struct resolver *r, struct str user,
    struct str name, resolve_done_fn *done, void *arg);
/* NULL inside is harmless; clears the pointer. */
void resolve_cancel(struct resolve_query **qp);
/* Counters since the start, for metrics. */
struct resolve_stats {
	uint64_t asked, cache_hits, ok, not_found, timeout, failed, busy,
	    limited;
};
struct resolve_stats resolver_stats(const struct resolver *r);
void resolver_free(struct resolver **rp);

#endif
