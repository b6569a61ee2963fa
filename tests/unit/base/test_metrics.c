/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"

#define THREADS 4
#define ROUNDS 20000

static const char *const results[] = { "ok", "refused", NULL };
static const char *const sockets[] = { "auth", "decide", "sync", NULL };
static const char *const odd[] = { "a\"b\\c\nd", NULL };
static const struct metric_labels by_result = { { "result" }, { results } };
static const struct metric_labels by_both = { { "result", "socket" },
	{ results, sockets } };
static const struct metric_labels by_odd = { { "odd" }, { odd } };
static const struct metric_labels by_used = { { "result" }, { results },
	.only_set = true };
static const double edges[] = { 0.1, 1, 2.5 };
static const struct metric_buckets few = { edges, 3 };

enum { REQUESTS, BOTH, ODD, ACTIVE, TOOK, LATENCY, COMMON, COMMON_BOTH,
	COMMON_TOOK, USED, METRICS };

static const struct metric_def defs[METRICS] = {
	[REQUESTS] = { METRIC_COUNTER, "requests_total", "Requests, by result",
		&by_result },
	[BOTH] = { METRIC_COUNTER, "bus_total", "Two labels", &by_both },
	[ODD] = { METRIC_COUNTER, "odd_total", "a \\ \"b\"\nc", &by_odd },
	[ACTIVE] = { METRIC_GAUGE, "sessions_active", "Sessions now" },
	[TOOK] = { METRIC_HISTOGRAM, "took_seconds", "Time", METRIC_NO_LABEL,
		&few },
	[LATENCY] = { METRIC_HISTOGRAM, "latency_seconds", "Time, by result",
		&by_result, &metric_latency_buckets },
	[COMMON] = { METRIC_GAUGE, "common", "Every daemon's",
		.by_component = true },
	[COMMON_BOTH] = { METRIC_COUNTER, "common_total", "Every daemon's",
		&by_both, .by_component = true },
	[COMMON_TOOK] = { METRIC_HISTOGRAM, "common_seconds", "Every daemon's",
		METRIC_NO_LABEL, &few, true },
	[USED] = { METRIC_GAUGE, "used", "What is used", &by_used },
};

static struct metrics *m;
static struct metrics_cells *c;
static struct bytes out;

static int
set_up(void **state)
{
	(void)state;
	m = metrics_new("sallyport", "proxy", defs, METRICS);
	c = metrics_thread(m);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	metrics_free(&m);
	metrics_free(&m);
	bytes_fini(&out);
	return 0;
}

static const char *
expose(void)
{
	bytes_clear(&out);
	metrics_expose(m, &out);
	bytes_add(&out, "", 1);
	return out.ptr;
}

/* A line of the exposition, whole. */
static void
expect(const char *line)
{
	const char *text = expose(), *p = text;
	size_t len = strlen(line);

	while ((p = strstr(p, line)) != NULL) {
		if ((p == text || p[-1] == '\n') && p[len] == '\n')
			return;
		p++;
	}
	fail_msg("no line %s in\n%s", line, text);
}

static void
test_all_start_at_zero(void **state)
{
	(void)state;
	expect("sallyport_requests_total{result=\"ok\"} 0");
	expect("sallyport_requests_total{result=\"refused\"} 0");
	expect("sallyport_bus_total{result=\"refused\",socket=\"sync\"} 0");
	expect("sallyport_sessions_active 0");
	expect("sallyport_took_seconds_bucket{le=\"+Inf\"} 0");
	expect("sallyport_took_seconds_sum 0");
	expect("sallyport_took_seconds_count 0");
}

static void
test_heads(void **state)
{
	(void)state;
	expect("# HELP sallyport_requests_total Requests, by result");
	expect("# TYPE sallyport_requests_total counter");
	expect("# TYPE sallyport_sessions_active gauge");
	expect("# TYPE sallyport_took_seconds histogram");
}

static void
test_escapes(void **state)
{
	(void)state;
	expect("# HELP sallyport_odd_total a \\\\ \"b\"\\nc");
	expect("sallyport_odd_total{odd=\"a\\\"b\\\\c\\nd\"} 0");
}

static void
test_counter(void **state)
{
	(void)state;
	metrics_add(c, REQUESTS, 1, 3);
	metrics_add(c, REQUESTS, 1, UINT64_C(1) << 60);
	assert_true(metrics_value(m, REQUESTS, 1) == (INT64_C(1) << 60) + 3);
	assert_int_equal(metrics_value(m, REQUESTS, 0), 0);
	expect("sallyport_requests_total{result=\"refused\"}"
	    " 1152921504606846979");
}

