/* SPDX-License-Identifier: MIT */
#include "acld/loader.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "acld/metrics.h"
#include "acld/policy_load.h"
#include "acld/snapshot.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/settings.h"

/* Errors of one file that are logged a line each. */
#define LOGGED_MAX 20

struct loader {
	struct loader_options o;	/* config: the loader's thread only */
	pthread_t thread;
	pthread_mutex_t m;
	pthread_cond_t wake;
	struct list jobs;		/* guarded by m, as is stop */
	bool stop;
};

/* Somebody who wants a load. */
struct job {
	struct list link;
	const struct acld_config *next;	/* NULL: the settings as they are */
	loader_done_fn *done;
	void *arg;
};

/* ---- one load ---- */

static void
log_notes(const char *event, const struct policy_notes *notes)
{
	for (unsigned i = 0; i < notes->n && i < LOGGED_MAX; i++)
		log_warn(NULL, event, log_str("what", notes->v[i]));
}

static void
on_rejected(struct loader *l, const struct policy_report *report)
{
	struct metrics_cells *cells = acld_cells(l->o.metrics);
	struct err first;

	metrics_add(cells, METRIC_acld_reloads_total, ACLD_RELOAD_REJECTED, 1);
	metrics_add(cells, METRIC_acld_expect_failures_total, 0,
	    report->expect_failures);
	(void)policy_notes_first(&report->errors, &first);
	log_error(NULL, "policy_rejected", log_str("error", first.text),
	    log_u64("errors", report->errors.total));
	if (report->errors.total > 1)
		log_notes("policy_error", &report->errors);
}

static void
on_loaded(struct loader *l, struct policy **pp,
    const struct policy_report *report)
{
	struct metrics_cells *cells = acld_cells(l->o.metrics);
	struct policy_counts n = policy_count(*pp);
	uint64_t generation = snapshot_activate(l->o.snapshot, pp,
	    report->warnings.v, report->warnings.n);

	metrics_add(cells, METRIC_acld_reloads_total, ACLD_RELOAD_OK, 1);
	metrics_gauge_set(cells, METRIC_acld_rules, 0, n.rules);
	metrics_gauge_set(cells, METRIC_acld_policy_generation, 0,
	    (int64_t)generation);
	metrics_gauge_set(cells, METRIC_acld_policy_memory_bytes, 0,
	    (int64_t)n.memory);
	metrics_gauge_set(cells, METRIC_acld_policy_loaded_timestamp_seconds,
	    0, (int64_t)(generation / 1000000));
	log_info(NULL, "policy_activated", log_u64("generation", generation),
	    log_u64("rules", n.rules), log_u64("users", n.users),
	    log_u64("groups", n.groups),
	    log_u64("warnings", report->warnings.total));
	log_notes("policy_warning", &report->warnings);
	l->o.changed(l->o.arg);
}

/* Everything from the file to the log; `report` is the caller's. */
static int
load(struct loader *l, const struct acld_config *config,
    struct policy_report *report)
{
	uint64_t start = clock_mono_us();
	struct policy *p;
	int rc = policy_load(&p, config->policy_file, config, report);

	if (rc == 0)
		on_loaded(l, &p, report);
	else
		on_rejected(l, report);
	metrics_observe(acld_cells(l->o.metrics),
	    METRIC_acld_reload_duration_seconds, 0,
	    (double)(clock_mono_us() - start) / 1e6);
	return rc;
}

/* ---- the thread ---- */

static void
finish(struct list *jobs, const struct policy_notes *errors)
{
	struct list *link;

	while ((link = list_pop(jobs)) != NULL) {
		struct job *j = container_of(link, struct job, link);

		if (j->done != NULL)
			j->done(j->arg, errors);
		free(j);
	}
}

static void
finish_stopping(struct list *jobs)
{
	struct policy_notes errors = { .n = 0 };

	policy_notes_add(&errors, NULL, 0, 0, "acld is stopping");
	finish(jobs, &errors);
	policy_notes_fini(&errors);
}

