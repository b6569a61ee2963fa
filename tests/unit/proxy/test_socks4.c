/* SPDX-License-Identifier: MIT */
/* Transcripts of conformance.md section 9, each at every split. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "hex.h"
#include "proxy/socks4.h"

struct request_case {
	const char *name, *in;
	enum parse parse;
	const char *dest;	/* DONE */
	const char *user_id;
	bool is_4a;
	enum socks4_reply answer;
	const char *why;	/* BAD */
};

#define DONE(dest, user) PARSE_DONE, dest, user, false, 0, NULL
#define DONE_4A(dest, user) PARSE_DONE, dest, user, true, 0, NULL
#define BAD(answer, why) PARSE_BAD, NULL, NULL, false, SOCKS4_##answer, why
#define MORE PARSE_MORE, NULL, NULL, false, 0, NULL

static const struct request_case requests[] = {
	{ "connect", "04 01 0050 7f000001 00", DONE("127.0.0.1:80", "") },
	{ "with a user id", "04 01 01bb 01020304 'bob' 00",
	    DONE("1.2.3.4:443", "bob") },
	{ "user id of any bytes", "04 01 01bb 01020304 ff0a7f 00",
	    DONE("1.2.3.4:443", "\xff\n\x7f") },
	{ "bind, port 0", "04 02 0000 01020304 00", DONE("1.2.3.4:0", "") },
	{ "case 77: a name follows",
	    "04 01 01bb 00000001 00 'example.com' 00",
	    DONE_4A("example.com:443", "") },
	{ "case 77: 0.0.0.255", "04 01 01bb 000000ff 'bob' 00 'EVIL.com.' 00",
	    DONE_4A("evil.com:443", "bob") },
	{ "case 77: 0.0.0.0 is no name", "04 01 0050 00000000 00",
	    DONE("0.0.0.0:80", "") },
	{ "case 77: nor is 0.0.1.0", "04 01 0050 00000100 00",
	    DONE("0.0.1.0:80", "") },
	{ "case 27: a literal for a name",
	    "04 01 0050 00000001 00 '127.0.0.1' 00",
	    DONE_4A("127.0.0.1:80", "") },
	{ "case 27: IPv6", "04 01 0050 00000001 00 '2001:db8::1' 00",
	    DONE_4A("[2001:db8::1]:80", "") },
	{ "case 24: port 0", "04 01 0000 01020304 00",
	    BAD(REFUSED, "invalid_request") },
	{ "case 24: port 0 of a name", "04 01 0000 00000001 00 'a' 00",
	    BAD(REFUSED, "invalid_request") },
	{ "case 25: empty name", "04 01 0050 00000001 00 00",
	    BAD(REFUSED, "invalid_name") },
	{ "case 26: outside the grammar", "04 01 0050 00000001 00 'a/b' 00",
	    BAD(REFUSED, "invalid_name") },
	{ "case 27: brackets", "04 01 0050 00000001 00 '[::1]' 00",
	    BAD(REFUSED, "invalid_name") },
	{ "case 28: a number", "04 01 0050 00000001 00 '2130706433' 00",
	    BAD(REFUSED, "invalid_name") },
	{ "case 30: not ASCII", "04 01 0050 00000001 00 c3bc2e78 00",
	    BAD(REFUSED, "invalid_name") },
	{ "command 0", "04 00 0050 01020304 00",
	    BAD(REFUSED, "command_unknown") },
	{ "command 3, with a bad name", "04 03 0050 00000001 00 20 00",
	    BAD(REFUSED, "command_unknown") },
	{ "version 5", "05 01 00", BAD(SILENT, "invalid_request") },
	{ "empty", "", MORE },
	{ "cut in the address", "04 01 0050 7f0000", MORE },
	{ "cut before the NUL", "04 01 0050 7f000001 'bob'", MORE },
	{ "cut before the name", "04 01 0050 00000001 00", MORE },
	{ "cut in the name", "04 01 0050 00000001 00 'exa'", MORE },
};

static void
check_done(const struct request_case *c, const struct socks4_request *r)
{
	char text[DEST_TEXT_SIZE];

	dest_format(text, &r->dest);
	assert_string_equal(text, c->dest);
	assert_true(str_eq(r->user_id, str_from(c->user_id)));
	assert_int_equal(r->is_4a, c->is_4a);
}

/* `in` begins with the transcript, of which `whole` bytes are the request. */
static void
check_request(const struct request_case *c, struct str in, size_t whole)
{
	struct socks4_request r;
	size_t used;
	enum parse p = socks4_parse_request(in, &r, &used);

	if (in.len >= whole)
		assert_int_equal(p, c->parse);
	else
		assert_true(p == PARSE_MORE ||
		    (p == PARSE_BAD && c->answer == SOCKS4_SILENT));
	assert_int_equal(used, p == PARSE_DONE ? whole : 0);
	if (p == PARSE_DONE)
		check_done(c, &r);
	if (p == PARSE_BAD) {
		assert_int_equal(r.answer, c->answer);
		assert_string_equal(r.why, c->why);
	}
}

