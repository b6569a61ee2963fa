/* SPDX-License-Identifier: MIT */
#include "net/special.h"

#include <string.h>

#include "base/check.h"

struct range {
	struct cidr cidr;
	const char *name;
};

#define V4(a, b, c, d, n, name)                                           \
	{ { { { [10] = 0xff, 0xff, a, b, c, d } }, 96 + (n), true }, name }
#define V6(n, name, ...) { { { { __VA_ARGS__ } }, n, false }, name }

/* threats.md section 5, row by row; what lies inside another stands first. */
static const struct range closed[] = {
	V4(0, 0, 0, 0, 8, "this network"),
	V4(10, 0, 0, 0, 8, "private"),
	V4(172, 16, 0, 0, 12, "private"),
	V4(192, 168, 0, 0, 16, "private"),
	V4(100, 64, 0, 0, 10, "carrier NAT, metadata"),
	V4(127, 0, 0, 0, 8, "loopback"),
	V4(169, 254, 0, 0, 16, "link-local, metadata"),
	V4(168, 63, 129, 16, 32, "metadata"),
	V4(192, 0, 0, 0, 24, "protocol assignments, metadata"),
	V4(192, 0, 2, 0, 24, "documentation"),
	V4(198, 51, 100, 0, 24, "documentation"),
	V4(203, 0, 113, 0, 24, "documentation"),
	V4(192, 88, 99, 0, 24, "6to4 relay"),
	V4(198, 18, 0, 0, 15, "benchmarking"),
	V4(224, 0, 0, 0, 4, "multicast"),
	V4(255, 255, 255, 255, 32, "broadcast"),
	V4(240, 0, 0, 0, 4, "reserved"),

	V6(128, "unspecified", 0),
	V6(128, "loopback", [15] = 1),
	V6(96, "IPv4-compatible", 0),
	V6(96, "IPv4-translated", [8] = 0xff, 0xff),
	V6(48, "local NAT64", 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01),
	V6(64, "discard", 0x01, 0x00),
	V6(64, "dummy", 0x01, 0x00, [7] = 1),
	V6(23, "protocol assignments", 0x20, 0x01),
	V6(32, "documentation", 0x20, 0x01, 0x0d, 0xb8),
	V6(20, "documentation", 0x3f, 0xff),
	V6(16, "6to4", 0x20, 0x02),
	V6(16, "segment routing", 0x5f, 0x00),
	V6(7, "unique local, metadata", 0xfc),
	V6(10, "link-local", 0xfe, 0x80),
	V6(10, "site-local", 0xfe, 0xc0),
	V6(8, "multicast", 0xff),
};

/* The other half of IPv6: what is not in here is closed as well. */
static const struct cidr v6_global = { { { 0x20 } }, 3, false };
static const struct cidr v6_nat64 =
    { { { 0x00, 0x64, 0xff, 0x9b } }, 96, false };

static const struct cidr v6_compatible = { { { 0 } }, 96, false };
static const struct cidr v6_translated =
    { { { [8] = 0xff, 0xff } }, 96, false };
static const struct cidr v6_6to4 = { { { 0x20, 0x02 } }, 16, false };
static const struct cidr v6_teredo = { { { 0x20, 0x01 } }, 32, false };

static const char outside[] = "not global unicast";

/* RFC 6052 section 2.2: after the prefix, skipping bits 64 to 71. */
static struct addr
nat64_inner(const struct addr *a, unsigned bits)
{
	uint8_t v4[4];
	unsigned from = bits / 8;

	for (unsigned i = 0; i < 4; i++, from++) {
		if (from == 8)
			from++;
		v4[i] = a->b[from];
	}
	return addr_from_v4(v4);
}

bool
special_nat64_ok(const struct cidr *c)
{
	switch (c->bits) {
	case 32: case 40: case 48: case 56: case 64: case 96:
		return !c->v4;
	default:
		return false;
	}
}

