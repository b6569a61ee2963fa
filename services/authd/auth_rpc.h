/* SPDX-License-Identifier: MIT */
/*
 * auth_rpc: the socket `auth` in terms of protobuf.
 *
 * Everything that arrives is checked here before anything uses it, and what
 * held a password is wiped. The handlers run on nng's threads.
 */
#ifndef AUTHD_AUTH_RPC_H
#define AUTHD_AUTH_RPC_H

#include "authd/logins.h"
#include "base/metrics.h"
#include "msg/rpc_server.h"

struct auth_rpc;
struct telemetry;

struct auth_rpc_options {	/* borrowed */
	struct logins *logins;
	struct metrics *metrics;
	struct telemetry *telemetry;
	unsigned contexts;	/* of the socket `auth` */
};

struct auth_rpc *auth_rpc_new(const struct auth_rpc_options *o) MUST_CHECK;
/* All requests must have been answered. */
void auth_rpc_free(struct auth_rpc **rp);

/* Their argument is a struct auth_rpc. */
extern const struct rpc_method auth_rpc_auth[];
/* Counts what was no request at all; for struct rpc_server_options. */
void auth_rpc_on_malformed(void *arg);

/* The answer as an AuthReply, appended; for logins. */
void auth_rpc_encode(const struct auth_answer *a, struct bytes *out);

#endif
