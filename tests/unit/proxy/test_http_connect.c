/* SPDX-License-Identifier: MIT */
/*
 * Heads of CONNECT (conformance.md case 89), each in one piece, byte by byte,
 * at every split and at random ones, through a buffer of HTTP_LINE_MAX bytes
 * as a connection has it: the outcome is always the one of the table.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proxy/http_connect.h"

/* ---- what a head comes to, as text ---- */

struct outcome {
	char words[2048];
	struct text text;
	size_t used;
};

static void
say_done(struct outcome *o, const struct http_connect *p)
{
	static const char *const logins[] = {
		[HTTP_LOGIN_NONE] = "", [HTTP_LOGIN_GIVEN] = "",
		[HTTP_LOGIN_BAD] = "bad login, ",
	};

	text_fmt(&o->text, "%sdone%s", logins[p->login],
	    p->close ? ", close" : "");
}

/* true: it has ended. */
static bool
say(struct outcome *o, enum http_step step, const struct http_connect *p,
    const struct http_found *f)
{
	char dest[DEST_TEXT_SIZE];

	switch (step) {
	case HTTP_MORE:
		return false;
	case HTTP_TARGET:
		dest_format(dest, &f->dest);
		text_fmt(&o->text, "%s, ", dest);
		return false;
	case HTTP_LOGIN:
		text_str(&o->text, f->basic.user);
		text_str(&o->text, STR(":"));
		text_str(&o->text, f->basic.password);
		text_str(&o->text, STR(", "));
		return false;
	case HTTP_DONE:
		say_done(o, p);
		return true;
	case HTTP_BAD:
		assert_non_null(f->detail);
		text_fmt(&o->text, "%u %s", (unsigned)f->status, f->why);
		if (f->raw_host.len > 0)
			text_str(&o->text, STR(" of "));
		text_str(&o->text, f->raw_host);
		return true;
	}
	fail_msg("step %d", step);
	return true;
}

/* The end of the next piece, when `at` bytes have come. */
typedef size_t split_fn(size_t at, size_t arg);

static void
run(struct outcome *o, struct str all, split_fn *next, size_t arg)
{
	struct http_connect p = { .taken = 0 };
	struct http_found found;	/* with what the stack held */
	char in[HTTP_LINE_MAX];
	size_t have = 0, at = 0, used;
	enum http_step step;

	memset(&found, 0xee, sizeof(found));
	o->text = text_on(o->words, sizeof(o->words));
	o->used = 0;
	for (;;) {
		/* Of its own size, so that ASan sees a byte too many. */
		char *piece = xmemdup0(in, have);

		step = http_connect_parse(&p, (struct str){ piece, have },
		    &found, &used);
		assert_true(used <= have);
		if (say(o, step, &p, &found)) {
			free(piece);
			break;
		}
		free(piece);
		have -= used;
		memmove(in, in + used, have);
		o->used += used;
		if (step != HTTP_MORE)
			continue;
		if (at == all.len) {
			text_str(&o->text, STR("more"));
			return;
		}
		used = next(at, arg);
		used = (used > all.len ? all.len : used) - at;
		if (used > sizeof(in) - have)
			used = sizeof(in) - have;
		assert_true(used > 0);	/* a full buffer is never "more" */
		memcpy(in + have, all.ptr + at, used);
		have += used;
		at += used;
	}
	if (step == HTTP_DONE)
		o->used += used;
}

static size_t
at_once(size_t at, size_t arg)
{
	(void)at, (void)arg;
	return SIZE_MAX;
}

static size_t
each(size_t at, size_t arg)
{
	return at + arg;
}

static size_t
split_at(size_t at, size_t arg)
{
	return at < arg ? arg : SIZE_MAX;
}

static size_t
at_random(size_t at, size_t arg)
{
	(void)arg;
	return at + 1 + (size_t)(random() % 97);
}

static void
expect(struct str all, const char *words, size_t used, split_fn *next,
    size_t arg)
{
	struct outcome o;

	run(&o, all, next, arg);
	assert_string_equal(o.words, words);
	if (used > 0)
		assert_int_equal(o.used, used);
}

static void
expect_always(struct str all, const char *words, size_t used)
{
	size_t step = all.len > 2048 ? 61 : 1;

	expect(all, words, used, at_once, 0);
	expect(all, words, used, each, 1);
	for (size_t n = 1; n < all.len; n += step)
		expect(all, words, used, split_at, n);
	for (size_t n = 0; n < 50; n++)
		expect(all, words, used, at_random, 0);
}

