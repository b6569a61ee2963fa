/* SPDX-License-Identifier: MIT */
/*
 * The real worker process with modules that do what they should not.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pam_room.h"

#include "base/clock.h"
#include "base/mem.h"

#include <security/_pam_types.h>

static const char *binary;

/* ---- verdicts ---- */

static void
permits_and_denies(void **state)
{
	(void)state;
	pam_room_service("yes", "auth required pam_permit.so\n"
	    "account required pam_permit.so\n");
	pam_room_service("no", "auth required pam_deny.so\n"
	    "account required pam_permit.so\n");
	pam_room_service("not-now", "auth required pam_permit.so\n"
	    "account required pam_deny.so\n");
	pam_room_login("yes", "ann", "x", PAM_VERDICT_SUCCESS);
	pam_room_said("Success");
	pam_room_login("YES", "ann", "x", PAM_VERDICT_SUCCESS);
	pam_room_login("no", "ann", "x", PAM_VERDICT_FAILURE);
	pam_room_login("not-now", "ann", "x", PAM_VERDICT_FAILURE);
	pam_room_address("yes", "rhostusr", PAM_VERDICT_SUCCESS);
	pam_room_address("no", "rhostusr", PAM_VERDICT_FAILURE);
}

/* Every code there is, of either step. 28 is of modules only. */
static void
every_code_has_its_verdict(void **state)
{
	static const int failures[] = { PAM_AUTH_ERR, PAM_USER_UNKNOWN,
		PAM_MAXTRIES, PAM_NEW_AUTHTOK_REQD, PAM_PERM_DENIED,
		PAM_ACCT_EXPIRED, PAM_AUTHTOK_EXPIRED, PAM_CRED_EXPIRED };
	enum pam_verdict wanted;
	char user[32];

	(void)state;
	pam_room_module("auth", "code auth", "code account");
	for (int code = 1; code < _PAM_RETURN_VALUES; code++) {
		if (code == PAM_IGNORE)	/* a module that is not there */
			continue;
		wanted = PAM_VERDICT_ERROR;
		for (size_t i = 0; i < ARRAY_LEN(failures); i++)
			if (failures[i] == code)
				wanted = PAM_VERDICT_FAILURE;
		snprintf(user, sizeof(user), "auth%d", code);
		pam_room_login("auth", user, "x", wanted);
		snprintf(user, sizeof(user), "account%d", code);
		pam_room_login("auth", user, "x", wanted);
	}
	pam_room_login("auth", "auth0", "x", PAM_VERDICT_SUCCESS);
}

