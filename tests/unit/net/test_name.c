/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "net/name.h"

#define L10 "aaaaaaaaaa"
#define L60 L10 L10 L10 L10 L10 L10
#define L63 L60 "aaa"
#define N192 L63 "." L63 "." L63 "."	/* 192 bytes, ends with a dot */

struct spelling {
	struct str in;
	const char *out;	/* NULL: malformed */
};

static const struct spelling names[] = {
	/* Plain. */
	{ STR("example.com"), "example.com" },
	{ STR("a"), "a" },
	{ STR("a.b"), "a.b" },
	{ STR("localhost"), "localhost" },
	{ STR("x.invalid"), "x.invalid" },
	{ STR("www.example.co.uk"), "www.example.co.uk" },
	{ STR("a-b.example"), "a-b.example" },
	{ STR("-.example"), "-.example" },
	{ STR("-a.example-"), "-a.example-" },
	{ STR("a--b.example"), "a--b.example" },
	{ STR("_dmarc.example.com"), "_dmarc.example.com" },
	{ STR("_sip._tcp.example"), "_sip._tcp.example" },
	{ STR("_"), "_" },
	{ STR("xn--mnchen-3ya.de"), "xn--mnchen-3ya.de" },
	{ STR("XN--MNCHEN-3YA.DE"), "xn--mnchen-3ya.de" },
	{ STR("xn--"), "xn--" },
	{ STR("xn--p1ai"), "xn--p1ai" },
	/* Case and the trailing dot. */
	{ STR("EXAMPLE.COM"), "example.com" },
	{ STR("ExAmPlE.cOm"), "example.com" },
	{ STR("AZ.az.09"), NULL },
	{ STR("AZ.az.09a"), "az.az.09a" },
	{ STR("evil.com."), "evil.com" },
	{ STR("EVIL.COM."), "evil.com" },
	{ STR("localhost."), "localhost" },
	{ STR("evil.com.."), NULL },
	{ STR("evil.com..."), NULL },
	{ STR("."), NULL },
	{ STR(".."), NULL },
	{ STR(""), NULL },
	{ STR(".example.com"), NULL },
	{ STR("..example.com"), NULL },
	{ STR("example..com"), NULL },
	{ STR("a.."), NULL },
	{ STR(".a."), NULL },
	/* Lengths. */
	{ STR(L63), L63 },
	{ STR(L63 "a"), NULL },
	{ STR(L63 ".com"), L63 ".com" },
	{ STR(L63 "a.com"), NULL },
	{ STR("com." L63), "com." L63 },
	{ STR("com." L63 "a"), NULL },
	{ STR("com." L63 "."), "com." L63 },
	{ STR(N192 L60 "a"), N192 L60 "a" },
	{ STR(N192 L60 "a."), N192 L60 "a" },
	{ STR(N192 L60 "aa"), NULL },
	{ STR(N192 L60 "aa."), NULL },
	{ STR(N192 L63), NULL },
	{ STR(N192 L63 "."), NULL },
	{ STR(N192 L60), N192 L60 },
	{ STR(N192 N192), NULL },
	/* Digits: a name as long as the last label says so. */
	{ STR("1.example"), "1.example" },
	{ STR("1.2.3.com"), "1.2.3.com" },
	{ STR("4.3.2.1.in-addr.arpa"), "4.3.2.1.in-addr.arpa" },
	{ STR("1a"), "1a" },
	{ STR("a1"), "a1" },
	{ STR("3com"), "3com" },
	{ STR("a.1b"), "a.1b" },
	{ STR("0"), NULL },
	{ STR("1"), NULL },
	{ STR("a.1"), NULL },
	{ STR("a.1."), NULL },
	{ STR("example.123"), NULL },
	{ STR("a.0"), NULL },
	{ STR("999999999999999999999"), NULL },
	{ STR("1_2"), "1_2" },
	{ STR("1-2"), "1-2" },
	{ STR("a.1-"), "a.1-" },
	/* Hexadecimal. */
	{ STR("0x7f.1"), NULL },
	{ STR("0x7f.0.0.1"), NULL },
	{ STR("0x7f000001"), NULL },
	{ STR("0X7F000001"), NULL },
	{ STR("0x7f000001."), NULL },
	{ STR("127.0.0.0x1"), NULL },
	{ STR("127.0.0.0X1"), NULL },
	{ STR("0x7f.0x0.0x0.0x1"), NULL },
	{ STR("0x"), NULL },
	{ STR("0X"), NULL },
	{ STR("a.0x"), NULL },
	{ STR("a.0xyz"), NULL },
	{ STR("a.0xyz."), NULL },
	{ STR("0x7f.com"), "0x7f.com" },
	{ STR("0x.com"), "0x.com" },
	{ STR("a.00x1"), "a.00x1" },
	{ STR("a.x0"), "a.x0" },
	{ STR("7f000001"), "7f000001" },
	/* Numbers that a system parser takes for addresses. */
	{ STR("127.1"), NULL },
	{ STR("127.0.1"), NULL },
	{ STR("2130706433"), NULL },
	{ STR("017700000001"), NULL },
	{ STR("0177.0.0.1"), NULL },
	{ STR("0177.1"), NULL },
	{ STR("00000177.0.0.1"), NULL },
	{ STR("127.000.000.001"), NULL },
	{ STR("127.0.0.01"), NULL },
	{ STR("127.0.0.1."), NULL },
	{ STR("127.0.0.1.."), NULL },
	{ STR("127.0.0"), NULL },
	{ STR("127.0.0.1.1"), NULL },
	{ STR("127..0.1"), NULL },
	{ STR("256.0.0.1"), NULL },
	{ STR("127.0.0.256"), NULL },
	{ STR("127.65537"), NULL },
	{ STR("4294967295"), NULL },
	{ STR("4294967296"), NULL },
	{ STR("0.0.0.0.0"), NULL },
	{ STR("1e3"), "1e3" },
	{ STR("127.0.0.1a"), "127.0.0.1a" },
	{ STR("127-0-0-1.example"), "127-0-0-1.example" },
	{ STR("-1"), "-1" },
	{ STR("+127.0.0.1"), NULL },
	/* Address literals. */
	{ STR("127.0.0.1"), "=127.0.0.1" },
	{ STR("0.0.0.0"), "=0.0.0.0" },
	{ STR("255.255.255.255"), "=255.255.255.255" },
	{ STR("8.8.8.8"), "=8.8.8.8" },
	{ STR("::"), "=::" },
	{ STR("::1"), "=::1" },
	{ STR("2001:DB8::A"), "=2001:db8::a" },
	{ STR("0000:0000:0000:0000:0000:0000:0000:0001"), "=::1" },
	{ STR("::ffff:127.0.0.1"), "=127.0.0.1" },
	{ STR("::FFFF:7f00:1"), "=127.0.0.1" },
	{ STR("0:0:0:0:0:ffff:127.0.0.1"), "=127.0.0.1" },
	{ STR("::127.0.0.1"), "=::127.0.0.1" },
	{ STR("64:ff9b::8.8.8.8"), "=64:ff9b::808:808" },
	{ STR("::1."), NULL },
	{ STR("::1 "), NULL },
	{ STR("[::1]"), NULL },
	{ STR("[127.0.0.1]"), NULL },
	{ STR("[::1"), NULL },
	{ STR("::1]"), NULL },
	{ STR("[]"), NULL },
	{ STR("[example.com]"), NULL },
	{ STR("fe80::1%eth0"), NULL },
	{ STR("fe80::1%25eth0"), NULL },
	{ STR("fe80::1%1"), NULL },
	{ STR("::1%lo"), NULL },
	{ STR("127.0.0.1%lo"), NULL },
	{ STR("::ffff:0177.0.0.1"), NULL },
	{ STR("::ffff:127.1"), NULL },
	{ STR("1::2::3"), NULL },
	{ STR(":::"), NULL },
	{ STR("::g"), NULL },
	{ STR("1:2:3:4:5:6:7:8:9"), NULL },
	{ STR("::/0"), NULL },
	{ STR("127.0.0.1/32"), NULL },
	/* NUL, control characters, space. */
	{ STR("\0"), NULL },
	{ STR("good.com\0"), NULL },
	{ STR("good.com\0.evil.com"), NULL },
	{ STR("\0good.com"), NULL },
	{ STR("127.0.0.1\0"), NULL },
	{ STR("127.0.0.1\0.com"), NULL },
	{ STR("::1\0"), NULL },
	{ STR("a\nb.com"), NULL },
	{ STR("example.com\n"), NULL },
	{ STR("example.com\r\n"), NULL },
	{ STR("a\tb"), NULL },
	{ STR("a\x1b[31m"), NULL },
	{ STR("a\x7f"), NULL },
	{ STR(" "), NULL },
	{ STR(" example.com"), NULL },
	{ STR("example.com "), NULL },
	{ STR("exa mple.com"), NULL },
	{ STR("127.0.0.1 "), NULL },
	{ STR(" 127.0.0.1"), NULL },
	/* What belongs to URLs, shells, SQL and patterns. */
	{ STR("user@example.com"), NULL },
	{ STR("example.com/"), NULL },
	{ STR("example.com/path"), NULL },
	{ STR("http://example.com"), NULL },
	{ STR("//example.com"), NULL },
	{ STR("example.com:80"), NULL },
	{ STR("example.com?x"), NULL },
	{ STR("example.com#x"), NULL },
	{ STR("example%2ecom"), NULL },
	{ STR("example.com%00"), NULL },
	{ STR("example.com\\"), NULL },
	{ STR("*.example.com"), NULL },
	{ STR("*"), NULL },
	{ STR("**.x"), NULL },
	{ STR("a,b"), NULL },
	{ STR("a;b"), NULL },
	{ STR("a|b"), NULL },
	{ STR("a&b"), NULL },
	{ STR("a+b.com"), NULL },
	{ STR("a=b"), NULL },
	{ STR("a~b"), NULL },
	{ STR("a!b"), NULL },
	{ STR("a'b"), NULL },
	{ STR("a\"b"), NULL },
	{ STR("$(id)"), NULL },
	{ STR("`id`"), NULL },
	{ STR("(a)"), NULL },
	{ STR("{a}"), NULL },
	{ STR("<a>"), NULL },
	{ STR("a^b"), NULL },
	/* Bytes from 0x80: UTF-8, and dots that are none. */
	{ STR("m\xc3\xbcnchen.de"), NULL },
	{ STR("m\xfcnchen.de"), NULL },
	{ STR("example\xe3\x80\x82" "com"), NULL },	/* ideographic */
	{ STR("example\xef\xbc\x8e" "com"), NULL },	/* full width */
	{ STR("example\xef\xbd\xa1" "com"), NULL },	/* half width */
	{ STR("\xe2\x91\xa0.example"), NULL },		/* circled 1 */
	{ STR("\xef\xbc\x91.1.1.1"), NULL },		/* full width 1 */
	{ STR("127\xe3\x80\x82" "0.0.1"), NULL },
	{ STR("\xd0\xb0pple.com"), NULL },		/* Cyrillic a */
	{ STR("\xe2\x84\xaa.com"), NULL },		/* Kelvin sign */
	{ STR("a\xc2\xad.com"), NULL },			/* soft hyphen */
	{ STR("\xe2\x80\x8b" "a.com"), NULL },		/* zero width */
	{ STR("a\xcc\x81.com"), NULL },			/* combining */
	{ STR("\xff"), NULL },
	{ STR("a\x80"), NULL },
};

