/* SPDX-License-Identifier: MIT */
/*
 * usage: test_load FLOOR
 *
 * Each mode of the load, straight to the targets and through the floor, with
 * counts and never with times.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"
#include "targets.h"

#define MUCH (4 << 20)		/* so that the floor splices */

static const char *floor_path;
static struct targets targets;
static uint16_t floor_port;
static pid_t serving, relaying;
static struct load_result result;

static struct sockaddr_in
loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* A port where nobody listens, and that is given to nobody else until this
 * process ends; the floor, which shares its port, may have it. */
static uint16_t
own_port(void)
{
	struct sockaddr_in a = loopback(0);
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one,
	    sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	/* cppcheck-suppress resourceLeak; it is what keeps the port */
	return ntohs(a.sin_port);
}

static bool
connects(uint16_t port)
{
	struct sockaddr_in a = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool yes = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	close(fd);
	return yes;
}

static int child_in = -1;	/* open in the child, it would never end */

/* A child that does not outlive this process. */
static pid_t
spawn(void (*run)(void))
{
	pid_t parent = getpid(), pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(1);
	if (child_in >= 0)
		close(child_in);
	run();
	_exit(1);
}

static void
run_targets(void)
{
	targets_serve(&targets);
}

static void
run_floor(void)
{
	char port[8];

	snprintf(port, sizeof(port), "%u", floor_port);
	execl(floor_path, floor_path, port, "1", (char *)NULL);
}

static int
start_all(void **state)
{
	(void)state;
	targets_listen(&targets, 0);
	serving = spawn(run_targets);
	floor_port = own_port();
	relaying = spawn(run_floor);
	while (!connects(floor_port)) {
		assert_int_equal(waitpid(relaying, NULL, WNOHANG), 0);
		poll(NULL, 0, 5);
	}
	return 0;
}

static int
stop_all(void **state)
{
	(void)state;
	kill(serving, SIGKILL);
	kill(relaying, SIGKILL);
	waitpid(serving, NULL, 0);
	waitpid(relaying, NULL, 0);
	return 0;
}

static struct load_options
options(uint16_t proxy, enum target target)
{
	return (struct load_options){ .proxy_port = proxy,
		.target_port = targets.port[target], .conns = 8, .seconds = 30,
		.size = 64, .rate = 2000, .interval = 0.01 };
}

static void
run(const char *mode, const struct load_options *o)
{
	memset(&result, 0, sizeof(result));
	assert_int_equal(load_run(mode, o, &result), 0);
}

static uint64_t
failures(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < CLIENT_STAGES; i++)
		n += result.failed[i];
	return n;
}

/* The three ways there: straight, without and with a login. */
static void
test_counted(void **state)
{
	static const char *const modes[] = { "connections", "paced" };

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct load_options o = options(i % 3 == 0 ? 0 : floor_port,
		    TARGET_ECHO);

		o.count = 100;
		o.user = i % 3 == 2 ? "somebody" : NULL;
		o.password = "secret";
		run(modes[i / 3], &o);
		assert_int_equal(result.done, 100);
		assert_int_equal(failures(), 0);
		assert_int_equal(result.latency.n, 100);
	}
}

static void
test_trips(void **state)
{
	struct load_options o = options(floor_port, TARGET_ECHO);

	(void)state;
	o.seconds = 0.1;
	o.size = 65536;		/* more than one segment */
	do {
		run("trips", &o);
		assert_int_equal(result.latency.n, result.done);
		assert_int_equal(failures(), 0);
	} while (result.done == 0);
}

static void
test_bulk(void **state)
{
	struct load_options down = options(floor_port, TARGET_SOURCE);
	struct load_options up = options(floor_port, TARGET_SINK);

	(void)state;
	down.seconds = up.seconds = 0.1;
	do {
		run("down", &down);
		assert_int_equal(failures(), 0);
	} while (result.bytes <= MUCH);
	do {
		run("up", &up);
		assert_int_equal(failures(), 0);
	} while (result.bytes <= MUCH);
}

