/* SPDX-License-Identifier: MIT */
/*
 * The name: a socket is bound under another one and renamed, so that there is
 * no moment without one while a successor replaces ours. It is removed only
 * if it is still ours.
 */
#include "proxy/handover.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "proxy/takeover_wire.h"

#define NEW_SOCKET "takeover.new"
#define BACKLOG 4
#define HELLO_MS 2000
#define READY_MS 30000
#define PAUSE_MS 1000

struct handover {
	struct handover_offer offer;
	struct sockaddr_un at;
	int fd, stop;		/* listening; an eventfd */
	struct stat file;	/* what we made */
	bool handed;		/* a successor has the name */
	bool started;
	pthread_t thread;
};

/* ---- one peer ---- */

static bool
may_ask(int fd, struct ucred *peer)
{
	socklen_t len = sizeof(*peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &len) == 0 &&
	    (peer->uid == 0 || peer->uid == geteuid());
}

static enum takeover_result
give(struct handover *h, int fd, enum takeover_role role, const int *fds,
    size_t n, uint64_t until_ms)
{
	struct takeover_message m = { .kind = TAKEOVER_SOCKETS,
		.value = (uint8_t)role };
	enum takeover_result r = TAKEOVER_OK;

	for (size_t i = 0; i < n && r == TAKEOVER_OK; i++) {
		m.fds[m.n_fds++] = fds[i];
		if (m.n_fds < TAKEOVER_FDS_MAX && i + 1 < n)
			continue;
		r = takeover_send(fd, &m, h->stop, until_ms);
		m.n_fds = 0;
	}
	return r;
}

static enum takeover_result
give_all(struct handover *h, int fd, uint64_t until_ms)
{
	const struct handover_offer *o = &h->offer;
	const struct takeover_message end = { .kind = TAKEOVER_END };
	enum takeover_result r = give(h, fd, TAKEOVER_CLIENTS, o->listeners,
	    o->n_listeners, until_ms);

	if (r == TAKEOVER_OK)
		r = give(h, fd, TAKEOVER_ADMIN, &o->admin, 1, until_ms);
	if (r == TAKEOVER_OK)
		r = takeover_send(fd, &end, h->stop, until_ms);
	return r;
}

/* A message of that kind, and nothing else. */
static enum takeover_result
hear(struct handover *h, int fd, enum takeover_kind kind,
    struct takeover_message *m, uint64_t within_ms)
{
	enum takeover_result r = takeover_receive(fd, m, false, h->stop,
	    clock_mono_ms() + within_ms);

	return r == TAKEOVER_OK && m->kind != kind ? TAKEOVER_BAD : r;
}

/* Up to the point of no return, when its word that all is ours is sent. */
static enum takeover_result
converse(struct handover *h, int fd, struct takeover_message *m)
{
	const struct takeover_message yours = { .kind = TAKEOVER_YOURS };
	enum takeover_result r = hear(h, fd, TAKEOVER_HELLO, m, HELLO_MS);

	if (r == TAKEOVER_OK && m->value != TAKEOVER_VERSION)
		r = TAKEOVER_BAD;
	if (r != TAKEOVER_OK)
		return r;
	log_info(NULL, "takeover_asked", log_str("version", m->text));
	r = give_all(h, fd, clock_mono_ms() + HELLO_MS);
	if (r == TAKEOVER_OK)
		r = hear(h, fd, TAKEOVER_READY, m, READY_MS);
	if (r == TAKEOVER_OK)
		r = takeover_send(fd, &yours, h->stop,
		    clock_mono_ms() + HELLO_MS);
	return r;
}

static void
refuse(int fd, const struct ucred *peer, const char *why)
{
	log_warn(NULL, "takeover_failed", log_i64("pid", peer->pid),
	    log_u64("uid", peer->uid), log_str("why", why));
	takeover_refuse(fd, why);
}

