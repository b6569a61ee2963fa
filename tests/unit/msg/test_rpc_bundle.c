/* SPDX-License-Identifier: MIT */
/*
 * Requests in bundles: a desk against a server that is played here frame by
 * frame, and a real server against such an asker.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "msg/bundle.h"
#include "peer.h"

#define DEADLINE 20000
#define CALLS 8
#define FRAME_MAX PEER_MAX_MESSAGE

static struct place place;

/* Stands still: which calls go together depends on when they were made. */
static void
set_clock(uint64_t ms)
{
	clock_test_set(ms * 1000, 0);
}

/* ---- an asker, and we are its server ---- */

struct outcome {
	unsigned done;
	enum rpc_result result;
	char body[8];
};

static struct {
	struct rpc_client *client;
	struct mailbox *mailbox;
	struct rpc_desk *desk;
	int listener, fd;
	uint32_t offer;		/* requests in a bundle that we take */
	struct outcome of[CALLS];
	struct rpc_call *calls[CALLS];
} a;

/* A request as it came; one item when it is by itself. */
struct frame {
	char bytes[FRAME_MAX];
	struct envelope e;
	unsigned n;
	struct envelope items[CALLS];
};

static void
on_done(void *arg, enum rpc_result result, struct str body)
{
	struct outcome *o = arg;

	o->done++;
	o->result = result;
	assert_true(str_copy(o->body, sizeof(o->body), body));
}

typedef struct rpc_call *call_fn(struct rpc_desk *d, enum rpc_kind kind,
    struct str body, uint32_t deadline_ms, bool idempotent, rpc_done_fn *done,
    void *arg);

static void
call(call_fn *how, unsigned i, bool idempotent)
{
	char body[8];

	snprintf(body, sizeof(body), "%u", i);
	a.of[i] = (struct outcome){ 0 };
	a.calls[i] = how(a.desk, (enum rpc_kind)ECHO, str_from(body), DEADLINE,
	    idempotent, on_done, &a.of[i]);
	assert_non_null(a.calls[i]);
}

static void
start(unsigned i, bool idempotent)
{
	call(rpc_call_start, i, idempotent);
}

static void
deliver_until(unsigned in_flight)
{
	struct pollfd p = { .fd = mailbox_fd(a.mailbox), .events = POLLIN };

	while (rpc_desk_in_flight(a.desk) > in_flight) {
		assert_int_equal(poll(&p, 1, PEER_PATIENCE_MS), 1);
		mailbox_deliver(a.mailbox);
	}
}

static void
receive(struct frame *f)
{
	ssize_t n = sp_recv(a.fd, f->bytes, sizeof(f->bytes));
	struct str rest;

	assert_true(n > 4);
	assert_int_equal(envelope_unpack(&f->e,
	    (struct str){ f->bytes + 4, (size_t)n - 4 }), 0);
	f->n = 0;
	if (f->e.kind != KIND_BUNDLE) {
		f->items[f->n++] = f->e;
		return;
	}
	rest = f->e.body;
	while (f->n < CALLS && bundle_next(&rest, &f->items[f->n]) ==
	    BUNDLE_ITEM) {
		assert_true(f->items[f->n].deadline_ms > 0);
		assert_true(f->items[f->n].deadline_ms <= DEADLINE);
		f->n++;
	}
	assert_int_equal(rest.len, 0);
}

/* Delivers what comes back until there is a frame. */
static void
deliver_and_receive(struct frame *f)
{
	struct pollfd p[] = { { .fd = a.fd, .events = POLLIN },
		{ .fd = mailbox_fd(a.mailbox), .events = POLLIN } };

	do {
		assert_true(poll(p, ARRAY_LEN(p), PEER_PATIENCE_MS) > 0);
		if (p[1].revents != 0)
			mailbox_deliver(a.mailbox);
	} while (p[0].revents == 0);
	receive(f);
}

static void
send_reply(const struct frame *f, const struct envelope *e)
{
	char reply[FRAME_MAX];

	memcpy(reply, f->bytes, 4);
	envelope_pack(e, reply + 4);
	sp_send(a.fd, reply, 4 + envelope_size(e));
}

