/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "authd/pam_process.h"
#include "base/clock.h"
#include "base/log.h"

#define PATIENCE_MS 60000	/* more than any machine needs */
#define RECYCLE 1000
#define CAUSES(...) ((const unsigned[PAM_PROCESS_CAUSES]){ __VA_ARGS__ })

static char *fake;	/* the program of fake_pam_worker.c */
static struct pam_process *process;
static struct pam_reply reply;
static unsigned causes[PAM_PROCESS_CAUSES];
static int last_error;	/* of the last process that ended */
static unsigned fds_before;
static char dir[] = "/tmp/sallyport-pam-XXXXXX";
static char fifo[64], link_path[64];

static unsigned
count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
on_restart(void *arg, enum pam_process_cause cause, int error)
{
	assert_ptr_equal(arg, &reply);
	causes[cause]++;
	last_error = error;
}

static void
restart_with(const char *program, uint32_t recycle_after)
{
	const struct pam_process_options o = { program, recycle_after,
		on_restart, &reply };

	pam_process_free(&process);
	process = pam_process_new(&o);
}

static int
set_up(void **state)
{
	(void)state;
	memset(causes, 0, sizeof(causes));
	fds_before = count_fds();
	restart_with(fake, RECYCLE);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	pam_process_free(&process);
	pam_process_free(&process);	/* harmless */
	clock_test_reset();
	assert_int_equal(count_fds(), fds_before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	return 0;
}

static enum pam_process_result
ask_within(const char *user, const char *confdir, uint64_t ms)
{
	const struct pam_question q = {
		.kind = PAM_KIND_USERNAME, .user = str_from(user),
		.service = STR("test"), .confdir = str_from(confdir),
		.rhost = STR("192.0.2.1"), .password = STR("secret"),
	};

	return pam_process_ask(process, &q, clock_mono_ms() + ms, &reply);
}

static enum pam_process_result
ask(const char *user)
{
	return ask_within(user, NULL, PATIENCE_MS);
}

static void
assert_detail(const char *want)
{
	char *text = strndup(reply.detail.ptr, reply.detail.len);

	assert_string_equal(text, want);
	free(text);
}

static pid_t
ask_pid(void)
{
	char text[16];

	assert_int_equal(ask("pid"), PAM_PROCESS_ANSWERED);
	assert_int_equal(reply.verdict, PAM_VERDICT_SUCCESS);
	assert_true(str_copy(text, sizeof(text), reply.detail));
	return (pid_t)strtol(text, NULL, 10);
}

static void
assert_causes(const unsigned want[static PAM_PROCESS_CAUSES])
{
	for (unsigned i = 0; i < PAM_PROCESS_CAUSES; i++)
		assert_int_equal(causes[i], want[i]);
}

static void
assert_no_answer(void)
{
	assert_int_equal(reply.verdict, PAM_VERDICT_ERROR);
	assert_int_equal(reply.n_groups, 0);
	assert_int_equal(reply.user.len, 0);
	assert_true(reply.detail.len > 0);
}

/* ---- what it is for ---- */

static void
one_process_answers_all(void **state)
{
	pid_t pid = ask_pid();

	(void)state;
	assert_true(pid > 0 && pid != getpid());
	assert_int_equal(ask("fail"), PAM_PROCESS_ANSWERED);
	assert_int_equal(reply.verdict, PAM_VERDICT_FAILURE);
	assert_detail("not he");
	assert_int_equal(ask_pid(), pid);
	assert_causes(CAUSES(0));
}

static void
a_long_reply_is_whole(void **state)
{
	(void)state;
	assert_int_equal(ask("name"), PAM_PROCESS_ANSWERED);
	assert_true(str_eq(reply.user, STR("ann")));
	assert_int_equal(ask("groups"), PAM_PROCESS_ANSWERED);
	assert_int_equal(reply.user.len, 0);
	assert_int_equal(reply.n_groups, PAM_GROUPS_MAX);
	assert_true(str_eq(reply.groups[PAM_GROUPS_MAX - 1], STR("groups")));
}

/* Whatever this process has open, blocked, ignored and in its environment. */
static void
the_process_gets_nothing(void **state)
{
	int extra = open("/dev/null", O_RDONLY), high;
	sigset_t all, before;

	(void)state;
	assert_true(extra >= 0);
	high = dup2(extra, 300);
	assert_int_equal(high, 300);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	signal(SIGPIPE, SIG_IGN);
	setenv("SALLYPORT_SECRET", "1", 1);
	assert_int_equal(ask("describe"), PAM_PROCESS_ANSWERED);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	signal(SIGPIPE, SIG_DFL);
	unsetenv("SALLYPORT_SECRET");
	close(extra);
	close(high);
	assert_detail("sallyport-authd --pam-worker fds 0 1 2 3 signals 0 "
	    "session 1 input 0 env PATH=");
}

static void
it_is_recycled(void **state)
{
	pid_t first, second;

	(void)state;
	restart_with(fake, 2);
	first = ask_pid();
	assert_int_equal(ask_pid(), first);
	second = ask_pid();
	assert_int_not_equal(second, first);
	assert_int_equal(ask_pid(), second);
	assert_int_not_equal(ask_pid(), second);
	assert_causes(CAUSES([PAM_PROCESS_RECYCLED] = 2));
}

/* Though it does not want to go. */
static void
one_that_stays_is_killed(void **state)
{
	(void)state;
	restart_with(fake, 1);
	assert_int_equal(ask("stay"), PAM_PROCESS_ANSWERED);
	assert_int_equal(ask("stay"), PAM_PROCESS_ANSWERED);
	assert_causes(CAUSES([PAM_PROCESS_RECYCLED] = 2));
}

static void
no_question_is_not_asked(void **state)
{
	(void)state;
	assert_int_equal(ask(""), PAM_PROCESS_FAILED);
	assert_no_answer();
	assert_causes(CAUSES(0));
}

/* ---- misbehaviour ---- */

static void
a_hanging_one_is_replaced(void **state)
{
	pid_t pid = ask_pid();

	(void)state;
	assert_int_equal(ask_within("hang", NULL, 500), PAM_PROCESS_TIMED_OUT);
	assert_no_answer();
	assert_int_equal(kill(pid, 0), -1);
	assert_int_not_equal(ask_pid(), pid);
	assert_causes(CAUSES([PAM_PROCESS_DEADLINE] = 1));
}

static void
no_time_is_no_question(void **state)
{
	pid_t pid = ask_pid();

	(void)state;
	assert_int_equal(ask_within("pid", NULL, 0), PAM_PROCESS_TIMED_OUT);
	assert_no_answer();
	assert_int_equal(ask_pid(), pid);
	assert_causes(CAUSES(0));
}

/* Blocks until no process has the FIFO open any more. */
static void
wait_for_the_end(int fd)
{
	char c;

	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	assert_int_equal(read(fd, &c, 1), 0);
	close(fd);
}

static void
what_it_started_is_killed(void **state)
{
	int fd = open(fifo, O_RDONLY | O_NONBLOCK);

	(void)state;
	assert_true(fd >= 0);
	/* Time to start: without that there is nothing to end. */
	(void)ask_pid();
	assert_int_equal(ask_within("fork", fifo, 500), PAM_PROCESS_TIMED_OUT);
	wait_for_the_end(fd);
	/* The socket is still open there: no end of file. */
	fd = open(fifo, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(ask_within("orphan", fifo, 500),
	    PAM_PROCESS_TIMED_OUT);
	wait_for_the_end(fd);
	assert_causes(CAUSES([PAM_PROCESS_DEADLINE] = 2));
}

static void
what_is_no_answer_is_none(void **state)
{
	static const char *const users[] = {
		"crash", "leave", "close", "garbage", "nothing", "too much",
		"last",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(users); i++) {
		pid_t pid = ask_pid();

		assert_int_equal(ask(users[i]), PAM_PROCESS_FAILED);
		assert_no_answer();
		assert_int_equal(kill(pid, 0), -1);
		assert_int_equal(causes[PAM_PROCESS_DIED], i + 1);
	}
	/* Its first question makes no difference, nor do many. */
	for (unsigned i = 0; i < ARRAY_LEN(users); i++)
		assert_int_equal(ask(users[i]), PAM_PROCESS_FAILED);
	(void)ask_pid();
	assert_causes(CAUSES([PAM_PROCESS_DIED] = 2 * ARRAY_LEN(users)));
}

/* The only socket of this process. */
static int
find_socket(void)
{
	struct stat st;

	for (int fd = 0; fd < 1024; fd++)
		if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
			return fd;
	fail_msg("no socket");
	return -1;
}

static void
wait_for_more_words(void)
{
	struct pollfd pfd = { .fd = find_socket(), .events = POLLIN };

	assert_int_equal(poll(&pfd, 1, PATIENCE_MS), 1);
}

static void
what_is_said_too_early_is_not_heard(void **state)
{
	static const char *const users[] = { "next too", "flood" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(users); i++) {
		assert_int_equal(ask(users[i]), PAM_PROCESS_ANSWERED);
		wait_for_more_words();
		assert_int_equal(ask("fail"), PAM_PROCESS_ANSWERED);
		assert_int_equal(reply.verdict, PAM_VERDICT_FAILURE);
		assert_int_equal(causes[PAM_PROCESS_DIED], i + 1);
	}
}

static void
last_words_count(void **state)
{
	(void)state;
	assert_int_equal(ask("last words"), PAM_PROCESS_ANSWERED);
	assert_int_equal(reply.verdict, PAM_VERDICT_SUCCESS);
}

/* ---- kill -9 ---- */

/* And waits for the effect; leaves the reaping to its parent. */
static void
send_signal(pid_t pid, int signal)
{
	siginfo_t info;

	assert_int_equal(kill(pid, signal), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info,
	    WNOWAIT | (signal == SIGSTOP ? WSTOPPED : WEXITED)), 0);
}

static void
killed_at_rest(void **state)
{
	pid_t pid = ask_pid();

	(void)state;
	send_signal(pid, SIGKILL);
	assert_int_not_equal(ask_pid(), pid);
	assert_causes(CAUSES([PAM_PROCESS_DIED] = 1));
}

struct killing {
	pid_t pid;
	int fd;
};

static void *
kill_when_asked(void *arg)
{
	const struct killing *k = arg;
	int waiting = 0;

	while (ioctl(k->fd, SIOCOUTQ, &waiting) == 0 && waiting == 0)
		sched_yield();
	kill(k->pid, SIGKILL);
	return NULL;
}

/* A question that it has not seen is asked once more. */
static void
killed_before_it_reads(void **state)
{
	struct killing k = { .pid = ask_pid() };
	pthread_t killer;

	(void)state;
	k.fd = find_socket();
	send_signal(k.pid, SIGSTOP);
	assert_int_equal(pthread_create(&killer, NULL, kill_when_asked, &k),
	    0);
	assert_int_not_equal(ask_pid(), k.pid);
	pthread_join(killer, NULL);
	assert_causes(CAUSES([PAM_PROCESS_DIED] = 1));
}

/* ---- start ---- */

static void
at(uint64_t ms)
{
	clock_test_set((1000000 + ms) * 1000, 0);
}

static void
assert_starts(unsigned n)
{
	assert_int_equal(ask("pid"), PAM_PROCESS_FAILED);
	assert_no_answer();
	assert_causes(CAUSES([PAM_PROCESS_START] = n));
}

/* The clock stands, but for a question that is asked twice. */
static void
starts_grow_rare(void **state)
{
	static const unsigned waits[] = { 200, 400, 800, 1600, 3200, 5000,
		5000 };
	uint64_t now = 0;

	(void)state;
	restart_with("/bin/false", RECYCLE);
	at(now);
	assert_starts(2);
	for (unsigned i = 0; i < ARRAY_LEN(waits); i++) {
		at(now + waits[i] - 1);
		assert_starts(i + 2);
		now += waits[i];
		at(now);
		assert_starts(i + 3);
	}
}

static void
point_to(const char *program)
{
	(void)unlink(link_path);
	assert_int_equal(symlink(program, link_path), 0);
}

static void
it_recovers(void **state)
{
	pid_t pid;

	(void)state;
	restart_with(link_path, RECYCLE);
	at(0);
	point_to("/nonexistent");
	assert_starts(2);
	assert_int_equal(last_error, ENOENT);
	at(200);
	point_to("/bin/false");
	assert_starts(3);
	assert_int_equal(last_error, 0);
	at(600);
	point_to(fake);
	pid = ask_pid();
	/* Forgotten: the next failures cost no more than the first did. */
	point_to("/bin/false");
	send_signal(pid, SIGKILL);
	assert_int_equal(ask("pid"), PAM_PROCESS_FAILED);
	at(800);
	point_to(fake);
	(void)ask_pid();
	assert_causes(CAUSES([PAM_PROCESS_DIED] = 1, [PAM_PROCESS_START] = 5));
}

/* One failure is not told, unless there is no time. */
static void
one_failure_is_not_told(void **state)
{
	(void)state;
	restart_with(link_path, RECYCLE);
	at(0);
	point_to("/nonexistent");
	assert_int_equal(ask_within("pid", NULL, 100), PAM_PROCESS_FAILED);
	assert_causes(CAUSES([PAM_PROCESS_START] = 1));
	point_to(fake);
	assert_int_equal(ask_within("pid", NULL, 100), PAM_PROCESS_FAILED);
	(void)ask_pid();
	assert_causes(CAUSES([PAM_PROCESS_START] = 1));
}

/* ---- interrupt ---- */

static void *
interrupt_when_asked(void *arg)
{
	int fd = open(fifo, O_RDONLY);	/* blocks until it has read */

	pam_process_interrupt(process);
	wait_for_the_end(fd);
	return arg;
}

static void
an_interrupt_ends_all(void **state)
{
	pthread_t interrupter;

	(void)state;
	assert_int_equal(pthread_create(&interrupter, NULL,
	    interrupt_when_asked, NULL), 0);
	assert_int_equal(ask_within("hang", fifo, PATIENCE_MS),
	    PAM_PROCESS_FAILED);
	pthread_join(interrupter, NULL);
	assert_no_answer();
	assert_int_equal(ask("pid"), PAM_PROCESS_FAILED);
	assert_no_answer();
	assert_causes(CAUSES(0));
}

static void
an_interrupt_prevents_the_start(void **state)
{
	(void)state;
	pam_process_interrupt(process);
	pam_process_interrupt(process);
	assert_int_equal(ask("pid"), PAM_PROCESS_FAILED);
	assert_no_answer();
	assert_causes(CAUSES(0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	TEST(one_process_answers_all),
	TEST(a_long_reply_is_whole),
	TEST(the_process_gets_nothing),
	TEST(it_is_recycled),
	TEST(one_that_stays_is_killed),
	TEST(no_question_is_not_asked),
	TEST(a_hanging_one_is_replaced),
	TEST(no_time_is_no_question),
	TEST(what_it_started_is_killed),
	TEST(what_is_no_answer_is_none),
	TEST(what_is_said_too_early_is_not_heard),
	TEST(last_words_count),
	TEST(killed_at_rest),
	TEST(killed_before_it_reads),
	TEST(starts_grow_rare),
	TEST(it_recovers),
	TEST(one_failure_is_not_told),
	TEST(an_interrupt_ends_all),
	TEST(an_interrupt_prevents_the_start),
};

int
main(int argc, char **argv)
{
	int failed;

	if (argc != 2 || (fake = realpath(argv[1], NULL)) == NULL ||
	    mkdtemp(dir) == NULL)
		return 1;
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	snprintf(link_path, sizeof(link_path), "%s/program", dir);
	if (mkfifo(fifo, 0600) != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(fifo);
	unlink(link_path);
	rmdir(dir);
	free(fake);
	return failed;
}
