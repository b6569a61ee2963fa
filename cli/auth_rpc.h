/* SPDX-License-Identifier: MIT */
/*
 * auth_rpc: ask authd what it knows and has it do things, over its admin
 * socket.
 *
 * Hides the bus and its messages from cmd_users*.c. Each function gives CLI_OK,
 * or has told stderr why not. What callbacks are given is borrowed for the
 * call. One thread.
 */
#ifndef CLI_AUTH_RPC_H
#define CLI_AUTH_RPC_H

#include "cli.h"
#include "net/addr.h"

struct auth_rpc_texts {
	char *const *v;
	size_t n;
};

struct auth_rpc_user {
	const char *name;
	struct auth_rpc_texts groups, sources, networks;
	bool enabled, has_password;
	uint64_t expires_us;	/* µs since 1970; 0: never */
	const char *limits;	/* a class; "": none */
};

typedef void auth_rpc_user_fn(void *arg, const struct auth_rpc_user *u);

/* All users in force, in the order of the file. */
enum cli_exit auth_rpc_users(struct cli *c, auth_rpc_user_fn *each,
    void *arg) MUST_CHECK;
/* Reads the users file again; `*n` users are in force. */
enum cli_exit auth_rpc_reload(struct cli *c, unsigned *n) MUST_CHECK;

struct auth_rpc_login {
	const char *method;
	struct str user, password;	/* at most 255 bytes each */
	struct addr source;
};

enum auth_rpc_result {
	AUTH_RPC_OK,
	AUTH_RPC_FAILED,
	AUTH_RPC_THROTTLED,	/* too many failures: not looked at */
	AUTH_RPC_BUSY,		/* could not be looked at */
};

struct auth_rpc_verdict {
	enum auth_rpc_result result;
	const char *user;	/* who it is; "": as asked */
	struct auth_rpc_texts groups;
	const char *limits;
	uint64_t expires_us;
	bool source_bound;
	uint32_t delay_ms;
	const char *why;	/* for people; "": nothing to add */
};

typedef void auth_rpc_verdict_fn(void *arg, const struct auth_rpc_verdict *v);

/* Would this login be accepted? It counts as no attempt. */
enum cli_exit auth_rpc_test(struct cli *c, const struct auth_rpc_login *l,
    auth_rpc_verdict_fn *told, void *arg) MUST_CHECK;

struct auth_rpc_failure {
	struct str user;	/* any bytes; empty: nobody in particular */
	struct addr source;
	uint32_t failures, wait_ms, age_ms;
};

typedef void auth_rpc_failure_fn(void *arg, const struct auth_rpc_failure *f);

/* Who failed of late, the latest first, at most 1000; `user` empty: all.
 * `*remembered`: how many authd knows, told or not. */
enum cli_exit auth_rpc_failures(struct cli *c, struct str user,
    auth_rpc_failure_fn *each, void *arg, uint64_t *remembered) MUST_CHECK;
/* Forgets failures; `user` empty: of all, `source` NULL: from anywhere.
 * `*cleared` is how many entries that were. */
enum cli_exit auth_rpc_unlock(struct cli *c, struct str user,
    const struct addr *source, uint64_t *cleared) MUST_CHECK;

#endif
