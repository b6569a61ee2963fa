/* SPDX-License-Identifier: MIT */
/*
 * A proxy that takes over from another: nobody is refused, reset or forgotten,
 * and who does not come to serve has changed nothing.
 *
 * usage: test_takeover SALLYPORT-PROXY
 */
#include "rig.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/sock.h"
#include "proxy/takeover_wire.h"

/* Nothing but what is tested may turn clients away. */
#define NO_LIMITS "proxy.limits.new_per_minute_source=0", \
	"proxy.limits.pre_login_per_source=0"

static const char *const no_limits[] = { NO_LIMITS, NULL };

/* ---- a load ---- */

#define LOADERS 4

struct load {
	struct rig *rig;
	pthread_t loaders[LOADERS], target;
	_Atomic bool stop;
	_Atomic unsigned done, lost;
	_Atomic int error;		/* errno of one that was lost */
};

/* All of it at once, and the two answers and the reply; closed by RST, so
 * that no port waits. */
static bool
one_client(const struct load *l)
{
	static const char hello[] = "\5\1\2\1\5alice\5right\5\1\0\1\177\0\0\1";
	const struct linger abrupt = { .l_onoff = 1, .l_linger = 0 };
	const struct timeval patience = { .tv_sec = 20 };
	uint16_t port = l->rig->target_at.port;
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&l->rig->listen, &sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[sizeof(hello) + 1], got[14];
	bool ok;

	memcpy(text, hello, sizeof(hello) - 1);
	text[sizeof(hello) - 1] = (char)(port >> 8);
	text[sizeof(hello)] = (char)port;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &abrupt, sizeof(abrupt));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	ok = connect(fd, (struct sockaddr *)&sa, len) == 0 &&
	    send(fd, text, sizeof(text), MSG_NOSIGNAL) ==
	    (ssize_t)sizeof(text) &&
	    recv(fd, got, sizeof(got), MSG_WAITALL) == (ssize_t)sizeof(got) &&
	    memcmp(got, "\5\2\1\0\5\0", 6) == 0;
	close(fd);
	return ok;
}

static void *
run_loader(void *arg)
{
	struct load *l = arg;

	while (!l->stop) {
		errno = 0;
		if (one_client(l)) {
			l->done++;
		} else {
			l->error = errno;
			l->lost++;
		}
		usleep(500);	/* two cores are all there is */
	}
	return NULL;
}

static void *
run_target(void *arg)
{
	struct load *l = arg;
	struct pollfd p = { .fd = l->rig->target, .events = POLLIN };

	while (!l->stop)
		if (poll(&p, 1, 50) == 1) {
			/* cppcheck-suppress nullPointer */
			int fd = accept4(p.fd, NULL, NULL, SOCK_CLOEXEC);

			if (fd >= 0)
				close(fd);
		}
	return NULL;
}

static void
load_start(struct load *l, struct rig *r)
{
	*l = (struct load){ .rig = r };
	assert_int_equal(pthread_create(&l->target, NULL, run_target, l), 0);
	for (size_t i = 0; i < LOADERS; i++)
		assert_int_equal(pthread_create(&l->loaders[i], NULL,
		    run_loader, l), 0);
}

/* Until so many more were served. */
static void
load_go_on(struct load *l, unsigned n)
{
	uint64_t end = clock_mono_ms() + PEERS_WAIT_MS;
	unsigned until = l->done + n;

	while (l->done < until && l->lost == 0) {
		assert_true(clock_mono_ms() < end);
		poll(NULL, 0, 5);
	}
}

static void
load_stop(struct load *l)
{
	l->stop = true;
	for (size_t i = 0; i < LOADERS; i++)
		pthread_join(l->loaders[i], NULL);
	pthread_join(l->target, NULL);
	if (l->lost > 0)
		fail_msg("%u of %u were lost: %s", l->lost, l->lost + l->done,
		    strerror(l->error));
}

/* ---- no loss ---- */

