/* SPDX-License-Identifier: MIT */
#include "msg/bus.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/addr.h"

#define IPC_PREFIX "ipc://"
#define TCP_PREFIX "tcp://"
#define IPC_MODE 0660
#define IPC_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

struct bus {
	nng_socket socket;
	struct bus_options options;
	char *address, *name;
	const char *path;	/* within address; NULL: tcp */
	_Atomic unsigned peers;
	atomic_bool closing;
};

static int
fail(const struct bus *b, const char *what, int rv, struct err *err)
{
	return err_set(err, "%s: %s: %s", b->address, what, nng_strerror(rv));
}

static int
address_check(struct bus *b, struct err *err)
{
	const char *a = b->address;
	struct endpoint e;

	if (strncmp(a, IPC_PREFIX, strlen(IPC_PREFIX)) == 0) {
		b->path = a + strlen(IPC_PREFIX);
		if (*b->path == '\0')
			return err_set(err, "%s: the path is missing", a);
		if (strlen(b->path) > IPC_PATH_MAX)
			return err_set(err,
			    "%s: the path has %zu bytes, at most %zu fit", a,
			    strlen(b->path), IPC_PATH_MAX);
		return 0;
	}
	if (strncmp(a, TCP_PREFIX, strlen(TCP_PREFIX)) == 0) {
		if (!endpoint_parse(&e, str_from(a + strlen(TCP_PREFIX))))
			return err_set(err,
			    "%s: expected tcp://ADDRESS:PORT", a);
		if (!addr_is_loopback(&e.addr))
			return err_set(err, "%s: plain tcp:// is for loopback "
			    "only (127.0.0.0/8, ::1)", a);
		return 0;
	}
	return err_set(err, "%s: expected ipc://PATH or tcp:// on loopback", a);
}

/*
 * Both run on nng's threads. REM_POST comes once for each ADD_PRE, also for a
 * pipe that is closed in ADD_PRE and never carries anything.
 */
static void
on_pipe_add(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
	struct bus *b = arg;
	unsigned peers = atomic_fetch_add(&b->peers, 1) + 1;

	(void)ev;
	if (b->options.listen && peers > BUS_PEERS_MAX) {
		log_warn(NULL, "bus_peer_refused", log_str("socket", b->name),
		    log_u64("limit", BUS_PEERS_MAX));
		nng_pipe_close(pipe);
		return;
	}
	log_debug(NULL, "bus_peer_connected", log_str("socket", b->name),
	    log_u64("peers", peers));
}

static void
on_pipe_remove(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
	struct bus *b = arg;
	unsigned peers = atomic_fetch_sub(&b->peers, 1) - 1;

	(void)pipe;
	(void)ev;
	if (b->options.listen || atomic_load(&b->closing))
		log_debug(NULL, "bus_peer_gone", log_str("socket", b->name),
		    log_u64("peers", peers));
	else
		log_warn(NULL, "bus_peer_lost", log_str("socket", b->name),
		    log_str("address", b->address));
}

static int
socket_open(struct bus *b)
{
	static int (*const open[])(nng_socket *) = {
		[BUS_REQ] = nng_req0_open,
		[BUS_REP] = nng_rep0_open,
		[BUS_PUB] = nng_pub0_open,
		[BUS_SUB] = nng_sub0_open,
	};

	return open[b->options.role](&b->socket);
}

/* Without this read back, a message of any size would be taken in. */
static int
limit_size(struct bus *b)
{
	size_t set = 0;
	int rv = nng_socket_set_size(b->socket, NNG_OPT_RECVMAXSZ,
	    b->options.max_message);

	if (rv == 0)
		rv = nng_socket_get_size(b->socket, NNG_OPT_RECVMAXSZ, &set);
	return rv == 0 && set != b->options.max_message ? NNG_ENOTSUP : rv;
}

static int
set_role_options(struct bus *b)
{
	switch (b->options.role) {
	case BUS_REQ:
		return nng_socket_set_ms(b->socket, NNG_OPT_REQ_RESENDTIME,
		    NNG_DURATION_INFINITE);
	case BUS_REP:
		return 0;
	case BUS_PUB:
		return nng_socket_set_int(b->socket, NNG_OPT_SENDBUF,
		    (int)b->options.queue);
	case BUS_SUB:
		return nng_socket_set_int(b->socket, NNG_OPT_RECVBUF,
		    (int)b->options.queue);
	}
	return NNG_EINVAL;
}

