/* SPDX-License-Identifier: MIT */
/*
 * socks5_udp: the header before each datagram (RFC 1928 section 7). Pure.
 *
 * A datagram is whole or useless, so there is no "more": a verdict says which
 * count a useless one goes to; it is dropped without an answer, and its
 * association lives (conformance.md cases 57-71). Any thread.
 */
#ifndef PROXY_SOCKS5_UDP_H
#define PROXY_SOCKS5_UDP_H

#include "base/str.h"
#include "net/name.h"

enum socks5_udp_verdict {
	SOCKS5_UDP_OK,
	SOCKS5_UDP_RUNT,	/* ends within its header (case 64) */
	SOCKS5_UDP_RSV,		/* RSV is not 0000 (case 63) */
	SOCKS5_UDP_FRAG,	/* a fragment (case 62) */
	SOCKS5_UDP_ATYP,	/* unknown (case 64) */
	SOCKS5_UDP_NAME,	/* empty or outside the grammar */
	SOCKS5_UDP_PORT,	/* port 0 */
	SOCKS5_UDP_VERDICTS,
};

/*
 * Reads the header of a client's datagram. On OK `dest` is canonical, and
 * `payload` what is to be sent, borrowed, perhaps of length 0 (case 65). On
 * any other verdict neither means anything.
 */
enum socks5_udp_verdict socks5_udp_parse(struct str datagram,
    struct dest *dest, struct str *payload) MUST_CHECK;

/* What a header adds: to IPv4, to IPv6, and at most on the way out, where a
 * client may have written a name. */
#define SOCKS5_UDP_HEADER_V4 10
#define SOCKS5_UDP_HEADER_V6 22
#define SOCKS5_UDP_HEADER_MAX 262

/* The header of a datagram that came from `from`, IPv4 unmapped (case 69); how
 * long it is: SOCKS5_UDP_HEADER_V4 or _V6. */
size_t socks5_udp_header(uint8_t out[static SOCKS5_UDP_HEADER_V6],
    const struct endpoint *from);

#endif
