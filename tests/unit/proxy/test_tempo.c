/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sched.h>

#include <cmocka.h>

#include "base/check.h"
#include "proxy/tempo.h"

/* So many turns that found so many events each, and a look. The kernel's word
 * on this thread. */
static int
policy_after(struct tempo *t, unsigned turns, unsigned events)
{
	for (unsigned i = 0; i < turns; i++)
		tempo_turn(t, events);
	tempo_look(t);
	return sched_getscheduler(0);
}

static void
test_follows_the_load(void **state)
{
	static const struct {
		unsigned turns, events;
		int policy;
	} looks[] = {
		{ 1000, 1, SCHED_OTHER },
		{ 1000, TEMPO_MANY - 1, SCHED_OTHER },
		{ 1000, TEMPO_MANY, SCHED_BATCH },
		{ 1000, TEMPO_FEW, SCHED_BATCH },	/* it stays */
		{ 1000, 60, SCHED_BATCH },
		{ 1000, TEMPO_FEW - 1, SCHED_OTHER },
		{ 1000, TEMPO_FEW, SCHED_OTHER },	/* and stays */
		{ 1, 60, SCHED_BATCH },
		{ 0, 0, SCHED_OTHER },			/* nothing came */
	};
	struct tempo t = { 0 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(looks); i++)
		assert_int_equal(policy_after(&t, looks[i].turns,
		    looks[i].events), looks[i].policy);
}

/* What was found before the last look has no weight. */
static void
test_forgets(void **state)
{
	struct tempo t = { 0 };

	(void)state;
	assert_int_equal(policy_after(&t, 100000, 60), SCHED_BATCH);
	assert_int_equal(policy_after(&t, 10, 1), SCHED_OTHER);
}

/* An average: single turns that find much or little do not count for more. */
static void
test_mixed_turns(void **state)
{
	struct tempo t = { 0 };

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		tempo_turn(&t, 1);
	assert_int_equal(policy_after(&t, 1, 64), SCHED_OTHER);
	for (unsigned i = 0; i < 100; i++)
		tempo_turn(&t, 1);
	assert_int_equal(policy_after(&t, 100, 2 * TEMPO_MANY - 1),
	    SCHED_BATCH);
	tempo_look(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_follows_the_load),
		cmocka_unit_test(test_forgets),
		cmocka_unit_test(test_mixed_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
