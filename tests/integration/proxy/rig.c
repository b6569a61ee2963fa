/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/sock.h"

#define SET_MAX 16
#define PORT_TRIES 10

const char *rig_binary;

/* ---- files ---- */

static void
path_of(const struct rig *r, char out[static 96], const char *name)
{
	snprintf(out, 96, "%s/%s", peers_dir(r->peers), name);
}

static void
write_file(const struct rig *r, const char *name, const char *text)
{
	char path[96];
	FILE *f;

	path_of(r, path, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static char *
read_file(const char *path)
{
	struct bytes b = { NULL, 0, 0 };
	FILE *f = fopen(path, "re");
	char part[4096];
	size_t n;

	while (f != NULL && (n = fread(part, 1, sizeof(part), f)) > 0)
		bytes_add(&b, part, n);
	if (f != NULL)
		fclose(f);
	bytes_add(&b, "", 1);
	return b.ptr;
}

char *
rig_log(const struct rig *r)
{
	char path[96];

	path_of(r, path, r->log);
	return read_file(path);
}

static bool
log_has(const struct rig *r, const char *text)
{
	char *log = rig_log(r);
	bool has = strstr(log, text) != NULL;

	free(log);
	return has;
}

/* ---- waiting ---- */

static uint64_t
patience(void)
{
	return clock_mono_ms() + PEERS_WAIT_MS;
}

static void
nap(void)
{
	poll(NULL, 0, 5);
}

void
rig_wait_log(struct rig *r, const char *text)
{
	uint64_t end = patience();

	while (!log_has(r, text)) {
		if (clock_mono_ms() > end)
			fail_msg("never said: %s", text);
		nap();
	}
}

/* ---- life ---- */

static int
listen_on(const char *at, struct endpoint *out)
{
	struct endpoint e;
	struct err err;
	int fd;

	assert_true(endpoint_parse(&e, str_from(at)));
	fd = sock_listen(&e, false, 4096, &err);
	if (fd < 0)
		fail_msg("%s", err.text);
	assert_true(sock_local(fd, out));
	return fd;
}

static struct endpoint
free_port(const char *at)
{
	struct endpoint e;

	close(listen_on(at, &e));
	return e;
}

static void
take_ports(struct rig *r)
{
	r->listen = free_port("127.0.0.1:0");
	r->listen6 = free_port("[::1]:0");
}

void
rig_configure(struct rig *r, const char *lines)
{
	char listen[ENDPOINT_TEXT_SIZE], listen6[ENDPOINT_TEXT_SIZE];
	const char *dir = peers_dir(r->peers);
	/* Nobody is refused because this machine is busy. */
	const char *patient = strstr(lines, "timeouts.decide") == NULL ?
	    "timeouts.decide = \"10s\"\n" : "";
	char *text, *listeners;

	if (lines != r->lines)
		assert_true(str_copy(r->lines, sizeof(r->lines),
		    str_from(lines)));
	endpoint_format(listen, &r->listen);
	endpoint_format(listen6, &r->listen6);
	listeners = r->one == NULL
	    ? xasprintf("[proxy]\nlisten = [\"%s\", \"%s\"]\n", listen,
		listen6)
	    : xasprintf("[[proxy.listeners]]\nname = \"one\"\n"
		"listen = \"%s\"\n%s[[proxy.listeners]]\nname = \"two\"\n"
		"listen = \"%s\"\n%s[proxy]\n", listen, r->one, listen6,
		r->two);
	text = xasprintf(
	    "%suser = \"\"\ngroup = \"\"\nrun_dir = \"%s\"\n"
	    "state_dir = \"%s\"\nadmin_listen = \"127.0.0.1:0\"\n"
	    "instance = \"proxy-under-test\"\n"
	    "dns.hosts_file = \"%s/hosts\"\n%s%s"
	    "[log]\nformat = \"logfmt\"\n",
	    listeners, dir, dir, dir, patient, lines);
	write_file(r, "sallyport.toml", text);
	free(listeners);
	free(text);
}

int
rig_setup(void **state)
{
	struct rig *r = xcalloc(1, sizeof(*r));

	r->log = "log";
	r->peers = peers_new();
	r->target = listen_on("127.0.0.1:0", &r->target_at);
	r->target6 = listen_on("[::1]:0", &r->target6_at);
	take_ports(r);
	write_file(r, "hosts", "127.0.0.1 four.test both.test\n"
	    "::1 six.test both.test\n");
	rig_configure(r, "workers = 1\ntimeouts.drain = \"0s\"\n");
	*state = r;
	return 0;
}

static pid_t
spawn(const struct rig *r, const char *log, const char *option,
    const char *const *set)
{
	const char *argv[5 + 2 * SET_MAX] = { "sallyport-proxy", "--config" };
	char config[96], output[96];
	size_t n = 3;
	pid_t pid;

	path_of(r, config, "sallyport.toml");
	path_of(r, output, log);
	argv[2] = config;
	for (size_t i = 0; set != NULL && set[i] != NULL; i++) {
		assert_true(i < SET_MAX);
		argv[n++] = "--set";
		argv[n++] = set[i];
	}
	argv[n] = option;
	pid = fork();
	if (pid == 0) {
		int fd = open(output, O_WRONLY | O_CREAT | O_APPEND, 0600);

		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		if (r->descriptors > 0)
			setrlimit(RLIMIT_NOFILE, &(struct rlimit){
			    r->descriptors, r->descriptors });
		execv(rig_binary, (char *const *)argv);
		_exit(127);
	}
	assert_true(pid > 0);
	return pid;
}

static int
reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status)
				 : 128 + WTERMSIG(status);
}

