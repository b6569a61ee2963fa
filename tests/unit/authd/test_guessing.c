/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "authd/guessing.h"

#define MINUTE 60000
#define WINDOW (15 * MINUTE)

/* As shipped. */
static const struct guessing_limits shipped = { 10, 60, 0, 1000, MINUTE,
	WINDOW };
static const struct guessing_limits off = { 0, 0, 0, 0, MINUTE, WINDOW };
static const struct guessing_limits only_user = { 3, 0, 0, 0, MINUTE,
	WINDOW };
static const struct guessing_limits only_delay = { 0, 0, 0, 1000, MINUTE,
	WINDOW };

static struct addr
at(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, str_from(text)));
	return a;
}

/* What the last attempt was told. */
static uint32_t told_ms;
static enum guessing_scope scope;

static bool
begin(struct guessing *g, const char *user, const char *source, uint64_t now,
    struct guessing_attempt *a)
{
	const struct addr from = at(source);
	bool go = guessing_begin(g, str_from(user), &from, now, a, &told_ms) ==
	    GUESSING_GO;

	scope = a->scope;
	return go;
}

/* Was it looked at? */
static bool
attempt(struct guessing *g, const char *user, const char *source,
    uint64_t now, enum guessing_how how)
{
	struct guessing_attempt a;

	if (!begin(g, user, source, now, &a))
		return false;
	told_ms = guessing_end(g, &a, how, now);
	return true;
}

static bool
fails(struct guessing *g, const char *user, const char *source, uint64_t now)
{
	return attempt(g, user, source, now, GUESSING_FAILED);
}

static bool
succeeds(struct guessing *g, const char *user, const char *source,
    uint64_t now)
{
	return attempt(g, user, source, now, GUESSING_OK);
}

static void
counts(const struct guessing *g, size_t users, size_t sources, size_t pairs,
    size_t known)
{
	const struct guessing_counts n = guessing_count(g);

	assert_int_equal(n.users, users);
	assert_int_equal(n.sources, sources);
	assert_int_equal(n.pairs, pairs);
	assert_int_equal(n.known, known);
}

/* Is it the same bucket? */
static bool
is_same(enum guessing_scope in, const char *user_a, const char *source_a,
    const char *user_b, const char *source_b)
{
	char a[GUESSING_BUCKET_MAX], b[GUESSING_BUCKET_MAX];
	const struct addr from_a = at(source_a), from_b = at(source_b);

	return str_eq(guessing_bucket(a, in, str_from(user_a), &from_a),
	    guessing_bucket(b, in, str_from(user_b), &from_b));
}

static void
names_its_buckets(void **state)
{
	static const char here[] = "2001:db8::1", near[] = "2001:db8::2",
	    far[] = "2001:db8:0:1::1";

	(void)state;
	assert_true(is_same(GUESSING_USER, "alice", here, "ALICE", far));
	assert_false(is_same(GUESSING_USER, "alice", here, "bob", here));
	assert_true(is_same(GUESSING_SOURCE, "alice", here, "bob", near));
	assert_false(is_same(GUESSING_SOURCE, "alice", here, "alice", far));
	assert_false(is_same(GUESSING_SOURCE, "alice", "192.0.2.1", "alice",
	    "192.0.2.2"));
	assert_true(is_same(GUESSING_PAIR, "alice", here, "Alice", near));
	assert_false(is_same(GUESSING_PAIR, "alice", here, "alice", far));
	assert_false(is_same(GUESSING_PAIR, "alice", here, "bob", here));
	assert_true(is_same(GUESSING_TOTAL, "alice", here, "bob", far));
}

static void
names_its_scopes(void **state)
{
	(void)state;
	assert_string_equal(guessing_scope_names[GUESSING_USER], "user");
	assert_string_equal(guessing_scope_names[GUESSING_SOURCE], "source");
	assert_string_equal(guessing_scope_names[GUESSING_PAIR], "pair");
	assert_string_equal(guessing_scope_names[GUESSING_TOTAL], "total");
	assert_null(guessing_scope_names[GUESSING_SCOPES]);
}

static void
off_remembers_nothing(void **state)
{
	struct guessing *g = guessing_new(1, &off);
	struct guessing_attempt a;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_true(fails(g, "alice", "192.0.2.1", 0));
		assert_int_equal(told_ms, 0);
	}
	assert_true(begin(g, "alice", "192.0.2.1", 0, &a));
	counts(g, 0, 0, 0, 0);
	guessing_end(g, &a, GUESSING_OK, 0);
	counts(g, 0, 0, 0, 0);
	guessing_free(&g);
	guessing_free(&g);	/* harmless */
}

