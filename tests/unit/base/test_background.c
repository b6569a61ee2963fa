/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/background.h"

struct seen {
	int nicer, nice, policy;
};

static void *
look(void *arg)
{
	struct seen *s = arg;

	background_begin(s->nicer);
	errno = 0;
	s->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
	s->policy = sched_getscheduler(gettid());
	return NULL;
}

/* The thread that asks, and no other; never the class that starves. */
static void
test_of_one_thread(void **state)
{
	int before = getpriority(PRIO_PROCESS, (id_t)gettid());

	(void)state;
	for (int more = 0; more <= 7; more += 7) {
		struct seen s = { .nicer = more };
		int expected = before + more > 19 ? 19 : before + more;
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, look, &s), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(errno, 0);
		assert_int_equal(s.nice, expected);
		assert_int_equal(s.policy, SCHED_OTHER);
	}
	assert_int_equal(getpriority(PRIO_PROCESS, (id_t)gettid()), before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_one_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
