/* SPDX-License-Identifier: MIT */
#include "authd/workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/background.h"
#include "base/clock.h"
#include "base/mem.h"

#define NICER 10

struct thread {
	struct workers *workers;
	unsigned index;
	pthread_t id;
};

struct workers {
	pthread_mutex_t m;
	pthread_cond_t wake;
	/* Guarded by m. */
	struct list jobs;
	unsigned queued, queue_max;
	bool stop;
	/* The starter's. */
	unsigned n_threads;
	struct thread threads[];
};

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
	const struct thread *t = arg;
	struct workers_job *j;

	background_begin(NICER);
	while ((j = take(t->workers)) != NULL) {
		j->thread = t->index;
		j->run(j, false);
	}
	return NULL;
}

static int
start_thread(struct workers *w, const char *name, struct err *err)
{
	struct thread *t = &w->threads[w->n_threads];

	*t = (struct thread){ .workers = w, .index = w->n_threads };
	errno = pthread_create(&t->id, NULL, run, t);
	if (errno != 0)
		return err_sys(err, "thread of the workers");
	pthread_setname_np(t->id, name);
	w->n_threads++;
	return 0;
}

int
workers_start(struct workers **out, const struct workers_options *o,
    struct err *err)
{
	struct workers *w = xcalloc(1, sizeof(*w) +
	    o->threads * sizeof(w->threads[0]));

	ASSERT(o->threads > 0 && o->queue > 0);
	pthread_mutex_init(&w->m, NULL);
	pthread_cond_init(&w->wake, NULL);
	list_init(&w->jobs);
	w->queue_max = o->queue;
	while (w->n_threads < o->threads) {
		if (start_thread(w, o->name, err) != 0) {
			workers_free(&w);
			return -1;
		}
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
		pthread_join(w->threads[w->n_threads - 1].id, NULL);
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