/* The clock may begin at 0, or be far on. */
static void
delay_doubles(void **state)
{
	static const uint32_t delays[] = { 1000, 2000, 4000, 8000, 16000,
		32000, 60000, 60000, 60000 };
	static const uint64_t starts[] = { 0, 1, UINT64_C(1) << 40 };

	(void)state;
	for (size_t s = 0; s < ARRAY_LEN(starts); s++) {
		struct guessing *g = guessing_new(16, &only_delay);
		uint64_t now = starts[s];

		for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
			assert_true(fails(g, "alice", "192.0.2.1", now));
			assert_int_equal(told_ms, delays[i]);
			now += delays[i] - 1;
			assert_false(fails(g, "alice", "192.0.2.1", now));
			assert_int_equal(told_ms, 1);
			assert_int_equal(scope, GUESSING_PAIR);
			now++;
		}
		/* Others are as free as ever. */
		assert_true(fails(g, "alice", "192.0.2.2", now));
		assert_true(fails(g, "bob", "192.0.2.1", now));
		counts(g, 0, 0, 3, 0);
		guessing_free(&g);
	}
}

static void
good_login_ends_the_row(void **state)
{
	struct guessing *g = guessing_new(16, &only_delay);

	(void)state;
	assert_true(fails(g, "alice", "192.0.2.1", 0));
	assert_true(fails(g, "alice", "192.0.2.1", 1000));
	assert_int_equal(told_ms, 2000);
	assert_true(succeeds(g, "alice", "192.0.2.1", 3000));
	assert_int_equal(told_ms, 0);
	counts(g, 0, 0, 0, 0);	/* without buckets no need to know it */
	assert_true(fails(g, "alice", "192.0.2.1", 3000));
	assert_int_equal(told_ms, 1000);
	guessing_free(&g);
}

static void
window_ends_it_all(void **state)
{
	struct guessing *g = guessing_new(16, &shipped);

	(void)state;
	assert_true(succeeds(g, "bob", "192.0.2.1", 0));
	assert_true(fails(g, "alice", "192.0.2.1", 0));
	assert_true(fails(g, "alice", "192.0.2.1", WINDOW - 1));
	assert_int_equal(told_ms, 2000);	/* the second in a row */
	assert_true(fails(g, "alice", "192.0.2.1", 2 * WINDOW - 1));
	assert_int_equal(told_ms, 1000);	/* too late to be the third */
	counts(g, 1, 1, 1, 0);			/* bob's went by the way */
	assert_true(attempt(g, "x", "192.0.2.9", 3 * WINDOW, GUESSING_VOID));
	counts(g, 0, 0, 0, 0);
	guessing_free(&g);
}

/* Less than a minute would give back tokens that a minute has to bring. */
static void
window_has_a_least(void **state)
{
	struct guessing_limits l = only_user;
	struct guessing *g;

	(void)state;
	l.window_ms = 0;
	g = guessing_new(16, &l);
	for (int i = 0; i < 3; i++)
		assert_true(fails(g, "alice", "192.0.2.1", 0));
	assert_false(fails(g, "alice", "192.0.2.1", 19999));
	assert_int_equal(told_ms, 1);
	assert_true(fails(g, "alice", "192.0.2.1", 20000));
	guessing_free(&g);
}

static void
user_bucket(void **state)
{
	struct guessing *g = guessing_new(16, &only_user);

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(fails(g, "alice", "192.0.2.1", 5));
	assert_int_equal(told_ms, 0);
	assert_false(fails(g, "ALICE", "2001:db8::1", 5));
	assert_int_equal(scope, GUESSING_USER);
	assert_int_equal(told_ms, 20000);
	assert_false(succeeds(g, "Alice", "192.0.2.9", 20004));
	assert_int_equal(told_ms, 1);
	assert_true(fails(g, "alice", "192.0.2.9", 20005));
	assert_false(fails(g, "alice", "192.0.2.9", 20006));
	/* No more than a minute's worth is saved up. */
	for (int i = 0; i < 3; i++)
		assert_true(fails(g, "alice", "192.0.2.1", 10 * MINUTE));
	assert_false(fails(g, "alice", "192.0.2.1", 10 * MINUTE));
	assert_true(fails(g, "bob", "192.0.2.1", 10 * MINUTE));
	guessing_free(&g);
}

