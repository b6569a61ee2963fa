/* SPDX-License-Identifier: MIT */
/* Run under TSan and ASan too: readers decide while policies are replaced. */
#include "policy_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "acld/snapshot.h"
#include "base/clock.h"

#define READERS 4
#define SWAPS 200

static struct policy *
policy_blocking(const char *id)
{
	char text[128];
	struct text t = text_on(text, sizeof(text));

	text_fmt(&t, "rules = [{ id = \"%s\", action = \"block\", "
	    "destinations = [\"*\"] }]\n", id);
	return fixture_policy(text);
}

static void
test_empty(void **state)
{
	struct snapshot *s = snapshot_new();
	const struct snapshot_version *v = snapshot_pin(s);

	(void)state;
	assert_null(v);
	snapshot_unpin(s, &v);
	assert_int_equal(snapshot_generation(s), 0);
	snapshot_free(&s);
	snapshot_free(&s);
}

/* Rises strictly when the clock stands still or is set back. */
static void
test_generation(void **state)
{
	static const uint64_t clock[] = { 1000, 1000, 500, 1002, 5000 };
	static const uint64_t want[] = { 1000, 1001, 1002, 1003, 5000 };
	struct snapshot *s = snapshot_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(clock); i++) {
		struct policy *p = policy_blocking("x");

		clock_test_set(1, clock[i]);
		assert_int_equal(snapshot_activate(s, &p, NULL, 0), want[i]);
		assert_null(p);
		assert_int_equal(snapshot_generation(s), want[i]);
	}
	clock_test_reset();
	snapshot_free(&s);
}

/* What is pinned stays whole while it is replaced. */
static void
test_pinned_stays(void **state)
{
	char warning[] = "first";
	char *const warnings[] = { warning };
	struct snapshot *s = snapshot_new();
	struct policy *p = policy_blocking("first");
	const struct snapshot_version *old, *new;

	(void)state;
	snapshot_activate(s, &p, warnings, 1);
	memset(warning, 'x', sizeof(warning) - 1);	/* it has a copy */
	old = snapshot_pin(s);
	p = policy_blocking("second");
	snapshot_activate(s, &p, NULL, 0);
	new = snapshot_pin(s);
	assert_ptr_not_equal(old, new);
	assert_true(new->generation > old->generation);
	assert_string_equal(old->warnings[0], "first");
	assert_int_equal(policy_count(old->policy).rules, 1);
	assert_int_equal(new->n_warnings, 0);
	snapshot_unpin(s, &old);
	assert_null(old);
	snapshot_unpin(s, &new);
	snapshot_free(&s);
}

struct race {
	struct snapshot *s;
	atomic_bool stop;
	atomic_uint wrong, answers;
};

/* Each version answers with its own rule, and generations never fall. */
static void *
read_on(void *arg)
{
	static const struct policy_question q = {
		.command = POLICY_COMMAND_CONNECT,
		.protocol = POLICY_PROTOCOL_TCP, .name = STR("a.example"),
		.port = 1,
	};
	struct race *r = arg;
	uint64_t last = 0;

	while (!atomic_load(&r->stop)) {
		const struct snapshot_version *v = snapshot_pin(r->s);
		struct policy_answer a;

		policy_decide(v->policy, &q, &a);
		if (strcmp(a.rule, v->warnings[0]) != 0 ||
		    v->generation < last)
			atomic_fetch_add(&r->wrong, 1);
		last = v->generation;
		snapshot_unpin(r->s, &v);
		atomic_fetch_add(&r->answers, 1);
	}
	return NULL;
}

static void
activate_named(struct snapshot *s, unsigned i)
{
	char id[16];
	char *const warnings[] = { id };
	struct text t = text_on(id, sizeof(id));
	struct policy *p;

	text_fmt(&t, "v%u", i);
	p = policy_blocking(id);
	snapshot_activate(s, &p, warnings, 1);
}

static void
test_swap_under_readers(void **state)
{
	struct race r = { .s = snapshot_new() };
	pthread_t readers[READERS];

	(void)state;
	activate_named(r.s, 0);
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_on,
		    &r), 0);
	for (unsigned i = 1; i <= SWAPS; i++)
		activate_named(r.s, i);
	while (atomic_load(&r.answers) < SWAPS)
		sched_yield();
	atomic_store(&r.stop, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	assert_int_equal(r.wrong, 0);
	snapshot_free(&r.s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_generation),
		cmocka_unit_test(test_pinned_stays),
		cmocka_unit_test(test_swap_under_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
