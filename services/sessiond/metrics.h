/* SPDX-License-Identifier: MIT */
/*
 * metrics: what sessiond counts; metrics.def is the list.
 */
#ifndef SESSIOND_METRICS_H
#define SESSIOND_METRICS_H

#include "audit/record.h"
#include "base/metrics.h"

enum sessiond_metric {
#define COUNTER(name, labels, help)            M_##name,
#define GAUGE(name, labels, help)              M_##name,
#define HISTOGRAM(name, labels, buckets, help) M_##name,
#include "sessiond/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
	SESSIOND_METRICS,
};

extern const struct metric_def sessiond_metrics[SESSIOND_METRICS];

/* What became of a record. */
enum record_fate {
	FATE_APPLIED,
	FATE_KNOWN,
	FATE_QUARANTINED,
	FATE_REFUSED,
	FATES,
};
/* The label of audit_records_total; `type` as it came, perhaps unknown. */
unsigned metrics_record_label(uint8_t type, enum record_fate fate);
/* Types that audit_records_total tells apart, "other" among them. */
#define METRICS_TYPES (RECORD_END + 1)

/* What became of a batch: the verdicts of ingest.h, and before them: */
enum batch_fate {
	BATCH_APPLIED,
	BATCH_KNOWN,
	BATCH_ENDED,
	BATCH_FOREIGN,
	BATCH_ABSURD,
	BATCH_MALFORMED,
	BATCH_DROPPED, /* the queue was full */
	BATCH_FATES,
};

enum db_operation { DB_APPLY, DB_RETENTION, DB_LOST, DB_LOOK, DB_OPERATIONS };
/* The label of db_up; `backend` as in store_ops. */
unsigned metrics_backend_label(const char *backend);

#endif
