/* SPDX-License-Identifier: MIT */
#include "authd/pam_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "authd/nss_groups.h"
#include "authd/pam_talk.h"
#include "authd/pam_wire.h"
#include "base/mem.h"

/* More than any module needs, and than a leak of one a login can use up before
 * the process is recycled; few enough that a helper's loop that closes them
 * all, as pam_unix's, is short. */
#define FILES_MAX 4096

bool
pam_worker_wanted(int argc, char **argv)
{
	return argc == 2 && strcmp(argv[1], PAM_WORKER_FLAG) == 0;
}

/* ---- a clean process ---- */

/* One end of a socketpair has no name, and neither has its peer. */
static bool
is_pair(int fd)
{
	struct sockaddr_un peer = { 0 };
	socklen_t len = sizeof(peer);
	int type = 0;

	if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0 ||
	    peer.sun_family != AF_UNIX || len != sizeof(peer.sun_family))
		return false;
	len = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_SEQPACKET;
}

static int
keep_only_socket(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0)
		return -1;
	if (fcntl(STDERR_FILENO, F_GETFD) < 0 && dup2(null, STDERR_FILENO) < 0)
		return -1;
	if (fcntl(PAM_WORKER_FD, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	return close_range(PAM_WORKER_FD + 1, ~0U, 0);
}

/* Modules wait for their helpers and write to them: SIGCHLD as ever, but a
 * helper that died shall not take this process with it. */
static int
reset_signals(void)
{
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		(void)signal(s, s == SIGPIPE ? SIG_IGN : SIG_DFL);
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

static int
reset_environment(void)
{
	if (clearenv() != 0 ||
	    setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1) != 0)
		return -1;
	return setenv("LANG", "C", 1);
}

static int
reset(void)
{
	const struct rlimit files = { FILES_MAX, FILES_MAX };

	(void)setsid();		/* fails where it is one already */
	(void)setrlimit(RLIMIT_NOFILE, &files);
	umask(S_IRWXG | S_IRWXO);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || chdir("/") != 0)
		return -1;
	if (keep_only_socket() != 0 || reset_signals() != 0)
		return -1;
	return reset_environment();
}

/* Its authd died before reset() had asked to die with it: nobody would end
 * a module that hangs. The socket's pair was made by whoever started this
 * process. */
static bool
is_orphan(void)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	return getsockopt(PAM_WORKER_FD, SOL_SOCKET, SO_PEERCRED, &peer,
	    &len) != 0 || peer.pid != getppid();
}

/* ---- questions ---- */

/* What answers borrow from; one question at a time. */
struct desk {
	uint8_t question[PAM_QUESTION_MAX];
	struct pam_reply reply;
	struct pam_talk talk;
	char names[PAM_REPLY_MAX];
	char user[PAM_TEXT_MAX + 1];
	uint8_t packet[PAM_REPLY_MAX];
};

static void
explain(struct desk *d, const struct err *err)
{
	struct text detail = text_on(d->talk.detail, sizeof(d->talk.detail));

	text_str(&detail, str_from(err->text));
	d->reply.detail = str_from(d->talk.detail);
}

/* What is said of a user is said of one spelling of his name. */
static void
name_user(struct desk *d, const struct pam_question *q)
{
	struct err err = { "" };

	if (nss_name(d->user, q->user, &err) != 0) {
		d->reply.verdict = PAM_VERDICT_ERROR;
		explain(d, &err);
	}
	d->reply.user = str_from(d->user);
}

static void
answer_login(struct desk *d, const struct pam_question *q)
{
	pam_talk(q, &d->talk);
	d->reply.verdict = d->talk.verdict;
	d->reply.detail = str_from(d->talk.detail);
	if (q->kind == PAM_KIND_USERNAME &&
	    d->reply.verdict == PAM_VERDICT_SUCCESS)
		name_user(d, q);
}

static void
answer_groups(struct desk *d, const struct pam_question *q)
{
	struct err err = { "" };

	d->reply.verdict = PAM_VERDICT_SUCCESS;
	if (nss_groups(&d->reply, q->user, d->names, &err) != 0)
		d->reply.verdict = PAM_VERDICT_ERROR;
	explain(d, &err);
}

/* Bytes of the reply. */
static size_t
encode(struct desk *d)
{
	size_t len = pam_reply_encode(&d->reply, d->packet);

	if (len > 0)
		return len;
	d->reply.verdict = PAM_VERDICT_ERROR;
	d->reply.detail = STR("more groups than a reply holds");
	d->reply.user = (struct str){ 0 };
	d->reply.n_groups = 0;
	len = pam_reply_encode(&d->reply, d->packet);
	ASSERT(len > 0);
	return len;
}

/* `n` bytes of a question are here. -1: there is nobody to answer. */
static int
answer(struct desk *d, size_t n)
{
	struct pam_question q;
	size_t len;

	if (!pam_question_decode(&q, (struct str){ (char *)d->question, n })) {
		fputs("sallyport-authd: a PAM worker was asked what it does "
		    "not understand; were the files of authd replaced while "
		    "it ran? Restart it\n", stderr);
		return -1;
	}
	d->reply.number = q.number;
	d->reply.user = (struct str){ 0 };
	d->reply.n_groups = 0;
	if (q.kind == PAM_KIND_GROUPS)
		answer_groups(d, &q);
	else
		answer_login(d, &q);
	secret_wipe(d->question, sizeof(d->question));
	len = encode(d);
	return send(PAM_WORKER_FD, d->packet, len, MSG_NOSIGNAL) ==
	    (ssize_t)len ? 0 : -1;
}

/* Bytes of the next question; 0: there will be none; -1: not one of ours. */
static ssize_t
receive(struct desk *d)
{
	ssize_t n;

	do
		n = recv(PAM_WORKER_FD, d->question, sizeof(d->question),
		    MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	return n > (ssize_t)sizeof(d->question) ? -1 : n;
}

int
pam_worker_main(void)
{
	static struct desk desk;
	ssize_t n;

	if (!is_pair(PAM_WORKER_FD)) {
		fprintf(stderr, "sallyport-authd %s is for sallyport-authd "
		    "itself, which starts it to talk to PAM: descriptor %d is "
		    "not its socket\n", PAM_WORKER_FLAG, PAM_WORKER_FD);
		return 2;
	}
	if (reset() != 0) {
		fprintf(stderr, "sallyport-authd: a PAM worker cannot be set "
		    "up: %s\n", strerror(errno));
		return 1;
	}
	if (is_orphan())
		return 0;
	while ((n = receive(&desk)) > 0)
		if (answer(&desk, (size_t)n) != 0)
			return 1;
	return n == 0 ? 0 : 1;
}