/* ---- the table ---- */

struct head_case {
	const char *name;
	struct str head;
	const char *words;
};

#define HEAD(s) { (s), sizeof(s) - 1 }
#define WITH(fields) HEAD("CONNECT a.b:443 HTTP/1.1\r\n" fields "\r\n")
#define TO(target) HEAD("CONNECT " target " HTTP/1.1\r\n\r\n")
#define DONE "a.b:443, done"
#define BAD_AT "a.b:443, 400 invalid_request"
#define BAD "400 invalid_request"
#define BAD_NAME "400 invalid_name of "
#define AUTH "Proxy-Authorization: "

static const struct head_case heads[] = {
	{ "name and port", TO("EXAMPLE.com.:443"), "example.com:443, done" },
	{ "IPv4", TO("127.0.0.1:80"), "127.0.0.1:80, done" },
	{ "IPv6", TO("[2001:DB8::1]:443"), "[2001:db8::1]:443, done" },
	{ "case 33: mapped", TO("[::ffff:1.2.3.4]:443"), "1.2.3.4:443, done" },
	{ "HTTP/1.0", HEAD("CONNECT a.b:443 HTTP/1.0\r\n\r\n"),
	    "a.b:443, done, close" },
	{ "HTTP/1.2", HEAD("CONNECT a.b:443 HTTP/1.2\r\n\r\n"), DONE },
	{ "an empty line before", HEAD("\r\n\r\nCONNECT a.b:443 HTTP/1.1\r\n"
	    "\r\n"), DONE },
	{ "port 65535", TO("a:65535"), "a:65535, done" },

	{ "no port", TO("a.b"), BAD },
	{ "empty port", TO("a.b:"), BAD },
	{ "no port behind brackets", TO("[::1]"), BAD },
	{ "port 0", TO("a.b:0"), BAD },
	{ "port 65536", TO("a.b:65536"), BAD },
	{ "port with a sign", TO("a.b:+80"), BAD },
	{ "port of letters", TO("a.b:https"), BAD },
	{ "empty host", TO(":443"), BAD },
	{ "empty target", HEAD("CONNECT  HTTP/1.1\r\n\r\n"), BAD },
	{ "IPv6 without brackets", TO("::1:443"), BAD_NAME "::1" },
	{ "IPv4 in brackets", TO("[1.2.3.4]:443"), BAD_NAME "[1.2.3.4]" },
	{ "name in brackets", TO("[a.b]:443"), BAD_NAME "[a.b]" },
	{ "empty brackets", TO("[]:443"), BAD_NAME "[]" },
	{ "half a bracket", TO("[::1:443"), BAD_NAME "[::1" },
	{ "zone", TO("[fe80::1%25eth0]:443"), BAD_NAME "[fe80::1%25eth0]" },
	{ "case 28: a number", TO("2130706433:80"), BAD_NAME "2130706433" },
	{ "case 28: short", TO("127.1:80"), BAD_NAME "127.1" },
	{ "case 29: two dots", TO("a..:80"), BAD_NAME "a.." },
	{ "case 30: UTF-8", TO("\xc3\xbc.b:443"), BAD_NAME "\xc3\xbc.b" },
	{ "user before the host", TO("bob@a.b:443"), BAD_NAME "bob@a.b" },
	{ "a whole URI", TO("http://a.b:443"), BAD_NAME "http://a.b" },
	{ "and with a path", TO("https://a.b/"), BAD },

	{ "GET", HEAD("GET / HTTP/1.1\r\n\r\n"), "405 command_unknown" },
	{ "a method that is none of ours", HEAD("CONNECTED a:1 HTTP/1.1\r\n"),
	    "405 command_unknown" },
	{ "lower case", HEAD("connect a.b:443 HTTP/1.1\r\n\r\n"),
	    "405 command_unknown" },
	{ "HTTP/2's preface", HEAD("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	    "505 invalid_request" },
	{ "HTTP/0.9", HEAD("GET /\r\n"), BAD },
	{ "HTTP/9.9", HEAD("CONNECT a.b:443 HTTP/9.9\r\n\r\n"),
	    "505 invalid_request" },
	{ "no version", HEAD("CONNECT a.b:443\r\n\r\n"), BAD },
	{ "version in lower case", HEAD("CONNECT a.b:443 http/1.1\r\n\r\n"),
	    BAD },
	{ "a longer version", HEAD("CONNECT a.b:443 HTTP/1.10\r\n\r\n"), BAD },
	{ "two spaces", HEAD("CONNECT a.b:443  HTTP/1.1\r\n\r\n"), BAD },
	{ "space at the end", HEAD("CONNECT a.b:443 HTTP/1.1 \r\n\r\n"), BAD },
	{ "a blank line", HEAD(" \r\n\r\n"), BAD },
	{ "no token", HEAD("CON(NECT a.b:443 HTTP/1.1\r\n\r\n"), BAD },
	{ "another protocol", HEAD("EHLO client.example\r\n"), BAD },

	{ "fields of no interest", WITH("User-Agent: x\r\nX-Y:\r\n"), DONE },
	{ "Host", WITH("Host: other:1\r\n"), DONE },
	{ "two Host", WITH("Host: a.b:443\r\nhost: a.b:443\r\n"), BAD_AT },
	{ "Connection: close", WITH("Connection: keep-alive , Close\r\n"),
	    DONE ", close" },
	{ "Connection: keep-alive", WITH("Connection: keep-alive,closed\r\n"),
	    DONE },
	{ "Proxy-Connection", WITH("Proxy-Connection: close\r\n"),
	    DONE ", close" },
	{ "no content", WITH("Content-Length: 0\r\n"), DONE },
	{ "content", WITH("Content-Length: 5\r\n"), BAD_AT },
	{ "content of odd length", WITH("Content-Length: 0, 0\r\n"), BAD_AT },
	{ "content of no length", WITH("Content-Length:\r\n"), BAD_AT },
	{ "chunks", WITH("Transfer-Encoding: chunked\r\n"), BAD_AT },
	{ "chunks, folded before the colon",
	    WITH("Transfer-Encoding : chunked\r\n"), BAD_AT },
	{ "folded line", WITH("X: a\r\n b\r\n"), BAD_AT },
	{ "folded by a tabulator", WITH("X: a\r\n\tb\r\n"), BAD_AT },
	{ "folded first line", WITH(" X: a\r\n"), BAD_AT },
	{ "no colon", WITH("X\r\n"), BAD_AT },
	{ "no name", WITH(": x\r\n"), BAD_AT },
	{ "NUL in a name", WITH("X\0: a\r\n"), BAD_AT },
	{ "NUL in a value", WITH("X: a\0b\r\n"), BAD_AT },
	{ "ESC in a value", WITH("X: \033[0m\r\n"), BAD_AT },
	{ "bytes above 7f in a value", WITH("X: \xff\t\x80\r\n"), DONE },
	{ "bare CR in a value", WITH("X: a\rb\r\n"), BAD_AT },
	{ "CR twice", WITH("X: a\r\r\n"), BAD_AT },
	{ "bare LF", WITH("X: a\nY: b\r\n"), BAD_AT },
	{ "bare LF at once", HEAD("CONNECT a.b:443 HTTP/1.1\n\n"), BAD },
	{ "bare LF at the end", HEAD("CONNECT a.b:443 HTTP/1.1\r\n\n"),
	    BAD_AT },
	{ "bare CR in the target", HEAD("CONNECT a.b\r:443 HTTP/1.1\r\n\r\n"),
	    BAD },
	{ "NUL in the target", HEAD("CONNECT a\0.b:443 HTTP/1.1\r\n\r\n"),
	    BAD },

	{ "login", WITH(AUTH "Basic Ym9iOnB3\r\n"), "a.b:443, bob:pw, done" },
	{ "scheme in other letters", WITH("proxy-authorization:bASIC   "
	    "Ym9iOnB3 \t\r\n"), "a.b:443, bob:pw, done" },
	{ "colons in the password", WITH(AUTH "Basic Ym9iOjphOmI=\r\n"),
	    "a.b:443, bob::a:b, done" },
	{ "bytes above 7f", WITH(AUTH "Basic /4A6/g==\r\n"),
	    "a.b:443, \xff\x80:\xfe, done" },
	{ "two logins", WITH(AUTH "Basic Ym9iOnB3\r\n" AUTH
	    "Basic Ym9iOnB3\r\n"), "a.b:443, bob:pw, 400 invalid_request" },
	{ "two bad logins", WITH(AUTH "x\r\n" AUTH "x\r\n"), BAD_AT },
	{ "another scheme", WITH(AUTH "Negotiate YII=\r\n"),
	    "a.b:443, bad login, done" },
	{ "no login in it", WITH(AUTH "\r\n"), "a.b:443, bad login, done" },
	{ "scheme alone", WITH(AUTH "Basic\r\n"),
	    "a.b:443, bad login, done" },
	{ "scheme and space", WITH(AUTH "Basic \r\n"),
	    "a.b:443, bad login, done" },
	{ "no colon in it", WITH(AUTH "Basic Ym9i\r\n"),
	    "a.b:443, bad login, done" },
	{ "case 16: empty user", WITH(AUTH "Basic OnB3\r\n"),
	    "a.b:443, bad login, done" },
	{ "case 17: empty password", WITH(AUTH "Basic Ym9iOg==\r\n"),
	    "a.b:443, bad login, done" },
	{ "case 18: NUL in the user", WITH(AUTH "Basic Ym8AYjpwdw==\r\n"),
	    "a.b:443, bad login, done" },
	{ "case 18: newline in the user", WITH(AUTH "Basic Ym9iCjpwdw==\r\n"),
	    "a.b:443, bad login, done" },
	{ "case 18: NUL in the password", WITH(AUTH "Basic Ym9iOnAA\r\n"),
	    "a.b:443, bad login, done" },
	{ "padding left out", WITH(AUTH "Basic Ym9iOjphOmI\r\n"),
	    "a.b:443, bad login, done" },
	{ "padding within", WITH(AUTH "Basic Ym9iOg==Ym9i\r\n"),
	    "a.b:443, bad login, done" },
	{ "bits behind the end", WITH(AUTH "Basic Ym9iOjphOmJ=\r\n"),
	    "a.b:443, bad login, done" },
	{ "padding only", WITH(AUTH "Basic ====\r\n"),
	    "a.b:443, bad login, done" },
	{ "outside the alphabet", WITH(AUTH "Basic Ym9iOnB-\r\n"),
	    "a.b:443, bad login, done" },
	{ "a word more", WITH(AUTH "Basic Ym9iOnB3 x\r\n"),
	    "a.b:443, bad login, done" },

	{ "empty", HEAD(""), "more" },
	{ "cut in the line", HEAD("CONNECT a.b:443 HT"), "more" },
	{ "cut before the LF", HEAD("CONNECT a.b:443 HTTP/1.1\r"), "more" },
	{ "cut before the end", HEAD("CONNECT a.b:443 HTTP/1.1\r\n"),
	    "a.b:443, more" },
};

static bool
ends_done(const char *words)
{
	return strstr(words, "done") != NULL;
}

static void
test_heads(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		const struct head_case *c = &heads[i];
		size_t used = ends_done(c->words) ? c->head.len : 0;
		char *more = xmalloc(c->head.len + 4);

		print_message("%s\n", c->name);
		expect_always(c->head, c->words, used);
		/* case 3: what follows is not looked at. */
		memcpy(more, c->head.ptr, c->head.len);
		memcpy(more + c->head.len, "\n\0\r\n", 4);
		if (used > 0)
			expect_always((struct str){ more, used + 4 }, c->words,
			    used);
		free(more);
	}
}

/* ---- lengths ---- */

struct long_case {
	const char *name;
	const char *before;
	char fill;
	size_t total;		/* of all three */
	const char *after;
	const char *words;
};

#define LINE "CONNECT a.b:443 HTTP/1.1\r\n"
#define LINE_LEN (sizeof(LINE) - 1)

static const struct long_case longs[] = {
	{ "a line of 1024", LINE "X: ", 'x', LINE_LEN + 1024 + 2, "\r\n\r\n",
	    DONE },
	{ "a line of 1025", LINE "X: ", 'x', LINE_LEN + 1025 + 2, "\r\n\r\n",
	    DONE },
	{ "a line of 1026", LINE "X: ", 'x', LINE_LEN + 1026 + 2, "\r\n\r\n",
	    DONE },
	{ "a long line, then others", LINE "Cookie: ", 'x', 5000,
	    "\r\n" AUTH "Basic Ym9iOnB3\r\n\r\n", "a.b:443, bob:pw, done" },
	{ "a head of 8192", LINE "Cookie: ", 'x', HTTP_HEAD_MAX, "\r\n\r\n",
	    DONE },
	{ "a head of 8193", LINE "Cookie: ", 'x', HTTP_HEAD_MAX + 1,
	    "\r\n\r\n", "a.b:443, 431 invalid_request" },
	{ "too long in its last line", LINE "Cookie: ", 'x',
	    HTTP_HEAD_MAX + 40, "\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n",
	    "a.b:443, 431 invalid_request" },
	{ "a line without end", LINE "Cookie: ", 'x', 20000, "",
	    "a.b:443, 431 invalid_request" },
	{ "a long line, bare LF behind", LINE "Cookie: ", 'x', 3000,
	    "\nX: y\r\n\r\n", BAD_AT },
	{ "a long line, bare CR in it", LINE "Cookie: ", 'x', 3000,
	    "\rX: y\r\n\r\n", BAD_AT },
	{ "a long line, NUL in it", LINE "Cookie: ", '\0', 3000, "\r\n\r\n",
	    BAD_AT },
	{ "all CR", LINE "Cookie: ", '\r', 3000, "", BAD_AT },
	{ "a long name", LINE "X", 'x', 3000, ": y\r\n\r\n", BAD_AT },
	{ "a long folded line", LINE "X: y\r\n", ' ', 3000, "\r\n\r\n",
	    BAD_AT },
	{ "a long login", LINE AUTH "Basic ", 'A', 3000, "\r\n\r\n",
	    "a.b:443, bad login, done" },
	{ "a long Host", LINE "Host: ", 'a', 3000, "\r\n\r\n", BAD_AT },
	{ "a long Content-Length", LINE "Content-Length: ", '0', 3000,
	    "\r\n\r\n", BAD_AT },
	{ "a long Connection", LINE "Connection: ", ',', 3000, "\r\n\r\n",
	    DONE ", close" },
	{ "a long target", "CONNECT ", 'a', 3000, ":443 HTTP/1.1\r\n\r\n",
	    "431 invalid_request" },
	{ "a long path", "GET /", 'a', 3000, " HTTP/1.1\r\n\r\n",
	    "405 command_unknown" },
	{ "a long method", "", 'A', 3000, " / HTTP/1.1\r\n\r\n",
	    "405 command_unknown" },
	{ "a long nothing", "", ' ', 3000, "\r\n\r\n", BAD },
};

static struct str
long_head(const struct long_case *c)
{
	size_t before = strlen(c->before), after = strlen(c->after);
	size_t fill = c->total - before - after;
	char *all = xmalloc(c->total);

	memcpy(all, c->before, before);
	memset(all + before, c->fill, fill);
	memcpy(all + before + fill, c->after, after);
	return (struct str){ all, c->total };
}

static void
test_lengths(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(longs); i++) {
		struct str head = long_head(&longs[i]);

		print_message("%s\n", longs[i].name);
		expect_always(head, longs[i].words,
		    ends_done(longs[i].words) ? head.len : 0);
		free((void *)head.ptr);
	}
}