static void
test_second_label_varies_fastest(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 6; i++)
		metrics_add(c, BOTH, i, i + 1);
	expect("sallyport_bus_total{result=\"ok\",socket=\"auth\"} 1");
	expect("sallyport_bus_total{result=\"ok\",socket=\"sync\"} 3");
	expect("sallyport_bus_total{result=\"refused\",socket=\"auth\"} 4");
	expect("sallyport_bus_total{result=\"refused\",socket=\"sync\"} 6");
}

static void
test_gauge(void **state)
{
	struct metrics_cells *other = metrics_thread(m);

	(void)state;
	metrics_gauge_add(c, ACTIVE, 0, 2);
	metrics_gauge_add(other, ACTIVE, 0, -5);
	expect("sallyport_sessions_active -3");
	assert_int_equal(metrics_value(m, ACTIVE, 0), -3);
	metrics_gauge_set(other, ACTIVE, 0, 7);
	expect("sallyport_sessions_active 9");
}

static void
test_histogram(void **state)
{
	static const double values[] = { 0, 0.1, 0.11, 1, 2, 2.5, 3, INFINITY };
	size_t i;

	(void)state;
	for (i = 0; i + 1 < ARRAY_LEN(values); i++)
		metrics_observe(c, TOOK, 0, values[i]);
	metrics_observe(c, TOOK, 0, NAN);
	expect("sallyport_took_seconds_bucket{le=\"0.1\"} 2");
	expect("sallyport_took_seconds_bucket{le=\"1\"} 4");
	expect("sallyport_took_seconds_bucket{le=\"2.5\"} 6");
	expect("sallyport_took_seconds_bucket{le=\"+Inf\"} 7");
	expect("sallyport_took_seconds_sum 8.71");
	expect("sallyport_took_seconds_count 7");
	assert_int_equal(metrics_value(m, TOOK, 0), 7);
	metrics_observe(c, TOOK, 0, values[i]);
	expect("sallyport_took_seconds_count 8");
}

static void
test_labelled_histogram(void **state)
{
	(void)state;
	metrics_observe(c, LATENCY, 1, 0.25);
	expect("sallyport_latency_seconds_bucket{result=\"refused\","
	    "le=\"0.1\"} 0");
	expect("sallyport_latency_seconds_bucket{result=\"refused\","
	    "le=\"0.25\"} 1");
	expect("sallyport_latency_seconds_bucket{result=\"ok\",le=\"+Inf\"} 0");
	expect("sallyport_latency_seconds_sum{result=\"refused\"} 0.25");
	expect("sallyport_latency_seconds_count{result=\"refused\"} 1");
	expect("sallyport_latency_seconds_bucket{result=\"ok\","
	    "le=\"0.0001\"} 0");
}

static double
process_value(const char *name)
{
	const char *p = strstr(expose(), name);

	assert_non_null(p);
	p = strstr(p + strlen(name), "{component=\"proxy\"} ");
	assert_non_null(p);
	return atof(strchr(p, ' '));
}

static void
test_process_and_build(void **state)
{
	(void)state;
	expect("sallyport_build_info{version=\"" SALLYPORT_VERSION
	    "\",component=\"proxy\"} 1");
	expect("# TYPE process_cpu_seconds_total counter");
	assert_true(process_value("\nprocess_cpu_seconds_total") >= 0);
	assert_true(process_value("\nprocess_resident_memory_bytes") > 1e5);
	assert_true(process_value("\nprocess_open_fds") >= 1);
	assert_true(process_value("\nprocess_max_fds") >= 64);
	assert_true(process_value("\nprocess_start_time_seconds") > 1.6e9);
}

static void
test_by_component(void **state)
{
	(void)state;
	metrics_gauge_set(c, COMMON, 0, 3);
	metrics_add(c, COMMON_BOTH, 1 * 3 + 2, 5);
	metrics_observe(c, COMMON_TOOK, 0, 0.5);
	expect("sallyport_common{component=\"proxy\"} 3");
	expect("sallyport_common_total{component=\"proxy\","
	    "result=\"refused\",socket=\"sync\"} 5");
	expect("sallyport_common_seconds_bucket{component=\"proxy\","
	    "le=\"1\"} 1");
	expect("sallyport_common_seconds_count{component=\"proxy\"} 1");
}

