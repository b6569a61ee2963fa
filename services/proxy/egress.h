/* SPDX-License-Identifier: MIT */
/*
 * egress: where outgoing sockets leave from.
 *
 * proxy.source_address is the address that a target sees, at most one a
 * family; a family without one leaves as the kernel chooses.
 * proxy.egress_interface keeps every outgoing socket on that interface,
 * whatever the routes say (SO_BINDTODEVICE). Any thread.
 */
#ifndef PROXY_EGRESS_H
#define PROXY_EGRESS_H

#include <stdbool.h>

#include "base/check.h"
#include "base/err.h"

struct proxy_config;

/*
 * Binds a new outgoing socket, TCP or UDP, `v4` being its family. It gets no
 * port here: connect() or the first datagram brings it, so that many
 * connections from one address may share a port (IP_BIND_ADDRESS_NO_PORT).
 * What is not configured costs no system call.
 *
 * 0, or -1 with errno: EADDRNOTAVAIL, the machine lost the address since it
 * was checked; ENODEV, the interface; else a shortage.
 */
int egress_bind(const struct proxy_config *cfg, int fd, bool v4) MUST_CHECK;

/*
 * Would egress_bind() work, with the rights that this process has now? -1 with
 * err, e.g. "proxy.source_address: 192.0.2.1 is not an address of this
 * machine; see: ip address".
 */
int egress_check(const struct proxy_config *cfg, struct err *err) MUST_CHECK;

#endif
