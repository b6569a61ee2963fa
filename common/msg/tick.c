/* SPDX-License-Identifier: MIT */
#include "msg/tick.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static struct {
	/* For the beginning and the end of the thread; taken without m. */
	pthread_mutex_t life;
	unsigned started;		/* ticks; guarded by life */
	pthread_t thread;		/* guarded by life */
	pthread_mutex_t m;
	pthread_cond_t changed;		/* any of these, all guarded by m: */
	struct list ticks;
	struct tick *running;		/* NULL: none */
	bool ending;
} all = {
	.life = PTHREAD_MUTEX_INITIALIZER,
	.m = PTHREAD_MUTEX_INITIALIZER,
	.ticks = { &all.ticks, &all.ticks },
};

static uint64_t
now_ms(void)
{
	const struct timespec t = clock_in_ms(0);

	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The first whole period of the clock after this moment. */
static uint64_t
after(uint64_t ms, uint32_t period_ms)
{
	return (ms / period_ms + 1) * period_ms;
}

/* All of these under m. */

static struct tick *
next(void)
{
	struct tick *first = NULL;

	list_for_each(it, &all.ticks) {
		struct tick *t = container_of(it, struct tick, in);

		if (first == NULL || t->due_ms < first->due_ms)
			first = t;
	}
	return first;
}

static void
run_one(struct tick *t)
{
	all.running = t;
	pthread_mutex_unlock(&all.m);
	t->on_tick(t);
	pthread_mutex_lock(&all.m);
	t->due_ms = after(now_ms(), t->period_ms);
	all.running = NULL;
	pthread_cond_broadcast(&all.changed);
}

static void
wait_for(const struct tick *t)
{
	struct timespec until;

	if (t == NULL) {
		pthread_cond_wait(&all.changed, &all.m);
		return;
	}
	until.tv_sec = (time_t)(t->due_ms / 1000);
	until.tv_nsec = (long)(t->due_ms % 1000) * 1000000;
	pthread_cond_timedwait(&all.changed, &all.m, &until);
}

static void *
run(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&all.m);
	while (!all.ending) {
		struct tick *t = next();

		if (t != NULL && t->due_ms <= now_ms())
			run_one(t);
		else
			wait_for(t);
	}
	pthread_mutex_unlock(&all.m);
	return NULL;
}

/* Under life; nobody else uses `all` at this time. */
static int
thread_start(void)
{
	int rv;

	clock_cond_init(&all.changed);
	all.ending = false;
	rv = pthread_create(&all.thread, NULL, run, NULL);
	if (rv == 0)
		pthread_setname_np(all.thread, "bus_ticks");
	else
		pthread_cond_destroy(&all.changed);
	return rv;
}

/* Under life. No tick is left, so this waits for none. */
static void
thread_end(void)
{
	pthread_mutex_lock(&all.m);
	all.ending = true;
	pthread_cond_broadcast(&all.changed);
	pthread_mutex_unlock(&all.m);
	pthread_join(all.thread, NULL);
	pthread_cond_destroy(&all.changed);
}

int
tick_start(struct tick *t, uint32_t period_ms, tick_fn *on_tick,
    struct err *err)
{
	int rv = 0;

	pthread_mutex_lock(&all.life);
	if (all.started == 0)
		rv = thread_start();
	if (rv == 0)
		all.started++;
	pthread_mutex_unlock(&all.life);
	if (rv != 0)
		return err_set(err, "cannot start a thread: %s", strerror(rv));
	t->on_tick = on_tick;
	t->period_ms = period_ms;
	t->due_ms = after(now_ms() + period_ms, period_ms);
	t->started = true;
	pthread_mutex_lock(&all.m);
	list_push(&all.ticks, &t->in);
	pthread_cond_broadcast(&all.changed);
	pthread_mutex_unlock(&all.m);
	return 0;
}

void
tick_stop(struct tick *t)
{
	if (!t->started)
		return;
	t->started = false;
	pthread_mutex_lock(&all.m);
	list_del(&t->in);
	while (all.running == t)
		pthread_cond_wait(&all.changed, &all.m);
	pthread_mutex_unlock(&all.m);
	pthread_mutex_lock(&all.life);
	if (--all.started == 0)
		thread_end();
	pthread_mutex_unlock(&all.life);
}
