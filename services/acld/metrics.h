/* SPDX-License-Identifier: MIT */
/*
 * metrics: what acld counts, from metrics.def. Any thread.
 */
#ifndef ACLD_METRICS_H
#define ACLD_METRICS_H

#include "acld/policy.h"
#include "base/metrics.h"

#define COUNTER(name, labels, help) METRIC_##name,
#define GAUGE(name, labels, help) METRIC_##name,
#define HISTOGRAM(name, labels, buckets, help) METRIC_##name,
enum acld_metric {
#include "acld/metrics.def"
	ACLD_METRICS
};
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM

/* Label of acld_reloads_total. */
enum acld_reload { ACLD_RELOAD_OK, ACLD_RELOAD_REJECTED };

extern const struct metric_def acld_metrics[ACLD_METRICS];

/* The calling thread's share of `m`, made when it first asks. */
struct metrics_cells *acld_cells(struct metrics *m);
/* The label of acld_decisions_total. */
unsigned acld_decision_label(enum policy_action action,
    enum policy_source source);

#endif