static void
source_bucket(void **state)
{
	static const struct guessing_limits l = { 0, 2, 0, 0, MINUTE, WINDOW };
	static const struct {
		const char *first, *then;
		bool same;
	} table[] = {
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "::ffff:192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "2001:db8:1:2::1", "2001:db8:1:2:ffff::", true },
		{ "2001:db8:1:2::1", "2001:db8:1:3::1", false },
		{ "::", "::1", true },
		{ "::1", "0.0.0.1", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct guessing *g = guessing_new(16, &l);

		assert_true(fails(g, "alice", table[i].first, 0));
		assert_true(fails(g, "bob", table[i].first, 0));
		assert_int_equal(fails(g, "carol", table[i].then, 0),
		    !table[i].same);
		assert_int_equal(fails(g, "", table[i].then, 0),
		    !table[i].same);
		if (table[i].same)
			assert_int_equal(scope, GUESSING_SOURCE);
		guessing_free(&g);
	}
}

static void
total_bucket(void **state)
{
	static const struct guessing_limits l = { 0, 0, 2, 0, MINUTE, WINDOW };
	struct guessing *g = guessing_new(16, &l);

	(void)state;
	assert_true(succeeds(g, "dora", "192.0.2.4", 0));
	assert_true(fails(g, "alice", "192.0.2.1", 0));
	assert_true(fails(g, "", "192.0.2.2", 0));
	assert_false(fails(g, "carol", "192.0.2.3", 0));
	assert_int_equal(scope, GUESSING_TOTAL);
	assert_int_equal(told_ms, 30000);
	assert_true(succeeds(g, "dora", "192.0.2.4", 0));
	assert_true(fails(g, "carol", "192.0.2.3", 30000));
	guessing_free(&g);
}

/* The longest of several waits is told, up to delay_max. */
static void
tells_the_longest_wait(void **state)
{
	struct guessing_limits l = { 1, 2, 0, 1000, MINUTE, WINDOW };
	struct guessing *g = guessing_new(16, &l);

	(void)state;
	assert_true(fails(g, "alice", "192.0.2.1", 0));
	assert_false(fails(g, "alice", "192.0.2.1", 0));
	assert_int_equal(scope, GUESSING_USER);
	assert_int_equal(told_ms, MINUTE);
	l.delay_max_ms = 700;
	guessing_set_limits(g, &l);
	assert_false(fails(g, "alice", "192.0.2.1", 0));
	assert_int_equal(told_ms, 700);
	l.delay_max_ms = 0;
	guessing_set_limits(g, &l);
	assert_false(fails(g, "alice", "192.0.2.1", 0));
	assert_int_equal(told_ms, 0);
	guessing_free(&g);
}

/* pam.address: no user, so no pair to be slowed or known. */
static void
nobody_in_particular(void **state)
{
	static const struct guessing_limits l = { 1, 3, 0, 1000, MINUTE,
		WINDOW };
	struct guessing *g = guessing_new(16, &l);

	(void)state;
	assert_true(succeeds(g, "", "192.0.2.1", 0));
	counts(g, 0, 0, 0, 0);
	for (int i = 0; i < 3; i++) {
		assert_true(fails(g, "", "192.0.2.1", 0));
		assert_int_equal(told_ms, 0);
	}
	assert_false(fails(g, "", "192.0.2.1", 0));
	assert_true(fails(g, "", "192.0.2.2", 0));
	counts(g, 0, 2, 2, 0);
	guessing_free(&g);
}

/* Ruling 1: who logged in well from there is not locked out by others. */
static void
known_pair_needs_no_tokens(void **state)
{
	struct guessing *g = guessing_new(64, &only_user);

	(void)state;
	assert_true(succeeds(g, "alice", "192.0.2.1", 0));
	counts(g, 0, 0, 0, 1);
	for (int i = 0; i < 3; i++)
		assert_true(fails(g, "alice", "192.0.2.66", 1));
	assert_false(succeeds(g, "alice", "192.0.2.2", 1));
	assert_true(succeeds(g, "Alice", "192.0.2.1", 1));
	/* It has a bucket of its own, which good logins do not fill again. */
	for (int i = 0; i < 3; i++) {
		assert_true(fails(g, "alice", "192.0.2.1", 2));
		assert_int_equal(scope, GUESSING_PAIR);
	}
	assert_false(succeeds(g, "alice", "192.0.2.1", 3));
	assert_int_equal(scope, GUESSING_PAIR);
	assert_int_equal(told_ms, 19999);
	assert_true(succeeds(g, "alice", "192.0.2.1", 20002));
	assert_true(fails(g, "alice", "192.0.2.1", 20002));
	assert_false(fails(g, "alice", "192.0.2.1", 20002));
	guessing_free(&g);
}

/* May he be told what is remembered, or another asked? */
static bool
admits(struct guessing *g, const char *user, const char *source, uint64_t now)
{
	const struct addr from = at(source);

	return guessing_admit(g, str_from(user), &from, now, &told_ms, &scope);
}

static void
strangers_are_told_as_if_they_asked(void **state)
{
	struct guessing *g = guessing_new(1000, &shipped);
	const struct addr home = at("192.0.2.1");

	(void)state;
	assert_true(admits(g, "alice", "192.0.2.1", 0));
	counts(g, 0, 0, 0, 0);
	guessing_good(g, STR("alice"), &home, 0);
	counts(g, 0, 0, 0, 1);
	/* He who failed waits for what he did not ask himself, too. */
	assert_true(fails(g, "alice", "198.51.100.7", 0));
	assert_false(admits(g, "alice", "198.51.100.7", 1));
	assert_int_equal(scope, GUESSING_PAIR);
	assert_true(told_ms > 0);
	/* Others of his address and others elsewhere do not. */
	assert_true(admits(g, "bob", "198.51.100.7", 1));
	assert_true(admits(g, "alice", "203.0.113.5", 1));
	/* Once all of a user's tokens are gone, only who is known is told. */
	for (int i = 0; i < 300; i++) {
		char from[32];

		snprintf(from, sizeof(from), "10.0.%d.%d", i / 200, i % 200);
		(void)fails(g, "alice", from, 1);
	}
	assert_false(admits(g, "alice", "203.0.113.5", 1));
	assert_int_equal(scope, GUESSING_USER);
	assert_true(admits(g, "alice", "192.0.2.1", 1));
	/* An address alone guesses nothing. */
	assert_true(admits(g, "", "198.51.100.7", 1));
	guessing_free(&g);
}

static void
known_for_a_window(void **state)
{
	struct guessing *g = guessing_new(64, &only_user);
	uint64_t now;

	(void)state;
	assert_true(succeeds(g, "alice", "192.0.2.1", 0));
	assert_true(succeeds(g, "alice", "192.0.2.1", MINUTE));
	now = MINUTE + WINDOW - 1;
	for (int i = 0; i < 3; i++)
		assert_true(fails(g, "alice", "192.0.2.66", now));
	assert_true(attempt(g, "alice", "192.0.2.1", now, GUESSING_VOID));
	assert_false(succeeds(g, "alice", "192.0.2.1", now + 1));
	guessing_free(&g);
}

/* Failures of a known pair are failures of the user for all others. */
static void
known_pair_fails_for_all(void **state)
{
	struct guessing *g = guessing_new(64, &only_user);

	(void)state;
	assert_true(succeeds(g, "alice", "192.0.2.1", 0));
	for (int i = 0; i < 3; i++)
		assert_true(fails(g, "alice", "192.0.2.1", 0));
	assert_false(fails(g, "alice", "192.0.2.2", 0));
	guessing_free(&g);
}

static void
parallel_guesses_count(void **state)
{
	struct guessing *g = guessing_new(64, &only_user);
	struct guessing_attempt a[4];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(begin(g, "alice", "192.0.2.1", 0, &a[i]));
	assert_false(begin(g, "alice", "192.0.2.2", 0, &a[3]));
	assert_int_equal(guessing_end(g, &a[0], GUESSING_VOID, 0), 0);
	assert_true(begin(g, "alice", "192.0.2.2", 0, &a[0]));
	assert_false(begin(g, "alice", "192.0.2.2", 0, &a[3]));
	/* However long it takes: a slow check is no way to win tokens. */
	assert_false(begin(g, "alice", "192.0.2.2", WINDOW, &a[3]));
	for (int i = 0; i < 3; i++)
		assert_int_equal(guessing_end(g, &a[i], GUESSING_FAILED,
		    WINDOW), 0);
	assert_false(begin(g, "alice", "192.0.2.2", WINDOW + 19999, &a[3]));
	assert_true(fails(g, "alice", "192.0.2.2", WINDOW + 20000));
	guessing_free(&g);
}

/* Those who are known take no room from others while they are looked at. */
static void
known_pairs_open_apart(void **state)
{
	static const struct guessing_limits l = { 0, 2, 0, 0, MINUTE, WINDOW };
	struct guessing *g = guessing_new(64, &l);
	struct guessing_attempt a[4];
	char name[4][8];

	(void)state;
	for (int i = 0; i < 4; i++) {
		snprintf(name[i], sizeof(name[i]), "user%d", i);
		assert_true(succeeds(g, name[i], "192.0.2.1", 0));
	}
	for (int i = 0; i < 4; i++)
		assert_true(begin(g, name[i], "192.0.2.1", 0, &a[i]));
	assert_true(succeeds(g, "new", "192.0.2.1", 0));
	for (int i = 0; i < 4; i++)
		guessing_end(g, &a[i], GUESSING_OK, 0);
	counts(g, 0, 0, 0, 5);
	guessing_free(&g);
}

static void
pair_is_slowed_in_parallel(void **state)
{
	struct guessing *g = guessing_new(64, &only_delay);
	struct guessing_attempt a[3];

	(void)state;
	/* Two at once may be the same question on both sides of a reload. */
	assert_true(begin(g, "alice", "192.0.2.1", 0, &a[0]));
	assert_true(begin(g, "alice", "192.0.2.1", 0, &a[1]));
	assert_false(begin(g, "alice", "192.0.2.1", 0, &a[2]));
	assert_int_equal(told_ms, 2000);
	assert_int_equal(guessing_end(g, &a[0], GUESSING_FAILED, 100), 2000);
	assert_int_equal(guessing_end(g, &a[1], GUESSING_FAILED, 100), 2000);
	assert_false(begin(g, "alice", "192.0.2.1", 2099, &a[0]));
	/* After a failure there is one at a time. */
	assert_true(begin(g, "alice", "192.0.2.1", 2100, &a[0]));
	assert_false(begin(g, "alice", "192.0.2.1", 2100, &a[1]));
	assert_int_equal(told_ms, 4000);
	/* What could not be looked at leaves no trace. */
	assert_int_equal(guessing_end(g, &a[0], GUESSING_VOID, 2500), 0);
	assert_true(fails(g, "alice", "192.0.2.1", 2500));
	assert_int_equal(told_ms, 4000);
	guessing_free(&g);
}

static void
good_logins_leave_no_trace(void **state)
{
	struct guessing *g = guessing_new(64, &shipped);

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		assert_true(succeeds(g, "alice", "192.0.2.1", i));
		assert_true(attempt(g, "bob", "192.0.2.1", i,
		    GUESSING_VOID));
	}
	counts(g, 0, 0, 0, 1);
	guessing_free(&g);
}

