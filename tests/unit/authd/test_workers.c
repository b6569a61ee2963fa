/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <time.h>

#include "authd/workers.h"

#define JOBS 6

/* What ran, in order; one worker at a time holds it. */
static struct {
	pthread_mutex_t m;
	unsigned n, order[JOBS];
	bool abandoned[JOBS];
} ran = { .m = PTHREAD_MUTEX_INITIALIZER };

struct job {
	struct workers_job base;
	unsigned id;
	sem_t *begun, *go, *done;	/* may be NULL */
};

static void
on_run(struct workers_job *base, bool abandoned)
{
	struct job *j = container_of(base, struct job, base);

	if (j->begun != NULL)
		sem_post(j->begun);
	if (j->go != NULL)
		sem_wait(j->go);
	pthread_mutex_lock(&ran.m);
	ran.order[ran.n] = j->id;
	ran.abandoned[ran.n++] = abandoned;
	pthread_mutex_unlock(&ran.m);
	if (j->done != NULL)
		sem_post(j->done);
}

/* A worker, held at its first job; a second one where the test says so. */
struct stage {
	struct workers *w;
	struct job jobs[JOBS];
	sem_t begun, go, done;
};

static struct stage stage;

static int
set_up(void **state)
{
	const struct workers_options *given = *state;
	const struct workers_options one = { "test", 1, 2, 0 };
	struct err err;

	ran.n = 0;
	sem_init(&stage.begun, 0, 0);
	sem_init(&stage.go, 0, 0);
	sem_init(&stage.done, 0, 0);
	for (unsigned i = 0; i < JOBS; i++)
		stage.jobs[i] = (struct job){ .base.run = on_run, .id = i,
			.done = &stage.done };
	stage.jobs[0].begun = &stage.begun;
	stage.jobs[0].go = &stage.go;
	assert_int_equal(workers_start(&stage.w,
	    given != NULL ? given : &one, &err), 0);
	assert_true(workers_submit(stage.w, &stage.jobs[0].base));
	sem_wait(&stage.begun);
	/* Until the first one has it. */
	while (stage.jobs[0].base.thread != 0) {
		sem_post(&stage.go);
		sem_wait(&stage.done);
		ran.n = 0;
		assert_true(workers_submit(stage.w, &stage.jobs[0].base));
		sem_wait(&stage.begun);
	}
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	workers_free(&stage.w);
	workers_free(&stage.w);	/* harmless */
	sem_destroy(&stage.begun);
	sem_destroy(&stage.go);
	sem_destroy(&stage.done);
	return 0;
}

static void
wait_for(unsigned n)
{
	while (n-- > 0)
		sem_wait(&stage.done);
}

static void
queue_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(workers_queued(stage.w), 0);
	assert_true(workers_submit(stage.w, &stage.jobs[1].base));
	assert_true(workers_submit(stage.w, &stage.jobs[2].base));
	assert_int_equal(workers_queued(stage.w), 2);
	assert_false(workers_submit(stage.w, &stage.jobs[3].base));
	assert_int_equal(workers_queued(stage.w), 2);
	sem_post(&stage.go);
	wait_for(3);
	assert_int_equal(workers_queued(stage.w), 0);
	assert_int_equal(ran.order[0], 0);
	assert_int_equal(ran.order[1], 1);
	assert_int_equal(ran.order[2], 2);
}

static void
the_first_goes_first(void **state)
{
	(void)state;
	assert_true(workers_submit(stage.w, &stage.jobs[1].base));
	assert_true(workers_submit(stage.w, &stage.jobs[2].base));
	/* Though the queue is full. */
	assert_true(workers_submit_first(stage.w, &stage.jobs[3].base));
	assert_int_equal(workers_queued(stage.w), 3);
	sem_post(&stage.go);
	wait_for(4);
	assert_int_equal(ran.order[1], 3);
	assert_int_equal(ran.order[2], 1);
}

/* Lets the job at hand end once no more may be submitted. */
static void *
release_when_stopped(void *arg)
{
	while (workers_queued(stage.w) > 0)
		sched_yield();
	sem_post(&stage.go);
	return arg;
}

static void
what_waits_is_abandoned(void **state)
{
	pthread_t releaser;

	(void)state;
	assert_true(workers_submit(stage.w, &stage.jobs[1].base));
	assert_true(workers_submit(stage.w, &stage.jobs[2].base));
	assert_int_equal(pthread_create(&releaser, NULL, release_when_stopped,
	    NULL), 0);
	workers_stop(stage.w);
	pthread_join(releaser, NULL);
	assert_int_equal(ran.n, 3);
	assert_int_equal(ran.order[0], 0);
	assert_false(ran.abandoned[0]);
	assert_true(ran.abandoned[1]);
	assert_true(ran.abandoned[2]);
}

static void
nothing_after_the_end(void **state)
{
	(void)state;
	sem_post(&stage.go);
	workers_stop(stage.w);
	assert_int_equal(ran.n, 1);
	assert_false(workers_submit(stage.w, &stage.jobs[2].base));
	assert_false(workers_submit_first(stage.w, &stage.jobs[2].base));
	workers_stop(stage.w);	/* harmless */
	assert_int_equal(ran.n, 1);
}

/* ---- the last of several ---- */

static const struct workers_options shy = { "test", 2, 2, 1 };
static const struct workers_options shier = { "test", 2, 2, 600000 };

static void
all_threads_work(void **state)
{
	(void)state;
	assert_true(workers_submit(stage.w, &stage.jobs[1].base));
	wait_for(1);
	assert_int_equal(ran.order[0], 1);
	assert_int_equal(stage.jobs[1].base.thread, 1);
	sem_post(&stage.go);
	wait_for(1);
}

static void
it_stands_back_for_a_while(void **state)
{
	(void)state;
	workers_stand_back(stage.w);
	assert_true(workers_submit(stage.w, &stage.jobs[1].base));
	wait_for(1);	/* once that is over */
	assert_int_equal(stage.jobs[1].base.thread, 1);
	sem_post(&stage.go);
	wait_for(1);
}

/* The pause is for one that does not. */
static void
it_stands_back_as_long_as_asked(void **state)
{
	const struct timespec pause = { .tv_nsec = 50000000 };

	(void)state;
	workers_stand_back(stage.w);
	assert_true(workers_submit(stage.w, &stage.jobs[1].base));
	assert_true(workers_submit(stage.w, &stage.jobs[2].base));
	nanosleep(&pause, NULL);
	sem_post(&stage.go);
	wait_for(3);
	assert_int_equal(stage.jobs[1].base.thread, 0);
	assert_int_equal(stage.jobs[2].base.thread, 0);
}

/* Nor does it keep the end waiting. */
static void
it_ends_while_it_stands_back(void **state)
{
	(void)state;
	workers_stand_back(stage.w);
	assert_true(workers_submit(stage.w, &stage.jobs[1].base));
	sem_post(&stage.go);
	workers_stop(stage.w);
	assert_int_equal(ran.n, 2);
}

#define TEST_WITH(name, options)                                       \
	cmocka_unit_test_prestate_setup_teardown(name, set_up, tear_down, \
	    (void *)(uintptr_t)(options))
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(queue_is_bounded),
		TEST(the_first_goes_first),
		TEST(what_waits_is_abandoned),
		TEST(nothing_after_the_end),
		TEST_WITH(all_threads_work, &shier),
		TEST_WITH(it_stands_back_for_a_while, &shy),
		TEST_WITH(it_stands_back_as_long_as_asked, &shier),
		TEST_WITH(it_ends_while_it_stands_back, &shier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
