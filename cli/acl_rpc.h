/* SPDX-License-Identifier: MIT */
/*
 * acl_rpc: ask acld what it would decide, over its admin socket.
 *
 * Hides the bus and its messages from cmd_acl.c. One thread.
 */
#ifndef CLI_ACL_RPC_H
#define CLI_ACL_RPC_H

#include "cli.h"
#include "net/name.h"

#define ACL_RPC_ADDRS_MAX 32
#define ACL_RPC_GROUPS_MAX 64

struct acl_question {
	const char *user;
	const char *groups[ACL_RPC_GROUPS_MAX];
	unsigned n_groups;
	struct addr source;
	bool udp;
	struct dest dest;
	struct addr resolved[ACL_RPC_ADDRS_MAX];
	unsigned n_resolved;
};

struct acl_answer {
	const char *decision;	/* "allow", "block", "redirect" */
	const char *source;	/* "rule", "default", "hard_deny" */
	char rule[129], reason[1024];
	uint64_t generation;
};

/* CLI_OK: `out` has the answer; else stderr was told why. */
enum cli_exit acl_rpc_test(struct cli *c, const struct acl_question *q,
    struct acl_answer *out) MUST_CHECK;

#endif
