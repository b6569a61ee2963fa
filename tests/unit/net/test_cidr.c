/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/cidr.h"

static struct cidr
range(const char *text)
{
	struct cidr c;
	struct err err = { "" };

	if (cidr_parse(&c, str_from(text), &err) != 0)
		fail_msg("%s: %s", text, err.text);
	return c;
}

/* `out` NULL: refused, with `says` in the error. */
static const struct {
	struct str in;
	const char *out, *says;
} texts[] = {
	{ STR("10.0.0.0/8"), "10.0.0.0/8", NULL },
	{ STR("0.0.0.0/0"), "0.0.0.0/0", NULL },
	{ STR("1.2.3.4"), "1.2.3.4/32", NULL },
	{ STR("1.2.3.4/32"), "1.2.3.4/32", NULL },
	{ STR("128.0.0.0/1"), "128.0.0.0/1", NULL },
	{ STR("172.16.0.0/12"), "172.16.0.0/12", NULL },
	{ STR("::/0"), "::/0", NULL },
	{ STR("::1"), "::1/128", NULL },
	{ STR("2001:DB8::/32"), "2001:db8::/32", NULL },
	{ STR("fe80::/10"), "fe80::/10", NULL },
	{ STR("::ffff:10.0.0.0/104"), "10.0.0.0/8", NULL },
	{ STR("::ffff:0:0/96"), "0.0.0.0/0", NULL },
	{ STR("::ffff:1.2.3.4"), "1.2.3.4/32", NULL },
	{ STR("10.0.0.1/8"), NULL, "10.0.0.0/8" },
	{ STR("10.0.0.1/8"), NULL, "10.0.0.1" },
	{ STR("1.2.3.4/0"), NULL, "0.0.0.0/0" },
	{ STR("2001:db8::1/32"), NULL, "2001:db8::/32" },
	{ STR("::ffff:10.0.0.0/90"), NULL, "::ffc0:0:0/90" },
	{ STR("10.0.0.0/33"), NULL, "0 to 32" },
	{ STR("::/129"), NULL, "0 to 128" },
	{ STR("10.0.0.0/"), NULL, "0 to 32" },
	{ STR("10.0.0.0/08"), NULL, "0 to 32" },
	{ STR("10.0.0.0/-1"), NULL, "0 to 32" },
	{ STR("10.0.0.0/+8"), NULL, "0 to 32" },
	{ STR("10.0.0.0/8 "), NULL, "0 to 32" },
	{ STR("10.0.0.0/8/8"), NULL, "0 to 32" },
	{ STR("10.0.0.0/8\0"), NULL, "0 to 32" },
	{ STR("10.0.0.0/255.0.0.0"), NULL, "0 to 32" },
	{ STR("10.0.0.0/99999999999999999999"), NULL, "0 to 32" },
	{ STR(""), NULL, "not an IP" },
	{ STR("/8"), NULL, "not an IP" },
	{ STR("10/8"), NULL, "not an IP" },
	{ STR("10.0.0/24"), NULL, "not an IP" },
	{ STR("[::1]/128"), NULL, "not an IP" },
	{ STR("fe80::1%eth0/128"), NULL, "not an IP" },
	{ STR("example.com"), NULL, "not an IP" },
};

static void
parses_and_formats(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		char out[CIDR_TEXT_SIZE] = "";
		struct err err = { "" };
		struct cidr c;
		int rc = cidr_parse(&c, texts[i].in, &err);

		if (rc == 0)
			cidr_format(out, &c);
		if ((rc == 0) != (texts[i].out != NULL))
			fail_msg("%s: '%s' '%s'", texts[i].in.ptr, out,
			    err.text);
		if (rc == 0)
			assert_string_equal(out, texts[i].out);
		else if (strstr(err.text, texts[i].says) == NULL)
			fail_msg("%s: %s", texts[i].in.ptr, err.text);
	}
}

static const struct {
	const char *range, *addr;
	bool in;
} members[] = {
	{ "10.0.0.0/8", "10.0.0.0", true },
	{ "10.0.0.0/8", "10.255.255.255", true },
	{ "10.0.0.0/8", "9.255.255.255", false },
	{ "10.0.0.0/8", "11.0.0.0", false },
	{ "172.16.0.0/12", "172.31.255.255", true },
	{ "172.16.0.0/12", "172.32.0.0", false },
	{ "1.2.3.4", "1.2.3.4", true },
	{ "1.2.3.4", "1.2.3.5", false },
	{ "1.2.3.4/31", "1.2.3.5", true },
	{ "0.0.0.0/0", "255.255.255.255", true },
	{ "0.0.0.0/0", "::", false },
	{ "0.0.0.0/0", "::1.2.3.4", false },
	{ "0.0.0.0/0", "::ffff:1.2.3.4", true },
	{ "::/0", "ffff::", true },
	{ "::/0", "1.2.3.4", false },
	{ "::/64", "::ffff:1.2.3.4", false },
	{ "2001:db8::/33", "2001:db8:7fff:ffff::", true },
	{ "2001:db8::/33", "2001:db8:8000::", false },
};

