/* SPDX-License-Identifier: MIT */
#include "service/service_metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "service/context.h"

static const char *const levels[] = {
	[LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info",
	[LOG_DEBUG] = "debug", [LOG_TRACE] = "trace", NULL,
};
static const struct metric_labels service_log_labels = {
	.name = { "level" }, .values = { levels },
};

const struct metric_def service_metric_defs[SERVICE_METRICS] = {
#define COUNTER(name, labels, help) \
	{ METRIC_COUNTER, #name, help, labels, NULL, true },
#define GAUGE(name, labels, help) \
	{ METRIC_GAUGE, #name, help, labels, NULL, true },
#include "service/service_metrics.def"
#undef COUNTER
#undef GAUGE
};

static unsigned
index_of(const struct service_context *c, enum service_metric m)
{
	return (unsigned)c->service->n_metrics + m;
}

/* The logger counts for itself; what was added since is counted on. */
static void
count_on(struct service_context *c, struct metrics_cells *cells,
    enum service_metric m, unsigned label, uint64_t now, uint64_t *counted)
{
	metrics_add(cells, index_of(c, m), label, now - *counted);
	*counted = now;
}

static void
on_scrape(void *arg, struct metrics_cells *cells)
{
	struct service_context *c = arg;

	for (unsigned level = LOG_ERROR; level <= LOG_TRACE; level++)
		count_on(c, cells, SERVICE_METRIC_log_messages_total, level,
		    log_count(level), &c->log_counted[level]);
	count_on(c, cells, SERVICE_METRIC_log_messages_lost_total, 0,
	    log_lost(), &c->log_lost_counted);
}

void
service_metrics_new(struct service_context *c)
{
	const struct service *s = c->service;
	size_t n = s->n_metrics + SERVICE_METRICS;

	c->metric_defs = xcalloc(n, sizeof(*c->metric_defs));
	if (s->n_metrics > 0)
		memcpy(c->metric_defs, s->metrics,
		    s->n_metrics * sizeof(*s->metrics));
	memcpy(c->metric_defs + s->n_metrics, service_metric_defs,
	    sizeof(service_metric_defs));
	c->metrics = metrics_new(service_settings(c)->metrics.namespace,
	    s->name, c->metric_defs, n);
	c->cells = metrics_thread(c->metrics);
	metrics_on_scrape(c->metrics, on_scrape, c);
}

void
service_metrics_loaded(struct service_context *c, bool taken)
{
	const enum service_metric
	    result = SERVICE_METRIC_config_last_reload_successful,
	    when = SERVICE_METRIC_config_last_reload_success_timestamp_seconds;

	metrics_gauge_set(c->cells, index_of(c, result), 0, taken);
	if (taken)
		metrics_gauge_set(c->cells, index_of(c, when), 0,
		    (int64_t)(clock_wall_us() / 1000000));
}

void
service_metrics_free(struct service_context *c)
{
	metrics_free(&c->metrics);
	free(c->metric_defs);
	c->metric_defs = NULL;
}