/* Each generation has another number of workers. */
static void
test_nobody_is_lost(void **state)
{
	static const char *const workers[] = { "proxy.workers=1",
		"proxy.workers=4", "proxy.workers=2", "proxy.workers=2",
		"proxy.workers=3" };
	struct rig *r = *state;
	static struct load l;	/* its threads outlive a test that fails */

	rig_start(r, (const char *[]){ "proxy.workers=2", NO_LIMITS,
		"proxy.timeouts.drain=20s", NULL });
	load_start(&l, r);
	for (size_t i = 0; i < ARRAY_LEN(workers); i++) {
		load_go_on(&l, 200);
		assert_true(rig_take_over(r, (const char *[]){ workers[i],
			NO_LIMITS, "proxy.timeouts.drain=20s", NULL }, NULL,
		    0));
		assert_true(rig_is_ready(r));
		assert_int_equal(rig_wait_predecessor(r), 0);
	}
	load_go_on(&l, 200);
	load_stop(&l);
}

/* What runs stays with the old process, which ends when the last has ended;
 * who comes is the new one's. */
static void
test_sessions_live_on(void **state)
{
	struct rig *r = *state;
	struct rig old;
	uint64_t cpu;
	int fd, target, late, fd2, target2;

	rig_configure(r, "workers = 1\ntimeouts.drain = \"30s\"\n");
	rig_start(r, NULL);
	fd = rig_session(r, "alice", &target);
	late = rig_connect(r, NULL);
	rig_send_lit(late, "\5\1\2");
	rig_expect_lit(late, "\5\2");
	assert_true(rig_take_over(r, NULL, NULL, 0));
	assert_true(rig_is_ready(r));
	assert_int_equal(rig_metric(r, "proxy_draining"), 0);
	fd2 = rig_session(r, "alice", &target2);
	rig_wait_metric(r, "proxy_sessions_total", 1);
	rig_send_lit(fd, "going on");
	rig_expect_lit(target, "going on");
	rig_send_lit(target2, "as well");
	rig_expect_lit(fd2, "as well");
	/* a handshake under way may finish where it began */
	rig_send_lit(late, "\1\5alice\5right");
	rig_expect_lit(late, "\1\0");
	close(late);
	/* What it shares must not keep it busy. */
	old = *r;
	old.pid = r->predecessor;
	cpu = rig_cpu_ms(&old);
	poll(NULL, 0, 500);
	assert_true(rig_cpu_ms(&old) - cpu < 100);
	close(fd);
	close(target);
	assert_int_equal(rig_wait_predecessor(r), 0);
	rig_send_lit(fd2, "still");
	rig_expect_lit(target2, "still");
	close(fd2);
	close(target2);
}

static void
test_drain_of_the_old_ends(void **state)
{
	struct rig *r = *state;
	int fd, target;

	rig_configure(r, "workers = 1\ntimeouts.drain = \"300ms\"\n");
	rig_start(r, NULL);
	fd = rig_session(r, "alice", &target);
	assert_true(rig_take_over(r, NULL, NULL, 0));
	assert_int_equal(rig_wait_predecessor(r), 0);
	assert_int_equal(rig_expect_end(fd), RIG_RESET);
	close(fd);
	close(target);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, "drained");
}

/* Until the process has read it: a second one before would be the same one. */
static void
wait_taken(pid_t pid, int sig)
{
	uint64_t end = clock_mono_ms() + PEERS_WAIT_MS, pending;
	char path[64], line[128];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	do {
		FILE *f = fopen(path, "re");

		assert_non_null(f);
		pending = UINT64_MAX;
		while (fgets(line, sizeof(line), f) != NULL)
			if (strncmp(line, "ShdPnd:", 7) == 0)
				pending = strtoull(line + 7, NULL, 16);
		fclose(f);
		assert_true(clock_mono_ms() < end);
		poll(NULL, 0, 5);
	} while (pending & UINT64_C(1) << (sig - 1));
}

/* The first signal asks for the drain that is under way, the second ends. */
static void
test_signals_to_the_old(void **state)
{
	struct rig *r = *state;
	int fd, target;

	rig_configure(r, "workers = 1\ntimeouts.drain = \"1h\"\n");
	rig_start(r, NULL);
	fd = rig_session(r, "alice", &target);
	assert_true(rig_take_over(r, NULL, NULL, 0));
	assert_int_equal(kill(r->predecessor, SIGTERM), 0);
	wait_taken(r->predecessor, SIGTERM);
	rig_send_lit(fd, "still here");
	rig_expect_lit(target, "still here");
	poll(NULL, 0, 100);
	assert_int_equal(waitpid(r->predecessor, NULL, WNOHANG), 0);
	assert_int_equal(kill(r->predecessor, SIGTERM), 0);
	assert_int_equal(rig_wait_predecessor(r), 0);
	close(fd);
	close(target);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, "shutdown");
}

