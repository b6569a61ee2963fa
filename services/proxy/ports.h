/* SPDX-License-Identifier: MIT */
/*
 * ports: sockets that strangers are told to come to.
 *
 * BIND and UDP ASSOCIATE open a port and tell the client its number. It is one
 * of the kernel's choice, or of a range that the operator has opened in a
 * firewall: then the search begins at a random port and looks at PORTS_TRIES
 * in turn, so that a crowded range costs bounded time. Only for the first
 * reason does the order matter: nobody shall guess the next port. Pure but for
 * the socket calls; any thread.
 */
#ifndef PROXY_PORTS_H
#define PROXY_PORTS_H

#include "base/check.h"
#include "base/err.h"
#include "config/value.h"
#include "net/addr.h"

/* A range of up to so many ports is searched whole. */
#define PORTS_TRIES 1024

/*
 * A socket at `at`, which is an address of this machine, or 0.0.0.0 or :: (of
 * that family only); non-blocking, close-on-exec. low and high, both
 * inclusive, in host order: the range, or 0 and 0 for a port of the kernel's
 * choice (struct port_range of the configuration). sock_local() tells which it
 * is.
 *
 * -1: errno says why, and err (may be NULL) says it in words, e.g. "no free
 * port from 40000 to 40999 at 192.0.2.1: Address already in use". EADDRINUSE:
 * no port was free among those tried; EADDRNOTAVAIL: the address is not this
 * machine's; EMFILE, ENFILE, ENOBUFS, ENOMEM: a shortage.
 */
int ports_listen(const struct addr *at, uint16_t low, uint16_t high,
    int backlog, struct err *err) MUST_CHECK;	/* TCP, listening */
int ports_datagram(const struct addr *at, uint16_t low, uint16_t high,
    struct err *err) MUST_CHECK;		/* UDP */

/*
 * The address that a client is told in a reply, to come to or to send others
 * to: the first entry of the list that is for this client and of the family of
 * `local`, else `local` itself, which is where the socket is or how the client
 * is connected to us. `local` must not be 0.0.0.0 or ::, nor is any entry.
 */
static inline struct addr
ports_advertise(const struct advertised_list *list, const struct addr *client,
    const struct addr *local)
{
	const struct addr *told =
	    advertised_find(list, client, addr_is_v4(local));

	return told != NULL ? *told : *local;
}

#endif