static void
waiting_leaves_no_trace(void **state)
{
	struct guessing *g = guessing_new(64, &shipped);
	char name[16];

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "user%u", i % 12);
		(void)fails(g, name, "192.0.2.1", i * 30000 % MINUTE);
	}
	for (unsigned i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "other%u", i);
		(void)fails(g, name, "192.0.2.2", 0);
	}
	counts(g, 64, 2, 64, 0);
	assert_false(fails(g, "fresh", "192.0.2.2", 0));
	counts(g, 64, 2, 64, 0);
	guessing_free(&g);
}

/* Failures push out failures only, never who is known. */
static void
oldest_goes_first(void **state)
{
	struct guessing *g = guessing_new(4, &only_user);
	char name[16];

	(void)state;
	assert_true(succeeds(g, "alice", "192.0.2.1", 0));
	for (int i = 0; i < 3; i++)
		assert_true(fails(g, "alice", "192.0.2.66", 0));
	assert_false(fails(g, "alice", "192.0.2.66", 0));
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		assert_true(fails(g, name, "192.0.2.66", 0));
	}
	counts(g, 4, 0, 4, 1);
	assert_true(fails(g, "alice", "192.0.2.66", 0));	/* forgotten */
	for (int i = 0; i < 2; i++)
		assert_true(fails(g, "alice", "192.0.2.66", 0));
	assert_false(fails(g, "alice", "192.0.2.66", 0));
	assert_true(succeeds(g, "alice", "192.0.2.1", 0));
	/* Of those known, the oldest goes as well. */
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "good%d", i);
		assert_true(succeeds(g, name, "192.0.2.1", 0));
	}
	counts(g, 3, 0, 3, 4);	/* a good one needs a place for a while */
	assert_false(succeeds(g, "alice", "192.0.2.1", 0));
	guessing_free(&g);
}

