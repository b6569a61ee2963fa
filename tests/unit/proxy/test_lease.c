/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "proxy/lease.h"

static unsigned n_freed;

/* Values are ints on the heap, so that a leak or a double free shows. */
static void *
value_new(int v)
{
	int *p = xmalloc(sizeof(*p));

	*p = v;
	return p;
}

static void
value_free(void *value)
{
	n_freed++;
	free(value);
}

static bool
is_even(const void *value, const void *arg)
{
	const bool *strict = arg;

	return !*strict || *(const int *)value % 2 == 0;
}

struct waiter {
	struct lease_waiter w;
	unsigned calls;
	int got;		/* -1: no answer */
	struct lease_waiter *cancels;
	struct lease_cache *asks;	/* asks "k" again when told */
	struct lease *asked;
	enum lease_found found;
};

static void
on_done(struct lease_waiter *w, const void *value)
{
	struct waiter *me = container_of(w, struct waiter, w);
	const void *again = NULL;

	me->calls++;
	me->got = value == NULL ? -1 : *(const int *)value;
	if (me->cancels != NULL)
		lease_cancel(me->cancels);
	if (me->asks != NULL)
		me->found = lease_find(me->asks, STR("k"), 0, &me->w, &again,
		    &me->asked);
}

static void
waiter_init(struct waiter *w)
{
	*w = (struct waiter){ .w.done = on_done };
	list_init(&w->w.link);
}

static struct lease_cache *
cache_new(size_t entries)
{
	struct lease_options o = { .entries = entries,
		.free_value = value_free };

	n_freed = 0;
	return lease_cache_new(&o);
}

static enum lease_found
find(struct lease_cache *c, const char *key, uint64_t now, struct waiter *w,
    int *value, struct lease **asked)
{
	const void *v = NULL;
	enum lease_found found =
	    lease_find(c, str_from(key), now, &w->w, &v, asked);

	if (found == LEASE_HIT)
		*value = *(const int *)v;
	return found;
}

/* Asks and answers at once. */
static void
fill(struct lease_cache *c, const char *key, int v, uint64_t until)
{
	struct waiter w;
	struct lease *asked = NULL;
	int ignored;

	waiter_init(&w);
	assert_int_equal(find(c, key, 0, &w, &ignored, &asked), LEASE_ASK);
	lease_answer(c, asked, value_new(v), 0, until);
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.got, v);
}

static bool
has(struct lease_cache *c, const char *key, uint64_t now)
{
	struct waiter w;
	struct lease *asked = NULL;
	int v = 0;

	waiter_init(&w);
	switch (find(c, key, now, &w, &v, &asked)) {
	case LEASE_HIT:
		return true;
	case LEASE_ASK:
		lease_answer(c, asked, NULL, now, 0);
		return false;
	default:
		lease_cancel(&w.w);
		return false;
	}
}

static void
test_expiry(void **state)
{
	struct lease_cache *c = cache_new(4);

	(void)state;
	fill(c, "k", 1, 100);
	assert_int_equal(lease_count(c), 1);
	assert_true(has(c, "k", 0));
	assert_true(has(c, "k", 99));
	assert_false(has(c, "k", 100));
	assert_int_equal(lease_count(c), 0);
	assert_int_equal(n_freed, 1);
	lease_cache_free(&c);
	assert_null(c);
	lease_cache_free(&c);
}

static void
test_not_kept(void **state)
{
	static const struct {
		uint64_t now, until;
	} cases[] = { { 0, 0 }, { 10, 10 }, { 10, 9 } };
	struct lease_cache *c = cache_new(4);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct waiter w;
		struct lease *asked;
		int v;

		waiter_init(&w);
		assert_int_equal(find(c, "k", 0, &w, &v, &asked), LEASE_ASK);
		lease_answer(c, asked, value_new(3), cases[i].now,
		    cases[i].until);
		assert_int_equal(w.got, 3);
		assert_int_equal(lease_count(c), 0);
		assert_int_equal(n_freed, i + 1);
	}
	lease_cache_free(&c);
}

