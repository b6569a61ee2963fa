/* SPDX-License-Identifier: MIT */
#include "service/service.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/sock.h"
#include "service/context.h"
#include "service/dirs.h"
#include "service/load.h"
#include "service/modes.h"
#include "service/notify.h"
#include "service/priv.h"
#include "service/reload.h"
#include "service/service_metrics.h"
#include "service/signals.h"

#define TURN_MS 1000
#define DRAIN_TURN_MS 20
#define STUCK_MS 5000

static const char *const sockets[CONTEXT_SOCKETS] = {
	"auth", "decide", "policy", "events", "admin_acl", "admin_auth",
};

/* What a daemon asks of its context. */

const struct settings *
service_settings(const struct service_context *c)
{
	return atomic_load(&c->current)->settings;
}

const struct daemon_config *
service_daemon(const struct service_context *c)
{
	return &atomic_load(&c->current)->daemon;
}

struct metrics *
service_metrics(const struct service_context *c)
{
	return c->metrics;
}

const char *
service_bus(const struct service_context *c, const char *socket)
{
	size_t i = 0;

	while (i < CONTEXT_SOCKETS && strcmp(sockets[i], socket) != 0)
		i++;
	ASSERT(i < CONTEXT_SOCKETS);
	return c->bus[i];
}

unsigned
service_bus_group(const struct service_context *c)
{
	return c->group;
}

unsigned
service_admin_group(const struct service_context *c)
{
	return c->admin_group != PRIV_NO_GROUP ? c->admin_group : c->group;
}

void
service_set_data(struct service_context *c, void *data)
{
	c->data = data;
}

void *
service_data(const struct service_context *c)
{
	return c->data;
}

void
service_not_ready(struct service_context *c, const char *what,
    const char *why)
{
	if (!ready_set(&c->ready, what, why))
		return;
	if (why != NULL)
		log_warn(NULL, "not_ready", log_str("what", what),
		    log_str("why", why));
	else
		log_info(NULL, "ready", log_str("what", what));
}

void
service_ask_reload(struct service_context *c)
{
	eventfd_write(c->wake, 1);
}

int
service_admin_listener(const struct service_context *c)
{
	return health_listener(c->health);
}

void
service_superseded(struct service_context *c)
{
	health_leave(c->health);
	atomic_store(&c->superseded, true);
	eventfd_write(c->wake, 1);
}

int
service_bad_config(struct service_context *c)
{
	c->bad_config = true;
	return -1;
}

/* What health asks, on its thread. */

static bool
is_alive(void *arg)
{
	struct service_context *c = arg;
	uint64_t turned = atomic_load(&c->turned_ms), now = clock_mono_ms();

	return turned == 0 || now < turned + STUCK_MS;
}

static bool
is_ready(void *arg, struct bytes *why)
{
	struct service_context *c = arg;

	return ready_tell(&c->ready, why);
}

/* The context. */

void
context_publish(struct service_context *c, struct settings *s)
{
	struct generation *g = xcalloc(1, sizeof(*g));

	g->settings = s;
	g->daemon = config_daemon(s, c->service->name);
	list_push(&c->generations, &g->link);
	atomic_store(&c->current, g);
}

static void
context_init(struct service_context *c, const struct service *s,
    const struct args *args, struct settings *settings)
{
	*c = (struct service_context){ .service = s, .args = args,
		.group = PRIV_NO_GROUP, .admin_group = PRIV_NO_GROUP,
		.signals = -1, .wake = -1 };
	list_init(&c->generations);
	ready_init(&c->ready);
	context_publish(c, settings);
	for (size_t i = 0; i < CONTEXT_SOCKETS; i++)
		c->bus[i] = config_bus_address(settings, s->name, sockets[i]);
	service_metrics_new(c);
	service_metrics_loaded(c, true);
}

static void
context_fini(struct service_context *c)
{
	struct list *link;

	health_stop(&c->health);
	service_metrics_free(c);
	for (size_t i = 0; i < CONTEXT_SOCKETS; i++)
		free(c->bus[i]);
	while ((link = list_pop(&c->generations)) != NULL) {
		struct generation *g = container_of(link, struct generation,
		    link);

		config_free(&g->settings);
		free(g);
	}
	ready_fini(&c->ready);
	if (c->signals >= 0)
		close(c->signals);
	if (c->wake >= 0)
		close(c->wake);
}