/* Echoes the items, as far as `items` goes; all if it came by itself. */
static void
answer_items(const struct frame *f, const struct envelope *items, unsigned n)
{
	char room[4096];
	struct writer w = writer_on(room, sizeof(room));
	struct envelope e = { .id = f->e.id, .kind = f->e.kind,
		.bundle = a.offer };

	for (unsigned i = 0; i < n; i++)
		bundle_put(&w, &items[i]);
	e.body = f->e.kind == KIND_BUNDLE ? (struct str){ room, w.len }
					  : f->e.body;
	send_reply(f, &e);
}

static void
answer(const struct frame *f)
{
	answer_items(f, f->items, f->n);
}

static void
expect(unsigned i, enum rpc_result result)
{
	char body[8] = "";

	if (result == RPC_OK)
		snprintf(body, sizeof(body), "%u", i);
	assert_int_equal(a.of[i].done, 1);
	assert_int_equal(a.of[i].result, result);
	assert_string_equal(a.of[i].body, body);
}

/* Asks once, so that the desk knows what its server takes. */
static void
learn(uint32_t offer)
{
	static struct frame f;

	a.offer = offer;
	start(0, false);
	receive(&f);
	assert_int_equal(f.e.kind, ECHO);
	answer(&f);
	deliver_until(0);
	expect(0, RPC_OK);
}

static int
setup_asker(void **state)
{
	struct err err;

	(void)state;
	place_init(&place);
	a.listener = sp_listen(place.path);
	a.client = client_new(place.address, DEADLINE);
	a.mailbox = mailbox_new();
	assert_int_equal(rpc_desk_new(&a.desk, a.client, a.mailbox, CALLS,
	    &err), 0);
	a.fd = sp_accept(a.listener, SP_REP);
	WAIT_FOR(rpc_client_connected(a.client));
	set_clock(1000);
	return 0;
}

static int
teardown_asker(void **state)
{
	(void)state;
	clock_test_reset();
	rpc_desk_free(&a.desk);
	mailbox_free(&a.mailbox);
	rpc_client_free(&a.client);
	close(a.fd);
	close(a.listener);
	place_fini(&place);
	return 0;
}

/* 0 by itself, 1 and 2 in bundles, and what is left waits for one of them. */
static void
start_all(struct frame f[static 3], unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		start(i, false);
	for (unsigned i = 0; i < 3; i++) {
		receive(&f[i]);
		assert_int_equal(f[i].n, 1);
		assert_int_equal(f[i].e.kind, i == 0 ? ECHO : KIND_BUNDLE);
	}
}

static struct frame frames[3], rest;

static void
test_calls_share_a_message(void **state)
{
	(void)state;
	learn(64);
	start_all(frames, CALLS);
	answer(&frames[2]);
	deliver_until(CALLS - 1);
	expect(2, RPC_OK);
	receive(&rest);
	assert_int_equal(rest.n, CALLS - 3);
	answer(&rest);
	deliver_until(2);
	answer(&frames[0]);
	answer(&frames[1]);
	deliver_until(0);
	for (unsigned i = 0; i < CALLS; i++)
		expect(i, RPC_OK);
}

/* A bundle is given up with the last of its calls, so a call goes with those
 * that have about as long as itself. */
static void
test_as_patient_as_the_others(void **state)
{
	(void)state;
	learn(64);
	start_all(frames, 4);
	set_clock(1100);
	start(4, false);
	set_clock(1101);
	start(5, false);
	receive(&rest);
	assert_int_equal(rest.e.kind, ECHO);
	assert_true(str_eq(rest.e.body, STR("5")));
	answer(&rest);
	deliver_until(5);
	expect(5, RPC_OK);
	answer(&frames[1]);
	deliver_until(4);
	receive(&rest);
	assert_int_equal(rest.e.kind, KIND_BUNDLE);
	assert_int_equal(rest.e.deadline_ms, DEADLINE - 1);
	assert_int_equal(rest.n, 2);
	assert_int_equal(rest.items[0].deadline_ms, DEADLINE - 101);
	assert_int_equal(rest.items[1].deadline_ms, DEADLINE - 1);
	answer(&rest);
	answer(&frames[0]);
	answer(&frames[2]);
	deliver_until(0);
	for (unsigned i = 0; i < 6; i++)
		expect(i, RPC_OK);
}

