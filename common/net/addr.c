/* SPDX-License-Identifier: MIT */
#include "net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* The first 12 bytes of every IPv4 address. */
static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

bool
addr_is_v4(const struct addr *a)
{
	return memcmp(a->b, v4_prefix, sizeof(v4_prefix)) == 0;
}

struct addr
addr_from_v4(const uint8_t b[4])
{
	struct addr a;

	memcpy(a.b, v4_prefix, sizeof(v4_prefix));
	memcpy(a.b + 12, b, 4);
	return a;
}

struct addr
addr_from_v6(const uint8_t b[16])
{
	struct addr a;

	memcpy(a.b, b, sizeof(a.b));
	return a;
}

bool
addr_eq(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool
addr_is_unspecified(const struct addr *a)
{
	static const struct addr v6_any;
	static const uint8_t v4_any[4];
	struct addr any = addr_from_v4(v4_any);

	return addr_eq(a, &v6_any) || addr_eq(a, &any);
}

bool
addr_is_loopback(const struct addr *a)
{
	static const struct addr v6_loopback = { .b = { [15] = 1 } };

	if (addr_is_v4(a))
		return a->b[12] == 127;
	return addr_eq(a, &v6_loopback);
}

bool
addr_is_private(const struct addr *a)
{
	const uint8_t *p = a->b + 12;

	if (addr_is_v4(a))
		return p[0] == 10 || (p[0] == 172 && (p[1] & 0xf0) == 16) ||
		    (p[0] == 192 && p[1] == 168) ||
		    (p[0] == 100 && (p[1] & 0xc0) == 64) ||
		    (p[0] == 169 && p[1] == 254);
	return (a->b[0] & 0xfe) == 0xfc ||
	    (a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80);
}

bool
addr_parse(struct addr *out, struct str s)
{
	char text[ADDR_TEXT_SIZE];
	uint8_t b[16];

	/* inet_pton is strict: four decimal bytes without leading zeros, or
	 * RFC 4291; no zone, no brackets, no spaces. */
	if (s.len >= sizeof(text) || str_has_nul(s) ||
	    !str_copy(text, sizeof(text), s))
		return false;
	if (inet_pton(AF_INET, text, b) == 1)
		*out = addr_from_v4(b);
	else if (inet_pton(AF_INET6, text, b) == 1)
		*out = addr_from_v6(b);
	else
		return false;
	return true;
}

void
addr_format(char out[static ADDR_TEXT_SIZE], const struct addr *a)
{
	const char *s;

	if (addr_is_v4(a))
		s = inet_ntop(AF_INET, a->b + 12, out, ADDR_TEXT_SIZE);
	else
		s = inet_ntop(AF_INET6, a->b, out, ADDR_TEXT_SIZE);
	ASSERT(s != NULL);
}

void
endpoint_format(char out[static ENDPOINT_TEXT_SIZE], const struct endpoint *e)
{
	char host[ADDR_TEXT_SIZE];

	addr_format(host, &e->addr);
	snprintf(out, ENDPOINT_TEXT_SIZE,
	    addr_is_v4(&e->addr) ? "%s:%u" : "[%s]:%u", host,
	    (unsigned)e->port);
}

/* Splits "host:port" at the last colon. */
static bool
split_port(struct str s, struct str *host, uint16_t *port)
{
	size_t i = s.len;
	uint64_t n;

	while (i > 0 && s.ptr[i - 1] != ':')
		i--;
	if (i == 0 || s.len - i > 5 ||
	    !str_to_u64((struct str){ s.ptr + i, s.len - i }, UINT16_MAX, &n))
		return false;
	*host = (struct str){ s.ptr, i - 1 };
	*port = (uint16_t)n;
	return true;
}

bool
endpoint_parse(struct endpoint *out, struct str s)
{
	struct endpoint e;
	struct str host;
	bool brackets;

	if (!split_port(s, &host, &e.port))
		return false;
	brackets = host.len >= 2 && host.ptr[0] == '[' &&
	    host.ptr[host.len - 1] == ']';
	if (brackets)
		host = (struct str){ host.ptr + 1, host.len - 2 };
	/* IPv6 text always has a colon, IPv4 text never. */
	if (!addr_parse(&e.addr, host) ||
	    brackets != (memchr(host.ptr, ':', host.len) != NULL))
		return false;
	*out = e;
	return true;
}

bool
endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_eq(&a->addr, &b->addr);
}

socklen_t
endpoint_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (addr_is_v4(&e->addr)) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(e->port);
		memcpy(&v4->sin_addr, e->addr.b + 12, 4);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(e->port);
	memcpy(&v6->sin6_addr, e->addr.b, 16);
	return sizeof(*v6);
}

bool
endpoint_from_sockaddr(struct endpoint *out, const struct sockaddr *sa)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	/* Copied, since `sa` need not be aligned for its real type. */
	switch (sa->sa_family) {
	case AF_INET:
		memcpy(&v4, sa, sizeof(v4));
		out->addr = addr_from_v4((const uint8_t *)&v4.sin_addr);
		out->port = ntohs(v4.sin_port);
		return true;
	case AF_INET6:
		memcpy(&v6, sa, sizeof(v6));
		out->addr = addr_from_v6(v6.sin6_addr.s6_addr);
		out->port = ntohs(v6.sin6_port);
		return true;
	default:
		return false;
	}
}
