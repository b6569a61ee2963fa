/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/mem.h"
#include "helper.h"
#include "service/health.h"
#include "service/http_head.h"

static const struct metric_def defs[] = {
	{ METRIC_COUNTER, "tests_total", "Tests", METRIC_NO_LABEL, NULL },
};

struct fixture {
	struct health *h;
	struct metrics *m;
	struct endpoint at;
	_Atomic bool alive, ready;
};

static char answer[65536];

static bool
is_alive(void *arg)
{
	struct fixture *f = arg;

	return f->alive;
}

static bool
is_ready(void *arg, struct bytes *why)
{
	struct fixture *f = arg;

	if (!f->ready)
		bytes_fmt(why, "acld: away\nauthd: away too\n");
	return f->ready;
}

static const struct endpoint loopback = {
	.addr = { { [10] = 0xff, 0xff, 127, 0, 0, 1 } },
};

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct health_source source = { .alive = is_alive, .ready = is_ready,
		.arg = f };
	struct err err = { 0 };

	f->alive = f->ready = true;
	f->m = source.metrics = metrics_new("t", "acld", defs, 1);
	if (health_bind(&f->h, &loopback, &err) != 0 ||
	    health_start(f->h, &source, &err) != 0)
		fail_msg("%s", err.text);
	f->at = health_address(f->h);
	assert_true(f->at.port != 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	clock_test_reset();
	health_stop(&f->h);
	assert_null(f->h);
	metrics_free(&f->m);
	free(f);
	return 0;
}

static int
get(struct fixture *f, const char *path)
{
	return http_get(f->at.port, path, answer, sizeof(answer));
}

static void
test_pages(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, "/healthz"), 200);
	assert_non_null(strstr(answer, "\r\n\r\nok\n"));
	assert_int_equal(get(f, "/readyz?verbose"), 200);
	assert_int_equal(get(f, "/metrics"), 200);
	assert_non_null(strstr(answer, "text/plain; version=0.0.4"));
	assert_non_null(strstr(answer, "\nt_tests_total 0\n"));
	f->alive = f->ready = false;
	assert_int_equal(get(f, "/healthz"), 503);
	assert_int_equal(get(f, "/readyz"), 503);
	assert_non_null(strstr(answer, "\r\n\r\nacld: away\nauthd: away too\n"));
}

