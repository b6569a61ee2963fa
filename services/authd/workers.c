/* SPDX-License-Identifier: MIT */
#include "authd/workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/background.h"
#include "base/clock.h"
#include "base/mem.h"

#define NICER 10

struct thread {
	struct workers *workers;
	unsigned index;
	bool last;
	pthread_t id;
};

struct workers {
	pthread_mutex_t m;
	pthread_cond_t wake, wake_last;
	_Atomic uint64_t hurry_ms;	/* the last workers_stand_back() */
	unsigned aside_ms;
	/* Guarded by m. */
	struct list jobs;
	unsigned queued, queue_max;
	unsigned idle;		/* threads, but for the last if it stands back */
	bool stop;
	/* The starter's. */
	unsigned n_threads;
	struct thread threads[];
};

/* ---- waiting, with the lock held ---- */

static void
wait_for_job(struct workers *w)
{
	w->idle++;
	while (list_empty(&w->jobs) && !w->stop)
		pthread_cond_wait(&w->wake, &w->m);
	w->idle--;
}

static void
wait_ms(struct workers *w, uint64_t ms)
{
	const struct timespec until = clock_in_ms(ms);

	(void)pthread_cond_timedwait(&w->wake_last, &w->m, &until);
}

/* For a job that none of the others is about to take, while nobody is in a
 * hurry. */
static void
wait_for_leftover(struct workers *w)
{
	uint64_t now, aside;

	while (!w->stop) {
		now = clock_mono_ms();
		aside = w->hurry_ms + w->aside_ms;
		if (w->queued <= w->idle)
			pthread_cond_wait(&w->wake_last, &w->m);
		else if (w->hurry_ms > 0 && now < aside)
			wait_ms(w, aside - now);
		else
			break;
	}
}

/* ---- threads ---- */

static bool
stands_back(const struct thread *t)
{
	return t->workers->aside_ms > 0 && t->last;
}

/* Waits for a job; NULL: to stop. */
static struct workers_job *
take(const struct thread *t)
{
	struct workers *w = t->workers;
	struct workers_job *j = NULL;

	pthread_mutex_lock(&w->m);
	if (stands_back(t))
		wait_for_leftover(w);
	else
		wait_for_job(w);
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
	while ((j = take(t)) != NULL) {
		j->thread = t->index;
		j->run(j, false);
	}
	return NULL;
}

static int
start_thread(struct workers *w, const struct workers_options *o,
    struct err *err)
{
	struct thread *t = &w->threads[w->n_threads];

	*t = (struct thread){ .workers = w, .index = w->n_threads,
		.last = w->n_threads + 1 == o->threads };
	errno = pthread_create(&t->id, NULL, run, t);
	if (errno != 0)
		return err_sys(err, "thread of the workers");
	pthread_setname_np(t->id, o->name);
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
	clock_cond_init(&w->wake_last);
	w->aside_ms = o->threads > 1 ? o->aside_ms : 0;
	list_init(&w->jobs);
	w->queue_max = o->queue;
	while (w->n_threads < o->threads) {
		if (start_thread(w, o, err) != 0) {
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
		if (w->queued > w->idle)
			pthread_cond_signal(&w->wake_last);
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

void
workers_stand_back(struct workers *w)
{
	uint64_t now = clock_mono_ms();

	/* Many threads read it; a millisecond is written once. */
	if (w->hurry_ms != now)
		w->hurry_ms = now;
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
	pthread_cond_signal(&w->wake_last);
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
	pthread_cond_destroy(&w->wake_last);
	pthread_mutex_destroy(&w->m);
	free(w);
}