static void
test_single_flight(void **state)
{
	struct lease_cache *c = cache_new(4);
	struct waiter w[4];
	struct lease *asked = NULL, *other = NULL;
	int v;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		waiter_init(&w[i]);
	assert_int_equal(find(c, "k", 0, &w[0], &v, &asked), LEASE_ASK);
	assert_int_equal(find(c, "k", 0, &w[1], &v, &other), LEASE_WAIT);
	assert_int_equal(find(c, "k", 0, &w[2], &v, &other), LEASE_WAIT);
	assert_int_equal(find(c, "other", 0, &w[3], &v, &other), LEASE_ASK);
	assert_int_equal(lease_count(c), 0);
	lease_cancel(&w[1].w);
	lease_cancel(&w[1].w);
	lease_answer(c, asked, value_new(5), 0, 10);
	assert_int_equal(w[0].calls, 1);
	assert_int_equal(w[0].got, 5);
	assert_int_equal(w[1].calls, 0);
	assert_int_equal(w[2].got, 5);
	assert_int_equal(w[3].calls, 0);
	lease_answer(c, other, NULL, 0, 10);
	assert_int_equal(w[3].calls, 1);
	assert_int_equal(w[3].got, -1);
	assert_int_equal(lease_count(c), 1);
	lease_cache_free(&c);
	assert_int_equal(n_freed, 1);
}

/* The first may leave; the answer still serves the others and the next. */
static void
test_asker_leaves(void **state)
{
	struct lease_cache *c = cache_new(4);
	struct waiter a, b;
	struct lease *asked;
	int v;

	(void)state;
	waiter_init(&a);
	waiter_init(&b);
	assert_int_equal(find(c, "k", 0, &a, &v, &asked), LEASE_ASK);
	lease_cancel(&a.w);
	assert_int_equal(find(c, "k", 0, &b, &v, &asked), LEASE_WAIT);
	lease_answer(c, asked, value_new(6), 0, 10);
	assert_int_equal(a.calls, 0);
	assert_int_equal(b.got, 6);
	assert_true(has(c, "k", 9));
	lease_cache_free(&c);
}

/* What a waiter does when told: ends another one, asks the same again. */
static void
test_waiters_act_when_told(void **state)
{
	struct lease_cache *c = cache_new(4);
	struct waiter a, b, d;
	struct lease *asked;
	int v;

	(void)state;
	waiter_init(&a);
	waiter_init(&b);
	waiter_init(&d);
	assert_int_equal(find(c, "k", 0, &a, &v, &asked), LEASE_ASK);
	assert_int_equal(find(c, "k", 0, &b, &v, &asked), LEASE_WAIT);
	assert_int_equal(find(c, "k", 0, &d, &v, &asked), LEASE_WAIT);
	a.cancels = &b.w;
	a.asks = c;
	lease_answer(c, asked, value_new(7), 0, 10);
	assert_int_equal(b.calls, 0);
	assert_int_equal(d.got, 7);
	/* Its second question is a new one; the first value was not kept. */
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.found, LEASE_ASK);
	assert_int_equal(n_freed, 1);
	a.asks = NULL;
	lease_answer(c, a.asked, value_new(8), 0, 10);
	assert_int_equal(a.got, 8);
	assert_int_equal(lease_count(c), 1);
	lease_cache_free(&c);
}

static void
test_least_recently_used_goes(void **state)
{
	struct lease_cache *c = cache_new(3);

	(void)state;
	fill(c, "a", 1, 100);
	fill(c, "b", 2, 100);
	fill(c, "c", 3, 100);
	assert_true(has(c, "a", 0));
	fill(c, "d", 4, 100);
	assert_int_equal(lease_count(c), 3);
	assert_int_equal(lease_stats(c).evictions, 1);
	assert_true(has(c, "a", 0));
	assert_true(has(c, "c", 0));
	assert_true(has(c, "d", 0));
	/* asking for "b" makes room at once */
	assert_false(has(c, "b", 0));
	lease_cache_free(&c);
	assert_int_equal(n_freed, 4);
}

