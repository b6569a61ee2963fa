/* SPDX-License-Identifier: MIT */
#include "acld/metrics.h"

/* In the order of the enums of policy.h. */
static const char *const decisions[] = { "allow", "block", "redirect", NULL };
static const char *const sources[] = { "rule", "default", "hard_deny", NULL };
static const struct metric_labels decision_labels = {
	{ "decision", "source" }, { decisions, sources },
};

static const char *const results[] = { "ok", "rejected", NULL };
static const struct metric_labels reload_labels = {
	{ "result", NULL }, { results, NULL },
};

static const double decision_le[] = {
	1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2, 1e-1,
};
static const struct metric_buckets decision_buckets = {
	decision_le, ARRAY_LEN(decision_le),
};

#define COUNTER(name, labels, help) \
	{ METRIC_COUNTER, #name, help, labels, NULL },
#define GAUGE(name, labels, help) { METRIC_GAUGE, #name, help, labels, NULL },
#define HISTOGRAM(name, labels, buckets, help) \
	{ METRIC_HISTOGRAM, #name, help, labels, buckets },
const struct metric_def acld_metrics[ACLD_METRICS] = {
#include "acld/metrics.def"
};

struct metrics_cells *
acld_cells(struct metrics *m)
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
acld_decision_label(enum policy_action action, enum policy_source source)
{
	const unsigned n = ARRAY_LEN(sources) - 1;

	return ((unsigned)action - 1) * n + (unsigned)source - 1;
}
