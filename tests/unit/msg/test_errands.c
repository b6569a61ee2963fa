/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "msg/errands.h"

#define POSTERS 4
#define EACH 1000

struct note {
	struct letter letter;
	unsigned poster, n;
};

/* The thread's, and read once it has been waited for. */
static struct {
	unsigned ran, next[POSTERS];
	bool disorder, elsewhere;
	pthread_t thread;
} seen;

static struct errands *errands;

static int
set_up(void **state)
{
	struct err err;

	(void)state;
	memset(&seen, 0, sizeof(seen));
	return errands_start(&errands, "test", &err);
}

static int
tear_down(void **state)
{
	(void)state;
	errands_stop(&errands);
	errands_stop(&errands);	/* harmless */
	return 0;
}

static void
on_note(struct letter *l)
{
	struct note *note = container_of(l, struct note, letter);

	if (seen.ran == 0)
		seen.thread = pthread_self();
	seen.elsewhere |= !pthread_equal(seen.thread, pthread_self());
	seen.disorder |= note->n != seen.next[note->poster]++;
	seen.ran++;
	free(note);
}

static void
post(unsigned poster, unsigned n)
{
	struct note *note = xmalloc(sizeof(*note));

	*note = (struct note){ { .deliver = on_note }, poster, n };
	errands_post(errands, &note->letter);
}

static void *
post_many(void *arg)
{
	for (unsigned n = 0; n < EACH; n++)
		post(*(unsigned *)arg, n);
	return NULL;
}

static void
test_one_thread_in_order(void **state)
{
	unsigned numbers[POSTERS];
	pthread_t threads[POSTERS];

	(void)state;
	for (unsigned i = 0; i < POSTERS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, post_many,
		    &numbers[i]), 0);
	}
	for (unsigned i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	errands_wait(errands);
	assert_int_equal(seen.ran, POSTERS * EACH);
	assert_false(seen.disorder);
	assert_false(seen.elsewhere);
	assert_false(pthread_equal(seen.thread, pthread_self()));
}

/* Holds the thread until it is let go. */
struct gate {
	struct letter letter;
	sem_t open;
};

static void
on_gate(struct letter *l)
{
	struct gate *g = container_of(l, struct gate, letter);

	while (sem_wait(&g->open) != 0 && errno == EINTR)
		;
}

static void *
open_later(void *arg)
{
	sem_post(&((struct gate *)arg)->open);
	return NULL;
}

/* Posting waits for nothing; the end does, until all has run. */
static void
test_the_end_runs_what_waits(void **state)
{
	struct gate gate = { .letter.deliver = on_gate };
	pthread_t opener;

	(void)state;
	sem_init(&gate.open, 0, 0);
	errands_post(errands, &gate.letter);
	for (unsigned n = 0; n < EACH; n++)
		post(0, n);
	assert_int_equal(seen.ran, 0);
	assert_int_equal(pthread_create(&opener, NULL, open_later, &gate), 0);
	errands_stop(&errands);
	assert_null(errands);
	assert_int_equal(seen.ran, EACH);
	pthread_join(opener, NULL);
	sem_destroy(&gate.open);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_thread_in_order),
		TEST(test_the_end_runs_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
