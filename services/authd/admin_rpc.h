/* SPDX-License-Identifier: MIT */
/*
 * admin_rpc: the socket `admin_auth`, what administrators ask of authd.
 *
 * The work is done by a worker, before the logins that wait.
 */
#ifndef AUTHD_ADMIN_RPC_H
#define AUTHD_ADMIN_RPC_H

#include "authd/loader.h"
#include "authd/logins.h"
#include "authd/roster.h"
#include "base/metrics.h"
#include "msg/rpc_server.h"

/* The caller's own; all of it is borrowed, and must stay until every request
 * was answered. */
struct admin_rpc {
	struct logins *logins;
	struct loader *loader;
	struct roster *roster;	/* with a users file in force */
	struct workers *threads;	/* that do what is asked */
	struct metrics *metrics;
	size_t max_message;	/* of the socket, bytes; at least 64 KiB */
};

/* Their argument is a struct admin_rpc. */
extern const struct rpc_method admin_rpc_methods[];
/* Counts what was no request at all; for struct rpc_server_options. */
void admin_rpc_on_malformed(void *arg);

#endif
