/* SPDX-License-Identifier: MIT */
#include "daemon.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypt/digest.h"

#define WAIT_MS 60000

const char *daemon_binary;

static char *
path_of(const struct daemon *d, const char *name)
{
	static char path[4][160];
	static unsigned at;

	at = (at + 1) % 4;
	snprintf(path[at], sizeof(path[at]), "%s/%s", d->base.dir, name);
	return path[at];
}

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
nap(void)
{
	const struct timespec ts = { 0, 5000000 };

	nanosleep(&ts, NULL);
}

char *
daemon_token(const char *name, const char *token, const char *rest)
{
	uint8_t digest[DIGEST_SIZE];
	struct bytes b = { 0 };

	digest_sha256(digest, token, strlen(token));
	bytes_fmt(&b, "[[tokens]]\nname = \"%s\"\nsha256 = \"", name);
	for (size_t i = 0; i < DIGEST_SIZE; i++)
		bytes_fmt(&b, "%02x", digest[i]);
	bytes_fmt(&b, "\"\n%s\n", rest);
	bytes_add(&b, "", 1);
	return b.ptr;
}

void
daemon_write_tokens(const struct daemon *d, const char *text)
{
	write_file(path_of(d, "tokens.new"), text);
	assert_int_equal(rename(path_of(d, "tokens.new"),
	    path_of(d, "tokens.toml")), 0);
}

void
daemon_init(struct daemon *d)
{
	struct bytes b = { 0 };
	char *token;

	memset(d, 0, sizeof(*d));
	base_open(&d->base);
	bytes_fmt(&b, "[log]\nformat = \"logfmt\"\nrepeat_limit = 0\n");
	for (unsigned i = 0; i < 2; i++)
		bytes_fmt(&b, "[%s]\nrun_dir = \"%s\"\nstate_dir = \"%s\"\n"
		    "user = \"\"\ngroup = \"\"\n"
		    "admin_listen = \"127.0.0.1:0\"\n", i == 0 ? "sessiond" :
		    "apid", d->base.dir, d->base.dir);
	bytes_fmt(&b, "listen = \"127.0.0.1:0\"\nthreads = 4\n"
	    "hosts = [\"api.example.com\"]\n");
	if (base_is_pg())
		bytes_fmt(&b, "database = \"%s\"\n", d->base.url);
	bytes_add(&b, "", 1);
	write_file(path_of(d, "sallyport.toml"), b.ptr);
	bytes_fini(&b);
	token = daemon_token("reader", DAEMON_TOKEN, "scopes = [\"read\"]");
	daemon_write_tokens(d, token);
	free(token);
}

static pid_t
launch(const struct daemon *d, const char *flag)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(path_of(d, "log"), O_WRONLY | O_CREAT |
		    O_APPEND, 0600);

		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execl(daemon_binary, "sallyport-apid", "--config",
		    path_of(d, "sallyport.toml"), flag, NULL);
		_exit(127);
	}
	return pid;
}

const char *
daemon_output(const struct daemon *d)
{
	static char text[1 << 18];
	FILE *f = fopen(path_of(d, "log"), "r");
	size_t n = 0;

	if (f != NULL) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	return text;
}

void
daemon_wait_said(const struct daemon *d, const char *text)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;

	while (strstr(daemon_output(d), text) == NULL) {
		if (clock_mono_ms() > until)
			fail_msg("it did not say %s but: %s", text,
			    daemon_output(d));
		nap();
	}
}

static uint16_t
port_after(const char *text, const char *mark)
{
	const char *at = strstr(text, mark);

	assert_non_null(at);
	return (uint16_t)strtoul(at + strlen(mark), NULL, 10);
}

void
daemon_start(struct daemon *d)
{
	unlink(path_of(d, "log"));
	d->pid = launch(d, NULL);
	daemon_wait_said(d, "event=started");
	d->port = port_after(daemon_output(d), "address=127.0.0.1:");
	d->admin = port_after(daemon_output(d), "admin=127.0.0.1:");
}

/* Kills it when it takes too long. */
static int
wait_for(pid_t pid)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_mono_ms() > until) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			fail_msg("it did not end");
		}
		nap();
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
}

int
daemon_run(const struct daemon *d, const char *flag)
{
	unlink(path_of(d, "log"));
	return wait_for(launch(d, flag));
}

int
daemon_end(struct daemon *d, int sig)
{
	pid_t pid = d->pid;

	d->pid = 0;
	kill(pid, sig);
	return wait_for(pid);
}

void
daemon_fini(struct daemon *d)
{
	if (d->pid != 0)
		daemon_end(d, SIGKILL);
	unlink(path_of(d, "log"));
	unlink(path_of(d, "tokens.toml"));
	unlink(path_of(d, "sallyport.toml"));
	base_close(&d->base);
}

/* ---- the client ---- */

int
daemon_connect(uint16_t port)
{
	const struct timeval limit = { WAIT_MS / 1000, 0 };
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(port), .sin_addr = { htonl(0x7f000001) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

void
daemon_send(uint16_t port, const void *p, size_t n, struct answer *out)
{
	int fd = daemon_connect(port);
	ssize_t got;

	*out = (struct answer){ .status = 0 };
	/* It may have closed before it took all. */
	(void)!send(fd, p, n, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	while (out->len < sizeof(out->text) - 1 && (got = read(fd, out->text +
	        out->len, sizeof(out->text) - 1 - out->len)) > 0)
		out->len += (size_t)got;
	close(fd);
	out->text[out->len] = '\0';
	out->body = strstr(out->text, "\r\n\r\n");
	if (strncmp(out->text, "HTTP/1.1 ", 9) == 0 && out->body != NULL) {
		out->status = atoi(out->text + 9);
		out->body += 4;
	}
}

int
daemon_get(const struct daemon *d, const char *target, const char *token,
    struct answer *out)
{
	struct bytes b = { 0 };

	bytes_fmt(&b, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n", target);
	if (token != NULL)
		bytes_fmt(&b, "Authorization: Bearer %s\r\n", token);
	bytes_fmt(&b, "\r\n");
	daemon_send(d->port, b.ptr, b.len, out);
	bytes_fini(&b);
	return out->status;
}

void
daemon_wait_status(const struct daemon *d, const char *target,
    const char *token, int want)
{
	static struct answer a;
	uint64_t until = clock_mono_ms() + WAIT_MS;

	while (daemon_get(d, target, token, &a) != want) {
		if (clock_mono_ms() > until)
			fail_msg("%s stays at %d: %s", target, a.status,
			    a.text);
		nap();
	}
}

void
daemon_wait_admin(const struct daemon *d, int want)
{
	static const char question[] = "GET /readyz HTTP/1.1\r\n\r\n";
	static struct answer a;
	uint64_t until = clock_mono_ms() + WAIT_MS;

	while (daemon_send(d->admin, question, sizeof(question) - 1, &a),
	    a.status != want) {
		if (clock_mono_ms() > until)
			fail_msg("it stays at %d: %s", a.status, a.text);
		nap();
	}
}

void
daemon_wait_shown(const struct daemon *d, const char *target,
    const char *text, struct answer *out)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;

	while (daemon_get(d, target, NULL, out) != 200 ||
	    strstr(out->body, text) == NULL) {
		if (clock_mono_ms() > until)
			fail_msg("%s does not show %s: %s", target, text,
			    out->text);
		nap();
	}
}

json_t *
daemon_json(const struct answer *a)
{
	json_error_t e;
	json_t *o = json_loads(a->body, JSON_REJECT_DUPLICATES, &e);

	if (o == NULL)
		fail_msg("%s: %s", e.text, a->text);
	return o;
}
