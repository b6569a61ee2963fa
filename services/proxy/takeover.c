/* SPDX-License-Identifier: MIT */
#include "proxy/takeover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/sock.h"
#include "proxy/takeover_wire.h"

#define ASK_MS 5000
#define BEGIN_MS 10000
/* 256 workers with 16 addresses each, and the admin listener. */
#define SOCKETS_MAX 4097

struct inherited {
	int fd;			/* -1: taken */
	struct endpoint at;
};

struct takeover {
	int fd;			/* to the predecessor */
	pid_t pid;		/* its */
	int admin;		/* -1: none, or taken */
	struct inherited *v;
	size_t n;
};

/* Whoever may write to run_dir could wait there for us. */
static int
check_peer(struct takeover *t, uid_t user, struct err *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(t->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return err_sys(err, "SO_PEERCRED");
	t->pid = peer.pid;
	if (peer.uid == 0 || peer.uid == geteuid() || peer.uid == user)
		return 0;
	return err_set(err, "uid %u listens there, who is not the proxy's "
	    "user; nothing was taken over", (unsigned)peer.uid);
}

static bool
is_listening(int fd, struct endpoint *at)
{
	int on = 0;
	socklen_t len = sizeof(on);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 &&
	    on == 1 && sock_local(fd, at);
}

static int
keep(struct takeover *t, const struct takeover_message *m, struct err *err)
{
	for (unsigned i = 0; i < m->n_fds; i++) {
		struct inherited one = { .fd = m->fds[i] };

		if (!is_listening(one.fd, &one.at) || t->n == SOCKETS_MAX ||
		    (m->value == TAKEOVER_ADMIN && t->admin >= 0)) {
			for (; i < m->n_fds; i++)
				close(m->fds[i]);
			return err_set(err, "it sent what is no listener of "
			    "a proxy");
		}
		if (m->value == TAKEOVER_ADMIN)
			t->admin = one.fd;
		else
			t->v[t->n++] = one;
	}
	return 0;
}

/* Takes messages until all sockets are here. */
static int
collect(struct takeover *t, uint64_t until_ms, struct err *err)
{
	struct takeover_message m;

	for (;;) {
		enum takeover_result r = takeover_receive(t->fd, &m, true, -1,
		    until_ms);

		if (r != TAKEOVER_OK)
			return err_set(err, "%s", takeover_result_text(r));
		if (m.kind == TAKEOVER_END)
			return 0;
		if (m.kind == TAKEOVER_REFUSED)
			return err_set(err, "it refused: %s", m.text);
		if (m.kind != TAKEOVER_SOCKETS)
			return err_set(err, "it said something out of turn");
		if (keep(t, &m, err) != 0)
			return -1;
	}
}

static int
converse(struct takeover *t, uid_t user, struct err *err)
{
	struct takeover_message hello = { .kind = TAKEOVER_HELLO,
		.value = TAKEOVER_VERSION, .text = SALLYPORT_VERSION };
	uint64_t until_ms = clock_mono_ms() + ASK_MS;
	enum takeover_result r;

	if (check_peer(t, user, err) != 0)
		return -1;
	r = takeover_send(t->fd, &hello, -1, until_ms);
	if (r != TAKEOVER_OK)
		return err_set(err, "%s", takeover_result_text(r));
	return collect(t, until_ms, err);
}

/* A connected socket; -1 with errno. */
static int
call(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0), saved;

	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int
takeover_ask(struct takeover **out, const char *run_dir, uid_t user,
    struct err *err)
{
	struct sockaddr_un sa;
	struct takeover *t;
	int fd;

	*out = NULL;
	if (!takeover_address(&sa, run_dir, TAKEOVER_SOCKET))
		return err_set(err, "run_dir %s: too long a path", run_dir);
	fd = call(&sa);
	if (fd < 0 && (errno == ENOENT || errno == ECONNREFUSED))
		return 0;
	if (fd < 0)
		return err_sys(err, "%s", sa.sun_path);
	t = xcalloc(1, sizeof(*t));
	t->fd = fd;
	t->admin = -1;
	t->v = xcalloc(SOCKETS_MAX, sizeof(*t->v));
	if (converse(t, user, err) != 0) {
		err_prefix(err, "%s: taking over from process %d failed",
		    sa.sun_path, (int)t->pid);
		takeover_free(&t);
		return -1;
	}
	*out = t;
	return 0;
}

int
takeover_admin(struct takeover *t)
{
	int fd = t->admin;

	t->admin = -1;
	return fd;
}

size_t
takeover_count(const struct takeover *t)
{
	return t == NULL ? 0 : t->n;
}

int
takeover_take(struct takeover *t, const struct endpoint *at)
{
	for (size_t i = 0; i < t->n; i++) {
		int fd = t->v[i].fd;

		if (fd < 0 || !endpoint_eq(&t->v[i].at, at))
			continue;
		t->v[i].fd = -1;
		return fd;
	}
	return -1;
}

bool
takeover_untaken(const struct takeover *t, struct endpoint *out)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].fd >= 0) {
			*out = t->v[i].at;
			return true;
		}
	return false;
}

/* It died without a word: what it gave us is ours. */
static int
bereaved(const struct takeover *t)
{
	log_warn(NULL, "predecessor_gone", log_i64("pid", t->pid));
	return 0;
}

int
takeover_begin(struct takeover *t, const struct endpoint *kept, size_t n,
    struct err *err)
{
	struct takeover_message m = { .kind = TAKEOVER_READY,
		.n_kept = (uint8_t)n };
	uint64_t until_ms = clock_mono_ms() + BEGIN_MS;
	enum takeover_result r;

	ASSERT(n <= TAKEOVER_KEPT_MAX);
	memcpy(m.kept, kept, n * sizeof(*kept));
	r = takeover_send(t->fd, &m, -1, until_ms);
	if (r == TAKEOVER_OK || r == TAKEOVER_GONE)
		/* Its last word may be here although it hung up. */
		r = takeover_receive(t->fd, &m, false, -1, until_ms);
	if (r == TAKEOVER_GONE)
		return bereaved(t);
	if (r == TAKEOVER_OK && m.kind == TAKEOVER_YOURS)
		return 0;
	return err_set(err, "taking over from process %d failed: %s%s",
	    (int)t->pid, r == TAKEOVER_OK && m.kind == TAKEOVER_REFUSED ?
	    "it refused: " : "", r == TAKEOVER_OK ? m.text :
	    takeover_result_text(r));
}

void
takeover_free(struct takeover **tp)
{
	struct takeover *t = *tp;

	if (t == NULL)
		return;
	*tp = NULL;
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].fd >= 0)
			close(t->v[i].fd);
	if (t->admin >= 0)
		close(t->admin);
	close(t->fd);
	free(t->v);
	free(t);
}
