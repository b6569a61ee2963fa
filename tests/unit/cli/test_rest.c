/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "capture.h"
#include "http_peer.h"
#include "rest.h"

#define TOKEN "secret-token-1"
#define HEAD_OK "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"

/* One request; what went to stderr is in `said`. */
static enum cli_exit
get(const char *server, const char *token_file, json_t **out,
    struct capture *said)
{
	struct cli c = { 0 };
	enum cli_exit code;

	c.args.given[c.args.n_given].name = "server";
	c.args.given[c.args.n_given++].value = server;
	if (token_file != NULL) {
		c.args.given[c.args.n_given].name = "token-file";
		c.args.given[c.args.n_given++].value = token_file;
	}
	*out = NULL;
	capture_begin(said, stderr);
	code = rest_get(&c, "/api/x?y=1", out);
	capture_end(said);
	return code;
}

static int
set_token(void **state)
{
	(void)state;
	return setenv("SALLYPORT_TOKEN", TOKEN, 1);
}

static void
test_query(void **state)
{
	static const struct {
		const char *value, *path;
	} cases[] = {
		{ "bob", "/p?a=bob" },
		{ "", "/p?a=" },
		{ "A-z_0.~", "/p?a=A-z_0.~" },
		{ "a b&c=d?e/f#g", "/p?a=a%20b%26c%3Dd%3Fe%2Ff%23g" },
		{ "100%+", "/p?a=100%25%2B" },
		{ "\xc3\xa4\r\n", "/p?a=%C3%A4%0D%0A" },
	};
	char array[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct text t = text_on(array, sizeof(array));

		text_fmt(&t, "/p");
		rest_query(&t, "a", cases[i].value);
		assert_string_equal(array, cases[i].path);
		rest_query(&t, "b", "2");
		assert_string_equal(array + strlen(cases[i].path), "&b=2");
	}
}

static void
test_answers(void **state)
{
	static const struct {
		const char *answer;
		enum http_peer_end end;
		enum cli_exit code;
		const char *says;	/* a part of it */
	} cases[] = {
		{ HEAD_OK "{\"a\":1}", HTTP_PEER_CLOSE, CLI_OK, "" },
		{ "HTTP/1.0 200 OK\r\n\r\n[]", HTTP_PEER_CLOSE, CLI_OK, "" },
		{ "HTTP/1.1 401 Unauthorized\r\n\r\n{\"title\":\"No token\"}",
		    HTTP_PEER_CLOSE, CLI_DENIED, "401 No token\n" },
		{ "HTTP/1.1 403 Forbidden\r\n\r\n{\"title\":\"No\"}",
		    HTTP_PEER_CLOSE, CLI_DENIED, "403 No\n" },
		{ "HTTP/1.1 404 Not Found\r\n"
		  "Content-Type: application/problem+json\r\n\r\n"
		  "{\"title\":\"Not found\",\"detail\":\"no such session\"}",
		    HTTP_PEER_CLOSE, CLI_NOT_FOUND,
		    "404 Not found: no such session\n" },
		{ "HTTP/1.1 409 Conflict\r\n\r\n{}", HTTP_PEER_CLOSE,
		    CLI_CONFLICT, "409 no reason given" },
		{ "HTTP/1.1 503 No\r\n\r\n{\"title\":7}", HTTP_PEER_CLOSE,
		    CLI_ERROR, "503 no reason given" },
		/* Nobody's text reaches the terminal as it is. */
		{ "HTTP/1.1 500 No\r\n\r\n{\"title\":\"\\u001b[2J\"}",
		    HTTP_PEER_CLOSE, CLI_ERROR, "500 \\x1b[2J\n" },
		{ "", HTTP_PEER_CLOSE, CLI_ERROR, "no answer that apid" },
		{ "HTTP/1.1 200", HTTP_PEER_CLOSE, CLI_ERROR, "no answer" },
		{ "HTTP/1.1 200 OK\r\nA: b\r\n", HTTP_PEER_CLOSE, CLI_ERROR,
		    "no answer" },
		{ "HTTP/1.1 2x0 OK\r\n\r\n{}", HTTP_PEER_CLOSE, CLI_ERROR,
		    "no answer" },
		{ "SSH-2.0-OpenSSH_9.2\r\n\r\n{}", HTTP_PEER_CLOSE, CLI_ERROR,
		    "no answer" },
		{ HEAD_OK "{\"items\":[1,", HTTP_PEER_CLOSE, CLI_ERROR,
		    "no answer" },
		{ HEAD_OK "{\"a\":1,\"a\":2}", HTTP_PEER_CLOSE, CLI_ERROR,
		    "no answer" },
		{ HEAD_OK "<html>", HTTP_PEER_CLOSE, CLI_ERROR, "no answer" },
		{ "HTTP/1.1 502 Bad\r\n\r\n<html>", HTTP_PEER_CLOSE, CLI_ERROR,
		    "no answer" },
		{ HEAD_OK "{", HTTP_PEER_RESET, CLI_UNREACHABLE, "reset" },
		{ HEAD_OK "[1,2, ", HTTP_PEER_ENDLESS, CLI_UNREACHABLE,
		    "too long" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_peer p;
		struct capture said;
		json_t *out;
		enum cli_exit code;

		http_peer_start(&p, cases[i].answer, cases[i].end);
		code = get(p.server, NULL, &out, &said);
		http_peer_stop(&p);
		assert_non_null(strstr(said.text, cases[i].says));
		assert_int_equal(code, cases[i].code);
		assert_int_equal(out != NULL, code == CLI_OK);
		assert_null(strstr(said.text, TOKEN));
		json_decref(out);
	}
}

static void
test_request(void **state)
{
	struct http_peer p;
	struct capture said;
	char *expected;
	json_t *out;

	(void)state;
	http_peer_start(&p, HEAD_OK "{}", HTTP_PEER_CLOSE);
	assert_int_equal(get(p.server, NULL, &out, &said), CLI_OK);
	http_peer_stop(&p);
	expected = xasprintf("GET /api/x?y=1 HTTP/1.0\r\nHost: %s\r\n"
	    "Authorization: Bearer " TOKEN "\r\n"
	    "Accept: application/json\r\n\r\n",
	    p.server + strlen("http://"));
	assert_string_equal(p.request, expected);
	free(expected);
	json_decref(out);
}

static void
test_places(void **state)
{
	static const char *const bad[] = { "", "http://", "127.0.0.1",
		"http://127.0.0.1", "http://127.0.0.1:", "http://:80",
		"http://127.0.0.1:0", "http://127.0.0.1:65536",
		"http://127.0.0.1:8o", "http://127.0.0.1:-1",
		"https://127.0.0.1:443", "http://::1:80", "http://[]:80",
		"http://[::1]", "ftp://127.0.0.1:21" };
	static const struct {
		const char *before, *after;	/* the port */
	} forms[] = {
		{ "http://127.0.0.1:", "" },
		{ "127.0.0.1:", "" },
		{ "http://127.0.0.1:", "/" },
		{ "http://127.0.0.1:", "/a:b" },
		{ "http://[127.0.0.1]:", "" },
		{ "localhost:", "" },
	};
	struct capture said;
	json_t *out;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(get(bad[i], NULL, &out, &said), CLI_USAGE);
		assert_non_null(strstr(said.text, "expected http://"));
	}
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		char server[64];
		struct http_peer p;

		http_peer_start(&p, HEAD_OK "{}", HTTP_PEER_CLOSE);
		snprintf(server, sizeof(server), "%s%s%s", forms[i].before,
		    strrchr(p.server, ':') + 1, forms[i].after);
		assert_int_equal(get(server, NULL, &out, &said), CLI_OK);
		http_peer_stop(&p);
		json_decref(out);
	}
}