/* Nobody listens: each try fails, none hangs, none is counted as done. */
static void
test_refused(void **state)
{
	struct load_options o = options(own_port(), TARGET_ECHO);

	(void)state;
	o.count = 20;
	run("connections", &o);
	assert_int_equal(result.done, 0);
	assert_int_equal(result.failed[CLIENT_CONNECTING], 20);
}

/* A port that is no SOCKS server: the echo answers 05 01 with 05 01. */
static void
test_not_socks(void **state)
{
	struct load_options o = options(targets.port[TARGET_ECHO], TARGET_ECHO);

	(void)state;
	o.count = 20;
	run("connections", &o);
	assert_int_equal(result.done, 0);
	assert_int_equal(result.failed[CLIENT_GREETING], 20);
}

/* A load in a process of its own: `in` and `out` are its standard ones. */
struct child {
	pid_t pid;
	int in;
	FILE *out;
};

static const char *child_mode;
static const struct load_options *child_options;

static void
run_child(void)
{
	run(child_mode, child_options);
	printf("done %ju, failed %ju, cut %ju\n", (uintmax_t)result.done,
	    (uintmax_t)failures(), (uintmax_t)result.cut);
	fflush(stdout);
	_exit(0);
}

static struct child
child_start(const char *mode, const struct load_options *o)
{
	int in[2], out[2], saved[2] = { dup(0), dup(1) };
	struct child c;

	child_mode = mode;
	child_options = o;
	assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
	fflush(stdout);
	dup2(in[0], 0);
	dup2(out[1], 1);
	child_in = in[1];
	c.pid = spawn(run_child);
	child_in = -1;
	dup2(saved[0], 0);
	dup2(saved[1], 1);
	close(saved[0]);
	close(saved[1]);
	close(in[0]);
	close(out[1]);
	c.in = in[1];
	c.out = fdopen(out[0], "r");
	assert_non_null(c.out);
	return c;
}

static void
child_says(struct child *c, const char *expected)
{
	char line[80] = "";

	assert_non_null(fgets(line, sizeof(line), c->out));
	assert_string_equal(line, expected);
}

static void
child_ends(struct child *c)
{
	fclose(c->out);
	assert_int_equal(waitpid(c->pid, NULL, 0), c->pid);
}

static void
test_hold(void **state)
{
	struct load_options o = options(floor_port, TARGET_ECHO);
	struct child c;

	(void)state;
	o.conns = 300;		/* more than open at once */
	c = child_start("hold", &o);
	child_says(&c, "{\"held\": 300}\n");
	close(c.in);
	child_says(&c, "done 300, failed 0, cut 0\n");
	child_ends(&c);
}

/* Byte by byte; cut off, it comes again. */
static void
test_slow(void **state)
{
	struct load_options o = options(0, TARGET_ECHO);
	struct sockaddr_in a = loopback(0);
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd;
	uint8_t heard[4];
	struct child c;

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 4), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
	o.proxy_port = ntohs(a.sin_port);
	o.conns = 1;
	c = child_start("slow", &o);
	for (unsigned i = 0; i < 2; i++) {
		fd = accept(listener, NULL, NULL);
		assert_true(fd >= 0);
		assert_int_equal(recv(fd, heard, 4, MSG_WAITALL), 4);
		assert_memory_equal(heard, "\5\377\2\2", 4);
		if (i == 0)
			close(fd);
	}
	child_says(&c, "{\"held\": 1}\n");
	close(c.in);
	child_says(&c, "done 1, failed 0, cut 1\n");
	child_ends(&c);
	close(fd);
	close(listener);
}

static void
test_unknown_mode(void **state)
{
	struct load_options o = options(0, TARGET_ECHO);

	(void)state;
	assert_int_equal(load_run("nonsense", &o, &result), -1);
	assert_int_equal(load_run("", &o, &result), -1);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counted),
		cmocka_unit_test(test_trips),
		cmocka_unit_test(test_bulk),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_not_socks),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_unknown_mode),
	};

	if (argc != 2)
		return 2;
	floor_path = argv[1];
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