/* An attempt under way is never forgotten; where there is no room for another
 * one, it is not looked at. */
static void
attempts_stay(void **state)
{
	struct guessing *g = guessing_new(2, &only_user);
	struct guessing_attempt a[2], more;

	(void)state;
	assert_true(begin(g, "a", "192.0.2.1", 0, &a[0]));
	assert_true(begin(g, "b", "192.0.2.1", 0, &a[1]));
	assert_false(begin(g, "c", "192.0.2.1", 0, &more));
	assert_int_equal(scope, GUESSING_USER);
	assert_int_equal(told_ms, MINUTE);
	assert_true(attempt(g, "b", "192.0.2.1", 0, GUESSING_VOID));
	guessing_end(g, &a[0], GUESSING_FAILED, 0);
	assert_true(fails(g, "c", "192.0.2.1", 0));
	counts(g, 2, 0, 2, 0);
	guessing_end(g, &a[1], GUESSING_OK, 0);
	counts(g, 1, 0, 1, 1);
	guessing_free(&g);
}

/* A pair is full of attempts where its user is not: what was held is given
 * back. */
static void
half_held_is_let_go(void **state)
{
	struct guessing *g = guessing_new(1, &shipped);
	struct guessing_attempt a, more;

	(void)state;
	assert_true(begin(g, "a", "192.0.2.1", 0, &a));
	assert_false(begin(g, "a", "192.0.2.2", 0, &more));
	assert_int_equal(scope, GUESSING_SOURCE);
	guessing_end(g, &a, GUESSING_OK, 0);
	counts(g, 0, 0, 0, 1);
	assert_true(fails(g, "a", "192.0.2.2", 0));
	guessing_free(&g);
}

