/* SPDX-License-Identifier: MIT */
/*
 * guessing: the memory of failed logins, and who has to wait because of them.
 *
 * Failures are counted for the user, for the source (an IPv4 address, an IPv6
 * /64), for the pair of both, and together. User, source and total are token
 * buckets: a failure takes a token, a minute brings `per_…` of them, and no
 * more than that are saved up; without a token nothing is looked at. A pair is
 * slowed besides: after n failures in a row its next attempt is looked at only
 * after base * 2^(n-1), at most max.
 *
 * Nobody locks out another: a pair that logged in well within the window does
 * not need the tokens of user, source and total. It has a bucket of its own (as
 * large as the user's) and its own delay, which only its own failures fill.
 *
 * Names are told apart as PAM's databases often do, without ASCII case. Whether
 * a user exists is not known here, so it cannot show. Each table is bounded;
 * where it is full, the entry that was not used for longest goes. Pairs that
 * logged in well have a table of their own, which failures do not fill. Work
 * per attempt is constant. Time is an argument, milliseconds that never go back
 * (clock_mono_ms). One thread, or the caller's lock.
 */
#ifndef AUTHD_GUESSING_H
#define AUTHD_GUESSING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "net/addr.h"

#define GUESSING_USER_MAX 255	/* bytes of a name */

struct guessing;
struct guessing_entry;

/* All zero: nothing is limited and nothing remembered. */
struct guessing_limits {
	uint32_t per_user, per_source, total;	/* failures a minute; 0: any */
	uint64_t delay_base_ms;	/* 0: pairs have no delay */
	/* The longest delay of a pair, and the longest that clients are made
	 * to wait; 0: none at all. */
	uint64_t delay_max_ms;
	uint64_t window_ms;	/* at least a minute; less counts as one */
};

enum guessing_scope {
	GUESSING_USER,
	GUESSING_SOURCE,
	GUESSING_PAIR,
	GUESSING_TOTAL,
	GUESSING_SCOPES,
};

/* "user", "source", "pair", "total"; ends with NULL. */
extern const char *const guessing_scope_names[];

enum guessing_verdict {
	GUESSING_GO,	/* look at it, then guessing_end() */
	GUESSING_WAIT,	/* refuse it without looking; there is no end to it */
};

enum guessing_how {
	GUESSING_FAILED,
	GUESSING_OK,
	GUESSING_VOID,	/* could not be looked at */
};

/* An attempt under way; the caller's own, filled by guessing_begin(). */
struct guessing_attempt {
	enum guessing_scope scope;	/* of WAIT: where it hit a limit */
	struct guessing_entry *entries[GUESSING_SCOPES + 1];
};

/* `entries`: at most so many users, sources, pairs, and pairs that logged in
 * well; up to 400 bytes each. At least one. */
struct guessing *guessing_new(size_t entries,
    const struct guessing_limits *l) MUST_CHECK;
/* Counts go on under the new limits. */
void guessing_set_limits(struct guessing *g, const struct guessing_limits *l);
/* Attempts under way must have ended. */
void guessing_free(struct guessing **gp);

/*
 * May this be looked at? Ask only about what would be: not about what is
 * answered from a cache or joins a check under way. `user`: at most
 * GUESSING_USER_MAX bytes; empty (pam.address): there is only the source.
 *
 * GO: until its end it counts as a failure, so that parallel guesses do not
 * slip through. WAIT: `*delay_ms` is how long the client should wait for the
 * no; `a` says which limit, and the attempt leaves no trace.
 */
enum guessing_verdict guessing_begin(struct guessing *g, struct str user,
    const struct addr *source, uint64_t now_ms, struct guessing_attempt *a,
    uint32_t *delay_ms) MUST_CHECK;
/*
 * Exactly once for each GO. OK and VOID give the tokens back; OK ends the
 * pair's row of failures and remembers it as good. Returns how long the client
 * should wait for the answer: FAILED: the pair's delay, else 0.
 */
uint32_t guessing_end(struct guessing *g, struct guessing_attempt *a,
    enum guessing_how how, uint64_t now_ms);

/*
 * May the pair be told an answer that is remembered, or that of another's check
 * under way? One that is known always; another one as if it asked by itself, or
 * who guesses would be told of the right password however often he has failed.
 * false: `*delay_ms` and `*scope` are as guessing_begin() has them.
 */
bool guessing_admit(struct guessing *g, struct str user,
    const struct addr *source, uint64_t now_ms, uint32_t *delay_ms,
    enum guessing_scope *scope) MUST_CHECK;
/* The pair was told yes in that way: from now on it is known. */
void guessing_good(struct guessing *g, struct str user,
    const struct addr *source, uint64_t now_ms);

/* ---- names of limits ---- */

#define GUESSING_BUCKET_MAX (sizeof(struct addr) + GUESSING_USER_MAX)

/* What attempts have in common that are counted together there, in `bytes`:
 * the user without case, an IPv4 address or a /64, both, or nothing. */
struct str guessing_bucket(char bytes[static GUESSING_BUCKET_MAX],
    enum guessing_scope scope, struct str user, const struct addr *source);

/* ---- for administrators: these walk all pairs ---- */

/* A user at a source who failed; borrowed for the call. */
struct guessing_row {
	struct str user;	/* lower case; empty: pam.address */
	struct addr source;	/* IPv6: the first of its /64 */
	uint32_t failures;	/* in a row */
	uint64_t wait_ms;	/* until he is looked at, whichever the limit */
	uint64_t age_ms;	/* since the last failure */
};

/* false: enough. */
typedef bool guessing_row_fn(void *arg, const struct guessing_row *row);

/* Whoever failed within the window, the latest first. `user` empty: all. */
void guessing_list(struct guessing *g, struct str user, uint64_t now_ms,
    guessing_row_fn *each, void *arg);
/*
 * Forgets failures. `user` empty: all users; `source` NULL: all sources. The
 * pairs of both go, the user's tokens come back if one was named, the source's
 * likewise, and if none was named everything. Who logged in well stays known.
 * Gives how many entries had something to forget.
 */
size_t guessing_unlock(struct guessing *g, struct str user,
    const struct addr *source);

struct guessing_counts {
	size_t users, sources, pairs;	/* that failed or are looked at now */
	size_t known;	/* pairs that logged in well */
};

struct guessing_counts guessing_count(const struct guessing *g);

#endif
