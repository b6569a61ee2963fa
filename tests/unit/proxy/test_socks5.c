/* SPDX-License-Identifier: MIT */
/* Transcripts of conformance.md sections 0 to 5, each at every split. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proxy/socks5.h"

#define IN(s) { (s), sizeof(s) - 1 }

/* A copy of its own size, so that ASan sees a byte too many. */
static struct str
exact(const void *p, size_t len)
{
	char *copy = xmalloc(len == 0 ? 1 : len);

	if (len > 0)
		memcpy(copy, p, len);
	return (struct str){ copy, len };
}

/* -------------------------------------------------------------- greeting */

struct greeting_case {
	const char *name;
	struct str in;
	enum parse parse;
	size_t used;
	uint8_t n_methods;
};

static const struct greeting_case greetings[] = {
	{ "one method", IN("\5\1\2"), PARSE_DONE, 3, 1 },
	{ "case 9: no methods", IN("\5\0"), PARSE_DONE, 2, 0 },
	{ "two, the next message behind", IN("\5\2\0\2\1\1"), PARSE_DONE, 4,
	    2 },
	{ "case 13: neither 5 nor 4", IN("\6\1\0"), PARSE_BAD, 0, 0 },
	{ "case 13: HTTP", IN("CONNECT"), PARSE_BAD, 0, 0 },
	{ "case 13: TLS", IN("\x16\3\1"), PARSE_BAD, 0, 0 },
	{ "empty", IN(""), PARSE_MORE, 0, 0 },
	{ "cut", IN("\5\3\0\1"), PARSE_MORE, 0, 0 },
};

static void
test_greeting(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(greetings); i++) {
		const struct greeting_case *c = &greetings[i];
		struct socks5_greeting g;
		size_t used;

		print_message("%s\n", c->name);
		for (size_t n = 0; n <= c->in.len; n++) {
			struct str in = exact(c->in.ptr, n);
			enum parse p = socks5_parse_greeting(in, &g, &used);

			if (n == c->in.len ||
			    (c->parse == PARSE_DONE && n >= c->used)) {
				assert_int_equal(p, c->parse);
				assert_int_equal(used, c->used);
			} else {
				assert_true(p == PARSE_MORE || p == c->parse);
				assert_int_equal(used, 0);
			}
			if (p == PARSE_DONE) {
				assert_int_equal(g.n_methods, c->n_methods);
				if (g.n_methods > 0)
					assert_ptr_equal(g.methods,
					    in.ptr + 2);
			}
			free((void *)in.ptr);
		}
	}
}

static void
test_greeting_255(void **state)
{
	uint8_t in[257] = { 5, 255 };
	struct socks5_greeting g;
	const uint8_t wanted[] = { 0xff, 2 };
	size_t used;

	(void)state;
	memset(in + 2, 0xff, 255);
	for (size_t n = 0; n < sizeof(in); n++)
		assert_int_equal(socks5_parse_greeting(
		    (struct str){ (char *)in, n }, &g, &used), PARSE_MORE);
	assert_int_equal(socks5_parse_greeting(
	    (struct str){ (char *)in, sizeof(in) }, &g, &used), PARSE_DONE);
	assert_int_equal(used, 257);
	/* case 10: FF is never chosen, even where both sides name it. */
	assert_int_equal(socks5_choose(&g, wanted, 2),
	    SOCKS5_METHOD_NO_ACCEPTABLE);
	in[256] = 2;
	assert_int_equal(socks5_choose(&g, wanted, 2), SOCKS5_METHOD_USERPASS);
}

struct choose_case {
	const char *name;
	struct str offered, wanted;
	int chosen;
};

static const struct choose_case chooses[] = {
	{ "case 7: listener's order", IN("\0\2"), IN("\2\0"), 2 },
	{ "case 7: never what was not offered", IN("\2"), IN("\0\2"), 2 },
	{ "case 8: none acceptable", IN("\1\3"), IN("\2\0"), 0xff },
	{ "case 9: nothing offered", IN(""), IN("\2\0"), 0xff },
	{ "case 10: duplicates", IN("\2\2\0\0"), IN("\0"), 0 },
	{ "case 11: login required", IN("\0\2"), IN("\2"), 2 },
	{ "case 11: 00 alone", IN("\0"), IN("\2"), 0xff },
	{ "case 12: anonymous first", IN("\0\2"), IN("\0\2"), 0 },
	{ "nothing wanted", IN("\0\2"), IN(""), 0xff },
};

static void
test_choose(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(chooses); i++) {
		const struct choose_case *c = &chooses[i];
		struct socks5_greeting g = { (uint8_t)c->offered.len,
			(const uint8_t *)c->offered.ptr };

		print_message("%s\n", c->name);
		assert_int_equal(socks5_choose(&g,
		    (const uint8_t *)c->wanted.ptr, c->wanted.len),
		    c->chosen);
	}
}

