/* SPDX-License-Identifier: MIT */
#include "authd/metrics.h"

static const char *const methods[] = { "userpass", NULL };
static const struct metric_labels method_labels = {
	{ "method", NULL }, { methods, NULL },
};

/* enum auth_result, then AUTHD_REQUEST_MALFORMED. */
static const char *const results[] = {
	"ok", "failed", "busy", "malformed", NULL,
};
static const struct metric_labels request_labels = {
	{ "method", "result" }, { methods, results },
};

/* In the order of enum login_from. */
static const char *const origins[] = {
	"hit", "miss", "joined", "refused", NULL,
};
static const struct metric_labels cache_labels = {
	{ "result", NULL }, { origins, NULL },
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
const struct metric_def authd_metrics[AUTHD_METRICS] = {
#include "authd/metrics.def"
};

struct metrics_cells *
authd_cells(struct metrics *m)
{
	static _Thread_local struct metrics *of;
	static _Thread_local struct metrics_cells *cells;

	if (of != m) {
		of = m;
		cells = metrics_thread(m);
	}
	return cells;
}
