/* SPDX-License-Identifier: MIT */
/*
 * How long apid's questions take, in ms, over a history of ten days that has
 * ROWS sessions, of 1,000 users who went to 5,000 names, to some far more often
 * than to others (the name of rank r by r^-2/3); 200 run.
 *
 * usage: bench_query [ROWS [TIMES]]                   SQLite
 *        with_postgres.py -- bench_query [ROWS [TIMES]]   PostgreSQL
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "helper.h"

#define DAYS 10
#define DAY_US UINT64_C(86400000000)
#define BEGIN_US UINT64_C(1798761600000000)	/* 2027-01-01 */
#define END_US (BEGIN_US + DAYS * DAY_US)

static struct base base;
static struct query *query;
static unsigned long rows = 1000000;

/* ---- the history ---- */

static void
make_partitions(void)
{
	char from[CLOCK_TEXT_SIZE], to[CLOCK_TEXT_SIZE];

	for (unsigned i = 0; base_is_pg() && i < DAYS; i++) {
		clock_format(from, BEGIN_US + i * DAY_US, 3);
		clock_format(to, BEGIN_US + (i + 1) * DAY_US, 3);
		base_run(&base, "CREATE TABLE session_day%u PARTITION OF"
		    " session FOR VALUES FROM ('%s') TO ('%s')", i, from, to);
	}
}

/* Numbers are strewn by primes: neighbours in time have nothing in common. */
static void
make_rows(void)
{
	unsigned long long step = DAYS * DAY_US / rows;

	base_run(&base, "WITH RECURSIVE c(i) AS (SELECT CAST(0 AS bigint) UNION ALL SELECT"
	    " i + 1 FROM c WHERE i < %lu) INSERT INTO session (started_at,"
	    " id, ended_at, received_at, duration_us, stream_id, close_seq,"
	    " proxy, listener, username, groups, source_ip, source_port,"
	    " dest_host, dest_ip, dest_port, destinations, command, carrier,"
	    " protocol, acl_decision, acl_rule_matched, policy_generation, auth_method,"
	    " bytes_up, bytes_down, packets_up, packets_down, status,"
	    " close_reason, reply_code, setup_us, attempts, incomplete,"
	    " counters_lower_bound) SELECT us(%llu + i * %llu),"
	    " id_of(%llu + i * %llu, i), us(%llu + i * %llu + 2000000),"
	    " us(%llu + i * %llu + 2100000), 2000000, uid('%032d'), i, 'p1',"
	    " 'main', 'user' || (i * 7919 %% 1000), '[\"staff\"]', ip('10.' ||"
	    " (i * 31 %% 4) || '.' || (i * 101 %% 256) || '.7'), 40000,"
	    " 'host' || ((i * 1299709 %% 5000) * (i * 1299709 %% 5000) *"
	    " (i * 1299709 %% 5000) / 25000000) || '.example.com',"
	    " ip('192.0.2.' || (i * 104729 %% 256)), CASE i * 13 %% 50 WHEN 0 THEN 80 ELSE 443"
	    " END, 1, 1, 1, 1, 1, 'r-web', 7, 2, 700, 12000, 5, 11,"
	    " CASE i * 17 %% 100 WHEN 0 THEN 3 WHEN 1 THEN 2 ELSE 1 END,"
	    " 'client_closed', 0, 1500, 1, flag(0), flag(0) FROM c", rows - 1,
	    (unsigned long long)BEGIN_US, step, (unsigned long long)BEGIN_US,
	    step, (unsigned long long)BEGIN_US, step,
	    (unsigned long long)BEGIN_US, step, 0);
}

/* ---- the questions ---- */

static void
on_row(void *arg, const struct query_session *s)
{
	(void)s;
	++*(unsigned *)arg;
}

static void
must(enum query_result r)
{
	if (r != QUERY_OK)
		die("%s", query_why(query));
}

/* The newest 100 of the last `days` that satisfy a condition. */
static void
ask_page(const struct query_condition *c, unsigned days)
{
	struct query_filter f = { .until_us = INT64_MAX, .limit = 100,
		.since_us = END_US - days * DAY_US };
	struct query_page page;
	unsigned n = 0;

	if (c != NULL)
		f.conditions[f.n++] = *c;
	must(query_sessions(query, &f, on_row, &n, &page));
}

static struct query_condition
text_is(enum query_column column, const char *text)
{
	return (struct query_condition){ .column = column,
		.kind = QUERY_TEXT, .text = str_from(text) };
}

static struct query_condition
address_is(enum query_column column, struct addr a)
{
	return (struct query_condition){ .column = column,
		.kind = QUERY_RANGE, .low = a, .high = a };
}

