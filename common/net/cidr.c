/* SPDX-License-Identifier: MIT */
#include "net/cidr.h"

#include <stdio.h>
#include <string.h>

#define V4_BITS 96u	/* what the IPv4 form adds to a prefix */

static bool
same_prefix(const struct addr *a, const struct addr *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a->b, b->b, whole) != 0)
		return false;
	return rest == 0 || (a->b[whole] ^ b->b[whole]) >> (8 - rest) == 0;
}

/* `a` with everything after the first `bits` bits zero. */
static struct addr
masked(const struct addr *a, unsigned bits)
{
	struct addr m = { { 0 } };
	unsigned whole = bits / 8, rest = bits % 8;

	memcpy(m.b, a->b, whole);
	if (rest != 0)
		m.b[whole] = (uint8_t)(a->b[whole] & (0xff << (8 - rest)));
	return m;
}

static int
host_bits_set(const struct addr *a, unsigned bits, struct err *err)
{
	char range[CIDR_TEXT_SIZE], single[ADDR_TEXT_SIZE];
	struct cidr meant = { masked(a, bits), (uint8_t)bits, addr_is_v4(a) };

	/* A short prefix cuts the mark of an IPv4 address off. */
	meant.v4 = meant.v4 && bits >= V4_BITS;
	cidr_format(range, &meant);
	addr_format(single, a);
	return err_set(err, "bits are set behind the prefix: write %s for "
	    "the range or %s for the one address", range, single);
}

int
cidr_parse(struct cidr *out, struct str s, struct err *err)
{
	const char *slash = s.len == 0 ? NULL : memchr(s.ptr, '/', s.len);
	struct str host = s, len;
	uint64_t bits = 128;
	struct addr a;
	bool dotted;

	if (slash != NULL)
		host.len = (size_t)(slash - s.ptr);
	if (!addr_parse(&a, host))
		return err_set(err, "not an IP address or range");
	dotted = memchr(host.ptr, ':', host.len) == NULL;
	if (slash != NULL) {
		len = (struct str){ slash + 1, s.len - host.len - 1 };
		if (!str_to_u64(len, dotted ? 32 : 128, &bits) ||
		    (len.len > 1 && len.ptr[0] == '0'))
			return err_set(err, "the prefix length must be a "
			    "number from 0 to %d", dotted ? 32 : 128);
		if (dotted)
			bits += V4_BITS;
	}
	out->base = masked(&a, (unsigned)bits);
	if (!addr_eq(&out->base, &a))
		return host_bits_set(&a, (unsigned)bits, err);
	out->bits = (uint8_t)bits;
	out->v4 = addr_is_v4(&a);
	return 0;
}

bool
cidr_has(const struct cidr *c, const struct addr *a)
{
	return c->v4 == addr_is_v4(a) && same_prefix(&c->base, a, c->bits);
}

bool
cidr_covers(const struct cidr *outer, const struct cidr *inner)
{
	return outer->v4 == inner->v4 && outer->bits <= inner->bits &&
	    same_prefix(&outer->base, &inner->base, outer->bits);
}

bool
cidr_overlaps(const struct cidr *a, const struct cidr *b)
{
	return cidr_covers(a, b) || cidr_covers(b, a);
}

#define V4(first, second, n)                                        \
	{ .base.b = { [10] = 0xff, [11] = 0xff, first, second },    \
	    .bits = V4_BITS + (n), .v4 = true }
#define V6(first, second, n) { .base.b = { first, second }, .bits = (n) }

bool
cidr_is_private(const struct cidr *c)
{
	static const struct cidr ranges[] = {
		V4(127, 0, 8), V4(10, 0, 8), V4(172, 16, 12),
		V4(192, 168, 16), V4(169, 254, 16), V4(100, 64, 10),
		V6(0xfc, 0, 7), V6(0xfe, 0x80, 10),
		{ .base.b = { [15] = 1 }, .bits = 128 },
	};

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		if (cidr_covers(&ranges[i], c))
			return true;
	return false;
}

void
cidr_format(char out[static CIDR_TEXT_SIZE], const struct cidr *c)
{
	unsigned bits = c->v4 ? c->bits - V4_BITS : c->bits;
	char base[ADDR_TEXT_SIZE];

	addr_format(base, &c->base);
	snprintf(out, CIDR_TEXT_SIZE, "%s/%u", base, bits);
}
