/* SPDX-License-Identifier: MIT */
#include "daemon.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "msg/topic.h"
#include "net/addr.h"
#include "proto/policy.pb-c.h"

#define WAIT_MS 60000	/* more than any machine needs */

const char *daemon_binary;

struct heartbeats {
	pthread_mutex_t m;
	pthread_cond_t wake;
	struct heartbeat_seen last;	/* guarded by m */
};

/* ---- files ---- */

static void
write_file(const char *dir, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name);
	char *part = xasprintf("%s.part", path);
	FILE *f = fopen(part, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(part, path), 0);
	free(part);
	free(path);
}

void
daemon_write_policy(const struct daemon *d, const char *policy)
{
	write_file(d->dir, "acl.toml", policy);
}

void
daemon_init(struct daemon *d, const char *policy)
{
	char *text;

	memset(d, 0, sizeof(*d));
	strcpy(d->dir, "/tmp/sallyport-acld-XXXXXX");
	assert_non_null(mkdtemp(d->dir));
	text = xasprintf(
	    "[acld]\nuser = \"\"\ngroup = \"\"\n"
	    "run_dir = \"%s/run\"\nstate_dir = \"%s/state\"\n"
	    "policy_file = \"%s/acl.toml\"\nadmin_listen = \"127.0.0.1:0\"\n"
	    "heartbeat = \"50ms\"\nown_addresses = [\"198.51.100.0/24\"]\n"
	    "[log]\nformat = \"logfmt\"\nlevel = \"debug\"\n",
	    d->dir, d->dir, d->dir);
	write_file(d->dir, "sallyport.toml", text);
	free(text);
	text = xasprintf("%s/run", d->dir);
	assert_int_equal(mkdir(text, 0750), 0);
	free(text);
	text = xasprintf("%s/state", d->dir);
	assert_int_equal(mkdir(text, 0750), 0);
	free(text);
	daemon_write_policy(d, policy);
}

char *
daemon_output(const struct daemon *d)
{
	char *path = xasprintf("%s/stderr", d->dir), part[4096];
	struct bytes b = { NULL, 0, 0 };
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

bool
daemon_said(const struct daemon *d, const char *text)
{
	char *all = daemon_output(d);
	bool said = strstr(all, text) != NULL;

	free(all);
	return said;
}

/* ---- the process ---- */

static pid_t
spawn(const struct daemon *d, const char *flag)
{
	char *config = xasprintf("%s/sallyport.toml", d->dir);
	char *output = xasprintf("%s/stderr", d->dir);
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open(output, O_WRONLY | O_CREAT | O_APPEND, 0600);

		dup2(fd, STDERR_FILENO);
		dup2(fd, STDOUT_FILENO);
		execl(daemon_binary, "sallyport-acld", "--config", config,
		    flag, NULL);
		_exit(127);
	}
	assert_true(pid > 0);
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

static void
on_heartbeat(void *arg, struct str message)
{
	struct heartbeats *b = arg;
	Sallyport__Pb__PolicyHeartbeat *m =
	    sallyport__pb__policy_heartbeat__unpack(NULL, message.len,
		(const uint8_t *)message.ptr);

	if (m == NULL)
		return;
	pthread_mutex_lock(&b->m);
	if (m->instance.len == sizeof(b->last.instance.b))
		memcpy(b->last.instance.b, m->instance.data, m->instance.len);
	b->last.generation = m->generation;
	b->last.at_ms = clock_mono_ms();
	b->last.n++;
	pthread_cond_broadcast(&b->wake);
	pthread_mutex_unlock(&b->m);
	sallyport__pb__policy_heartbeat__free_unpacked(m, NULL);
}

static struct rpc_client *
client(const struct daemon *d, const char *socket, size_t max)
{
	char *address = xasprintf("ipc://%s/run/%s", d->dir, socket);
	struct rpc_client_options o = { .address = address, .name = socket,
		.max_message = max, .reconnect_max_ms = 50,
		.unconnected_ms = WAIT_MS };
	struct rpc_client *c;
	struct err err;

	if (rpc_client_new(&c, &o, &err) != 0)
		fail_msg("%s", err.text);
	free(address);
	return c;
}

static void
listen_to(struct daemon *d)
{
	char *address = xasprintf("ipc://%s/run/policy.sock", d->dir);
	struct topic_options o = { .address = address, .name = "policy",
		.max_message = 65536, .reconnect_max_ms = 50, .queue = 16,
		.group = (unsigned)-1 };
	struct err err;

	d->beats = xcalloc(1, sizeof(*d->beats));
	pthread_mutex_init(&d->beats->m, NULL);
	pthread_cond_init(&d->beats->wake, NULL);
	if (topic_sub_open(&d->topic, &o, on_heartbeat, d->beats, &err) != 0)
		fail_msg("%s", err.text);
	free(address);
}

void
daemon_start(struct daemon *d)
{
	struct heartbeat_seen old;

	if (d->topic == NULL) {
		listen_to(d);
		d->decide = client(d, "decide.sock", 65536);
		d->admin = client(d, "admin_acl.sock", 1 << 20);
	}
	old = daemon_heartbeat(d);
	d->pid = spawn(d, NULL);
	daemon_wait_change(d, old);
}

/* What is asked from here on is asked of the next one. */
static void
wait_parted(const struct rpc_client *c)
{
	for (unsigned waited = 0; rpc_client_connected(c); waited++) {
		assert_true(waited < WAIT_MS);
		poll(NULL, 0, 1);
	}
}

int
daemon_end(struct daemon *d, int sig)
{
	pid_t pid = d->pid;
	int rc;

	d->pid = 0;
	assert_int_equal(kill(pid, sig), 0);
	rc = wait_for(pid);
	wait_parted(d->decide);
	wait_parted(d->admin);
	return rc;
}

void
daemon_fini(struct daemon *d)
{
	static const char *const files[] = { "acl.toml", "acl.toml.part",
		"sallyport.toml", "stderr", "run/decide.sock",
		"run/admin_acl.sock", "run/policy.sock", "run", "state" };

	if (d->pid != 0)
		daemon_end(d, SIGKILL);
	rpc_client_free(&d->decide);
	rpc_client_free(&d->admin);
	topic_sub_close(&d->topic);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char *path = xasprintf("%s/%s", d->dir, files[i]);

		(void)remove(path);
		free(path);
	}
	assert_int_equal(rmdir(d->dir), 0);
	if (d->beats != NULL) {
		pthread_cond_destroy(&d->beats->wake);
		pthread_mutex_destroy(&d->beats->m);
	}
	free(d->beats);
}

