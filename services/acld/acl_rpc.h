/* SPDX-License-Identifier: MIT */
/*
 * acl_rpc: acld's side of the bus. Turns messages into plain structs, with
 * every field checked, and back; protobuf ends here.
 *
 * Handlers run in parallel on nng's threads.
 */
#ifndef ACLD_ACL_RPC_H
#define ACLD_ACL_RPC_H

#include "base/id.h"
#include "base/metrics.h"
#include "msg/rpc_server.h"

struct loader;
struct snapshot;

/* How long a proxy may remember a decision. */
#define ACL_RPC_LEASE_MS 5000

/* `arg` of the methods; borrowed by the servers. */
struct acl_rpc {
	struct snapshot *snapshot;
	struct loader *loader;
	struct metrics *metrics;
	struct id instance;
};

/* Of the sockets `decide` and `admin_acl`. */
extern const struct rpc_method acl_rpc_decide[];
extern const struct rpc_method acl_rpc_admin[];
/* Counts what was no request at all; for struct rpc_server_options. */
void acl_rpc_on_malformed(void *arg);

/* Appends a PolicyHeartbeat to `out`. */
void acl_rpc_heartbeat(const struct id *instance, uint64_t generation,
    struct bytes *out);

#endif