static void
test_without_component(void **state)
{
	struct metrics *bare = metrics_new("rustsocks", NULL, defs, METRICS);

	(void)state;
	metrics_expose(bare, &out);
	bytes_add(&out, "", 1);
	assert_non_null(strstr(out.ptr, "\nprocess_open_fds "));
	assert_non_null(strstr(out.ptr, "\nrustsocks_common 0\n"));
	assert_non_null(strstr(out.ptr, "\nrustsocks_common_total{result="));
	assert_non_null(strstr(out.ptr, "\nrustsocks_build_info{version=\""
	    SALLYPORT_VERSION "\"} 1\n"));
	metrics_free(&bare);
}

static void
add_seven(void *arg, struct metrics_cells *cells)
{
	++*(int *)arg;
	metrics_gauge_set(cells, ACTIVE, 0, 7);
}

static void
test_on_scrape(void **state)
{
	int calls = 0;

	(void)state;
	metrics_on_scrape(m, add_seven, &calls);
	metrics_gauge_add(c, ACTIVE, 0, 1);
	expect("sallyport_sessions_active 8");
	expect("sallyport_sessions_active 8");
	assert_int_equal(calls, 2);
}

/* Each sample is named, has a number, and stands under its own TYPE line. */
static void
test_every_line_is_sound(void **state)
{
	char family[128] = "";
	char *line, *rest, *space, *end;

	(void)state;
	metrics_observe(c, LATENCY, 0, 1e-7);
	expose();
	for (rest = out.ptr; (line = strsep(&rest, "\n")) != NULL;) {
		if (*line == '\0') {
			assert_null(rest);
			break;
		}
		if (sscanf(line, "# TYPE %127s", family) == 1
		    || strncmp(line, "# HELP ", 7) == 0)
			continue;
		assert_int_equal(strncmp(line, family, strlen(family)), 0);
		space = strrchr(line, ' ');
		assert_non_null(space);
		strtod(space + 1, &end);
		assert_true(end > space + 1 && *end == '\0');
	}
}

static void *
work(void *arg)
{
	struct metrics_cells *own = metrics_thread(m);
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		metrics_add(own, REQUESTS, 0, 1);
		metrics_gauge_add(own, ACTIVE, 0, i % 2 ? -1 : 1);
		metrics_observe(own, TOOK, 0, 0.5);
	}
	return NULL;
}

/* Scraped while they count, the threads lose nothing. */
static void
test_threads(void **state)
{
	pthread_t threads[THREADS];
	int64_t last = 0, now;
	int i;

	(void)state;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, NULL),
		    0);
	for (i = 0; i < 20; i++) {
		expose();
		now = metrics_value(m, REQUESTS, 0);
		assert_true(now >= last);
		last = now;
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(metrics_value(m, REQUESTS, 0), THREADS * ROUNDS);
	assert_int_equal(metrics_value(m, ACTIVE, 0), 0);
	assert_int_equal(metrics_value(m, TOOK, 0), THREADS * ROUNDS);
	expect("sallyport_took_seconds_sum 40000");
}

static void
test_gauges_shown_once_set(void **state)
{
	(void)state;
	assert_non_null(strstr(expose(), "# TYPE sallyport_used gauge"));
	assert_null(strstr(expose(), "sallyport_used{"));
	metrics_gauge_set(c, USED, 1, 0);
	assert_int_equal(metrics_value(m, USED, 1), 0);
	expect("sallyport_used{result=\"refused\"} 0");
	assert_null(strstr(expose(), "sallyport_used{result=\"ok\"}"));
	metrics_gauge_add(c, USED, 0, 3);
	assert_int_equal(metrics_value(m, USED, 0), 3);
	expect("sallyport_used{result=\"ok\"} 3");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_all_start_at_zero),
		CASE(test_heads),
		CASE(test_escapes),
		CASE(test_counter),
		CASE(test_second_label_varies_fastest),
		CASE(test_gauge),
		CASE(test_histogram),
		CASE(test_labelled_histogram),
		CASE(test_process_and_build),
		CASE(test_by_component),
		CASE(test_without_component),
		CASE(test_on_scrape),
		CASE(test_every_line_is_sound),
		CASE(test_gauges_shown_once_set),
		CASE(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
