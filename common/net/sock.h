/* SPDX-License-Identifier: MIT */
/*
 * sock: the socket calls that more than one room needs.
 *
 * All sockets made here are non-blocking and close-on-exec. One on an IPv6
 * address takes IPv6 only: 0.0.0.0 and [::] are listened on apart. Any thread.
 */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include "net/addr.h"

/* TCP sockets, bound, or listening as well; `reuseport` lets several share the address. The
 * probe says "address in use" where SO_REUSEPORT alone would share silently:
 * it binds without that option and closes again (design.md ruling 5).
 * -1 with err, e.g. "127.0.0.1:1080: Address already in use". */
int sock_probe(const struct endpoint *at, struct err *err) MUST_CHECK;
int sock_bind(const struct endpoint *at, bool reuseport, struct err *err)
    MUST_CHECK;
int sock_listen(const struct endpoint *at, bool reuseport, int backlog,
    struct err *err) MUST_CHECK;
/*
 * How long a TCP socket bears a peer that is not there. After `keepalive_ms`
 * of silence it is asked, and again as often; three times in vain end the
 * connection (0: not asked). `user_timeout_ms`: how long what was sent may stay
 * unacknowledged, which then counts for the asking as well (0: as the system
 * has it). What a listening socket is given, those accepted from it have.
 */
void sock_set_patience(int fd, uint64_t keepalive_ms,
    uint64_t user_timeout_ms);
/* The address a socket is bound to (port 0 asked: the one it got). */
bool sock_local(int fd, struct endpoint *out) MUST_CHECK;
bool sock_peer(int fd, struct endpoint *out) MUST_CHECK;
/*
 * Addresses of this machine's interfaces now, loopback included, at most
 * `max`; how many. `max` itself may mean that there are more; 0 that the
 * kernel could not be asked.
 */
size_t sock_own_addresses(struct addr *out, size_t max);

#endif
