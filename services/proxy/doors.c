/* SPDX-License-Identifier: MIT */
#include "proxy/doors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/settings.h"
#include "net/sock.h"
#include "proxy/listener.h"
#include "proxy/takeover.h"

#define BACKLOG 4096

/* Sockets as they come: worker, listener, and descriptor. */
struct found {
	struct door {
		unsigned worker, listener;
		int fd;
	} *v;
	size_t n;
	size_t inherited;	/* of n */
};

static void
add(struct found *f, unsigned worker, unsigned listener, int fd)
{
	f->v[f->n++] = (struct door){ worker, listener, fd };
}

/* How many of that address the predecessor had. */
static unsigned
inherit(struct found *f, const struct endpoint *at, unsigned listener,
    unsigned n_workers, struct takeover *t)
{
	unsigned n = 0;
	int fd;

	while (t != NULL && (fd = takeover_take(t, at)) >= 0)
		add(f, n++ % n_workers, listener, fd);
	f->inherited += n;
	return n;
}

/*
 * One that joins others does not listen yet: the kernel would give it a part
 * of the connections, which would be lost if we do not get to accept them.
 */
static int
bind_new(const struct endpoint *at, const struct proxy_config *cfg, bool joins,
    struct err *err)
{
	int fd = sock_bind(at, true, err);

	if (fd < 0)
		return -1;
	listener_set_options(fd, cfg->timeouts_keepalive,
	    cfg->timeouts_user_timeout);
	if (joins || listen(fd, BACKLOG) == 0)
		return fd;
	err_sys(err, "listen");
	close(fd);
	return -1;
}

/* What they are opened for. */
struct opening {
	const struct settings *settings;
	unsigned n_workers;
	struct takeover *takeover;	/* or NULL */
};

static int
open_address(struct found *f, const struct endpoint *at, unsigned listener,
    const struct opening *o, struct err *err)
{
	unsigned inherited =
	    inherit(f, at, listener, o->n_workers, o->takeover);

	if (inherited == 0 && sock_probe(at, err) != 0)
		return -1;
	for (unsigned i = inherited; i < o->n_workers; i++) {
		int fd = bind_new(at, &o->settings->proxy, inherited > 0, err);

		if (fd < 0)
			return -1;
		add(f, i, listener, fd);
	}
	return 0;
}

static int
open_all(struct found *f, const struct opening *o, struct err *err)
{
	const struct listener_list *all = &o->settings->listeners;
	struct endpoint at;
	char text[ENDPOINT_TEXT_SIZE];

	for (unsigned l = 0; l < all->n; l++)
		for (size_t i = 0; i < all->v[l].listen.n; i++)
			if (open_address(f, &all->v[l].listen.v[i], l, o,
			    err) != 0)
				return err_prefix(err, "proxy.listen");
	if (o->takeover == NULL || f->inherited > 0 ||
	    !takeover_untaken(o->takeover, &at))
		return 0;
	endpoint_format(text, &at);
	return err_set(err, "the proxy that runs serves none of the addresses "
	    "of proxy.listen, but %s", text);
}

/* Into rows, one a worker. */
static void
arrange(struct doors *d, const struct found *f, unsigned n_workers)
{
	d->fds = xcalloc(f->n, sizeof(*d->fds));
	d->listeners = xcalloc(f->n, sizeof(*d->listeners));
	d->first = xcalloc(n_workers + 1, sizeof(*d->first));
	d->n_workers = n_workers;
	for (unsigned w = 0; w < n_workers; w++) {
		d->first[w] = d->n;
		for (size_t i = 0; i < f->n; i++) {
			if (f->v[i].worker != w)
				continue;
			d->listeners[d->n] = f->v[i].listener;
			d->fds[d->n++] = f->v[i].fd;
		}
	}
	d->first[n_workers] = d->n;
}

int
doors_open(struct doors *d, const struct settings *s, unsigned n_workers,
    struct takeover *t, struct err *err)
{
	const struct opening o = { s, n_workers, t };
	size_t most =
	    takeover_count(t) + (size_t)CONFIG_LISTEN_MAX * n_workers;
	struct found f = { .v = xcalloc(most, sizeof(*f.v)) };
	int rc = open_all(&f, &o, err);

	*d = (struct doors){ 0 };
	if (rc == 0)
		arrange(d, &f, n_workers);
	else
		for (size_t i = 0; i < f.n; i++)
			close(f.v[i].fd);
	free(f.v);
	return rc;
}

static void
drop(struct doors *d, size_t i)
{
	size_t after = --d->n - i;

	close(d->fds[i]);
	memmove(&d->fds[i], &d->fds[i + 1], after * sizeof(*d->fds));
	memmove(&d->listeners[i], &d->listeners[i + 1],
	    after * sizeof(*d->listeners));
	for (unsigned w = 0; w <= d->n_workers; w++)
		if (d->first[w] > i)
			d->first[w]--;
}

void
doors_listen(struct doors *d, const struct settings *s)
{
	const struct proxy_config *cfg = &s->proxy;

	for (size_t i = d->n; i-- > 0;) {
		listener_set_options(d->fds[i], cfg->timeouts_keepalive,
		    cfg->timeouts_user_timeout);
		if (listen(d->fds[i], BACKLOG) == 0)
			continue;
		log_error(NULL, "listen_failed",
		    log_str("error", strerrordesc_np(errno)));
		drop(d, i);
	}
}

void
doors_close(struct doors *d)
{
	for (size_t i = 0; i < d->n && !d->given; i++)
		close(d->fds[i]);
	free(d->fds);
	free(d->listeners);
	free(d->first);
	*d = (struct doors){ 0 };
}
