/* SPDX-License-Identifier: MIT */
/*
 * metrics: counters, gauges and histograms of one table per daemon.
 *
 * A table (metrics.def) names each metric once; from it come the enum, the
 * storage, the exposition and the reference page. Each thread adds to cells of
 * its own with plain stores and no lock; a scrape sums them. Labels are closed
 * sets and every combination starts at 0, but for gauges with only_set. Text
 * format 0.0.4 of Prometheus.
 *
 * A table is a .def file with lines
 *	COUNTER(name, label_set, help)   GAUGE(name, label_set, help)
 *	HISTOGRAM(name, label_set, bucket_set, help)
 * where label_set is METRIC_NO_LABEL or the name of a `struct metric_labels`.
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* One or two labels with closed value sets. */
struct metric_labels {
	const char *name[2];		/* name[1] NULL: one label */
	const char *const *values[2];	/* end with NULL */
	bool only_set;	/* gauges: show a combination once it was set */
};
#define METRIC_NO_LABEL ((const struct metric_labels *)0)

struct metric_buckets {
	const double *le;	/* rising; +Inf is added */
	size_t n;
};

struct metric_def {
	enum metric_kind kind;
	const char *name;	/* without the namespace */
	const char *help;
	const struct metric_labels *labels;
	const struct metric_buckets *buckets;	/* histograms only */
	bool by_component;	/* every daemon has it: tells which, too */
};

/* From 100 µs to 10 s, an edge at 0.25. */
extern const struct metric_buckets metric_latency_buckets;

struct metrics;		/* all of a process */
struct metrics_cells;	/* one thread's share */

/*
 * `namespace` is borrowed. `component`, if not NULL, becomes a label of what
 * every daemon has: process_*, build_info and the metrics by_component.
 */
struct metrics *metrics_new(const char *namespace, const char *component,
    const struct metric_def *defs, size_t n);
/* A share for the calling thread, summed until the end of the process. */
struct metrics_cells *metrics_thread(struct metrics *m);
/* `metric` is the index in the table; `label` 0 .. combinations-1, the second
 * label varying fastest: i * n_values(1) + j. */
void metrics_add(struct metrics_cells *c, unsigned metric, unsigned label,
    uint64_t n);
/* Gauges: the sum over the threads counts. */
void metrics_gauge_add(struct metrics_cells *c, unsigned metric,
    unsigned label, int64_t n);
void metrics_gauge_set(struct metrics_cells *c, unsigned metric,
    unsigned label, int64_t v);
/* A value in the unit of the buckets, usually seconds; NaN is ignored. */
void metrics_observe(struct metrics_cells *c, unsigned metric,
    unsigned label, double v);
/* The sum over all threads (tests, status); of a histogram its count. */
int64_t metrics_value(struct metrics *m, unsigned metric, unsigned label);

/* Called before each exposition, to set gauges that are looked up, with cells
 * that no thread owns; up to eight, in order of registration. Must not call
 * metrics_expose. */
void metrics_on_scrape(struct metrics *m,
    void (*fn)(void *arg, struct metrics_cells *c), void *arg);
/* Appends the whole text, process_* and build_info included. Any thread. */
void metrics_expose(struct metrics *m, struct bytes *out);
void metrics_free(struct metrics **mp);

#endif