/* A port where nobody listens any more. */
static void
test_unreachable(void **state)
{
	struct http_peer p;
	struct capture said;
	json_t *out;

	(void)state;
	http_peer_start(&p, "", HTTP_PEER_CLOSE);
	http_peer_stop(&p);
	assert_int_equal(get(p.server, NULL, &out, &said), CLI_UNREACHABLE);
	assert_non_null(strstr(said.text, "refused"));
}

static void
test_tokens(void **state)
{
	static const struct {
		const char *token, *file;	/* of the file: its content */
		enum cli_exit code;
	} cases[] = {
		{ "x", NULL, CLI_OK },
		{ NULL, "filed\n", CLI_OK },
		{ "env", "filed\r\nsecond", CLI_OK },
		{ NULL, NULL, CLI_DENIED },
		{ "with space", NULL, CLI_DENIED },
		{ "a\r\nHost: b", NULL, CLI_DENIED },
		{ "\xff", NULL, CLI_DENIED },
		{ "", NULL, CLI_DENIED },
		{ NULL, "", CLI_ERROR },
		{ NULL, "\n", CLI_DENIED },
	};
	struct capture said;
	json_t *out;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char path[] = "/tmp/sallyport-token-XXXXXX";
		struct http_peer p;
		int fd = mkstemp(path);
		enum cli_exit code;

		assert_true(fd >= 0);
		if (cases[i].file != NULL)
			assert_true(write(fd, cases[i].file,
			    strlen(cases[i].file)) >= 0);
		close(fd);
		if (cases[i].token != NULL)
			setenv("SALLYPORT_TOKEN", cases[i].token, 1);
		else
			unsetenv("SALLYPORT_TOKEN");
		http_peer_start(&p, HEAD_OK "{}", HTTP_PEER_CLOSE);
		code = get(p.server, cases[i].file != NULL ? path : NULL, &out,
		    &said);
		http_peer_stop(&p);
		unlink(path);
		assert_int_equal(code, cases[i].code);
		if (cases[i].file != NULL && code == CLI_OK)
			assert_non_null(
			    strstr(p.request, "Bearer filed\r\n"));
		json_decref(out);
	}
	assert_int_equal(get("h:1", "/nonexistent/token", &out, &said),
	    CLI_ERROR);
	/* The last resort; without it the code would be another. */
	unsetenv("SALLYPORT_TOKEN");
	setenv("SALLYPORT_TOKEN_FILE", "/nonexistent/named", 1);
	assert_int_equal(get("h:1", NULL, &out, &said), CLI_ERROR);
	assert_non_null(strstr(said.text, "/nonexistent/named"));
	unsetenv("SALLYPORT_TOKEN_FILE");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query),
		cmocka_unit_test_setup(test_answers, set_token),
		cmocka_unit_test_setup(test_request, set_token),
		cmocka_unit_test_setup(test_places, set_token),
		cmocka_unit_test_setup(test_unreachable, set_token),
		cmocka_unit_test_setup(test_tokens, set_token),
	};

	unsetenv("SALLYPORT_SERVER");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