/* false: done for good. */
static bool
serve(struct handover *h, int fd)
{
	struct takeover_message m;
	struct ucred peer = { 0 };
	enum takeover_result r;

	if (!may_ask(fd, &peer)) {
		refuse(fd, &peer, "neither root nor the proxy's user");
		return true;
	}
	r = converse(h, fd, &m);
	if (r == TAKEOVER_STOPPED)	/* its sockets are good, we hang up */
		return false;
	if (r != TAKEOVER_OK) {
		refuse(fd, &peer, takeover_result_text(r));
		return true;
	}
	log_info(NULL, "superseded", log_i64("pid", peer.pid));
	h->handed = true;
	h->offer.done(h->offer.arg, m.kept, m.n_kept);
	return false;
}

/* ---- the thread ---- */

/* Waits for the next, -1 also for a passing shortage; false: told to stop. */
static bool
next(struct handover *h, int *fd, bool pause)
{
	struct pollfd p[] = {
		{ .fd = h->stop, .events = POLLIN },
		{ .fd = pause ? -1 : h->fd, .events = POLLIN },
	};

	*fd = -1;
	if (poll(p, ARRAY_LEN(p), pause ? PAUSE_MS : -1) > 0) {
		if (p[0].revents != 0)
			return false;
		/* cppcheck-suppress nullPointer; gnu.cfg wants an address */
		*fd = accept4(h->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	return true;
}

static void *
run(void *arg)
{
	struct handover *h = arg;
	bool pause = false, more = true;
	int fd;

	while (more && next(h, &fd, pause)) {
		pause = fd < 0 && !pause;
		if (fd < 0)
			continue;
		more = serve(h, fd);
		close(fd);
	}
	return NULL;
}

/* ---- the name ---- */

/* Does somebody listen there? */
static bool
is_served(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	bool served = fd >= 0 && (connect(fd, (const struct sockaddr *)at,
	    sizeof(*at)) == 0 || errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return served;
}

static int
open_socket(struct handover *h, bool succeeding, struct err *err)
{
	struct sockaddr_un new;

	if (!takeover_address(&h->at, h->offer.run_dir, TAKEOVER_SOCKET) ||
	    !takeover_address(&new, h->offer.run_dir, NEW_SOCKET))
		return err_set(err, "%s: too long a path", h->offer.run_dir);
	if (!succeeding && is_served(&h->at))
		return err_set(err, "%s: another proxy has it; give each "
		    "a run_dir of its own", h->at.sun_path);
	(void)unlink(new.sun_path);
	h->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	/* The file gets the socket's mode, at once. */
	if (h->fd >= 0 && fchmod(h->fd, 0600) == 0 &&
	    bind(h->fd, (struct sockaddr *)&new, sizeof(new)) == 0 &&
	    listen(h->fd, BACKLOG) == 0 &&
	    lstat(new.sun_path, &h->file) == 0 &&
	    rename(new.sun_path, h->at.sun_path) == 0)
		return 0;
	return err_sys(err, "%s", h->at.sun_path);
}

static void
remove_socket(const struct handover *h)
{
	struct stat now;

	if (!h->handed && h->file.st_ino != 0 &&
	    lstat(h->at.sun_path, &now) == 0 &&
	    now.st_dev == h->file.st_dev && now.st_ino == h->file.st_ino)
		(void)unlink(h->at.sun_path);
}

/* ---- life ---- */

int
handover_start(struct handover **out, const struct handover_offer *offer,
    bool succeeding, struct err *err)
{
	struct handover *h = xcalloc(1, sizeof(*h));

	h->offer = *offer;
	h->fd = -1;
	h->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (h->stop < 0) {
		err_sys(err, "eventfd");
		goto fail;
	}
	if (open_socket(h, succeeding, err) != 0)
		goto fail;
	errno = pthread_create(&h->thread, NULL, run, h);
	if (errno != 0) {
		err_sys(err, "cannot start a thread");
		goto fail;
	}
	h->started = true;
	pthread_setname_np(h->thread, "handover");
	*out = h;
	return 0;
fail:
	handover_stop(&h);
	return -1;
}

void
handover_stop(struct handover **hp)
{
	struct handover *h = *hp;

	if (h == NULL)
		return;
	*hp = NULL;
	if (h->started) {
		eventfd_write(h->stop, 1);
		pthread_join(h->thread, NULL);
	}
	remove_socket(h);
	if (h->fd >= 0)
		close(h->fd);
	if (h->stop >= 0)
		close(h->stop);
	free(h);
}
