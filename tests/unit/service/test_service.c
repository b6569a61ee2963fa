/* SPDX-License-Identifier: MIT */
/*
 * The life of a real process: fake_service, whose path is the one argument,
 * is started, signalled, asked over HTTP, and read on stderr.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "helper.h"
#include "service/health.h"

#define ARGS_MAX 12
#define EXIT_CONFIG 78

static const char *fake_path;

struct daemon {
	pid_t pid;
	int out;		/* its stdout and stderr */
	char text[65536];	/* what it wrote so far */
	size_t len;
	uint16_t port;
};

struct fixture {
	char *dir, *config;
	char *notify;		/* its NOTIFY_SOCKET */
	struct daemon d;
};

/* Spawns it with --config unless the first of `args` is "-"; `fake` becomes
 * its FAKE. */
static void
spawn(struct fixture *f, const char *fake, const char *const *args)
{
	char *argv[ARGS_MAX] = { (char *)(uintptr_t)"sallyport-acld" };
	char *word = xasprintf("FAKE=%s", fake);
	char *notify = xasprintf("NOTIFY_SOCKET=%s", f->notify);
	char *env[] = { word, notify, NULL };
	posix_spawn_file_actions_t actions;
	int fds[2], n = 1;

	if (args == NULL || strcmp(args[0], "-") != 0) {
		argv[n++] = (char *)(uintptr_t)"--config";
		argv[n++] = f->config;
	} else {
		args++;
	}
	for (; args != NULL && *args != NULL; args++)
		argv[n++] = (char *)(uintptr_t)*args;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO);
	assert_int_equal(posix_spawn(&f->d.pid, fake_path, &actions, NULL,
	    argv, env), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	f->d.out = fds[0];
	f->d.len = 0;
	f->d.text[0] = '\0';
	free(word);
	free(notify);
}

/* Reads on; false at the end of its output. */
static bool
read_more(struct daemon *d)
{
	struct pollfd p = { .fd = d->out, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, WAIT_MS) != 1)
		fail_msg("nothing more came after:\n%s", d->text);
	n = read(d->out, d->text + d->len, sizeof(d->text) - 1 - d->len);
	assert_true(n >= 0);
	d->len += (size_t)n;
	d->text[d->len] = '\0';
	return n > 0;
}

/* Waits until `what` was written, and forgets all up to it. */
static void
expect(struct daemon *d, const char *what)
{
	char *at;

	while ((at = strstr(d->text, what)) == NULL)
		if (!read_more(d))
			fail_msg("no \"%s\" in:\n%s", what, d->text);
	at += strlen(what);
	d->len -= (size_t)(at - d->text);
	memmove(d->text, at, d->len + 1);
}

/* Its exit code; all it wrote is in text. */
static int
await_end(struct daemon *d)
{
	int status;

	while (read_more(d))
		;
	close(d->out);
	assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
	d->pid = 0;
	if (!WIFEXITED(status))
		fail_msg("signal %d after:\n%s", WTERMSIG(status), d->text);
	return WEXITSTATUS(status);
}

/* Until it serves, on the port it says. */
static void
await_start(struct fixture *f)
{
	expect(&f->d, "event=started");
	expect(&f->d, "127.0.0.1:");
	while (strchr(f->d.text, '\n') == NULL)
		read_more(&f->d);
	f->d.port = (uint16_t)atoi(f->d.text);
	assert_true(f->d.port != 0);
}

static void
start(struct fixture *f, const char *fake)
{
	spawn(f, fake, NULL);
	await_start(f);
}

static void
signal_it(struct fixture *f, int sig)
{
	assert_int_equal(kill(f->d.pid, sig), 0);
}

static void
end(struct fixture *f)
{
	signal_it(f, SIGTERM);
	assert_int_equal(await_end(&f->d), 0);
	assert_non_null(strstr(f->d.text, "event=fake_stop"));
	assert_non_null(strstr(f->d.text, "event=stopped"));
}

static void
configure(struct fixture *f, const char *user, unsigned port,
    const char *more)
{
	char *text = xasprintf("[acld]\nadmin_listen = \"127.0.0.1:%u\"\n"
	    "user = \"%s\"\ngroup = \"\"\nrun_dir = \"%s/run\"\n"
	    "state_dir = \"%s/state\"\npolicy_file = \"%s/hang\"\n%s", port,
	    user, f->dir, f->dir, f->dir, more);

	write_file(f->config, text);
	free(text);
}

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->dir = make_dir();
	f->config = xasprintf("%s/s.toml", f->dir);
	f->notify = xasprintf("%s/notify", f->dir);
	configure(f, "", 0, "");
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	if (f->d.pid != 0) {
		kill(f->d.pid, SIGKILL);
		waitpid(f->d.pid, NULL, 0);
		close(f->d.out);
	}
	free(f->config);
	free(f->notify);
	remove_dir(f->dir);
	free(f);
	return 0;
}

