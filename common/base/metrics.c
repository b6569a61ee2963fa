/* SPDX-License-Identifier: MIT */
/*
 * Each thread's share is a flat array of 64-bit cells that only this thread
 * writes: a relaxed load and a relaxed store, no locked instruction. A scrape
 * reads all shares while they move; each sum is a value the metric had or
 * passed. A counter or gauge has one cell for each combination of its labels,
 * a histogram one for each bucket, one for +Inf, and one for the sum (the bits
 * of a double). Buckets are made cumulative when shown, so that the count is
 * always that of +Inf.
 */
#include "base/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/process.h"

#define HOOKS_MAX 8
#define CACHE_LINE 64
#define DOUBLE_SIZE 32

struct series {
	size_t first;		/* cell of label 0 */
	unsigned combinations;
	unsigned cells;		/* of one combination */
};

struct hook {
	void (*fn)(void *arg, struct metrics_cells *c);
	void *arg;
};

struct metrics {
	const char *namespace, *component;
	const struct metric_def *defs;
	struct series *series;
	size_t n, ncells;
	uint64_t start_us;
	pthread_mutex_t lock;
	struct list shares;	/* guarded by lock; grows only */
	pthread_mutex_t scrape_lock;
	struct metrics_cells *scraped;	/* written by hooks; scrape_lock */
	struct hook hooks[HOOKS_MAX];	/* scrape_lock */
	size_t nhooks;
};

struct metrics_cells {
	struct list link;
	const struct metrics *of;
	char apart[CACHE_LINE];	/* the neighbours' cells are another thread's */
	uint64_t v[];		/* relaxed atomics, one writer */
};

static const double latency_edges[] = { 0.0001, 0.00025, 0.0005, 0.001, 0.0025,
	0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 };
const struct metric_buckets metric_latency_buckets = { latency_edges,
	ARRAY_LEN(latency_edges) };

static unsigned
count_values(const struct metric_labels *l, int i)
{
	unsigned n = 0;

	if (l == NULL || l->name[i] == NULL)
		return 1;
	while (l->values[i][n] != NULL)
		n++;
	return n;
}

/* Such a gauge has a second cell: not 0 once it was set. */
static bool
only_set(const struct metric_def *d)
{
	return d->kind == METRIC_GAUGE && d->labels != NULL
	    && d->labels->only_set;
}

struct metrics *
metrics_new(const char *namespace, const char *component,
    const struct metric_def *defs, size_t n)
{
	struct metrics *m = xcalloc(1, sizeof(*m));
	size_t i;

	m->namespace = namespace;
	m->component = component;
	m->defs = defs;
	m->n = n;
	m->series = xcalloc(n, sizeof(*m->series));
	for (i = 0; i < n; i++) {
		const struct metric_def *d = &defs[i];
		struct series *s = &m->series[i];

		ASSERT((d->kind == METRIC_HISTOGRAM) == (d->buckets != NULL));
		s->first = m->ncells;
		s->cells = d->buckets ? (unsigned)d->buckets->n + 2
		    : only_set(d) ? 2 : 1;
		s->combinations = count_values(d->labels, 0)
		    * count_values(d->labels, 1);
		m->ncells += (size_t)s->cells * s->combinations;
	}
	m->start_us = process_start_us();
	pthread_mutex_init(&m->lock, NULL);
	pthread_mutex_init(&m->scrape_lock, NULL);
	list_init(&m->shares);
	m->scraped = metrics_thread(m);
	return m;
}

struct metrics_cells *
metrics_thread(struct metrics *m)
{
	struct metrics_cells *c = xcalloc(1, sizeof(*c)
	    + m->ncells * sizeof(c->v[0]) + CACHE_LINE);

	c->of = m;
	pthread_mutex_lock(&m->lock);
	list_push(&m->shares, &c->link);
	pthread_mutex_unlock(&m->lock);
	return c;
}

static uint64_t
get(const uint64_t *cell)
{
	return __atomic_load_n(cell, __ATOMIC_RELAXED);
}

static void
set(uint64_t *cell, uint64_t v)
{
	__atomic_store_n(cell, v, __ATOMIC_RELAXED);
}

static double
to_double(uint64_t bits)
{
	double d;

	memcpy(&d, &bits, sizeof(d));
	return d;
}

static uint64_t
to_bits(double d)
{
	uint64_t bits;

	memcpy(&bits, &d, sizeof(bits));
	return bits;
}

/* The first cell of a combination. */
static uint64_t *
cell_of(struct metrics_cells *c, enum metric_kind kind, unsigned metric,
    unsigned label)
{
	const struct series *s = &c->of->series[metric];

	ASSERT(metric < c->of->n && label < s->combinations
	    && c->of->defs[metric].kind == kind);
	return &c->v[s->first + (size_t)label * s->cells];
}

void
metrics_add(struct metrics_cells *c, unsigned metric, unsigned label,
    uint64_t n)
{
	uint64_t *cell = cell_of(c, METRIC_COUNTER, metric, label);

	set(cell, get(cell) + n);
}

