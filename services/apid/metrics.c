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
	"active", "history", "session", "stats", "totals", NULL,
};
static const char *const failures[] = { "unavailable", "timeout", NULL };
static const struct metric_labels query_labels = {
	{ "query", NULL }, { questions, NULL },
};
static const struct metric_labels failure_labels = {
	{ "query", "reason" }, { questions, failures },
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
