/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/special.h"

#define OUTSIDE "not global unicast"
#define END "(there is none)"

static struct addr
parse(const char *text)
{
	struct addr a;

	if (!addr_parse(&a, str_from(text)))
		fail_msg("%s", text);
	return a;
}

static void
expect(const struct addr *a, const char *name)
{
	const char *got = special_range(a, NULL, 0);
	char text[ADDR_TEXT_SIZE];

	addr_format(text, a);
	if ((got == NULL) != (name == NULL) ||
	    /* cppcheck-suppress nullPointer; both are or neither */
	    (got != NULL && strcmp(got, name) != 0))
		fail_msg("%s: '%s', not '%s'", text, got ? got : "open",
		    name ? name : "open");
}

/* The next address up (by 1) or down (by 0xff, that is -1 in each byte). */
static struct addr
neighbour(struct addr a, bool up)
{
	for (int i = 15; i >= 0; i--) {
		a.b[i] = (uint8_t)(a.b[i] + (up ? 1 : 0xff));
		if (a.b[i] != (up ? 0 : 0xff))
			break;
	}
	return a;
}

/* Each row of threats.md section 5, and what its neighbours are. */
static const struct {
	const char *first, *last, *name, *before, *after;
} rows[] = {
	{ "0.0.0.0", "0.255.255.255", "this network", END, NULL },
	{ "10.0.0.0", "10.255.255.255", "private", NULL, NULL },
	{ "172.16.0.0", "172.31.255.255", "private", NULL, NULL },
	{ "192.168.0.0", "192.168.255.255", "private", NULL, NULL },
	{ "100.64.0.0", "100.127.255.255", "carrier NAT, metadata", NULL,
	    NULL },
	{ "127.0.0.0", "127.255.255.255", "loopback", NULL, NULL },
	{ "169.254.0.0", "169.254.255.255", "link-local, metadata", NULL,
	    NULL },
	{ "168.63.129.16", "168.63.129.16", "metadata", NULL, NULL },
	{ "192.0.0.0", "192.0.0.255", "protocol assignments, metadata",
	    NULL, NULL },
	{ "192.0.2.0", "192.0.2.255", "documentation", NULL, NULL },
	{ "198.51.100.0", "198.51.100.255", "documentation", NULL, NULL },
	{ "203.0.113.0", "203.0.113.255", "documentation", NULL, NULL },
	{ "192.88.99.0", "192.88.99.255", "6to4 relay", NULL, NULL },
	{ "198.18.0.0", "198.19.255.255", "benchmarking", NULL, NULL },
	{ "224.0.0.0", "239.255.255.255", "multicast", NULL, "reserved" },
	{ "240.0.0.0", "255.255.255.254", "reserved", "multicast",
	    "broadcast" },
	{ "255.255.255.255", "255.255.255.255", "broadcast", "reserved",
	    END },

	{ "::", "::", "unspecified", END, "loopback" },
	{ "::1", "::1", "loopback", "unspecified", "IPv4-compatible" },
	{ "::2", "::ffff:ffff", "IPv4-compatible", "loopback", OUTSIDE },
	{ "::1:0:0", "::fffe:ffff:ffff", OUTSIDE, "IPv4-compatible",
	    "this network" },
	{ "::ffff:0:0", "::ffff:0.255.255.255", "this network", OUTSIDE,
	    NULL },
	{ "::1:0:0:0", "::fffe:ffff:ffff:ffff", OUTSIDE,
	    "broadcast", "IPv4-translated" },
	{ "::ffff:0:0:0", "::ffff:0:ffff:ffff", "IPv4-translated", OUTSIDE,
	    OUTSIDE },
	{ "64:ff9b::", "64:ff9b::0.255.255.255", "this network", OUTSIDE,
	    NULL },
	{ "64:ff9b::240.0.0.0", "64:ff9b::255.255.255.254", "reserved",
	    "multicast", "broadcast" },
	{ "64:ff9b::1:0:0", "64:ff9b:0:ffff:ffff:ffff:ffff:ffff", OUTSIDE,
	    "broadcast", "local NAT64" },
	{ "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "local NAT64",
	    OUTSIDE, OUTSIDE },
	{ "100::", "100::ffff:ffff:ffff:ffff", "discard", OUTSIDE, "dummy" },
	{ "100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", "dummy", "discard",
	    OUTSIDE },
	{ "2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
	    "protocol assignments", NULL, NULL },
	{ "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
	    "documentation", NULL, NULL },
	{ "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
	    "documentation", NULL, NULL },
	{ "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6to4", NULL,
	    NULL },
	{ "4000::", "5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", OUTSIDE, NULL,
	    "segment routing" },
	{ "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	    "segment routing", OUTSIDE, OUTSIDE },
	{ "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	    "unique local, metadata", OUTSIDE, OUTSIDE },
	{ "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local",
	    OUTSIDE, "site-local" },
	{ "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local",
	    "link-local", "multicast" },
	{ "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast",
	    "site-local", END },
};

static void
rows_at_their_edges(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr first = parse(rows[i].first), next;
		struct addr last = parse(rows[i].last);

		expect(&first, rows[i].name);
		expect(&last, rows[i].name);
		next = neighbour(first, false);
		if (rows[i].before == NULL || strcmp(rows[i].before, END) != 0)
			expect(&next, rows[i].before);
		next = neighbour(last, true);
		if (rows[i].after == NULL || strcmp(rows[i].after, END) != 0)
			expect(&next, rows[i].after);
	}
}

static void
metadata_is_closed(void **state)
{
	static const char *const at[] = { "169.254.169.254", "169.254.170.2",
		"169.254.170.23", "100.100.100.200", "168.63.129.16",
		"192.0.0.192", "fd00:ec2::254", "fd00:ec2::23",
		"fd20:ce::254", "::ffff:169.254.169.254",
		"64:ff9b::169.254.169.254" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		struct addr a = parse(at[i]);
		const char *name = special_range(&a, NULL, 0);

		assert_non_null(name);
		assert_non_null(strstr(name, "metadata"));
	}
}

/* Also what the registries call globally reachable: AS112, AMT. */
static void
the_world_is_open(void **state)
{
	static const char *const open[] = { "1.0.0.0", "1.1.1.1", "8.8.8.8",
		"192.31.196.1", "192.52.193.1", "192.175.48.1",
		"223.255.255.255", "2000::", "2606:4700::1111",
		"2620:4f:8000::1", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"64:ff9b::8.8.8.8", "::ffff:8.8.8.8",
		"2a00::5efe:8.8.8.8" };
	static const char *const inside_closed[] = { "192.0.0.9",
		"192.0.0.10", "2001:3::1", "2001:4:112::1", "2001:20::1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(open); i++) {
		struct addr a = parse(open[i]);

		expect(&a, NULL);
	}
	for (size_t i = 0; i < ARRAY_LEN(inside_closed); i++) {
		struct addr a = parse(inside_closed[i]);

		assert_non_null(special_range(&a, NULL, 0));
	}
}

/* `prefix` is a configured NAT64 prefix; `range` what special_range says. */
static const struct {
	const char *outer, *prefix, *inner[SPECIAL_EMBEDDED_MAX], *range;
} embedded[] = {
	{ "8.8.8.8", NULL, { NULL }, NULL },
	{ "::ffff:127.0.0.1", NULL, { NULL }, "loopback" },
	{ "2606:4700::1", NULL, { NULL }, NULL },
	{ "::", NULL, { NULL }, "unspecified" },
	{ "::1", NULL, { NULL }, "loopback" },
	{ "::2", NULL, { "0.0.0.2" }, "IPv4-compatible" },
	{ "::8.8.8.8", NULL, { "8.8.8.8" }, "IPv4-compatible" },
	{ "::ffff:0:8.8.8.8", NULL, { "8.8.8.8" }, "IPv4-translated" },
	{ "2002:808:808::1", NULL, { "8.8.8.8" }, "6to4" },
	{ "2001:0:808:808:8000:63bf:f5ff:fffe", NULL,
	    { "8.8.8.8", "10.0.0.1" }, "protocol assignments" },
	{ "2001:1:808:808:8000:63bf:f5ff:fffe", NULL, { NULL },
	    "protocol assignments" },
	{ "64:ff9b::8.8.8.8", NULL, { "8.8.8.8" }, NULL },
	{ "64:ff9b::127.0.0.1", NULL, { "127.0.0.1" }, "loopback" },
	{ "64:ff9b:1::8.8.8.8", NULL, { NULL }, "local NAT64" },
	{ "64:ff9b:1::8.8.8.8", "64:ff9b:1::/96", { "8.8.8.8" }, NULL },
	{ "64:ff9b:1::10.0.0.1", "64:ff9b:1::/96", { "10.0.0.1" },
	    "private" },
	/* ISATAP, both forms, and what only resembles it. */
	{ "2a00::5efe:127.0.0.1", NULL, { "127.0.0.1" }, "loopback" },
	{ "2a00::200:5efe:127.0.0.1", NULL, { "127.0.0.1" }, "loopback" },
	{ "2a00::5efe:8.8.8.8", NULL, { "8.8.8.8" }, NULL },
	{ "2a00::100:5efe:127.0.0.1", NULL, { NULL }, NULL },
	{ "2a00::300:5efe:127.0.0.1", NULL, { NULL }, NULL },
	{ "2a00::201:5efe:127.0.0.1", NULL, { NULL }, NULL },
	{ "2a00::5eff:127.0.0.1", NULL, { NULL }, NULL },
	{ "fe80::5efe:8.8.8.8", NULL, { "8.8.8.8" }, "link-local" },
	/* Two ways of embedding in one address. */
	{ "2002:808:808::5efe:127.0.0.1", NULL, { "8.8.8.8", "127.0.0.1" },
	    "6to4" },
	{ "2001:0:808:808:0:5efe:f5ff:fffe", NULL,
	    { "8.8.8.8", "10.0.0.1", "245.255.255.254" },
	    "protocol assignments" },
	{ "2a00:1:808:808:0:5efe:a00:1", "2a00:1::/32",
	    { "8.8.8.8", "10.0.0.1" }, "private" },
	/* RFC 6052 section 2.4, 192.0.2.33 in each length. */
	{ "2001:db8:c000:221::", "2001:db8::/32", { "192.0.2.33" },
	    "documentation" },
	{ "2001:db8:1c0:2:21::", "2001:db8:100::/40", { "192.0.2.33" },
	    "documentation" },
	{ "2001:db8:122:c000:2:2100::", "2001:db8:122::/48",
	    { "192.0.2.33" }, "documentation" },
	{ "2001:db8:122:3c0:0:221::", "2001:db8:122:300::/56",
	    { "192.0.2.33" }, "documentation" },
	{ "2001:db8:122:344:c0:2:2100::", "2001:db8:122:344::/64",
	    { "192.0.2.33" }, "documentation" },
	{ "2001:db8:122:344::192.0.2.33", "2001:db8:122:344::/96",
	    { "192.0.2.33" }, "documentation" },
	/* A configured prefix opens its row, but not what is inside. */
	{ "fd00:64::8.8.8.8", "fd00:64::/96", { "8.8.8.8" }, NULL },
	{ "fd00:64::127.0.0.1", "fd00:64::/96", { "127.0.0.1" },
	    "loopback" },
	{ "fd00:65::8.8.8.8", "fd00:64::/96", { NULL },
	    "unique local, metadata" },
	/* Of a length that RFC 6052 does not know: closed. */
	{ "2a00:64::8.8.8.8", "2a00:64::/80", { NULL }, "local NAT64" },
	/* An IPv4 range as prefix means nothing. */
	{ "8.8.8.8", "8.0.0.0/8", { NULL }, NULL },
};

static void
embedded_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(embedded); i++) {
		struct addr outer = parse(embedded[i].outer), want;
		struct addr inner[SPECIAL_EMBEDDED_MAX];
		const char *text = embedded[i].prefix, *range;
		size_t n_prefix = text == NULL ? 0 : 1, n, k;
		struct cidr prefix;

		if (text != NULL)
			assert_int_equal(cidr_parse(&prefix, str_from(text),
			    NULL), 0);
		n = special_embedded(&outer, &prefix, n_prefix, inner);
		for (k = 0; k < SPECIAL_EMBEDDED_MAX &&
		    embedded[i].inner[k] != NULL; k++) {
			want = parse(embedded[i].inner[k]);
			if (k >= n || !addr_eq(&inner[k], &want))
				fail_msg("%s: inner %zu", embedded[i].outer,
				    k);
		}
		if (n != k)
			fail_msg("%s: %zu inner", embedded[i].outer, n);
		range = special_range(&outer, &prefix, n_prefix);
		if ((range == NULL) != (embedded[i].range == NULL) ||
		    (range && strcmp(range, embedded[i].range) != 0))
			fail_msg("%s: %s", embedded[i].outer,
			    range ? range : "open");
	}
}