void
metrics_gauge_add(struct metrics_cells *c, unsigned metric, unsigned label,
    int64_t n)
{
	uint64_t *cell = cell_of(c, METRIC_GAUGE, metric, label);

	set(cell, get(cell) + (uint64_t)n);
	if (only_set(&c->of->defs[metric]))
		set(&cell[1], 1);
}

void
metrics_gauge_set(struct metrics_cells *c, unsigned metric, unsigned label,
    int64_t v)
{
	uint64_t *cell = cell_of(c, METRIC_GAUGE, metric, label);

	set(cell, (uint64_t)v);
	if (only_set(&c->of->defs[metric]))
		set(&cell[1], 1);
}

void
metrics_observe(struct metrics_cells *c, unsigned metric, unsigned label,
    double v)
{
	uint64_t *cells = cell_of(c, METRIC_HISTOGRAM, metric, label);
	const struct metric_buckets *b = c->of->defs[metric].buckets;
	size_t i = 0;

	if (v != v)
		return;
	while (i < b->n && v > b->le[i])
		i++;
	set(&cells[i], get(&cells[i]) + 1);
	cells += b->n + 1;
	set(cells, to_bits(to_double(get(cells)) + v));
}

/* The sum of one cell over all threads; called with the lock held. */
static uint64_t
sum(const struct metrics *m, size_t cell)
{
	uint64_t total = 0;

	list_for_each(link, &m->shares)
		total += get(&container_of(link, struct metrics_cells,
		    link)->v[cell]);
	return total;
}

static double
sum_double(const struct metrics *m, size_t cell)
{
	double total = 0;

	list_for_each(link, &m->shares)
		total += to_double(get(&container_of(link,
		    struct metrics_cells, link)->v[cell]));
	return total;
}

int64_t
metrics_value(struct metrics *m, unsigned metric, unsigned label)
{
	const struct series *s = &m->series[metric];
	uint64_t total = 0;
	size_t i, cell;

	ASSERT(metric < m->n && label < s->combinations);
	cell = s->first + (size_t)label * s->cells;
	pthread_mutex_lock(&m->lock);
	for (i = 0; i < (s->cells > 1 ? s->cells - 1 : 1); i++)
		total += sum(m, cell + i);
	pthread_mutex_unlock(&m->lock);
	return (int64_t)total;
}

void
metrics_on_scrape(struct metrics *m,
    void (*fn)(void *arg, struct metrics_cells *c), void *arg)
{
	pthread_mutex_lock(&m->scrape_lock);
	ASSERT(m->nhooks < HOOKS_MAX);
	m->hooks[m->nhooks++] = (struct hook){ fn, arg };
	pthread_mutex_unlock(&m->scrape_lock);
}

static void
show_escaped(struct bytes *out, const char *s, bool quotes)
{
	for (; *s != '\0'; s++) {
		if (*s == '\n')
			bytes_add(out, "\\n", 2);
		else if (*s == '\\' || (*s == '"' && quotes))
			bytes_fmt(out, "\\%c", *s);
		else
			bytes_add(out, s, 1);
	}
}

static void
show_label(struct bytes *out, bool first, const char *name, const char *value)
{
	bytes_fmt(out, "%s%s=\"", first ? "{" : ",", name);
	show_escaped(out, value, true);
	bytes_add(out, "\"", 1);
}

/* The shortest text that is read back as the same number. */
static void
double_text(char out[static DOUBLE_SIZE], double v)
{
	int digits;

	for (digits = 15; digits <= 17; digits++) {
		snprintf(out, DOUBLE_SIZE, "%.*g", digits, v);
		if (strtod(out, NULL) == v)
			break;
	}
}

/* `namespace` is NULL for names that have none. */
static void
show_head(struct bytes *out, const char *namespace, const char *name,
    const char *help, enum metric_kind kind)
{
	static const char *const types[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
	};
	const char *prefix = namespace != NULL ? namespace : "";
	const char *join = namespace != NULL ? "_" : "";

	bytes_fmt(out, "# HELP %s%s%s ", prefix, join, name);
	show_escaped(out, help, false);
	bytes_fmt(out, "\n# TYPE %s%s%s %s\n", prefix, join, name,
	    types[kind]);
}

/* Name, suffix and labels of a sample; `le` is a further label, or NULL. */
static void
show_name(struct bytes *out, const struct metrics *m,
    const struct metric_def *d, const char *suffix, unsigned label,
    const char *le)
{
	const struct metric_labels *l = d->labels;
	const char *component = d->by_component ? m->component : NULL;
	unsigned inner = count_values(l, 1);
	bool bare = component == NULL;

	ASSERT(inner > 0);
	bytes_fmt(out, "%s_%s%s", m->namespace, d->name, suffix);
	if (component != NULL)
		show_label(out, true, "component", component);
	if (l != NULL)
		show_label(out, bare, l->name[0], l->values[0][label / inner]);
	if (l != NULL && l->name[1] != NULL)
		show_label(out, false, l->name[1], l->values[1][label % inner]);
	bare = bare && l == NULL;
	if (le != NULL)
		show_label(out, bare, "le", le);
	bytes_fmt(out, "%s ", bare && le == NULL ? "" : "}");
}

