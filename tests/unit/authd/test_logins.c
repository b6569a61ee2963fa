/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "authd/logins.h"
#include "base/clock.h"

#define WALL 1800000000000000
#define TTL_MS 60000
#define DEADLINE_MS 10000
#define QUEUE 3
#define WAITERS 6

/* ---- a back end that can be held and counts ---- */

static struct {
	_Atomic unsigned checks;
	_Atomic bool hold;
	sem_t begun, go;
	uint64_t expires_us;
	const char *password;	/* where it stood at the last check */
} fake;

/* Whose name begins with "s" is bound to the source. */
static bool
uses_source(void *arg, struct str user)
{
	(void)arg;
	return user.len > 0 && user.ptr[0] == 's';
}

static void
check(void *arg, const struct auth_question *q, struct auth_answer *out)
{
	(void)arg;
	atomic_fetch_add(&fake.checks, 1);
	if (fake.hold) {
		fake.password = q->password.ptr;
		sem_post(&fake.begun);
		sem_wait(&fake.go);
	}
	*out = (struct auth_answer){ .result = AUTH_FAILED };
	if (!str_eq(q->password, STR("wrong")))
		*out = (struct auth_answer){ .result = AUTH_OK,
			.expires_us = fake.expires_us };
}

static void
encode(const struct auth_answer *a, struct bytes *out)
{
	static const char *const words[] = { "ok", "failed", "busy" };

	bytes_fmt(out, "%s", words[a->result]);
}

/* ---- one who asks ---- */

struct asker {
	struct login_waiter base;
	sem_t done;
	unsigned answers;
	enum auth_result result;
	enum login_from from;
	char body[16];
};

static void
on_done(struct login_waiter *base, const struct login_reply *reply)
{
	struct asker *a = container_of(base, struct asker, base);

	a->answers++;
	a->result = reply->result;
	a->from = reply->from;
	assert_true(str_copy(a->body, sizeof(a->body), reply->body));
	sem_post(&a->done);
}

static struct logins *logins;

static void
ask_full(struct asker *a, const struct auth_question *q, uint64_t deadline_ms)
{
	*a = (struct asker){ .base.done = on_done,
		.base.deadline_ms = deadline_ms };
	sem_init(&a->done, 0, 0);
	logins_ask(logins, q, &a->base);
}

static void
ask(struct asker *a, const char *user, const char *password)
{
	const struct auth_question q = { .method = STR("userpass"),
		.user = str_from(user), .password = str_from(password) };

	ask_full(a, &q, UINT64_MAX);
}

static void
gets(struct asker *a, enum auth_result result, enum login_from from)
{
	static const char *const words[] = { "ok", "failed", "busy" };

	sem_wait(&a->done);
	assert_int_equal(a->answers, 1);
	assert_int_equal(a->result, result);
	assert_int_equal(a->from, from);
	assert_string_equal(a->body, words[result]);
	sem_destroy(&a->done);
}

/* Asks something that holds the one worker, and waits until it does. */
static void
hold(struct asker *a)
{
	fake.hold = true;
	ask(a, "holder", "x");
	sem_wait(&fake.begun);
}

static void
release(void)
{
	fake.hold = false;
	sem_post(&fake.go);
}

static int
set_up(void **state)
{
	const struct logins_options o = {
		.backend = { "fake", NULL, uses_source, check },
		.encode = encode, .workers = 1, .queue = QUEUE,
		.waiters_max = WAITERS, .cache_entries = 16,
	};
	const struct logins_times t = { TTL_MS, DEADLINE_MS };
	struct err err;

	(void)state;
	fake.checks = 0;
	fake.hold = false;
	fake.expires_us = 0;
	sem_init(&fake.begun, 0, 0);
	sem_init(&fake.go, 0, 0);
	clock_test_set(1000000000, WALL);
	return logins_start(&logins, &o, &t, &err);
}

