/* SPDX-License-Identifier: MIT */
/*
 * resolve_cares: questions to name servers; the one user of c-ares.
 *
 * One question is one name and one family. Nothing is remembered here, and
 * nothing but name servers is asked: no hosts file, no search list. Owned by
 * one worker.
 */
#ifndef PROXY_RESOLVE_CARES_H
#define PROXY_RESOLVE_CARES_H

#include "proxy/resolve.h"

#define RESOLVE_CNAMES_MAX 8	/* a longer chain is a failure */

struct resolve_cares;
struct resolve_ask;

struct resolve_answer {
	enum resolve_result result;
	uint64_t ttl_s;		/* the least of all records that led here */
	uint8_t n;
	struct addr addrs[RESOLVE_ADDRS_MAX];	/* no two are the same */
};

/* May run before resolve_cares_ask returns. */
typedef void resolve_ask_fn(struct resolve_ask *ask,
    const struct resolve_answer *answer);

/* Embedded in whoever asks; must stay until `done` ran. */
struct resolve_ask {
	resolve_ask_fn *done;
	struct resolve_cares *owner;
};

int resolve_cares_new(struct resolve_cares **out, struct event_base *base,
    const struct proxy_config *cfg, struct err *err) MUST_CHECK;
/* `family` AF_INET or AF_INET6. */
void resolve_cares_ask(struct resolve_cares *c, struct resolve_ask *ask,
    const char *name, int family);
/* Time has passed: call it every resolve_cares_tick_ms while questions are
 * out. */
void resolve_cares_poll(struct resolve_cares *c);
unsigned resolve_cares_tick_ms(const struct resolve_cares *c);
/* Reads resolv.conf again if it changed; not while questions are out. */
void resolve_cares_refresh(struct resolve_cares *c);
/* Questions that are out are not answered any more. */
void resolve_cares_free(struct resolve_cares **cp);

#endif