static void
longest_nat64_prefix_counts(void **state)
{
	struct addr a = parse("2a00:64:7f00:1::8.8.8.8");
	struct addr inner[SPECIAL_EMBEDDED_MAX], want = parse("8.8.8.8");
	struct cidr prefixes[2];

	(void)state;
	assert_int_equal(cidr_parse(&prefixes[0], STR("2a00:64::/32"), NULL),
	    0);
	assert_int_equal(cidr_parse(&prefixes[1],
	    STR("2a00:64:7f00:1::/96"), NULL), 0);
	for (int turn = 0; turn < 2; turn++) {
		struct cidr swap = prefixes[0];

		assert_int_equal(special_embedded(&a, prefixes, 2, inner), 1);
		assert_true(addr_eq(&inner[0], &want));
		prefixes[0] = prefixes[1];
		prefixes[1] = swap;
	}
	assert_non_null(special_range(&a, &prefixes[0], 1));
}

static void
nat64_lengths(void **state)
{
	struct cidr c = { { { 0x2a } }, 0, false };

	(void)state;
	for (unsigned bits = 0; bits <= 128; bits++) {
		c.bits = (uint8_t)bits;
		assert_int_equal(special_nat64_ok(&c), bits == 32 ||
		    bits == 40 || bits == 48 || bits == 56 || bits == 64 ||
		    bits == 96);
	}
	assert_int_equal(cidr_parse(&c, STR("0.0.0.0/0"), NULL), 0);
	assert_false(special_nat64_ok(&c));
}