/* ---- who waits in the kernel's queue ---- */

#define QUEUED 200

static void
queue_up(struct rig *r, int fd[QUEUED])
{
	for (size_t i = 0; i < QUEUED; i++) {
		fd[i] = rig_connect(r, NULL);
		rig_send_login(fd[i], "alice", PEERS_PASSWORD);
	}
}

static void
expect_served(int fd[QUEUED])
{
	for (size_t i = 0; i < QUEUED; i++) {
		rig_expect_lit(fd[i], "\5\2\1\0");
		close(fd[i]);
	}
}

/* They came while nobody could accept; whoever does so then, does. */
static void
test_queue_at_a_takeover(void **state)
{
	struct rig *r = *state;
	int fd[QUEUED];

	rig_configure(r, "workers = 1\ntimeouts.drain = \"30s\"\n");
	rig_start(r, no_limits);
	rig_signal(r, SIGSTOP);
	queue_up(r, fd);
	rig_signal(r, SIGCONT);
	assert_true(rig_take_over(r, no_limits, NULL, 0));
	expect_served(fd);
	assert_int_equal(rig_wait_predecessor(r), 0);
}

/* Without a successor the one that drains serves them. */
static void
test_queue_at_a_signal(void **state)
{
	struct rig *r = *state;
	int fd[QUEUED];

	rig_configure(r, "workers = 1\ntimeouts.drain = \"30s\"\n");
	rig_start(r, no_limits);
	rig_signal(r, SIGSTOP);
	queue_up(r, fd);
	rig_signal(r, SIGTERM);
	rig_signal(r, SIGCONT);
	expect_served(fd);
	assert_int_equal(rig_wait_exit(r), 0);
}

/* ---- other addresses ---- */

static bool
is_refused(const struct endpoint *at)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(at, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool refused = connect(fd, (struct sockaddr *)&sa, len) != 0 &&
	    errno == ECONNREFUSED;

	close(fd);
	return refused;
}

/* A port for a proxy to come: bound, so that it is nobody else's, and open to
 * who listens there, since we do not. The caller closes it. */
static int
keep_port(struct endpoint *at)
{
	struct endpoint e;
	int fd;

	assert_true(endpoint_parse(&e, STR("127.0.0.1:0")));
	fd = sock_bind(&e, false, NULL);
	assert_true(fd >= 0 && sock_local(fd, at));
	return fd;
}

static char *
listen_key(const struct endpoint *a, const struct endpoint *b)
{
	char one[ENDPOINT_TEXT_SIZE], other[ENDPOINT_TEXT_SIZE];

	endpoint_format(one, a);
	endpoint_format(other, b != NULL ? b : a);
	return b == NULL ? xasprintf("proxy.listen=%s", one) :
	    xasprintf("proxy.listen=%s,%s", one, other);
}

static void
expect_login(const struct endpoint *at)
{
	int fd = rig_connect_to(at, NULL);

	rig_login(fd, "alice");
	close(fd);
}

/* One stays, one goes, one is new. */
static void
test_listeners_change(void **state)
{
	struct rig *r = *state;
	struct endpoint added;
	int kept = keep_port(&added);
	char *key;

	rig_start(r, NULL);
	expect_login(&r->listen6);
	key = listen_key(&r->listen, &added);
	assert_true(rig_take_over(r, (const char *[]){ key, NULL }, NULL, 0));
	free(key);
	assert_int_equal(rig_wait_predecessor(r), 0);
	expect_login(&r->listen);
	expect_login(&added);
	assert_true(is_refused(&r->listen6));
	close(kept);
}

static void
test_nothing_in_common(void **state)
{
	struct rig *r = *state;
	struct endpoint other;
	int kept = keep_port(&other);
	char *key = listen_key(&other, NULL), words[4096];

	rig_start(r, NULL);
	assert_false(rig_take_over(r, (const char *[]){ key, NULL }, words,
	    sizeof(words)));
	free(key);
	assert_int_equal(r->code, 1);
	assert_non_null(strstr(words, "serves none of the addresses"));
	assert_true(rig_is_ready(r));
	expect_login(&r->listen);
	rig_wait_log(r, "event=takeover_failed");
	close(kept);
}

