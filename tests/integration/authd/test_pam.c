/* SPDX-License-Identifier: MIT */
/*
 * A real authd whose PAM modules hang and whose processes are killed; run with
 * the path of its binary and of the test module.
 */
#include "daemon.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypt/passhash.h"
#include "proto/auth.pb-c.h"

#define PATIENCE_MS 60000	/* more than any machine needs */
#define WORKERS 4
#define ASKERS 8
#define KILLS 40
#define CROWD 100
#define MANY 16		/* more than may wait, where the queue has one place */

#define OK SALLYPORT__PB__AUTH_REPLY__RESULT__OK
#define FAILED SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED
#define BUSY SALLYPORT__PB__AUTH_REPLY__RESULT__BUSY
#define RESULTS (BUSY + 2)
#define NO_ANSWER (BUSY + 1)

static char *module;		/* pam_test.so */
static char hash[PASSHASH_MAX];	/* of "right", at a low cost */
static struct daemon d;

/* ---- waiting ---- */

static void
pause_a_little(uint64_t *end_ms, const char *what)
{
	const struct timespec pause = { .tv_nsec = 10000000 };

	if (*end_ms == 0)
		*end_ms = clock_mono_ms() + PATIENCE_MS;
	if (clock_mono_ms() > *end_ms)
		fail_msg("waited in vain for %s", what);
	nanosleep(&pause, NULL);
}

/* The condition may be looked at often. */
#define WAIT_FOR(condition)                                   \
	do {                                                  \
		uint64_t end_ms_ = 0;                         \
		while (!(condition))                          \
			pause_a_little(&end_ms_, #condition); \
	} while (0)

/* ---- asking ---- */

static struct bytes
packed(const char *method, const char *user, const char *password)
{
	Sallyport__Pb__AuthRequest m = SALLYPORT__PB__AUTH_REQUEST__INIT;
	uint8_t source[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 1 };
	struct bytes b = { 0 };

	m.method = (char *)method;
	m.listener = (char *)"main";
	m.user = (ProtobufCBinaryData){ strlen(user), (uint8_t *)user };
	m.password = (ProtobufCBinaryData){ strlen(password),
		(uint8_t *)password };
	m.source = (ProtobufCBinaryData){ sizeof(source), source };
	b.cap = sallyport__pb__auth_request__get_packed_size(&m) + 1;
	b.ptr = xmalloc(b.cap);
	b.len = sallyport__pb__auth_request__pack(&m, (uint8_t *)b.ptr);
	return b;
}

/* NO_ANSWER: not before `ms` were over. Any thread. */
static unsigned
login_within(const char *method, const char *user, const char *password,
    uint32_t ms)
{
	struct bytes body = packed(method, user, password), answer = { 0 };
	unsigned result = NO_ANSWER;
	Sallyport__Pb__AuthReply *m;

	if (rpc_ask(d.auth, KIND_AUTH, (struct str){ body.ptr, body.len }, ms,
	    &answer, NULL) == RPC_OK) {
		m = sallyport__pb__auth_reply__unpack(NULL, answer.len,
		    (const uint8_t *)answer.ptr);
		if (m != NULL)
			result = m->result;
		sallyport__pb__auth_reply__free_unpacked(m, NULL);
	}
	bytes_fini(&body);
	bytes_fini(&answer);
	return result;
}

static unsigned
login(const char *user, const char *password)
{
	return login_within("pam.username", user, password, PATIENCE_MS);
}

/* A login on a thread of its own. */
struct asker {
	pthread_t thread;
	const char *user;
	_Atomic unsigned result;	/* RESULTS: none yet */
};

static void *
ask_once(void *arg)
{
	struct asker *a = arg;

	a->result = login(a->user, "right");
	return NULL;
}

static void
start_asker(struct asker *a, const char *user)
{
	a->user = user;
	a->result = RESULTS;
	assert_int_equal(pthread_create(&a->thread, NULL, ask_once, a), 0);
}

/* ---- the daemon's processes and what it counts ---- */

struct process {
	pid_t pid, parent;
	char state;
};

static bool
read_process(pid_t pid, struct process *p)
{
	char path[32], line[512], *at;
	FILE *f;
	int parent = 0;
	bool ok;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	ok = fgets(line, sizeof(line), f) != NULL &&
	    (at = strrchr(line, ')')) != NULL &&
	    sscanf(at, ") %c %d", &p->state, &parent) == 2;
	fclose(f);
	p->pid = pid;
	p->parent = parent;
	return ok;
}

static bool
is_gone(pid_t pid)
{
	struct process p;

	return !read_process(pid, &p) || p.state == 'Z' || p.state == 'X';
}

/* Children of the daemon, dead ones as well: at most `max`. */
static size_t
find_children(struct process *out, size_t max)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	size_t n = 0;

	assert_non_null(dir);
	while (n < max && (e = readdir(dir)) != NULL) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (pid > 0 && read_process(pid, &out[n]) &&
		    out[n].parent == d.pid)
			n++;
	}
	closedir(dir);
	return n;
}

