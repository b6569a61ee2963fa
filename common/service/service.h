/* SPDX-License-Identifier: MIT */
/*
 * service: what every daemon's main() needs. It describes itself in a struct
 * service; service_main does the rest, in the order of design.md ruling 4:
 *
 *	arguments, configuration, log, limits (RLIMIT_NOFILE, no cores)
 *	bind()		privileged work: bind ports, open files that need root
 *	drop user, group and capabilities, for good, verified
 *	start()		the first nng call, threads, everything else
 *	run()		until told to stop
 *	stop()
 *
 * Signals are blocked in every thread and read from a signalfd on the main
 * thread: SIGTERM and SIGINT ask the daemon to stop, SIGHUP to reload. A
 * program started by exec inherits that mask and unblocks what it wants.
 * Arguments: --config FILE, --check, --print-config, --set key=value, --health,
 * --migrate and --takeover (where there is a function for it), --help,
 * --version. Exit codes: 0, 1 error, 2 usage, 78 bad configuration.
 * Besides the daemon's own, /metrics has those of service_metrics.def.
 */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include "base/err.h"
#include "base/metrics.h"
#include "config/config.h"

struct service_context;

struct service {
	const char *name;	/* "acld": also its section in sallyport.toml */
	const char *help;	/* one line for --help */
	bool administered;	/* has an admin socket: keeps bus.admin_group */
	const struct metric_def *metrics;
	size_t n_metrics;
	/* --takeover: asks the process that runs for its sockets, before
	 * anything is bound; then bind() and start() as ever. Gives its admin
	 * listener, or leaves -1. -1 with err: exit 1. NULL: this daemon has
	 * no such option. */
	int (*takeover)(struct service_context *c, int *admin, struct err *err);
	/* Before privileges are dropped; may be NULL. -1 with err ends the
	 * process with exit 1. No nng call, no thread here. */
	int (*bind)(struct service_context *c, struct err *err);
	/* bind() or takeover() succeeded and start() did not, or was not
	 * reached: give back what there is. May be NULL. */
	void (*unbind)(struct service_context *c);
	/* -1: cannot start, exit 1. `service_bad_config` makes it 78. */
	int (*start)(struct service_context *c, struct err *err);
	/* SIGHUP, or an admin request: `next` was loaded and checked and its
	 * RESTART keys are as before. After 0 it is the current one and the
	 * old one stays valid until the process ends. On -1 the old stays. */
	int (*reload)(struct service_context *c, const struct settings *next,
	    struct err *err);
	/* Told once to stop (SIGTERM, or superseded): begin to drain; return
	 * at once. NULL: nothing to drain. A second signal skips what is left.
	 */
	void (*drain)(struct service_context *c);
	/* After drain: called every 20 ms until true. NULL: at once. */
	bool (*drained)(struct service_context *c);
	/* Give everything back. Called once if start() succeeded. */
	void (*stop)(struct service_context *c);
	/* A check of files beyond sallyport.toml for --check; may be NULL. */
	int (*check)(const struct settings *s, struct err *err);
	/* --migrate: brings the database up to date, as the daemon's user and
	 * in its directories. -1: exit 1, or 78 with `bad_config` set. NULL:
	 * there is none. */
	int (*migrate)(const struct settings *s, bool *bad_config,
	    struct err *err);
};

/* The whole life of the process; returns its exit code. */
int service_main(int argc, char **argv, const struct service *s);

/* What a daemon asks of its context. Any thread unless said otherwise. */
const struct settings *service_settings(const struct service_context *c);
const struct daemon_config *service_daemon(const struct service_context *c);
struct metrics *service_metrics(const struct service_context *c);
/* Address of a socket of the bus ("auth", "decide", …); owned by the context. */
const char *service_bus(const struct service_context *c, const char *socket);
/* gid that owns bus sockets, or (gid_t)-1 to leave it. */
unsigned service_bus_group(const struct service_context *c);
/* The same of admin sockets; only where `administered`. */
unsigned service_admin_group(const struct service_context *c);
/* For the daemon's own use. */
void service_set_data(struct service_context *c, void *data);
void *service_data(const struct service_context *c);
/* /readyz: 200 while no reason is set, else 503 with the reasons. `what` is a
 * literal ("acld"); why NULL clears it. */
void service_not_ready(struct service_context *c, const char *what,
    const char *why);
/* Asks the main thread to run `reload` as SIGHUP would. */
void service_ask_reload(struct service_context *c);
/* The admin listener's descriptor, borrowed, to give to a successor. Any
 * thread between start() and service_superseded(). */
int service_admin_listener(const struct service_context *c);
/* A successor serves, here and at the admin address, where nobody is accepted
 * any more when this returns. The main thread drains as after SIGTERM. Once,
 * after start(). */
void service_superseded(struct service_context *c);
/* In start(): marks the error as one of configuration, exit 78. Gives -1. */
int service_bad_config(struct service_context *c);

#endif
