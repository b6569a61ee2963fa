/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/background.h"

#define SHARE	 "/proc/self/autogroup"
#define NOBODY	 65534
#define PATIENCE 30	/* s, until a child that waits in vain is ended */
#define CHECK(e) do { if (!(e)) _exit(__LINE__ % 250 + 1); } while (0)

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

/* What a child reports: 0, the line that failed, or -1: it was ended. */
static int
in_child(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		alarm(PATIENCE);
		fn();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* Of the session: what /proc/self/autogroup ends with. */
static int
session_nice(void)
{
	FILE *f = fopen(SHARE, "re");
	int nice = -100;

	CHECK(f != NULL);
	CHECK(fscanf(f, "/autogroup-%*d nice %d", &nice) == 1);
	fclose(f);
	return nice;
}

/* As a daemon is when it has become somebody else. The kernel puts it off now
 * and then: asked as often as that takes, it does it. */
static void
lead(void)
{
	CHECK(setsid() == getpid());
	background_hold();
	CHECK(geteuid() != 0 || setresuid(NOBODY, NOBODY, NOBODY) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
	background_stand_back(false);
	CHECK(session_nice() == 0);
	for (int wanted = 19; wanted >= 0; wanted -= 19)
		while (session_nice() != wanted) {
			background_stand_back(wanted == 19);
			sched_yield();
		}
}

/* What is as it should be is not written again. */
static void
write_changes_only(void)
{
	FILE *f;

	CHECK(setsid() == getpid());
	background_hold();
	while (session_nice() != 19)
		background_stand_back(true);
	f = fopen(SHARE, "we");
	CHECK(f != NULL && setvbuf(f, NULL, _IONBF, 0) == 0);
	while (session_nice() != 5) {
		(void)!fputs("5", f);
		sched_yield();
	}
	background_stand_back(true);
	CHECK(session_nice() == 5);
	fclose(f);
}

/* The session is its parent's. */
static void
follow(void)
{
	background_hold();
	background_stand_back(true);
	CHECK(session_nice() == 0);
}

static void
lead_a_follower(void)
{
	CHECK(setsid() == getpid());
	CHECK(in_child(follow) == 0);
}

static void
test_of_a_session(void **state)
{
	(void)state;
	if (access(SHARE, R_OK) != 0) {
		print_message("no autogroups in this kernel\n");
		skip();
	}
	assert_int_equal(in_child(lead), 0);
	assert_int_equal(in_child(write_changes_only), 0);
	assert_int_equal(in_child(lead_a_follower), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_one_thread),
		cmocka_unit_test(test_of_a_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
