/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "service/http_head.h"

#define S(literal) { (literal), sizeof(literal) - 1 }

static const struct {
	struct str in;
	enum parse result;
	const char *method, *path;
} cases[] = {
	{ S("GET / HTTP/1.1\r\n\r\n"), PARSE_DONE, "GET", "/" },
	{ S("HEAD /readyz HTTP/1.0\r\nHost: x\r\n\r\nrest"), PARSE_DONE,
	    "HEAD", "/readyz" },
	{ S("GET /metrics?a=/b?c HTTP/1.1\r\n\r\n"), PARSE_DONE, "GET",
	    "/metrics" },
	{ S("DELETE /x HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n"), PARSE_DONE,
	    "DELETE", "/x" },

	{ S(""), PARSE_MORE, NULL, NULL },
	{ S("GET"), PARSE_MORE, NULL, NULL },
	{ S("GET / HTTP/1.1\r"), PARSE_MORE, NULL, NULL },
	{ S("GET / HTTP/1.1\r\n"), PARSE_MORE, NULL, NULL },
	{ S("GET / HTTP/1.1\r\n\r"), PARSE_MORE, NULL, NULL },
	{ S("GET / HTTP/1.1\r\nHost: x\r\n"), PARSE_MORE, NULL, NULL },
	{ S("GET / HTTP/1.1\r\nHost: x\n\n"), PARSE_MORE, NULL, NULL },

	{ S("\x05\x01\x00"), PARSE_BAD, NULL, NULL },
	{ S("\x16\x03\x01"), PARSE_BAD, NULL, NULL },
	{ S("\r\n"), PARSE_BAD, NULL, NULL },
	{ S(" GET / HTTP/1.1\r\n\r\n"), PARSE_BAD, NULL, NULL },
	{ S("get / HTTP/1.1\r\n\r\n"), PARSE_BAD, NULL, NULL },
	{ S("GET / HTTP/1.1\n\n"), PARSE_BAD, NULL, NULL },
	{ S("GET\r\n\r\n"), PARSE_BAD, NULL, NULL },
	{ S("GET /\r\n\r\n"), PARSE_BAD, NULL, NULL },
	{ S("GET  / HTTP/1.1\r\n\r\n"), PARSE_BAD, NULL, NULL },
	{ S("GET / HTTP/1.2\r\n\r\n"), PARSE_BAD, NULL, NULL },
	{ S("GET / HTTP/2.0\r\n\r\n"), PARSE_BAD, NULL, NULL },
	{ S("GET / HTTP/1.1 \r\n\r\n"), PARSE_BAD, NULL, NULL },
	{ S("GET / x HTTP/1.1\r\n\r\n"), PARSE_BAD, NULL, NULL },
	{ S("GET http://x/ HTTP/1.1\r\n\r\n"), PARSE_BAD, NULL, NULL },
	{ S("GET /\0 HTTP/1.1\r\n\r\n"), PARSE_BAD, NULL, NULL },
	{ S("GET /\t HTTP/1.1\r\n\r\n"), PARSE_BAD, NULL, NULL },
	{ S("ABCDEFGHIJKLMNOPQ"), PARSE_BAD, NULL, NULL },
};

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_head h;
		/* Of exactly this size, so that ASan sees a look beyond. */
		char *p = malloc(cases[i].in.len + (cases[i].in.len == 0));
		enum parse got;

		assert_non_null(p);
		memcpy(p, cases[i].in.ptr, cases[i].in.len);
		got = http_head_parse(&h, (struct str){ p, cases[i].in.len });
		if (got != cases[i].result)
			print_message("case %zu: %s\n", i, cases[i].in.ptr);
		assert_int_equal(got, cases[i].result);
		if (got == PARSE_DONE) {
			assert_true(str_eq(h.method,
			    str_from(cases[i].method)));
			assert_true(str_eq(h.path, str_from(cases[i].path)));
		}
		free(p);
	}
}

/* Byte by byte a good request is never refused and is done at its end only. */
static void
test_every_prefix_waits(void **state)
{
	struct str whole = STR("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
	struct http_head h;

	(void)state;
	for (size_t n = 0; n < whole.len; n++)
		assert_int_equal(http_head_parse(&h,
		    (struct str){ whole.ptr, n }), PARSE_MORE);
	assert_int_equal(http_head_parse(&h, whole), PARSE_DONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_every_prefix_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