static void
show_number(struct bytes *out, const struct metrics *m,
    const struct metric_def *d, unsigned label, size_t cell)
{
	unsigned long long v = sum(m, cell);

	show_name(out, m, d, "", label, NULL);
	if (d->kind == METRIC_GAUGE)
		bytes_fmt(out, "%lld\n", (long long)v);
	else
		bytes_fmt(out, "%llu\n", v);
}

static void
show_histogram(struct bytes *out, const struct metrics *m,
    const struct metric_def *d, unsigned label, size_t cell)
{
	const struct metric_buckets *b = d->buckets;
	unsigned long long count = 0;
	char text[DOUBLE_SIZE];
	size_t i;

	for (i = 0; i <= b->n; i++) {
		count += sum(m, cell + i);
		if (i < b->n)
			double_text(text, b->le[i]);
		show_name(out, m, d, "_bucket", label,
		    i < b->n ? text : "+Inf");
		bytes_fmt(out, "%llu\n", count);
	}
	double_text(text, sum_double(m, cell + b->n + 1));
	show_name(out, m, d, "_sum", label, NULL);
	bytes_fmt(out, "%s\n", text);
	show_name(out, m, d, "_count", label, NULL);
	bytes_fmt(out, "%llu\n", count);
}

static void
show_metric(struct bytes *out, const struct metrics *m, size_t i)
{
	const struct metric_def *d = &m->defs[i];
	const struct series *s = &m->series[i];
	unsigned label;

	show_head(out, m->namespace, d->name, d->help, d->kind);
	for (label = 0; label < s->combinations; label++) {
		size_t cell = s->first + (size_t)label * s->cells;

		if (d->kind == METRIC_HISTOGRAM)
			show_histogram(out, m, d, label, cell);
		else if (!only_set(d) || sum(m, cell + 1) > 0)
			show_number(out, m, d, label, cell);
	}
}

static void
show_process(struct bytes *out, const struct metrics *m)
{
	struct process_usage u = process_usage();
	const struct {
		const char *name, *help;
		enum metric_kind kind;
		double value;
	} lines[] = {
		{ "process_cpu_seconds_total", "CPU time used",
			METRIC_COUNTER, (double)u.cpu_us / 1e6 },
		{ "process_resident_memory_bytes", "Memory in use",
			METRIC_GAUGE, (double)u.resident_bytes },
		{ "process_open_fds", "Open descriptors",
			METRIC_GAUGE, (double)u.open_fds },
		{ "process_max_fds", "Descriptors the process may open",
			METRIC_GAUGE, (double)u.max_fds },
		{ "process_start_time_seconds", "When the process started",
			METRIC_GAUGE, (double)m->start_us / 1e6 },
	};
	char value[DOUBLE_SIZE];
	size_t i;

	for (i = 0; i < ARRAY_LEN(lines); i++) {
		show_head(out, NULL, lines[i].name, lines[i].help,
		    lines[i].kind);
		bytes_add(out, lines[i].name, strlen(lines[i].name));
		if (m->component != NULL) {
			show_label(out, true, "component", m->component);
			bytes_add(out, "}", 1);
		}
		double_text(value, lines[i].value);
		bytes_fmt(out, " %s\n", value);
	}
}

static void
show_build(struct bytes *out, const struct metrics *m)
{
	show_head(out, m->namespace, "build_info",
	    "Always 1; the labels tell the version", METRIC_GAUGE);
	bytes_fmt(out, "%s_build_info", m->namespace);
	show_label(out, true, "version", SALLYPORT_VERSION);
	if (m->component != NULL)
		show_label(out, false, "component", m->component);
	bytes_fmt(out, "} 1\n");
}

void
metrics_expose(struct metrics *m, struct bytes *out)
{
	size_t i;

	pthread_mutex_lock(&m->scrape_lock);
	for (i = 0; i < m->nhooks; i++)
		m->hooks[i].fn(m->hooks[i].arg, m->scraped);
	pthread_mutex_unlock(&m->scrape_lock);
	pthread_mutex_lock(&m->lock);
	for (i = 0; i < m->n; i++)
		show_metric(out, m, i);
	pthread_mutex_unlock(&m->lock);
	show_process(out, m);
	show_build(out, m);
}

void
metrics_free(struct metrics **mp)
{
	struct metrics *m = *mp;
	struct list *link;

	*mp = NULL;
	if (m == NULL)
		return;
	while ((link = list_pop(&m->shares)) != NULL)
		free(container_of(link, struct metrics_cells, link));
	pthread_mutex_destroy(&m->lock);
	pthread_mutex_destroy(&m->scrape_lock);
	free(m->series);
	free(m);
}
