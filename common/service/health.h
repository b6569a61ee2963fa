/* SPDX-License-Identifier: MIT */
/*
 * health: /healthz, /readyz and /metrics on the admin address of a daemon.
 *
 * One thread of its own around poll(2), for these fixed paths and GET and HEAD
 * only; 404 and 405 for all else. A connection serves one request, may send
 * 8 KiB of head and no body, and lives 10 s at most, however it spends them.
 * At most HEALTH_CLIENTS are open: then the one that waited longest is closed
 * for the next, so that the descriptors of the proxy are safe from this port
 * and idle clients cannot keep a probe out.
 */
#ifndef SERVICE_HEALTH_H
#define SERVICE_HEALTH_H

#include "base/err.h"
#include "base/metrics.h"
#include "net/addr.h"

#define HEALTH_CLIENTS 64

struct health;

/* What is served. All of it runs on health's thread. */
struct health_source {
	struct metrics *metrics;
	bool (*alive)(void *arg);	/* /healthz */
	/* /readyz: true, or appends the reasons why not. */
	bool (*ready)(void *arg, struct bytes *why);
	void *arg;
};

/* Binds (before privileges are dropped); "address: why" on failure. */
int health_bind(struct health **out, const struct endpoint *at,
    struct err *err) MUST_CHECK;
/* The same on a socket that listens already and that another process serves
 * still: nobody is accepted before health_open(). Takes `fd`, also when it
 * fails. */
int health_inherit(struct health **out, int fd, struct err *err) MUST_CHECK;
/* Where it is bound; tells the port where 0 was asked for. */
struct endpoint health_address(const struct health *h);
/* Serves from now on; `from` is copied. -1: no thread to be had. */
int health_start(struct health *h, const struct health_source *from,
    struct err *err) MUST_CHECK;
/* Accepts from now on, after health_inherit(); else it does anyway. */
void health_open(struct health *h);
/* The listening socket, for a successor; borrowed. Not after health_leave(). */
int health_listener(const struct health *h);
/* Another process serves the address from now on: closes the socket here.
 * When it returns, nobody else is accepted; who was is answered still. Any one
 * thread, once, while it is started. */
void health_leave(struct health *h);
/* Nothing of the source is called any more when it returns. */
void health_stop(struct health **hp);
/* Client for --health: asks http://at/readyz, 5 s at most; 0 if it says 200,
 * else err has the reasons it gave. Any thread. */
int health_ask(const struct endpoint *at, struct err *err) MUST_CHECK;

#endif