static void
test_no_more_than_offered(void **state)
{
	(void)state;
	learn(2);
	start_all(frames, 6);
	answer(&frames[1]);
	deliver_until(5);
	receive(&rest);
	assert_int_equal(rest.n, 2);
	answer(&rest);
	deliver_until(3);
	receive(&rest);
	assert_int_equal(rest.n, 1);
	answer(&rest);
	answer(&frames[0]);
	answer(&frames[2]);
	deliver_until(0);
	for (unsigned i = 0; i < 6; i++)
		expect(i, RPC_OK);
}

/* However far apart they were made: their time begins when they go. */
static void
test_later_calls_go_together(void **state)
{
	(void)state;
	learn(64);
	for (unsigned i = 0; i < 3; i++) {
		set_clock(2000 + i * 500);
		call(rpc_call_later, i, false);
	}
	start(3, false);
	receive(&rest);
	assert_int_equal(rest.n, 1);
	assert_true(str_eq(rest.items[0].body, STR("3")));
	answer(&rest);
	deliver_until(3);
	expect(3, RPC_OK);
	set_clock(4000);
	rpc_desk_hurry(a.desk);
	receive(&rest);
	assert_int_equal(rest.e.kind, KIND_BUNDLE);
	assert_int_equal(rest.n, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(rest.items[i].deadline_ms, DEADLINE);
	answer(&rest);
	deliver_until(0);
	for (unsigned i = 0; i < 3; i++)
		expect(i, RPC_OK);
}

static void
test_later_call_alone(void **state)
{
	(void)state;
	learn(64);
	call(rpc_call_later, 0, false);
	rpc_desk_hurry(a.desk);
	receive(&rest);
	assert_int_equal(rest.e.kind, ECHO);
	answer(&rest);
	deliver_until(0);
	expect(0, RPC_OK);
}

static void
test_later_call_cancelled(void **state)
{
	(void)state;
	learn(64);
	call(rpc_call_later, 0, false);
	call(rpc_call_later, 1, false);
	rpc_call_cancel(&a.calls[0]);
	rpc_desk_hurry(a.desk);
	receive(&rest);
	assert_int_equal(rest.n, 1);
	assert_true(str_eq(rest.items[0].body, STR("1")));
	answer(&rest);
	deliver_until(0);
	assert_int_equal(a.of[0].done, 0);
	expect(1, RPC_OK);
}

/* The desk goes; teardown finds it empty. */
static void
test_later_call_at_the_end(void **state)
{
	(void)state;
	call(rpc_call_later, 0, false);
	rpc_desk_free(&a.desk);
	assert_int_equal(a.of[0].done, 0);
}

/* Of an earlier release: it never said that it knows bundles. */
static void
test_nothing_offered(void **state)
{
	(void)state;
	learn(0);
	for (unsigned i = 0; i < CALLS; i++)
		start(i, false);
	for (unsigned i = 0; i < CALLS; i++) {
		receive(&rest);
		assert_int_equal(rest.e.kind, ECHO);
		answer(&rest);
	}
	deliver_until(0);
	for (unsigned i = 0; i < CALLS; i++)
		expect(i, RPC_OK);
}

/* The one that offered was replaced by one of an earlier release. */
static void
test_bundles_unknown_after_all(void **state)
{
	(void)state;
	learn(64);
	start_all(frames, 5);
	for (unsigned i = 1; i < 3; i++) {
		struct envelope e = { .id = frames[i].e.id,
			.kind = KIND_BUNDLE, .status = RPC_STATUS_UNKNOWN,
			.error = STR("no such request here") };

		send_reply(&frames[i], &e);
	}
	for (unsigned i = 1; i < 5; i++) {
		deliver_and_receive(&rest);
		assert_int_equal(rest.e.kind, ECHO);
		send_reply(&rest, &rest.e);
	}
	send_reply(&frames[0], &frames[0].e);
	deliver_until(0);
	for (unsigned i = 0; i < 5; i++)
		expect(i, RPC_OK);
}

static void
test_asked_by_itself(void **state)
{
	struct envelope items[CALLS];

	(void)state;
	learn(64);
	start_all(frames, 6);
	answer(&frames[1]);
	deliver_until(5);
	receive(&rest);
	assert_int_equal(rest.n, 3);
	memcpy(items, rest.items, sizeof(items));
	items[1].status = RPC_STATUS_ALONE;
	items[1].body = STR("");
	answer_items(&rest, items, 3);
	deliver_until(3);
	expect(3, RPC_OK);
	assert_int_equal(a.of[4].done, 0);
	expect(5, RPC_OK);
	receive(&rest);
	assert_int_equal(rest.e.kind, ECHO);
	assert_true(str_eq(rest.e.body, STR("4")));
	answer(&rest);
	answer(&frames[0]);
	answer(&frames[2]);
	deliver_until(0);
	expect(4, RPC_OK);
}

enum lie { SWAPPED, MISSING, GARBAGE, OTHER_KIND, LIES };

static void
test_answers_are_checked(void **state)
{
	(void)state;
	for (unsigned lie = 0; lie < LIES; lie++) {
		struct envelope items[CALLS];
		struct envelope bad = { .kind = KIND_BUNDLE,
			.body = STR("\xff\xff") };

		learn(64);
		start_all(frames, 6);
		answer(&frames[1]);
		deliver_until(5);
		receive(&rest);
		memcpy(items, rest.items, sizeof(items));
		items[1] = rest.items[lie == SWAPPED ? 2 : 1];
		items[2] = rest.items[lie == SWAPPED ? 1 : 2];
		items[1].kind += lie == OTHER_KIND;
		bad.id = rest.e.id;
		if (lie == GARBAGE)
			send_reply(&rest, &bad);
		else
			answer_items(&rest, items, lie == MISSING ? 1 : 3);
		deliver_until(2);
		expect(3, lie == GARBAGE ? RPC_BAD_REPLY : RPC_OK);
		expect(4, RPC_BAD_REPLY);
		expect(5, lie == OTHER_KIND ? RPC_OK : RPC_BAD_REPLY);
		answer(&frames[0]);
		answer(&frames[2]);
		deliver_until(0);
	}
}

/* Idempotent ones are asked again, and by themselves: who knows whom. */
static void
test_peer_is_lost(void **state)
{
	(void)state;
	learn(64);
	for (unsigned i = 0; i < 6; i++)
		start(i, i % 2 == 0);
	for (unsigned i = 0; i < 3; i++)
		receive(&frames[i]);
	close(a.fd);
	a.fd = sp_accept(a.listener, SP_REP);
	/* 0 and 2 again, 1 not, and 3 to 5 were never sent. */
	while (a.of[1].done == 0 || rpc_desk_in_flight(a.desk) > 0) {
		struct pollfd p[] = { { .fd = a.fd, .events = POLLIN },
			{ .fd = mailbox_fd(a.mailbox), .events = POLLIN } };

		assert_true(poll(p, 2, PEER_PATIENCE_MS) > 0);
		if (p[1].revents != 0)
			mailbox_deliver(a.mailbox);
		if (p[0].revents == 0)
			continue;
		receive(&rest);
		answer(&rest);
	}
	for (unsigned i = 0; i < 6; i++)
		expect(i, i == 1 ? RPC_UNREACHABLE : RPC_OK);
}

static void
test_cancel(void **state)
{
	(void)state;
	learn(64);
	start_all(frames, 6);
	rpc_call_cancel(&a.calls[1]);	/* on its way */
	rpc_call_cancel(&a.calls[4]);	/* waits */
	answer(&frames[1]);
	deliver_until(4);
	receive(&rest);
	assert_int_equal(rest.n, 2);
	answer(&rest);
	answer(&frames[0]);
	answer(&frames[2]);
	deliver_until(0);
	for (unsigned i = 0; i < 6; i++)
		if (i == 1 || i == 4)
			assert_int_equal(a.of[i].done, 0);
		else
			expect(i, RPC_OK);
}

static void
test_desk_goes_with_bundles_out(void **state)
{
	(void)state;
	learn(64);
	start_all(frames, CALLS);
	rpc_desk_free(&a.desk);
	assert_null(a.desk);
	for (unsigned i = 0; i < CALLS; i++)
		assert_int_equal(a.of[i].done, 0);
}

/* ---- a server, and we ask it ---- */

struct asked {
	struct server server;
	char room[FRAME_MAX], frame[FRAME_MAX];
	struct writer w;
	struct id id;
	int fd;
};

static struct asked b;

static int
setup_server(void **state)
{
	(void)state;
	place_init(&place);
	server_start(&b.server, place.address, 2);
	b.fd = sp_connect(place.path, SP_REQ);
	b.w = writer_on(b.room, sizeof(b.room));
	return 0;
}

static int
teardown_server(void **state)
{
	(void)state;
	close(b.fd);
	server_stop(&b.server);
	place_fini(&place);
	return 0;
}

static void
put(int kind, struct str body)
{
	struct envelope e = { .id = { { (uint8_t)kind } },
		.kind = (uint32_t)kind, .deadline_ms = DEADLINE,
		.body = body };

	bundle_put(&b.w, &e);
	assert_false(b.w.failed);
}

static void
send_bundle(void)
{
	struct envelope e = { .id = id_random(), .kind = KIND_BUNDLE,
		.deadline_ms = DEADLINE, .body = { b.room, b.w.len } };

	b.id = e.id;
	envelope_pack(&e, b.frame);
	sp_request(b.fd, 1, b.frame, envelope_size(&e));
	b.w = writer_on(b.room, sizeof(b.room));
}

/* The body of the answer. */
static struct str
receive_bundle(void)
{
	ssize_t n = sp_recv(b.fd, b.frame, sizeof(b.frame));
	struct envelope e;

	assert_true(n > 4);
	assert_int_equal(envelope_unpack(&e,
	    (struct str){ b.frame + 4, (size_t)n - 4 }), 0);
	assert_true(id_eq(&e.id, &b.id));
	assert_int_equal(e.kind, KIND_BUNDLE);
	assert_int_equal(e.status, RPC_STATUS_OK);
	assert_int_equal(e.bundle, BUNDLE_ITEMS_MAX);
	return e.body;
}

static struct envelope
take(struct str *body, int kind, enum rpc_status status)
{
	struct envelope e;

	assert_int_equal(bundle_next(body, &e), BUNDLE_ITEM);
	assert_int_equal(e.id.b[0], (uint8_t)kind);
	assert_int_equal(e.kind, kind);
	assert_int_equal(e.status, status);
	return e;
}

static void
test_each_is_answered(void **state)
{
	struct str body;

	(void)state;
	put(ECHO, STR("one"));
	put(HOLD, STR("not at once"));
	put(99, STR(""));
	put(FAIL, STR(""));
	put(BIG, STR(""));
	put(KIND_BUNDLE, STR(""));
	put(ECHO, STR("two"));
	send_bundle();
	body = receive_bundle();
	assert_true(str_eq(take(&body, ECHO, RPC_STATUS_OK).body, STR("one")));
	(void)take(&body, HOLD, RPC_STATUS_ALONE);
	(void)take(&body, 99, RPC_STATUS_UNKNOWN);
	assert_true(str_eq(take(&body, FAIL, RPC_STATUS_FAILED).error,
	    STR("no:\\x0akind 33")));
	(void)take(&body, BIG, RPC_STATUS_ALONE);
	(void)take(&body, KIND_BUNDLE, RPC_STATUS_UNKNOWN);
	assert_true(str_eq(take(&body, ECHO, RPC_STATUS_OK).body, STR("two")));
	assert_int_equal(body.len, 0);
	assert_int_equal(server_held(&b.server), 0);
	assert_int_equal(rpc_server_stats(b.server.rpc).requests, 6);
	assert_int_equal(rpc_server_stats(b.server.rpc).unknown, 2);
	assert_int_equal(rpc_server_stats(b.server.rpc).malformed, 0);
}

/* As many as may be; answers that do not fit are asked for again. */
static void
test_full(void **state)
{
	static char half[BUNDLE_BYTES_MAX / 2];
	struct str body;
	unsigned alone = 0;

	(void)state;
	for (unsigned i = 0; i < BUNDLE_ITEMS_MAX; i++)
		put(ECHO, (struct str){ half, i < 3 ? sizeof(half) : 1 });
	send_bundle();
	body = receive_bundle();
	for (unsigned i = 0; i < BUNDLE_ITEMS_MAX; i++) {
		struct envelope e;

		assert_int_equal(bundle_next(&body, &e), BUNDLE_ITEM);
		alone += e.status == RPC_STATUS_ALONE;
		assert_true(e.status == RPC_STATUS_ALONE || i == 0 || i > 2);
	}
	assert_int_equal(alone, 2);
	assert_int_equal(body.len, 0);
}

static void
test_empty(void **state)
{
	(void)state;
	send_bundle();
	assert_int_equal(receive_bundle().len, 0);
}

static void
expect_closed(void)
{
	char c;

	send_bundle();
	assert_true(read(b.fd, &c, 1) <= 0);
	assert_int_equal(rpc_server_stats(b.server.rpc).malformed, 1);
}

static void
test_too_many(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= BUNDLE_ITEMS_MAX; i++)
		put(ECHO, STR("x"));
	expect_closed();
}

