/* SPDX-License-Identifier: MIT */
#include "msg/listening.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/transport/ipc/ipc.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "msg/bus.h"
#include "msg/ipc.h"

#define IPC_MODE 0660
#define IPC_MODE_FIRST 0600	/* until it has its group */
#define PERIOD_MS 1000
#define NAP_MS 25
#define NAPS 100

struct listening {
	nng_socket socket;
	const char *address, *path;
	unsigned group;
	nng_listener listener;
	nng_aio *nap;
	pthread_t guard;
	bool guarded;
	pthread_mutex_t m;
	pthread_cond_t changed;	/* either of these */
	unsigned long added;	/* pipes so far; guarded by m */
	bool stopping;		/* guarded by m */
};

static int
open_listener(struct listening *l, struct err *err)
{
	int rv;

	if (l->path != NULL && ipc_clear(l->path, l->address, err) != 0)
		return -1;
	if ((rv = nng_listener_create(&l->listener, l->socket,
	    l->address)) != 0 ||
	    (l->path != NULL && (rv = nng_listener_set_int(l->listener,
	    NNG_OPT_IPC_PERMISSIONS, IPC_MODE_FIRST)) != 0) ||
	    (rv = nng_listener_start(l->listener, 0)) != 0)
		return err_set(err, "%s: cannot listen: %s", l->address,
		    nng_strerror(rv));
	if (l->path != NULL && l->group != (gid_t)-1 &&
	    chown(l->path, (uid_t)-1, (gid_t)l->group) != 0)
		return err_sys(err, "%s: cannot give it to group %u",
		    l->address, l->group);
	if (l->path != NULL && chmod(l->path, IPC_MODE) != 0)
		return err_sys(err, "%s: cannot open it to its group",
		    l->address);
	return 0;
}

/* Waits so long, unless it stops. */
static bool
stops_within(struct listening *l, unsigned ms)
{
	const struct timespec until = clock_in_ms(ms);
	bool stopping;
	int rc = 0;

	pthread_mutex_lock(&l->m);
	while (!l->stopping && rc == 0)
		rc = pthread_cond_timedwait(&l->changed, &l->m, &until);
	stopping = l->stopping;
	pthread_mutex_unlock(&l->m);
	return stopping;
}

static unsigned long
added(struct listening *l)
{
	unsigned long n;

	pthread_mutex_lock(&l->m);
	n = l->added;
	pthread_mutex_unlock(&l->m);
	return n;
}

static bool
is_stopping(struct listening *l)
{
	bool stopping;

	pthread_mutex_lock(&l->m);
	stopping = l->stopping;
	pthread_mutex_unlock(&l->m);
	return stopping;
}

/* Without it nng ends a nap without the threads that greet peers. */
static void
on_napped(void *arg)
{
	(void)arg;
}

static void
nap(struct listening *l)
{
	nng_sleep_aio(NAP_MS, l->nap);
	nng_aio_wait(l->nap);
}

/* A peer of the listener's. */
struct visit {
	int fd;			/* -1: not yet connected */
	bool greeted;
	unsigned long before;	/* pipes until then */
};

static void
greet(struct visit *v, int wait_ms)
{
	if (v->fd >= 0 && !v->greeted)
		v->greeted = ipc_is_greeted(v->fd, wait_ms) &&
		    ipc_greet(v->fd);
}

static bool
is_over(struct listening *l, const struct visit *v)
{
	bool over;

	pthread_mutex_lock(&l->m);
	over = l->stopping || (v->greeted && l->added != v->before);
	pthread_mutex_unlock(&l->m);
	return over;
}

/* As long as a nap, but no timer of nng's: 1.5.2 spins for up to a millisecond
 * where one runs out, and nearly always this is all the time that it takes. */
static void
try_at_once(struct listening *l, struct visit *v)
{
	const struct timespec until = clock_in_ms(NAP_MS);
	int rc = 0;

	greet(v, NAP_MS);
	pthread_mutex_lock(&l->m);
	while (v->greeted && !l->stopping && l->added == v->before && rc == 0)
		rc = pthread_cond_timedwait(&l->changed, &l->m, &until);
	pthread_mutex_unlock(&l->m);
}

/*
 * Does a peer become a pipe? The time for it is counted as nng lives it, in
 * naps that its own threads must end, so that a busy machine, where everything
 * is late, is not taken for a dead listener. It is one line that is held until
 * the end: nng drops a peer that has hung up without reading what it said
 * before, and if that happens during the greeting it is the very harm that is
 * looked for. So there is no second try for a greeting that is late.
 */
static bool
answers(struct listening *l)
{
	struct visit v = { .before = added(l) };

	v.fd = ipc_connect(l->path);
	try_at_once(l, &v);
	for (unsigned i = 0; i < NAPS && !is_over(l, &v); i++) {
		if (v.fd < 0)
			v.fd = ipc_connect(l->path);
		nap(l);
		greet(&v, 0);
	}
	if (v.fd >= 0)
		close(v.fd);
	return added(l) != v.before;
}

/* Closing the old one also cuts off whoever it greeted and then forgot. */
static void
replace(struct listening *l)
{
	struct err err;

	nng_listener_close(l->listener);
	if (open_listener(l, &err) == 0)
		log_warn(NULL, "bus_listener_replaced",
		    log_str("address", l->address));
	else
		log_error(NULL, "bus_listener_lost",
		    log_str("error", err.text));
}

static void *
run_guard(void *arg)
{
	struct listening *l = arg;

	while (!stops_within(l, PERIOD_MS))
		if (!answers(l) && !is_stopping(l))
			replace(l);
	return NULL;
}

int
listening_start(struct listening **out, const struct nng_socket_s *socket,
    const char *address, const char *path, unsigned group, struct err *err)
{
	struct listening *l = xcalloc(1, sizeof(*l));

	l->socket = *socket;
	l->address = address;
	l->path = path;
	l->group = group;
	pthread_mutex_init(&l->m, NULL);
	clock_cond_init(&l->changed);
	*out = l;	/* before the first pipe comes */
	if (open_listener(l, err) != 0)
		return -1;
	if (path != NULL && bus_nng_is_older(1, 6)) {
		if (nng_aio_alloc(&l->nap, on_napped, NULL) != 0 ||
		    pthread_create(&l->guard, NULL, run_guard, l) != 0)
			return err_set(err, "%s: cannot start a thread",
			    address);
		l->guarded = true;
	}
	return 0;
}

void
listening_on_add(struct listening *l)
{
	if (l == NULL)
		return;
	pthread_mutex_lock(&l->m);
	l->added++;
	pthread_cond_signal(&l->changed);
	pthread_mutex_unlock(&l->m);
}

void
listening_stop(struct listening *l)
{
	if (!l->guarded)
		return;
	pthread_mutex_lock(&l->m);
	l->stopping = true;
	pthread_cond_signal(&l->changed);
	pthread_mutex_unlock(&l->m);
	pthread_join(l->guard, NULL);
	l->guarded = false;
}

void
listening_free(struct listening **lp)
{
	struct listening *l = *lp;

	if (l == NULL)
		return;
	listening_stop(l);
	if (l->nap != NULL)
		nng_aio_free(l->nap);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->m);
	free(l);
	*lp = NULL;
}
