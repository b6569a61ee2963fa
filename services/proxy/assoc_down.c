/* SPDX-License-Identifier: MIT */
/*
 * From the world to the client: only from where something was sent to, and to
 * the one port that the client uses. The header is written into the room
 * before the datagram.
 */
#include "proxy/assoc_impl.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/socks5_udp.h"

/* What ICMP said about datagrams that were sent (case 75). It must be read, or
 * the loop would report it for ever; it ends nothing. */
static void
count_errors(struct assoc *a, int fd)
{
	for (int i = 0; i < UDP_BATCH_MAX; i++) {
		char control[512];
		struct msghdr m = { .msg_control = control,
			.msg_controllen = sizeof(control) };

		if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
		assoc_drop(a, UDP_UP, UDP_UNREACHABLE);
	}
}

static bool
may_answer(struct assoc *a, const struct endpoint *from, uint32_t now_s)
{
	struct contact *c = assoc_peers_contacted(&a->peers, from);

	if (c != NULL)
		c->heard_s = now_s;
	return (c != NULL || a->room->cfg->udp_full_cone) &&
	    a->client.port != 0;
}

static void
pass(struct assoc *a, const struct udp_datagram *d, uint64_t now_us)
{
	size_t max = addr_is_v4(&a->client.addr) ? UDP_PAYLOAD_MAX_V4 :
	    UDP_PAYLOAD_MAX_V6;
	size_t head = addr_is_v4(&d->from.addr) ? SOCKS5_UDP_HEADER_V4 :
	    SOCKS5_UDP_HEADER_V6;
	char *at = d->ptr - head;

	if (!may_answer(a, &d->from, (uint32_t)(now_us / 1000000))) {
		assoc_drop(a, UDP_DOWN, UDP_UNSOLICITED);
		return;
	}
	if (head + d->len > max) {
		assoc_drop(a, UDP_DOWN, UDP_TOO_LARGE);
		return;
	}
	if (!assoc_may(a, UDP_DOWN, d->len, now_us))
		return;
	(void)socks5_udp_header((uint8_t *)at, &d->from);
	udp_sending_add(a->room->sending[0], &a->client_name,
	    a->client_name_len, at, head + d->len);
}

/* Payload counts, not what we put before it. */
static void
flush(struct assoc *a, size_t head, uint32_t now_s)
{
	struct udp_sending *s = a->room->sending[0];
	struct udp_sent sent;

	if (udp_sending_count(s) == 0)
		return;
	sent = udp_sending_flush(s, a->fd);
	sent.bytes -= sent.sent * head;
	assoc_sent(a, UDP_DOWN, &sent, now_s);
}

void
assoc_on_world(evutil_socket_t fd, short what, void *arg)
{
	struct leg *l = arg;
	struct assoc *a = l->assoc;
	struct udp_batch *b = a->room->batch;
	int n = udp_batch_receive(b, fd, &l->habit);
	uint64_t now_us;

	(void)what;
	if (n <= 0) {
		count_errors(a, fd);
		return;
	}
	now_us = clock_mono_us();
	for (int i = 0; i < n; i++) {
		struct udp_datagram d;

		if (udp_batch_get(b, (unsigned)i, &d))
			pass(a, &d, now_us);
	}
	flush(a, l == &a->legs[LEG_V4] ? SOCKS5_UDP_HEADER_V4 :
	    SOCKS5_UDP_HEADER_V6, (uint32_t)(now_us / 1000000));
}
