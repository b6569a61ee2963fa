/* SPDX-License-Identifier: MIT */
/*
 * Requests and answers over ipc, as long as everybody behaves; what happens
 * when they do not is in test_rpc_trouble.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "peer.h"

#define DEADLINE 20000

struct fixture {
	struct place place;
	struct server server;
	struct rpc_client *client;
	struct mailbox *mailbox;
	struct rpc_desk *desk;
};

/* What a call came to. */
struct outcome {
	unsigned done;
	enum rpc_result result;
	char body[64];
	size_t len;
};

static void
on_done(void *arg, enum rpc_result result, struct str body)
{
	struct outcome *o = arg;

	o->done++;
	o->result = result;
	o->len = body.len;
	if (body.len <= sizeof(o->body))
		memcpy(o->body, body.ptr, body.len);
}

#define DESK_CALLS 4

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err err;

	place_init(&f->place);
	server_start(&f->server, f->place.address, 8);
	f->client = client_new(f->place.address, DEADLINE);
	f->mailbox = mailbox_new();
	assert_non_null(f->mailbox);
	assert_int_equal(rpc_desk_new(&f->desk, f->client, f->mailbox,
	    DESK_CALLS, &err), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	rpc_desk_free(&f->desk);
	assert_null(f->desk);
	rpc_client_free(&f->client);
	assert_null(f->client);
	mailbox_free(&f->mailbox);
	server_stop(&f->server);
	place_fini(&f->place);
	free(f);
	return 0;
}

/* Until a call has come back; the mailbox may also wake for nothing. */
static void
deliver(struct fixture *f)
{
	struct pollfd p = { .fd = mailbox_fd(f->mailbox), .events = POLLIN };
	unsigned before = rpc_desk_in_flight(f->desk);

	while (rpc_desk_in_flight(f->desk) == before) {
		assert_int_equal(poll(&p, 1, PEER_PATIENCE_MS), 1);
		mailbox_deliver(f->mailbox);
	}
}

static struct rpc_call *
start(struct fixture *f, int kind, struct str body, struct outcome *o)
{
	struct rpc_call *c = rpc_call_start(f->desk, (enum rpc_kind)kind, body,
	    DEADLINE, false, on_done, o);

	assert_non_null(c);
	return c;
}

static void
test_echo(void **state)
{
	struct fixture *f = *state;
	struct outcome o = { 0 };

	(void)start(f, ECHO, STR("hello"), &o);
	assert_int_equal(rpc_desk_in_flight(f->desk), 1);
	assert_int_equal(o.done, 0);
	deliver(f);
	assert_int_equal(o.done, 1);
	assert_int_equal(o.result, RPC_OK);
	assert_int_equal(o.len, 5);
	assert_memory_equal(o.body, "hello", 5);
	assert_int_equal(rpc_desk_in_flight(f->desk), 0);
	/* nng may tell of the connection after its first answer. */
	WAIT_FOR(rpc_client_connected(f->client));
}

static void
test_bodies_of_all_sizes(void **state)
{
	struct fixture *f = *state;
	char body[64];

	memset(body, 0, sizeof(body));
	/* Also up and down, so that memory is used again at another size. */
	for (size_t i = 0; i < 3 * sizeof(body); i++) {
		size_t len = (i * 29) % (sizeof(body) + 1);
		struct outcome o = { 0 };

		memset(body, (int)i, len);
		(void)start(f, ECHO, (struct str){ body, len }, &o);
		deliver(f);
		assert_int_equal(o.result, RPC_OK);
		assert_int_equal(o.len, len);
		assert_memory_equal(o.body, body, len);
	}
}

static void
test_ask(void **state)
{
	struct fixture *f = *state;
	struct bytes reply = { 0 };
	struct err err = { "" };

	bytes_add(&reply, "> ", 2);
	assert_int_equal(rpc_ask(f->client, (enum rpc_kind)ECHO, STR("hello"),
	    DEADLINE, &reply, &err), RPC_OK);
	assert_int_equal(reply.len, 7);
	assert_memory_equal(reply.ptr, "> hello", 7);
	assert_string_equal(err.text, "");
	bytes_fini(&reply);
}