static void
limits_change(void **state)
{
	struct guessing *g = guessing_new(64, &only_user);
	struct guessing_limits l = only_user;
	struct guessing_attempt a;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(fails(g, "alice", "192.0.2.1", 0));
	assert_true(begin(g, "bob", "192.0.2.1", 0, &a));
	guessing_set_limits(g, &off);
	assert_true(fails(g, "alice", "192.0.2.1", 0));
	guessing_end(g, &a, GUESSING_FAILED, 0);
	guessing_set_limits(g, &only_user);	/* not forgotten meanwhile */
	assert_false(fails(g, "alice", "192.0.2.1", 0));
	l.per_user = 6;				/* the new tokens come later */
	guessing_set_limits(g, &l);
	for (int i = 0; i < 3; i++)
		assert_true(fails(g, "alice", "192.0.2.1", 0));
	assert_false(fails(g, "alice", "192.0.2.1", 0));
	assert_int_equal(told_ms, 10000);
	l.per_user = 1;				/* no debt above the limit */
	guessing_set_limits(g, &l);
	assert_false(fails(g, "alice", "192.0.2.1", 0));
	assert_int_equal(told_ms, MINUTE);
	l.delay_base_ms = 5000;			/* of the row that there is */
	guessing_set_limits(g, &l);
	assert_true(fails(g, "alice", "192.0.2.2", MINUTE));
	assert_int_equal(told_ms, 5000);
	guessing_free(&g);
}

/* ---- administrators ---- */

struct rows {
	size_t n, max;
	char text[8][80];
};

static bool
take_row(void *arg, const struct guessing_row *row)
{
	struct rows *rows = arg;
	char source[ADDR_TEXT_SIZE];

	addr_format(source, &row->source);
	snprintf(rows->text[rows->n++], sizeof(rows->text[0]),
	    "%.*s %s %u %u %u", (int)row->user.len, row->user.ptr, source,
	    (unsigned)row->failures, (unsigned)row->wait_ms,
	    (unsigned)row->age_ms);
	return rows->n < rows->max;
}

/* `expected` ends with NULL. */
static void
lists(struct guessing *g, const char *user, uint64_t now, size_t max,
    const char *const *expected)
{
	struct rows rows = { .max = max };
	size_t n = 0;

	guessing_list(g, str_from(user), now, take_row, &rows);
	for (; expected[n] != NULL; n++) {
		assert_true(n < rows.n);
		assert_string_equal(rows.text[n], expected[n]);
	}
	assert_int_equal(rows.n, n);
}

#define LISTS(g, user, now, max, ...) \
	lists(g, user, now, max, (const char *const[]){ __VA_ARGS__ NULL })

