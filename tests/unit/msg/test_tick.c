/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "msg/tick.h"
#include "peer.h"

#define PERIOD_MS 5
#define LATER_MS 3600000
#define MANY 20

/* A tick that tells of its runs, and takes as long as it is told to. */
struct counted {
	struct tick tick;
	_Atomic unsigned ran;
	_Atomic bool held;	/* waits for `go` */
	sem_t entered, go;
	pthread_t thread;
};

static void
wait_sem(sem_t *s)
{
	while (sem_wait(s) != 0 && errno == EINTR)
		;
}

static void
on_tick(struct tick *t)
{
	struct counted *c = container_of(t, struct counted, tick);

	c->thread = pthread_self();
	if (atomic_exchange(&c->held, false)) {
		sem_post(&c->entered);
		wait_sem(&c->go);
	}
	c->ran++;
}

static void
begin(struct counted *c, uint32_t period_ms)
{
	struct err err;

	memset(c, 0, sizeof(*c));
	sem_init(&c->entered, 0, 0);
	sem_init(&c->go, 0, 0);
	assert_int_equal(tick_start(&c->tick, period_ms, on_tick, &err), 0);
}

static void
finish(struct counted *c)
{
	tick_stop(&c->tick);
	tick_stop(&c->tick);	/* harmless */
	sem_destroy(&c->entered);
	sem_destroy(&c->go);
}

/* Waits until it is in on_tick, and stays there. */
static void
hold(struct counted *c)
{
	c->held = true;
	wait_sem(&c->entered);
}

static void
test_all_on_one_thread(void **state)
{
	struct counted a, b;

	(void)state;
	begin(&a, PERIOD_MS);
	begin(&b, 3 * PERIOD_MS);
	WAIT_FOR(a.ran >= 3 && b.ran >= 3);
	finish(&a);
	finish(&b);
	assert_true(pthread_equal(a.thread, b.thread));
	assert_false(pthread_equal(a.thread, pthread_self()));
}

/* Not before its time, and the clock of tests is not its clock. */
static void
test_the_first_comes_after_a_period(void **state)
{
	uint64_t before = clock_mono_ms();
	struct counted c, later;

	(void)state;
	begin(&later, LATER_MS);
	begin(&c, 50);
	WAIT_FOR(c.ran >= 1);
	assert_true(clock_mono_ms() - before >= 50);
	clock_test_set(1000, 1000);
	hold(&c);
	clock_test_reset();
	sem_post(&c.go);
	finish(&c);
	assert_int_equal(later.ran, 0);
	finish(&later);
}

static void *
stop(void *arg)
{
	tick_stop(&((struct counted *)arg)->tick);
	return NULL;
}

/* Both are stopped while one runs: it is waited for by its own stop alone, and
 * not only because the thread itself ends. */
static void
test_stop_while_one_runs(void **state)
{
	struct counted a, b, later;
	pthread_t stopper;
	unsigned ran;

	(void)state;
	begin(&later, LATER_MS);
	begin(&a, PERIOD_MS);
	begin(&b, PERIOD_MS);
	hold(&a);
	ran = a.ran;
	tick_stop(&b.tick);
	assert_int_equal(pthread_create(&stopper, NULL, stop, &a), 0);
	poll(NULL, 0, 20);	/* time to be wrong in */
	assert_int_equal(pthread_tryjoin_np(stopper, NULL), EBUSY);
	sem_post(&a.go);
	pthread_join(stopper, NULL);
	assert_int_equal(a.ran, ran + 1);
	finish(&a);
	finish(&b);
	finish(&later);
}

/* Started while another runs, it has its turn after that; and it may run while
 * that is stopped. */
static void
test_start_while_one_runs(void **state)
{
	struct counted a, b;

	(void)state;
	begin(&a, PERIOD_MS);
	hold(&a);
	begin(&b, PERIOD_MS);
	assert_int_equal(b.ran, 0);
	sem_post(&a.go);
	WAIT_FOR(b.ran >= 1);
	hold(&b);
	tick_stop(&a.tick);
	sem_post(&b.go);
	finish(&b);
	finish(&a);
}

static void *
start_and_stop(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < MANY; i++) {
		struct counted c;

		begin(&c, 1);
		if (i % 2 == 0)
			WAIT_FOR(c.ran >= 1);
		finish(&c);
	}
	return NULL;
}

/* The thread comes and goes with them, whoever is first and last. */
static void
test_many_come_and_go(void **state)
{
	pthread_t threads[4];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
		    start_and_stop, NULL), 0);
	for (unsigned i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
}

static void
test_stop_of_what_never_started(void **state)
{
	struct tick t = { .period_ms = 0 };

	(void)state;
	tick_stop(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_on_one_thread),
		cmocka_unit_test(test_the_first_comes_after_a_period),
		cmocka_unit_test(test_stop_while_one_runs),
		cmocka_unit_test(test_start_while_one_runs),
		cmocka_unit_test(test_many_come_and_go),
		cmocka_unit_test(test_stop_of_what_never_started),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
