/* SPDX-License-Identifier: MIT */
/*
 * addr: IPv4 and IPv6 addresses, endpoints, and their text.
 *
 * One form for all: 16 bytes, IPv4 as ::ffff:a.b.c.d. An address made here is
 * always unmapped in the eyes of its users: addr_is_v4 decides what is shown
 * and dialled, so that ::ffff:127.0.0.1 and 127.0.0.1 are the same value. A
 * zone (fe80::1%eth0) has no form and is refused. Any thread.
 */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/str.h"

struct addr {
	uint8_t b[16];
};

struct endpoint {
	struct addr addr;
	uint16_t port;	/* host order */
};

#define ADDR_TEXT_SIZE 46	/* INET6_ADDRSTRLEN */
#define ENDPOINT_TEXT_SIZE 54	/* "[v6]:65535" and a NUL */

bool addr_is_v4(const struct addr *a);
struct addr addr_from_v4(const uint8_t b[4]);	/* network order */
struct addr addr_from_v6(const uint8_t b[16]);	/* mapped becomes IPv4 */
bool addr_eq(const struct addr *a, const struct addr *b);
bool addr_is_unspecified(const struct addr *a);	/* 0.0.0.0 or :: */
bool addr_is_loopback(const struct addr *a);	/* 127/8 or ::1 */
/* RFC 1918, fc00::/7, 100.64/10, link-local: not for the open world. */
bool addr_is_private(const struct addr *a);

/* Strict: dotted quad without leading zeros, or RFC 4291 without zone or
 * brackets. Anything inet_aton would guess at is refused. */
bool addr_parse(struct addr *out, struct str s) MUST_CHECK;
void addr_format(char out[static ADDR_TEXT_SIZE], const struct addr *a);
void endpoint_format(char out[static ENDPOINT_TEXT_SIZE],
    const struct endpoint *e);
/* "1.2.3.4:80", "[::1]:80"; port 0 allowed, needed. */
bool endpoint_parse(struct endpoint *out, struct str s) MUST_CHECK;
bool endpoint_eq(const struct endpoint *a, const struct endpoint *b);

/*
 * To and from the kernel's form; the length for bind or connect. false: not
 * an IP address. The scope of a link-local peer is dropped.
 */
socklen_t endpoint_to_sockaddr(const struct endpoint *e,
    struct sockaddr_storage *out);
bool endpoint_from_sockaddr(struct endpoint *out, const struct sockaddr *sa)
    MUST_CHECK;

#endif
