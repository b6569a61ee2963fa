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

#include "authd/groups.h"
#include "authd/logins.h"
#include "base/clock.h"

#define WALL 1800000000000000
#define TTL_MS 60000
#define DEADLINE_MS 10000
#define QUEUE 3
#define WAITERS 6
#define REFUSAL_MS 500

/* ---- a back end that can be held and counts ---- */

static struct {
	_Atomic unsigned checks;
	_Atomic bool hold, counts;
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
check(void *arg, const struct backend_turn *turn,
    const struct auth_question *q, struct auth_answer *out)
{
	(void)arg;
	(void)turn;
	atomic_fetch_add(&fake.checks, 1);
	if (fake.hold) {
		fake.password = q->password.ptr;
		sem_post(&fake.begun);
		sem_wait(&fake.go);
	}
	*out = (struct auth_answer){ .result = AUTH_FAILED };
	if (str_eq(q->password, STR("broken")))
		*out = (struct auth_answer){ .result = AUTH_BUSY,
			.counts = fake.counts };
	else if (!str_eq(q->password, STR("wrong")))
		*out = (struct auth_answer){ .result = AUTH_OK,
			.counts = fake.counts,
			.expires_us = fake.expires_us };
}

static void
encode(const struct auth_answer *a, struct bytes *out)
{
	static const char *const words[] = {
		"ok", "failed", "busy", "throttled",
	};

	bytes_fmt(out, "%s", words[a->result]);
	for (size_t i = 0; i < a->groups.n; i++)
		bytes_fmt(out, " %s", a->groups.v[i]);
	if (a->delay_ms > 0)
		bytes_fmt(out, " %u", a->delay_ms);
}

/* ---- one who asks ---- */

struct asker {
	struct login_waiter base;
	sem_t done;
	unsigned answers;
	enum auth_result result;
	enum login_from from;
	char body[32];
	char why[AUTH_WHY_SIZE];
	enum guessing_scope scope;
};

static void
on_done(struct login_waiter *base, const struct login_reply *reply)
{
	struct asker *a = container_of(base, struct asker, base);

	a->answers++;
	a->result = reply->result;
	a->from = reply->from;
	a->scope = reply->scope;
	if (reply->why != NULL)
		(void)!str_copy(a->why, sizeof(a->why),
		    str_from(reply->why));
	assert_true(str_copy(a->body, sizeof(a->body), reply->body));
	sem_post(&a->done);
}

static struct logins *logins;
static struct workers *threads, *group_threads;

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
	const struct auth_question q = { .method = AUTH_USERPASS,
		.user = str_from(user), .password = str_from(password) };

	ask_full(a, &q, UINT64_MAX);
}

