/* SPDX-License-Identifier: MIT */
/*
 * icmp: what routers said of the packets of a socket.
 *
 * The errno of a socket is coarse: EHOSTUNREACH may be a host that is not there
 * or a packet whose time to live ran out on its way. The kernel keeps the
 * message itself for a socket that asked for it (for TCP since Linux 5.8).
 */
#ifndef PROXY_ICMP_H
#define PROXY_ICMP_H

#include <stdbool.h>
#include <sys/socket.h>

/* Has the kernel keep them from now on. `v4`: an IPv4 socket. */
void icmp_keep(int fd, bool v4);
/* Takes what was kept for a socket, at most a few dozen messages. Was one of
 * them "time exceeded", of either family? Does not block. */
bool icmp_take_time_exceeded(int fd);
/* Is this message of an error queue one of those? Pure. */
bool icmp_is_time_exceeded(struct msghdr *m);

#endif