/* Lesson B6: the result is in both lists, or there is no such method. */
static void
test_choose_all_subsets(void **state)
{
	static const uint8_t wanted[][3] = {
		{ 2, 0, 3 }, { 0, 2, 3 }, { 3, 2, 0 }, { 2, 2, 2 },
	};

	(void)state;
	for (unsigned set = 0; set < 256; set++) {
		uint8_t methods[8];
		struct socks5_greeting g = { 0, methods };

		for (uint8_t m = 0; m < 8; m++)
			if (set & (1u << m))
				methods[g.n_methods++] = m;
		for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
			int expect = 0xff;

			for (size_t k = 3; k > 0; k--)
				if (set & (1u << wanted[i][k - 1]))
					expect = wanted[i][k - 1];
			assert_int_equal(socks5_choose(&g, wanted[i], 3),
			    expect);
		}
	}
}

/* ----------------------------------------------------------------- login */

struct login_case {
	const char *name;
	struct str in;
	enum parse parse;
	size_t used;
	const char *user, *password;
};

static const struct login_case logins[] = {
	{ "plain", IN("\1\3bob\2pw"), PARSE_DONE, 8, "bob", "pw" },
	{ "the next message behind", IN("\1\1a\1b\5\1"), PARSE_DONE, 5, "a",
	    "b" },
	{ "case 14: version 5", IN("\5\1a\1b"), PARSE_BAD, 0, NULL, NULL },
	{ "case 16: empty user", IN("\1\0\1b"), PARSE_BAD, 0, NULL, NULL },
	{ "case 16: nothing follows", IN("\1\0"), PARSE_BAD, 0, NULL, NULL },
	{ "case 17: empty password", IN("\1\1a\0"), PARSE_BAD, 0, NULL, NULL },
	{ "case 18: bytes above 7f", IN("\1\2\xff\x80\1\xfe"), PARSE_DONE, 6,
	    "\xff\x80", "\xfe" },
	{ "case 18: NUL in the user", IN("\1\7admin\0x\1b"), PARSE_BAD, 0,
	    NULL, NULL },
	{ "case 18: newline in the user", IN("\1\2a\n\1b"), PARSE_BAD, 0,
	    NULL, NULL },
	{ "case 18: DEL in the user", IN("\1\2a\x7f\1b"), PARSE_BAD, 0,
	    NULL, NULL },
	{ "case 18: NUL in the password", IN("\1\1a\2b\0"), PARSE_BAD, 0,
	    NULL, NULL },
	{ "other controls in the password", IN("\1\1a\2b\t"), PARSE_DONE, 6,
	    "a", "b\t" },
	{ "cut in the user", IN("\1\5abc"), PARSE_MORE, 0, NULL, NULL },
	{ "cut in the password", IN("\1\1a\5abc"), PARSE_MORE, 0, NULL,
	    NULL },
};

static void
check_login(const struct login_case *c, size_t n)
{
	struct str in = exact(c->in.ptr, n);
	struct socks5_login l;
	size_t used;
	enum parse p = socks5_parse_login(in, &l, &used);

	if (n == c->in.len || (c->parse == PARSE_DONE && n >= c->used)) {
		assert_int_equal(p, c->parse);
		assert_int_equal(used, c->used);
	} else {
		assert_true(p == PARSE_MORE || p == c->parse);
	}
	if (p == PARSE_DONE) {
		assert_true(str_eq(l.user, str_from(c->user)));
		assert_true(str_eq(l.password, str_from(c->password)));
	}
	free((void *)in.ptr);
}

static void
test_login(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(logins); i++) {
		print_message("%s\n", logins[i].name);
		for (size_t n = 0; n <= logins[i].in.len; n++)
			check_login(&logins[i], n);
	}
}

/* case 18: 255 bytes of each, exact; the longest message of all. */
static void
test_login_longest(void **state)
{
	char in[SOCKS5_INPUT_MAX];
	struct socks5_login l;
	size_t used;

	(void)state;
	in[0] = 1;
	in[1] = (char)255;
	memset(in + 2, 'u', 255);
	in[257] = (char)255;
	memset(in + 258, 'p', 255);
	for (size_t n = 0; n < sizeof(in); n++)
		assert_int_equal(socks5_parse_login((struct str){ in, n }, &l,
		    &used), PARSE_MORE);
	assert_int_equal(socks5_parse_login((struct str){ in, sizeof(in) },
	    &l, &used), PARSE_DONE);
	assert_int_equal(used, sizeof(in));
	assert_int_equal(l.user.len, 255);
	assert_int_equal(l.password.len, 255);
	assert_int_equal(l.password.ptr[254], 'p');
}

/* --------------------------------------------------------------- request */

