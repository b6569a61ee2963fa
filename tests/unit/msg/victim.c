/* SPDX-License-Identifier: MIT */
/*
 * A server to be killed: echoes KIND_DECIDE, never answers KIND_AUTH. Says
 * "r" on standard output when it serves and "h" for each request it sits on.
 * SIGTERM stops it in order.
 */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "msg/rpc_server.h"

static void
say(const char *what)
{
	if (write(STDOUT_FILENO, what, 1) != 1)
		_exit(1);
}

static void
on_echo(void *arg, struct rpc_request *r)
{
	(void)arg;
	rpc_reply(r, rpc_request_body(r));
}

static void
on_hold(void *arg, struct rpc_request *r)
{
	(void)arg;
	(void)r;
	say("h");
}

int
main(int argc, char **argv)
{
	static const struct rpc_method methods[] = {
		{ KIND_DECIDE, "echo", on_echo },
		{ KIND_AUTH, "hold", on_hold },
		{ 0 },
	};
	struct rpc_server_options o = { .name = "victim",
		.max_message = 65536, .contexts = 64, .methods = methods,
		.group = (unsigned)-1 };
	struct rpc_server *s;
	struct err err;
	sigset_t term;
	int sig;

	if (argc != 2)
		die("usage: victim ADDRESS");
	o.address = argv[1];
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &term, NULL);	/* nng's threads too */
	if (rpc_server_start(&s, &o, &err) != 0)
		die("%s", err.text);
	say("r");
	while (sigwait(&term, &sig) != 0)
		;
	rpc_server_stop(&s);
	return 0;
}
