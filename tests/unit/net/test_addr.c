/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "net/addr.h"

/* `out` NULL: refused. */
static const struct {
	struct str in;
	const char *out;
} texts[] = {
	{ STR("0.0.0.0"), "0.0.0.0" },
	{ STR("1.2.3.4"), "1.2.3.4" },
	{ STR("255.255.255.255"), "255.255.255.255" },
	{ STR("::"), "::" },
	{ STR("::1"), "::1" },
	{ STR("2001:DB8:0:0:0:0:0:1"), "2001:db8::1" },
	{ STR("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1" },
	{ STR("1:2:3:4:5:6:7::"), "1:2:3:4:5:6:7:0" },
	{ STR("::ffff:1.2.3.4"), "1.2.3.4" },
	{ STR("::FFFF:0102:0304"), "1.2.3.4" },
	{ STR("::1.2.3.4"), "::1.2.3.4" },
	{ STR("64:ff9b::1.2.3.4"), "64:ff9b::102:304" },
	{ STR("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"),
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ STR(""), NULL },
	{ STR(" 1.2.3.4"), NULL },
	{ STR("1.2.3.4 "), NULL },
	{ STR("1.2.3.4\0"), NULL },
	{ STR("1.2.3.4\0.5"), NULL },
	{ STR("1.2.3"), NULL },
	{ STR("1.2.3.4.5"), NULL },
	{ STR("1.2.3."), NULL },
	{ STR("1..3.4"), NULL },
	{ STR("1.2.3.256"), NULL },
	{ STR("1.2.3.04"), NULL },
	{ STR("01.2.3.4"), NULL },
	{ STR("0x1.2.3.4"), NULL },
	{ STR("+1.2.3.4"), NULL },
	{ STR("127.1"), NULL },
	{ STR("2130706433"), NULL },
	{ STR("1.2.3.4/32"), NULL },
	{ STR(":"), NULL },
	{ STR(":::"), NULL },
	{ STR("1::2::3"), NULL },
	{ STR("1:2:3:4:5:6:7"), NULL },
	{ STR("1:2:3:4:5:6:7:8:9"), NULL },
	{ STR("12345::"), NULL },
	{ STR("g::"), NULL },
	{ STR("::1.2.3"), NULL },
	{ STR("::01.2.3.4"), NULL },
	{ STR("[::1]"), NULL },
	{ STR("fe80::1%eth0"), NULL },
	{ STR("fe80::1%1"), NULL },
	{ STR("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555"), NULL },
};

static void
parses_and_formats(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		char out[ADDR_TEXT_SIZE] = "";
		struct addr a;
		bool ok = addr_parse(&a, texts[i].in);

		if (ok)
			addr_format(out, &a);
		if (ok != (texts[i].out != NULL))
			fail_msg("%s: %s", texts[i].in.ptr, out);
		if (ok)
			assert_string_equal(out, texts[i].out);
	}
}

static const struct {
	const char *text;
	bool v4, unspecified, loopback, private;
} kinds[] = {
	{ "0.0.0.0", true, true, false, false },
	{ "0.0.0.1", true, false, false, false },
	{ "::", false, true, false, false },
	{ "::1", false, false, true, false },
	{ "::2", false, false, false, false },
	{ "::127.0.0.1", false, false, false, false },
	{ "::ffff:127.0.0.1", true, false, true, false },
	{ "126.255.255.255", true, false, false, false },
	{ "127.0.0.0", true, false, true, false },
	{ "127.255.255.255", true, false, true, false },
	{ "128.0.0.0", true, false, false, false },
	{ "9.255.255.255", true, false, false, false },
	{ "10.0.0.0", true, false, false, true },
	{ "10.255.255.255", true, false, false, true },
	{ "11.0.0.0", true, false, false, false },
	{ "172.15.255.255", true, false, false, false },
	{ "172.16.0.0", true, false, false, true },
	{ "172.31.255.255", true, false, false, true },
	{ "172.32.0.0", true, false, false, false },
	{ "192.167.255.255", true, false, false, false },
	{ "192.168.0.0", true, false, false, true },
	{ "192.169.0.0", true, false, false, false },
	{ "100.63.255.255", true, false, false, false },
	{ "100.64.0.0", true, false, false, true },
	{ "100.127.255.255", true, false, false, true },
	{ "100.128.0.0", true, false, false, false },
	{ "169.253.255.255", true, false, false, false },
	{ "169.254.0.0", true, false, false, true },
	{ "169.255.0.0", true, false, false, false },
	{ "fbff::", false, false, false, false },
	{ "fc00::", false, false, false, true },
	{ "fdff::", false, false, false, true },
	{ "fe00::", false, false, false, false },
	{ "fe80::", false, false, false, true },
	{ "febf::", false, false, false, true },
	{ "fec0::", false, false, false, false },
	{ "2001:db8::", false, false, false, false },
};

