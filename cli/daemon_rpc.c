/* SPDX-License-Identifier: MIT */
#include "daemon_rpc.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"
#include "msg/rpc_client.h"

#define CONNECT_MS 1000

/* ---- why nobody answers ---- */

/* The file, or else the nearest directory on the way to it that we can see:
 * that is what keeps us out. */
static int
find_barrier(const char *path, char **barrier, struct stat *st)
{
	char *slash;

	*barrier = xstrdup(path);
	while (stat(*barrier, st) != 0) {
		slash = strrchr(*barrier, '/');
		if (slash == NULL || slash == *barrier)
			return -1;
		*slash = '\0';
	}
	return 0;
}

static enum cli_exit
denied(const char *daemon, const char *path)
{
	const struct group *group = NULL;
	struct stat st;
	char *barrier;
	int found = find_barrier(path, &barrier, &st);

	if (found == 0)
		group = getgrgid(st.st_gid);
	if (group != NULL)
		(void)cli_fail(CLI_DENIED, "%s at %s: %s is open to the group "
		    "\"%s\" only; use sudo, or join it: usermod -aG %s USER",
		    daemon, path, barrier, group->gr_name, group->gr_name);
	else
		(void)cli_fail(CLI_DENIED, "%s at %s: permission denied; use "
		    "sudo", daemon, path);
	free(barrier);
	return CLI_DENIED;
}

static enum cli_exit
unreachable(const char *daemon, const char *address, const char *why)
{
	const char *path = strncmp(address, "ipc://", 6) == 0 ? address + 6 :
	    NULL;

	if (path == NULL || access(path, R_OK | W_OK) == 0)
		return cli_fail(CLI_UNREACHABLE, "%s at %s: %s", daemon,
		    address, why);
	if (errno == EACCES)
		return denied(daemon, path);
	return cli_fail(CLI_UNREACHABLE, "%s at %s: %s; is it running, and "
	    "with this configuration?", daemon, address, strerror(errno));
}

/* ---- asking ---- */

static enum cli_exit
ask(const char *daemon, const struct rpc_client_options *o, int kind,
    struct str body, uint32_t deadline_ms, struct bytes *reply)
{
	struct rpc_client *client;
	enum rpc_result result;
	struct err err = { "" };

	if (rpc_client_new(&client, o, &err) != 0)
		return cli_fail(CLI_ERROR, "%s", err.text);
	result = rpc_ask(client, (enum rpc_kind)kind, body, deadline_ms, reply,
	    &err);
	rpc_client_free(&client);
	if (result == RPC_OK)
		return CLI_OK;
	if (result == RPC_UNREACHABLE || result == RPC_TIMEOUT)
		return unreachable(daemon, o->address, err.text);
	return cli_fail(CLI_ERROR, "%s: %s", daemon, err.text);
}

enum cli_exit
daemon_rpc_ask(struct cli *c, const char *daemon, const char *socket,
    int kind, struct str body, uint32_t deadline_ms, struct bytes *reply)
{
	const struct settings *s = cli_settings(c);
	struct rpc_client_options o = { .name = socket,
		.reconnect_max_ms = 100, .unconnected_ms = CONNECT_MS };
	enum cli_exit code;
	char *address;

	if (s == NULL)
		return CLI_BAD_CONFIG;
	address = config_bus_address(s, daemon, socket);
	o.address = address;
	o.max_message = s->bus.max_admin;
	code = ask(daemon, &o, kind, body, deadline_ms, reply);
	free(address);
	return code;
}
