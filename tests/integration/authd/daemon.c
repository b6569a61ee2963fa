/* SPDX-License-Identifier: MIT */
#include "daemon.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/addr.h"

#define WAIT_MS 60000	/* more than any machine needs */

extern char **environ;

const char *daemon_binary;

/* ---- files ---- */

static char *
path_of(const struct daemon *d, const char *name)
{
	return xasprintf("%s/%s", d->dir, name);
}

static void
write_file(const struct daemon *d, const char *name, const char *text)
{
	char *path = path_of(d, name), *part = xasprintf("%s.part", path);
	FILE *f = fopen(part, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fchmod(fileno(f), 0600), 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(part, path), 0);
	free(part);
	free(path);
}

void
daemon_write_users(const struct daemon *d, const char *users)
{
	write_file(d, "users.toml", users);
}

char *
daemon_users_path(const struct daemon *d)
{
	return path_of(d, "users.toml");
}

static struct rpc_client *
client(const struct daemon *d, const char *name, size_t max_message)
{
	char *address = xasprintf("ipc://%s/run/%s.sock", d->dir, name);
	const struct rpc_client_options o = {
		.address = address, .name = name, .max_message = max_message,
		.reconnect_max_ms = 100, .unconnected_ms = WAIT_MS,
	};
	struct rpc_client *c;
	struct err err;

	if (rpc_client_new(&c, &o, &err) != 0)
		fail_msg("%s", err.text);
	free(address);
	return c;
}

void
daemon_init(struct daemon *d, const char *users)
{
	char *text;

	*d = (struct daemon){ .dir = "/tmp/sallyport-authd-XXXXXX" };
	assert_non_null(mkdtemp(d->dir));
	text = xasprintf(
	    "[authd]\nuser = \"\"\ngroup = \"\"\n"
	    "run_dir = \"%s/run\"\nstate_dir = \"%s/state\"\n"
	    "users_file = \"%s/users.toml\"\nadmin_listen = \"127.0.0.1:0\"\n"
	    "hash_workers = 2\nqueue = 128\n"
	    "deadline = \"60s\"\ngroup_timeout = \"30s\"\n"
	    "[authd.guessing]\nper_user = 0\nper_source = 0\n"
	    "delay_base = \"0\"\n"
	    "[log]\nformat = \"logfmt\"\nlevel = \"debug\"\n",
	    d->dir, d->dir, d->dir);
	write_file(d, "sallyport.toml", text);
	free(text);
	if (users != NULL)
		daemon_write_users(d, users);
	d->auth = client(d, "auth", 65536);
	d->admin = client(d, "admin_auth", 32 << 20);
}

char *
daemon_output(const struct daemon *d)
{
	char *path = path_of(d, "output"), part[4096];
	struct bytes b = { 0 };
	FILE *f = fopen(path, "re");
	size_t n;

	while (f != NULL && (n = fread(part, 1, sizeof(part), f)) > 0)
		bytes_add(&b, part, n);
	if (f != NULL)
		fclose(f);
	bytes_add(&b, "", 1);
	free(path);
	return b.ptr;
}

static unsigned
times_said(const struct daemon *d, const char *text)
{
	char *all = daemon_output(d);
	unsigned n = 0;

	for (char *p = all; (p = strstr(p, text)) != NULL; p++)
		n++;
	free(all);
	return n;
}

bool
daemon_said(const struct daemon *d, const char *text)
{
	return times_said(d, text) > 0;
}

void
daemon_wait_said(const struct daemon *d, const char *text, unsigned n)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	uint64_t end = clock_mono_ms() + WAIT_MS;

	while (times_said(d, text) < n) {
		if (clock_mono_ms() > end) {
			char *all = daemon_output(d);

			print_error("%s\n", all);
			free(all);
			fail_msg("never said %s", text);
		}
		nanosleep(&pause, NULL);
	}
}

/* ---- the process ---- */

static pid_t
spawn(const struct daemon *d, const char *flag)
{
	char *config = path_of(d, "sallyport.toml");
	char *output = path_of(d, "output");
	char *argv[] = { (char *)"sallyport-authd", (char *)"--config",
		config, (char *)flag, NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, output,
	    O_WRONLY | O_CREAT | O_APPEND, 0600);
	posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO,
	    STDOUT_FILENO);
	assert_int_equal(posix_spawn(&pid, daemon_binary, &actions, NULL,
	    argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	free(config);
	free(output);
	return pid;
}

static int
wait_for(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status)
				 : 128 + WTERMSIG(status);
}

int
daemon_run(const struct daemon *d, const char *flag)
{
	return wait_for(spawn(d, flag));
}

void
daemon_start(struct daemon *d)
{
	unsigned before = times_said(d, "event=started");

	assert_int_equal(d->pid, 0);
	d->pid = spawn(d, NULL);
	daemon_wait_said(d, "event=started", before + 1);
}

/* What is asked from here on is asked of the next one. */
static void
wait_parted(const struct rpc_client *c)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t end = clock_mono_ms() + WAIT_MS;

	while (c != NULL && rpc_client_connected(c)) {
		assert_true(clock_mono_ms() < end);
		nanosleep(&pause, NULL);
	}
}

int
daemon_end(struct daemon *d, int sig)
{
	int rc;

	assert_true(d->pid > 0);
	assert_int_equal(kill(d->pid, sig), 0);
	rc = wait_for(d->pid);
	d->pid = 0;
	wait_parted(d->auth);
	wait_parted(d->admin);
	return rc;
}

/* Of the last start; it stands in the log. */
static struct endpoint
admin_address(const struct daemon *d)
{
	char *all = daemon_output(d), *at = NULL;
	struct endpoint e;

	for (char *p = all; (p = strstr(p, "admin=")) != NULL; p++)
		at = p + strlen("admin=");
	assert_non_null(at);
	assert_true(endpoint_parse(&e,
	    (struct str){ at, strcspn(at, " \n") }));
	free(all);
	return e;
}

char *
daemon_get(const struct daemon *d, const char *path)
{
	struct endpoint e = admin_address(d);
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&e, &sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct bytes b = { 0 };
	char part[4096];
	ssize_t n;

	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	dprintf(fd, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	    path);
	while ((n = read(fd, part, sizeof(part))) > 0)
		bytes_add(&b, part, (size_t)n);
	close(fd);
	bytes_add(&b, "", 1);
	return b.ptr;
}

static int
remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

void
daemon_fini(struct daemon *d)
{
	rpc_client_free(&d->auth);
	rpc_client_free(&d->admin);
	if (d->pid > 0)
		assert_int_equal(daemon_end(d, SIGTERM), 0);
	assert_int_equal(nftw(d->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS),
	    0);
}