static void
test_malformed_item(void **state)
{
	(void)state;
	put(ECHO, STR("x"));
	writer_put(&b.w, "\x0a\x02\x10\x01", 4);
	expect_closed();
}

/* ---- what is left of a refused message ---- */

static struct {
	const char *from;	/* in the server's memory */
	size_t len;
	atomic_bool looked, wiped;
} left;

static void
on_first(void *arg, struct rpc_request *r)
{
	(void)arg;
	left.from = rpc_request_body(r).ptr;
	rpc_reply(r, STR(""));
}

/* On the same thread as the above; the message is still there. */
static void
on_malformed(void *arg)
{
	bool wiped = true;

	(void)arg;
	for (size_t i = 0; i < left.len; i++)
		wiped &= left.from[i] == '\0';
	atomic_store(&left.wiped, wiped);
	atomic_store(&left.looked, true);
}

static int
setup_looking(void **state)
{
	static const struct rpc_method methods[] = {
		{ (enum rpc_kind)ECHO, "first", on_first, true },
		{ 0 },
	};
	const struct rpc_server_options o = {
		.address = place.address, .name = "looking",
		.max_message = PEER_MAX_MESSAGE, .contexts = 1,
		.methods = methods, .on_malformed = on_malformed,
		.group = (unsigned)-1,
	};
	struct err err;

	(void)state;
	place_init(&place);
	b.server = (struct server){ .m = PTHREAD_MUTEX_INITIALIZER };
	assert_int_equal(rpc_server_start(&b.server.rpc, &o, &err), 0);
	b.fd = sp_connect(place.path, SP_REQ);
	b.w = writer_on(b.room, sizeof(b.room));
	return 0;
}