/* The longest NAT64 prefix around `a`, or NULL. */
static const struct cidr *
nat64_prefix(const struct addr *a, const struct cidr *nat64, size_t n)
{
	const struct cidr *best = cidr_has(&v6_nat64, a) ? &v6_nat64 : NULL;

	for (size_t i = 0; i < n; i++)
		if (!nat64[i].v4 && cidr_has(&nat64[i], a) &&
		    (best == NULL || nat64[i].bits > best->bits))
			best = &nat64[i];
	return best;
}

/* Interface id 0:5efe:a.b.c.d or 200:5efe:a.b.c.d. */
static bool
is_isatap(const struct addr *a)
{
	const uint8_t *id = a->b + 8;

	return (id[0] & ~0x02) == 0 && id[1] == 0 && id[2] == 0x5e &&
	    id[3] == 0xfe;
}

size_t
special_embedded(const struct addr *a, const struct cidr *nat64,
    size_t n_nat64, struct addr out[static SPECIAL_EMBEDDED_MAX])
{
	const struct cidr *prefix = nat64_prefix(a, nat64, n_nat64);
	const uint8_t *last = a->b + 12;
	uint8_t client[4];
	size_t n = 0;

	if (addr_is_v4(a))
		return 0;
	if (prefix != NULL && special_nat64_ok(prefix)) {
		out[n++] = nat64_inner(a, prefix->bits);
	} else if (cidr_has(&v6_6to4, a)) {
		out[n++] = addr_from_v4(a->b + 2);
	} else if (cidr_has(&v6_teredo, a)) {
		for (unsigned i = 0; i < 4; i++)
			client[i] = (uint8_t)~last[i];
		out[n++] = addr_from_v4(a->b + 4);
		out[n++] = addr_from_v4(client);
	} else if (cidr_has(&v6_translated, a) ||
	    (cidr_has(&v6_compatible, a) && !addr_is_unspecified(a) &&
	    !addr_is_loopback(a))) {
		out[n++] = addr_from_v4(last);
	}
	if (is_isatap(a))
		out[n++] = addr_from_v4(last);
	return n;
}

/* The address alone, without what it embeds. */
static const char *
outer_range(const struct addr *a, const struct cidr *nat64, size_t n_nat64)
{
	const struct cidr *prefix = nat64_prefix(a, nat64, n_nat64);

	if (prefix != NULL)
		return special_nat64_ok(prefix) ? NULL : "local NAT64";
	for (size_t i = 0; i < ARRAY_LEN(closed); i++)
		if (cidr_has(&closed[i].cidr, a))
			return closed[i].name;
	return addr_is_v4(a) || cidr_has(&v6_global, a) ? NULL : outside;
}

const char *
special_range(const struct addr *a, const struct cidr *nat64, size_t n_nat64)
{
	struct addr inner[SPECIAL_EMBEDDED_MAX];
	const char *name = outer_range(a, nat64, n_nat64);
	size_t n = special_embedded(a, nat64, n_nat64, inner);

	for (size_t i = 0; i < n && name == NULL; i++)
		name = outer_range(&inner[i], NULL, 0);
	return name;
}

const char *
special_overlap(const struct cidr *c)
{
	struct cidr inner = { addr_from_v4(c->base.b + 12), c->bits, true };

	/* Prefixes of 96 bits and more fix where the IPv4 address is, and
	 * an IPv4 prefix is then as long as the whole. */
	if (cidr_covers(&v6_nat64, c))
		return special_overlap(&inner);
	for (size_t i = 0; i < ARRAY_LEN(closed); i++)
		if (cidr_overlaps(&closed[i].cidr, c))
			return closed[i].name;
	if (c->v4)
		return NULL;
	if (!cidr_covers(&v6_global, c))
		return outside;
	return c->bits >= 96 && is_isatap(&c->base) ? special_overlap(&inner)
						    : NULL;
}