static const struct {
	const char *range, *name;
} overlaps[] = {
	{ "8.8.8.0/24", NULL },
	{ "10.0.0.0/8", "private" },
	{ "10.1.2.3", "private" },
	{ "8.0.0.0/7", NULL },
	{ "8.0.0.0/6", "private" },
	{ "0.0.0.0/0", "this network" },
	{ "192.0.2.0/23", "documentation" },
	{ "224.0.0.0/3", "multicast" },
	{ "::/0", "unspecified" },
	{ "2000::/3", "protocol assignments" },
	{ "2a00::/16", NULL },
	{ "4000::/3", "segment routing" },
	{ "6000::/3", OUTSIDE },
	{ "0:1::/32", OUTSIDE },
	{ "64:ff9b::/96", "this network" },
	{ "64:ff9b::8.8.8.0/120", NULL },
	{ "64:ff9b::10.0.0.0/120", "private" },
	{ "64:ff9b::/95", OUTSIDE },
	{ "64:ff9b::/32", "local NAT64" },
	{ "2a00::5efe:127.0.0.1", "loopback" },
	{ "2a00::5efe:8.0.0.0/104", NULL },
	{ "2a00::5efe:8.0.0.0/102", "private" },
	{ "fd00::/8", "unique local, metadata" },
};

