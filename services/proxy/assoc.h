/* SPDX-License-Identifier: MIT */
/*
 * assoc: a UDP association, from its reply to its end (RFC 1928 section 7,
 * conformance.md section 8).
 *
 * An association has the control connection, a socket for the client, which
 * only the client's address and port may use, and one towards the world for
 * each family, opened when first needed. Each new destination is judged
 * (assoc_judge.h); while that lasts its datagrams are held, within bounds. Only
 * contacted addresses may answer. It ends with the control connection, or when
 * nothing was relayed for timeouts.udp_idle. A datagram that is not relayed is
 * dropped in silence and counted. Owned by one worker, on whose loop all
 * happens.
 */
#ifndef PROXY_ASSOC_H
#define PROXY_ASSOC_H

#include <event2/event.h>

#include "audit/record.h"
#include "config/settings.h"
#include "proxy/assoc_judge.h"
#include "proxy/policy_view.h"
#include "proxy/stream.h"

/* More than this on the control connection ends the association (case 73). */
#define ASSOC_CONTROL_MAX 65536
/* Datagrams that wait for a judgement: of one association, of a worker. */
#define ASSOC_HELD_MAX (128u << 10)
#define ASSOC_HELD_ALL_MAX (8u << 20)

/* What became of a datagram; the label of a metric. */
enum udp_result {
	UDP_RELAYED,
	UDP_SOURCE,		/* not from the client (case 60) */
	UDP_HEADER,		/* malformed (cases 63, 64) */
	UDP_FRAGMENT,		/* FRAG is not 0 (case 62) */
	UDP_REFUSED,		/* by the policy (case 68) */
	UDP_UNRESOLVED,		/* its name has no address */
	UDP_HELD_FULL,		/* judgement is out, and no room to wait */
	UDP_DESTINATIONS,	/* udp.max_destinations are in use */
	UDP_LIMIT,		/* beyond packets or bytes a second (case 76) */
	UDP_TOO_LARGE,		/* does not fit (case 71) */
	UDP_UNSOLICITED,	/* from where nothing was sent to (case 70) */
	UDP_UNREACHABLE,	/* ICMP said so later (case 75) */
	UDP_ERROR,		/* the kernel did not take it */
	UDP_RESULTS,
};

enum { UDP_UP, UDP_DOWN };	/* up: from the client to the world */

struct assoc_stats {
	uint64_t datagrams[2][UDP_RESULTS];
	uint64_t bytes[2];	/* payload that was relayed */
	uint32_t associations;	/* now */
};

struct assoc_room;	/* what the associations of a worker share */
struct assoc;

enum assoc_end {
	ASSOC_END_CONTROL,	/* FIN or RST of the control connection */
	ASSOC_END_TIMEOUT,	/* it does not acknowledge: ETIMEDOUT */
	ASSOC_END_FLOOD,	/* more than ASSOC_CONTROL_MAX on it */
	ASSOC_END_IDLE,		/* timeouts.udp_idle */
	ASSOC_END_LIFETIME,	/* timeouts.lifetime */
};
/* Once, from the loop or assoc_room_expire(); the callee frees. */
typedef void assoc_done_fn(void *arg, enum assoc_end end);
/* The first datagram is about to go out: what the client asked for, where that
 * is, and who allowed it. All borrowed. */
typedef void assoc_first_fn(void *arg, const struct dest *dest,
    const struct addr *addr, const struct decision *d);

struct assoc_room *assoc_room_new(struct event_base *base,
    const struct proxy_config *cfg, const struct judge *judge,
    const struct policy_view *view) MUST_CHECK;
/* New limits hold for running associations too. */
void assoc_room_reload(struct assoc_room *room,
    const struct proxy_config *cfg);
/* Ends those whose time is over. To be called about every second. */
void assoc_room_expire(struct assoc_room *room);
const struct assoc_stats *assoc_room_stats(const struct assoc_room *room);
void assoc_room_free(struct assoc_room **roomp);	/* associations first */

struct assoc_spec {
	struct stream control;	/* the association's from now on */
	int fd;			/* as well: UDP, bound, for the client */
	/* Of the control connection's peer; the port that the client named
	 * with this very address (case 58), or 0: learnt from its first valid
	 * datagram. */
	struct endpoint client;
	const struct identity *identity;	/* borrowed for its life */
	uint32_t control_bytes;	/* that came on the control connection */
	assoc_done_fn *done;
	assoc_first_fn *first;
	void *arg;
};
/* NULL: memory is out, stream and socket stay the caller's. */
struct assoc *assoc_new(struct assoc_room *room, const struct assoc_spec *s)
    MUST_CHECK;
struct record_counters assoc_count(const struct assoc *a);
/* Addresses and ports that were sent to so far. */
uint32_t assoc_destinations(const struct assoc *a);
/* Closes everything: the control connection with RST when `abort`. */
void assoc_free(struct assoc **ap, bool abort);

#endif