/* Those that live; none if any is a zombie. */
static size_t
count_children(void)
{
	struct process children[4 * WORKERS];
	size_t n = find_children(children, ARRAY_LEN(children));

	for (size_t i = 0; i < n; i++)
		if (children[i].state == 'Z')
			return 0;
	return n;
}

/* But for the sockets of its children. */
static size_t
count_fds(void)
{
	char path[32];
	DIR *dir;
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)d.pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - count_children();
}

static unsigned
restarts(const char *cause)
{
	char *text = daemon_get(&d, "/metrics"), *at;
	char *name = xasprintf(
	    "sallyport_authd_worker_restarts_total{cause=\"%s\"} ", cause);
	unsigned n = 0;

	at = strstr(text, name);
	if (at != NULL)
		n = (unsigned)strtoul(at + strlen(name), NULL, 10);
	free(name);
	free(text);
	return n;
}

/* ---- set-up ---- */

/* Users whose name begins with "slow" have to wait ten minutes, all others
 * log in with the password "right". */
static void
write_service(void)
{
	char *dir = xasprintf("%s/pam", d.dir);
	char *path = xasprintf("%s/sallyport", dir);
	FILE *f;

	assert_int_equal(mkdir(dir, 0755), 0);
	f = fopen(path, "we");
	assert_non_null(f);
	fprintf(f,
	    "auth [success=ignore default=1] pam_succeed_if.so quiet "
	    "user =~ slow*\n"
	    "auth required %s hang\n"
	    "auth required %s once\n"
	    "account required pam_permit.so\n", module, module);
	assert_int_equal(fclose(f), 0);
	setenv("SALLYPORT_AUTHD__PAM__CONFDIR", dir, 1);
	free(path);
	free(dir);
}

static void
set(const char *key, const char *value)
{
	char *name = xasprintf("SALLYPORT_AUTHD__%s", key);

	setenv(name, value, 1);
	free(name);
}

/* `workers` processes, of which none is a look-up of groups; every login is
 * checked. */
static void
start(const char *workers, const char *queue, const char *recycle_after)
{
	char *users = xasprintf("[[users]]\nusername = \"filed\"\n"
	    "password_hash = \"%s\"\n", hash);

	daemon_init(&d, users);
	free(users);
	write_service();
	set("GROUP_SOURCES", "file");
	set("GUESSING__PER_USER", "0");
	set("GUESSING__PER_SOURCE", "0");
	set("GUESSING__DELAY_BASE", "0s");
	set("CACHE_TTL", "0s");
	set("DEADLINE", "60s");
	set("WORKERS", workers);
	set("QUEUE", queue);
	set("RECYCLE_AFTER", recycle_after);
	daemon_start(&d);
}

/* It ends well, and so do its workers. */
static int
tear_down(void **state)
{
	struct process children[4 * WORKERS];
	size_t n = d.pid > 0 ?
	    find_children(children, ARRAY_LEN(children)) : 0;

	(void)state;
	daemon_fini(&d);
	for (size_t i = 0; i < n; i++)
		assert_true(is_gone(children[i].pid));
	return 0;
}

/* ---- kill -9 ---- */

/* Asks without end, half of them with a wrong password. */
struct crowd {
	pthread_t threads[ASKERS];
	_Atomic unsigned right[RESULTS], wrong[RESULTS];
	_Atomic unsigned next;
	_Atomic bool end;
};

static void *
ask_all_the_time(void *arg)
{
	struct crowd *c = arg;
	unsigned number = c->next++;
	bool knows = number % 2 == 0;
	char user[16];

	snprintf(user, sizeof(user), "user%u", number);
	while (!c->end) {
		unsigned result = login(user, knows ? "right" : "wrong");

		assert_true(result < RESULTS);
		(knows ? c->right : c->wrong)[result]++;
	}
	return NULL;
}