static void
tells_kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct addr a;

		assert_true(addr_parse(&a, str_from(kinds[i].text)));
		assert_int_equal(addr_is_v4(&a), kinds[i].v4);
		assert_int_equal(addr_is_unspecified(&a),
		    kinds[i].unspecified);
		assert_int_equal(addr_is_loopback(&a), kinds[i].loopback);
		assert_int_equal(addr_is_private(&a), kinds[i].private);
	}
}

static void
mapped_and_v4_are_one_value(void **state)
{
	const uint8_t v4[4] = { 127, 0, 0, 1 };
	const uint8_t v6[16] = { [10] = 0xff, 0xff, 127, 0, 0, 1 };
	struct addr a = addr_from_v4(v4), b = addr_from_v6(v6);

	(void)state;
	assert_true(addr_eq(&a, &b));
	assert_true(addr_is_v4(&b));
	b.b[15] = 2;
	assert_false(addr_eq(&a, &b));
}

/* `out` NULL: refused. */
static const struct {
	struct str in;
	const char *out;
} endpoints[] = {
	{ STR("1.2.3.4:80"), "1.2.3.4:80" },
	{ STR("1.2.3.4:0"), "1.2.3.4:0" },
	{ STR("1.2.3.4:65535"), "1.2.3.4:65535" },
	{ STR("[::1]:80"), "[::1]:80" },
	{ STR("[2001:DB8::1]:443"), "[2001:db8::1]:443" },
	{ STR("[::ffff:1.2.3.4]:80"), "1.2.3.4:80" },
	{ STR("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535"),
	    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
	{ STR(""), NULL },
	{ STR(":"), NULL },
	{ STR(":80"), NULL },
	{ STR("1.2.3.4"), NULL },
	{ STR("1.2.3.4:"), NULL },
	{ STR("1.2.3.4:65536"), NULL },
	{ STR("1.2.3.4:000080"), NULL },
	{ STR("1.2.3.4:-1"), NULL },
	{ STR("1.2.3.4:+1"), NULL },
	{ STR("1.2.3.4: 1"), NULL },
	{ STR("1.2.3.4:http"), NULL },
	{ STR("1.2.3.4:80 "), NULL },
	{ STR("1.2.3.4:8\0"), NULL },
	{ STR("[1.2.3.4]:80"), NULL },
	{ STR("::1:80"), NULL },
	{ STR("[::1]"), NULL },
	{ STR("[::1]80"), NULL },
	{ STR("[::1:80"), NULL },
	{ STR("::1]:80"), NULL },
	{ STR("[[::1]]:80"), NULL },
	{ STR("[]:80"), NULL },
	{ STR("[fe80::1%eth0]:80"), NULL },
	{ STR("localhost:80"), NULL },
};

static void
endpoints_parse_and_format(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(endpoints); i++) {
		char out[ENDPOINT_TEXT_SIZE] = "";
		struct endpoint e;
		bool ok = endpoint_parse(&e, endpoints[i].in);

		if (ok)
			endpoint_format(out, &e);
		if (ok != (endpoints[i].out != NULL))
			fail_msg("%s: %s", endpoints[i].in.ptr, out);
		if (ok)
			assert_string_equal(out, endpoints[i].out);
	}
}

static void
sockaddr_there_and_back(void **state)
{
	static const char *const texts_[] = { "1.2.3.4:80", "[::1]:65535" };
	struct sockaddr_storage ss;
	struct endpoint e, back;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts_); i++) {
		assert_true(endpoint_parse(&e, str_from(texts_[i])));
		assert_int_equal(endpoint_to_sockaddr(&e, &ss), i == 0 ?
		    sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		assert_int_equal(ss.ss_family, i == 0 ? AF_INET : AF_INET6);
		assert_true(endpoint_from_sockaddr(&back,
		    (struct sockaddr *)&ss));
		assert_true(endpoint_eq(&e, &back));
	}
}

static void
sockaddr_of_the_kernel(void **state)
{
	struct sockaddr_in6 mapped = { .sin6_family = AF_INET6,
		.sin6_port = htons(80), .sin6_scope_id = 7 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct endpoint e, other;

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "::ffff:1.2.3.4",
	    &mapped.sin6_addr), 1);
	assert_true(endpoint_from_sockaddr(&e, (struct sockaddr *)&mapped));
	assert_true(endpoint_parse(&other, STR("1.2.3.4:80")));
	assert_true(endpoint_eq(&e, &other));
	other.port = 81;
	assert_false(endpoint_eq(&e, &other));
	assert_false(endpoint_from_sockaddr(&e, (struct sockaddr *)&un));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_and_formats),
		cmocka_unit_test(tells_kinds),
		cmocka_unit_test(mapped_and_v4_are_one_value),
		cmocka_unit_test(endpoints_parse_and_format),
		cmocka_unit_test(sockaddr_there_and_back),
		cmocka_unit_test(sockaddr_of_the_kernel),
	};

	return cmocka_run_group_tests_name("net_addr", tests, NULL, NULL);
}
