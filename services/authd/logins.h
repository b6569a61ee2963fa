/* SPDX-License-Identifier: MIT */
/*
 * logins: from a question to its answer, as cheaply as may be.
 *
 * What was answered well a moment ago comes from the cache, on the caller's
 * thread. The same question asked while it is being checked waits for that
 * check. All else goes to the workers, at most `queue` of them waiting; beyond
 * that the answer is BUSY at once. Questions are the same when all that the
 * answer depends on is: method, service, user, password, and the source where
 * the back end uses it. They are told apart by an HMAC under a key of this
 * process; a password is kept only while it is being checked. Any thread.
 */
#ifndef AUTHD_LOGINS_H
#define AUTHD_LOGINS_H

#include "authd/backend.h"
#include "base/err.h"
#include "base/list.h"
#include "base/str.h"

struct logins;

enum login_from {
	LOGIN_FROM_CACHE,
	LOGIN_FROM_CHECK,
	LOGIN_FROM_JOINED,	/* the check that another one asked for */
	LOGIN_FROM_NOWHERE,	/* BUSY */
	LOGIN_FROMS,
};

struct login_reply {
	enum auth_result result;
	struct str body;	/* what `encode` made of the answer; borrowed */
	enum login_from from;
	uint64_t waited_us;	/* for a worker */
};

/* Who wants to know; the caller's own, embedded. */
struct login_waiter {
	struct list link;
	enum login_from from;
	uint64_t deadline_ms;	/* clock_mono_ms: until when he waits */
	/* Exactly once per logins_ask, within it or later on a worker; the
	 * waiter is the caller's again. No lock is held. */
	void (*done)(struct login_waiter *w, const struct login_reply *reply);
};

struct logins_options {
	struct backend backend;
	/* Appends the answer as it will be sent. */
	void (*encode)(const struct auth_answer *a, struct bytes *out);
	unsigned workers, queue;	/* workers.h */
	unsigned waiters_max;		/* that wait for checks */
	size_t cache_entries;
};

/* These may change while it runs. */
struct logins_times {
	uint64_t cache_ttl_ms;	/* 0: nothing is remembered */
	uint64_t deadline_ms;	/* longest time a question may wait */
};

int logins_start(struct logins **out, const struct logins_options *o,
    const struct logins_times *t, struct err *err) MUST_CHECK;
/* `q` is borrowed for the call; its user and password are possible. */
void logins_ask(struct logins *l, const struct auth_question *q,
    struct login_waiter *w);
/* Forgets all answers; checks under way will not be remembered or joined.
 * After what the back end knows has changed. */
void logins_flush(struct logins *l);
/* Flushes too. */
void logins_set_times(struct logins *l, const struct logins_times *t);

struct logins_counts {
	unsigned queued;
	size_t cached;
};

struct logins_counts logins_counts(struct logins *l);
/* For other slow work; borrowed. */
struct workers *logins_workers(struct logins *l);
/* Who waits is answered BUSY, as is who asks later. */
void logins_stop(struct logins *l);
/* Nobody asks any more. Stops too. */
void logins_free(struct logins **lp);

#endif