/* Has it started? false: it ended instead. */
static bool
wait_started(struct rig *r)
{
	uint64_t end = patience();
	int status;

	while (!log_has(r, "event=started")) {
		if (waitpid(r->pid, &status, WNOHANG) == r->pid) {
			r->pid = 0;
			r->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
			return false;
		}
		assert_true(clock_mono_ms() < end);
		nap();
	}
	return true;
}

/* Another process may have taken the ports since they were seen free. */
void
rig_spawn(struct rig *r, const char *const *set)
{
	char path[96];

	path_of(r, path, r->log);
	for (unsigned tries = 0; tries < PORT_TRIES; tries++) {
		r->pid = spawn(r, r->log, NULL, set);
		if (wait_started(r))
			return;
		if (!log_has(r, "Address already in use"))
			break;
		take_ports(r);
		rig_configure(r, r->lines);
		(void)unlink(path);
	}
	fail_msg("it did not start: %s", rig_log(r));
}

void
rig_start(struct rig *r, const char *const *set)
{
	uint64_t end = patience();

	peers_start_authd(r->peers);
	peers_start_acld(r->peers);
	peers_start_policy(r->peers);
	peers_start_sessiond(r->peers);
	r->recorded = true;
	rig_spawn(r, set);
	while (!rig_is_ready(r)) {
		assert_true(clock_mono_ms() < end);
		nap();
	}
	rig_wait_metric(r, "proxy_policy_generation",
	    (int64_t)peers_generation(r->peers));
}

void
rig_signal(struct rig *r, int sig)
{
	assert_int_equal(kill(r->pid, sig), 0);
}

int
rig_wait_exit(struct rig *r)
{
	pid_t pid = r->pid;

	r->pid = 0;
	return reap(pid);
}

pid_t
rig_spawn_successor(struct rig *r, const char *const *set)
{
	return spawn(r, "other", "--takeover", set);
}

bool
rig_take_over(struct rig *r, const char *const *set, char *words, size_t size)
{
	/* Turn by turn: the process that leaves writes to the other one. */
	const char *log = strcmp(r->log, "log") == 0 ? "log2" : "log";
	struct rig next = *r;
	char path[96];

	assert_int_equal(r->predecessor, 0);
	next.log = log;
	path_of(r, path, log);
	(void)unlink(path);
	next.pid = spawn(r, log, "--takeover", set);
	if (!wait_started(&next)) {
		char *text = rig_log(&next);

		if (words != NULL)
			snprintf(words, size, "%s", text);
		free(text);
		r->code = next.code;
		return false;
	}
	r->predecessor = r->pid;
	r->pid = next.pid;
	r->log = log;
	return true;
}

static unsigned
reloads(const struct rig *r)
{
	char *log = rig_log(r);
	unsigned n = 0;

	for (char *at = log; (at = strstr(at, "event=config_reloaded")); at++)
		n++;
	free(log);
	return n;
}

/* A worker finds the order before any client who comes after it. */
void
rig_reload(struct rig *r, const char *lines)
{
	uint64_t end = patience();
	unsigned before = reloads(r);

	rig_configure(r, lines);
	rig_signal(r, SIGHUP);
	while (reloads(r) == before) {
		assert_true(clock_mono_ms() < end);
		nap();
	}
}