struct request_case {
	const char *name;
	struct str in;
	enum parse parse;
	const char *dest;	/* DONE */
	int answer;
	const char *why;	/* BAD */
};

#define BAD(answer, why) PARSE_BAD, NULL, SOCKS5_##answer, why
#define DONE(dest) PARSE_DONE, dest, SOCKS5_COMMAND_UNSUPPORTED, \
	"command_disabled"
#define NAMED(len, s) "\5\1\0\3" len s "\1\xbb"

static const struct request_case requests[] = {
	{ "IPv4", IN("\5\1\0\1\x7f\0\0\1\0\x50"), DONE("127.0.0.1:80") },
	{ "IPv6", IN("\5\1\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\1\xbb"),
	    DONE("[2001:db8::1]:443") },
	{ "name", IN(NAMED("\13", "example.com")), DONE("example.com:443") },
	{ "version 4", IN("\4\1\0\1\x7f\0\0\1\0\x50"),
	    BAD(SILENT, "invalid_request") },
	{ "case 20: RSV", IN("\5\1\x7f\1\1\2\3\4\0\x50"),
	    DONE("1.2.3.4:80") },
	{ "case 21: command unknown", IN("\5\x9\0\1\1\2\3\4\0\x50"),
	    BAD(COMMAND_UNSUPPORTED, "command_unknown") },
	{ "case 21: command 0", IN("\5\0\0\1\1\2\3\4\0\x50"),
	    BAD(COMMAND_UNSUPPORTED, "command_unknown") },
	{ "case 21: and a bad name", IN("\5\x9\0\3\1 \0\x50"),
	    BAD(COMMAND_UNSUPPORTED, "command_unknown") },
	{ "case 21: ATYP unknown as well", IN("\5\x9\0\2"),
	    BAD(ATYP_UNSUPPORTED, "address_type_unknown") },
	{ "case 22: ATYP unknown, at once", IN("\5\1\0\2"),
	    BAD(ATYP_UNSUPPORTED, "address_type_unknown") },
	{ "case 22: ATYP 0", IN("\5\1\0\0"),
	    BAD(ATYP_UNSUPPORTED, "address_type_unknown") },
	{ "case 23: bind", IN("\5\2\0\1\1\2\3\4\0\x50"), DONE("1.2.3.4:80") },
	{ "case 23: udp, port 0", IN("\5\3\0\1\0\0\0\0\0\0"),
	    DONE("0.0.0.0:0") },
	{ "case 24: port 0", IN("\5\1\0\1\1\2\3\4\0\0"),
	    BAD(GENERAL, "invalid_request") },
	{ "case 25: empty name", IN("\5\1\0\3\0"),
	    BAD(GENERAL, "invalid_name") },
	{ "case 26: NUL", IN(NAMED("\16", "good.com\0.evil")),
	    BAD(GENERAL, "invalid_name") },
	{ "case 26: newline", IN(NAMED("\4", "a.b\n")),
	    BAD(GENERAL, "invalid_name") },
	{ "case 26: space", IN(NAMED("\4", "a .b")),
	    BAD(GENERAL, "invalid_name") },
	{ "case 26: slash", IN(NAMED("\4", "a/.b")),
	    BAD(GENERAL, "invalid_name") },
	{ "case 26: at", IN(NAMED("\4", "a@.b")),
	    BAD(GENERAL, "invalid_name") },
	{ "case 26: percent", IN(NAMED("\4", "a%.b")),
	    BAD(GENERAL, "invalid_name") },
	{ "case 27: IPv4 as name", IN(NAMED("\11", "127.0.0.1")),
	    DONE("127.0.0.1:443") },
	{ "case 27: IPv6 as name", IN(NAMED("\3", "::1")),
	    DONE("[::1]:443") },
	{ "case 27: brackets", IN(NAMED("\5", "[::1]")),
	    BAD(GENERAL, "invalid_name") },
	{ "case 28: hexadecimal", IN(NAMED("\6", "0x7f.1")),
	    BAD(GENERAL, "invalid_name") },
	{ "case 28: short", IN(NAMED("\5", "127.1")),
	    BAD(GENERAL, "invalid_name") },
	{ "case 28: number", IN(NAMED("\12", "2130706433")),
	    BAD(GENERAL, "invalid_name") },
	{ "case 28: octal", IN(NAMED("\14", "017700000001")),
	    BAD(GENERAL, "invalid_name") },
	{ "case 29: dot and case", IN(NAMED("\11", "EVIL.com.")),
	    DONE("evil.com:443") },
	{ "case 29: two dots", IN(NAMED("\12", "evil.com..")),
	    BAD(GENERAL, "invalid_name") },
	{ "case 30: UTF-8", IN(NAMED("\4", "\xc3\xbc.x")),
	    BAD(GENERAL, "invalid_name") },
	{ "case 30: A-label", IN(NAMED("\15", "xn--bcher-kva")),
	    DONE("xn--bcher-kva:443") },
	{ "case 32: zone", IN(NAMED("\14", "fe80::1%eth0")),
	    BAD(GENERAL, "invalid_name") },
	{ "case 33: mapped",
	    IN("\5\1\0\4\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1\0\x50"),
	    DONE("127.0.0.1:80") },
	{ "cut in the port", IN("\5\1\0\1\1\2\3\4\0"), PARSE_MORE, NULL, 0,
	    NULL },
};