static void
test_full_of_questions(void **state)
{
	struct lease_cache *c = cache_new(2);
	struct waiter w[3];
	struct lease *asked[2], *none = NULL;
	int v;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		waiter_init(&w[i]);
	assert_int_equal(find(c, "a", 0, &w[0], &v, &asked[0]), LEASE_ASK);
	assert_int_equal(find(c, "b", 0, &w[1], &v, &asked[1]), LEASE_ASK);
	assert_int_equal(find(c, "c", 0, &w[2], &v, &none), LEASE_FULL);
	assert_null(none);
	lease_cancel(&w[2].w);		/* it waits for nothing */
	/* Equal questions need no entry. */
	assert_int_equal(find(c, "a", 0, &w[2], &v, &none), LEASE_WAIT);
	lease_answer(c, asked[0], value_new(1), 0, 10);
	lease_answer(c, asked[1], value_new(2), 0, 10);
	assert_int_equal(lease_count(c), 2);
	assert_int_equal(lease_stats(c).evictions, 0);
	lease_cache_free(&c);
	assert_int_equal(n_freed, 2);
}

static void
test_validity(void **state)
{
	bool strict = false;
	struct lease_options o = { .entries = 4, .free_value = value_free,
		.valid = is_even, .arg = &strict };
	struct lease_cache *c = lease_cache_new(&o);

	(void)state;
	fill(c, "odd", 1, 100);
	fill(c, "even", 2, 100);
	assert_true(has(c, "odd", 0));
	strict = true;
	assert_true(has(c, "even", 0));
	assert_false(has(c, "odd", 0));
	/* Gone, not only hidden. */
	strict = false;
	assert_false(has(c, "odd", 0));
	assert_int_equal(lease_stats(c).stale, 1);
	lease_cache_free(&c);
}

static void
test_flush(void **state)
{
	struct lease_cache *c = cache_new(4);
	struct waiter w;
	struct lease *asked;
	int v;

	(void)state;
	waiter_init(&w);
	fill(c, "a", 1, 100);
	fill(c, "b", 2, 100);
	assert_int_equal(find(c, "out", 0, &w, &v, &asked), LEASE_ASK);
	lease_flush(c);
	assert_int_equal(lease_count(c), 0);
	assert_int_equal(n_freed, 2);
	assert_false(has(c, "a", 0));
	lease_answer(c, asked, value_new(3), 0, 100);
	assert_int_equal(w.got, 3);
	assert_true(has(c, "out", 0));
	lease_cache_free(&c);
}

static void
test_stats(void **state)
{
	struct lease_cache *c = cache_new(4);
	struct lease_stats s;

	(void)state;
	fill(c, "a", 1, 100);		/* miss */
	assert_true(has(c, "a", 1));	/* hit */
	assert_true(has(c, "a", 2));	/* hit */
	assert_false(has(c, "a", 100));	/* stale, miss */
	assert_false(has(c, "z", 100));	/* miss */
	s = lease_stats(c);
	assert_int_equal(s.hits, 2);
	assert_int_equal(s.misses, 3);
	assert_int_equal(s.stale, 1);
	lease_cache_free(&c);
}

/* Freed while a question is out whose asker has left. */
static void
test_free_with_a_question_out(void **state)
{
	struct lease_cache *c = cache_new(4);
	struct waiter w;
	struct lease *asked;
	int v;

	(void)state;
	waiter_init(&w);
	fill(c, "a", 1, 100);
	assert_int_equal(find(c, "out", 0, &w, &v, &asked), LEASE_ASK);
	lease_cancel(&w.w);
	lease_cache_free(&c);
	assert_int_equal(n_freed, 1);
}

static void
test_keys_are_bytes(void **state)
{
	struct lease_cache *c = cache_new(4);
	struct waiter w;
	struct lease *asked = NULL;
	const void *v;
	char key[3] = { 'a', 0, 'b' };

	(void)state;
	waiter_init(&w);
	assert_int_equal(lease_find(c, (struct str){ key, 3 }, 0, &w.w, &v,
	    &asked), LEASE_ASK);
	lease_answer(c, asked, value_new(1), 0, 100);
	assert_false(has(c, "a", 0));
	key[2] = 'c';		/* the cache has its own copy */
	assert_int_equal(lease_find(c, (struct str){ "a\0b", 3 }, 0, &w.w, &v,
	    &asked), LEASE_HIT);
	lease_cache_free(&c);
}