/* The start, in its three steps (design.md ruling 4). */

/* The predecessor's listener, where it is at the configured address. */
static int
bind_admin(struct service_context *c, int inherited, struct err *err)
{
	const struct endpoint *want = &service_daemon(c)->admin_listen;
	struct endpoint at;
	int rc;

	if (inherited >= 0 && sock_local(inherited, &at) &&
	    addr_eq(&at.addr, &want->addr) &&
	    (want->port == 0 || want->port == at.port))
		return health_inherit(&c->health, inherited, err);
	if (inherited >= 0)
		close(inherited);
	rc = health_bind(&c->health, want, err);
	if (rc != 0) {
		struct err why = *err;

		err_set(err, "%s (admin_listen)", why.text);
	}
	return rc;
}

static int
bind_all(struct service_context *c, struct err *err)
{
	int admin = -1;

	if (c->args->takeover) {
		if (c->service->takeover(c, &admin, err) != 0)
			return -1;
		c->bound = true;
	}
	if (bind_admin(c, admin, err) != 0)
		return -1;
	if (c->service->bind != NULL && c->service->bind(c, err) != 0)
		return -1;
	c->bound = true;
	return 0;
}

/* Who serves administrators keeps their group, to give it to the socket. */
static int
find_admin_group(struct service_context *c, struct err *err)
{
	const struct daemon_config *d = service_daemon(c);

	if (!c->service->administered || *d->admin_group == '\0' ||
	    priv_lookup_kept(&c->admin_group, d->admin_group, err) == 0)
		return 0;
	(void)service_bad_config(c);
	return err_prefix(err, "bus.admin_group");
}

/* As whoever started us. */
static int
prepare(struct service_context *c, struct err *err)
{
	const struct daemon_config *d = service_daemon(c);
	struct priv_ids ids;

	priv_limits();
	c->signals = signals_open(err);
	if (c->signals < 0)
		return -1;
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake < 0)
		return err_sys(err, "eventfd");
	if (priv_lookup(&ids, d->user, d->group, err) != 0)
		return err_prefix(err, "%s.user, %s.group", c->service->name,
		    c->service->name);
	if (geteuid() == 0 && (*d->user != '\0' || *d->group != '\0'))
		c->group = ids.gid;
	if (find_admin_group(c, err) != 0)
		return -1;
	if (dirs_make(d, &ids, err) != 0)
		return -1;
	return bind_all(c, err);
}

static int
lock_down(struct service_context *c, struct err *err)
{
	const struct daemon_config *d = service_daemon(c);

	if (priv_drop(d->user, d->group, c->admin_group, err) != 0)
		return -1;
	return dirs_check(d, err);
}

/* Threads exist from here on. */
static int
begin(struct service_context *c, struct err *err)
{
	struct health_source source = { .metrics = c->metrics,
		.alive = is_alive, .ready = is_ready, .arg = c };

	ready_set(&c->ready, "start", "not done yet");
	if (health_start(c->health, &source, err) != 0 ||
	    c->service->start(c, err) != 0)
		return -1;
	ready_set(&c->ready, "start", NULL);
	health_open(c->health);
	return 0;
}

/* The main loop. */

static void
begin_drain(struct service_context *c)
{
	notify_stopping();
	log_info(NULL, "stopping");
	ready_set(&c->ready, "stop", "draining");
	if (c->service->drain != NULL)
		c->service->drain(c);
}

static bool
is_drained(struct service_context *c)
{
	return c->service->drained == NULL || c->service->drained(c);
}

struct wishes {
	bool reload, drain;
	unsigned stops;		/* signals to stop, so far */
};

static void
take_events(struct service_context *c, struct wishes *w)
{
	enum signals_event e;
	eventfd_t n;

	while ((e = signals_next(c->signals)) != SIGNALS_NONE) {
		if (e == SIGNALS_RELOAD)
			w->reload = true;
		else
			w->stops++;
	}
	if (eventfd_read(c->wake, &n) == 0)
		w->reload = true;
	w->drain = w->stops > 0 || atomic_load(&c->superseded);
}

