/* SPDX-License-Identifier: MIT */
/*
 * metrics: what authd counts, from metrics.def. Any thread.
 */
#ifndef AUTHD_METRICS_H
#define AUTHD_METRICS_H

#include "authd/auth.h"
#include "authd/pam_process.h"
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

/* Results of authd_requests_total: enum auth_result, and this one. */
enum { AUTHD_REQUEST_MALFORMED = AUTH_RESULTS, AUTHD_REQUEST_RESULTS };
/* The label of a method and a result. */
#define AUTHD_REQUEST(method, result) \
	((unsigned)(method) * AUTHD_REQUEST_RESULTS + (unsigned)(result))
/* Labels of pam_auth_total: the method, then the result. */
enum authd_pam_method { AUTHD_PAM_USERNAME, AUTHD_PAM_ADDRESS };
enum authd_pam_result {
	AUTHD_PAM_SUCCESS, AUTHD_PAM_FAILURE, AUTHD_PAM_ERROR,
	AUTHD_PAM_RESULTS,
};
/* Label of authd_workers. */
enum authd_worker { AUTHD_WORKER_IDLE, AUTHD_WORKER_BUSY };
/* Label of authd_group_lookup_duration_seconds. */
enum authd_lookup { AUTHD_LOOKUP_OK, AUTHD_LOOKUP_CACHED, AUTHD_LOOKUP_ERROR };
/* Label of authd_reloads_total. */
enum authd_reload { AUTHD_RELOAD_OK, AUTHD_RELOAD_REJECTED };
/* Label of authd_telemetry_events_total. */
enum authd_told { AUTHD_TOLD_SENT, AUTHD_TOLD_FOLDED, AUTHD_TOLD_DROPPED };

extern const struct metric_def authd_metrics[AUTHD_METRICS];

/* The calling thread's share of `m`, made when it first asks. */
struct metrics_cells *authd_cells(struct metrics *m);
void authd_count_restart(struct metrics *m, enum pam_process_cause cause);

#endif
