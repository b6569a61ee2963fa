/* SPDX-License-Identifier: MIT */
/*
 * metrics: what apid counts, from metrics.def. Any thread.
 */
#ifndef APID_METRICS_H
#define APID_METRICS_H

#include "apid/query.h"
#include "base/metrics.h"

#define COUNTER(name, labels, help) METRIC_##name,
#define GAUGE(name, labels, help) METRIC_##name,
#define HISTOGRAM(name, labels, buckets, help) METRIC_##name,
enum apid_metric {
#include "apid/metrics.def"
	APID_METRICS
};
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM

/* Labels of api_query_duration_seconds and the first of
 * api_query_failures_total. */
enum apid_question {
	QUESTION_ACTIVE, QUESTION_HISTORY, QUESTION_SESSION, QUESTION_STATS,
	QUESTION_EVENTS, QUESTION_TOTALS, QUESTIONS,
};

/* The second label of api_query_failures_total. */
enum apid_failure { FAILURE_UNAVAILABLE, FAILURE_TIMEOUT, FAILURES };

/* Labels of api_tokens_reloads_total. */
enum apid_reload { RELOAD_OK, RELOAD_REJECTED };

extern const struct metric_def apid_metrics[APID_METRICS];

/* The calling thread's share of `m`, made when it first asks. */
struct metrics_cells *apid_cells(struct metrics *m);
/* Label of http_requests_total; `route` as route_index() gives it. */
unsigned apid_code_label(unsigned route, int status);
/* What the pool has become since it was `shown`, which becomes `now`. */
void apid_count_pool(struct metrics_cells *c, const struct query_pool *now,
    struct query_pool *shown);
unsigned apid_failure_label(enum apid_question q, enum apid_failure f);

#endif