static void
serve(struct service_context *c)
{
	struct pollfd fds[] = {
		{ .fd = c->signals, .events = POLLIN },
		{ .fd = c->wake, .events = POLLIN },
	};
	struct wishes w = { 0 };
	bool draining = false;

	/* The second signal does not wait; one after a successor took over
	 * is the first, and asks for what is being done. */
	while (w.stops < 2) {
		atomic_store(&c->turned_ms, clock_mono_ms());
		poll(fds, ARRAY_LEN(fds), draining ? DRAIN_TURN_MS : TURN_MS);
		w.reload = false;
		take_events(c, &w);
		if (w.drain && !draining)
			begin_drain(c);
		draining = w.drain;
		if (draining && is_drained(c))
			break;
		if (w.reload && !draining)
			reload_run(c);
	}
	atomic_store(&c->turned_ms, 0);
}

static void
log_start(struct service_context *c, const struct load *l)
{
	struct endpoint at = health_address(c->health);
	char text[ENDPOINT_TEXT_SIZE];

	endpoint_format(text, &at);
	if (l->no_file)
		log_info(NULL, "config_file_missing",
		    log_str("path", ARGS_CONFIG_DEFAULT),
		    log_str("using", "built-in defaults"));
	load_log(&l->warnings, LOG_WARN, "config_warning");
	log_info(NULL, "started", log_str("version", SALLYPORT_VERSION),
	    log_str("admin", text), log_u64("uid", geteuid()));
}

static int
run(struct service_context *c, const struct load *l)
{
	struct err err = { 0 };

	if (prepare(c, &err) != 0 || lock_down(c, &err) != 0 ||
	    begin(c, &err) != 0) {
		modes_complain(c->service, err.text);
		if (c->bound && c->service->unbind != NULL)
			c->service->unbind(c);
		return c->bad_config ? EXIT_CONFIG : EXIT_FAILURE;
	}
	log_start(c, l);
	notify_ready();
	serve(c);
	/* Before what its pages are made of is given back. */
	health_stop(&c->health);
	c->service->stop(c);
	log_info(NULL, "stopped");
	return EXIT_SUCCESS;
}

static int
load_and_run(const struct service *s, const struct args *a)
{
	struct service_context c;
	const struct log_config *log;
	struct load l;
	int rc;

	if (load_settings(&l, a) != 0) {
		load_print(&l.errors);
		load_fini(&l);
		return EXIT_CONFIG;
	}
	log = &l.settings->log;
	log_setup(s->name, log->level, log->format, log->repeat_limit);
	context_init(&c, s, a, l.settings);
	l.settings = NULL;
	rc = run(&c, &l);
	context_fini(&c);
	load_fini(&l);
	return rc;
}

/* 0, 1 and 2 are always open, so that no socket can get such a number and be
 * written to as if it were stderr; nothing is ever read from stdin. */
static int
open_standard(bool daemon)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO &&
	    fcntl(fd, F_SETFD, 0) == 0);
	if (fd < 0)
		return -1;
	if (daemon)
		dup2(fd, STDIN_FILENO);
	close(fd);
	return 0;
}

int
service_main(int argc, char **argv, const struct service *s)
{
	struct err err = { 0 };
	struct args a;
	int rc;

	if (args_parse(&a, argc, argv, &err) != 0) {
		modes_complain(s, err.text);
		fprintf(stderr, "Try: sallyport-%s --help\n", s->name);
		return EXIT_USAGE;
	}
	if (a.takeover && s->takeover == NULL) {
		modes_complain(s, "--takeover: unknown option");
		args_fini(&a);
		return EXIT_USAGE;
	}
	umask(0027);
	if (open_standard(a.mode == ARGS_RUN) != 0) {
		modes_complain(s, "/dev/null cannot be opened");
		rc = EXIT_FAILURE;
	} else {
		rc = a.mode == ARGS_RUN ? load_and_run(s, &a) :
		    modes_run(s, &a);
	}
	args_fini(&a);
	return rc;
}