/* ---- nobody to take over from ---- */

static void
test_nobody_there(void **state)
{
	struct rig *r = *state;
	char words[4096];

	rig_start(r, NULL);
	rig_signal(r, SIGKILL);	/* leaves the socket's name behind */
	assert_int_equal(rig_wait_exit(r), 128 + SIGKILL);
	if (!rig_take_over(r, NULL, words, sizeof(words)))
		fail_msg("%s", words);
	r->predecessor = 0;
	r->recorded = false;	/* a stream without an end */
	rig_wait_log(r, "event=nobody_to_take_over_from");
	while (!rig_is_ready(r))
		poll(NULL, 0, 10);
	expect_login(&r->listen);
	/* and it can be taken over from */
	assert_true(rig_take_over(r, NULL, NULL, 0));
	assert_int_equal(rig_wait_predecessor(r), 0);
	expect_login(&r->listen);
}

/* Without the option a port in use is an error, as ever. */
static void
test_without_the_option(void **state)
{
	struct rig *r = *state;
	char words[4096];

	rig_start(r, NULL);
	assert_int_equal(rig_run_other(r, &r->listen, words, sizeof(words)),
	    1);
	assert_non_null(strstr(words, "Address already in use"));
	expect_login(&r->listen);
}

/* ---- a successor that does not come to serve ---- */

#define NO_ACLD "bus.decide=ipc:///nonexistent/decide"

static void
test_successor_dies(void **state)
{
	struct rig *r = *state;
	static struct load l;	/* its threads outlive a test that fails */
	pid_t pid;

	rig_configure(r, "workers = 2\ntimeouts.drain = \"20s\"\n");
	rig_start(r, no_limits);
	load_start(&l, r);
	load_go_on(&l, 50);
	pid = rig_spawn_successor(r, (const char *[]){ NO_ACLD,
		"proxy.workers=3", NO_LIMITS, NULL });
	rig_wait_log(r, "event=takeover_asked");
	load_go_on(&l, 50);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	rig_wait_log(r, "event=takeover_failed");
	load_go_on(&l, 50);
	assert_true(rig_is_ready(r));
	assert_int_equal(rig_metric(r, "proxy_draining"), 0);
	/* the next one may succeed */
	assert_true(rig_take_over(r, no_limits, NULL, 0));
	load_go_on(&l, 50);
	load_stop(&l);
	assert_int_equal(rig_wait_predecessor(r), 0);
}

static void
test_successor_gives_up(void **state)
{
	struct rig *r = *state;
	char words[4096];

	rig_start(r, NULL);
	assert_false(rig_take_over(r, (const char *[]){ NO_ACLD, NULL }, words,
	    sizeof(words)));
	assert_int_equal(r->code, 1);
	assert_non_null(strstr(words, "not taken over: acld was not reached"));
	assert_true(rig_is_ready(r));
	expect_login(&r->listen);
}

/* ---- the socket, and strangers at it ---- */