static void
knows_its_members(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		struct cidr c = range(members[i].range);
		struct addr a;

		assert_true(addr_parse(&a, str_from(members[i].addr)));
		if (cidr_has(&c, &a) != members[i].in)
			fail_msg("%s %s", members[i].range, members[i].addr);
	}
}

static const struct {
	const char *a, *b;
	bool a_covers, b_covers;
} pairs[] = {
	{ "10.0.0.0/8", "10.0.0.0/8", true, true },
	{ "10.0.0.0/8", "10.1.0.0/16", true, false },
	{ "10.0.0.0/8", "11.0.0.0/8", false, false },
	{ "0.0.0.0/0", "10.0.0.0/8", true, false },
	{ "::/0", "2001:db8::/32", true, false },
	{ "::/0", "10.0.0.0/8", false, false },
	{ "::/0", "0.0.0.0/0", false, false },
	{ "::/80", "10.0.0.1", false, false },
	{ "2001:db8::/33", "2001:db8:8000::/33", false, false },
	{ "2001:db8::/32", "2001:db8:8000::/33", true, false },
};

static void
covers_and_overlaps(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct cidr a = range(pairs[i].a), b = range(pairs[i].b);
		bool any = pairs[i].a_covers || pairs[i].b_covers;

		assert_int_equal(cidr_covers(&a, &b), pairs[i].a_covers);
		assert_int_equal(cidr_covers(&b, &a), pairs[i].b_covers);
		assert_int_equal(cidr_overlaps(&a, &b), any);
		assert_int_equal(cidr_overlaps(&b, &a), any);
	}
}

static const struct {
	const char *range;
	bool private;
} reaches[] = {
	{ "127.0.0.0/8", true }, { "127.0.0.1", true }, { "::1", true },
	{ "10.0.0.0/8", true }, { "10.9.8.0/24", true },
	{ "172.16.0.0/12", true }, { "172.31.255.255", true },
	{ "192.168.0.0/16", true }, { "169.254.0.0/16", true },
	{ "100.64.0.0/10", true }, { "fc00::/7", true },
	{ "fd00:1::/32", true }, { "fe80::/10", true },
	{ "::ffff:10.0.0.0/104", true },
	{ "0.0.0.0/0", false }, { "::/0", false }, { "::", false },
	{ "126.0.0.0/7", false }, { "128.0.0.0/8", false },
	{ "10.0.0.0/7", false }, { "11.0.0.0", false },
	{ "172.0.0.0/11", false }, { "172.32.0.0/16", false },
	{ "192.168.0.0/15", false }, { "192.169.0.0/16", false },
	{ "169.254.0.0/15", false }, { "100.0.0.0/8", false },
	{ "100.128.0.0/10", false }, { "203.0.113.7", false },
	{ "fc00::/6", false }, { "fe80::/9", false }, { "fec0::/10", false },
	{ "::/127", false }, { "::2", false }, { "2001:db8::/32", false },
};

static void
knows_what_is_private(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(reaches); i++) {
		struct cidr c = range(reaches[i].range);

		if (cidr_is_private(&c) != reaches[i].private)
			fail_msg("%s", reaches[i].range);
		/* Where a range is private, so is each of its addresses. */
		if (reaches[i].private)
			assert_true(addr_is_private(&c.base) ||
			    addr_is_loopback(&c.base));
	}
}

/* Every length, against a comparison bit by bit. */
static void
prefixes_bit_by_bit(void **state)
{
	struct addr all, a;

	(void)state;
	memset(all.b, 0xff, sizeof(all.b));
	for (unsigned bits = 0; bits <= 128; bits++) {
		struct cidr c = { { { 0 } }, (uint8_t)bits, false };

		for (unsigned i = 0; i < bits; i++)
			c.base.b[i / 8] |= (uint8_t)(0x80 >> i % 8);
		assert_true(cidr_has(&c, &all));
		for (unsigned i = 0; i < 128; i++) {
			a = all;
			a.b[i / 8] ^= (uint8_t)(0x80 >> i % 8);
			assert_int_equal(cidr_has(&c, &a), i >= bits);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_and_formats),
		cmocka_unit_test(knows_its_members),
		cmocka_unit_test(covers_and_overlaps),
		cmocka_unit_test(knows_what_is_private),
		cmocka_unit_test(prefixes_bit_by_bit),
	};

	return cmocka_run_group_tests_name("net_cidr", tests, NULL, NULL);
}