static void
overlap_of_ranges(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(overlaps); i++) {
		const char *got;
		struct cidr c;

		assert_int_equal(cidr_parse(&c, str_from(overlaps[i].range),
		    NULL), 0);
		got = special_overlap(&c);
		if ((got == NULL) != (overlaps[i].name == NULL) ||
		    (got && strcmp(got, overlaps[i].name) != 0))
			fail_msg("%s: %s", overlaps[i].range,
			    got ? got : "open");
	}
}

static uint32_t
next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

/* threats.md's IPv4 column once more, in plain arithmetic. */
static bool
v4_closed(uint32_t a)
{
	uint32_t b = a >> 24, h = a >> 16, c = a >> 8;

	return b == 0 || b == 10 || b == 127 || b >= 224 ||
	    (h >= 0xac10 && h <= 0xac1f) || h == 0xc0a8 ||
	    (h >= 0x6440 && h <= 0x647f) || h == 0xa9fe ||
	    a == 0xa83f8110 || c == 0xc00000 || c == 0xc00002 ||
	    c == 0xc63364 || c == 0xcb0071 || c == 0xc05863 ||
	    h == 0xc612 || h == 0xc613;
}

/* A random address that likes to begin or end as those that embed. */
static struct addr
random_addr(uint32_t *x)
{
	static const char *const starts[] = { "2002::", "2001::", "64:ff9b::",
		"::", "::ffff:0:0:0", "2a00::5efe:0:0", "fe80::200:5efe:0:0",
		"2000::", "2002::5efe:0:0", "::ffff:0:0" };
	static const unsigned random_from[] = { 2, 4, 12, 12, 12, 12, 12, 1,
		12, 12 };
	unsigned i = next_random(x) % ARRAY_LEN(starts);
	struct addr a = parse(starts[i]);

	for (unsigned k = random_from[i]; k < 16; k++)
		if (next_random(x) % 4 != 0)
			a.b[k] = (uint8_t)(next_random(x) >> 8);
	return a;
}