static char answer[65536];

static int
get(struct fixture *f, const char *path)
{
	return http_get(f->d.port, path, answer, sizeof(answer));
}

/* Asks again for a while: the log says it a moment before the metric does. */
static void
assert_metric(struct fixture *f, const char *line)
{
	for (int left_ms = WAIT_MS; left_ms > 0; left_ms -= 10) {
		assert_int_equal(get(f, "/metrics"), 200);
		if (strstr(answer, line) != NULL)
			return;
		poll(NULL, 0, 10);
	}
	fail_msg("no %s in %s", line, answer);
}

/* The exit code of `--health` against the running one. */
static int
ask_health(struct fixture *f)
{
	char *address = xasprintf("acld.admin_listen=127.0.0.1:%u", f->d.port);
	struct fixture asker = *f;

	spawn(&asker, "", (const char *const[]){ "--health", "--set", address,
	    NULL });
	free(address);
	return await_end(&asker.d);
}

/* What is asked and ends: arguments, exit code, a part of the output. */
static void
test_modes(void **state)
{
	static const struct {
		const char *args[6], *fake;
		int rc;
		const char *part;
	} cases[] = {
		{ { "-", "--help" }, "", 0, "Usage: sallyport-acld" },
		{ { "-", "--version" }, "", 0, "sallyport-acld " },
		{ { "-", "--nonsense" }, "", 2,
		    "sallyport-acld: --nonsense: unknown option\n" },
		{ { "-", "--config" }, "", 2, "needs FILE" },
		{ { "--check" }, "", 0, "configuration ok\n" },
		{ { "--check" }, "bad-policy", 78, "/hang:1:1: bad\n" },
		{ { "--check", "--set", "acld.max_rules=0" }, "", 78,
		    "acld.max_rules" },
		{ { "--check", "--set", "acld.nonsense=0" }, "", 78,
		    "acld.nonsense" },
		{ { "-", "--check", "--config", "/none/x.toml" }, "", 78,
		    "/none/x.toml: No such file or directory" },
		{ { "-", "--config", "/none/x.toml" }, "", 78,
		    "/none/x.toml: No such file or directory" },
		{ { "--print-config" }, "", 0, "[acld]" },
		{ { "--print-config", "--set", "acld.max_rules=77" }, "", 0,
		    "max_rules = 77" },
		{ { "--migrate" }, "", 0, "event=fake_migrate" },
		{ { "--migrate" }, "", 0, "the database is up to date\n" },
		{ { "--migrate" }, "no-database", 1,
		    "sallyport-acld: database: cannot migrate\n" },
		{ { "--migrate" }, "bad-database", 78, "cannot migrate\n" },
		{ { "--migrate" }, "no-migrate", 2, "writes no database\n" },
		{ { "--health", "--set", "acld.admin_listen=127.0.0.1:1" }, "",
		    1, "sallyport-acld: 127.0.0.1:1: Connection refused\n" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc;

		spawn(f, cases[i].fake, cases[i].args);
		rc = await_end(&f->d);
		if (rc != cases[i].rc ||
		    strstr(f->d.text, cases[i].part) == NULL)
			fail_msg("case %zu: %d, %s", i, rc, f->d.text);
	}
}

static void
test_print_config_shows_own_sections(void **state)
{
	struct fixture *f = *state;

	spawn(f, "", (const char *const[]){ "--print-config", NULL });
	assert_int_equal(await_end(&f->d), 0);
	assert_non_null(strstr(f->d.text, "[bus]"));
	assert_non_null(strstr(f->d.text, "[log]"));
	assert_non_null(strstr(f->d.text, "[metrics]"));
	assert_null(strstr(f->d.text, "[proxy]"));
}

/* Every error, each with its place. */
static void
test_bad_configuration(void **state)
{
	struct fixture *f = *state;

	configure(f, "", 0, "max_rule = 1\nheartbeat = \"9h\"\n");
	spawn(f, "", NULL);
	assert_int_equal(await_end(&f->d), EXIT_CONFIG);
	assert_non_null(strstr(f->d.text, "s.toml:8:"));
	assert_non_null(strstr(f->d.text, "s.toml:9:"));
	assert_non_null(strstr(f->d.text, "max_rules"));
	assert_null(strstr(f->d.text, "event="));
}

static void
test_failing_starts(void **state)
{
	static const struct {
		const char *fake;
		int rc;
		const char *line;
	} cases[] = {
		{ "bind-fails", 1, "sallyport-acld: fake: cannot bind\n" },
		{ "start-fails", 1, "sallyport-acld: fake: cannot start\n" },
		{ "bad-policy", 78, "sallyport-acld: acl.toml:1:1: bad\n" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		spawn(f, cases[i].fake, NULL);
		assert_int_equal(await_end(&f->d), cases[i].rc);
		assert_non_null(strstr(f->d.text, cases[i].line));
		assert_null(strstr(f->d.text, "fake_stop"));
	}
}

static void
test_port_in_use(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *line;

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	configure(f, "", ntohs(sa.sin_port), "");
	spawn(f, "", NULL);
	assert_int_equal(await_end(&f->d), 1);
	line = xasprintf("sallyport-acld: 127.0.0.1:%u: Address already in use"
	    " (admin_listen)\n", ntohs(sa.sin_port));
	assert_string_equal(f->d.text, line);
	free(line);
	close(fd);
}

static void
test_missing_directory(void **state)
{
	struct fixture *f = *state;

	spawn(f, "", (const char *const[]){ "--set",
	    "acld.state_dir=/none/state", NULL });
	assert_int_equal(await_end(&f->d), 1);
	assert_string_equal(f->d.text, "sallyport-acld: state_dir /none/state: "
	    "No such file or directory; make it, or the directory it should "
	    "be in\n");
}

static void
test_unknown_user(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0)
		skip();
	configure(f, "no-such-user", 0, "");
	spawn(f, "", NULL);
	assert_int_equal(await_end(&f->d), 1);
	assert_non_null(strstr(f->d.text, "user \"no-such-user\" does not "
	    "exist; make it: useradd"));
}

/* The value of a line of /proc/<pid>/status, in `answer`. */
static const char *
status_of(pid_t pid, const char *name)
{
	char *path = xasprintf("/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	free(path);
	while (fgets(answer, sizeof(answer), file) != NULL)
		if (strncmp(answer, name, strlen(name)) == 0)
			break;
	fclose(file);
	answer[strcspn(answer, "\n")] = '\0';
	return answer + strlen(name);
}

#define RELOADED \
	"\nsallyport_config_last_reload_successful{component=\"acld\"} "

static void
test_serves_and_ends(void **state)
{
	struct fixture *f = *state;

	spawn(f, "", NULL);
	expect(&f->d, "stdin=/dev/null");
	await_start(f);
	assert_string_equal(status_of(f->d.pid, "Umask:\t"), "0027");
	assert_int_equal(get(f, "/healthz"), 200);
	assert_int_equal(get(f, "/readyz"), 200);
	assert_metric(f, "\nsallyport_fake_max_rules 1000000\n");
	assert_metric(f, RELOADED "1\n");
	assert_metric(f, "\nsallyport_log_messages_total{component=\"acld\","
	    "level=\"info\"} ");
	assert_metric(f, "\nsallyport_log_messages_lost_total"
	    "{component=\"acld\"} 0\n");
	signal_it(f, SIGINT);
	assert_int_equal(await_end(&f->d), 0);
	assert_non_null(strstr(f->d.text, "fake_drain"));
	assert_non_null(strstr(f->d.text, "event=fake_stop turns=4"));
}

static void
test_readiness(void **state)
{
	struct fixture *f = *state;

	start(f, "not-ready");
	assert_int_equal(ask_health(f), 1);
	assert_int_equal(get(f, "/healthz"), 200);
	assert_int_equal(get(f, "/readyz"), 503);
	assert_non_null(strstr(answer, "\r\n\r\nauthd: not connected\n"));
	signal_it(f, SIGHUP);
	expect(&f->d, "event=config_reloaded");
	assert_int_equal(get(f, "/readyz"), 200);
	assert_int_equal(ask_health(f), 0);
	end(f);
}

static void
test_second_signal_skips_the_drain(void **state)
{
	struct fixture *f = *state;

	start(f, "drains-for-ever");
	signal_it(f, SIGTERM);
	expect(&f->d, "event=fake_drain");
	assert_int_equal(get(f, "/readyz"), 503);
	assert_non_null(strstr(answer, "stop: draining"));
	end(f);
}

/* A successor has the admin address; the signal that asks for the drain which
 * is under way does not cut it short, the next does. */
static void
test_superseded(void **state)
{
	struct fixture *f = *state;
	struct endpoint at;
	struct err err = { 0 };
	siginfo_t info = { 0 };

	start(f, "superseded drains-for-ever");
	assert_true(endpoint_parse(&at, STR("127.0.0.1:1")));
	at.port = f->d.port;
	assert_int_equal(health_ask(&at, &err), 0);
	signal_it(f, SIGHUP);
	expect(&f->d, "event=fake_drain");
	assert_int_equal(health_ask(&at, &err), -1);
	assert_non_null(strstr(err.text, "Connection refused"));
	signal_it(f, SIGTERM);
	/* A signal that was read no longer waits. */
	for (const char *mask = ""; strcmp(mask, "0000000000000000") != 0;
	     poll(NULL, 0, 10))
		mask = status_of(f->d.pid, "ShdPnd:\t");
	poll(NULL, 0, 100);
	assert_int_equal(waitid(P_PID, (id_t)f->d.pid, &info,
	    WEXITED | WNOHANG | WNOWAIT), 0);
	assert_int_equal(info.si_pid, 0);
	end(f);
}

static void
test_takeover_is_not_for_all(void **state)
{
	struct fixture *f = *state;

	spawn(f, "", (const char *const[]){ "--takeover", NULL });
	assert_int_equal(await_end(&f->d), 2);
	assert_non_null(strstr(f->d.text, "--takeover: unknown option"));
}

static void
test_reload(void **state)
{
	struct fixture *f = *state;

	start(f, "");
	configure(f, "", 0, "max_rules = 5\n[log]\nlevel = \"debug\"\n");
	signal_it(f, SIGHUP);
	expect(&f->d, "event=fake_reload max_rules=5");
	expect(&f->d, "event=config_reloaded");
	assert_metric(f, "\nsallyport_fake_max_rules 5\n");
	/* log.level is in force from here on. */
	signal_it(f, SIGHUP);
	expect(&f->d, "event=fake_debug");
	expect(&f->d, "event=config_reloaded");
	end(f);
}

static void
test_reload_of_bad_configuration(void **state)
{
	struct fixture *f = *state;

	start(f, "");
	configure(f, "", 0, "max_rules = \"x\"\nnonsense = 1\n");
	signal_it(f, SIGHUP);
	expect(&f->d, "event=config_rejected");
	expect(&f->d, "s.toml:8:");
	expect(&f->d, "event=config_rejected");
	expect(&f->d, "s.toml:9:");
	assert_metric(f, RELOADED "0\n");
	assert_metric(f, "\nsallyport_fake_max_rules 1000000\n");
	unlink(f->config);
	signal_it(f, SIGHUP);
	expect(&f->d, "No such file or directory");
	configure(f, "", 0, "max_rules = 6\n");
	signal_it(f, SIGHUP);
	expect(&f->d, "event=config_reloaded");
	assert_metric(f, RELOADED "1\n");
	assert_metric(f, "\nsallyport_fake_max_rules 6\n");
	end(f);
}

static void
test_reload_refuses_restart_keys(void **state)
{
	struct fixture *f = *state;

	start(f, "");
	configure(f, "", 1, "max_rules = 5\n[bus]\nmax_batch = \"2MiB\"\n");
	signal_it(f, SIGHUP);
	expect(&f->d, "event=restart_needed");
	expect(&f->d, "bus.max_batch, acld.admin_listen");
	assert_metric(f, RELOADED "0\n");
	assert_metric(f, "\nsallyport_fake_max_rules 1000000\n");
	end(f);
}

static void
test_reload_that_the_daemon_refuses(void **state)
{
	struct fixture *f = *state;

	start(f, "reload-fails");
	configure(f, "", 0, "max_rules = 5\n");
	signal_it(f, SIGHUP);
	expect(&f->d, "event=config_rejected");
	expect(&f->d, "fake: cannot reload");
	assert_metric(f, RELOADED "0\n");
	assert_metric(f, "\nsallyport_fake_max_rules 1000000\n");
	end(f);
}

static void
test_stuck_main_thread(void **state)
{
	struct fixture *f = *state;
	char *hang = xasprintf("%s/hang", f->dir);

	start(f, "hangs");
	write_file(hang, "");
	signal_it(f, SIGHUP);
	expect(&f->d, "event=fake_hangs");
	assert_int_equal(get(f, "/healthz"), 503);
	unlink(hang);
	expect(&f->d, "event=config_reloaded");
	end(f);
	free(hang);
}

static void
test_drops_root(void **state)
{
	static const char *const sets[] = { "CapInh:\t", "CapPrm:\t",
		"CapEff:\t", "CapBnd:\t", "CapAmb:\t" };
	struct fixture *f = *state;

	if (geteuid() != 0)
		skip();
	configure(f, "nobody", 0, "");
	spawn(f, "", NULL);
	expect(&f->d, "event=fake_bind uid=0");
	expect(&f->d, "event=fake_start uid=65534 root_again=false "
	    "bus_group=65534 admin_group=65534");
	expect(&f->d, "event=started");
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		assert_string_equal(status_of(f->d.pid, sets[i]),
		    "0000000000000000");
	assert_string_equal(status_of(f->d.pid, "Uid:\t"),
	    "65534\t65534\t65534\t65534");
	assert_string_equal(status_of(f->d.pid, "NoNewPrivs:\t"), "1");
	end(f);
}

/* "daemon" and its number are the same wherever Debian is. */
static void
test_keeps_the_admin_group(void **state)
{
	static const char *const daemon[] = { "--set",
		"bus.admin_group=daemon", NULL };
	struct fixture *f = *state;

	if (geteuid() != 0)
		skip();
	configure(f, "nobody", 0, "");
	spawn(f, "", daemon);
	expect(&f->d, "bus_group=65534 admin_group=1 ");
	expect(&f->d, "event=started");
	assert_string_equal(status_of(f->d.pid, "Groups:\t"), "1 ");
	end(f);
	/* Who has no admin socket does not get it. */
	spawn(f, "no-administrators", daemon);
	expect(&f->d, "bus_group=65534 admin_group=65534 ");
	expect(&f->d, "event=started");
	assert_string_equal(status_of(f->d.pid, "Groups:\t"), " ");
	end(f);
}

static void
test_unknown_admin_group(void **state)
{
	struct fixture *f = *state;

	spawn(f, "", (const char *const[]){ "--set",
	    "bus.admin_group=no-such-group", NULL });
	assert_int_equal(await_end(&f->d), 78);
	assert_string_equal(f->d.text, "sallyport-acld: bus.admin_group: "
	    "group \"no-such-group\" does not exist; make it: groupadd "
	    "--system no-such-group\n");
}

/* systemd's side of the socket: what a whole life says, in order. */
static void
assert_notifies(struct fixture *f, const struct sockaddr_un *sa, size_t len)
{
	static const char *const states[] = { "READY=1", "RELOADING=1",
		"READY=1", "STOPPING=1" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char got[256];

	assert_int_equal(bind(fd, (const struct sockaddr *)sa,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)), 0);
	start(f, "");
	signal_it(f, SIGHUP);
	expect(&f->d, "event=config_reloaded");
	end(f);
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		ssize_t n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);

		assert_true(n > 0);
		got[n] = '\0';
		assert_int_equal(strncmp(got, states[i], strlen(states[i])),
		    0);
		if (i == 1)
			assert_non_null(strstr(got, "\nMONOTONIC_USEC="));
	}
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), -1);
	close(fd);
}