static void
check_request(const struct request_case *c, struct str all, size_t n)
{
	struct str in = exact(all.ptr, n);
	struct socks5_request r;
	char text[DEST_TEXT_SIZE];
	size_t used;
	enum parse p = socks5_parse_request(in, &r, &used);

	if (n >= c->in.len)
		assert_int_equal(p, c->parse);
	else
		assert_true(p == PARSE_MORE ||
		    (p == PARSE_BAD && c->parse == PARSE_BAD));
	if (p == PARSE_DONE) {
		dest_format(text, &r.dest);
		assert_string_equal(text, c->dest);
		assert_int_equal(used, c->in.len);
	}
	if (p != PARSE_MORE) {
		assert_int_equal(r.answer, c->answer);
		assert_string_equal(r.why, c->why);
		assert_int_equal(r.rsv_set, n > 2 && in.ptr[2] != 0);
	}
	free((void *)in.ptr);
}

static void
test_request(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		const struct request_case *c = &requests[i];
		char more[64] = { 0 };
		struct str all = { more, c->in.len + 8 };

		print_message("%s\n", c->name);
		memcpy(more, c->in.ptr, c->in.len);
		memcpy(more + c->in.len, "\5\1\0\1GET ", 8);
		for (size_t n = 0; n <= c->in.len; n++)
			check_request(c, all, n);
		/* case 3: what follows is not looked at. */
		if (c->parse != PARSE_MORE)
			check_request(c, all, all.len);
	}
}

/* case 31: read to the end, then refused; the name is kept for the record. */
static void
test_request_longest_name(void **state)
{
	char in[4 + 1 + 255 + 2] = { 5, 1, 0, 3, (char)255 };
	struct socks5_request r;
	size_t used;

	(void)state;
	memset(in + 5, 'a', 255);
	in[sizeof(in) - 1] = 80;
	for (size_t n = 0; n < sizeof(in); n++)
		assert_int_equal(socks5_parse_request((struct str){ in, n },
		    &r, &used), PARSE_MORE);
	assert_int_equal(socks5_parse_request(
	    (struct str){ in, sizeof(in) }, &r, &used), PARSE_BAD);
	assert_int_equal(r.answer, SOCKS5_GENERAL);
	assert_string_equal(r.why, "invalid_name");
	assert_int_equal(r.raw_host.len, 255);
	assert_ptr_equal(r.raw_host.ptr, in + 5);
}

/* --------------------------------------------------------------- replies */

struct reply_case {
	enum socks5_reply reply;
	const char *bound;	/* NULL: none */
	struct str bytes;
};

static const struct reply_case replies[] = {
	{ SOCKS5_REFUSED, NULL, IN("\5\5\0\1\0\0\0\0\0\0") },
	{ SOCKS5_OK, NULL, IN("\5\0\0\1\0\0\0\0\0\0") },
	{ SOCKS5_OK, "10.1.2.3:4660", IN("\5\0\0\1\12\1\2\3\x12\x34") },
	{ SOCKS5_OK, "[2001:db8::1]:65535",
	    IN("\5\0\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\xff\xff") },
};

static void
test_replies(void **state)
{
	uint8_t out[SOCKS5_REPLY_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		const struct reply_case *c = &replies[i];
		struct endpoint e;

		if (c->bound != NULL)
			assert_true(endpoint_parse(&e, str_from(c->bound)));
		assert_int_equal(socks5_reply(out, c->reply,
		    c->bound != NULL ? &e : NULL), c->bytes.len);
		assert_memory_equal(out, c->bytes.ptr, c->bytes.len);
	}
	assert_int_equal(socks5_method_reply(out, SOCKS5_METHOD_NO_ACCEPTABLE),
	    2);
	assert_memory_equal(out, "\5\xff", 2);
	socks5_method_reply(out, SOCKS5_METHOD_USERPASS);
	assert_memory_equal(out, "\5\2", 2);
	assert_int_equal(socks5_login_reply(out, true), 2);
	assert_memory_equal(out, "\1\0", 2);
	socks5_login_reply(out, false);
	assert_memory_equal(out, "\1\1", 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greeting),
		cmocka_unit_test(test_greeting_255),
		cmocka_unit_test(test_choose),
		cmocka_unit_test(test_choose_all_subsets),
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_login_longest),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_request_longest_name),
		cmocka_unit_test(test_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