static void
a_service_needs_its_file(void **state)
{
	char *path = xasprintf("%s/open", pam_room.dir);

	(void)state;
	pam_room_service("empty", "");
	pam_room_login("empty", "ann", "x", PAM_VERDICT_FAILURE);
	pam_room_service("other", "auth required pam_permit.so\n"
	    "account required pam_permit.so\n");
	pam_room_login("none", "ann", "x", PAM_VERDICT_ERROR);
	assert_true(pam_room_mentions("there is no PAM service"));
	pam_room_service("open", "auth required pam_permit.so\n");
	assert_int_equal(chmod(path, 0646), 0);
	pam_room_login("open", "ann", "x", PAM_VERDICT_ERROR);
	assert_true(pam_room_mentions("everybody may write it"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	pam_room_login("open", "ann", "x", PAM_VERDICT_ERROR);
	assert_true(pam_room_mentions("not a file"));
	assert_int_equal(rmdir(path), 0);
	free(path);
	pam_room_service("broken", "auth required /nonexistent/pam_x.so\n");
	pam_room_login("broken", "ann", "x", PAM_VERDICT_ERROR);
}

/* ---- conversation ---- */

static void
answers_what_it_knows(void **state)
{
	(void)state;
	pam_room_module("once", "once", "");
	pam_room_login("once", "ann", "right", PAM_VERDICT_SUCCESS);
	pam_room_login("once", "ann", "wrong", PAM_VERDICT_FAILURE);
	pam_room_login("once", "ann", "right ", PAM_VERDICT_FAILURE);
	pam_room_module("twice", "twice", "once");
	pam_room_login("twice", "ann", "right", PAM_VERDICT_SUCCESS);
	pam_room_module("name", "name ann", "");
	pam_room_login("name", "ann", "secret", PAM_VERDICT_SUCCESS);
	pam_room_login("name", "bob", "secret", PAM_VERDICT_FAILURE);
}

static void
an_address_answers_nothing(void **state)
{
	(void)state;
	pam_room_module("once", "once", "");
	pam_room_address("once", "rhostusr", PAM_VERDICT_ERROR);
	pam_room_said("Conversation error");
	pam_room_module("name", "name rhostusr", "");
	pam_room_address("name", "rhostusr", PAM_VERDICT_ERROR);
	pam_room_service("null", "auth required pam_unix.so nullok\n"
	    "account required pam_permit.so\n");
	pam_room_address("null", "root", PAM_VERDICT_ERROR);
}

/* A conversation has an end, whatever the module wants. */
static void
questions_are_bounded(void **state)
{
	static const char *const endless[] = { "endless", "chatter", "binary",
		"flood" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(endless); i++) {
		pam_room_module(endless[i], endless[i], "");
		pam_room_login(endless[i], "ann", "right", PAM_VERDICT_ERROR);
		assert_true(pam_room_mentions("Conversation error"));
	}
	assert_int_equal(pam_room.causes[PAM_PROCESS_DIED], 0);
}

static void
the_user_stays_who_was_asked_for(void **state)
{
	(void)state;
	pam_room_module("other", "rename root", "");
	pam_room_login("other", "ann", "x", PAM_VERDICT_ERROR);
	pam_room_said("a module made the user another one");
	pam_room_module("late", "", "rename root");
	pam_room_login("late", "ann", "x", PAM_VERDICT_ERROR);
	pam_room_module("same", "rename ann", "");
	pam_room_login("same", "ann", "x", PAM_VERDICT_SUCCESS);
	pam_room_login("same", "Ann", "x", PAM_VERDICT_ERROR);
}

static void
a_delay_is_not_waited_for(void **state)
{
	(void)state;	/* 600 s; asking ends after 60 */
	pam_room_module("delay", "delay", "");
	pam_room_login("delay", "ann", "x", PAM_VERDICT_FAILURE);
}

static void
messages_are_told_without_secrets(void **state)
{
	(void)state;
	pam_room_module("say", "say closed\033[0m", "");
	pam_room_login("say", "ann", "secret", PAM_VERDICT_FAILURE);
	pam_room_said("Authentication failure; a module said: "
	    "closed\\x1b[0m");
	pam_room_module("blab", "blab", "");
	pam_room_login("blab", "ann", "secret", PAM_VERDICT_FAILURE);
	assert_false(pam_room_mentions("secret"));
	assert_false(pam_room_mentions("you said"));
}

static void
modules_see_who_asks(void **state)
{
	(void)state;
	pam_room_module("items", "say_items", "");
	pam_room_login("items", "ann", "x", PAM_VERDICT_FAILURE);
	assert_true(pam_room_mentions(
	    "said: items ann sallyport 192.0.2.1 -"));
	pam_room_address("items", "guest", PAM_VERDICT_FAILURE);
	assert_true(pam_room_mentions(
	    "said: items guest sallyport 192.0.2.1 rhostusr"));
}

/* ---- the process ---- */

static void
the_process_is_clean(void **state)
{
	(void)state;
	assert_int_equal(setenv("SALLYPORT_TEST_SECRET", "1", 1), 0);
	pam_room_module("process", "say_process", "");
	pam_room_module("environment", "say_environment", "");
	pam_room_login("process", "ann", "x", PAM_VERDICT_FAILURE);
	assert_true(pam_room_mentions("said: cwd=/ umask=77 core=0 death=9 "
	    "session=1 inherited=0"));
	pam_room_login("environment", "ann", "x", PAM_VERDICT_FAILURE);
	assert_true(pam_room_mentions("said: "
	    "PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C "));
	assert_false(pam_room_mentions("SECRET"));
	assert_int_equal(unsetenv("SALLYPORT_TEST_SECRET"), 0);
}

static void
what_breaks_is_replaced(void **state)
{
	(void)state;
	pam_room_module("crash", "crash", "");
	pam_room_module("quit", "quit 0", "");
	pam_room_module("once", "once", "");
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(pam_room_login_within("crash", "ann", "x",
		    PAM_ROOM_WAIT_MS), PAM_PROCESS_FAILED);
		assert_int_equal(pam_room.causes[PAM_PROCESS_DIED], 2 * i - 1);
		assert_int_equal(pam_room_login_within("quit", "ann", "x",
		    PAM_ROOM_WAIT_MS), PAM_PROCESS_FAILED);
		assert_int_equal(pam_room.causes[PAM_PROCESS_DIED], 2 * i);
		pam_room_login("once", "ann", "right", PAM_VERDICT_SUCCESS);
	}
}

static void
await_end_of(pid_t pid)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	uint64_t end = clock_mono_ms() + PAM_ROOM_WAIT_MS;
	char *path = xasprintf("/proc/%d/stat", (int)pid), state = 'R';
	FILE *f;

	/* Killed, or a zombie that init has not seen yet. */
	while (clock_mono_ms() < end && (f = fopen(path, "re")) != NULL) {
		if (fscanf(f, "%*d %*s %c", &state) != 1 || state == 'Z')
			state = '-';
		fclose(f);
		if (state == '-')
			break;
		nanosleep(&pause, NULL);
	}
	free(path);
	assert_true(clock_mono_ms() < end);
}