static void
test_refusals_say_why(void **state)
{
	static const struct {
		int kind;
		const char *why;
	} cases[] = {
		{ 9999, "test: no such request here" },
		{ FAIL, "test: no:\\x0akind 33" },
		{ BIG, "test: the answer is too large" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct bytes reply = { 0 };
		struct outcome o = { 0 };
		struct err err = { "" };

		assert_int_equal(rpc_ask(f->client,
		    (enum rpc_kind)cases[i].kind, STR("x"), DEADLINE, &reply,
		    &err), RPC_REFUSED);
		assert_string_equal(err.text, cases[i].why);
		assert_int_equal(reply.len, 0);
		(void)start(f, cases[i].kind, STR("x"), &o);
		deliver(f);
		assert_int_equal(o.result, RPC_REFUSED);
		assert_int_equal(o.len, 0);
	}
	assert_int_equal(rpc_server_stats(f->server.rpc).requests, 6);
	assert_int_equal(rpc_server_stats(f->server.rpc).unknown, 2);
	assert_int_equal(rpc_server_stats(f->server.rpc).failed, 4);
	assert_int_equal(rpc_server_stats(f->server.rpc).malformed, 0);
}

/* Sent, it would cost all calls their pipe. */
static void
test_too_large_a_request_stays_here(void **state)
{
	struct fixture *f = *state;
	char *body = xcalloc(1, PEER_MAX_MESSAGE);
	struct outcome held = { 0 }, o = { 0 };
	struct bytes reply = { 0 };
	struct err err = { "" };

	(void)start(f, HOLD, STR("held"), &held);
	WAIT_FOR(server_held(&f->server) == 1);
	(void)start(f, ECHO, (struct str){ body, PEER_MAX_MESSAGE }, &o);
	deliver(f);
	assert_int_equal(o.done, 1);
	assert_int_equal(o.result, RPC_REFUSED);
	assert_int_equal(rpc_ask(f->client, (enum rpc_kind)ECHO,
	    (struct str){ body, PEER_MAX_MESSAGE }, DEADLINE, &reply, &err),
	    RPC_REFUSED);
	assert_string_equal(err.text, "test: the request is too large");
	server_release(&f->server);
	deliver(f);
	assert_int_equal(held.result, RPC_OK);
	free(body);
}

static void
test_largest_request(void **state)
{
	struct fixture *f = *state;
	/* id, kind, deadline, tag and length of the body; and nng's id. */
	size_t len = PEER_MAX_MESSAGE - 64;
	char *body = xmalloc(len);
	struct bytes reply = { 0 };
	struct err err;

	memset(body, 'x', len);
	assert_int_equal(rpc_ask(f->client, (enum rpc_kind)ECHO,
	    (struct str){ body, len }, DEADLINE, &reply, &err), RPC_OK);
	assert_int_equal(reply.len, len);
	assert_memory_equal(reply.ptr, body, len);
	bytes_fini(&reply);
	free(body);
}

static void
test_answers_in_another_order(void **state)
{
	struct fixture *f = *state;
	struct outcome first = { 0 }, second = { 0 };

	(void)start(f, HOLD, STR("first"), &first);
	WAIT_FOR(server_held(&f->server) == 1);
	(void)start(f, ECHO, STR("second"), &second);
	deliver(f);
	assert_int_equal(first.done, 0);
	assert_int_equal(second.done, 1);
	assert_memory_equal(second.body, "second", 6);
	server_release(&f->server);
	deliver(f);
	assert_int_equal(first.done, 1);
	assert_memory_equal(first.body, "first", 5);
}

static void
test_pool_is_the_back_pressure(void **state)
{
	struct fixture *f = *state;
	struct outcome o[DESK_CALLS] = { 0 }, none = { 0 };

	for (unsigned i = 0; i < DESK_CALLS; i++)
		(void)start(f, HOLD, STR("x"), &o[i]);
	assert_int_equal(rpc_desk_in_flight(f->desk), DESK_CALLS);
	assert_null(rpc_call_start(f->desk, (enum rpc_kind)ECHO, STR("x"),
	    DEADLINE, false, on_done, &none));
	WAIT_FOR(server_held(&f->server) == DESK_CALLS);
	server_release(&f->server);
	deliver(f);
	assert_int_equal(rpc_desk_in_flight(f->desk), DESK_CALLS - 1);
	(void)start(f, ECHO, STR("x"), &none);
	deliver(f);
	assert_int_equal(none.result, RPC_OK);
}

static void
test_cancel_before_the_answer(void **state)
{
	struct fixture *f = *state;
	struct outcome o = { 0 };
	struct rpc_call *c = start(f, HOLD, STR("x"), &o);

	WAIT_FOR(server_held(&f->server) == 1);
	rpc_call_cancel(&c);
	assert_null(c);
	rpc_call_cancel(&c);
	deliver(f);
	assert_int_equal(o.done, 0);
	assert_int_equal(rpc_desk_in_flight(f->desk), 0);
	/* The late answer meets nobody. */
	server_release(&f->server);
	(void)start(f, ECHO, STR("new"), &o);
	deliver(f);
	assert_int_equal(o.done, 1);
	assert_memory_equal(o.body, "new", 3);
}

static void
test_cancel_at_once(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 200; i++) {
		struct outcome o = { 0 };
		struct rpc_call *c = start(f, ECHO, STR("x"), &o);

		rpc_call_cancel(&c);
		deliver(f);
		assert_int_equal(o.done, 0);
		assert_int_equal(rpc_desk_in_flight(f->desk), 0);
	}
}