static void
test_head_has_no_body(void **state)
{
	struct fixture *f = *state;

	http_talk(f->at.port, "HEAD /healthz HTTP/1.0\r\n\r\n", answer,
	    sizeof(answer));
	assert_non_null(strstr(answer, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(answer, "Content-Length: 3\r\n"));
	assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
}

static void
test_refusals(void **state)
{
	static const struct {
		const char *request, *status, *part;
	} cases[] = {
		{ "GET / HTTP/1.1\r\n\r\n", "404 Not Found", "" },
		{ "GET /healthz/ HTTP/1.1\r\n\r\n", "404", "" },
		{ "POST /x HTTP/1.1\r\n\r\n", "404", "" },
		{ "POST /healthz HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
		    "405 Method Not Allowed", "Allow: GET, HEAD\r\n" },
		{ "OPTIONS /metrics HTTP/1.1\r\n\r\n", "405", "" },
		{ "BREW /metrics HTTP/1.1\r\n\r\n", "405", "" },
		{ "\x05\x01\x02", "400 Bad Request", "" },
		{ "GET /healthz\r\n\r\n", "400", "" },
		{ "hello\r\n", "400", "" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		http_talk(f->at.port, cases[i].request, answer,
		    sizeof(answer));
		assert_int_equal(strncmp(answer + 9, cases[i].status,
		    strlen(cases[i].status)), 0);
		assert_non_null(strstr(answer, cases[i].part));
		assert_non_null(strstr(answer, "Connection: close\r\n"));
	}
}

static void
test_head_is_bounded(void **state)
{
	struct fixture *f = *state;
	static const char line[] = "GET /healthz HTTP/1.1\r\n";
	char *big = xmalloc(HTTP_HEAD_MAX + 1);
	size_t n = sizeof(line) - 1;

	memset(big, 'x', HTTP_HEAD_MAX + 1);
	memcpy(big, line, n);
	big[n + 1] = ':';
	big[HTTP_HEAD_MAX] = '\0';
	http_talk(f->at.port, big, answer, sizeof(answer));
	assert_int_equal(atoi(answer + 9), 431);
	memcpy(big + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
	http_talk(f->at.port, big, answer, sizeof(answer));
	assert_int_equal(atoi(answer + 9), 200);
	free(big);
}

static void
test_slow_client_disturbs_nobody(void **state)
{
	struct fixture *f = *state;
	int slow = http_connect(f->at.port);

	http_send(slow, "GET /he", 7);
	assert_int_equal(get(f, "/healthz"), 200);
	http_send(slow, "althz HTTP/1.1\r\n\r", 17);
	assert_int_equal(get(f, "/readyz"), 200);
	http_send(slow, "\n", 1);
	http_receive(slow, answer, sizeof(answer));
	assert_int_equal(atoi(answer + 9), 200);
}

/* Whatever it sent meanwhile: time alone ends it. */
static void
test_deadline(void **state)
{
	struct fixture *f = *state;
	uint64_t now = clock_mono_us(), wall = clock_wall_us();
	int silent = http_connect(f->at.port), slow = http_connect(f->at.port);

	http_send(slow, "GET /", 5);
	assert_int_equal(get(f, "/healthz"), 200);
	clock_test_set(now + 9000000, wall);
	http_send(slow, "x", 1);
	assert_int_equal(get(f, "/healthz"), 200);
	clock_test_set(now + 20000000, wall);
	assert_int_equal(get(f, "/healthz"), 200);
	assert_int_equal(http_receive(silent, answer, sizeof(answer)), 0);
	assert_int_equal(http_receive(slow, answer, sizeof(answer)), 0);
}

static void
test_too_many_push_the_oldest_out(void **state)
{
	struct fixture *f = *state;
	int idle[HEALTH_CLIENTS];

	for (size_t i = 0; i < HEALTH_CLIENTS; i++)
		idle[i] = http_connect(f->at.port);
	assert_int_equal(get(f, "/healthz"), 200);
	assert_int_equal(http_receive(idle[0], answer, sizeof(answer)), 0);
	http_send(idle[1], "GET /healthz HTTP/1.1\r\n\r\n", 25);
	http_receive(idle[1], answer, sizeof(answer));
	assert_int_equal(atoi(answer + 9), 200);
	for (size_t i = 2; i < HEALTH_CLIENTS; i++)
		close(idle[i]);
}

static void
test_ask(void **state)
{
	struct fixture *f = *state;
	struct endpoint at = f->at;
	struct err err = { 0 };

	assert_int_equal(health_ask(&at, &err), 0);
	f->ready = false;
	assert_int_equal(health_ask(&at, &err), -1);
	assert_non_null(strstr(err.text, ": acld: away; authd: away too"));
	health_stop(&f->h);
	assert_int_equal(health_ask(&at, &err), -1);
	assert_non_null(strstr(err.text, "Connection refused"));
}

static void
test_port_in_use(void **state)
{
	struct fixture *f = *state;
	struct health *other = NULL;
	struct err err = { 0 };

	assert_int_equal(health_bind(&other, &f->at, &err), -1);
	assert_null(other);
	assert_non_null(strstr(err.text, ": Address already in use"));
}

/* The address moves from one to the other: never is there nobody, and who
 * asked the first is answered by it. */
static void
test_moves_to_a_successor(void **state)
{
	struct fixture *f = *state;
	struct fixture next = { .alive = true, .ready = true, .m = f->m };
	struct health_source source = { .metrics = f->m, .alive = is_alive,
		.ready = is_ready, .arg = &next };
	int asked = http_connect(f->at.port), queued;
	struct err err = { 0 };

	f->ready = false;	/* tells them apart */
	http_send(asked, "GET /readyz ", 12);
	assert_int_equal(health_inherit(&next.h, dup(health_listener(f->h)),
	    &err), 0);
	assert_true(health_address(next.h).port == f->at.port);
	assert_int_equal(health_start(next.h, &source, &err), 0);
	assert_int_equal(http_get(f->at.port, "/readyz", answer,
	    sizeof(answer)), 503);
	health_leave(f->h);
	queued = http_connect(f->at.port);
	http_send(asked, "HTTP/1.1\r\n\r\n", 12);
	http_receive(asked, answer, sizeof(answer));
	assert_non_null(strstr(answer, "acld: away"));
	health_stop(&f->h);
	http_send(queued, "GET /readyz HTTP/1.1\r\n\r\n", 24);
	health_open(next.h);
	http_receive(queued, answer, sizeof(answer));
	assert_non_null(strstr(answer, "200 OK"));
	assert_int_equal(http_get(f->at.port, "/readyz", answer,
	    sizeof(answer)), 200);
	health_stop(&next.h);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_pages),
		TEST(test_head_has_no_body),
		TEST(test_refusals),
		TEST(test_head_is_bounded),
		TEST(test_slow_client_disturbs_nobody),
		TEST(test_deadline),
		TEST(test_too_many_push_the_oldest_out),
		TEST(test_ask),
		TEST(test_port_in_use),
		TEST(test_moves_to_a_successor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
