/* SPDX-License-Identifier: MIT */
/*
 * Requests and answers when somebody misbehaves, is late, or is not there.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "msg/bus.h"
#include "peer.h"

#define LONG 20000	/* a deadline that nothing here may reach */
#define ENOUGH 2000	/* for a request to be sent, on a busy machine */

/* nng 1.5.2 forgets about a listener that hanging up has ended. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libnng.so\n";
}

static struct place place;

static int
setup(void **state)
{
	(void)state;
	place_init(&place);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	place_fini(&place);
	return 0;
}

static enum rpc_result
ask(struct rpc_client *c, int kind, const char *text, uint32_t deadline_ms)
{
	struct bytes reply = { 0 };
	enum rpc_result r = rpc_ask(c, (enum rpc_kind)kind, str_from(text),
	    deadline_ms, &reply, NULL);

	if (r == RPC_OK)
		assert_true(str_eq(str_from(text),
		    (struct str){ reply.ptr, reply.len }));
	bytes_fini(&reply);
	return r;
}

/* --- Hostile askers. --- */

static void
test_malformed_envelopes(void **state)
{
	static const struct str bodies[] = {
		{ "", 0 },
		{ "GET / HTTP/1.1\r\n\r\n", 18 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11 },
		{ "\x0a\x10" "0123456789abcde", 17 },
		{ "\x0a\x04" "0123", 6 },
	};
	struct server s;
	struct rpc_client *c;
	char b;

	(void)state;
	server_start(&s, place.address, 2);
	c = client_new(place.address, LONG);
	/* More of them than there are contexts: none is used up. */
	for (unsigned i = 0; i < ARRAY_LEN(bodies); i++) {
		int fd = sp_connect(place.path, SP_REQ);

		sp_request(fd, i + 1, bodies[i].ptr, bodies[i].len);
		assert_true(read(fd, &b, 1) <= 0);
		close(fd);
	}
	assert_int_equal(rpc_server_stats(s.rpc).malformed, ARRAY_LEN(bodies));
	assert_int_equal(ask(c, ECHO, "others go on", LONG), RPC_OK);
	rpc_client_free(&c);
	server_stop(&s);
}

/* What is no message of nng's at all: the peer is closed, nobody else. */
static void
test_hostile_frames(void **state)
{
	static const struct {
		uint64_t len;
		size_t sent;
	} frames[] = {
		{ PEER_MAX_MESSAGE + 1, 1 }, { (uint64_t)1 << 32, 8 },
		{ (uint64_t)1 << 63, 8 }, { UINT64_MAX, 8 },
		{ UINT64_MAX - 31, 8 }, { 0, 0 }, { 3, 3 },
	};
	struct server s;
	struct rpc_client *c;
	char junk[8] = { 0 }, b;

	(void)state;
	server_start(&s, place.address, 2);
	c = client_new(place.address, LONG);
	for (unsigned i = 0; i < ARRAY_LEN(frames); i++) {
		int fd = sp_connect(place.path, SP_REQ);

		sp_send_head(fd, frames[i].len, junk, frames[i].sent);
		assert_true(read(fd, &b, 1) <= 0);
		close(fd);
		assert_int_equal(ask(c, ECHO, "x", LONG), RPC_OK);
	}
	assert_int_equal(rpc_server_stats(s.rpc).malformed, 0);
	rpc_client_free(&c);
	server_stop(&s);
}

static void
test_half_a_frame_disturbs_nobody(void **state)
{
	struct server s;
	struct rpc_client *c;
	int fd;

	(void)state;
	server_start(&s, place.address, 1);
	c = client_new(place.address, LONG);
	fd = sp_connect(place.path, SP_REQ);
	sp_send_head(fd, 1000, "half", 4);
	assert_int_equal(ask(c, ECHO, "x", LONG), RPC_OK);
	close(fd);
	assert_int_equal(ask(c, ECHO, "x", LONG), RPC_OK);
	rpc_client_free(&c);
	server_stop(&s);
}