static void
start_crowd(struct crowd *c)
{
	for (unsigned i = 0; i < ASKERS; i++)
		assert_int_equal(pthread_create(&c->threads[i], NULL,
		    ask_all_the_time, c), 0);
}

static void
end_crowd(struct crowd *c)
{
	c->end = true;
	for (unsigned i = 0; i < ASKERS; i++)
		pthread_join(c->threads[i], NULL);
}

static bool
is_among(pid_t pid, const pid_t *pids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/* Kills one that lives and that it has not killed before. */
static bool
kill_one(pid_t *killed, size_t n)
{
	struct process children[4 * WORKERS];
	size_t found = find_children(children, ARRAY_LEN(children));

	for (size_t i = 0; i < found; i++) {
		const struct process *p = &children[(i + n) % found];

		if (p->state != 'Z' && !is_among(p->pid, killed, n) &&
		    kill(p->pid, SIGKILL) == 0) {
			killed[n] = p->pid;
			return true;
		}
	}
	return false;
}

/* Each of the processes gets something to do. */
static bool
all_are_replaced(unsigned kills)
{
	struct asker a[WORKERS];
	char users[WORKERS][16];

	for (unsigned i = 0; i < WORKERS; i++) {
		snprintf(users[i], sizeof(users[i]), "after%u", i);
		start_asker(&a[i], users[i]);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(a[i].thread, NULL);
	return restarts("died") + restarts("start") >= kills;
}

/* Once a process can be asked again. */
static unsigned
verdict(const char *user, const char *password)
{
	uint64_t end_ms = 0;
	unsigned result;

	while ((result = login(user, password)) == BUSY)
		pause_a_little(&end_ms, "a verdict");
	return result;
}

/* So that descriptors can be counted. */
static void
connect_all(void)
{
	struct bytes answer = { 0 };

	assert_int_equal(login("somebody", "right"), OK);
	assert_int_equal(rpc_ask(d.admin, KIND_USERS_RELOAD, STR(""),
	    PATIENCE_MS, &answer, NULL), RPC_OK);
	bytes_fini(&answer);
}

static void
killed_workers_let_nobody_in(void **state)
{
	pid_t killed[KILLS] = { 0 };
	struct crowd c = { .end = false };
	size_t fds;

	(void)state;
	start("4", "128", "1000000");
	connect_all();
	fds = count_fds();
	start_crowd(&c);
	for (size_t n = 0; n < KILLS; n++) {
		unsigned before = c.right[OK];

		WAIT_FOR(kill_one(killed, n));
		/* Those that never get to work are another matter. */
		WAIT_FOR(c.right[OK] > before + WORKERS);
	}
	end_crowd(&c);
	assert_true(c.right[OK] > 0 && c.wrong[FAILED] > 0);
	assert_int_equal(c.wrong[OK], 0);
	/* No answer at all is no lie: a bus so slow that it takes itself for
	 * dead listens anew (msg/listening.h), and drops what is under way. */
	assert_int_equal(c.right[FAILED], 0);
	WAIT_FOR(all_are_replaced(KILLS));
	assert_int_equal(restarts("died") + restarts("start"), KILLS);
	assert_int_equal(restarts("deadline") + restarts("recycled"), 0);
	assert_int_equal(verdict("somebody", "right"), OK);
	assert_int_equal(verdict("somebody", "wrong"), FAILED);
	WAIT_FOR(count_children() > 0 && count_fds() == fds);
}

/* Be it at work or not. */
static void
no_worker_outlives_the_daemon(void **state)
{
	struct process children[4 * WORKERS];
	struct asker slow;
	size_t n;

	(void)state;
	start("4", "128", "1000");
	start_asker(&slow, "slow");
	while (count_children() < 2)
		assert_int_equal(login("quick", "right"), OK);
	n = find_children(children, ARRAY_LEN(children));
	assert_int_equal(daemon_end(&d, SIGKILL), 128 + SIGKILL);
	for (size_t i = 0; i < n; i++)
		WAIT_FOR(is_gone(children[i].pid));
	pthread_join(slow.thread, NULL);
	assert_int_equal(slow.result, NO_ANSWER);
}

/* ---- slow modules ---- */

static void
who_hangs_delays_nobody(void **state)
{
	struct asker slow;

	(void)state;
	start("2", "128", "1000");
	start_asker(&slow, "slow");
	WAIT_FOR(count_children() > 0);
	for (unsigned i = 0; i < CROWD; i++) {
		assert_int_equal(login("quick", "right"), OK);
		assert_int_equal(login_within("userpass", "filed", "right",
		    PATIENCE_MS), OK);
	}
	assert_int_equal(slow.result, RESULTS);
	/* Nor does he delay the daemon's end. */
	assert_int_equal(daemon_end(&d, SIGTERM), 0);
	pthread_join(slow.thread, NULL);
	assert_int_equal(slow.result, BUSY);
}

static bool
is_any_refused(const struct asker *a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i].result == BUSY)
			return true;
	return false;
}