static void
closed_inside_is_closed_outside(void **state)
{
	uint32_t x = 2463534242;

	(void)state;
	for (unsigned round = 0; round < 50000; round++) {
		struct addr inner[SPECIAL_EMBEDDED_MAX], deeper[3];
		struct addr a = random_addr(&x);
		const char *range = special_range(&a, NULL, 0);
		struct cidr single = { a, 128, addr_is_v4(&a) };
		size_t n = special_embedded(&a, NULL, 0, inner);

		assert_in_range(n, 0, SPECIAL_EMBEDDED_MAX);
		assert_true(!addr_is_v4(&a) || n == 0);
		for (size_t i = 0; i < n; i++) {
			assert_true(addr_is_v4(&inner[i]));
			assert_int_equal(special_embedded(&inner[i], NULL, 0,
			    deeper), 0);
			if (special_range(&inner[i], NULL, 0) != NULL)
				assert_non_null(range);
		}
		assert_int_equal(special_overlap(&single) != NULL,
		    range != NULL);
	}
}

static void
v4_against_arithmetic(void **state)
{
	uint32_t x = 88172645;

	(void)state;
	for (unsigned round = 0; round < 200000; round++) {
		/* Half of them near an edge of some /8, /16 or /24. */
		uint32_t v = next_random(&x), low = v % 3;
		uint32_t n = next_random(&x);

		if (v & 0x100)
			n = (n & (0xffffff00u << (low * 8))) - (v >> 31);
		uint8_t b[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
			(uint8_t)(n >> 8), (uint8_t)n };
		struct addr a = addr_from_v4(b);

		assert_int_equal(special_range(&a, NULL, 0) != NULL,
		    v4_closed(n));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_at_their_edges),
		cmocka_unit_test(metadata_is_closed),
		cmocka_unit_test(the_world_is_open),
		cmocka_unit_test(embedded_addresses),
		cmocka_unit_test(longest_nat64_prefix_counts),
		cmocka_unit_test(nat64_lengths),
		cmocka_unit_test(overlap_of_ranges),
		cmocka_unit_test(closed_inside_is_closed_outside),
		cmocka_unit_test(v4_against_arithmetic),
	};

	return cmocka_run_group_tests_name("net_special", tests, NULL, NULL);
}