/* With nng 1.5.2 this ends the listener, and a new one must come. */
static void
test_hanging_up_before_the_greeting(void **state)
{
	struct server s;
	struct rpc_client *c;

	(void)state;
	server_start(&s, place.address, 2);
	for (unsigned i = 0; i < 50; i++)
		sp_hang_up(place.path);
	c = client_new(place.address, LONG);
	/* Who connected meanwhile loses his call. */
	WAIT_FOR(ask(c, ECHO, "x", LONG) == RPC_OK);
	rpc_client_free(&c);
	server_stop(&s);
}

static void
test_garbage_instead_of_a_greeting(void **state)
{
	struct server s;
	struct rpc_client *c;

	(void)state;
	server_start(&s, place.address, 2);
	for (unsigned i = 0; i < 20; i++)
		sp_shout(place.path, "GET / HTTP/1.1\r\n\r\n", 18);
	c = client_new(place.address, LONG);
	assert_int_equal(ask(c, ECHO, "x", LONG), RPC_OK);
	rpc_client_free(&c);
	server_stop(&s);
}

/* It asks and asks and takes no answer: its pipe is closed. */
static void
test_peer_that_does_not_read(void **state)
{
	struct server s;
	struct rpc_client *c;
	struct envelope e = { .id = id_random(), .kind = ECHO };
	char body[32768] = { 0 }, packed[33000];
	struct pollfd p = { .events = 0 };

	(void)state;
	server_start(&s, place.address, 1);
	c = client_new(place.address, LONG);
	p.fd = sp_connect(place.path, SP_REQ);
	e.body = (struct str){ body, sizeof(body) };
	envelope_pack(&e, packed);
	for (unsigned i = 0; i < 12; i++)
		sp_request(p.fd, i + 1, packed, envelope_size(&e));
	assert_int_equal(ask(c, ECHO, "x", LONG), RPC_OK);
	assert_int_equal(poll(&p, 1, PEER_PATIENCE_MS), 1);
	assert_true(p.revents & POLLHUP);
	close(p.fd);
	rpc_client_free(&c);
	server_stop(&s);
}

static void
test_asker_leaves_before_the_answer(void **state)
{
	struct server s;
	struct rpc_client *c;
	struct envelope e = { .id = id_random(), .kind = HOLD };
	char packed[64];
	int fd;

	(void)state;
	server_start(&s, place.address, 1);
	fd = sp_connect(place.path, SP_REQ);
	envelope_pack(&e, packed);
	sp_request(fd, 1, packed, envelope_size(&e));
	WAIT_FOR(server_held(&s) == 1);
	close(fd);
	server_release(&s);
	c = client_new(place.address, LONG);
	assert_int_equal(ask(c, ECHO, "x", LONG), RPC_OK);
	rpc_client_free(&c);
	server_stop(&s);
}

/* --- Hostile answerers. --- */

struct raw {
	int listener, fd;
	struct rpc_client *client;
	pthread_t thread;
	enum rpc_result result;
	uint32_t deadline_ms;
};

static void *
run_ask(void *arg)
{
	struct raw *r = arg;

	r->result = ask(r->client, ECHO, "body", r->deadline_ms);
	return NULL;
}

/* A client that asked, and we as its server, with the request in hand. */
static struct envelope
raw_begin(struct raw *r, uint32_t deadline_ms, char frame[static 256])
{
	struct envelope e;
	ssize_t n;

	r->listener = sp_listen(place.path);
	r->client = client_new(place.address, LONG);
	r->deadline_ms = deadline_ms;
	r->fd = sp_accept(r->listener, SP_REP);
	/* The time is for asking, not for a connection as well. */
	WAIT_FOR(rpc_client_connected(r->client));
	assert_int_equal(pthread_create(&r->thread, NULL, run_ask, r), 0);
	n = sp_recv(r->fd, frame, 256);
	assert_true(n > 4);
	assert_int_equal(envelope_unpack(&e,
	    (struct str){ frame + 4, (size_t)n - 4 }), 0);
	assert_int_equal(e.kind, ECHO);
	assert_true(e.deadline_ms > 0 && e.deadline_ms <= deadline_ms);
	assert_true(str_eq(e.body, STR("body")));
	return e;
}

static void
raw_answer(struct raw *r, const char id[4], const void *p, size_t n)
{
	char frame[512];

	memcpy(frame, id, 4);
	memcpy(frame + 4, p, n);
	sp_send(r->fd, frame, n + 4);
}

