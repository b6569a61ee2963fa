/* SPDX-License-Identifier: MIT */
/*
 * logins_impl: what logins.c and flight.c share; not for others.
 *
 * A flight is one check under way: on a thread of its method, then on one that
 * looks groups up, then it lands. From its submission until its landing it is
 * in `flights` under its key, unless a flush came between: each flush begins
 * an era, and a flight of an older era is in no map and may not be remembered.
 */
#ifndef AUTHD_LOGINS_IMPL_H
#define AUTHD_LOGINS_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "authd/cache.h"
#include "authd/logins.h"
#include "base/map.h"
#include "base/pool.h"
#include "crypt/digest.h"

#define LOGINS_NO_ERA 0	/* of flights that nobody may join or remember */

struct logins {
	struct logins_options o;
	struct digest_keyed *keyed;
	pthread_mutex_t m;
	/* Guarded by m. */
	struct logins_rules rules;
	struct cache *cache;
	struct guessing *guessing;
	struct map flights;
	struct pool *pool;	/* of flights */
	unsigned waiting[AUTH_METHODS];	/* on all flights */
	_Atomic uint64_t era;	/* read without m as well */
};

/* A string of its own. */
struct flight_text {
	size_t len;
	char bytes[AUTH_TEXT_MAX];
};

struct flight {
	struct workers_job job;
	struct map_node node;
	uint8_t key[DIGEST_SIZE];
	struct logins *logins;
	uint64_t era;
	struct list waiters;	/* guarded by m, as is deadline_ms */
	uint64_t deadline_ms;	/* of the most patient one */
	uint64_t begun_ms;	/* the check, clock_mono_ms; 0: not yet */
	bool counts;		/* the back end's answer, as in auth_answer */
	uint64_t waited_us;	/* for the first thread */
	enum auth_method method;
	struct flight_text service, user, password;
	struct addr source;
	bool reserved;		/* of `attempt` */
	struct guessing_attempt attempt;
	struct auth_answer answer;
};

/* With the lock held; NULL: all are out, or the queue is full. `era` may be
 * LOGINS_NO_ERA. Not in the map. */
struct flight *flight_start(struct logins *l, const struct auth_question *q,
    uint64_t era) MUST_CHECK;
/* With the lock held: the waiter will have the answer. */
void flight_board(struct flight *f, struct login_waiter *w);

#endif