/* All ask for the same, which needs no place in the queue. */
static void
many_who_wait_for_one_delay_nobody(void **state)
{
	struct asker slow[MANY];

	(void)state;
	start("2", "1", "1000");
	for (unsigned i = 0; i < MANY; i++)
		start_asker(&slow[i], "slow");
	/* Some are too many. */
	WAIT_FOR(is_any_refused(slow, MANY));
	for (unsigned i = 0; i < CROWD; i++)
		assert_int_equal(login_within("userpass", "filed", "right",
		    PATIENCE_MS), OK);
	assert_int_equal(daemon_end(&d, SIGTERM), 0);
	for (unsigned i = 0; i < MANY; i++) {
		pthread_join(slow[i].thread, NULL);
		assert_int_equal(slow[i].result, BUSY);
	}
}

/* On a busy machine the time may be over before the process is asked. */
static bool
is_killed_in_time(void)
{
	assert_int_not_equal(login_within("pam.username", "slow", "right",
	    300), OK);
	assert_int_equal(login("quick", "right"), OK);
	return restarts("deadline") > 0;
}

static void
who_hangs_is_replaced_in_time(void **state)
{
	pid_t pid;
	struct process children[4 * WORKERS];

	(void)state;
	start("1", "128", "1000");
	assert_int_equal(login("quick", "right"), OK);
	assert_int_equal(find_children(children, ARRAY_LEN(children)), 1);
	pid = children[0].pid;
	WAIT_FOR(is_killed_in_time());
	assert_true(is_gone(pid));
	assert_int_equal(restarts("deadline"), 1);
	assert_int_equal(restarts("died") + restarts("start"), 0);
}

/* Somebody else each time. */
static bool
another_finds_no_place(void)
{
	static unsigned number;
	char user[16];

	snprintf(user, sizeof(user), "slow no %u", ++number);
	return login_within("pam.username", user, "right", 1000) == BUSY;
}

/* One is asked, one waits, the third has no place. */
static void
a_full_queue_says_so_at_once(void **state)
{
	struct asker first, second;

	(void)state;
	start("1", "1", "1000");
	start_asker(&first, "slow1");
	WAIT_FOR(count_children() == 1);
	start_asker(&second, "slow2");
	/* Unless the first of these waits in his place. */
	WAIT_FOR(another_finds_no_place());
	assert_int_equal(login("quick", "right"), BUSY);
	assert_int_equal(login_within("userpass", "filed", "right",
	    PATIENCE_MS), OK);
	assert_int_equal(first.result, RESULTS);
	assert_int_equal(daemon_end(&d, SIGTERM), 0);
	pthread_join(first.thread, NULL);
	pthread_join(second.thread, NULL);
	assert_int_equal(first.result, BUSY);
	assert_int_equal(second.result, BUSY);
}

static void
workers_are_recycled(void **state)
{
	(void)state;
	start("1", "128", "3");
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(login("quick", i % 2 == 0 ? "right" :
		    "wrong"), i % 2 == 0 ? OK : FAILED);
	assert_int_equal(restarts("recycled"), 3);
	assert_int_equal(count_children(), 0);
	assert_int_equal(login("quick", "right"), OK);
	assert_int_equal(count_children(), 1);
	assert_int_equal(restarts("died") + restarts("start"), 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(killed_workers_let_nobody_in),
		TEST(no_worker_outlives_the_daemon),
		TEST(who_hangs_delays_nobody),
		TEST(many_who_wait_for_one_delay_nobody),
		TEST(who_hangs_is_replaced_in_time),
		TEST(a_full_queue_says_so_at_once),
		TEST(workers_are_recycled),
	};
	struct err err;
	int failed;

	/* The worker stands in another directory. */
	if (argc != 3 || (module = realpath(argv[2], NULL)) == NULL)
		return 1;
	daemon_binary = argv[1];
	if (passhash_make(hash, STR("right"), 1, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(module);
	return failed;
}
