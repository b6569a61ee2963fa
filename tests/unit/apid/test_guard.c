/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "apid/guard.h"

static char *our_hosts[] = { "api.example.com", "Other.Example" };
static const struct string_list hosts = { our_hosts, 2 };

#define H(n, v) { { n, sizeof(n) - 1 }, { v, sizeof(v) - 1 } }
#define HOST H("Host", "localhost")

struct guard_case {
	const char *name;
	const char *path, *query;
	struct header headers[4];
	size_t n;
	enum problem want;
};

static const struct guard_case cases[] = {
	{ "plain", "/x", "", { HOST }, 1, PROBLEM_NONE },
	{ "query", "/x", "a=%41%20b+c", { HOST }, 1, PROBLEM_NONE },
	{ "port", "/", "", { H("host", "LOCALHOST:8080") }, 1, PROBLEM_NONE },
	{ "address", "/", "", { H("Host", "10.1.2.3:80") }, 1, PROBLEM_NONE },
	{ "IPv6", "/", "", { H("Host", "[::1]:80") }, 1, PROBLEM_NONE },
	{ "IPv6 alone", "/", "", { H("Host", "[2001:db8::1]") }, 1,
		PROBLEM_NONE },
	{ "our name", "/", "", { H("Host", "API.example.com.") }, 1,
		PROBLEM_NONE },
	{ "other name", "/", "", { H("Host", "other.example:443") }, 1,
		PROBLEM_NONE },
	{ "empty body", "/", "", { HOST, H("Content-Length", "0") }, 2,
		PROBLEM_NONE },
	/* targets */
	{ "no slash", "x", "", { HOST }, 1, PROBLEM_MALFORMED },
	{ "empty", "", "", { HOST }, 1, PROBLEM_MALFORMED },
	{ "absolute", "http://localhost/", "", { HOST }, 1,
		PROBLEM_MALFORMED },
	{ "encoded CR", "/x%0d", "", { HOST }, 1, PROBLEM_MALFORMED },
	{ "encoded LF", "/", "a=%0A", { HOST }, 1, PROBLEM_MALFORMED },
	{ "encoded NUL", "/%00", "", { HOST }, 1, PROBLEM_MALFORMED },
	{ "raw CR", "/x\r", "", { HOST }, 1, PROBLEM_MALFORMED },
	{ "raw LF", "/", "x\n", { HOST }, 1, PROBLEM_MALFORMED },
	{ "space", "/a b", "", { HOST }, 1, PROBLEM_MALFORMED },
	{ "DEL", "/\x7f", "", { HOST }, 1, PROBLEM_MALFORMED },
	{ "not ASCII", "/\xc3\xa9", "", { HOST }, 1, PROBLEM_MALFORMED },
	{ "cut escape", "/%4", "", { HOST }, 1, PROBLEM_MALFORMED },
	{ "bad escape", "/", "%zz", { HOST }, 1, PROBLEM_MALFORMED },
	/* lengths */
	{ "both", "/", "", { HOST, H("Content-Length", "0"),
		H("Transfer-Encoding", "chunked") }, 3, PROBLEM_MALFORMED },
	{ "two lengths", "/", "", { HOST, H("Content-Length", "0"),
		H("content-length", "0") }, 3, PROBLEM_MALFORMED },
	{ "two codings", "/", "", { HOST, H("Transfer-Encoding", "chunked"),
		H("TRANSFER-ENCODING", "identity") }, 3, PROBLEM_MALFORMED },
	{ "no number", "/", "", { HOST, H("Content-Length", "1x") }, 2,
		PROBLEM_MALFORMED },
	{ "signed", "/", "", { HOST, H("Content-Length", "+0") }, 2,
		PROBLEM_MALFORMED },
	{ "empty length", "/", "", { HOST, H("Content-Length", "") }, 2,
		PROBLEM_MALFORMED },
	{ "list", "/", "", { HOST, H("Content-Length", "0, 0") }, 2,
		PROBLEM_MALFORMED },
	{ "body", "/", "", { HOST, H("Content-Length", "1") }, 2,
		PROBLEM_BODY },
	{ "chunked", "/", "", { HOST, H("Transfer-Encoding", "chunked") }, 2,
		PROBLEM_BODY },
	/* hosts */
	{ "no host", "/", "", { H("X", "y") }, 1, PROBLEM_MALFORMED },
	{ "two hosts", "/", "", { HOST, HOST }, 2, PROBLEM_MALFORMED },
	{ "empty host", "/", "", { H("Host", "") }, 1, PROBLEM_MALFORMED },
	{ "port only", "/", "", { H("Host", ":80") }, 1, PROBLEM_MALFORMED },
	{ "bad port", "/", "", { H("Host", "localhost:x") }, 1,
		PROBLEM_MALFORMED },
	{ "big port", "/", "", { H("Host", "localhost:65536") }, 1,
		PROBLEM_MALFORMED },
	{ "user", "/", "", { H("Host", "a@localhost") }, 1,
		PROBLEM_MALFORMED },
	{ "bare IPv6", "/", "", { H("Host", "::1") }, 1, PROBLEM_MALFORMED },
	{ "open bracket", "/", "", { H("Host", "[::1") }, 1,
		PROBLEM_MALFORMED },
	{ "after bracket", "/", "", { H("Host", "[::1]x") }, 1,
		PROBLEM_MALFORMED },
	{ "bracketed name", "/", "", { H("Host", "[localhost]") }, 1,
		PROBLEM_MALFORMED },
	{ "bracketed v4", "/", "", { H("Host", "[10.0.0.1]") }, 1,
		PROBLEM_MALFORMED },
	{ "stranger", "/", "", { H("Host", "evil.example") }, 1,
		PROBLEM_HOST },
	{ "suffix", "/", "", { H("Host", "localhost.evil.example") }, 1,
		PROBLEM_HOST },
	{ "inside", "/", "", { H("Host", "xapi.example.com") }, 1,
		PROBLEM_HOST },
};

