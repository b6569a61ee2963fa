/* SPDX-License-Identifier: MIT */
#include "authd/metrics.h"

#include "authd/guessing.h"

static const struct metric_labels method_labels = {
	{ "method", NULL }, { auth_method_names, NULL },
};

/* enum auth_result, then AUTHD_REQUEST_MALFORMED. */
static const char *const results[] = {
	"ok", "failed", "busy", "throttled", "malformed", NULL,
};
static const struct metric_labels request_labels = {
	{ "method", "result" }, { auth_method_names, results },
};

/* In the order of enum login_from. */
static const char *const origins[] = {
	"hit", "miss", "joined", "refused", NULL,
};
static const struct metric_labels cache_labels = {
	{ "result", NULL }, { origins, NULL },
};

static const struct metric_labels scope_labels = {
	{ "scope", NULL }, { guessing_scope_names, NULL },
};

static const char *const pam_methods[] = { "username", "address", NULL };
static const char *const pam_results[] = {
	"success", "failure", "error", NULL,
};
static const struct metric_labels pam_labels = {
	{ "method", "result" }, { pam_methods, pam_results },
};
static const struct metric_labels pam_method_labels = {
	{ "method", NULL }, { pam_methods, NULL },
};

static const char *const worker_states[] = { "idle", "busy", NULL };
static const struct metric_labels worker_labels = {
	{ "state", NULL }, { worker_states, NULL },
};

static const struct metric_labels cause_labels = {
	{ "cause", NULL }, { pam_process_cause_names, NULL },
};

static const char *const lookups[] = { "ok", "cached", "error", NULL };
static const struct metric_labels lookup_labels = {
	{ "result", NULL }, { lookups, NULL },
};

static const char *const reloads[] = { "ok", "rejected", NULL };
static const struct metric_labels reload_labels = {
	{ "result", NULL }, { reloads, NULL },
};

static const char *const told[] = { "sent", "folded", "dropped", NULL };
static const struct metric_labels told_labels = {
	{ "result", NULL }, { told, NULL },
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

void
authd_count_restart(struct metrics *m, enum pam_process_cause cause)
{
	metrics_add(authd_cells(m), METRIC_authd_worker_restarts_total,
	    cause, 1);
}