/* ---- waiting ---- */

struct heartbeat_seen
daemon_heartbeat(struct daemon *d)
{
	struct heartbeat_seen seen;

	pthread_mutex_lock(&d->beats->m);
	seen = d->beats->last;
	pthread_mutex_unlock(&d->beats->m);
	return seen;
}

static bool
is_other(const struct heartbeat_seen *a, const struct heartbeat_seen *b)
{
	return a->generation != b->generation ||
	    !id_eq(&a->instance, &b->instance);
}

/* Until it is other than `old`, or until `beats` more came when not 0. */
static struct heartbeat_seen
wait_beat(struct daemon *d, struct heartbeat_seen old, unsigned beats)
{
	struct heartbeats *b = d->beats;
	struct timespec until;
	bool late = false;
	struct heartbeat_seen seen;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_MS / 1000;
	pthread_mutex_lock(&b->m);
	while (!late && (beats > 0 ? b->last.n - old.n < beats
				   : !is_other(&b->last, &old)))
		late = pthread_cond_timedwait(&b->wake, &b->m, &until) != 0;
	seen = b->last;
	pthread_mutex_unlock(&b->m);
	if (late) {
		char *all = daemon_output(d);

		print_error("%s", all);
		free(all);
		fail_msg("no heartbeat of that kind");
	}
	return seen;
}

struct heartbeat_seen
daemon_wait_change(struct daemon *d, struct heartbeat_seen old)
{
	return wait_beat(d, old, 0);
}

struct heartbeat_seen
daemon_wait_beats(struct daemon *d, unsigned n)
{
	return wait_beat(d, daemon_heartbeat(d), n);
}

void
daemon_wait_said(struct daemon *d, const char *text)
{
	for (unsigned waited = 0; !daemon_said(d, text); waited += 10) {
		if (waited >= WAIT_MS)
			fail_msg("never said: %s", text);
		poll(NULL, 0, 10);
	}
}

/* ---- the admin address ---- */

static int
connect_admin(const struct daemon *d)
{
	char *all = daemon_output(d), *at = all, *next;
	struct sockaddr_storage sa;
	struct endpoint e;
	socklen_t len;
	int fd;

	while ((next = strstr(at, "admin=")) != NULL)
		at = next + strlen("admin=");	/* the last start's */
	assert_true(endpoint_parse(&e, (struct str){ at, strcspn(at, " \n") }));
	free(all);
	len = endpoint_to_sockaddr(&e, &sa);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	return fd;
}

char *
daemon_get(const struct daemon *d, const char *path)
{
	struct bytes b = { NULL, 0, 0 };
	char part[4096];
	ssize_t n;
	int fd = connect_admin(d);
	char *request = xasprintf("GET %s HTTP/1.1\r\nHost: localhost\r\n"
	    "Connection: close\r\n\r\n", path);

	assert_int_equal(write(fd, request, strlen(request)),
	    strlen(request));
	while ((n = read(fd, part, sizeof(part))) > 0)
		bytes_add(&b, part, (size_t)n);
	bytes_add(&b, "", 1);
	close(fd);
	free(request);
	return b.ptr;
}
