/* SPDX-License-Identifier: MIT */
/*
 * daemon_rpc: put a question to the admin socket of a daemon.
 *
 * Knows the bus, but no message: cli/<daemon>_rpc.c packs and unpacks. One
 * thread.
 */
#ifndef CLI_DAEMON_RPC_H
#define CLI_DAEMON_RPC_H

#include "cli.h"

/*
 * Asks `daemon` ("authd") over `socket` ("admin_auth") a question of that
 * `kind` (msg/kinds.h) and waits at most so many ms. CLI_OK: the answer was
 * appended to `reply`. Else stderr was told why: CLI_UNREACHABLE, nobody
 * answers; CLI_DENIED, we may not ask; CLI_ERROR, it refused;
 * CLI_BAD_CONFIG.
 */
enum cli_exit daemon_rpc_ask(struct cli *c, const char *daemon,
    const char *socket, int kind, struct str body, uint32_t deadline_ms,
    struct bytes *reply) MUST_CHECK;

#endif