static enum rpc_result
raw_end(struct raw *r)
{
	pthread_join(r->thread, NULL);
	close(r->fd);
	close(r->listener);
	rpc_client_free(&r->client);
	return r->result;
}

enum lie { TRUTH, OTHER_ID, OTHER_KIND, GARBAGE, CUT, NO_ENVELOPE };

static void
test_answers_are_checked(void **state)
{
	static const enum rpc_result results[] = {
		[TRUTH] = RPC_OK, [OTHER_ID] = RPC_BAD_REPLY,
		[OTHER_KIND] = RPC_BAD_REPLY, [GARBAGE] = RPC_BAD_REPLY,
		[CUT] = RPC_BAD_REPLY, [NO_ENVELOPE] = RPC_BAD_REPLY,
	};

	(void)state;
	for (unsigned lie = 0; lie < ARRAY_LEN(results); lie++) {
		struct raw r;
		char frame[256], packed[256];
		struct envelope e = raw_begin(&r, LONG, frame);
		size_t n;

		e.id.b[15] ^= lie == OTHER_ID;
		e.kind += lie == OTHER_KIND;
		envelope_pack(&e, packed);
		n = envelope_size(&e);
		if (lie == GARBAGE)
			memset(packed, 0xff, n);
		n -= lie == CUT;
		if (lie == NO_ENVELOPE)
			n = 0;
		raw_answer(&r, frame, packed, n);
		assert_int_equal(raw_end(&r), results[lie]);
		unlink(place.path);
	}
}

/* Answers to requests that nobody made, and to this one twice. */
static void
test_answers_nobody_asked_for(void **state)
{
	struct raw r;
	char frame[256], packed[256];
	struct envelope e = raw_begin(&r, LONG, frame);

	(void)state;
	envelope_pack(&e, packed);
	raw_answer(&r, "\x80\x00\x00\x01", packed, envelope_size(&e));
	raw_answer(&r, "\xff\xff\xff\xff", packed, envelope_size(&e));
	raw_answer(&r, frame, packed, envelope_size(&e));
	raw_answer(&r, frame, packed, envelope_size(&e));
	assert_int_equal(raw_end(&r), RPC_OK);
}

static void
test_too_large_an_answer_costs_the_pipe(void **state)
{
	struct raw r;
	char frame[256];

	(void)state;
	(void)raw_begin(&r, LONG, frame);
	sp_send_head(r.fd, PEER_MAX_MESSAGE + 1, frame, 4);
	assert_int_equal(raw_end(&r), RPC_UNREACHABLE);
}

static void
test_no_answer_in_time(void **state)
{
	struct raw r;
	char frame[256], packed[256];
	struct envelope e = raw_begin(&r, ENOUGH, frame);

	(void)state;
	pthread_join(r.thread, NULL);
	assert_int_equal(r.result, RPC_TIMEOUT);
	/* The late answer meets the next request, and is not taken for its. */
	r.deadline_ms = LONG;
	assert_int_equal(pthread_create(&r.thread, NULL, run_ask, &r), 0);
	envelope_pack(&e, packed);
	raw_answer(&r, frame, packed, envelope_size(&e));
	{
		ssize_t n = sp_recv(r.fd, frame, sizeof(frame));

		assert_true(n > 4);
		assert_int_equal(envelope_unpack(&e,
		    (struct str){ frame + 4, (size_t)n - 4 }), 0);
		envelope_pack(&e, packed);
		raw_answer(&r, frame, packed, envelope_size(&e));
	}
	assert_int_equal(raw_end(&r), RPC_OK);
}

/* --- Nobody there. --- */

static void
test_unconnected(void **state)
{
	struct rpc_client *c = client_new(place.address, 50);
	uint64_t before = clock_mono_ms();
	struct err err = { "" };
	struct bytes reply = { 0 };

	(void)state;
	assert_false(rpc_client_connected(c));
	assert_int_equal(rpc_ask(c, (enum rpc_kind)ECHO, STR("x"), LONG,
	    &reply, &err), RPC_UNREACHABLE);
	assert_non_null(strstr(err.text, "not connected"));
	assert_true(clock_mono_ms() - before < LONG);
	/* Not longer than the deadline either. */
	rpc_client_free(&c);
	c = client_new(place.address, LONG);
	before = clock_mono_ms();
	assert_int_equal(ask(c, ECHO, "x", 50), RPC_UNREACHABLE);
	assert_true(clock_mono_ms() - before < LONG);
	rpc_client_free(&c);
}

