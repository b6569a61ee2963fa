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
#include "proxy/dial.h"
#include "proxy/policy_view.h"

struct service_context;
struct rpc_client;
struct topic_pub;
struct topic_sub;
struct worker;

struct proxy {
	struct service_context *service;
	const struct settings *settings;	/* as of the start */
	char instance[65];
	uint8_t methods[4];		/* SOCKS5 methods, best first */
	unsigned n_methods;
	unsigned carriers;		/* 1u << enum record_carrier, or-ed */
	unsigned commands;		/* 1u << enum record_command, or-ed */

	struct rpc_client *auth, *decide;
	struct topic_sub *policy;
	struct topic_pub *events;
	struct policy_view view;
	struct dial_fence fence;

	struct worker **workers;
	unsigned n_workers;
	int *listeners;			/* n_workers rows of n_listen */
	unsigned n_listen;

	uint32_t max_connections;
	_Atomic uint32_t connections;	/* now, all workers */
	_Atomic bool draining;
	uint64_t drain_until_ms;	/* the main thread's */
};

/* Binds the listening sockets of all workers; probes each address first. */
int proxy_bind(struct proxy **out, struct service_context *c, struct err *err)
    MUST_CHECK;
int proxy_start(struct proxy *p, struct err *err) MUST_CHECK;
void proxy_reload(struct proxy *p, const struct settings *next);
/* Tells /readyz who of the suite is not connected. At the start, then often by
 * one worker. */
void proxy_look_around(struct proxy *p);
/* No new connections; those that run go on. */
void proxy_drain(struct proxy *p);
/* Has everything ended, or is timeouts.drain over? */
bool proxy_drained(struct proxy *p);
/* Ends what is left, stops the workers and frees everything. */
void proxy_stop(struct proxy **pp);

#endif
