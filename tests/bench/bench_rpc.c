/* SPDX-License-Identifier: MIT */
/*
 * What a request over the bus costs: µs of CPU a call, on the asking and on
 * the answering side, for several numbers of calls in flight.
 *
 * usage: bench_rpc [CALLS]. It starts itself again as the server, which ends
 * when its standard input does.
 */
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "msg/rpc_client.h"
#include "msg/rpc_server.h"

#define BODY_BYTES 160		/* about a DecideRequest */
#define MAX_MESSAGE 65536

extern char **environ;

struct bench {
	struct rpc_desk *desk;
	unsigned long started, done, failed, wanted;
};

static void
echo(void *arg, struct rpc_request *r)
{
	(void)arg;
	rpc_reply(r, rpc_request_body(r));
}

static int
serve(const char *address)
{
	static const struct rpc_method methods[] = {
		{ KIND_DECIDE, "echo", echo, true },
		{ 0 },
	};
	struct rpc_server_options o = { .address = address, .name = "bench",
		.max_message = MAX_MESSAGE, .contexts = 64,
		.methods = methods, .group = (unsigned)-1 };
	struct rpc_server *server;
	struct err err;
	char c;

	if (rpc_server_start(&server, &o, &err) != 0)
		die("%s", err.text);
	while (read(STDIN_FILENO, &c, 1) > 0)
		continue;
	rpc_server_stop(&server);
	return 0;
}

static uint64_t
cpu_us(const struct rusage *u)
{
	return (uint64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000000 +
	    (uint64_t)(u->ru_utime.tv_usec + u->ru_stime.tv_usec);
}

static void call(struct bench *b);

static void
on_done(void *arg, enum rpc_result result, struct str body)
{
	struct bench *b = arg;

	b->done++;
	b->failed += result != RPC_OK || body.len != BODY_BYTES;
	if (b->started < b->wanted)
		call(b);
}

static void
call(struct bench *b)
{
	static const char body[BODY_BYTES];

	if (rpc_call_start(b->desk, KIND_DECIDE,
	    (struct str){ body, sizeof(body) }, 5000, true, on_done, b) == NULL)
		die("no call left");
	b->started++;
}

static void
ask(const char *address, unsigned in_flight, unsigned long calls)
{
	struct rpc_client_options o = { .address = address, .name = "bench",
		.max_message = MAX_MESSAGE, .reconnect_max_ms = 100,
		.unconnected_ms = 5000 };
	struct bench b = { .wanted = calls };
	struct mailbox *m = mailbox_new();
	struct pollfd p = { .fd = mailbox_fd(m), .events = POLLIN };
	struct rpc_client *client;
	struct err err;

	/* One more: a call is given back after its done(). */
	if (rpc_client_new(&client, &o, &err) != 0 ||
	    rpc_desk_new(&b.desk, client, m, in_flight + 1, &err) != 0)
		die("%s", err.text);
	for (unsigned i = 0; i < in_flight; i++)
		call(&b);
	while (b.done < b.wanted) {
		poll(&p, 1, -1);
		mailbox_deliver(m);
	}
	if (b.failed > 0)
		die("%lu calls failed", b.failed);
	rpc_desk_free(&b.desk);
	rpc_client_free(&client);
	mailbox_free(&m);
}

static pid_t
start_server(char *self, char *address, int *in)
{
	char *argv[] = { self, (char *)"--serve", address, NULL };
	posix_spawn_file_actions_t fa;
	int pipes[2];
	pid_t pid;

	if (pipe(pipes) != 0)
		die("pipe");
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, pipes[0], STDIN_FILENO);
	posix_spawn_file_actions_addclose(&fa, pipes[0]);
	posix_spawn_file_actions_addclose(&fa, pipes[1]);
	if (posix_spawn(&pid, self, &fa, NULL, argv, environ) != 0)
		die("cannot start %s", self);
	posix_spawn_file_actions_destroy(&fa);
	close(pipes[0]);
	*in = pipes[1];
	return pid;
}

/* A server each, so that wait4 tells what this number cost it. */
static void
measure(char *self, char *address, unsigned in_flight, unsigned long calls)
{
	struct rusage before, after, server;
	uint64_t t0, us;
	int in;
	pid_t pid = start_server(self, address, &in);

	getrusage(RUSAGE_SELF, &before);
	t0 = clock_mono_us();
	ask(address, in_flight, calls);
	us = clock_mono_us() - t0;
	getrusage(RUSAGE_SELF, &after);
	close(in);
	wait4(pid, NULL, 0, &server);
	printf("%10u %12.1f %12.1f %12.1f\n", in_flight,
	    (double)(cpu_us(&after) - cpu_us(&before)) / (double)calls,
	    (double)cpu_us(&server) / (double)calls,
	    (double)us / (double)calls);
}

int
main(int argc, char **argv)
{
	static const unsigned in_flight[] = { 1, 8, 64 };
	unsigned long calls = 20000;
	char dir[] = "/tmp/bench_rpc.XXXXXX", self[] = "/proc/self/exe";
	char *address;

	if (argc == 3 && strcmp(argv[1], "--serve") == 0)
		return serve(argv[2]);
	if (argc == 2)
		calls = strtoul(argv[1], NULL, 10);
	if (calls == 0 || argc > 2 || mkdtemp(dir) == NULL)
		die("usage: bench_rpc [CALLS]");
	address = xasprintf("ipc://%s/bench", dir);
	printf("%10s %12s %12s %12s\n", "in flight", "asker us",
	    "answerer us", "wall us");
	for (size_t i = 0; i < ARRAY_LEN(in_flight); i++)
		measure(self, address, in_flight[i], calls);
	free(address);
	rmdir(dir);
	return 0;
}