#define STUCK 32

struct stuck {
	struct rpc_client *client;
	pthread_t thread;
	enum rpc_result result;
};

static void *
ask_much(void *arg)
{
	static char body[PEER_MAX_MESSAGE / 2];
	struct stuck *a = arg;

	a->result = rpc_ask(a->client, (enum rpc_kind)ECHO,
	    (struct str){ body, sizeof(body) }, LONG, &(struct bytes){ 0 },
	    NULL);
	return NULL;
}

/* The one who is connected takes nothing, and goes: what waited for him to take
 * it waits for the next one no longer than any call does. */
static void
test_leaves_with_calls_that_wait(void **state)
{
	struct rpc_client *c = client_new(place.address, 50);
	int listener = sp_listen(place.path), fd, taken = 0;
	struct stuck askers[STUCK];
	uint64_t before;

	(void)state;
	fd = sp_accept(listener, SP_REP);
	WAIT_FOR(rpc_client_connected(c));
	for (size_t i = 0; i < STUCK; i++) {
		askers[i].client = c;
		assert_int_equal(pthread_create(&askers[i].thread, NULL,
		    ask_much, &askers[i]), 0);
	}
	/* As much as the kernel holds, and it is no longer asked for more. */
	for (int was = -1; taken == 0 || taken != was;) {
		was = taken;
		poll(NULL, 0, 20);
		assert_int_equal(ioctl(fd, FIONREAD, &taken), 0);
	}
	assert_true((size_t)taken < STUCK * PEER_MAX_MESSAGE / 2);
	before = clock_mono_ms();
	close(listener);
	close(fd);
	for (size_t i = 0; i < STUCK; i++) {
		pthread_join(askers[i].thread, NULL);
		assert_int_equal(askers[i].result, RPC_UNREACHABLE);
	}
	assert_true(clock_mono_ms() - before < LONG / 2);
	rpc_client_free(&c);
}

/* A call that was made before the server is there. */
static void
test_any_start_order(void **state)
{
	struct raw r = { .client = client_new(place.address, LONG),
		.deadline_ms = LONG };
	struct server s;

	(void)state;
	assert_int_equal(pthread_create(&r.thread, NULL, run_ask, &r), 0);
	server_start(&s, place.address, 1);
	pthread_join(r.thread, NULL);
	assert_int_equal(r.result, RPC_OK);
	rpc_client_free(&r.client);
	server_stop(&s);
}

/* A peer that greets nobody for a while. Where nng is old the client looks for
 * itself whether there is a peer; at the second time the connection comes just
 * before that is found out, and is not given up for another one. */
static void
test_slow_greeting(void **state)
{
	struct raw r = { .listener = sp_listen(place.path),
		.client = client_new(place.address, LONG),
		.deadline_ms = LONG };
	struct pollfd p = { .events = POLLIN };
	char frame[256];

	(void)state;
	r.fd = sp_take(r.listener);
	for (unsigned i = 0; bus_nng_is_older(1, 8) && i < 2; i++) {
		int looking = sp_take(r.listener);

		if (i == 1) {
			sp_greet(r.fd, SP_REP);
			WAIT_FOR(rpc_client_connected(r.client));
		}
		(void)!send(looking, "", 1, MSG_NOSIGNAL);
		assert_true(recv(looking, frame, 1, 0) <= 0);
		close(looking);
	}
	p.fd = r.fd;
	assert_int_equal(poll(&p, 1, 100), 0);
	close(r.fd);
	close(r.listener);
	rpc_client_free(&r.client);
}

static void *
run_free(void *arg)
{
	rpc_client_free(arg);
	return NULL;
}