static int
call(struct rig *r)
{
	struct sockaddr_un sa;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_true(takeover_address(&sa, peers_dir(r->peers),
	    TAKEOVER_SOCKET));
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static enum takeover_result
hear(int fd, struct takeover_message *m)
{
	return takeover_receive(fd, m, false, -1,
	    clock_mono_ms() + PEERS_WAIT_MS);
}

static void
expect_refused(int fd)
{
	struct takeover_message m;

	assert_int_equal(hear(fd, &m), TAKEOVER_OK);
	assert_int_equal(m.kind, TAKEOVER_REFUSED);
	assert_int_equal(hear(fd, &m), TAKEOVER_GONE);
	close(fd);
}

static void
say(int fd, uint8_t kind, uint8_t value, int with)
{
	struct takeover_message m = { .kind = kind, .value = value,
		.text = "test" };

	if (with >= 0)
		m.fds[m.n_fds++] = with;
	assert_int_equal(takeover_send(fd, &m, -1,
	    clock_mono_ms() + PEERS_WAIT_MS), TAKEOVER_OK);
}

/* Garbage, a wrong version, gifts, silence, words out of turn, and those who
 * leave: each is dropped, and the next is heard. */
static void
test_strangers(void **state)
{
	static const char junk[4096] = "\1\1\377";
	struct rig *r = *state;
	struct takeover_message m;
	size_t before;
	int fd;

	rig_start(r, NULL);
	before = rig_descriptors(r);
	close(call(r));
	for (size_t len = 1; len <= sizeof(junk); len *= 64) {
		fd = call(r);
		assert_int_equal(send(fd, junk, len, 0), len);
		expect_refused(fd);
	}
	fd = call(r);
	say(fd, TAKEOVER_HELLO, TAKEOVER_VERSION + 1, -1);
	expect_refused(fd);
	fd = call(r);
	say(fd, TAKEOVER_READY, 0, -1);
	expect_refused(fd);
	fd = call(r);
	say(fd, TAKEOVER_HELLO, TAKEOVER_VERSION, STDIN_FILENO);
	expect_refused(fd);
	expect_refused(call(r));	/* silent: after 2 s */
	fd = call(r);
	say(fd, TAKEOVER_HELLO, TAKEOVER_VERSION, -1);
	do	/* descriptors that are not taken are closed on the way */
		(void)!hear(fd, &m);
	while (m.kind != TAKEOVER_END);
	say(fd, TAKEOVER_HELLO, TAKEOVER_VERSION, -1);
	expect_refused(fd);
	assert_true(rig_is_ready(r));
	expect_login(&r->listen);
	rig_wait_idle(r);
	while (rig_descriptors(r) > before)
		poll(NULL, 0, 10);
	assert_true(rig_take_over(r, NULL, NULL, 0));
}

/* Only root and the proxy's own user. */
static void
test_who_may_ask(void **state)
{
	struct rig *r = *state;
	struct sockaddr_un sa;
	struct stat st;
	pid_t pid;
	int status;

	rig_start(r, NULL);
	assert_true(takeover_address(&sa, peers_dir(r->peers),
	    TAKEOVER_SOCKET));
	assert_int_equal(stat(sa.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	if (geteuid() != 0)
		return;		/* whom else could we be? */
	/* and not even if the file were open to all */
	assert_int_equal(chmod(sa.sun_path, 0666), 0);
	assert_int_equal(chmod(peers_dir(r->peers), 0711), 0);
	pid = fork();
	if (pid == 0) {
		struct takeover_message m;
		int fd;

		if (setresgid(65534, 65534, 65534) != 0 ||
		    setresuid(65534, 65534, 65534) != 0)
			_exit(1);
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
			_exit(2);
		_exit(hear(fd, &m) == TAKEOVER_OK &&
		    m.kind == TAKEOVER_REFUSED ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	expect_login(&r->listen);
}

/* A second proxy of the same run_dir serves, and says what it cannot. */
static void
test_name_is_taken(void **state)
{
	struct rig *r = *state;
	struct rig second;
	struct endpoint at;
	int kept = keep_port(&at);
	char *key = listen_key(&at, NULL);

	rig_start(r, NULL);
	second = *r;
	second.log = "log2";
	second.pid = 0;
	rig_spawn(&second, (const char *[]){ key, NULL });
	free(key);
	rig_wait_log(&second, "event=takeover_unavailable");
	rig_signal(&second, SIGTERM);
	assert_int_equal(rig_wait_exit(&second), 0);
	/* the first one still has it */
	assert_true(rig_take_over(r, NULL, NULL, 0));
	assert_int_equal(rig_wait_predecessor(r), 0);
	close(kept);
}

#define T(name) \
	cmocka_unit_test_setup_teardown(test_##name, rig_setup, rig_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(nobody_is_lost), T(sessions_live_on),
		T(drain_of_the_old_ends), T(signals_to_the_old),
		T(queue_at_a_takeover), T(queue_at_a_signal),
		T(listeners_change), T(nothing_in_common), T(nobody_there),
		T(without_the_option), T(successor_dies),
		T(successor_gives_up), T(strangers), T(who_may_ask),
		T(name_is_taken),
	};

	if (argc != 2)
		return 2;
	rig_binary = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