static struct request
request_of(const struct guard_case *c)
{
	return (struct request){ .method = STR("GET"),
		.path = str_from(c->path), .query = str_from(c->query),
		.headers = c->headers, .n_headers = c->n };
}

static void
each_case_is_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct request rq = request_of(&cases[i]);
		const char *detail = NULL;
		enum problem p = guard_check(&rq, &hosts, &detail);

		if (p != cases[i].want)
			fail_msg("%s: %d instead of %d", cases[i].name, p,
			    cases[i].want);
		if (p != PROBLEM_NONE)
			assert_non_null(detail);
	}
}

static void
nul_in_the_target_is_refused(void **state)
{
	struct request rq = request_of(&cases[0]);
	const char *detail;

	(void)state;
	rq.path = (struct str){ "/a\0b", 4 };
	assert_int_equal(guard_check(&rq, &hosts, &detail),
	    PROBLEM_MALFORMED);
}

static void
long_targets_are_refused(void **state)
{
	static char path[GUARD_TARGET_MAX + 2];
	struct request rq = request_of(&cases[0]);
	const char *detail;

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	rq.path = (struct str){ path, GUARD_TARGET_MAX };
	assert_int_equal(guard_check(&rq, &hosts, &detail), PROBLEM_NONE);
	rq.query = STR("x");
	assert_int_equal(guard_check(&rq, &hosts, &detail),
	    PROBLEM_TARGET_LENGTH);
}

static void
hidden_headers_are_refused(void **state)
{
	struct request rq = request_of(&cases[0]);
	const char *detail;

	(void)state;
	rq.headers_cut = true;
	assert_int_equal(guard_check(&rq, &hosts, &detail),
	    PROBLEM_HEAD_LENGTH);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_case_is_judged),
		cmocka_unit_test(nul_in_the_target_is_refused),
		cmocka_unit_test(long_targets_are_refused),
		cmocka_unit_test(hidden_headers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
