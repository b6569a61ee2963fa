/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "proxy/lobby.h"

struct guest {
	struct lobby_seat seat;
	_Atomic bool out;
};

static _Atomic uint32_t n_out;

static void
on_out(struct lobby_seat *seat)
{
	struct guest *g = container_of(seat, struct guest, seat);

	assert_false(g->out);
	g->out = true;
	n_out++;
}

static int
setup(void **state)
{
	n_out = 0;
	*state = lobby_new(on_out);
	return 0;
}

/* lobby_free fails where somebody is left. */
static int
teardown(void **state)
{
	struct lobby *l = *state;

	lobby_free(&l);
	assert_null(l);
	lobby_free(&l);
	return 0;
}

static void
test_the_oldest_goes(void **state)
{
	struct guest g[6] = { 0 }, other = { 0 };
	struct lobby *l = *state;

	lobby_enter(l, &other.seat, STR("b"), 3);
	for (size_t i = 0; i < 6; i++) {
		lobby_enter(l, &g[i].seat, STR("a"), 3);
		for (size_t j = 0; j <= i; j++)
			assert_int_equal(g[j].out, j + 3 <= i);
	}
	assert_int_equal(lobby_of(l, STR("a")), 3);
	assert_false(other.out);
	/* who asked makes room: nobody is put out for the next */
	lobby_leave(&g[4].seat);
	lobby_leave(&g[4].seat);
	g[4].seat = (struct lobby_seat){ 0 };
	lobby_enter(l, &g[4].seat, STR("a"), 3);
	assert_false(g[3].out);
	/* who was put out leaves without harm */
	for (size_t i = 0; i < 6; i++)
		lobby_leave(&g[i].seat);
	assert_int_equal(lobby_of(l, STR("a")), 0);
	lobby_leave(&other.seat);
	assert_int_equal(n_out, 3);
}

static void
test_off_and_lowered(void **state)
{
	struct guest g[5] = { 0 }, unlimited = { 0 };
	struct lobby *l = *state;

	lobby_enter(l, &unlimited.seat, STR("a"), 0);
	assert_int_equal(lobby_of(l, STR("a")), 0);
	for (size_t i = 0; i < 4; i++)
		lobby_enter(l, &g[i].seat, STR("a"), 10);
	assert_int_equal(n_out, 0);
	lobby_leave(&unlimited.seat);
	assert_int_equal(lobby_of(l, STR("a")), 4);
	/* a reload has lowered it */
	lobby_enter(l, &g[4].seat, STR("a"), 2);
	assert_int_equal(n_out, 3);
	assert_true(g[0].out && g[1].out && g[2].out && !g[3].out);
	for (size_t i = 0; i < 5; i++)
		lobby_leave(&g[i].seat);
}

#define THREADS 4
#define TURNS 20000

/* Comes and goes; now and then it was put out by another. */
static void *
visit(void *arg)
{
	struct lobby *l = arg;
	struct guest g[3];
	uintptr_t seen = 0;

	memset(g, 0, sizeof(g));
	for (unsigned i = 0; i < TURNS; i++) {
		struct guest *one = &g[i % 3];

		lobby_leave(&one->seat);
		seen += one->out;
		one->out = false;
		lobby_enter(l, &one->seat, STR("a"), 5);
		if (lobby_of(l, STR("a")) > 5)
			return NULL;
	}
	for (size_t i = 0; i < 3; i++) {
		lobby_leave(&g[i].seat);
		seen += g[i].out;
	}
	return (void *)(seen + 1);
}

static void
test_threads(void **state)
{
	pthread_t threads[THREADS];
	uintptr_t seen = 0;

	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, visit,
		    *state), 0);
	for (size_t i = 0; i < THREADS; i++) {
		void *n;

		assert_int_equal(pthread_join(threads[i], &n), 0);
		assert_non_null(n);
		seen += (uintptr_t)n - 1;
	}
	/* everybody who was put out was told, once */
	assert_int_equal(seen, n_out);
	assert_int_equal(lobby_of(*state, STR("a")), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_oldest_goes), T(off_and_lowered), T(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