/* 600 s in a module, and in a helper of it. */
static void
what_hangs_is_replaced(void **state)
{
	char *path = xasprintf("%s/pid", pam_room.dir), line[32] = "";
	char *what = xasprintf("hang_helper %s", path);
	FILE *f;

	(void)state;
	pam_room_module("hang", what, "");
	pam_room_module("once", "once", "");
	/* Until the helper was there in time. */
	for (uint64_t ms = 100; strchr(line, '\n') == NULL; ms *= 2) {
		assert_true(ms < PAM_ROOM_WAIT_MS);
		assert_int_equal(pam_room_login_within("hang", "ann", "x",
		    ms), PAM_PROCESS_TIMED_OUT);
		f = fopen(path, "re");
		if (f != NULL && fgets(line, sizeof(line), f) == NULL)
			line[0] = '\0';
		if (f != NULL)
			fclose(f);
	}
	assert_true(pam_room.causes[PAM_PROCESS_DEADLINE] >= 1);
	await_end_of((pid_t)strtol(line, NULL, 10));
	pam_room_login("once", "ann", "right", PAM_VERDICT_SUCCESS);
	free(what);
	free(path);
}

/* A module that leaks a descriptor a login: the process goes before they do. */
static void
what_leaks_is_recycled(void **state)
{
	(void)state;
	pam_room_module("leak", "leak", "");
	pam_room_recycle_after(1000);
	for (unsigned i = 0; i < 2001; i++)
		pam_room_login("leak", "ann", "x", PAM_VERDICT_SUCCESS);
	assert_int_equal(pam_room.causes[PAM_PROCESS_RECYCLED], 2);
}

/* ---- without authd ---- */

