/* SPDX-License-Identifier: MIT */
#include "sessiond/metrics.h"

#include <assert.h>
#include <string.h>

#include "sessiond/ingest.h"
#include "sessiond/store.h"

static const double lag_edges[] = { 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1,
	2.5, 5, 10, 30, 60, 300, 1800, 3600 };
static const struct metric_buckets lag_buckets = { lag_edges,
	ARRAY_LEN(lag_edges) };
static const double row_edges[] = { 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000,
	2500, 5000, 10000, 25000 };
static const struct metric_buckets row_buckets = { row_edges,
	ARRAY_LEN(row_edges) };

static const char *const types[] = { "other", "open", "update", "close",
	"reject", "aggregate", "lost", "unrecorded", "event", "end", NULL };
static_assert(ARRAY_LEN(types) == METRICS_TYPES + 1, "a name per type");
static const char *const fates[] = { "applied", "known", "quarantined",
	"refused", NULL };
static_assert(ARRAY_LEN(fates) == FATES + 1, "a name per fate");
static const char *const batch_fates[] = { "applied", "known", "ended",
	"foreign", "absurd", "malformed", "dropped", NULL };
static_assert(ARRAY_LEN(batch_fates) == BATCH_FATES + 1, "a name per fate");
static_assert(
    (int)BATCH_ABSURD == (int)INGEST_ABSURD, "a verdict is a batch's fate");
static const char *const carriers[] = { "pub", NULL };
static const char *const states[] = { "live", "ended", "lost", NULL };
static const char *const backends[] = { "sqlite", "postgresql", NULL };
static const char *const operations[] = { "apply", "retention", "lost", "look",
	NULL };
static_assert(ARRAY_LEN(operations) == DB_OPERATIONS + 1, "a name each");

static const struct metric_labels record_labels = { { "type", "result" },
	{ types, fates } };
static const struct metric_labels batch_labels = { { "carrier", "result" },
	{ carriers, batch_fates } };
static const struct metric_labels stream_labels = { { "state" }, { states } };
/* Only the one in use is shown: the other is not "down". */
static const struct metric_labels backend_labels = { { "backend" },
	{ backends }, .only_set = true };
static const struct metric_labels operation_labels = { { "operation" },
	{ operations } };
static const struct metric_labels error_labels = { { "class" },
	{ store_error_names } };

const struct metric_def sessiond_metrics[SESSIOND_METRICS] = {
#define COUNTER(n, l, h)      { METRIC_COUNTER, #n, h, l, NULL },
#define GAUGE(n, l, h)        { METRIC_GAUGE, #n, h, l, NULL },
#define HISTOGRAM(n, l, b, h) { METRIC_HISTOGRAM, #n, h, l, b },
#include "sessiond/metrics.def"
};

unsigned
metrics_record_label(uint8_t type, enum record_fate fate)
{
	unsigned t = type < METRICS_TYPES ? type : 0;

	return t * FATES + (unsigned)fate;
}

unsigned
metrics_backend_label(const char *backend)
{
	unsigned i = 0;

	while (backends[i + 1] != NULL && strcmp(backends[i], backend) != 0)
		i++;
	return i;
}