static void
lists_who_failed(void **state)
{
	struct guessing *g = guessing_new(64, &shipped);
	struct guessing_attempt a;

	(void)state;
	LISTS(g, "", 0, 8);
	assert_true(fails(g, "Bob", "192.0.2.1", 0));
	assert_true(fails(g, "alice", "2001:db8::1:2:3:4", 100));
	assert_true(fails(g, "bob", "192.0.2.1", 1100));
	assert_true(fails(g, "", "192.0.2.3", 1200));
	assert_true(succeeds(g, "dora", "192.0.2.4", 1200));
	LISTS(g, "", 1300, 8, " 192.0.2.3 1 0 100",
	    "bob 192.0.2.1 2 1800 200", "alice 2001:db8:: 1 0 1200",);
	LISTS(g, "", 1300, 1, " 192.0.2.3 1 0 100",);
	LISTS(g, "BOB", 1300, 8, "bob 192.0.2.1 2 1800 200",);
	LISTS(g, "nobody", 1300, 8);
	/* Who is looked at just now is there too. */
	assert_true(begin(g, "bob", "192.0.2.1", 3100, &a));
	LISTS(g, "bob", 3100, 8, "bob 192.0.2.1 2 4000 2000",);
	guessing_end(g, &a, GUESSING_VOID, 3100);
	LISTS(g, "bob", 1100 + WINDOW - 1, 8, "bob 192.0.2.1 2 0 899999",);
	LISTS(g, "bob", 1100 + WINDOW, 8);
	guessing_free(&g);
}

/* The wait is of whatever limit there is. */
static void
lists_all_waits(void **state)
{
	struct guessing *g = guessing_new(64, &only_user);

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(fails(g, "alice", "192.0.2.1", 0));
	LISTS(g, "", 5000, 8, "alice 192.0.2.1 3 15000 5000",);
	guessing_free(&g);
}

static struct guessing *
all_locked(void)
{
	static const struct guessing_limits l = { 2, 2, 4, 1000, MINUTE,
		WINDOW };
	struct guessing *g = guessing_new(64, &l);

	assert_true(fails(g, "alice", "192.0.2.1", 0));
	assert_true(fails(g, "bob", "192.0.2.1", 0));
	assert_true(fails(g, "alice", "192.0.2.2", 0));
	assert_true(fails(g, "bob", "192.0.2.2", 0));
	assert_false(fails(g, "carol", "192.0.2.3", 0));
	return g;
}

static void
unlocks(void **state)
{
	const struct addr one = at("192.0.2.1"), other = at("192.0.2.9");
	struct guessing *g = all_locked();
	struct guessing_attempt a;

	(void)state;
	assert_int_equal(guessing_unlock(g, STR("nobody"), NULL), 0);
	assert_int_equal(guessing_unlock(g, STR(""), &other), 0);
	/* 2 users, 2 sources, 4 pairs, the total. */
	assert_int_equal(guessing_unlock(g, STR(""), NULL), 9);
	counts(g, 0, 0, 0, 0);
	assert_true(fails(g, "alice", "192.0.2.1", 0));
	guessing_free(&g);

	g = all_locked();
	assert_int_equal(guessing_unlock(g, STR("Alice"), NULL), 3);
	counts(g, 1, 2, 2, 0);
	guessing_free(&g);

	g = all_locked();
	assert_int_equal(guessing_unlock(g, STR(""), &one), 3);
	counts(g, 2, 1, 2, 0);
	guessing_free(&g);

	g = all_locked();
	assert_int_equal(guessing_unlock(g, STR("bob"), &one), 3);
	counts(g, 1, 1, 3, 0);
	guessing_free(&g);

	/* What is under way counts on from nothing; who is known stays so,
	 * and has his own tokens back. */
	g = guessing_new(64, &only_user);
	assert_true(succeeds(g, "alice", "192.0.2.1", 0));
	for (int i = 0; i < 3; i++)
		assert_true(fails(g, "alice", "192.0.2.1", 0));
	assert_true(begin(g, "bob", "192.0.2.1", 0, &a));
	assert_int_equal(guessing_unlock(g, STR(""), NULL), 3);
	counts(g, 1, 0, 1, 1);
	guessing_end(g, &a, GUESSING_FAILED, 0);
	assert_true(fails(g, "alice", "192.0.2.1", 0));
	LISTS(g, "", 0, 8, "alice 192.0.2.1 1 0 0", "bob 192.0.2.1 1 0 0",);
	guessing_free(&g);
}

/* ---- 100,000 guesses within five seconds ---- */