/* Against a model: many keys, few entries, time that moves. */
static void
test_bounded_under_load(void **state)
{
	struct lease_cache *c = cache_new(8);
	unsigned seed = 1, made = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct waiter w;
		struct lease *asked = NULL;
		char key[8];
		int v = 0;

		seed = seed * 1103515245 + 12345;
		snprintf(key, sizeof(key), "%u", seed >> 16 & 31);
		waiter_init(&w);
		switch (find(c, key, i, &w, &v, &asked)) {
		case LEASE_HIT:
			assert_int_equal(v, atoi(key));
			break;
		case LEASE_ASK:
			made++;
			lease_answer(c, asked, value_new(atoi(key)), i,
			    i + (seed >> 24 & 15));
			assert_int_equal(w.got, atoi(key));
			break;
		default:
			fail();
		}
		assert_true(lease_count(c) <= 8);
		assert_int_equal(made - n_freed, lease_count(c));
	}
	assert_true(lease_stats(c).hits > 0);
	lease_cache_free(&c);
	assert_int_equal(made, n_freed);
}

/* ---- renewal ---- */

/* The question that renews "a", which began at 0; NULL: it is not due. */
static struct lease *
renew(struct lease_cache *c, uint64_t now, int expected)
{
	struct waiter w;
	struct lease *hit = NULL;
	int v = 0;

	waiter_init(&w);
	assert_int_equal(find(c, "a", now, &w, &v, &hit), LEASE_HIT);
	assert_int_equal(v, expected);
	return lease_renew(c, hit, now);
}

static void
test_renewed_once(void **state)
{
	struct lease_cache *c = cache_new(4);
	struct lease *asked;

	(void)state;
	fill(c, "a", 1, 1000);
	assert_null(renew(c, 0, 1));
	assert_null(renew(c, 749, 1));
	asked = renew(c, 938, 1);
	assert_non_null(asked);
	assert_null(renew(c, 939, 1));	/* and the old one still serves */
	assert_int_equal(lease_stats(c).renewals, 1);
	lease_answer(c, asked, value_new(2), 950, 1950);
	assert_int_equal(n_freed, 1);
	assert_int_equal(lease_count(c), 1);
	assert_null(renew(c, 1000, 2));
	assert_null(renew(c, 950 + 749, 2));
	asked = renew(c, 950 + 938, 2);
	assert_non_null(asked);
	lease_answer(c, asked, value_new(3), 1890, 2890);
	assert_int_equal(lease_count(c), 1);
	lease_cache_free(&c);
	assert_int_equal(n_freed, 3);
}

/* A no replaces the yes before its end, although it is not kept. */
static void
test_renewal_that_is_not_kept(void **state)
{
	struct lease_cache *c = cache_new(4);
	struct lease *asked;

	(void)state;
	fill(c, "a", 1, 1000);
	asked = renew(c, 940, 1);
	assert_non_null(asked);
	lease_answer(c, asked, value_new(2), 950, 950);
	assert_int_equal(n_freed, 2);
	assert_int_equal(lease_count(c), 0);
	assert_false(has(c, "a", 951));
	lease_cache_free(&c);
}

/* Nobody answers: the old one serves to its end, and nobody is asked again. */
static void
test_renewal_without_an_answer(void **state)
{
	struct lease_cache *c = cache_new(4);
	struct lease *asked;

	(void)state;
	fill(c, "a", 1, 1000);
	asked = renew(c, 940, 1);
	assert_non_null(asked);
	lease_answer(c, asked, NULL, 945, 0);
	assert_int_equal(n_freed, 0);
	assert_null(renew(c, 950, 1));
	assert_null(renew(c, 999, 1));
	assert_false(has(c, "a", 1000));
	lease_cache_free(&c);
	assert_int_equal(n_freed, 1);
}

