/* SPDX-License-Identifier: MIT */
/*
 * metrics: what authd counts, from metrics.def. Any thread.
 */
#ifndef AUTHD_METRICS_H
#define AUTHD_METRICS_H

#include "base/metrics.h"

#define COUNTER(name, labels, help) METRIC_##name,
#define GAUGE(name, labels, help) METRIC_##name,
#define HISTOGRAM(name, labels, buckets, help) METRIC_##name,
enum authd_metric {
#include "authd/metrics.def"
	AUTHD_METRICS
};
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM

/* Label of authd_requests_total, after the methods of which there is one: the
 * first three are enum auth_result. */
enum { AUTHD_REQUEST_MALFORMED = 3 };
/* Label of authd_reloads_total. */
enum authd_reload { AUTHD_RELOAD_OK, AUTHD_RELOAD_REJECTED };

extern const struct metric_def authd_metrics[AUTHD_METRICS];

/* The calling thread's share of `m`, made when it first asks. */
struct metrics_cells *authd_cells(struct metrics *m);

#endif
