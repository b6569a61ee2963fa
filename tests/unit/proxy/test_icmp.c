/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>	/* linux/errqueue.h needs it */

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>

#include "io_fixture.h"
#include "proxy/icmp.h"

struct message_case {
	int level, type;
	uint8_t origin, icmp_type;
	bool is;
};

static const struct message_case messages[] = {
	{ IPPROTO_IP, IP_RECVERR, SO_EE_ORIGIN_ICMP, ICMP_TIME_EXCEEDED,
		true },
	{ IPPROTO_IPV6, IPV6_RECVERR, SO_EE_ORIGIN_ICMP6,
		ICMP6_TIME_EXCEEDED, true },
	{ IPPROTO_IP, IP_RECVERR, SO_EE_ORIGIN_ICMP, ICMP_DEST_UNREACH,
		false },
	{ IPPROTO_IPV6, IPV6_RECVERR, SO_EE_ORIGIN_ICMP6, ICMP6_DST_UNREACH,
		false },
	/* The other family's number for it; our own kernel's word. */
	{ IPPROTO_IPV6, IPV6_RECVERR, SO_EE_ORIGIN_ICMP6, ICMP_TIME_EXCEEDED,
		false },
	{ IPPROTO_IP, IP_RECVERR, SO_EE_ORIGIN_ICMP, ICMP6_TIME_EXCEEDED,
		false },
	{ IPPROTO_IP, IP_RECVERR, SO_EE_ORIGIN_LOCAL, ICMP_TIME_EXCEEDED,
		false },
	{ IPPROTO_IP, IP_TTL, SO_EE_ORIGIN_ICMP, ICMP_TIME_EXCEEDED, false },
	{ SOL_SOCKET, IP_RECVERR, SO_EE_ORIGIN_ICMP, ICMP_TIME_EXCEEDED,
		false },
};

/* A message of an error queue: another one's words first, then this. */
static bool
judged(const struct message_case *t, size_t size)
{
	_Alignas(struct cmsghdr) char control[256] = { 0 };
	struct msghdr m = { .msg_control = control,
		.msg_controllen = sizeof(control) };
	struct sock_extended_err e = {
		.ee_errno = EHOSTUNREACH, .ee_origin = t->origin,
		.ee_type = t->icmp_type,
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SO_TIMESTAMP;
	c->cmsg_len = CMSG_LEN(sizeof(struct timeval));
	c = CMSG_NXTHDR(&m, c);
	c->cmsg_level = t->level;
	c->cmsg_type = t->type;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), &e, size < sizeof(e) ? size : sizeof(e));
	m.msg_controllen = (size_t)((char *)c - control) + CMSG_SPACE(size);
	return icmp_is_time_exceeded(&m);
}

static void
test_messages(void **state)
{
	const size_t whole = sizeof(struct sock_extended_err);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		const struct message_case *t = &messages[i];

		if (judged(t, whole) != t->is ||
		    judged(t, whole + sizeof(struct sockaddr_in)) != t->is)
			fail_msg("message %zu", i);
		for (size_t size = 0; size < whole; size++)
			assert_false(judged(t, size));
	}
	assert_false(icmp_is_time_exceeded(&(struct msghdr){ 0 }));
}

/* A port of UDP that nobody has: the kernel keeps "port unreachable", which
 * is taken, and is not what was asked for. */
static void
test_takes_what_was_kept(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "::1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		struct endpoint to = { .port = 0 };
		struct sockaddr_storage sa;
		struct pollfd p = { .events = 0 };
		socklen_t len;
		int gone;

		assert_true(addr_parse(&to.addr, str_from(hosts[i])));
		len = endpoint_to_sockaddr(&to, &sa);
		gone = socket(sa.ss_family, SOCK_DGRAM, 0);
		assert_int_equal(bind(gone, (struct sockaddr *)&sa, len), 0);
		assert_true(sock_local(gone, &to));
		endpoint_to_sockaddr(&to, &sa);
		close(gone);
		p.fd = socket(sa.ss_family, SOCK_DGRAM, 0);
		icmp_keep(p.fd, addr_is_v4(&to.addr));
		assert_false(icmp_take_time_exceeded(p.fd));
		assert_int_equal(sendto(p.fd, "x", 1, 0,
		    (struct sockaddr *)&sa, len), 1);
		assert_int_equal(poll(&p, 1, 10000), 1);
		assert_true(p.revents & POLLERR);
		assert_false(icmp_take_time_exceeded(p.fd));
		assert_int_equal(poll(&p, 1, 0), 0);
		close(p.fd);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_takes_what_was_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
