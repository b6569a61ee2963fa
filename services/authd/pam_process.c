/* SPDX-License-Identifier: MIT */
/*
 * A process is a pid and a socket. The owner's thread starts, asks and reaps;
 * `m` guards the pid, so that an interrupt never kills a number that has been
 * given to somebody else. The kill comes before the reaping and goes to the
 * whole process group, helpers of modules (unix_chkpwd) included.
 *
 * The kernel tells how far a dead process had come: a socket that is closed
 * with a packet unread gives its peer ECONNRESET, otherwise the end of file.
 */
#include "authd/pam_process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "authd/pam_worker.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define END_MS 100	/* that a process has for ending by itself */

const char *const pam_process_cause_names[] = {
	[PAM_PROCESS_RECYCLED] = "recycled",
	[PAM_PROCESS_DEADLINE] = "deadline",
	[PAM_PROCESS_DIED] = "died",
	[PAM_PROCESS_START] = "start",
	[PAM_PROCESS_CAUSES] = NULL,
};

struct pam_process {
	struct pam_process_options o;
	int fd;			/* -1: no process */
	uint32_t answered;	/* questions, by this process */
	uint32_t number;	/* of the last question of all */
	uint64_t backoff_ms;	/* 0: the last start went well */
	uint64_t start_at_ms;	/* not before */
	pthread_mutex_t m;
	/* Guarded by m. */
	pid_t pid;		/* 0: no process */
	bool interrupted;
	/* For a reply, and one byte more to tell what is too long. */
	char room[PAM_REPLY_MAX + 1];
};

/* A question as it is sent. */
struct packet {
	size_t len;
	uint8_t bytes[PAM_QUESTION_MAX];
};

/* How an exchange ended. */
enum exchange {
	EXCHANGE_DONE,
	EXCHANGE_LATE,
	EXCHANGE_UNREAD,	/* it ended without a look at the question */
	EXCHANGE_BROKEN,	/* it ended, or the reply is none */
};

static bool
is_interrupted(struct pam_process *p)
{
	bool yes;

	pthread_mutex_lock(&p->m);
	yes = p->interrupted;
	pthread_mutex_unlock(&p->m);
	return yes;
}

/* ---- start ---- */

static int
set_actions(posix_spawn_file_actions_t *a, int fd)
{
	int rc;

	/* The socket first: its number may be one of those opened next. */
	if ((rc = posix_spawn_file_actions_adddup2(a, fd,
	    PAM_WORKER_FD)) != 0 ||
	    (rc = posix_spawn_file_actions_addopen(a, STDIN_FILENO,
	    "/dev/null", O_RDONLY, 0)) != 0 ||
	    (rc = posix_spawn_file_actions_addopen(a, STDOUT_FILENO,
	    "/dev/null", O_WRONLY, 0)) != 0)
		return rc;
	return posix_spawn_file_actions_addclosefrom_np(a,
	    PAM_WORKER_FD + 1);
}

