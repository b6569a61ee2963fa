/* SPDX-License-Identifier: MIT */
/*
 * kill -9 of the server while calls are out. The server is a program of its
 * own (argument 1), started by exec: nng does not survive a fork.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "peer.h"

#define LONG 20000
#define KILLS 25
#define STOPS 10
#define IN_FLIGHT 32

extern char **environ;

static char *victim_path;

struct fixture {
	struct place place;
	pid_t pid;
	int out;		/* what the victim says */
	struct rpc_client *client;
	struct mailbox *mailbox;
	struct rpc_desk *desk;
	unsigned done, ok, lost, other;
};

static void
wait_for_word(struct fixture *f, char word)
{
	struct pollfd p = { .fd = f->out, .events = POLLIN };
	char c;

	assert_int_equal(poll(&p, 1, PEER_PATIENCE_MS), 1);
	assert_int_equal(read(f->out, &c, 1), 1);
	assert_int_equal(c, word);
}

static void
victim_start(struct fixture *f)
{
	char *argv[] = { victim_path, f->place.address, NULL };
	posix_spawn_file_actions_t fa;
	int out[2];

	assert_int_equal(pipe(out), 0);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, out[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&fa, out[0]);
	posix_spawn_file_actions_addclose(&fa, out[1]);
	assert_int_equal(posix_spawn(&f->pid, victim_path, &fa, NULL, argv,
	    environ), 0);
	posix_spawn_file_actions_destroy(&fa);
	close(out[1]);
	f->out = out[0];
	wait_for_word(f, 'r');
}

static int
victim_end(struct fixture *f, int sig)
{
	int status;

	kill(f->pid, sig);
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	close(f->out);
	f->pid = 0;
	return status;
}

static void
victim_kill(struct fixture *f)
{
	assert_true(WIFSIGNALED(victim_end(f, SIGKILL)));
}

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err err;

	place_init(&f->place);
	victim_start(f);
	f->client = client_new(f->place.address, LONG);
	f->mailbox = mailbox_new();
	assert_non_null(f->mailbox);
	assert_int_equal(rpc_desk_new(&f->desk, f->client, f->mailbox,
	    IN_FLIGHT + 1, &err), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	if (f->pid != 0)
		victim_kill(f);
	rpc_desk_free(&f->desk);
	rpc_client_free(&f->client);
	mailbox_free(&f->mailbox);
	place_fini(&f->place);
	free(f);
	return 0;
}

static void
on_done(void *arg, enum rpc_result r, struct str body)
{
	struct fixture *f = arg;

	(void)body;
	f->done++;
	f->ok += r == RPC_OK;
	f->lost += r == RPC_UNREACHABLE;
	f->other += r != RPC_OK && r != RPC_UNREACHABLE;
}

static void
start(struct fixture *f, int kind, bool idempotent)
{
	assert_non_null(rpc_call_start(f->desk, (enum rpc_kind)kind, STR("x"),
	    LONG, idempotent, on_done, f));
}

static void
deliver_until(struct fixture *f, unsigned done)
{
	struct pollfd p = { .fd = mailbox_fd(f->mailbox), .events = POLLIN };

	while (f->done < done) {
		assert_int_equal(poll(&p, 1, PEER_PATIENCE_MS), 1);
		mailbox_deliver(f->mailbox);
	}
}

/* Long before the deadline, and it is not asked again of the next server. */
static void
test_call_is_lost_at_once(void **state)
{
	struct fixture *f = *state;
	uint64_t before = clock_mono_ms();
	struct server next;

	start(f, HOLD, false);
	wait_for_word(f, 'h');
	victim_kill(f);
	deliver_until(f, 1);
	assert_int_equal(f->lost, 1);
	assert_true(clock_mono_ms() - before < LONG / 2);
	server_start(&next, f->place.address, 4);
	start(f, ECHO, false);
	deliver_until(f, 2);
	assert_int_equal(f->ok, 1);
	assert_int_equal(rpc_server_stats(next.rpc).requests, 1);
	assert_int_equal(server_held(&next), 0);
	server_stop(&next);
}

static void
test_idempotent_call_is_asked_again(void **state)
{
	struct fixture *f = *state;
	struct server next;

	start(f, HOLD, true);
	wait_for_word(f, 'h');
	victim_kill(f);
	server_start(&next, f->place.address, 4);
	WAIT_FOR(server_held(&next) == 1);
	server_release(&next);
	deliver_until(f, 1);
	assert_int_equal(f->ok, 1);
	server_stop(&next);
}

/* Asked again, but nobody comes: the time for that is unconnected_ms. */
static void
test_idempotent_call_and_nobody_comes(void **state)
{
	struct fixture *f = *state;
	struct rpc_desk *desk;
	struct rpc_client *c = client_new(f->place.address, 50);
	uint64_t before;
	struct err err;

	assert_int_equal(rpc_desk_new(&desk, c, f->mailbox, 1, &err), 0);
	WAIT_FOR(rpc_client_connected(c));
	assert_non_null(rpc_call_start(desk, (enum rpc_kind)HOLD, STR("x"),
	    LONG, true, on_done, f));
	wait_for_word(f, 'h');
	before = clock_mono_ms();
	victim_kill(f);
	deliver_until(f, 1);
	assert_int_equal(f->lost, 1);
	assert_true(clock_mono_ms() - before < LONG / 2);
	rpc_desk_free(&desk);
	rpc_client_free(&c);
}

/* Connected, with `n` more answers come and as many calls out as can be. */
static void
load(struct fixture *f, unsigned n)
{
	unsigned want = f->ok + n;

	while (f->ok < want) {
		while (rpc_desk_in_flight(f->desk) < IN_FLIGHT)
			start(f, ECHO, false);
		deliver_until(f, f->done + 1);
	}
}

/*
 * Under load, again and again: nng 1.5.2 loses its reaper at some of these,
 * and the client must find back all the same.
 */
static void
test_kills_under_load(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < KILLS; i++) {
		load(f, 200);
		kill(f->pid, SIGKILL);
		for (unsigned k = 0; k < IN_FLIGHT; k++)
			if (rpc_desk_in_flight(f->desk) < IN_FLIGHT)
				start(f, ECHO, false);
		victim_kill(f);
		victim_start(f);
	}
	deliver_until(f, f->done + rpc_desk_in_flight(f->desk));
	assert_int_equal(f->other, 0);
}

/* It was asked to stop while it answers, and that is no way to die. */
static void
test_stops_under_load(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < STOPS; i++) {
		int status;

		load(f, 200);
		status = victim_end(f, SIGTERM);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
		victim_start(f);
	}
	deliver_until(f, f->done + rpc_desk_in_flight(f->desk));
	assert_int_equal(f->other, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(test_call_is_lost_at_once),
		CASE(test_idempotent_call_is_asked_again),
		CASE(test_idempotent_call_and_nobody_comes),
		CASE(test_kills_under_load),
		CASE(test_stops_under_load),
	};

	if (argc != 2)
		die("usage: test_msg_rpc_kill VICTIM");
	victim_path = argv[1];
	log_setup("test", LOG_ERROR, LOG_FORMAT_TEXT, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