/* The answer is in the mailbox, but not yet delivered. */
static void
test_cancel_after_the_answer(void **state)
{
	struct fixture *f = *state;
	struct outcome o = { 0 };
	struct rpc_call *c = start(f, ECHO, STR("x"), &o);
	struct pollfd p = { .fd = mailbox_fd(f->mailbox), .events = POLLIN };

	assert_int_equal(poll(&p, 1, PEER_PATIENCE_MS), 1);
	rpc_call_cancel(&c);
	mailbox_deliver(f->mailbox);
	assert_int_equal(o.done, 0);
	assert_int_equal(rpc_desk_in_flight(f->desk), 0);
}

static struct rpc_call *own_call;

static void
on_done_cancel(void *arg, enum rpc_result result, struct str body)
{
	rpc_call_cancel(&own_call);
	on_done(arg, result, body);
}

static void
test_cancel_from_done(void **state)
{
	struct fixture *f = *state;
	struct outcome o = { 0 };

	own_call = rpc_call_start(f->desk, (enum rpc_kind)ECHO, STR("x"),
	    DEADLINE, false, on_done_cancel, &o);
	deliver(f);
	assert_int_equal(o.done, 1);
	assert_int_equal(o.len, 1);
	assert_int_equal(rpc_desk_in_flight(f->desk), 0);
}

struct chain {
	struct fixture *f;
	unsigned left;
};

static void
on_done_again(void *arg, enum rpc_result result, struct str body)
{
	struct chain *c = arg;

	assert_int_equal(result, RPC_OK);
	assert_true(str_eq(body, STR("x")));
	if (--c->left > 0)
		assert_non_null(rpc_call_start(c->f->desk, (enum rpc_kind)ECHO,
		    body, DEADLINE, false, on_done_again, c));
}

static void
test_call_from_done(void **state)
{
	struct fixture *f = *state;
	struct chain c = { f, 10 };

	assert_non_null(rpc_call_start(f->desk, (enum rpc_kind)ECHO, STR("x"),
	    DEADLINE, false, on_done_again, &c));
	while (c.left > 0) {
		struct pollfd p = { .fd = mailbox_fd(f->mailbox),
			.events = POLLIN };

		assert_int_equal(poll(&p, 1, PEER_PATIENCE_MS), 1);
		mailbox_deliver(f->mailbox);
	}
	assert_int_equal(rpc_desk_in_flight(f->desk), 0);
}

static void
test_desk_goes_with_calls_out(void **state)
{
	struct fixture *f = *state;
	struct outcome o[3] = { 0 };
	struct err err;

	(void)start(f, HOLD, STR("held"), &o[0]);
	(void)start(f, ECHO, STR("x"), &o[1]);
	(void)start(f, ECHO, STR("y"), &o[2]);
	WAIT_FOR(server_held(&f->server) == 1);
	rpc_desk_free(&f->desk);
	assert_null(f->desk);
	assert_int_equal(o[0].done + o[1].done + o[2].done, 0);
	assert_int_equal(rpc_desk_new(&f->desk, f->client, f->mailbox,
	    DESK_CALLS, &err), 0);
	(void)start(f, ECHO, STR("z"), &o[0]);
	deliver(f);
	assert_int_equal(o[0].result, RPC_OK);
}

static void
test_handler_sees_the_deadline(void **state)
{
	struct fixture *f = *state;
	struct outcome o = { 0 };
	uint64_t before = clock_mono_ms(), deadline;

	(void)start(f, HOLD, STR("x"), &o);
	WAIT_FOR(server_held(&f->server) == 1);
	deadline = rpc_request_deadline(f->server.held[0]);
	/* The asker's clock was asked first, and rounds down. */
	assert_true(deadline + 1 >= before + DEADLINE);
	assert_true(deadline <= clock_mono_ms() + DEADLINE);
	server_release(&f->server);
	deliver(f);
}

static void
test_result_names(void **state)
{
	(void)state;
	assert_string_equal(rpc_result_name(RPC_OK), "ok");
	assert_string_equal(rpc_result_name(RPC_REFUSED), "refused");
	assert_string_equal(rpc_result_name(RPC_TIMEOUT), "timeout");
	assert_string_equal(rpc_result_name(RPC_UNREACHABLE), "unreachable");
	assert_string_equal(rpc_result_name(RPC_BAD_REPLY), "bad_reply");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_echo),
		CASE(test_bodies_of_all_sizes),
		CASE(test_ask),
		CASE(test_refusals_say_why),
		CASE(test_too_large_a_request_stays_here),
		CASE(test_largest_request),
		CASE(test_answers_in_another_order),
		CASE(test_pool_is_the_back_pressure),
		CASE(test_cancel_before_the_answer),
		CASE(test_cancel_at_once),
		CASE(test_cancel_after_the_answer),
		CASE(test_cancel_from_done),
		CASE(test_call_from_done),
		CASE(test_desk_goes_with_calls_out),
		CASE(test_handler_sees_the_deadline),
		cmocka_unit_test(test_result_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