static void
test_request(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		const struct request_case *c = &requests[i];
		struct str in = hex_bytes(c->in), cut;
		char behind[64];

		print_message("%s\n", c->name);
		for (size_t n = 0; n <= in.len; n++) {
			cut = hex_cut(in, n);
			check_request(c, cut, in.len);
			free((void *)cut.ptr);
		}
		/* case 3: what follows is not looked at. */
		memcpy(behind, in.ptr, in.len);
		memcpy(behind + in.len, "\0\4\1GET", 6);
		if (c->parse != PARSE_MORE)
			check_request(c, (struct str){ behind, in.len + 6 },
			    in.len);
		free((void *)in.ptr);
	}
}

/* ---- case 79: bound before terminator ---- */

/* A request with fields of those lengths; 0 as name: no 4a. */
static struct str
long_request(char buf[static SOCKS4_INPUT_MAX + 2], size_t user, size_t name)
{
	static const char head[] = { 4, 1, 0, 80, 0, 0, 0, 1 };
	size_t n = sizeof(head);

	memcpy(buf, head, n);
	if (name == 0)
		buf[4] = 9;
	memset(buf + n, 'u', user);
	n += user;
	buf[n++] = '\0';
	for (size_t i = 0; i < name; i++)
		buf[n++] = i % 2 == 0 ? 'a' : '.';
	if (name > 0)
		buf[n++] = '\0';
	return (struct str){ buf, n };
}

struct long_case {
	const char *name;
	size_t user, host;
	enum parse parse;
	size_t decided;		/* at this length, and not before */
	enum socks4_reply answer;
};

static const struct long_case longs[] = {
	{ "longest user id", 255, 0, PARSE_DONE, 8 + 256, 0 },
	{ "one byte more", 256, 0, PARSE_BAD, 8 + 256, SOCKS4_SILENT },
	{ "longest name", 0, 253, PARSE_DONE, 8 + 1 + 254, 0 },
	{ "longest name, with its dot", 0, 254, PARSE_DONE, 8 + 1 + 255, 0 },
	{ "a name that is none", 0, 255, PARSE_BAD, 8 + 1 + 256,
	    SOCKS4_REFUSED },
	{ "name without end", 0, 256, PARSE_BAD, 8 + 1 + 256, SOCKS4_SILENT },
	{ "both at their longest", 255, 254, PARSE_DONE,
	    SOCKS4_INPUT_MAX - 1, 0 },
};

static void
test_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(longs); i++) {
		const struct long_case *c = &longs[i];
		char buf[SOCKS4_INPUT_MAX + 2];
		struct str in = long_request(buf, c->user, c->host);

		print_message("%s\n", c->name);
		for (size_t n = 0; n <= in.len; n++) {
			struct str cut = hex_cut(in, n);
			struct socks4_request r;
			size_t used;

			assert_int_equal(socks4_parse_request(cut, &r, &used),
			    n < c->decided ? PARSE_MORE : c->parse);
			if (n >= c->decided)
				assert_int_equal(r.answer, c->answer);
			free((void *)cut.ptr);
		}
	}
}

/* ---- replies ---- */

struct reply_case {
	enum socks4_reply reply;
	const char *bound;	/* NULL: none */
	const char *bytes;
};

static const struct reply_case replies[] = {
	{ SOCKS4_GRANTED, NULL, "00 5a 0000 00000000" },
	{ SOCKS4_GRANTED, "10.1.2.3:4660", "00 5a 1234 0a010203" },
	/* case 80: the address of another family is not shown */
	{ SOCKS4_GRANTED, "[2001:db8::1]:4660", "00 5a 0000 00000000" },
	{ SOCKS4_REFUSED, NULL, "00 5b 0000 00000000" },
};

static void
test_replies(void **state)
{
	uint8_t out[SOCKS4_REPLY_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		const struct reply_case *c = &replies[i];
		struct str bytes = hex_bytes(c->bytes);
		struct endpoint e;

		if (c->bound != NULL)
			assert_true(endpoint_parse(&e, str_from(c->bound)));
		memset(out, 0xaa, sizeof(out));
		socks4_reply(out, c->reply, c->bound != NULL ? &e : NULL);
		assert_int_equal(bytes.len, sizeof(out));
		assert_memory_equal(out, bytes.ptr, sizeof(out));
		free((void *)bytes.ptr);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
