/* SPDX-License-Identifier: MIT */
#include "proxy/icmp.h"

#include <time.h>	/* linux/errqueue.h needs it */

#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#define TAKE_MAX 32
/* Room for the error and for who sent it (SO_EE_OFFENDER). */
#define CONTROL_SIZE CMSG_SPACE(sizeof(struct sock_extended_err) + \
	sizeof(struct sockaddr_in6))

void
icmp_keep(int fd, bool v4)
{
	int on = 1;

	if (v4)
		(void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	else
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on,
		    sizeof(on));
}

static bool
says_time_exceeded(const struct cmsghdr *c)
{
	struct sock_extended_err e;

	if (c->cmsg_len < CMSG_LEN(sizeof(e)))
		return false;
	memcpy(&e, CMSG_DATA(c), sizeof(e));
	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR)
		return e.ee_origin == SO_EE_ORIGIN_ICMP &&
		    e.ee_type == ICMP_TIME_EXCEEDED;
	if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)
		return e.ee_origin == SO_EE_ORIGIN_ICMP6 &&
		    e.ee_type == ICMP6_TIME_EXCEEDED;
	return false;
}

bool
icmp_is_time_exceeded(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL;
	    c = CMSG_NXTHDR(m, c))
		if (says_time_exceeded(c))
			return true;
	return false;
}

bool
icmp_take_time_exceeded(int fd)
{
	bool found = false;

	for (unsigned i = 0; i < TAKE_MAX; i++) {
		_Alignas(struct cmsghdr) char control[CONTROL_SIZE];
		struct msghdr m = {
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};

		if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			break;
		found = found || icmp_is_time_exceeded(&m);
	}
	return found;
}