/* Empty lines before the request count as well. */
static void
test_empty_lines_count(void **state)
{
	char in[HTTP_HEAD_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = i % 2 == 0 ? '\r' : '\n';
	expect_always((struct str){ in, HTTP_HEAD_MAX - 2 }, "more", 0);
	expect_always((struct str){ in, HTTP_HEAD_MAX }, "431 invalid_request",
	    0);
}

/* ---- logins of every length ---- */

static void
base64(struct text *t, const char *p, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		uint32_t b = (uint32_t)(uint8_t)p[i] << 16;

		if (i + 1 < len)
			b |= (uint32_t)(uint8_t)p[i + 1] << 8;
		if (i + 2 < len)
			b |= (uint8_t)p[i + 2];
		text_fmt(t, "%c%c%c%c", digits[b >> 18], digits[b >> 12 & 63],
		    i + 1 < len ? digits[b >> 6 & 63] : '=',
		    i + 2 < len ? digits[b & 63] : '=');
	}
}

static void
check_login(size_t user, size_t password)
{
	char plain[1024], value[2048];
	struct text t = text_on(value, sizeof(value));
	struct http_basic out;
	bool good = user >= 1 && user <= 255 && password >= 1 &&
	    password <= 255;

	memset(plain, 'u', user);
	plain[user] = ':';
	memset(plain + user + 1, ':', password);
	text_str(&t, STR("Basic "));
	base64(&t, plain, user + 1 + password);
	assert_int_equal(http_basic_parse(&out, (struct str){ t.ptr, t.len }),
	    good);
	if (!good)
		return;
	assert_int_equal(out.user.len, user);
	assert_int_equal(out.password.len, password);
	assert_memory_equal(out.user.ptr, plain, user + 1 + password);
}

