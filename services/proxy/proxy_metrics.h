/* SPDX-License-Identifier: MIT */
/*
 * proxy_metrics: the indices of metrics.def and of its label values.
 */
#ifndef PROXY_PROXY_METRICS_H
#define PROXY_PROXY_METRICS_H

#include "base/metrics.h"

enum proxy_metric {
#define COUNTER(name, labels, help) METRIC_##name,
#define GAUGE(name, labels, help) METRIC_##name,
#define HISTOGRAM(name, labels, buckets, help) METRIC_##name,
#include "proxy/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
	PROXY_METRICS,
};

enum { ACCEPT_OK, ACCEPT_LIMIT_GLOBAL, ACCEPT_LIMIT_RATE, ACCEPT_NO_MEMORY,
	ACCEPT_SOURCE };
enum { PUT_OUT_PRE_LOGIN, PUT_OUT_PRE_LOGIN_PER_SOURCE };
/* From AUTH_USERPASS on each of enum record_auth has a row of these. */
enum { AUTH_RESULT_OK, AUTH_RESULT_FAILED, AUTH_RESULT_THROTTLED,
	AUTH_RESULT_BUSY, AUTH_RESULT_SILENT, AUTH_RESULTS };
enum { ODDITY_VERSION, ODDITY_LOGIN, ODDITY_REQUEST, ODDITY_RSV };
enum { PEER_ADMITTED, PEER_WRONG, PEER_REFUSED, PEER_LATE };
enum { CACHE_LOGIN, CACHE_DECISION, CACHE_DNS, CACHES };
enum { CACHE_HIT, CACHE_MISS, CACHE_STALE, CACHE_RESULTS };
enum { DNS_OK, DNS_NOT_FOUND, DNS_TIMEOUT, DNS_FAILED, DNS_BUSY,
	DNS_LIMITED };
enum { BATCH_SENT, BATCH_NO_PEER, BATCH_FAILED };
enum { BUS_AUTH, BUS_DECIDE, BUS_POLICY, BUS_EVENTS };

extern const struct metric_def proxy_metrics[PROXY_METRICS];

#endif