int
rig_wait_predecessor(struct rig *r)
{
	pid_t pid = r->predecessor;

	r->predecessor = 0;
	return reap(pid);
}

int
rig_run_other(struct rig *r, const struct endpoint *listen, char *words,
    size_t size)
{
	char at[ENDPOINT_TEXT_SIZE], path[96], *set, *log;
	int code;

	endpoint_format(at, listen);
	set = xasprintf("proxy.listen=%s", at);
	code = reap(spawn(r, "other", NULL,
	    (const char *const[]){ set, NULL }));
	free(set);
	path_of(r, path, "other");
	log = read_file(path);
	snprintf(words, size, "%s", log);
	free(log);
	return code;
}

/* The proxy ended well, and left whole streams behind. */
static void
check_end(struct rig *r, int code)
{
	struct peers_sums sums;

	if (code != 0) {
		char *log = rig_log(r);

		fputs(log, stderr);	/* longer than print_error takes */
		free(log);
	}
	assert_int_equal(code, 0);
	if (!r->recorded)
		return;
	peers_wait_ended(r->peers, peers_sums(r->peers).streams);
	sums = peers_sums(r->peers);
	assert_int_equal(sums.holes, 0);
	assert_int_equal(sums.malformed, 0);
}

int
rig_teardown(void **state)
{
	static const char *const files[] = { "sallyport.toml", "hosts", "log",
		"log2", "other" };
	struct rig *r = *state;

	if (r->predecessor != 0) {
		kill(r->predecessor, SIGTERM);
		assert_int_equal(rig_wait_predecessor(r), 0);
	}
	if (r->pid != 0) {
		rig_signal(r, SIGTERM);
		check_end(r, rig_wait_exit(r));
	}
	if (r->target >= 0)
		close(r->target);
	close(r->target6);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char path[96];

		path_of(r, path, files[i]);
		(void)unlink(path);
	}
	peers_free(&r->peers);
	free(r);
	return 0;
}

/* ---- admin ---- */

static char *
get(struct rig *r, const char *path)
{
	struct bytes b = { NULL, 0, 0 };
	struct endpoint admin;
	char part[4096], *log = rig_log(r), *at = strstr(log, " admin=");
	char *request = xasprintf("GET %s HTTP/1.1\r\nHost: localhost\r\n"
	    "Connection: close\r\n\r\n", path);
	ssize_t n;
	int fd;

	assert_non_null(at);
	at += strlen(" admin=");
	assert_true(endpoint_parse(&admin,
	    (struct str){ at, strcspn(at, " \n") }));
	free(log);
	fd = rig_connect_to(&admin, NULL);
	rig_send(fd, request, strlen(request));
	free(request);
	while ((n = read(fd, part, sizeof(part))) > 0)
		bytes_add(&b, part, (size_t)n);
	close(fd);
	bytes_add(&b, "", 1);
	return b.ptr;
}

bool
rig_is_ready(struct rig *r)
{
	char *page = get(r, "/readyz");
	bool ready = strncmp(page, "HTTP/1.1 200", 12) == 0;

	free(page);
	return ready;
}

int64_t
rig_metric(struct rig *r, const char *name)
{
	char *page = get(r, "/metrics");
	char *line = xasprintf("\nsallyport_%s ", name);
	char *at = strstr(page, line);
	int64_t value = at == NULL ? 0 : strtoll(at + strlen(line), NULL, 10);

	free(line);
	free(page);
	return value;
}

void
rig_wait_metric(struct rig *r, const char *name, int64_t value)
{
	uint64_t end = patience();
	int64_t now;

	while ((now = rig_metric(r, name)) != value) {
		if (clock_mono_ms() > end)
			fail_msg("%s is %jd, not %jd", name, (intmax_t)now,
			    (intmax_t)value);
		nap();
	}
}

void
rig_wait_metric_from(struct rig *r, const char *name, int64_t value)
{
	rig_wait_sum_from(r, (const char *[]){ name, NULL }, value);
}

void
rig_wait_sum_from(struct rig *r, const char *const *names, int64_t value)
{
	uint64_t end = patience();
	int64_t sum;

	for (;;) {
		sum = 0;
		for (size_t i = 0; names[i] != NULL; i++)
			sum += rig_metric(r, names[i]);
		if (sum >= value)
			return;
		if (clock_mono_ms() > end)
			fail_msg("%s and so on stay below %jd", names[0],
			    (intmax_t)value);
		nap();
	}
}

