/* SPDX-License-Identifier: MIT */
/*
 * Closing is done by a thread of its own, which may be left behind: nng 1.5.2
 * can wait for a pipe without end (see redial.h). Then the bus it works on is
 * left to it, and the process ends without nng's own clean-up, which would
 * wait for the same.
 */
#include "msg/bus.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "msg/errands.h"
#include "msg/listening.h"
#include "msg/redial.h"
#include "net/addr.h"

#define IPC_PREFIX "ipc://"
#define TCP_PREFIX "tcp://"
#define CLOSE_PATIENCE_MS 2000
#define TICK_MIN_MS 250
#define IPC_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

struct bus {
	nng_socket socket;
	struct bus_options options;
	char *address, *name;
	const char *path;	/* within address; NULL: tcp */
	struct {
		uint32_t id;
		bool started;	/* messages flow */
	} pipes[BUS_PEERS_MAX];		/* guarded by m */
	unsigned n_pipes, n_started;	/* guarded by m */
	struct listening *listening;
	struct redial *redial;	/* NULL: listens */
	struct errands *errands;	/* NULL: REP, SUB */
	pthread_mutex_t m;
	pthread_cond_t cond;
	bool closed;		/* guarded by m; nng is done with the socket */
	bool closing;		/* bus_close was called */
	bool abandoned;		/* left to the thread that closes it */
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

/* --- The pipes. All of this runs on nng's threads, and under m. --- */

static unsigned
pipe_index(const struct bus *b, nng_pipe pipe)
{
	unsigned i = 0;

	while (i < b->n_pipes && b->pipes[i].id != pipe.id)
		i++;
	return i;
}

static bool
pipe_enter(struct bus *b, nng_pipe pipe)
{
	if (!b->options.listen)
		b->n_pipes = b->n_started = 0;	/* it has one at most */
	if (b->n_pipes == BUS_PEERS_MAX)
		return false;
	b->pipes[b->n_pipes].id = (uint32_t)pipe.id;
	b->pipes[b->n_pipes++].started = false;
	return true;
}

/* Not for a pipe that went away before this was told. */
static void
pipe_start(struct bus *b, nng_pipe pipe)
{
	unsigned i = pipe_index(b, pipe);

	if (i == b->n_pipes)
		return;
	b->pipes[i].started = true;
	b->n_started++;
	if (b->redial != NULL)
		redial_on_add(b->redial, &pipe);
}

/* Did messages flow? */
static bool
pipe_leave(struct bus *b, nng_pipe pipe)
{
	unsigned i = pipe_index(b, pipe);
	bool started;

	if (i == b->n_pipes)
		return false;
	started = b->pipes[i].started;
	b->n_started -= started;
	b->pipes[i] = b->pipes[--b->n_pipes];
	if (b->redial != NULL)
		redial_on_remove(b->redial, &pipe);
	return started;
}

static void
on_pipe_new(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
	struct bus *b = arg;
	bool entered;

	(void)ev;
	pthread_mutex_lock(&b->m);
	entered = pipe_enter(b, pipe);
	pthread_mutex_unlock(&b->m);
	listening_on_add(b->listening);
	if (entered)
		return;
	log_warn(NULL, "bus_peer_refused", log_str("socket", b->name),
	    log_u64("limit", BUS_PEERS_MAX));
	nng_pipe_close(pipe);
}

static void
on_pipe_started(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
	struct bus *b = arg;

	(void)ev;
	pthread_mutex_lock(&b->m);
	pipe_start(b, pipe);
	pthread_mutex_unlock(&b->m);
	if (!b->options.listen)
		log_info(NULL, "bus_connected", log_str("socket", b->name));
}

static void
on_pipe_gone(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
	struct bus *b = arg;
	bool started;

	(void)ev;
	pthread_mutex_lock(&b->m);
	started = pipe_leave(b, pipe);
	pthread_mutex_unlock(&b->m);
	if (started && !b->options.listen)
		log_info(NULL, "bus_disconnected", log_str("socket", b->name));
}

static int
notify(struct bus *b)
{
	int rv;

	if ((rv = nng_pipe_notify(b->socket, NNG_PIPE_EV_ADD_PRE, on_pipe_new,
	    b)) == 0 &&
	    (rv = nng_pipe_notify(b->socket, NNG_PIPE_EV_ADD_POST,
	    on_pipe_started, b)) == 0)
		rv = nng_pipe_notify(b->socket, NNG_PIPE_EV_REM_POST,
		    on_pipe_gone, b);
	return rv;
}

/* --- Making a socket. --- */

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
	    (rv = notify(b)) != 0)
		return fail(b, "cannot set up a socket", rv, err);
	if (!b->options.listen)
		b->redial = redial_new(&b->socket, b->address, b->path,
		    max < TICK_MIN_MS ? TICK_MIN_MS : max);
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
	pthread_mutex_init(&b->m, NULL);
	clock_cond_init(&b->cond);
	if (address_check(b, err) != 0)
		goto fail;
	if ((rv = socket_open(b)) != 0) {
		fail(b, "cannot make a socket", rv, err);
		goto fail;
	}
	if (set_options(b, err) != 0)
		goto fail;
	if ((o->role == BUS_REQ || o->role == BUS_PUB) &&
	    errands_start(&b->errands, "bus_send", err) != 0)
		goto fail;
	*out = b;
	return 0;