static void
gets(struct asker *a, enum auth_result result, enum login_from from)
{
	static const char *const words[] = {
		"ok", "failed", "busy", "throttled",
	};

	sem_wait(&a->done);
	assert_int_equal(a->answers, 1);
	assert_int_equal(a->result, result);
	assert_int_equal(a->from, from);
	assert_memory_equal(a->body, words[result], strlen(words[result]));
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

/* ---- groups that can be held, too ---- */

static struct {
	_Atomic unsigned lookups;
	_Atomic bool fails, recalls;
	char user[16];
} system_groups;

static bool
recall(void *arg, struct str user, struct string_list *out)
{
	(void)arg;
	(void)user;
	if (system_groups.recalls)
		assert_true(groups_add(out, STR("staff")));
	return system_groups.recalls;
}

static bool
look_up(void *arg, const struct backend_turn *turn, struct str user,
    struct string_list *out)
{
	(void)arg;
	(void)turn;
	system_groups.lookups++;
	assert_true(str_copy(system_groups.user, sizeof(system_groups.user),
	    user));
	assert_true(groups_add(out, STR("staff")));
	return !system_groups.fails;
}

/* ---- the stage ---- */

static const struct logins_rules rules = {
	.cache_ttl_ms = TTL_MS, .deadline_ms = DEADLINE_MS,
	.group_timeout_ms = 1000,
};

static int
set_up(void **state)
{
	const struct workers_options one = { "test", 1, QUEUE, 0 };
	const struct logins_method fake_method = {
		{ .name = "fake", .uses_source = uses_source, .check = check },
		NULL };
	struct logins_options o = {
		.methods = { fake_method, fake_method, fake_method },
		.groups = { .recall = recall, .look_up = look_up },
		.encode = encode, .flights_max = 1 + QUEUE + 1 + QUEUE,
		.waiters_max = WAITERS,
		.cache_entries = 16, .guessing_entries = 1024,
	};
	struct err err;

	(void)state;
	fake.checks = 0;
	fake.hold = false;
	fake.expires_us = 0;
	system_groups.lookups = 0;
	system_groups.fails = system_groups.recalls = false;
	fake.counts = false;
	sem_init(&fake.begun, 0, 0);
	sem_init(&fake.go, 0, 0);
	clock_test_set(1000000000, WALL);
	if (workers_start(&threads, &one, &err) != 0 ||
	    workers_start(&group_threads, &one, &err) != 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(o.methods); i++)
		o.methods[i].threads = threads;
	o.methods[AUTH_PAM_USERNAME].backend.refusal_ms = REFUSAL_MS;
	o.groups.threads = group_threads;
	logins = logins_new(&o, &rules);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	workers_free(&threads);
	workers_free(&group_threads);
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
		{ .method = AUTH_USERPASS, .user = STR("ab"),
		    .password = STR("c") },
		{ .method = AUTH_USERPASS, .user = STR("a"),
		    .password = STR("bc") },
		{ .method = AUTH_USERPASS, .user = STR("AB"),
		    .password = STR("c") },
		{ .method = AUTH_USERPASS, .user = STR("ab"),
		    .password = STR("C") },
		{ .method = AUTH_USERPASS, .user = STR("ab"),
		    .password = STR("c ") },
		{ .method = AUTH_PAM_USERNAME, .service = STR("s"),
		    .user = STR("ab"), .password = STR("c") },
		{ .method = AUTH_USERPASS, .service = STR("s"),
		    .user = STR("ab"), .password = STR("c") },
		{ .method = AUTH_USERPASS, .service = STR("x"),
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
	struct auth_question q = { .method = AUTH_USERPASS,
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
forgotten_by_flush_and_new_rules(void **state)
{
	const struct logins_rules off = { .deadline_ms = DEADLINE_MS };
	struct asker a;

	(void)state;
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	logins_flush(logins);
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	logins_set_rules(logins, &off);
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
	assert_int_equal(workers_queued(threads), QUEUE);
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
	const struct auth_question by_pam = { .method = AUTH_PAM_USERNAME,
		.user = STR("holder"), .password = STR("x") };
	struct asker held, same[WAITERS - 1], late, other;

	(void)state;
	hold(&held);
	for (unsigned i = 0; i < WAITERS - 1; i++)
		ask(&same[i], "holder", "x");
	ask(&late, "holder", "x");
	gets(&late, AUTH_BUSY, LOGIN_FROM_NOWHERE);
	/* Those of another method have places of their own. */
	ask_full(&other, &by_pam, UINT64_MAX);
	release();
	gets(&held, AUTH_OK, LOGIN_FROM_CHECK);
	for (unsigned i = 0; i < WAITERS - 1; i++)
		gets(&same[i], AUTH_OK, LOGIN_FROM_JOINED);
	gets(&other, AUTH_OK, LOGIN_FROM_CHECK);
	assert_int_equal(fake.checks, 2);
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

/* ---- groups ---- */

static void
use_groups(void)
{
	struct logins_rules r = rules;

	r.system_groups = true;
	logins_set_rules(logins, &r);
}

static void
groups_join_the_answer(void **state)
{
	struct asker a;

	(void)state;
	use_groups();
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	assert_string_equal(a.body, "ok staff");
	assert_string_equal(system_groups.user, "alice");
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CACHE);
	assert_string_equal(a.body, "ok staff");
	assert_int_equal(system_groups.lookups, 1);
}

static void
nobodys_groups_are_not_looked_up(void **state)
{
	const struct auth_question nobody = { .method = AUTH_PAM_ADDRESS };
	struct asker a;

	(void)state;
	use_groups();
	ask(&a, "alice", "wrong");
	gets(&a, AUTH_FAILED, LOGIN_FROM_CHECK);
	ask_full(&a, &nobody, UINT64_MAX);
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	assert_int_equal(system_groups.lookups, 0);
}

/* A rule that blocks him may be about one of them. */
static void
without_groups_nobody_gets_in(void **state)
{
	struct asker a;

	(void)state;
	use_groups();
	system_groups.fails = true;
	ask(&a, "alice", "right");
	gets(&a, AUTH_BUSY, LOGIN_FROM_CHECK);
	assert_string_equal(a.body, "busy");
	assert_int_equal(logins_counts(logins).cached, 0);
	workers_stop(group_threads);
	ask(&a, "alice", "right");
	gets(&a, AUTH_BUSY, LOGIN_FROM_CHECK);
}

/* ---- guessing ---- */

static void
limit_guesses(uint32_t per_user)
{
	struct logins_rules r = rules;

	r.guessing = (struct guessing_limits){ .per_user = per_user,
		.delay_base_ms = 1000, .delay_max_ms = 4000,
		.window_ms = 900000 };
	logins_set_rules(logins, &r);
}

static void
failures_slow_the_pair_down(void **state)
{
	struct auth_question q = { .user = STR("alice"),
		.password = STR("wrong") };
	struct asker a;

	(void)state;
	limit_guesses(10);
	ask_full(&a, &q, UINT64_MAX);
	gets(&a, AUTH_FAILED, LOGIN_FROM_CHECK);
	assert_string_equal(a.body, "failed 1000");
	q.password = STR("another");
	ask_full(&a, &q, UINT64_MAX);
	gets(&a, AUTH_THROTTLED, LOGIN_FROM_NOWHERE);
	assert_int_equal(a.scope, GUESSING_PAIR);
	assert_string_equal(a.why, "too many failed logins");
	assert_int_equal(fake.checks, 1);
	/* Elsewhere nobody has failed. */
	q.source.b[0] = 9;
	ask_full(&a, &q, UINT64_MAX);
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	assert_int_equal(logins_unlock(logins, STR("alice"), NULL) > 0, true);
	q = (struct auth_question){ .user = STR("alice"),
		.password = STR("another") };
	ask_full(&a, &q, UINT64_MAX);
	gets(&a, AUTH_OK, LOGIN_FROM_CACHE);
}

/* Who has to wait is not told of the right password by what others asked. */
static void
guessing_learns_nothing_from_others(void **state)
{
	struct auth_question q = { .user = STR("alice"),
		.password = STR("right") };
	struct asker owner, thief;

	(void)state;
	limit_guesses(10);
	ask_full(&owner, &q, UINT64_MAX);
	gets(&owner, AUTH_OK, LOGIN_FROM_CHECK);
	q.source.b[0] = 7;
	q.password = STR("wrong");
	ask_full(&thief, &q, UINT64_MAX);
	gets(&thief, AUTH_FAILED, LOGIN_FROM_CHECK);
	q.password = STR("right");
	ask_full(&thief, &q, UINT64_MAX);
	gets(&thief, AUTH_THROTTLED, LOGIN_FROM_NOWHERE);
	assert_int_equal(thief.scope, GUESSING_PAIR);
	assert_false(logins_ask_cached(logins, &q, &thief.base) &&
	    thief.result == AUTH_OK);
	/* Nor by the check of another one that is under way. */
	logins_flush(logins);
	fake.hold = true;
	q.source.b[0] = 0;
	ask_full(&owner, &q, UINT64_MAX);
	sem_wait(&fake.begun);
	q.source.b[0] = 7;
	ask_full(&thief, &q, UINT64_MAX);
	gets(&thief, AUTH_THROTTLED, LOGIN_FROM_NOWHERE);
	release();
	gets(&owner, AUTH_OK, LOGIN_FROM_CHECK);
	/* The owner does not notice. */
	q.source.b[0] = 0;
	ask_full(&owner, &q, UINT64_MAX);
	gets(&owner, AUTH_OK, LOGIN_FROM_CACHE);
}

/* What a back end could not tell after a look at it may have been wrong. */
static void
errors_after_a_look_count(void **state)
{
	struct asker a;

	(void)state;
	limit_guesses(10);
	fake.counts = true;
	ask(&a, "alice", "broken");
	gets(&a, AUTH_BUSY, LOGIN_FROM_CHECK);
	assert_string_equal(a.body, "busy 1000");
	fake.counts = false;
	ask(&a, "alice", "right");
	gets(&a, AUTH_THROTTLED, LOGIN_FROM_NOWHERE);
}

/* His groups are not his failure, whatever the back end says of its look. */
static void
a_right_one_without_groups_does_not_count(void **state)
{
	struct logins_rules r = rules;
	struct asker a;

	(void)state;
	r.system_groups = true;
	r.guessing = (struct guessing_limits){ .per_user = 10,
		.delay_base_ms = 1000, .delay_max_ms = 4000,
		.window_ms = 900000 };
	logins_set_rules(logins, &r);
	fake.counts = true;
	system_groups.fails = true;
	ask(&a, "alice", "right");
	gets(&a, AUTH_BUSY, LOGIN_FROM_CHECK);
	assert_string_equal(a.body, "busy 1000");
	system_groups.fails = false;
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
}

static void
remembered_groups_wait_for_nobody(void **state)
{
	struct asker a;

	(void)state;
	use_groups();
	system_groups.recalls = true;
	workers_stop(group_threads);	/* as if all of them hung */
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	assert_string_equal(a.body, "ok staff");
	assert_int_equal(system_groups.lookups, 0);
}

/* Whatever the back end did until it said no, the client is told when it is
 * time. */
static void
refusals_take_one_time(void **state)
{
	static const struct {
		unsigned spent_ms;
		const char *body;
	} table[] = {
		{ 0, "failed 500" }, { 1, "failed 499" },
		{ 499, "failed 1" }, { 500, "failed" }, { 900, "failed" },
	};
	const struct auth_question q = { .method = AUTH_PAM_USERNAME,
		.user = STR("alice"), .password = STR("wrong") };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct asker a;

		clock_test_set(1000000000, WALL);
		fake.hold = true;
		ask_full(&a, &q, UINT64_MAX);
		sem_wait(&fake.begun);
		clock_test_set(1000000000 + table[i].spent_ms * 1000, WALL);
		release();
		gets(&a, AUTH_FAILED, LOGIN_FROM_CHECK);
		assert_string_equal(a.body, table[i].body);
	}
}

static void
what_is_remembered_is_never_slowed(void **state)
{
	struct asker a;

	(void)state;
	limit_guesses(1);
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	for (unsigned i = 0; i < 5; i++) {
		ask(&a, "alice", "wrong");
		sem_wait(&a.done);
		assert_int_not_equal(a.result, AUTH_OK);
	}
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CACHE);
}

/* Let in by what was remembered is well known there from then on. */
static void
who_came_by_the_cache_is_known(void **state)
{
	struct auth_question q = { .user = STR("alice"),
		.password = STR("right") };
	struct asker a;

	(void)state;
	limit_guesses(1);
	ask_full(&a, &q, UINT64_MAX);
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
	q.source.b[0] = 2;
	ask_full(&a, &q, UINT64_MAX);
	gets(&a, AUTH_OK, LOGIN_FROM_CACHE);
	/* Somebody else takes the user's one token of the minute. */
	q.source.b[0] = 3;
	q.password = STR("wrong");
	ask_full(&a, &q, UINT64_MAX);
	gets(&a, AUTH_FAILED, LOGIN_FROM_CHECK);
	logins_flush(logins);
	q.password = STR("right");
	q.source.b[0] = 4;
	ask_full(&a, &q, UINT64_MAX);
	gets(&a, AUTH_THROTTLED, LOGIN_FROM_NOWHERE);
	q.source.b[0] = 2;
	ask_full(&a, &q, UINT64_MAX);
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
}

/* A check that could not be made is nobody's failure. */
static void
busy_is_no_failure(void **state)
{
	struct asker held, dropped;

	(void)state;
	limit_guesses(10);
	hold(&held);
	ask(&dropped, "alice", "x");
	clock_test_set(1000000000 + DEADLINE_MS * 1000, WALL);
	release();
	gets(&held, AUTH_OK, LOGIN_FROM_CHECK);
	gets(&dropped, AUTH_BUSY, LOGIN_FROM_CHECK);
	ask(&dropped, "alice", "right");
	gets(&dropped, AUTH_OK, LOGIN_FROM_CHECK);
}

static void
a_test_leaves_no_trace(void **state)
{
	const struct auth_question wrong = { .user = STR("alice"),
		.password = STR("wrong") };
	struct auth_question right = wrong;
	struct asker a;

	(void)state;
	limit_guesses(1);
	right.password = STR("right");
	for (unsigned i = 0; i < 3; i++) {
		a = (struct asker){ .base.done = on_done,
			.base.deadline_ms = UINT64_MAX };
		sem_init(&a.done, 0, 0);
		logins_test(logins, i < 2 ? &wrong : &right, &a.base);
		gets(&a, i < 2 ? AUTH_FAILED : AUTH_OK, LOGIN_FROM_CHECK);
	}
	assert_int_equal(logins_counts(logins).guessing.pairs, 0);
	assert_int_equal(logins_counts(logins).cached, 0);
	ask(&a, "alice", "right");
	gets(&a, AUTH_OK, LOGIN_FROM_CHECK);
}

/* ---- the end ---- */

static void *
release_when_stopped(void *arg)
{
	while (workers_queued(threads) > 0)
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
	workers_stop(threads);
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
	pthread_t askers[ASKERS];
	void *failed;

	(void)state;
	for (uintptr_t i = 0; i < ASKERS; i++)
		assert_int_equal(pthread_create(&askers[i], NULL, ask_many,
		    (void *)(i + 1)), 0);
	for (size_t i = 0; i < ASKERS; i++) {
		pthread_join(askers[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(workers_queued(threads), 0);
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
		TEST(forgotten_by_flush_and_new_rules),
		TEST(asked_once_at_a_time),
		TEST(flush_parts_the_flights),
		TEST(an_old_flight_is_not_remembered),
		TEST(full_queue_is_busy_at_once),
		TEST(joining_is_bounded_too),
		TEST(nobody_waits_any_more),
		TEST(the_most_patient_counts),
		TEST(configured_deadline_holds),
		TEST(groups_join_the_answer),
		TEST(nobodys_groups_are_not_looked_up),
		TEST(without_groups_nobody_gets_in),
		TEST(failures_slow_the_pair_down),
		TEST(guessing_learns_nothing_from_others),
		TEST(errors_after_a_look_count),
		TEST(a_right_one_without_groups_does_not_count),
		TEST(remembered_groups_wait_for_nobody),
		TEST(refusals_take_one_time),
		TEST(what_is_remembered_is_never_slowed),
		TEST(who_came_by_the_cache_is_known),
		TEST(busy_is_no_failure),
		TEST(a_test_leaves_no_trace),
		TEST(stop_answers_all),
		TEST(passwords_are_wiped),
		TEST(each_is_answered_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