static void
test_login_lengths(void **state)
{
	static const size_t lengths[] = { 0, 1, 2, 3, 4, 254, 255, 256, 257 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
		for (size_t k = 0; k < ARRAY_LEN(lengths); k++)
			check_login(lengths[i], lengths[k]);
}

/* The longest login fits a line that counts. */
static void
test_longest_login_in_a_head(void **state)
{
	char plain[511], all[2048];
	struct text t = text_on(all, sizeof(all));
	struct outcome o;

	(void)state;
	memset(plain, 'a', sizeof(plain));
	plain[255] = ':';
	text_str(&t, STR(LINE AUTH "Basic "));
	base64(&t, plain, sizeof(plain));
	text_str(&t, STR("\r\n\r\n"));
	run(&o, (struct str){ t.ptr, t.len }, each, 7);
	assert_int_equal(strlen(o.words), strlen("a.b:443, , done") + 511);
}

/* ---- answers ---- */

struct answer_case {
	struct http_answer answer;
	const char *bytes;
};

static const struct answer_case answers[] = {
	{ { 200, NULL, NULL, true },
	    "HTTP/1.1 200 Connection established\r\n\r\n" },
	{ { 407, NULL, NULL, true },
	    "HTTP/1.1 407 Proxy Authentication Required\r\n"
	    "Proxy-Authenticate: Basic realm=\"sallyport\"\r\n"
	    "Content-Length: 0\r\n\r\n" },
	{ { 407, "http_request_denied", "auth_failed", false },
	    "HTTP/1.1 407 Proxy Authentication Required\r\n"
	    "Proxy-Authenticate: Basic realm=\"sallyport\"\r\n"
	    "Proxy-Status: sallyport; error=http_request_denied; "
	    "details=\"auth_failed\"\r\n"
	    "Content-Length: 0\r\nConnection: close\r\n\r\n" },
	{ { 405, NULL, NULL, false },
	    "HTTP/1.1 405 Method Not Allowed\r\nAllow: CONNECT\r\n"
	    "Content-Length: 0\r\nConnection: close\r\n\r\n" },
	{ { 502, "connection_refused", "a \"b\\\r\n\xff", false },
	    "HTTP/1.1 502 Bad Gateway\r\n"
	    "Proxy-Status: sallyport; error=connection_refused; "
	    "details=\"a \\\"b\\\\???\"\r\n"
	    "Content-Length: 0\r\nConnection: close\r\n\r\n" },
	{ { 504, "connection_timeout", NULL, false },
	    "HTTP/1.1 504 Gateway Timeout\r\n"
	    "Proxy-Status: sallyport; error=connection_timeout\r\n"
	    "Content-Length: 0\r\nConnection: close\r\n\r\n" },
};

static void
test_answers(void **state)
{
	static const uint16_t statuses[] = { 400, 403, 431, 503, 505 };
	char out[HTTP_ANSWER_MAX + 1];
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		n = http_connect_answer(out, &answers[i].answer);
		assert_int_equal(n, strlen(out));
		assert_string_equal(out, answers[i].bytes);
	}
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		struct http_answer a = { .status = statuses[i] };

		http_connect_answer(out, &a);
		assert_null(strstr(out, "Error\r\n"));
		assert_int_equal(atoi(out + strlen("HTTP/1.1 ")), a.status);
	}
}

/* The longest that is promised to fit. */
static void
test_longest_answer(void **state)
{
	char details[201], out[HTTP_ANSWER_MAX];
	struct http_answer a = { 407, "destination_ip_unroutable", details,
		false };

	(void)state;
	memset(details, 'd', 200);
	details[200] = '\0';
	assert_true(http_connect_answer(out, &a) < HTTP_ANSWER_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_empty_lines_count),
		cmocka_unit_test(test_login_lengths),
		cmocka_unit_test(test_longest_login_in_a_head),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_longest_answer),
	};

	srandom(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