fail:
	bus_free(&b);
	return -1;
}

int
bus_start(struct bus *b, struct err *err)
{
	if (!b->options.listen)
		return redial_start(b->redial, err);
	return listening_start(&b->listening, &b->socket, b->address, b->path,
	    b->options.group, err);
}

bool
bus_nng_is_older(int major, int minor)
{
	int has_major = 0, has_minor = 0;

	/* NOLINTNEXTLINE(cert-err34-c): two small numbers */
	sscanf(nng_version(), "%d.%d", &has_major, &has_minor);
	return has_major < major ||
	    (has_major == major && has_minor < minor);
}

const struct nng_socket_s *
bus_socket(const struct bus *b)
{
	return &b->socket;
}

void
bus_post(struct bus *b, struct letter *l)
{
	errands_post(b->errands, l);
}

void
bus_settle(struct bus *b)
{
	errands_wait(b->errands);
}

unsigned
bus_peers(struct bus *b)
{
	unsigned n;

	if (b->redial != NULL)
		return redial_connected(b->redial) ? 1 : 0;
	pthread_mutex_lock(&b->m);
	n = b->n_started;
	pthread_mutex_unlock(&b->m);
	return n;
}

/* --- Closing it. --- */

static void *
run_close(void *arg)
{
	struct bus *b = arg;

	nng_close(b->socket);
	pthread_mutex_lock(&b->m);
	b->closed = true;
	pthread_cond_signal(&b->cond);
	pthread_mutex_unlock(&b->m);
	return NULL;
}

/* Instead of nng's atexit handler, which was there before. */
static void
leave(int status, void *arg)
{
	(void)arg;
	fflush(NULL);
	_exit(status);
}

static bool
wait_closed(struct bus *b)
{
	const struct timespec until = clock_in_ms(CLOSE_PATIENCE_MS);
	bool closed;
	int rc = 0;

	pthread_mutex_lock(&b->m);
	while (!b->closed && rc == 0)
		rc = pthread_cond_timedwait(&b->cond, &b->m, &until);
	closed = b->closed;
	pthread_mutex_unlock(&b->m);
	return closed;
}

void
bus_close(struct bus *b)
{
	pthread_t closer;

	if (b->closing || b->socket.id == 0)
		return;
	b->closing = true;
	errands_stop(&b->errands);
	if (b->redial != NULL)
		redial_stop(b->redial);
	if (b->listening != NULL)
		listening_stop(b->listening);
	if (pthread_create(&closer, NULL, run_close, b) != 0) {
		run_close(b);
	} else if (wait_closed(b)) {
		pthread_join(closer, NULL);
	} else {
		pthread_detach(closer);
		b->abandoned = true;
		on_exit(leave, NULL);
		log_warn(NULL, "bus_close_stuck", log_str("socket", b->name));
	}
}

void
bus_free(struct bus **bp)
{
	struct bus *b = *bp;

	if (b == NULL)
		return;
	*bp = NULL;
	bus_close(b);
	if (b->abandoned)
		return;
	redial_free(&b->redial);
	listening_free(&b->listening);
	pthread_cond_destroy(&b->cond);
	pthread_mutex_destroy(&b->m);
	free(b->address);
	free(b->name);
	free(b);
}
