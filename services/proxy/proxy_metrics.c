/* SPDX-License-Identifier: MIT */
#include "proxy/proxy_metrics.h"

#include <assert.h>

#include "audit/close_reason.h"
#include "proxy/assoc.h"
#include "proxy/conn.h"

#define LABEL(variable, label, ...)                                         \
	static const char *const variable##_values[] = { __VA_ARGS__, NULL }; \
	static const struct metric_labels variable = {                      \
		.name = { label },                                          \
		.values = { variable##_values },                            \
	}

LABEL(connection_results, "result", "accepted", "limit_global", "limit_rate",
    "no_memory", "source");
LABEL(put_out_limits, "limit", "pre_login", "pre_login_per_source");
LABEL(oddities, "what", "version", "login", "request", "rsv");
LABEL(directions, "direction", "sent", "received");
LABEL(bind_peers, "result", "admitted", "wrong_peer", "refused", "too_late");
LABEL(dns_results, "result", "ok", "not_found", "timeout", "failed", "busy",
    "limited");
LABEL(batch_results, "result", "sent", "no_peer", "failed");
LABEL(bus_sockets, "socket", "auth", "decide", "policy", "events");
LABEL(caches, "cache", "login", "decision", "dns");

/* Words of enum record_auth. */
static const char *const auth_method_values[] = { "userpass", "pam.username",
	"pam.address", NULL };
static_assert(ARRAY_LEN(auth_method_values) ==
    AUTH_PAM_ADDRESS - AUTH_USERPASS + 2, "a word for each method");
static const char *const auth_result_values[] = { "success", "failure",
	"throttled", "busy", "silent", NULL };
static_assert(ARRAY_LEN(auth_result_values) == AUTH_RESULTS + 1,
    "a word for each result");
static const struct metric_labels auth_results = {
	.name = { "method", "result" },
	.values = { auth_method_values, auth_result_values },
};
static const char *const result_values[] = { "hit", "miss", "stale", NULL };
static const struct metric_labels cache_results = {
	.name = { "cache", "result" },
	.values = { caches_values, result_values },
};
/* As enum udp_result of assoc.h. */
static const char *const udp_result_values[] = { "relayed", "source", "header",
	"fragment", "refused", "unresolved", "held_full", "destinations",
	"limit", "too_large", "unsolicited", "unreachable", "error", NULL };
static_assert(ARRAY_LEN(udp_result_values) == UDP_RESULTS + 1,
    "a word for each result");
static const struct metric_labels udp_results = {
	.name = { "direction", "result" },
	.values = { directions_values, udp_result_values },
};
static const struct metric_labels connection_states = {
	.name = { "state" },
	.values = { conn_state_names },
};
static const struct metric_labels closed_reasons = {
	.name = { "reason" },
	.values = { close_reason_names },
};

const struct metric_def proxy_metrics[PROXY_METRICS] = {
#define COUNTER(metric, label_set, text) \
	{ METRIC_COUNTER, #metric, text, label_set, NULL },
#define GAUGE(metric, label_set, text) \
	{ METRIC_GAUGE, #metric, text, label_set, NULL },
#define HISTOGRAM(metric, label_set, bucket_set, text) \
	{ METRIC_HISTOGRAM, #metric, text, label_set, bucket_set },
#include "proxy/metrics.def"
};
