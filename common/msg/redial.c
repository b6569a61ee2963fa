/* SPDX-License-Identifier: MIT */
#include "msg/redial.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include <nng/nng.h>
#include <nng/transport/ipc/ipc.h>

#include "base/log.h"
#include "base/mem.h"
#include "msg/bus.h"
#include "msg/ipc.h"
#include "msg/tick.h"

#define TICKS_LOST 2

struct redial {
	nng_socket socket;
	const char *address, *path;
	uint32_t period_ms;
	struct tick tick;
	nng_dialer dialer;		/* the tick's, once started */
	unsigned lost;			/* ticks without connection */
	pthread_mutex_t m;
	uint32_t pipe;			/* 0: none; guarded by m */
	pid_t peer;			/* 0: not known; guarded by m */
};

static int
dial(struct redial *r)
{
	int rv = nng_dialer_create(&r->dialer, r->socket, r->address);

	return rv != 0 ? rv : nng_dialer_start(r->dialer, NNG_FLAG_NONBLOCK);
}

bool
redial_connected(struct redial *r)
{
	bool is;

	pthread_mutex_lock(&r->m);
	is = r->pipe != 0;
	pthread_mutex_unlock(&r->m);
	return is;
}

/* Forgets a pipe that nng still holds, though its peer is gone. */
static void
forget_dead_peer(struct redial *r)
{
	bool dead;

	pthread_mutex_lock(&r->m);
	dead = r->pipe != 0 && r->peer != 0 && kill(r->peer, 0) != 0 &&
	    errno == ESRCH;
	if (dead)
		r->pipe = 0;
	pthread_mutex_unlock(&r->m);
	if (dead)
		log_debug(NULL, "bus_peer_dead", log_str("address", r->address));
}

static void
replace(struct redial *r)
{
	int rv;

	nng_dialer_close(r->dialer);
	if ((rv = dial(r)) == 0)
		log_warn(NULL, "bus_dialler_replaced",
		    log_str("address", r->address));
	else
		log_error(NULL, "bus_dial_failed",
		    log_str("address", r->address),
		    log_str("error", nng_strerror(rv)));
}

/* No connection, though there is a peer. It may take its time to be found; when
 * it comes to greeting us at last it may have greeted nng as well. */
static bool
is_lost(struct redial *r)
{
	return !redial_connected(r) && ipc_is_live(r->path) &&
	    !redial_connected(r);
}

static void
look(struct redial *r)
{
	if (!is_lost(r)) {
		r->lost = 0;
	} else if (++r->lost >= TICKS_LOST) {
		r->lost = 0;
		replace(r);
	}
}

static void
on_tick(struct tick *t)
{
	struct redial *r = container_of(t, struct redial, tick);

	forget_dead_peer(r);
	look(r);
}

struct redial *
redial_new(const struct nng_socket_s *socket, const char *address,
    const char *path, uint32_t period_ms)
{
	struct redial *r = xcalloc(1, sizeof(*r));

	r->socket = *socket;
	r->address = address;
	r->path = path;
	r->period_ms = period_ms;
	pthread_mutex_init(&r->m, NULL);
	return r;
}

int
redial_start(struct redial *r, struct err *err)
{
	int rv = dial(r);

	if (rv != 0)
		return err_set(err, "%s: cannot dial: %s", r->address,
		    nng_strerror(rv));
	if (r->path == NULL || !bus_nng_is_older(1, 8))
		return 0;
	return tick_start(&r->tick, r->period_ms, on_tick, err);
}

void
redial_on_add(struct redial *r, const struct nng_pipe_s *pipe)
{
	uint64_t pid = 0;

	/* Only ipc can tell. */
	if (nng_pipe_get_uint64(*pipe, NNG_OPT_IPC_PEER_PID, &pid) != 0)
		pid = 0;
	pthread_mutex_lock(&r->m);
	r->pipe = pipe->id;
	r->peer = (pid_t)pid;
	pthread_mutex_unlock(&r->m);
}

void
redial_on_remove(struct redial *r, const struct nng_pipe_s *pipe)
{
	pthread_mutex_lock(&r->m);
	if (r->pipe == pipe->id)
		r->pipe = 0;
	pthread_mutex_unlock(&r->m);
}

void
redial_stop(struct redial *r)
{
	tick_stop(&r->tick);
}

void
redial_free(struct redial **rp)
{
	struct redial *r = *rp;

	if (r == NULL)
		return;
	pthread_mutex_destroy(&r->m);
	free(r);
	*rp = NULL;
}