static int
set_attributes(posix_spawnattr_t *a)
{
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	if ((rc = posix_spawnattr_setsigmask(a, &none)) != 0 ||
	    (rc = posix_spawnattr_setsigdefault(a, &all)) != 0)
		return rc;
	return posix_spawnattr_setflags(a, POSIX_SPAWN_SETSIGMASK |
	    POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
}

/* errno, or 0. */
static int
spawn_with(const char *program, const posix_spawn_file_actions_t *actions,
    const posix_spawnattr_t *attributes, pid_t *pid)
{
	char name[] = "sallyport-authd", flag[] = PAM_WORKER_FLAG;
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *argv[] = { name, flag, NULL }, *env[] = { path, NULL };

	return posix_spawn(pid, program != NULL ? program : "/proc/self/exe",
	    actions, attributes, argv, env);
}

static int
spawn(const char *program, int fd, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int rc;

	if ((rc = posix_spawn_file_actions_init(&actions)) != 0)
		return rc;
	if ((rc = posix_spawnattr_init(&attributes)) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return rc;
	}
	if ((rc = set_actions(&actions, fd)) == 0 &&
	    (rc = set_attributes(&attributes)) == 0)
		rc = spawn_with(program, &actions, &attributes, pid);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/* Under the lock, so that an interrupt finds the process or prevents it. */
static int
spawn_unless_interrupted(struct pam_process *p, int fd)
{
	int rc;

	pthread_mutex_lock(&p->m);
	rc = p->interrupted ? EINTR : spawn(p->o.program, fd, &p->pid);
	if (rc != 0)
		p->pid = 0;
	pthread_mutex_unlock(&p->m);
	return rc;
}

/* errno, or 0. */
static int
start(struct pam_process *p)
{
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return errno;
	rc = spawn_unless_interrupted(p, pair[1]);
	close(pair[1]);
	if (rc != 0) {
		close(pair[0]);
		return rc;
	}
	p->fd = pair[0];
	p->answered = 0;
	return 0;
}

/* ---- end ---- */

static int
reap(struct pam_process *p)
{
	int status = 0;

	pthread_mutex_lock(&p->m);
	if (p->pid > 0) {
		(void)kill(-p->pid, SIGKILL);
		while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	p->pid = 0;
	pthread_mutex_unlock(&p->m);
	return status;
}

static int
end(struct pam_process *p)
{
	int status = reap(p);

	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	return status;
}

/* A process at rest may end by itself, but not take its time. */
static int
end_politely(struct pam_process *p)
{
	struct pollfd end_of_file = { .fd = p->fd };

	if (p->fd >= 0 && shutdown(p->fd, SHUT_WR) == 0)
		(void)poll(&end_of_file, 1, END_MS);
	return end(p);
}

static void
put_off(struct pam_process *p)
{
	p->backoff_ms = p->backoff_ms == 0 ? BACKOFF_MIN_MS :
	    p->backoff_ms * 2;
	if (p->backoff_ms > BACKOFF_MAX_MS)
		p->backoff_ms = BACKOFF_MAX_MS;
	p->start_at_ms = clock_mono_ms() + p->backoff_ms;
}

static void
log_restart(enum pam_process_cause cause, int error, int status)
{
	bool is_signal = WIFSIGNALED(status);

	log_at(NULL, cause == PAM_PROCESS_RECYCLED ? LOG_DEBUG : LOG_WARN,
	    "pam_worker_ended",
	    log_str("cause", pam_process_cause_names[cause]),
	    error != 0 ? log_str("error", strerrordesc_np(error)) :
	    log_i64(is_signal ? "signal" : "status",
	    is_signal ? WTERMSIG(status) : WEXITSTATUS(status)));
}

/* `error`: errno of a start that did not come so far as a process, or 0. */
static void
account(struct pam_process *p, enum pam_process_cause cause, int error,
    int status)
{
	if (is_interrupted(p))
		return;
	if (cause == PAM_PROCESS_START)
		put_off(p);
	log_restart(cause, error, status);
	if (p->o.on_restart != NULL)
		p->o.on_restart(p->o.arg, cause, error);
}

/* ---- one exchange ---- */

/* At rest it has nothing to say: neither words nor its end. */
static bool
is_quiet(struct pam_process *p)
{
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 0;
}

static enum exchange
send_question(struct pam_process *p, const struct packet *q)
{
	ssize_t n = send(p->fd, q->bytes, q->len, MSG_DONTWAIT | MSG_NOSIGNAL);

	return n == (ssize_t)q->len ? EXCHANGE_DONE : EXCHANGE_UNREAD;
}

/* Until there is something to receive, be it the end. */
static enum exchange
wait_for_reply(struct pam_process *p, uint64_t deadline_ms)
{
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };
	uint64_t now;
	int n;

	while ((now = clock_mono_ms()) < deadline_ms) {
		uint64_t left = deadline_ms - now;

		n = poll(&pfd, 1, left < INT_MAX ? (int)left : INT_MAX);
		if (n > 0)
			return EXCHANGE_DONE;
		if (n < 0 && errno != EINTR)
			return EXCHANGE_BROKEN;
	}
	return EXCHANGE_LATE;
}

static enum exchange
receive_reply(struct pam_process *p, struct pam_reply *reply)
{
	ssize_t n = recv(p->fd, p->room, sizeof(p->room), MSG_DONTWAIT);

	if (n < 0)
		return errno == ECONNRESET ? EXCHANGE_UNREAD :
		    EXCHANGE_BROKEN;
	if (!pam_reply_decode(reply, (struct str){ p->room, (size_t)n }) ||
	    reply->number != p->number)
		return EXCHANGE_BROKEN;
	return EXCHANGE_DONE;
}

static enum exchange
exchange(struct pam_process *p, const struct packet *q,
    uint64_t deadline_ms, struct pam_reply *reply)
{
	enum exchange e = send_question(p, q);

	if (e == EXCHANGE_DONE)
		e = wait_for_reply(p, deadline_ms);
	if (e == EXCHANGE_DONE)
		e = receive_reply(p, reply);
	return e;
}

/* ---- ask ---- */

static enum pam_process_result
give_up(struct pam_reply *reply, enum pam_process_result result,
    const char *why)
{
	reply->verdict = PAM_VERDICT_ERROR;
	reply->detail = str_from(why);
	reply->user = (struct str){ 0 };
	reply->n_groups = 0;
	return result;
}

/* May it be started now? One failure is waited for, which is short; while
 * there are more, nobody need wait to hear of it. */
static bool
is_time_to_start(struct pam_process *p, uint64_t deadline_ms)
{
	uint64_t now = clock_mono_ms();
	struct timespec pause = { 0 };

	if (is_interrupted(p))
		return false;
	if (now >= p->start_at_ms)
		return true;
	if (p->backoff_ms > BACKOFF_MIN_MS || p->start_at_ms >= deadline_ms)
		return false;
	pause.tv_nsec = (long)(p->start_at_ms - now) * 1000000;
	(void)nanosleep(&pause, NULL);
	return true;
}

/* A process that waits for a question; false: there is none to be had. */
static bool
make_ready(struct pam_process *p, uint64_t deadline_ms)
{
	int error;

	if (p->fd >= 0 && !is_quiet(p))
		account(p, PAM_PROCESS_DIED, 0, end(p));
	while (p->fd < 0) {
		if (!is_time_to_start(p, deadline_ms))
			return false;
		error = start(p);
		if (error != 0)
			account(p, PAM_PROCESS_START, error, 0);
	}
	return true;
}

static void
count_answer(struct pam_process *p)
{
	if (++p->answered >= p->o.recycle_after)
		account(p, PAM_PROCESS_RECYCLED, 0, end_politely(p));
}

static enum pam_process_result
conclude(struct pam_process *p, enum exchange e, struct pam_reply *reply)
{
	p->backoff_ms = 0;	/* it had started */
	switch (e) {
	case EXCHANGE_DONE:
		count_answer(p);
		return PAM_PROCESS_ANSWERED;
	case EXCHANGE_LATE:
		account(p, PAM_PROCESS_DEADLINE, 0, end(p));
		return give_up(reply, PAM_PROCESS_TIMED_OUT,
		    "the PAM worker did not answer in time");
	default:
		account(p, PAM_PROCESS_DIED, 0, end(p));
		return give_up(reply, PAM_PROCESS_FAILED,
		    "the PAM worker died");
	}
}

static enum pam_process_result
ask(struct pam_process *p, const struct packet *q, uint64_t deadline_ms,
    struct pam_reply *reply)
{
	enum exchange e;

	while (make_ready(p, deadline_ms)) {
		e = exchange(p, q, deadline_ms, reply);
		if (e != EXCHANGE_UNREAD)
			return conclude(p, e, reply);
		/* Nobody has seen the question: on to the next process. */
		account(p, p->answered > 0 ? PAM_PROCESS_DIED :
		    PAM_PROCESS_START, 0, end(p));
	}
	return give_up(reply, PAM_PROCESS_FAILED,
	    "no PAM worker can be started");
}

enum pam_process_result
pam_process_ask(struct pam_process *p, const struct pam_question *q,
    uint64_t deadline_ms, struct pam_reply *reply)
{
	struct pam_question numbered = *q;
	enum pam_process_result result;
	struct packet packet;

	if (clock_mono_ms() >= deadline_ms)
		return give_up(reply, PAM_PROCESS_TIMED_OUT,
		    "too late to ask a PAM worker");
	numbered.number = ++p->number;
	packet.len = pam_question_encode(&numbered, packet.bytes);
	if (packet.len == 0)
		return give_up(reply, PAM_PROCESS_FAILED,
		    "nothing that a PAM worker can be asked");
	result = ask(p, &packet, deadline_ms, reply);
	secret_wipe(packet.bytes, packet.len);
	return result;
}

/* ---- life ---- */

struct pam_process *
pam_process_new(const struct pam_process_options *o)
{
	struct pam_process *p = xcalloc(1, sizeof(*p));

	ASSERT(o->recycle_after > 0);
	p->o = *o;
	p->fd = -1;
	pthread_mutex_init(&p->m, NULL);
	return p;
}

void
pam_process_interrupt(struct pam_process *p)
{
	pthread_mutex_lock(&p->m);
	p->interrupted = true;
	if (p->pid > 0)
		(void)kill(-p->pid, SIGKILL);
	pthread_mutex_unlock(&p->m);
}

void
pam_process_free(struct pam_process **pp)
{
	struct pam_process *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	(void)end_politely(p);
	pthread_mutex_destroy(&p->m);
	free(p);
}
