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

/* Sockets as they come: the worker, and the descriptor. */
struct found {
	struct door {
		unsigned worker;
		int fd;
	} *v;
	size_t n;
	size_t inherited;	/* of n */
};

static void
add(struct found *f, unsigned worker, int fd)
{
	f->v[f->n++] = (struct door){ worker, fd };
}

/* How many of that address the predecessor had. */
static unsigned
inherit(struct found *f, const struct endpoint *at, unsigned n_workers,
    struct takeover *t)
{
	unsigned n = 0;
	int fd;

	while (t != NULL && (fd = takeover_take(t, at)) >= 0)
		add(f, n++ % n_workers, fd);
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

static int
open_address(struct found *f, const struct endpoint *at,
    const struct proxy_config *cfg, unsigned n_workers, struct takeover *t,
    struct err *err)
{
	unsigned inherited = inherit(f, at, n_workers, t);

	if (inherited == 0 && sock_probe(at, err) != 0)
		return -1;
	for (unsigned i = inherited; i < n_workers; i++) {
		int fd = bind_new(at, cfg, inherited > 0, err);

		if (fd < 0)
			return -1;
		add(f, i, fd);
	}
	return 0;
}

static int
open_all(struct found *f, const struct proxy_config *cfg, unsigned n_workers,
    struct takeover *t, struct err *err)
{
	struct endpoint at;
	char text[ENDPOINT_TEXT_SIZE];

	for (size_t i = 0; i < cfg->listen.n; i++)
		if (open_address(f, &cfg->listen.v[i], cfg, n_workers, t,
		    err) != 0)
			return err_prefix(err, "proxy.listen");
	if (t == NULL || f->inherited > 0 || !takeover_untaken(t, &at))
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
	d->first = xcalloc(n_workers + 1, sizeof(*d->first));
	d->n_workers = n_workers;
	for (unsigned w = 0; w < n_workers; w++) {
		d->first[w] = d->n;
		for (size_t i = 0; i < f->n; i++)
			if (f->v[i].worker == w)
				d->fds[d->n++] = f->v[i].fd;
	}
	d->first[n_workers] = d->n;
}

int
doors_open(struct doors *d, const struct proxy_config *cfg,
    unsigned n_workers, struct takeover *t, struct err *err)
{
	size_t most = takeover_count(t) + cfg->listen.n * n_workers;
	struct found f = { .v = xcalloc(most, sizeof(*f.v)) };
	int rc = open_all(&f, cfg, n_workers, t, err);

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
	close(d->fds[i]);
	memmove(&d->fds[i], &d->fds[i + 1], (--d->n - i) * sizeof(*d->fds));
	for (unsigned w = 0; w <= d->n_workers; w++)
		if (d->first[w] > i)
			d->first[w]--;
}

void
doors_listen(struct doors *d, const struct proxy_config *cfg)
{
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
	free(d->first);
	*d = (struct doors){ 0 };
}
