/* SPDX-License-Identifier: MIT */
/*
 * service_metrics: the metrics that every daemon has, behind its own in one
 * table, so that a daemon's indices stay those of its table.
 */
#ifndef SERVICE_SERVICE_METRICS_H
#define SERVICE_SERVICE_METRICS_H

#include "service/service.h"

#define COUNTER(name, labels, help) SERVICE_METRIC_##name,
#define GAUGE(name, labels, help) SERVICE_METRIC_##name,
enum service_metric {
#include "service/service_metrics.def"
	SERVICE_METRICS
};
#undef COUNTER
#undef GAUGE

/* Also for the reference page. */
extern const struct metric_def service_metric_defs[SERVICE_METRICS];

/* Makes c->metrics. Its namespace is that of the current settings. */
void service_metrics_new(struct service_context *c);
/* A load was taken over, or refused. Main thread. */
void service_metrics_loaded(struct service_context *c, bool taken);
void service_metrics_free(struct service_context *c);

#endif