/* From the first login to the end, with those that were never handled. */
static void
test_malformed_is_wiped(void **state)
{
	const char *first;

	(void)state;
	put(ECHO, STR("canary-1"));
	first = memmem(b.room, b.w.len, "canary-1", 8);
	assert_non_null(first);
	writer_put(&b.w, "\x0a\x02\x10\x01", 4);
	put(HOLD, STR("canary-2"));
	left.len = b.w.len - (size_t)(first - b.room);
	expect_closed();
	assert_true(atomic_load(&left.looked));
	assert_true(atomic_load(&left.wiped));
}

#define ASKER(f) cmocka_unit_test_setup_teardown(f, setup_asker, teardown_asker)
#define SERVER(f) \
	cmocka_unit_test_setup_teardown(f, setup_server, teardown_server)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ASKER(test_calls_share_a_message),
		ASKER(test_as_patient_as_the_others),
		ASKER(test_no_more_than_offered),
		ASKER(test_later_calls_go_together),
		ASKER(test_later_call_alone),
		ASKER(test_later_call_cancelled),
		ASKER(test_later_call_at_the_end),
		ASKER(test_nothing_offered),
		ASKER(test_bundles_unknown_after_all),
		ASKER(test_asked_by_itself),
		ASKER(test_answers_are_checked),
		ASKER(test_peer_is_lost),
		ASKER(test_cancel),
		ASKER(test_desk_goes_with_bundles_out),
		SERVER(test_each_is_answered),
		SERVER(test_full),
		SERVER(test_empty),
		SERVER(test_too_many),
		SERVER(test_malformed_item),
		cmocka_unit_test_setup_teardown(test_malformed_is_wiped,
		    setup_looking, teardown_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