/* Sums all lines of the gauge. */
static int64_t
connections(struct rig *r)
{
	static const char name[] = "\nsallyport_proxy_connections{";
	char *page = get(r, "/metrics");
	int64_t n = 0;

	for (char *at = page; (at = strstr(at, name)) != NULL; at++)
		n += strtoll(strchr(at + 1, ' '), NULL, 10);
	free(page);
	return n;
}

void
rig_wait_idle(struct rig *r)
{
	uint64_t end = patience();

	while (connections(r) != 0) {
		if (clock_mono_ms() > end)
			fail_msg("connections are left");
		nap();
	}
}

size_t
rig_descriptors(const struct rig *r)
{
	char path[64];
	size_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)r->pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 2;
}

uint64_t
rig_cpu_ms(const struct rig *r)
{
	unsigned long user, system;
	char path[64], *text, *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)r->pid);
	text = read_file(path);
	at = strrchr(text, ')');
	assert_non_null(at);
	assert_int_equal(sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u "
	    "%*u %*u %lu %lu", &user, &system), 2);
	free(text);
	return (user + system) * 1000 / (unsigned long)sysconf(_SC_CLK_TCK);
}

/* ---- sockets ---- */

static int
with_timeout(int fd)
{
	struct timeval tv = { .tv_sec = PEERS_WAIT_MS / 1000 };

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	return fd;
}

int
rig_accept(int target)
{
	struct pollfd p = { .fd = target, .events = POLLIN };

	if (poll(&p, 1, PEERS_WAIT_MS) != 1)
		fail_msg("nobody came to the target");
	/* cppcheck-suppress nullPointer; gnu.cfg wants an address to fill */
	return with_timeout(accept4(target, NULL, NULL, SOCK_CLOEXEC));
}

int
rig_connect_to(const struct endpoint *to, const char *from)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(to, &sa);
	int fd = with_timeout(socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC,
	    0));

	if (from != NULL) {
		struct sockaddr_storage me;
		struct endpoint e;
		socklen_t my_len;

		assert_true(endpoint_parse(&e, str_from(from)));
		my_len = endpoint_to_sockaddr(&e, &me);
		assert_int_equal(bind(fd, (struct sockaddr *)&me, my_len), 0);
	}
	if (connect(fd, (struct sockaddr *)&sa, len) != 0)
		fail_msg("connect: %s", strerror(errno));
	return fd;
}

int
rig_connect(struct rig *r, const char *from)
{
	return rig_connect_to(&r->listen, from);
}

void
rig_send(int fd, const void *p, size_t len)
{
	const char *at = p;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return;
		if (n < 0)
			fail_msg("send: %s", strerror(errno));
		at += n;
		len -= (size_t)n;
	}
}

void
rig_expect(int fd, const void *p, size_t len)
{
	char got[1024];

	assert_true(len <= sizeof(got));
	for (size_t n = 0; n < len;) {
		ssize_t k = recv(fd, got + n, len - n, 0);

		if (k <= 0)
			fail_msg("%zu bytes of %zu, then %s", n, len,
			    k == 0 ? "FIN" : strerror(errno));
		n += (size_t)k;
	}
	assert_memory_equal(got, p, len);
}

enum rig_end
rig_expect_end(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	if (n > 0)
		fail_msg("a byte 0x%02x instead of the end", (uint8_t)byte);
	if (n == 0)
		return RIG_FIN;
	assert_int_equal(errno, ECONNRESET);
	return RIG_RESET;
}

