/* SPDX-License-Identifier: MIT */
/*
 * lease: answers of other daemons, remembered for a short time, asked once.
 *
 * A bounded LRU of entries keyed by bytes. While the answer to a key is out,
 * everybody else who wants it waits for the same answer (single flight). An
 * answer in use is asked for again before it runs out, so that nobody waits.
 * Pure: no clock, no I/O; time comes as an argument. Owned by one worker.
 */
#ifndef PROXY_LEASE_H
#define PROXY_LEASE_H

#include "base/list.h"
#include "base/str.h"

struct lease_cache;
struct lease;		/* a question that is out, for lease_answer */

/* Embedded in whoever waits. Done once, unless cancelled before. `value` is
 * borrowed until return, NULL when there is no answer. */
struct lease_waiter {
	struct list link;
	void (*done)(struct lease_waiter *w, const void *value);
};

enum lease_found {
	LEASE_HIT,	/* *value is it, *lease its lease, borrowed until the
			 * next call */
	LEASE_WAIT,	/* asked already: the waiter was added */
	LEASE_ASK,	/* the waiter is the first: ask, then lease_answer for
			 * *lease */
	LEASE_FULL,	/* every entry is a question that is out */
};

struct lease_options {
	size_t entries;			/* at least 1 */
	void (*free_value)(void *value);
	/* May this value still be used? NULL: until it expires. */
	bool (*valid)(const void *value, const void *arg);
	const void *arg;
};

struct lease_cache *lease_cache_new(const struct lease_options *o) MUST_CHECK;
enum lease_found lease_find(struct lease_cache *c, struct str key,
    uint64_t now_ms, struct lease_waiter *waiter, const void **value,
    struct lease **lease) MUST_CHECK;
/*
 * After a LEASE_HIT: the question to ask again, then lease_answer; NULL: not
 * now. It is due once between 3/4 and 7/8 of the lease's life, at a moment that
 * differs from key to key, so that those that began together are not renewed
 * together. Until the answer the old one is found; who comes after its end
 * waits for the new one.
 */
struct lease *lease_renew(struct lease_cache *c, struct lease *hit,
    uint64_t now_ms) MUST_CHECK;
/* What is left of its life; of a LEASE_HIT. */
uint64_t lease_left_ms(const struct lease *hit, uint64_t now_ms);
/*
 * The answer to a question; once for each. Runs the waiters, then keeps the
 * value until `until_ms`, or gives it back at once when that is not after
 * `now_ms`. It replaces what it was to renew, even if it is not kept, but for
 * an `until_ms` of 0: that says nothing about the key (nobody answered), and
 * what is remembered stays to its end. NULL: no answer; nothing is kept.
 */
void lease_answer(struct lease_cache *c, struct lease *asked, void *value,
    uint64_t now_ms, uint64_t until_ms);
/* Safe for a waiter that waits for nothing (its link initialised). */
void lease_cancel(struct lease_waiter *w);
/* Forgets all answers; questions that are out stay. */
void lease_flush(struct lease_cache *c);
size_t lease_count(const struct lease_cache *c);
struct lease_stats {
	uint64_t hits, misses, stale, evictions, renewals;
};
struct lease_stats lease_stats(const struct lease_cache *c);
/* Questions that are out are forgotten; nobody may wait any more. */
void lease_cache_free(struct lease_cache **cp);

#endif
