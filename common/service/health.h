/* SPDX-License-Identifier: MIT */
/*
 * health: /healthz, /readyz and /metrics on the admin address of a daemon.
 *
 * evhttp on a thread of its own, for these fixed GET paths only; 404 and 405
 * for all else; small limits, short time-outs.
 */
#ifndef SERVICE_HEALTH_H
#define SERVICE_HEALTH_H

#include "base/err.h"
#include "base/metrics.h"
#include "net/addr.h"

struct health;

/* Binds (before privileges are dropped); "address: why" on failure. */
int health_bind(struct health **out, const struct endpoint *at,
    struct err *err) MUST_CHECK;
/* Serves from now on. `ready` appends the reasons why not and returns false,
 * or returns true; it runs on health's thread. */
void health_start(struct health *h, struct metrics *m,
    bool (*ready)(void *arg, struct bytes *why), void *arg);
void health_stop(struct health **hp);
/* Client for --health: asks http://at/readyz; 0 if it says 200. */
int health_ask(const struct endpoint *at, struct err *err) MUST_CHECK;

#endif
