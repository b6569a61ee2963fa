/* SPDX-License-Identifier: MIT */
/*
 * The input is a client's datagram. What is accepted has a payload that is the
 * end of it, a destination in canonical form, and, where that is an address,
 * a header that reads as the same destination.
 */
#include <string.h>

#include "fuzz.h"
#include "proxy/socks5_udp.h"

static void
check_again(const struct dest *d)
{
	struct endpoint from = { d->addr, d->port };
	uint8_t header[SOCKS5_UDP_HEADER_V6];
	struct str again = { (char *)header, 0 }, payload;
	struct dest e;

	again.len = socks5_udp_header(header, &from);
	ASSERT(socks5_udp_parse(again, &e, &payload) == SOCKS5_UDP_OK);
	ASSERT(payload.len == 0 && !e.is_name && e.port == d->port);
	ASSERT(addr_eq(&e.addr, &d->addr));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str datagram = { (const char *)data, size }, payload;
	struct dest d, e;
	char text[DEST_TEXT_SIZE];
	enum socks5_udp_verdict v;

	memset(&d, 0xee, sizeof(d));
	v = socks5_udp_parse(datagram, &d, &payload);
	ASSERT(v < SOCKS5_UDP_VERDICTS);
	if (v != SOCKS5_UDP_OK)
		return 0;
	ASSERT(payload.ptr + payload.len == datagram.ptr + size);
	ASSERT(size - payload.len >= SOCKS5_UDP_HEADER_V4 - 2);
	ASSERT(size - payload.len <= SOCKS5_UDP_HEADER_MAX);
	ASSERT(d.port != 0 && strlen(d.name) == d.name_len);
	dest_format(text, &d);
	if (!d.is_name)
		check_again(&d);
	/* A datagram that ends within its header is none. */
	datagram.len = size - payload.len - 1;
	ASSERT(socks5_udp_parse(datagram, &e, &payload) == SOCKS5_UDP_RUNT);
	return 0;
}
