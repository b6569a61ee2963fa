/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "msg/topic.h"
#include "peer.h"

#define QUEUE 16

struct inbox {
	pthread_mutex_t m;
	bool blocked;		/* on_message waits while it is set */
	unsigned n;
	uint32_t last;
	bool disorder;
	size_t bytes;
};

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

/* Messages are rising numbers, or of any length. */
static void
on_message(void *arg, struct str message)
{
	struct inbox *in = arg;
	uint32_t v = 0;
	bool blocked;

	pthread_mutex_lock(&in->m);
	if (message.len == sizeof(v)) {
		memcpy(&v, message.ptr, sizeof(v));
		in->disorder |= v <= in->last;
		in->last = v;
	}
	in->n++;
	in->bytes += message.len;
	blocked = in->blocked;
	pthread_mutex_unlock(&in->m);
	while (blocked) {
		poll(NULL, 0, 1);
		pthread_mutex_lock(&in->m);
		blocked = in->blocked;
		pthread_mutex_unlock(&in->m);
	}
}

static struct inbox
inbox_get(struct inbox *in)
{
	struct inbox copy;

	pthread_mutex_lock(&in->m);
	copy = *in;
	pthread_mutex_unlock(&in->m);
	return copy;
}

static void
inbox_block(struct inbox *in, bool blocked)
{
	pthread_mutex_lock(&in->m);
	in->blocked = blocked;
	pthread_mutex_unlock(&in->m);
}

static struct topic_options
options(bool listen)
{
	return (struct topic_options){ .address = place.address,
		.name = "test", .listen = listen,
		.max_message = PEER_MAX_MESSAGE, .reconnect_max_ms = 50,
		.queue = QUEUE, .group = (unsigned)-1 };
}

static struct topic_pub *
pub_open(bool listen)
{
	struct topic_options o = options(listen);
	struct topic_pub *p;
	struct err err = { "" };

	if (topic_pub_open(&p, &o, &err) != 0)
		fail_msg("%s", err.text);
	return p;
}

static struct topic_sub *
sub_open(bool listen, struct inbox *in)
{
	struct topic_options o = options(listen);
	struct topic_sub *s;
	struct err err = { "" };

	if (topic_sub_open(&s, &o, on_message, in, &err) != 0)
		fail_msg("%s", err.text);
	return s;
}

static void
send_number(struct topic_pub *p, uint32_t v)
{
	assert_true(topic_pub_send(p, (struct str){ (char *)&v, sizeof(v) }));
}

/* Until one arrives: who subscribes late misses what was before. */
static void
send_until_heard(struct topic_pub *p, struct inbox *in, uint32_t *v)
{
	unsigned before = inbox_get(in).n;
	uint64_t until = clock_mono_ms() + PEER_PATIENCE_MS;

	while (inbox_get(in).n == before) {
		assert_true(clock_mono_ms() < until);
		send_number(p, ++*v);
		poll(NULL, 0, 1);
	}
}

static void
test_either_side_listens(void **state)
{
	(void)state;
	for (unsigned listens = 0; listens < 2; listens++) {
		struct inbox in = { .m = PTHREAD_MUTEX_INITIALIZER };
		struct topic_sub *s;
		struct topic_pub *p;
		uint32_t v = 0;

		/* The dialler is first, too. */
		if (listens) {
			s = sub_open(false, &in);
			p = pub_open(true);
		} else {
			p = pub_open(false);
			s = sub_open(true, &in);
		}
		send_until_heard(p, &in, &v);
		/* nng may tell of a connection after its first message. */
		WAIT_FOR(topic_sub_peers(s) == 1 && topic_pub_peers(p) == 1);
		WAIT_FOR(inbox_get(&in).last == v);
		assert_false(inbox_get(&in).disorder);
		topic_pub_close(&p);
		assert_null(p);
		WAIT_FOR(topic_sub_peers(s) == 0);
		topic_sub_close(&s);
		assert_null(s);
	}
}

static void
test_nobody_listens(void **state)
{
	struct topic_pub *p = pub_open(true);

	(void)state;
	assert_int_equal(topic_pub_peers(p), 0);
	for (uint32_t i = 1; i < 1000; i++)
		send_number(p, i);
	topic_pub_close(&p);
}