/* All of this must stand before the socket meets anybody. */
static int
set_options(struct bus *b, struct err *err)
{
	uint32_t max = b->options.reconnect_max_ms;
	int rv;

	if (max < BUS_RECONNECT_MIN_MS)
		max = BUS_RECONNECT_MIN_MS;
	if ((rv = limit_size(b)) != 0 ||
	    (rv = nng_socket_set_ms(b->socket, NNG_OPT_RECONNMINT,
	    BUS_RECONNECT_MIN_MS)) != 0 ||
	    (rv = nng_socket_set_ms(b->socket, NNG_OPT_RECONNMAXT,
	    (nng_duration)max)) != 0 ||
	    (rv = set_role_options(b)) != 0 ||
	    (rv = nng_pipe_notify(b->socket, NNG_PIPE_EV_ADD_PRE, on_pipe_add,
	    b)) != 0 ||
	    (rv = nng_pipe_notify(b->socket, NNG_PIPE_EV_REM_POST,
	    on_pipe_remove, b)) != 0)
		return fail(b, "cannot set up a socket", rv, err);
	return 0;
}

int
bus_open(struct bus **out, const struct bus_options *o, struct err *err)
{
	struct bus *b = xcalloc(1, sizeof(*b));
	int rv;

	b->options = *o;
	b->address = xstrdup(o->address);
	b->name = xstrdup(o->name);
	if (address_check(b, err) != 0)
		goto fail;
	if ((rv = socket_open(b)) != 0) {
		fail(b, "cannot make a socket", rv, err);
		goto fail;
	}
	if (set_options(b, err) != 0)
		goto fail;
	*out = b;
	return 0;
fail:
	bus_free(&b);
	return -1;
}

/* Does anybody accept on this path? errno says why not. */
static bool
path_is_live(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc, saved;

	if (fd < 0)
		return false;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	rc = connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	saved = errno;
	close(fd);
	errno = saved;
	return rc == 0 || errno == EAGAIN;	/* EAGAIN: its queue is full */
}

/* Takes away what a dead process left behind, and nothing else. */
static int
path_clear(struct bus *b, struct err *err)
{
	struct stat st;

	if (lstat(b->path, &st) != 0)
		return errno == ENOENT ? 0 : err_sys(err, "%s", b->address);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, "%s: exists and is no socket", b->address);
	if (path_is_live(b->path))
		return err_set(err, "%s: address in use by another process",
		    b->address);
	if (errno != ECONNREFUSED)
		return err_sys(err, "%s", b->address);
	if (unlink(b->path) != 0 && errno != ENOENT)
		return err_sys(err, "%s: cannot remove the stale socket",
		    b->address);
	return 0;
}

static int
listen_on(struct bus *b, struct err *err)
{
	nng_listener l;
	int rv;

	if (b->path != NULL && path_clear(b, err) != 0)
		return -1;
	if ((rv = nng_listener_create(&l, b->socket, b->address)) != 0 ||
	    (b->path != NULL && (rv = nng_listener_set_int(l,
	    NNG_OPT_IPC_PERMISSIONS, IPC_MODE)) != 0) ||
	    (rv = nng_listener_start(l, 0)) != 0)
		return fail(b, "cannot listen", rv, err);
	if (b->path != NULL && b->options.group != (gid_t)-1 &&
	    chown(b->path, (uid_t)-1, (gid_t)b->options.group) != 0)
		return err_sys(err, "%s: cannot give it to group %u",
		    b->address, b->options.group);
	return 0;
}

static int
dial(struct bus *b, struct err *err)
{
	nng_dialer d;
	int rv;

	if ((rv = nng_dialer_create(&d, b->socket, b->address)) != 0 ||
	    (rv = nng_dialer_start(d, NNG_FLAG_NONBLOCK)) != 0)
		return fail(b, "cannot dial", rv, err);
	return 0;
}

int
bus_start(struct bus *b, struct err *err)
{
	return b->options.listen ? listen_on(b, err) : dial(b, err);
}

const struct nng_socket_s *
bus_socket(const struct bus *b)
{
	return &b->socket;
}

unsigned
bus_peers(const struct bus *b)
{
	return atomic_load(&b->peers);
}

void
bus_close(struct bus *b)
{
	if (!atomic_exchange(&b->closing, true) && b->socket.id != 0)
		nng_close(b->socket);
}

void
bus_free(struct bus **bp)
{
	struct bus *b = *bp;

	if (b == NULL)
		return;
	bus_close(b);
	free(b->address);
	free(b->name);
	free(b);
	*bp = NULL;
}