static void
serve(struct loader *l, struct list *jobs)
{
	const struct acld_config *config = l->o.config;
	struct policy_report report = { 0 };

	list_for_each (link, jobs) {
		struct job *j = container_of(link, struct job, link);

		if (j->next != NULL)
			config = j->next;
	}
	if (load(l, config, &report) == 0) {
		l->o.config = config;
		finish(jobs, NULL);
	} else {
		finish(jobs, &report.errors);
	}
	policy_report_fini(&report);
}

static void *
run(void *arg)
{
	struct loader *l = arg;
	struct list jobs;
	bool stop;

	list_init(&jobs);
	do {
		pthread_mutex_lock(&l->m);
		while (list_empty(&l->jobs) && !l->stop)
			pthread_cond_wait(&l->wake, &l->m);
		stop = l->stop;
		list_move(&jobs, &l->jobs);
		pthread_mutex_unlock(&l->m);
		if (stop)
			finish_stopping(&jobs);
		else
			serve(l, &jobs);
	} while (!stop);
	return NULL;
}

/* ---- asking ---- */

static void
post(struct loader *l, const struct acld_config *next, loader_done_fn *done,
    void *arg)
{
	struct job *j = xcalloc(1, sizeof(*j));
	struct list late;

	list_init(&late);
	*j = (struct job){ .next = next, .done = done, .arg = arg };
	pthread_mutex_lock(&l->m);
	list_push(l->stop ? &late : &l->jobs, &j->link);
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->m);
	finish_stopping(&late);
}

void
loader_ask(struct loader *l, loader_done_fn *done, void *arg)
{
	post(l, NULL, done, arg);
}

/* Which of the errors are told. */
typedef int tell_fn(const struct policy_notes *errors, struct err *err);

/* Who waits for a load. */
struct waiter {
	pthread_mutex_t m;
	pthread_cond_t wake;
	tell_fn *tell;
	struct err *err;
	bool done, ok;		/* guarded by m */
};

static void
on_done(void *arg, const struct policy_notes *errors)
{
	struct waiter *w = arg;

	pthread_mutex_lock(&w->m);
	w->ok = errors == NULL;
	w->done = true;
	if (errors != NULL)
		(void)w->tell(errors, w->err);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->m);
}

static int
load_and_wait(struct loader *l, const struct acld_config *next, tell_fn *tell,
    struct err *err)
{
	struct waiter w = { .tell = tell, .err = err };

	pthread_mutex_init(&w.m, NULL);
	pthread_cond_init(&w.wake, NULL);
	post(l, next, on_done, &w);
	pthread_mutex_lock(&w.m);
	while (!w.done)
		pthread_cond_wait(&w.wake, &w.m);
	pthread_mutex_unlock(&w.m);
	pthread_cond_destroy(&w.wake);
	pthread_mutex_destroy(&w.m);
	return w.ok ? 0 : -1;
}

int
loader_run(struct loader *l, const struct acld_config *next, struct err *err)
{
	return load_and_wait(l, next, policy_notes_first, err);
}

/* ---- life ---- */

int
loader_start(struct loader **out, const struct loader_options *o,
    bool *bad_policy, struct err *err)
{
	struct loader *l = xcalloc(1, sizeof(*l));

	l->o = *o;
	list_init(&l->jobs);
	pthread_mutex_init(&l->m, NULL);
	pthread_cond_init(&l->wake, NULL);
	*bad_policy = false;
	errno = pthread_create(&l->thread, NULL, run, l);
	if (errno != 0) {
		(void)err_sys(err, "thread of the loader");
		goto fail;
	}
	if (load_and_wait(l, o->config, policy_notes_err, err) == 0) {
		*out = l;
		return 0;
	}
	*bad_policy = true;
	loader_stop(l);
fail:
	loader_free(&l);
	return -1;
}

void
loader_stop(struct loader *l)
{
	pthread_mutex_lock(&l->m);
	l->stop = true;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->m);
	pthread_join(l->thread, NULL);
}

void
loader_free(struct loader **lp)
{
	struct loader *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	pthread_cond_destroy(&l->wake);
	pthread_mutex_destroy(&l->m);
	free(l);
}