static void
test_empty_and_large_messages(void **state)
{
	struct inbox in = { .m = PTHREAD_MUTEX_INITIALIZER };
	struct topic_sub *s = sub_open(true, &in);
	struct topic_pub *p = pub_open(false);
	char *body = xcalloc(1, PEER_MAX_MESSAGE + 1);
	uint32_t v = 0;
	unsigned n;
	size_t bytes;

	(void)state;
	send_until_heard(p, &in, &v);
	WAIT_FOR(inbox_get(&in).last == v);
	n = inbox_get(&in).n;
	bytes = inbox_get(&in).bytes;
	assert_true(topic_pub_send(p, STR("")));
	WAIT_FOR(inbox_get(&in).n == n + 1);
	assert_true(topic_pub_send(p,
	    (struct str){ body, PEER_MAX_MESSAGE }));
	WAIT_FOR(inbox_get(&in).n == n + 2);
	assert_int_equal(inbox_get(&in).bytes, bytes + PEER_MAX_MESSAGE);
	/* One byte more costs the pipe; what comes later comes again. */
	assert_true(topic_pub_send(p,
	    (struct str){ body, PEER_MAX_MESSAGE + 1 }));
	send_until_heard(p, &in, &v);
	assert_int_equal(inbox_get(&in).bytes % 4, bytes % 4);
	free(body);
	topic_pub_close(&p);
	topic_sub_close(&s);
}

/* A slow subscriber blocks neither the publisher nor the others, nor does it
 * get all of it; what it gets is in order, and the newest is among it. It stays
 * slow until another one has the newest: then all of it was sent. */
static void
test_slow_subscriber_loses(void **state)
{
	struct inbox slow = { .m = PTHREAD_MUTEX_INITIALIZER };
	struct inbox quick = { .m = PTHREAD_MUTEX_INITIALIZER };
	struct topic_pub *p = pub_open(true);
	struct topic_sub *s = sub_open(false, &slow);
	struct topic_sub *q = sub_open(false, &quick);
	static char body[8192];
	uint32_t v = 0;
	unsigned before;

	(void)state;
	send_until_heard(p, &slow, &v);
	send_until_heard(p, &quick, &v);
	inbox_block(&slow, true);
	before = inbox_get(&slow).n;
	for (unsigned i = 0; i < 1000; i++)
		assert_true(topic_pub_send(p,
		    (struct str){ body, sizeof(body) }));
	send_number(p, ++v);
	WAIT_FOR(inbox_get(&quick).last == v);
	inbox_block(&slow, false);
	WAIT_FOR(inbox_get(&slow).last == v);
	assert_true(inbox_get(&slow).n - before < 1000);
	assert_false(inbox_get(&slow).disorder);
	topic_pub_close(&p);
	topic_sub_close(&s);
	topic_sub_close(&q);
}

static void
test_subscriber_comes_back(void **state)
{
	struct topic_pub *p = pub_open(false);
	uint32_t v = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct inbox in = { .m = PTHREAD_MUTEX_INITIALIZER };
		struct topic_sub *s = sub_open(true, &in);

		send_until_heard(p, &in, &v);
		topic_sub_close(&s);
		WAIT_FOR(topic_pub_peers(p) == 0);
		send_number(p, ++v);
	}
	topic_pub_close(&p);
}

static void
test_publisher_with_garbage(void **state)
{
	struct inbox in = { .m = PTHREAD_MUTEX_INITIALIZER };
	struct topic_sub *s = sub_open(true, &in);
	struct topic_pub *p = pub_open(false);
	uint32_t v = 0;
	char c;
	int fd;

	(void)state;
	send_until_heard(p, &in, &v);
	fd = sp_connect(place.path, SP_PUB);
	sp_send_head(fd, UINT64_MAX, "garbage", 7);
	assert_true(read(fd, &c, 1) <= 0);
	close(fd);
	send_until_heard(p, &in, &v);
	WAIT_FOR(topic_pub_peers(p) == 1);
	topic_pub_close(&p);
	topic_sub_close(&s);
}

static void
test_errors(void **state)
{
	struct inbox in = { .m = PTHREAD_MUTEX_INITIALIZER };
	struct topic_options o = options(true);
	struct topic_pub *p = NULL;
	struct topic_sub *s = NULL;
	struct err err = { "" };

	(void)state;
	o.address = "tcp://192.0.2.1:1";
	assert_int_equal(topic_pub_open(&p, &o, &err), -1);
	assert_non_null(strstr(err.text, "loopback only"));
	assert_int_equal(topic_sub_open(&s, &o, on_message, &in, &err), -1);
	o.address = "ipc:///nonexistent-directory/bus";
	assert_int_equal(topic_sub_open(&s, &o, on_message, &in, &err), -1);
	assert_non_null(strstr(err.text, o.address));
	topic_pub_close(&p);
	topic_sub_close(&s);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_either_side_listens),
		CASE(test_nobody_listens),
		CASE(test_empty_and_large_messages),
		CASE(test_slow_subscriber_loses),
		CASE(test_subscriber_comes_back),
		CASE(test_publisher_with_garbage),
		CASE(test_errors),
	};

	log_setup("test", LOG_ERROR, LOG_FORMAT_TEXT, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
