/* SPDX-License-Identifier: MIT */
/*
 * proxy: what the workers of one process share.
 *
 * Immutable once they run, but for the atomics. Owned by main.c.
 */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

#include <stdatomic.h>

#include "config/settings.h"
#include "proxy/admit.h"
#include "proxy/doors.h"
#include "proxy/policy_view.h"

struct handover;
struct service_context;
struct rpc_client;
struct topic_pub;
struct takeover;
struct topic_sub;
struct worker;

struct proxy {
	struct service_context *service;
	const struct settings *settings;	/* as of the start */
	char instance[65];

	struct rpc_client *auth, *decide;
	struct topic_sub *policy;
	struct topic_pub *events;
	struct policy_view view;
	/* Of the suite, as far as the configuration names them; workers have
	 * the rest of a fence. */
	struct endpoint *fenced;
	size_t n_fenced;

	struct worker **workers;
	unsigned n_workers;
	struct doors doors;

	struct takeover *takeover;	/* while we take over, or NULL */
	struct handover *handover;	/* for who takes over from us */
	/* Addresses a successor serves; before the drain only. */
	struct endpoint kept[CONFIG_LISTEN_MAX];
	size_t n_kept;

	uint32_t max_connections;
	_Atomic uint32_t connections;	/* now, all workers; UDP counts twice */
	struct admit admit;
	_Atomic bool draining;
	_Atomic unsigned n_closed;	/* workers that take nobody any more */
	uint64_t drain_until_ms;	/* the main thread's */
	bool drain_over;		/* it has come; before the end only */
};

struct proxy *proxy_new(struct service_context *c);
/* --takeover: asks the proxy that runs for its sockets; `admin` gets that of
 * its admin address, or -1. Where none runs nothing happens. */
int proxy_take_over(struct proxy *p, int *admin, struct err *err) MUST_CHECK;
/* Binds the listening sockets of all workers; probes each address first, but
 * for those taken over. */
int proxy_bind(struct proxy *p, struct err *err) MUST_CHECK;
/* Workers, the bus, then clients. Where we take over it waits for the bus, up
 * to 10 s, before the predecessor is told to stop accepting. */
int proxy_start(struct proxy *p, struct err *err) MUST_CHECK;
void proxy_reload(struct proxy *p, const struct settings *next);
/* Tells /readyz who of the suite is not connected. At the start, then often by
 * one worker. */
void proxy_look_around(struct proxy *p);
/* No new connections; those that run go on. */
void proxy_drain(struct proxy *p);
/* Has everything ended, or is timeouts.drain over? */
bool proxy_drained(struct proxy *p);
/* Ends what is left, stops the workers and frees everything, from whatever
 * it has come to; NULL is nothing. */
void proxy_stop(struct proxy **pp);

#endif
