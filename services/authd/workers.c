/* SPDX-License-Identifier: MIT */
#include "authd/workers.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define NICE 5

struct workers {
	pthread_mutex_t m;
	pthread_cond_t wake;
	/* Guarded by m. */
	struct list jobs;
	unsigned queued, queue_max;
	bool stop;
	/* The starter's. */
	unsigned n_threads;
	pthread_t threads[];
};

unsigned
workers_default(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0
	    ? CPU_COUNT(&set) : 1;

	return n < 64 ? (unsigned)n : 64;
}

/* Waits for a job; NULL: to stop. */
static struct workers_job *
take(struct workers *w)
{
	struct workers_job *j = NULL;

	pthread_mutex_lock(&w->m);
	while (list_empty(&w->jobs) && !w->stop)
		pthread_cond_wait(&w->wake, &w->m);
	if (!w->stop) {
		j = container_of(list_pop(&w->jobs), struct workers_job, link);
		w->queued--;
	}
	pthread_mutex_unlock(&w->m);
	return j;
}

static void *
run(void *arg)
{
	struct workers *w = arg;
	struct workers_job *j;

	/* Linux: of this thread only. A courtesy, so it may fail. */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	while ((j = take(w)) != NULL)
		j->run(j, false);
	return NULL;
}

int
workers_start(struct workers **out, unsigned threads, unsigned queue,
    struct err *err)
{
	struct workers *w = xcalloc(1, sizeof(*w) +
	    threads * sizeof(w->threads[0]));

	ASSERT(threads > 0 && queue > 0);
	pthread_mutex_init(&w->m, NULL);
	pthread_cond_init(&w->wake, NULL);
	list_init(&w->jobs);
	w->queue_max = queue;
	for (unsigned i = 0; i < threads; i++) {
		errno = pthread_create(&w->threads[i], NULL, run, w);
		if (errno != 0) {
			(void)err_sys(err, "thread of the workers");
			workers_free(&w);
			return -1;
		}
		pthread_setname_np(w->threads[i], "hash");
		w->n_threads++;
	}
	*out = w;
	return 0;
}

static bool
submit(struct workers *w, struct workers_job *j, bool first)
{
	bool taken;

	list_init(&j->link);
	j->queued_us = clock_mono_us();
	pthread_mutex_lock(&w->m);
	taken = !w->stop && (first || w->queued < w->queue_max);
	if (taken) {
		w->queued++;
		/* Behind the head is before the first. */
		list_push(first ? w->jobs.next : &w->jobs, &j->link);
		pthread_cond_signal(&w->wake);
	}
	pthread_mutex_unlock(&w->m);
	return taken;
}

bool
workers_submit(struct workers *w, struct workers_job *j)
{
	return submit(w, j, false);
}

bool
workers_submit_first(struct workers *w, struct workers_job *j)
{
	return submit(w, j, true);
}

unsigned
workers_queued(struct workers *w)
{
	unsigned n;

	pthread_mutex_lock(&w->m);
	n = w->queued;
	pthread_mutex_unlock(&w->m);
	return n;
}

void
workers_stop(struct workers *w)
{
	struct list left, *link;

	list_init(&left);
	pthread_mutex_lock(&w->m);
	w->stop = true;
	list_move(&left, &w->jobs);
	w->queued = 0;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->m);
	for (; w->n_threads > 0; w->n_threads--)
		pthread_join(w->threads[w->n_threads - 1], NULL);
	while ((link = list_pop(&left)) != NULL) {
		struct workers_job *j = container_of(link, struct workers_job,
		    link);

		j->run(j, true);
	}
}

void
workers_free(struct workers **wp)
{
	struct workers *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	workers_stop(w);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->m);
	free(w);
}