#define GUESSES 100000u
#define GUESS_MS 5000u
#define LAST (GUESS_MS - 1)

struct attack {
	unsigned sources, users;	/* in turn */
	struct guessing_limits l;
};

/* How many were looked at. */
static unsigned
assail(struct guessing *g, const struct attack *x)
{
	struct guessing_attempt a;
	unsigned looked = 0;
	uint32_t ms;
	char name[16];

	for (unsigned i = 0; i < GUESSES; i++) {
		const uint32_t n = 0x0a000000u + i % x->sources;
		const struct addr from = addr_from_v4((uint8_t[]){
		    (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
		    (uint8_t)n });
		const uint64_t now = (uint64_t)i * GUESS_MS / GUESSES;

		snprintf(name, sizeof(name), "user%u", i % x->users);
		if (guessing_begin(g, str_from(name), &from, now, &a, &ms) ==
		    GUESSING_WAIT)
			continue;
		looked++;
		(void)guessing_end(g, &a, GUESSING_FAILED, now);
	}
	return looked;
}

static void
guesses_stay_below_the_rate(void **state)
{
	/* Burst and what five seconds bring; `owner`: he gets in from where
	 * nobody has seen him, too. */
	static const struct {
		struct attack attack;
		unsigned most;
		bool owner;
	} table[] = {
		/* One source, one user: 0 s, 1 s, 3 s. */
		{ { 1, 1, { 10, 60, 0, 1000, MINUTE, WINDOW } }, 3, true },
		/* Not enough to empty the user's bucket. */
		{ { 3, 1, { 10, 60, 0, 1000, MINUTE, WINDOW } }, 9, true },
		{ { 10000, 1, { 10, 60, 0, 1000, MINUTE, WINDOW } }, 10,
			false },
		{ { 1, 1, { 10, 0, 0, 0, MINUTE, WINDOW } }, 10, false },
		{ { 1, 1, { 600, 0, 0, 0, MINUTE, WINDOW } }, 650, false },
		{ { 1, 1, { 0, 60, 0, 0, MINUTE, WINDOW } }, 65, true },
		{ { 1, 5000, { 10, 60, 0, 1000, MINUTE, WINDOW } }, 65,
			true },
		{ { 10000, 100000, { 10, 60, 900, 1000, MINUTE, WINDOW } },
			975, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct guessing *g = guessing_new(65536, &table[i].attack.l);
		unsigned looked;

		assert_true(succeeds(g, "user0", "192.0.2.1", 0));
		looked = assail(g, &table[i].attack);
		if (looked > table[i].most ||
		    looked < table[i].most * 9 / 10)
			fail_msg("row %zu: %u were looked at, not %u", i,
			    looked, table[i].most);
		assert_true(succeeds(g, "user0", "192.0.2.1", LAST));
		assert_int_equal(succeeds(g, "user0", "192.0.2.2", LAST),
		    table[i].owner);
		guessing_free(&g);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_its_buckets),
		cmocka_unit_test(names_its_scopes),
		cmocka_unit_test(off_remembers_nothing),
		cmocka_unit_test(delay_doubles),
		cmocka_unit_test(good_login_ends_the_row),
		cmocka_unit_test(window_ends_it_all),
		cmocka_unit_test(window_has_a_least),
		cmocka_unit_test(user_bucket),
		cmocka_unit_test(source_bucket),
		cmocka_unit_test(total_bucket),
		cmocka_unit_test(tells_the_longest_wait),
		cmocka_unit_test(nobody_in_particular),
		cmocka_unit_test(known_pair_needs_no_tokens),
		cmocka_unit_test(strangers_are_told_as_if_they_asked),
		cmocka_unit_test(known_for_a_window),
		cmocka_unit_test(known_pair_fails_for_all),
		cmocka_unit_test(parallel_guesses_count),
		cmocka_unit_test(known_pairs_open_apart),
		cmocka_unit_test(pair_is_slowed_in_parallel),
		cmocka_unit_test(good_logins_leave_no_trace),
		cmocka_unit_test(waiting_leaves_no_trace),
		cmocka_unit_test(oldest_goes_first),
		cmocka_unit_test(attempts_stay),
		cmocka_unit_test(half_held_is_let_go),
		cmocka_unit_test(limits_change),
		cmocka_unit_test(lists_who_failed),
		cmocka_unit_test(lists_all_waits),
		cmocka_unit_test(unlocks),
		cmocka_unit_test(guesses_stay_below_the_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