static void
test_notifies(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	memcpy(sa.sun_path, f->notify, strlen(f->notify));
	assert_notifies(f, &sa, strlen(f->notify));
}

static void
test_notifies_an_abstract_name(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	f->notify[0] = '@';	/* the rest of its path is a name like any */
	memcpy(sa.sun_path + 1, f->notify + 1, strlen(f->notify) - 1);
	assert_notifies(f, &sa, strlen(f->notify));
}

int
main(int argc, char **argv)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_modes),
		TEST(test_print_config_shows_own_sections),
		TEST(test_bad_configuration),
		TEST(test_failing_starts),
		TEST(test_port_in_use),
		TEST(test_missing_directory),
		TEST(test_unknown_user),
		TEST(test_keeps_the_admin_group),
		TEST(test_unknown_admin_group),
		TEST(test_serves_and_ends),
		TEST(test_readiness),
		TEST(test_second_signal_skips_the_drain),
		TEST(test_superseded),
		TEST(test_takeover_is_not_for_all),
		TEST(test_reload),
		TEST(test_reload_of_bad_configuration),
		TEST(test_reload_refuses_restart_keys),
		TEST(test_reload_that_the_daemon_refuses),
		TEST(test_stuck_main_thread),
		TEST(test_drops_root),
		TEST(test_notifies),
		TEST(test_notifies_an_abstract_name),
	};

	if (argc != 2)
		return 2;
	fake_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
