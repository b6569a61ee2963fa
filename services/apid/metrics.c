/* SPDX-License-Identifier: MIT */
#include "apid/metrics.h"

#include "apid/routes.h"
#include "apid/token.h"

static const char *const codes[] = { "1xx", "2xx", "3xx", "4xx", "5xx", NULL };
static const struct metric_labels route_code_labels = {
	{ "route", "code" }, { route_names, codes },
};
static const struct metric_labels route_labels = {
	{ "route", NULL }, { route_names, NULL },
};

static const char *const questions[] = {
	"active", "history", "session", "stats", "events", "totals",
	NULL,
};
static const char *const failures[] = { "unavailable", "timeout", NULL };
static const struct metric_labels query_labels = {
	{ "query", NULL }, { questions, NULL },
};
static const struct metric_labels failure_labels = {
	{ "query", "reason" }, { questions, failures },
};

static const char *const connections[] = { "in_use", "idle", NULL };
static const struct metric_labels connection_labels = {
	{ "state", NULL }, { connections, NULL },
};
static const char *const connects[] = { "ok", "failed", NULL };
static const struct metric_labels connect_labels = {
	{ "result", NULL }, { connects, NULL },
};
static const char *const waits[] = { "served", "timeout", NULL };
static const struct metric_labels wait_labels = {
	{ "result", NULL }, { waits, NULL },
};

static const struct metric_labels login_labels = {
	{ "result", NULL }, { token_result_names, NULL },
};

static const char *const reloads[] = { "ok", "rejected", NULL };
static const struct metric_labels reload_labels = {
	{ "result", NULL }, { reloads, NULL },
};

#define COUNTER(name, labels, help) \
	{ METRIC_COUNTER, #name, help, labels, NULL },
#define GAUGE(name, labels, help) { METRIC_GAUGE, #name, help, labels, NULL },
#define HISTOGRAM(name, labels, buckets, help) \
	{ METRIC_HISTOGRAM, #name, help, labels, buckets },
const struct metric_def apid_metrics[APID_METRICS] = {
#include "apid/metrics.def"
};

struct metrics_cells *
apid_cells(struct metrics *m)
{
	static _Thread_local struct metrics *of;
	static _Thread_local struct metrics_cells *cells;

	if (of != m) {
		of = m;
		cells = metrics_thread(m);
	}
	return cells;
}

unsigned
apid_code_label(unsigned route, int status)
{
	unsigned class = status >= 100 && status < 600 ?
	    (unsigned)status / 100 - 1 : 4;

	return route * (unsigned)(ARRAY_LEN(codes) - 1) + class;
}

unsigned
apid_failure_label(enum apid_question q, enum apid_failure f)
{
	return (unsigned)q * FAILURES + f;
}

void
apid_count_pool(struct metrics_cells *c, const struct query_pool *now,
    struct query_pool *shown)
{
	const struct {
		enum apid_metric metric;
		unsigned label;
		uint64_t n;
	} grown[] = {
		{ METRIC_api_database_connects_total, 0,
			(now->connects - now->connect_failures) -
			(shown->connects - shown->connect_failures) },
		{ METRIC_api_database_connects_total, 1,
			now->connect_failures - shown->connect_failures },
		{ METRIC_api_database_connections_lost_total, 0,
			now->lost - shown->lost },
		{ METRIC_api_database_waits_total, 0,
			(now->waits - now->exhausted) -
			(shown->waits - shown->exhausted) },
		{ METRIC_api_database_waits_total, 1,
			now->exhausted - shown->exhausted },
	};

	for (size_t i = 0; i < ARRAY_LEN(grown); i++)
		metrics_add(c, grown[i].metric, grown[i].label, grown[i].n);
	metrics_gauge_set(c, METRIC_api_database_connections, 0, now->in_use);
	metrics_gauge_set(c, METRIC_api_database_connections, 1,
	    now->open - now->in_use);
	metrics_gauge_set(c, METRIC_api_database_connections_max, 0,
	    now->limit);
	*shown = *now;
}