static void
by_nothing(unsigned n)
{
	(void)n;
	ask_page(NULL, 1);
}

static void
ask_user(unsigned n, unsigned days)
{
	char text[32];
	struct query_condition c;

	snprintf(text, sizeof(text), "user%u", n % 1000);
	c = text_is(QUERY_USER, text);
	ask_page(&c, days);
}

static void
by_user(unsigned n)
{
	ask_user(n, 1);
}

static void
by_user_of_all_time(unsigned n)
{
	ask_user(n, DAYS);
}

static void
by_host(unsigned n)
{
	char text[48];
	struct query_condition c;

	snprintf(text, sizeof(text), "host%u.example.com", n % 5000);
	c = text_is(QUERY_DEST_HOST, text);
	ask_page(&c, 1);
}

static void
by_destination(unsigned n)
{
	struct query_condition c = address_is(QUERY_DEST_IP,
	    addr_from_v4((uint8_t[]){ 192, 0, 2, (uint8_t)n }));

	ask_page(&c, 1);
}

static void
by_source(unsigned n)
{
	struct query_condition c = address_is(QUERY_SOURCE_IP,
	    addr_from_v4((uint8_t[]){ 10, n & 3, (uint8_t)(n >> 2), 7 }));

	ask_page(&c, 1);
}

static void
by_status(unsigned n)
{
	struct query_condition c = { .column = QUERY_STATUS,
		.kind = QUERY_NUMBER, .number = 1 + n % 3 };

	ask_page(&c, 1);
}

static void
by_port(unsigned n)
{
	struct query_condition c = { .column = QUERY_DEST_PORT,
		.kind = QUERY_NUMBER, .number = 80 };

	(void)n;
	ask_page(&c, 1);
}

static void
by_id(unsigned n)
{
	uint64_t i = (uint64_t)n * 48271 % rows;
	uint64_t ms = (BEGIN_US + i * (DAYS * DAY_US / rows)) / 1000;
	unsigned found = 0;
	struct id id = { { [6] = 0x70, [8] = 0x80 } };

	for (unsigned k = 0; k < 6; k++) {
		id.b[k] = (uint8_t)(ms >> (40 - 8 * k));
		id.b[10 + k] = (uint8_t)(i >> (40 - 8 * k));
	}
	must(query_session(query, &id, on_row, &found));
}

static void
stats_of_a_day(unsigned n)
{
	static struct query_stats stats;

	(void)n;
	must(query_stats(query, END_US - DAY_US, END_US - DAY_US, &stats));
}

static void
fleet_totals(unsigned n)
{
	static struct query_totals totals;

	(void)n;
	must(query_totals(query, END_US, &totals));
}

/* ---- measuring ---- */

static int
by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void
measure(const char *name, void (*ask)(unsigned n), unsigned times)
{
	uint64_t *took = xcalloc(times, sizeof(*took));

	ask(0);
	for (unsigned i = 0; i < times; i++) {
		uint64_t began = clock_mono_us();

		ask(i * 7907 + 1);
		took[i] = clock_mono_us() - began;
	}
	qsort(took, times, sizeof(*took), by_value);
	printf("| %s | %.2f | %.2f |\n", name,
	    (double)took[times / 2] / 1000,
	    (double)took[times * 99 / 100] / 1000);
	fflush(stdout);
	free(took);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*ask)(unsigned n);
	} questions[] = {
		{ "newest 100", by_nothing }, { "user", by_user },
		{ "user, ten days", by_user_of_all_time },
		{ "source", by_source }, { "destination", by_destination },
		{ "host", by_host }, { "status", by_status },
		{ "port (no index)", by_port }, { "one by its id", by_id },
		{ "statistics of 24 h", stats_of_a_day },
		{ "totals of all", fleet_totals },
	};
	unsigned times = argc > 2 ? (unsigned)atoi(argv[2]) : 500;

	if (argc > 1)
		rows = strtoul(argv[1], NULL, 10);
	if (rows == 0 || times == 0)
		die("usage: bench_query [ROWS [TIMES]]");
	base_open(&base);
	make_partitions();
	make_rows();
	base_sum(&base);
	base_add_active(&base, 0, 200);
	base_run(&base, "ANALYZE");
	query_source_set_timeout(base.source, 60000);
	query = query_new(base.source);
	printf("| %s, %lu sessions | p50 ms | p99 ms |\n| --- | --- | --- |\n",
	    query_source_backend(base.source), rows);
	for (size_t i = 0; i < ARRAY_LEN(questions); i++)
		measure(questions[i].name, questions[i].ask, times);
	query_free(&query);
	base_close(&base);
	return 0;
}