static int
tear_down(void **state)
{
	(void)state;
	logins_free(&logins);
	logins_free(&logins);	/* harmless */
	sem_destroy(&fake.begun);
	sem_destroy(&fake.go);
	clock_test_reset();
	return 0;
}

/* ---- the cache ---- */

static void
good_answers_are_remembered(void **state)
{
	struct asker a;

	(void)state;
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CACHE);
	assert_int_equal(fake.checks, 1);
	assert_int_equal(logins_counts(logins).cached, 1);
}

static void
bad_answers_are_not(void **state)
{
	struct asker a;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		ask(&a, "alice", "wrong");
		gets(&a, AUTH_FAILED, LOGIN_FROM_CHECK);
	}
	assert_int_equal(fake.checks, 3);
	assert_int_equal(logins_counts(logins).cached, 0);
}

/* A question that differs in anything but the listener is another one. */
static void
what_a_question_is(void **state)
{
	static const struct auth_question questions[] = {
		{ .method = STR("userpass"), .user = STR("ab"),
		    .password = STR("c") },
		{ .method = STR("userpass"), .user = STR("a"),
		    .password = STR("bc") },
		{ .method = STR("userpass"), .user = STR("AB"),
		    .password = STR("c") },
		{ .method = STR("userpass"), .user = STR("ab"),
		    .password = STR("C") },
		{ .method = STR("userpass"), .user = STR("ab"),
		    .password = STR("c ") },
		{ .method = STR("userpas"), .service = STR("s"),
		    .user = STR("ab"), .password = STR("c") },
		{ .method = STR("userpass"), .service = STR("s"),
		    .user = STR("ab"), .password = STR("c") },
		{ .method = STR("userpass"), .service = STR("x"),
		    .user = STR("ab"), .password = STR("c") },
	};
	struct asker a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		ask_full(&a, &questions[i], UINT64_MAX);
		gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	}
	assert_int_equal(fake.checks, ARRAY_LEN(questions));
}

static void
source_counts_where_it_is_used(void **state)
{
	struct auth_question q = { .method = STR("userpass"),
		.user = STR("free"), .password = STR("x") };
	struct asker a;

	(void)state;
	ask_full(&a, &q, UINT64_MAX);
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	q.source.b[15] = 1;
	ask_full(&a, &q, UINT64_MAX);
	gets(&a, AUTH_OK, LOGIN_FROM_CACHE);
	q.user = STR("sourced");
	ask_full(&a, &q, UINT64_MAX);
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	ask_full(&a, &q, UINT64_MAX);
	gets(&a, AUTH_OK, LOGIN_FROM_CACHE);
	q.source.b[15] = 2;
	ask_full(&a, &q, UINT64_MAX);
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
}

static void
remembered_for_a_while(void **state)
{
	struct asker a;

	(void)state;
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	clock_test_set(1000000000 + (TTL_MS - 1) * 1000, WALL);
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CACHE);
	clock_test_set(1000000000 + TTL_MS * 1000, WALL);
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
}

static void
never_beyond_its_end(void **state)
{
	struct asker a;

	(void)state;
	fake.expires_us = WALL + 5000000;
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	clock_test_set(1000000000, WALL + 4999999);
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CACHE);
	clock_test_set(1000000000, WALL + 5000000);
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
}

static void
forgotten_by_flush_and_new_times(void **state)
{
	const struct logins_times off = { 0, DEADLINE_MS };
	struct asker a;

	(void)state;
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	logins_flush(logins);
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	logins_set_times(logins, &off);
	for (unsigned i = 0; i < 2; i++) {
		ask(&a, "alice", "right");
		gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	}
	assert_int_equal(logins_counts(logins).cached, 0);
}

/* ---- single flight ---- */

