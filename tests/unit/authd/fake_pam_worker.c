/* SPDX-License-Identifier: MIT */
/*
 * A PAM worker process for test_pam_process.c that behaves as the user's name
 * of each question says. Where the question has a confdir, that is a FIFO: it
 * is opened for writing and stays so, so that its reader learns of the end of
 * all that have it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "authd/pam_wire.h"
#include "base/check.h"

#define SOCKET 3
#define FLOOD 1000

extern char **environ;

static void
send_packet(const void *p, size_t len)
{
	/* Nobody listens to what is said too much. */
	(void)!send(SOCKET, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
send_reply(const struct pam_reply *r)
{
	static uint8_t packet[PAM_REPLY_MAX];

	send_packet(packet, pam_reply_encode(r, packet));
}

static void
answer(uint32_t number, enum pam_verdict verdict, const char *detail)
{
	static struct pam_reply r;

	r.number = number;
	r.verdict = verdict;
	r.detail = str_from(detail);
	r.n_groups = 0;
	send_reply(&r);
}

static void
hang(void)
{
	for (;;)
		pause();
}

/* ---- what this process was given ---- */

static void
list_fds(struct text *t)
{
	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			text_fmt(t, " %d", fd);
}

static unsigned
count_signals(void)
{
	struct sigaction action;
	sigset_t blocked;
	unsigned n = 0;

	sigprocmask(SIG_BLOCK, NULL, &blocked);
	for (int i = 1; i < SIGRTMIN; i++)
		n += sigismember(&blocked, i) == 1 ||
		    (sigaction(i, NULL, &action) == 0 &&
		    action.sa_handler == SIG_IGN);
	return n;
}

static void
describe(const struct pam_question *q, int argc, char **argv)
{
	char array[PAM_TEXT_MAX];
	struct text t = text_on(array, sizeof(array));

	for (int i = 0; i < argc; i++)
		text_fmt(&t, "%s ", argv[i]);
	text_fmt(&t, "fds");
	list_fds(&t);
	text_fmt(&t, " signals %u session %d input %zd env", count_signals(),
	    getsid(0) == getpid(), read(STDIN_FILENO, array, 0));
	for (char **e = environ; *e != NULL; e++)
		text_fmt(&t, " %.5s", *e);
	answer(q->number, PAM_VERDICT_SUCCESS, array);
}

/* ---- behaviours ---- */

static void
say_pid(const struct pam_question *q)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	answer(q->number, PAM_VERDICT_SUCCESS, pid);
}

static void
fail(const struct pam_question *q)
{
	answer(q->number, PAM_VERDICT_FAILURE, "not he");
}

static void
say_name(const struct pam_question *q)
{
	static struct pam_reply r;

	r.number = q->number;
	r.verdict = PAM_VERDICT_SUCCESS;
	r.user = STR("ann");
	send_reply(&r);
}

static void
say_groups(const struct pam_question *q)
{
	static struct pam_reply r;

	r.number = q->number;
	r.verdict = PAM_VERDICT_SUCCESS;
	for (r.n_groups = 0; r.n_groups < PAM_GROUPS_MAX; r.n_groups++)
		r.groups[r.n_groups] = q->user;
	send_reply(&r);
}

static void
do_hang(const struct pam_question *q)
{
	(void)q;
	hang();
}

/* One process more, which holds the socket and the FIFO open. */
static void
fork_and_hang(const struct pam_question *q)
{
	(void)q;
	(void)!fork();
	hang();
}

static void
fork_and_die(const struct pam_question *q)
{
	(void)q;
	if (fork() == 0)
		hang();
	_exit(0);
}

static void
crash(const struct pam_question *q)
{
	(void)q;
	kill(getpid(), SIGKILL);
}

static void
leave(const struct pam_question *q)
{
	(void)q;
	_exit(7);
}

static void
answer_and_leave(const struct pam_question *q)
{
	say_pid(q);
	_exit(0);
}

static void
answer_and_stay(const struct pam_question *q)
{
	say_pid(q);
	hang();		/* without a look at the end of file */
}

static void
close_and_hang(const struct pam_question *q)
{
	(void)q;
	close(SOCKET);
	hang();
}

static void
send_garbage(const struct pam_question *q)
{
	(void)q;
	send_packet("garbage", 7);
}

static void
send_nothing(const struct pam_question *q)
{
	(void)q;
	send_packet("", 0);
}

/* A reply, but for what follows it. */
static void
send_too_much(const struct pam_question *q)
{
	static uint8_t packet[PAM_REPLY_MAX + 1];
	struct pam_reply *r = calloc(1, sizeof(*r));

	ASSERT(r != NULL);
	r->number = q->number;
	r->verdict = PAM_VERDICT_SUCCESS;
	ASSERT(pam_reply_encode(r, packet) > 0);
	send_packet(packet, sizeof(packet));
	free(r);
}

static void
answer_the_last(const struct pam_question *q)
{
	answer(q->number - 1, PAM_VERDICT_SUCCESS, "late");
}

static void
answer_the_next_too(const struct pam_question *q)
{
	say_pid(q);
	answer(q->number + 1, PAM_VERDICT_SUCCESS, "early");
}

static void
flood(const struct pam_question *q)
{
	for (unsigned i = 0; i < FLOOD; i++)
		answer(q->number + i, PAM_VERDICT_SUCCESS, "flood");
}

static const struct {
	const char *user;
	void (*behave)(const struct pam_question *q);
} behaviours[] = {
	{ "pid", say_pid },
	{ "fail", fail },
	{ "name", say_name },
	{ "groups", say_groups },
	{ "hang", do_hang },
	{ "fork", fork_and_hang },
	{ "orphan", fork_and_die },
	{ "crash", crash },
	{ "leave", leave },
	{ "last words", answer_and_leave },
	{ "stay", answer_and_stay },
	{ "close", close_and_hang },
	{ "garbage", send_garbage },
	{ "nothing", send_nothing },
	{ "too much", send_too_much },
	{ "last", answer_the_last },
	{ "next too", answer_the_next_too },
	{ "flood", flood },
};

static void
open_fifo(const struct pam_question *q)
{
	char path[PAM_CONFDIR_MAX + 1];
	int fd;

	if (q->confdir.len == 0 || !str_copy(path, sizeof(path), q->confdir))
		return;
	fd = open(path, O_WRONLY);
	ASSERT(fd >= 0);
	/* It stays open until this process ends. */
	// cppcheck-suppress resourceLeak
}

static void
behave(const struct pam_question *q, int argc, char **argv)
{
	open_fifo(q);
	for (size_t i = 0; i < ARRAY_LEN(behaviours); i++)
		if (str_eq(q->user, str_from(behaviours[i].user)))
			behaviours[i].behave(q);
	if (str_eq(q->user, STR("describe")))
		describe(q, argc, argv);
}

int
main(int argc, char **argv)
{
	char packet[PAM_QUESTION_MAX];
	struct pam_question q;
	ssize_t n;

	while ((n = recv(SOCKET, packet, sizeof(packet), 0)) > 0) {
		ASSERT(pam_question_decode(&q,
		    (struct str){ packet, (size_t)n }));
		behave(&q, argc, argv);
	}
	_exit(0);
}