static void
spelling_is(const struct spelling *s)
{
	char got[DEST_TEXT_SIZE] = "";
	struct dest d = { .port = 7 };

	switch (name_canonical(&d, s->in)) {
	case NAME_OK:
		assert_true(d.is_name);
		assert_int_equal(d.name_len, strlen(d.name));
		strcpy(got, d.name);
		break;
	case NAME_IS_ADDR:
		assert_false(d.is_name);
		assert_int_equal(d.name_len, 0);
		assert_string_equal(d.name, "");
		got[0] = '=';
		addr_format(got + 1, &d.addr);
		break;
	case NAME_BAD:
		assert_false(d.is_name);
		break;
	}
	assert_int_equal(d.port, 7);
	if (strcmp(got, s->out == NULL ? "" : s->out) != 0)
		fail_msg("'%s' became '%s'", s->in.ptr, got);
}

static void
spellings(void **state)
{
	static_assert(ARRAY_LEN(names) >= 150, "the table is the grammar");
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		spelling_is(&names[i]);
}

static void
each_byte(void **state)
{
	char text[] = "a?b.com", first[] = "?b.com", only[] = "?";
	struct dest d;

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		bool in_label = c < 0x80 && (isalnum((int)c) || c == '-' ||
		    c == '_');
		bool label = in_label && !isdigit((int)c);

		text[1] = first[0] = only[0] = (char)c;
		assert_int_equal(name_canonical(&d, (struct str){ text, 7 }),
		    in_label || c == '.' ? NAME_OK : NAME_BAD);
		assert_int_equal(name_canonical(&d, (struct str){ first, 6 }),
		    in_label ? NAME_OK : NAME_BAD);
		assert_int_equal(name_canonical(&d, (struct str){ only, 1 }),
		    label ? NAME_OK : NAME_BAD);
	}
}