/* The program with `fd` as its descriptor 3 (-1: none): its exit code. */
static int
run(int fd, char *output, size_t size)
{
	int out[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		dup2(out[1], STDERR_FILENO);
		if (fd != 3)
			close(3);
		if (fd > 3)
			dup2(fd, 3);
		execl(binary, binary, "--pam-worker", NULL);
		_exit(127);
	}
	close(out[1]);
	while ((n = read(out[0], output + len, size - 1 - len)) > 0)
		len += (size_t)n;
	output[len] = '\0';
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
by_hand_it_says_what_it_is(void **state)
{
	int pipes[2], stream[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char said[512];

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    stream), 0);
	assert_int_equal(run(-1, said, sizeof(said)), 2);
	assert_non_null(strstr(said, "is for sallyport-authd itself"));
	assert_int_equal(run(null, said, sizeof(said)), 2);
	assert_int_equal(run(pipes[0], said, sizeof(said)), 2);
	assert_int_equal(run(stream[1], said, sizeof(said)), 2);
	close(null);
	close(pipes[0]);
	close(pipes[1]);
	close(stream[0]);
	close(stream[1]);
}

static void
it_ends_with_authd(void **state)
{
	static const char garbage[] = "\1what?";
	static const char huge[PAM_QUESTION_MAX + 1];
	static const struct {
		const char *send;
		size_t len;
		int code;
	} cases[] = {
		{ NULL, 0, 0 },
		{ garbage, sizeof(garbage), 1 },
		{ huge, sizeof(huge), 1 },
	};
	char said[512];
	int s[2];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(socketpair(AF_UNIX,
		    SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
		if (cases[i].send != NULL)
			assert_true(send(s[0], cases[i].send, cases[i].len,
			    0) > 0);
		/* A socket that is shut is still a pair. */
		assert_int_equal(shutdown(s[0], SHUT_WR), 0);
		assert_int_equal(run(s[1], said, sizeof(said)),
		    cases[i].code);
		close(s[0]);
		close(s[1]);
	}
}

/* The program, once the process that started it is no more; `fd` as above. */
static void
run_orphan(int fd)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	pid_t starter = fork();

	if (starter == 0) {
		starter = getpid();
		if (fork() > 0)
			_exit(0);
		while (getppid() == starter)
			nanosleep(&pause, NULL);
		if (dup2(fd, 3) == 3 && fcntl(3, F_SETFD, 0) == 0)
			execl(binary, binary, "--pam-worker", NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(starter, NULL, 0), starter);
}

/* authd died before its worker had asked to die with it, and the question is
 * there already: of a module that hangs, say. */
static void
it_does_not_begin_without_authd(void **state)
{
	const struct pam_question q = { .kind = PAM_KIND_GROUPS,
		.user = STR("root") };
	uint8_t question[PAM_QUESTION_MAX];
	char reply[PAM_REPLY_MAX];
	size_t len = pam_question_encode(&q, question);
	int s[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    s), 0);
	assert_true(send(s[0], question, len, 0) > 0);
	run_orphan(s[1]);
	close(s[1]);
	/* It ends with the question unread. */
	assert_int_equal(recv(s[0], reply, sizeof(reply), 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(s[0]);
}

int
main(int argc, char **argv)
{
#define IN_ROOM(f) cmocka_unit_test_setup_teardown(f, pam_room_open, \
	pam_room_close)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_hand_it_says_what_it_is),
		cmocka_unit_test(it_ends_with_authd),
		cmocka_unit_test(it_does_not_begin_without_authd),
		IN_ROOM(permits_and_denies),
		IN_ROOM(every_code_has_its_verdict),
		IN_ROOM(a_service_needs_its_file),
		IN_ROOM(answers_what_it_knows),
		IN_ROOM(an_address_answers_nothing),
		IN_ROOM(questions_are_bounded),
		IN_ROOM(the_user_stays_who_was_asked_for),
		IN_ROOM(a_delay_is_not_waited_for),
		IN_ROOM(messages_are_told_without_secrets),
		IN_ROOM(modules_see_who_asks),
		IN_ROOM(the_process_is_clean),
		IN_ROOM(what_breaks_is_replaced),
		IN_ROOM(what_hangs_is_replaced),
		IN_ROOM(what_leaks_is_recycled),
	};

	pam_room_arguments(argc, argv);
	binary = argv[1];
	return cmocka_run_group_tests_name("pam_worker", tests, NULL, NULL);
}