static void
asked_once_at_a_time(void **state)
{
	struct asker first, second, other;

	(void)state;
	fake.hold = true;
	ask(&first, "alice", "right");
	sem_wait(&fake.begun);
	ask(&second, "alice", "right");
	ask(&other, "alice", "wrong");
	release();
	gets(&first, AUTH_OK, LOGIN_FROM_CHECK);
	gets(&second, AUTH_OK, LOGIN_FROM_JOINED);
	gets(&other, AUTH_FAILED, LOGIN_FROM_CHECK);
	assert_int_equal(fake.checks, 2);
}

/* What is asked after a reload is not answered by what was known before. */
static void
flush_parts_the_flights(void **state)
{
	struct asker old, new;

	(void)state;
	fake.hold = true;
	ask(&old, "alice", "right");
	sem_wait(&fake.begun);
	logins_flush(logins);
	ask(&new, "alice", "right");
	release();
	gets(&old, AUTH_OK, LOGIN_FROM_CHECK);
	gets(&new, AUTH_OK, LOGIN_FROM_CHECK);
	assert_int_equal(fake.checks, 2);
	/* The newer one alone was remembered. */
	assert_int_equal(logins_counts(logins).cached, 1);
}

static void
an_old_flight_is_not_remembered(void **state)
{
	struct asker a;

	(void)state;
	hold(&a);
	logins_flush(logins);
	release();
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	assert_int_equal(logins_counts(logins).cached, 0);
}

/* ---- bounds ---- */

static void
full_queue_is_busy_at_once(void **state)
{
	struct asker held, late, cached, queued[QUEUE];
	static const char *const users[] = { "a", "b", "c" };

	(void)state;
	ask(&cached, "known", "right");
	gets(&cached, AUTH_OK, LOGIN_FROM_CHECK);
	hold(&held);
	for (unsigned i = 0; i < QUEUE; i++)
		ask(&queued[i], users[i], "right");
	assert_int_equal(logins_counts(logins).queued, QUEUE);
	ask(&late, "d", "right");
	gets(&late, AUTH_BUSY, LOGIN_FROM_NOWHERE);
	/* Who is known does not wait for anybody. */
	ask(&cached, "known", "right");
	gets(&cached, AUTH_OK, LOGIN_FROM_CACHE);
	release();
	gets(&held, AUTH_OK, LOGIN_FROM_CHECK);
	for (unsigned i = 0; i < QUEUE; i++)
		gets(&queued[i], AUTH_OK, LOGIN_FROM_CHECK);
}

static void
joining_is_bounded_too(void **state)
{
	struct asker held, same[WAITERS - 1], late;

	(void)state;
	hold(&held);
	for (unsigned i = 0; i < WAITERS - 1; i++)
		ask(&same[i], "holder", "x");
	ask(&late, "holder", "x");
	gets(&late, AUTH_BUSY, LOGIN_FROM_NOWHERE);
	release();
	gets(&held, AUTH_OK, LOGIN_FROM_CHECK);
	for (unsigned i = 0; i < WAITERS - 1; i++)
		gets(&same[i], AUTH_OK, LOGIN_FROM_JOINED);
	assert_int_equal(fake.checks, 1);
}

/* ---- deadlines ---- */

static void
nobody_waits_any_more(void **state)
{
	const struct auth_question q = { .user = STR("slow"),
		.password = STR("x") };
	struct asker held, dropped;

	(void)state;
	hold(&held);
	ask_full(&dropped, &q, 1000000 + 500);
	clock_test_set(1000000000 + 500 * 1000, WALL);
	release();
	gets(&held, AUTH_OK, LOGIN_FROM_CHECK);
	gets(&dropped, AUTH_BUSY, LOGIN_FROM_CHECK);
	assert_int_equal(fake.checks, 1);
}

static void
the_most_patient_counts(void **state)
{
	const struct auth_question q = { .user = STR("slow"),
		.password = STR("x") };
	struct asker held, brief, patient;

	(void)state;
	hold(&held);
	ask_full(&brief, &q, 1000000 + 500);
	ask_full(&patient, &q, 1000000 + 501);
	clock_test_set(1000000000 + 500 * 1000, WALL);
	release();
	gets(&held, AUTH_OK, LOGIN_FROM_CHECK);
	gets(&brief, AUTH_OK, LOGIN_FROM_CHECK);
	gets(&patient, AUTH_OK, LOGIN_FROM_JOINED);
}