static void
looks_no_further_than_len(void **state)
{
	struct dest d;

	(void)state;
	assert_int_equal(name_canonical(&d, (struct str){ "ab/", 2 }),
	    NAME_OK);
	assert_string_equal(d.name, "ab");
	assert_int_equal(name_canonical(&d, (struct str){ NULL, 0 }),
	    NAME_BAD);
}

static void
destinations_as_text(void **state)
{
	static const struct {
		struct str host;
		uint16_t port;
		const char *text;
	} cases[] = {
		{ STR("Example.COM."), 80, "example.com:80" },
		{ STR("1.2.3.4"), 65535, "1.2.3.4:65535" },
		{ STR("::1"), 0, "[::1]:0" },
		{ STR("::ffff:1.2.3.4"), 1, "1.2.3.4:1" },
		{ STR(N192 L60 "a"), 65535, N192 L60 "a:65535" },
	};
	char text[DEST_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct dest d = { .port = cases[i].port };

		assert_int_not_equal(name_canonical(&d, cases[i].host),
		    NAME_BAD);
		dest_format(text, &d);
		assert_string_equal(text, cases[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spellings),
		cmocka_unit_test(each_byte),
		cmocka_unit_test(looks_no_further_than_len),
		cmocka_unit_test(destinations_as_text),
	};

	return cmocka_run_group_tests_name("net_name", tests, NULL, NULL);
}