void
rig_expect_silence(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

void
rig_reset(int fd)
{
	const struct linger l = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}

/* ---- SOCKS ---- */

void
rig_send_login(int fd, const char *user, const char *password)
{
	struct bytes b = { NULL, 0, 0 };
	uint8_t user_len = (uint8_t)strlen(user);
	uint8_t password_len = (uint8_t)strlen(password);

	bytes_add(&b, "\5\1\2\1", 4);
	bytes_add(&b, &user_len, 1);
	bytes_add(&b, user, user_len);
	bytes_add(&b, &password_len, 1);
	bytes_add(&b, password, password_len);
	rig_send(fd, b.ptr, b.len);
	bytes_fini(&b);
}

void
rig_login(int fd, const char *user)
{
	rig_send_login(fd, user, PEERS_PASSWORD);
	rig_expect_lit(fd, "\5\2\1\0");
}

static void
add_port(struct bytes *b, uint16_t port)
{
	uint8_t p[2] = { (uint8_t)(port >> 8), (uint8_t)port };

	bytes_add(b, p, sizeof(p));
}

void
rig_request(int fd, const struct endpoint *to)
{
	struct bytes b = { NULL, 0, 0 };

	if (addr_is_v4(&to->addr)) {
		bytes_add(&b, "\5\1\0\1", 4);
		bytes_add(&b, to->addr.b + 12, 4);
	} else {
		bytes_add(&b, "\5\1\0\4", 4);
		bytes_add(&b, to->addr.b, 16);
	}
	add_port(&b, to->port);
	rig_send(fd, b.ptr, b.len);
	bytes_fini(&b);
}

void
rig_request_name(int fd, const char *name, uint16_t port)
{
	struct bytes b = { NULL, 0, 0 };
	uint8_t len = (uint8_t)strlen(name);

	bytes_add(&b, "\5\1\0\3", 4);
	bytes_add(&b, &len, 1);
	bytes_add(&b, name, len);
	add_port(&b, port);
	rig_send(fd, b.ptr, b.len);
	bytes_fini(&b);
}

void
rig_expect_refusal(int fd, uint8_t code)
{
	const uint8_t reply[10] = { 5, code, 0, 1 };

	rig_expect(fd, reply, sizeof(reply));
}

struct endpoint
rig_expect_success(int fd)
{
	struct endpoint e;
	uint8_t head[4], rest[18];
	size_t len;

	assert_int_equal(recv(fd, head, sizeof(head), MSG_WAITALL), 4);
	assert_int_equal(head[0], 5);
	assert_int_equal(head[1], 0);
	assert_int_equal(head[2], 0);
	assert_true(head[3] == 1 || head[3] == 4);
	len = head[3] == 1 ? 4 : 16;
	assert_int_equal(recv(fd, rest, len + 2, MSG_WAITALL), len + 2);
	e.addr = len == 4 ? addr_from_v4(rest) : addr_from_v6(rest);
	assert_int_equal(addr_is_v4(&e.addr), len == 4);
	e.port = (uint16_t)(rest[len] << 8 | rest[len + 1]);
	return e;
}

int
rig_session(struct rig *r, const char *user, int *target)
{
	int fd = rig_connect(r, NULL);

	rig_login(fd, user);
	rig_request(fd, &r->target_at);
	(void)rig_expect_success(fd);
	*target = rig_accept(r->target);
	return fd;
}

/* ---- SOCKS4 and CONNECT of HTTP ---- */

void
rig_send_socks4(int fd, uint16_t port, const char *ip, const char *name)
{
	char in[64] = { 4, 1, (char)(port >> 8), (char)port };
	size_t n = 8;

	assert_int_equal(inet_pton(AF_INET, ip, in + 4), 1);
	n += (size_t)snprintf(in + n, sizeof(in) - n, "root") + 1;
	if (name != NULL)
		n += (size_t)snprintf(in + n, sizeof(in) - n, "%s", name) + 1;
	rig_send(fd, in, n);
}

void
rig_send_connect(int fd, const struct endpoint *to, const char *fields)
{
	char at[ENDPOINT_TEXT_SIZE], *head;

	endpoint_format(at, to);
	head = xasprintf("CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", at, at,
	    fields);
	rig_send(fd, head, strlen(head));
	free(head);
}

/* A byte at a time, so as to take no more. */
void
rig_read_head(int fd, char out[static RIG_HEAD_MAX])
{
	size_t n = 0;

	out[0] = '\0';
	while (strstr(out, "\r\n\r\n") == NULL) {
		assert_true(n < RIG_HEAD_MAX - 1);
		assert_int_equal(recv(fd, out + n, 1, 0), 1);
		out[++n] = '\0';
	}
}

void
rig_expect_answer(int fd, const char *status, const char *field)
{
	char got[RIG_HEAD_MAX];

	rig_read_head(fd, got);
	assert_memory_equal(got, status, strlen(status));
	if (field != NULL)
		assert_non_null(strstr(got, field));
}

void
rig_expect_tunnel(int fd, int target)
{
	rig_send_lit(fd, "ping");
	rig_expect_lit(target, "ping");
	rig_send_lit(target, "pong");
	rig_expect_lit(fd, "pong");
	close(fd);
	assert_int_equal(rig_expect_end(target), RIG_FIN);
	close(target);
}
