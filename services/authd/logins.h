/* SPDX-License-Identifier: MIT */
/*
 * logins: from a question to its answer, as cheaply as may be.
 *
 * What was answered well a moment ago comes from the cache, on the caller's
 * thread. The same question asked while it is being checked waits for that
 * check. Who failed too often of late is refused without a look (guessing.h).
 * All else goes to the threads of its method, whose queue is bounded; beyond
 * that the answer is BUSY at once. Whoever is let in gets the groups that the
 * system knows for him, looked up on threads of their own.
 *
 * Questions are the same when all that the answer depends on is: method,
 * service, user, password, and the source where the back end uses it. They are
 * told apart by an HMAC under a key of this process; a password is kept only
 * while it is being checked. Any thread.
 */
#ifndef AUTHD_LOGINS_H
#define AUTHD_LOGINS_H

#include "authd/backend.h"
#include "authd/guessing.h"
#include "authd/workers.h"
#include "base/err.h"
#include "base/list.h"
#include "base/str.h"

struct logins;

enum login_from {
	LOGIN_FROM_CACHE,
	LOGIN_FROM_CHECK,
	LOGIN_FROM_JOINED,	/* the check that another one asked for */
	LOGIN_FROM_NOWHERE,	/* BUSY or THROTTLED */
	LOGIN_FROMS,
};

struct login_reply {
	enum auth_result result;
	struct str body;	/* what `encode` made of the answer; borrowed */
	enum login_from from;
	uint64_t waited_us;	/* for a thread */
	const char *why;	/* as in the answer; borrowed */
	enum guessing_scope scope;	/* THROTTLED: by which */
	uint32_t delay_ms;		/* THROTTLED: as in the answer */
};

/* Who wants to know; the caller's own, embedded. */
struct login_waiter {
	struct list link;
	enum login_from from;
	uint64_t deadline_ms;	/* clock_mono_ms: until when he waits */
	/* Exactly once per logins_ask, within it or later on another thread;
	 * the waiter is the caller's again. No lock is held. */
	void (*done)(struct login_waiter *w, const struct login_reply *reply);
};

struct logins_method {
	struct backend backend;
	struct workers *threads;	/* borrowed; NULL: always BUSY */
};

/* Groups beyond those of the answer. */
struct logins_groups {
	void *arg;
	struct workers *threads;	/* borrowed; NULL: there are none */
	/* The remembered ones, at once. Fills *out, which is zeroed and the
	 * caller's to groups_fini(); false: none are. */
	bool (*recall)(void *arg, struct str user, struct string_list *out);
	/* The same, looked up; false: they could not be found out. */
	bool (*look_up)(void *arg, const struct backend_turn *turn,
	    struct str user, struct string_list *out);
};

struct logins_options {
	struct logins_method methods[AUTH_METHODS];
	struct logins_groups groups;
	/* Appends the answer as it will be sent. */
	void (*encode)(const struct auth_answer *a, struct bytes *out);
	unsigned flights_max;		/* checks under way or waiting */
	/* Logins of one method that may wait for checks: those that wait for
	 * one that hangs take no place from the other methods. */
	unsigned waiters_max;
	size_t cache_entries, guessing_entries;
	struct workers *aside;	/* stand back for cached logins; may be NULL */
};

/* These may change while it runs. */
struct logins_rules {
	uint64_t cache_ttl_ms;	/* 0: nothing is remembered */
	uint64_t deadline_ms;	/* longest time a question may wait */
	uint64_t group_timeout_ms;
	bool file_groups;	/* those of the users file count */
	bool system_groups;	/* use `groups` */
	struct guessing_limits guessing;
};

/* The threads must do nothing else by the time of logins_free(). */
struct logins *logins_new(const struct logins_options *o,
    const struct logins_rules *r) MUST_CHECK;
/* `q` is borrowed for the call, and possible. */
void logins_ask(struct logins *l, const struct auth_question *q,
    struct login_waiter *w);
/* Answers within the call if the answer is cached. false: it is not, and
 * nothing was done. */
bool logins_ask_cached(struct logins *l, const struct auth_question *q,
    struct login_waiter *w) MUST_CHECK;
/* The same for an administrator: checked in any case, without a look at what
 * failed before and without leaving a trace. */
void logins_test(struct logins *l, const struct auth_question *q,
    struct login_waiter *w);
/* Forgets all answers; checks under way will not be remembered or joined.
 * After what the back end knows has changed. */
void logins_flush(struct logins *l);
/* Flushes too. */
void logins_set_rules(struct logins *l, const struct logins_rules *r);

struct logins_counts {
	size_t cached;
	struct guessing_counts guessing;
};

struct logins_counts logins_counts(struct logins *l);
/* As guessing_list() and guessing_unlock(). Logins wait meanwhile: `each` is
 * quick, and asks nothing of these logins. */
void logins_failures(struct logins *l, struct str user, guessing_row_fn *each,
    void *arg);
size_t logins_unlock(struct logins *l, struct str user,
    const struct addr *source);
/* Nobody asks any more, and all threads have stopped. */
void logins_free(struct logins **lp);

#endif