/* It ends while it looks whether there is a peer. */
static void
test_freed_while_it_looks(void **state)
{
	struct rpc_client *client = client_new(place.address, LONG);
	int listener = sp_listen(place.path), fd = sp_take(listener), looking;
	struct pollfd p = { .fd = listener, .events = POLLIN };
	pthread_t thread;
	char c;

	(void)state;
	looking = bus_nng_is_older(1, 8) ? sp_take(listener) : -1;
	assert_int_equal(pthread_create(&thread, NULL, run_free, &client), 0);
	poll(NULL, 0, 20);	/* time to begin */
	if (looking >= 0) {
		(void)!send(looking, "", 1, MSG_NOSIGNAL);
		assert_true(recv(looking, &c, 1, 0) <= 0);
		close(looking);
	}
	pthread_join(thread, NULL);
	assert_null(client);
	assert_int_equal(poll(&p, 1, 0), 0);
	close(fd);
	close(listener);
}

/* More clients than nng has threads, to a peer that seems to live but greets
 * none: all of them look for it and come to dial anew, one after the other. The
 * last test here: nng 1.5.2 may close none of these sockets, and then notices
 * no loss in this process any more (redial.h). */
static void
test_many_look(void **state)
{
	enum { CLIENTS = 16 };
	struct rpc_client *clients[CLIENTS];
	int listener = sp_listen(place.path), fd[4 * CLIENTS];
	/* Where nng is old: dialled, looked for twice, dialled again. */
	size_t n = bus_nng_is_older(1, 8) ? ARRAY_LEN(fd) : CLIENTS;

	(void)state;
	for (size_t i = 0; i < CLIENTS; i++)
		clients[i] = client_new(place.address, LONG);
	for (size_t i = 0; i < n; i++) {
		fd[i] = sp_take(listener);
		(void)!send(fd[i], "", 1, MSG_NOSIGNAL);
	}
	for (size_t i = 0; i < n; i++)
		close(fd[i]);
	close(listener);
	for (size_t i = 0; i < CLIENTS; i++)
		rpc_client_free(&clients[i]);
}

static void
test_server_restarts(void **state)
{
	struct rpc_client *c = client_new(place.address, LONG);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct server s;

		server_start(&s, place.address, 1);
		assert_int_equal(ask(c, ECHO, "x", LONG), RPC_OK);
		/* nng may tell of it after the first answer. */
		WAIT_FOR(rpc_client_connected(c));
		server_stop(&s);
		WAIT_FOR(!rpc_client_connected(c));
	}
	rpc_client_free(&c);
}

static void
test_two_servers_on_one_address(void **state)
{
	struct rpc_server_options o = { .address = place.address,
		.name = "second", .max_message = PEER_MAX_MESSAGE,
		.contexts = 1, .group = (unsigned)-1 };
	static const struct rpc_method none[] = { { 0 } };
	struct rpc_server *second;
	struct rpc_client *c;
	struct server s;
	struct err err;

	(void)state;
	o.methods = none;
	server_start(&s, place.address, 1);
	assert_int_equal(rpc_server_start(&second, &o, &err), -1);
	assert_non_null(strstr(err.text, "in use by another process"));
	/* The first is none the worse for it. */
	c = client_new(place.address, LONG);
	assert_int_equal(ask(c, ECHO, "x", LONG), RPC_OK);
	rpc_client_free(&c);
	server_stop(&s);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_malformed_envelopes),
		CASE(test_hostile_frames),
		CASE(test_half_a_frame_disturbs_nobody),
		CASE(test_hanging_up_before_the_greeting),
		CASE(test_garbage_instead_of_a_greeting),
		CASE(test_peer_that_does_not_read),
		CASE(test_asker_leaves_before_the_answer),
		CASE(test_answers_are_checked),
		CASE(test_answers_nobody_asked_for),
		CASE(test_too_large_an_answer_costs_the_pipe),
		CASE(test_no_answer_in_time),
		CASE(test_unconnected),
		CASE(test_leaves_with_calls_that_wait),
		CASE(test_any_start_order),
		CASE(test_server_restarts),
		CASE(test_two_servers_on_one_address),
		CASE(test_slow_greeting),
		CASE(test_freed_while_it_looks),
		CASE(test_many_look),
	};

	log_setup("test", LOG_ERROR, LOG_FORMAT_TEXT, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