static void
configured_deadline_holds(void **state)
{
	struct asker held, dropped;

	(void)state;
	hold(&held);
	ask(&dropped, "slow", "x");
	clock_test_set(1000000000 + DEADLINE_MS * 1000, WALL);
	release();
	gets(&held, AUTH_OK, LOGIN_FROM_CHECK);
	gets(&dropped, AUTH_BUSY, LOGIN_FROM_CHECK);
}

/* ---- the end ---- */

static void *
release_when_stopped(void *arg)
{
	while (logins_counts(logins).queued > 0)
		sched_yield();
	release();
	return arg;
}

static void
stop_answers_all(void **state)
{
	struct asker held, queued, late;
	pthread_t releaser;

	(void)state;
	hold(&held);
	ask(&queued, "b", "right");
	assert_int_equal(pthread_create(&releaser, NULL, release_when_stopped,
	    NULL), 0);
	logins_stop(logins);
	pthread_join(releaser, NULL);
	gets(&held, AUTH_OK, LOGIN_FROM_CHECK);
	gets(&queued, AUTH_BUSY, LOGIN_FROM_CHECK);
	ask(&late, "c", "right");
	gets(&late, AUTH_BUSY, LOGIN_FROM_NOWHERE);
	/* What is remembered needs no worker. */
	ask(&late, "holder", "x");
	gets(&late, AUTH_OK, LOGIN_FROM_CACHE);
}

static void
passwords_are_wiped(void **state)
{
	struct asker a;

	(void)state;
	fake.hold = true;
	ask(&a, "alice", "canary-7Qz");
	sem_wait(&fake.begun);
	assert_memory_equal(fake.password, "canary-7Qz", 10);
	release();
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	/* The flight's memory is the pool's and still there. */
	assert_memory_not_equal(fake.password, "canary", 6);
}

/* ---- many at once ---- */

#define ASKERS 4
#define ROUNDS 300

static void *
ask_many(void *arg)
{
	static const char *const users[] = { "a", "b", "c", "d", "e" };
	unsigned seed = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		bool right = (i + seed) % 3 != 0;
		struct asker a;

		ask(&a, users[(i * seed) % ARRAY_LEN(users)],
		    right ? "right" : "wrong");
		sem_wait(&a.done);
		if (a.answers != 1 || (a.result != AUTH_BUSY &&
		    a.result != (right ? AUTH_OK : AUTH_FAILED)))
			return arg;
		sem_destroy(&a.done);
		if (i % 16 == 0)
			logins_flush(logins);
	}
	return NULL;
}

static void
each_is_answered_once(void **state)
{
	pthread_t threads[ASKERS];
	void *failed;

	(void)state;
	for (uintptr_t i = 0; i < ASKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_many,
		    (void *)(i + 1)), 0);
	for (size_t i = 0; i < ASKERS; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(logins_counts(logins).queued, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(good_answers_are_remembered),
		TEST(bad_answers_are_not),
		TEST(what_a_question_is),
		TEST(source_counts_where_it_is_used),
		TEST(remembered_for_a_while),
		TEST(never_beyond_its_end),
		TEST(forgotten_by_flush_and_new_times),
		TEST(asked_once_at_a_time),
		TEST(flush_parts_the_flights),
		TEST(an_old_flight_is_not_remembered),
		TEST(full_queue_is_busy_at_once),
		TEST(joining_is_bounded_too),
		TEST(nobody_waits_any_more),
		TEST(the_most_patient_counts),
		TEST(configured_deadline_holds),
		TEST(stop_answers_all),
		TEST(passwords_are_wiped),
		TEST(each_is_answered_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