static void
test_waiting_for_a_renewal(void **state)
{
	struct lease_cache *c = cache_new(4);
	struct waiter w[2];
	struct lease *asked, *second = NULL;
	int v;

	(void)state;
	fill(c, "a", 1, 1000);
	asked = renew(c, 940, 1);
	assert_non_null(asked);
	for (unsigned i = 0; i < 2; i++) {
		waiter_init(&w[i]);
		assert_int_equal(find(c, "a", 1000 + i, &w[i], &v, &second),
		    LEASE_WAIT);
	}
	assert_int_equal(lease_count(c), 0);
	lease_answer(c, asked, value_new(2), 1010, 2010);
	assert_int_equal(w[0].got, 2);
	assert_int_equal(w[1].got, 2);
	assert_null(renew(c, 1011, 2));
	lease_cache_free(&c);
	assert_int_equal(n_freed, 2);
}

/* What it was to renew goes meanwhile: to make room, or by a flush. */
static void
test_renewal_of_what_is_gone(void **state)
{
	(void)state;
	for (unsigned flush = 0; flush < 2; flush++) {
		for (unsigned again = 0; again < 2; again++) {
			struct lease_cache *c = cache_new(1);
			struct lease *asked;

			fill(c, "a", 1, 1000);
			asked = renew(c, 940, 1);
			assert_non_null(asked);
			if (flush)
				lease_flush(c);
			else
				fill(c, "b", 2, 1000);
			assert_int_equal(n_freed, 1);
			if (again)
				fill(c, "a", 3, 5000);
			lease_answer(c, asked, value_new(4), 950, 1950);
			assert_int_equal(lease_count(c), 1);
			assert_null(renew(c, 951, again ? 3 : 4));
			lease_cache_free(&c);
		}
	}
}

static void
test_free_with_a_renewal_out(void **state)
{
	struct lease_cache *c = cache_new(4);

	(void)state;
	fill(c, "a", 1, 1000);
	assert_non_null(renew(c, 940, 1));
	lease_cache_free(&c);
	assert_int_equal(n_freed, 1);
	/* And one that has run out. */
	c = cache_new(4);
	fill(c, "a", 1, 1000);
	assert_non_null(renew(c, 940, 1));
	assert_false(has(c, "a", 1000));
	lease_cache_free(&c);
	assert_int_equal(n_freed, 1);
}

/* Many that began together are due one after the other. */
static void
test_renewals_are_spread(void **state)
{
	enum { KEYS = 256, FIRST = 750, LAST = 875, SLICES = 8 };
	struct lease_cache *c = cache_new(KEYS);
	unsigned due[SLICES] = { 0 }, sum = 0;
	char key[8];

	(void)state;
	for (unsigned i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "%u", i);
		fill(c, key, 1, 1000);
	}
	for (uint64_t now = FIRST; now <= LAST; now++) {
		for (unsigned i = 0; i < KEYS; i++) {
			struct waiter w;
			struct lease *hit = NULL, *asked;
			int v;

			snprintf(key, sizeof(key), "%u", i);
			waiter_init(&w);
			assert_int_equal(find(c, key, now, &w, &v, &hit),
			    LEASE_HIT);
			asked = lease_renew(c, hit, now);
			if (asked == NULL)
				continue;
			due[(now - FIRST) * SLICES / (LAST + 1 - FIRST)]++;
			lease_answer(c, asked, value_new(1), now, now + 1000);
		}
	}
	for (unsigned i = 0; i < SLICES; i++) {
		assert_in_range(due[i], 1, KEYS / 2);	/* 32 are expected */
		sum += due[i];
	}
	assert_int_equal(sum, KEYS);
	lease_cache_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_not_kept),
		cmocka_unit_test(test_single_flight),
		cmocka_unit_test(test_asker_leaves),
		cmocka_unit_test(test_waiters_act_when_told),
		cmocka_unit_test(test_least_recently_used_goes),
		cmocka_unit_test(test_full_of_questions),
		cmocka_unit_test(test_validity),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_stats),
		cmocka_unit_test(test_free_with_a_question_out),
		cmocka_unit_test(test_keys_are_bytes),
		cmocka_unit_test(test_bounded_under_load),
		cmocka_unit_test(test_renewed_once),
		cmocka_unit_test(test_renewal_that_is_not_kept),
		cmocka_unit_test(test_renewal_without_an_answer),
		cmocka_unit_test(test_waiting_for_a_renewal),
		cmocka_unit_test(test_renewal_of_what_is_gone),
		cmocka_unit_test(test_free_with_a_renewal_out),
		cmocka_unit_test(test_renewals_are_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
