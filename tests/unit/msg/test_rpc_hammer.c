/* SPDX-License-Identifier: MIT */
/*
 * Eight workers with a desk each ask one server as fast as they can and cancel
 * at random. Every call must come back once, cancelled ones not at all. Runs
 * under AddressSanitizer and ThreadSanitizer as well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "peer.h"

#define WORKERS 8
#define CALLS 1500
#define DESK_CALLS 16
#define LONG 60000

struct worker;

struct slot {
	struct worker *w;
	struct rpc_call *call;	/* NULL: free */
	uint32_t body;
};

struct worker {
	pthread_t thread;
	struct rpc_client *client;
	unsigned seed;
	struct slot slots[DESK_CALLS];
	unsigned started, done, cancelled, wrong;
};

static void
on_done(void *arg, enum rpc_result r, struct str body)
{
	struct slot *s = arg;

	/* A cancelled slot has no call; its done() must not run. */
	if (s->call == NULL || r != RPC_OK || body.len != sizeof(s->body) ||
	    memcmp(body.ptr, &s->body, sizeof(s->body)) != 0)
		s->w->wrong++;
	s->call = NULL;
	s->w->done++;
}

static void
step(struct worker *w, struct rpc_desk *d)
{
	struct slot *s = &w->slots[(unsigned)rand_r(&w->seed) % DESK_CALLS];

	if (s->call == NULL) {
		s->w = w;
		s->body = (uint32_t)rand_r(&w->seed);
		s->call = rpc_call_start(d, (enum rpc_kind)ECHO,
		    (struct str){ (char *)&s->body, sizeof(s->body) }, LONG,
		    false, on_done, s);
		w->started += s->call != NULL;
	} else if (rand_r(&w->seed) % 4 == 0) {
		rpc_call_cancel(&s->call);
		w->cancelled++;
	}
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct mailbox *m = mailbox_new();
	struct pollfd p = { .fd = mailbox_fd(m), .events = POLLIN };
	struct rpc_desk *d;
	struct err err;

	if (rpc_desk_new(&d, w->client, m, DESK_CALLS, &err) != 0)
		die("%s", err.text);
	while (w->started < CALLS) {
		step(w, d);
		if (rpc_desk_in_flight(d) == DESK_CALLS)
			poll(&p, 1, PEER_PATIENCE_MS);
		if (rand_r(&w->seed) % 3 == 0)
			mailbox_deliver(m);
	}
	while (w->done + w->cancelled < w->started) {
		if (poll(&p, 1, PEER_PATIENCE_MS) != 1)
			die("a call is missing");
		mailbox_deliver(m);
	}
	rpc_desk_free(&d);
	mailbox_free(&m);
	return NULL;
}

/* Lets the server rest, so that nobody hangs up on answers under way. */
static void
settle(struct server *s)
{
	uint64_t seen;

	do {
		seen = rpc_server_stats(s->rpc).requests;
		poll(NULL, 0, 20);
	} while (rpc_server_stats(s->rpc).requests != seen);
}

static void
test_hammer(void **state)
{
	struct worker workers[WORKERS] = { 0 };
	struct place place;
	struct server s;
	struct rpc_client *c;

	(void)state;
	place_init(&place);
	server_start(&s, place.address, 16);
	c = client_new(place.address, LONG);
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i].client = c;
		workers[i].seed = i + 1;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work,
		    &workers[i]), 0);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker *w = &workers[i];

		assert_int_equal(w->wrong, 0);
		assert_int_equal(w->started, CALLS);
		assert_int_equal(w->done + w->cancelled, CALLS);
		assert_true(w->cancelled > 0 && w->done > 0);
	}
	settle(&s);
	rpc_client_free(&c);
	server_stop(&s);
	place_fini(&place);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hammer),
	};

	log_setup("test", LOG_ERROR, LOG_FORMAT_TEXT, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
