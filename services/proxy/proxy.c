/* SPDX-License-Identifier: MIT */
#include "proxy/proxy.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cores.h"
#include "base/log.h"
#include "base/mem.h"
#include "msg/rpc_client.h"
#include "msg/topic.h"
#include "proxy/asks.h"
#include "proxy/handover.h"
#include "proxy/pipes.h"
#include "proxy/proxy_metrics.h"
#include "proxy/takeover.h"
#include "proxy/worker.h"
#include "service/priv.h"
#include "service/service.h"

/* Descriptors kept back for the bus, the log, name servers, attempts to
 * connect that run beside each other. */
#define DESCRIPTORS_RESERVED 128
/* authd may be slow, but not away (threats.md section 7). */
#define AUTH_UNCONNECTED_MS 2000
/* How long a successor waits for the suite. */
#define BUS_MS 10000
#define BUS_POLL_MS 20
#define WORKERS_MAX 256	/* as the configuration's */

static unsigned
default_workers(void)
{
	unsigned n = cores_usable();

	return n < WORKERS_MAX ? n : WORKERS_MAX;
}

/*
 * A session needs a descriptor for the client and one for the target; one over
 * UDP needs four and counts twice (admit_request). Pipes make large transfers
 * cheaper, sessions do not depend on them: they get a quarter at most.
 */
static uint64_t
connections_possible(rlim_t descriptors, unsigned n_workers)
{
	uint64_t pipes = (uint64_t)n_workers * PIPES_MAX * 2;
	uint64_t n = descriptors;

	if (pipes > n / 4)
		pipes = n / 4;
	return n < DESCRIPTORS_RESERVED + pipes
	    ? 0 : (n - DESCRIPTORS_RESERVED - pipes) / 2;
}

static uint32_t
connections_allowed(const struct proxy_config *cfg, unsigned n_workers,
    struct err *err)
{
	struct rlimit limit;
	uint64_t most = 0;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		most = connections_possible(limit.rlim_cur, n_workers);
	if (most == 0) {
		err_set(err, "RLIMIT_NOFILE is too small; at least %d is needed",
		    DESCRIPTORS_RESERVED * 2);
		return 0;
	}
	if (cfg->limits_sessions == 0)
		return (uint32_t)(most < 1000000 ? most : 1000000);
	if (cfg->limits_sessions > most)
		log_warn(NULL, "descriptors_short",
		    log_u64("limits.sessions", cfg->limits_sessions),
		    log_u64("possible", most));
	return cfg->limits_sessions;
}

static void
read_instance(struct proxy *p)
{
	const char *name = p->settings->proxy.instance;

	if (*name != '\0') {
		ASSERT(str_copy(p->instance, sizeof(p->instance),
		    str_from(name)));
		return;
	}
	if (gethostname(p->instance, sizeof(p->instance) - 1) != 0 ||
	    p->instance[0] == '\0')
		memcpy(p->instance, "proxy", sizeof("proxy"));
}

/* Where clients are accepted. */
static size_t
addresses(const struct settings *s, struct endpoint out[CONFIG_LISTEN_MAX])
{
	const struct listener_list *all = &s->listeners;
	size_t n = 0;

	for (size_t l = 0; l < all->n; l++)
		for (size_t i = 0; i < all->v[l].listen.n; i++) {
			ASSERT(n < CONFIG_LISTEN_MAX);
			out[n++] = all->v[l].listen.v[i];
		}
	return n;
}

/* Every listener of the suite that the configuration names. */
static void
read_fenced(struct proxy *p)
{
	const struct settings *s = p->settings;
	const struct endpoint admin[] = {
		s->proxy.admin_listen, s->authd.admin_listen,
		s->acld.admin_listen, s->sessiond.admin_listen,
		s->apid.admin_listen,
	};
	struct endpoint clients[CONFIG_LISTEN_MAX];
	size_t n_clients = addresses(s, clients);
	size_t n = ARRAY_LEN(admin) + n_clients + s->apid.listen.n;
	struct endpoint *at = xcalloc(n, sizeof(*at));

	p->fenced = at;
	p->n_fenced = n;
	at = mempcpy(at, admin, sizeof(admin));
	at = mempcpy(at, clients, n_clients * sizeof(*at));
	memcpy(at, s->apid.listen.v, s->apid.listen.n * sizeof(*at));
}

struct proxy *
proxy_new(struct service_context *c)
{
	struct proxy *p = xcalloc(1, sizeof(*p));

	p->service = c;
	p->settings = service_settings(c);
	admit_init(&p->admit);
	return p;
}

int
proxy_take_over(struct proxy *p, int *admin, struct err *err)
{
	const struct proxy_config *cfg = &p->settings->proxy;
	struct priv_ids ids;

	if (priv_lookup(&ids, cfg->user, cfg->group, err) != 0 ||
	    takeover_ask(&p->takeover, cfg->run_dir, ids.uid, err) != 0)
		return -1;
	if (p->takeover != NULL)
		*admin = takeover_admin(p->takeover);
	else
		log_info(NULL, "nobody_to_take_over_from",
		    log_str("run_dir", cfg->run_dir));
	return 0;
}

int
proxy_bind(struct proxy *p, struct err *err)
{
	const struct proxy_config *cfg = &p->settings->proxy;

	p->n_workers = cfg->workers != 0 ? cfg->workers : default_workers();
	read_instance(p);
	p->max_connections = connections_allowed(cfg, p->n_workers, err);
	if (p->max_connections == 0)
		return -1;
	return doors_open(&p->doors, p->settings, p->n_workers, p->takeover, err);
}

/* ---- the bus ---- */

static int
dial_rpc(struct proxy *p, struct rpc_client **out, const char *name,
    uint32_t unconnected_ms, struct err *err)
{
	const struct bus_config *bus = &p->settings->bus;
	struct rpc_client_options o = {
		.address = service_bus(p->service, name),
		.name = name,
		.max_message = bus->max_message,
		.reconnect_max_ms = (uint32_t)bus->reconnect_max,
		.unconnected_ms = unconnected_ms,
	};

	return rpc_client_new(out, &o, err);
}

static void
on_heartbeat(void *arg, struct str message)
{
	struct proxy *p = arg;
	struct id instance;
	uint64_t generation;

	if (asks_read_heartbeat(message, &instance, &generation))
		policy_view_hear(&p->view, &instance, generation,
		    clock_mono_ms());
	else {
		log_warn(NULL, "heartbeat_malformed");
		topic_sub_refuse(p->policy);
	}
}

static int
join_bus(struct proxy *p, struct err *err)
{
	const struct bus_config *bus = &p->settings->bus;
	struct topic_options policy = {
		.address = service_bus(p->service, "policy"),
		.name = "policy",
		.max_message = bus->max_message,
		.reconnect_max_ms = (uint32_t)bus->reconnect_max,
		.queue = 16,
	};
	struct topic_options events = {
		.address = service_bus(p->service, "events"),
		.name = "events",
		.max_message = bus->max_batch,
		.reconnect_max_ms = (uint32_t)bus->reconnect_max,
		.queue = 128,
	};
	uint32_t decide = (uint32_t)p->settings->proxy.timeouts_decide;

	if (dial_rpc(p, &p->auth, "auth", AUTH_UNCONNECTED_MS, err) != 0 ||
	    dial_rpc(p, &p->decide, "decide", decide, err) != 0 ||
	    topic_sub_open(&p->policy, &policy, on_heartbeat, p, err) != 0 ||
	    topic_pub_open(&p->events, &events, err) != 0)
		return -1;
	return 0;
}

/* ---- readiness and gauges ---- */

static void
on_scrape(void *arg, struct metrics_cells *cells)
{
	struct proxy *p = arg;
	uint64_t age = policy_view_age(&p->view, clock_mono_ms());
	const int64_t peers[] = {
		[BUS_AUTH] = rpc_client_connected(p->auth),
		[BUS_DECIDE] = rpc_client_connected(p->decide),
		[BUS_POLICY] = topic_sub_peers(p->policy),
		[BUS_EVENTS] = topic_pub_peers(p->events),
	};

	for (unsigned i = 0; i < ARRAY_LEN(peers); i++)
		metrics_gauge_set(cells, METRIC_bus_connected, i, peers[i]);
	metrics_gauge_set(cells, METRIC_proxy_policy_generation, 0,
	    (int64_t)atomic_load(&p->view.generation));
	metrics_gauge_set(cells, METRIC_proxy_policy_heartbeat_age_seconds, 0,
	    age == UINT64_MAX ? -1 : (int64_t)(age / 1000));
	metrics_gauge_set(cells, METRIC_proxy_draining, 0, p->draining);
}

void
proxy_look_around(struct proxy *p)
{
	service_not_ready(p->service, "authd",
	    rpc_client_connected(p->auth) ? NULL : "not connected");
	service_not_ready(p->service, "acld",
	    rpc_client_connected(p->decide) ? NULL : "not connected");
	service_not_ready(p->service, "sessiond",
	    topic_pub_peers(p->events) > 0 ? NULL : "not connected");
}

/* ---- life ---- */

static int
start_workers(struct proxy *p, struct err *err)
{
	p->workers = xcalloc(p->n_workers, sizeof(struct worker *));
	for (unsigned i = 0; i < p->n_workers; i++)
		if (worker_new(&p->workers[i], p, i, err) != 0)
			return -1;
	for (unsigned i = 0; i < p->n_workers; i++)
		if (worker_start(p->workers[i], err) != 0)
			return -1;
	return 0;
}

/* Who is missing of the suite; NULL: nobody. */
static const char *
missing(struct proxy *p)
{
	if (!rpc_client_connected(p->auth))
		return "authd";
	if (!rpc_client_connected(p->decide))
		return "acld";
	return topic_pub_peers(p->events) == 0 ? "sessiond" : NULL;
}

/* The predecessor serves until we could, and goes on if we cannot. */
static int
succeed(struct proxy *p, struct err *err)
{
	struct endpoint kept[CONFIG_LISTEN_MAX];
	uint64_t until_ms = clock_mono_ms() + BUS_MS;
	const char *who;

	while ((who = missing(p)) != NULL && clock_mono_ms() < until_ms)
		poll(NULL, 0, BUS_POLL_MS);
	if (who != NULL)
		return err_set(err, "not taken over: %s was not reached in "
		    "%d s; the proxy that runs goes on", who, BUS_MS / 1000);
	return takeover_begin(p->takeover, kept, addresses(p->settings, kept),
	    err);
}

static void
let_clients_in(struct proxy *p)
{
	struct doors *d = &p->doors;

	doors_listen(d, p->settings);
	for (unsigned i = 0; i < p->n_workers; i++)
		worker_accept(p->workers[i], &d->fds[d->first[i]],
		    &d->listeners[d->first[i]], d->first[i + 1] - d->first[i]);
	d->given = true;
}

static void
on_superseded(void *arg, const struct endpoint *kept, size_t n)
{
	struct proxy *p = arg;

	ASSERT(n <= ARRAY_LEN(p->kept));
	memcpy(p->kept, kept, n * sizeof(*kept));
	p->n_kept = n;
	service_superseded(p->service);
}

/* Without it all goes well but an upgrade. */
static void
await_successor(struct proxy *p)
{
	const struct handover_offer offer = {
		.run_dir = p->settings->proxy.run_dir,
		.listeners = p->doors.fds, .n_listeners = p->doors.n,
		.admin = service_admin_listener(p->service),
		.done = on_superseded, .arg = p,
	};
	struct err err = { 0 };

	if (handover_start(&p->handover, &offer, p->takeover != NULL,
	    &err) != 0)
		log_warn(NULL, "takeover_unavailable",
		    log_str("why", err.text));
}

int
proxy_start(struct proxy *p, struct err *err)
{
	read_fenced(p);
	if (join_bus(p, err) != 0 || start_workers(p, err) != 0)
		return -1;
	if (p->takeover != NULL && succeed(p, err) != 0)
		return -1;
	let_clients_in(p);
	await_successor(p);
	takeover_free(&p->takeover);
	metrics_on_scrape(service_metrics(p->service), on_scrape, p);
	proxy_look_around(p);
	log_info(NULL, "serving", log_str("instance", p->instance),
	    log_u64("workers", p->n_workers),
	    log_u64("connections_max", p->max_connections));
	return 0;
}

void
proxy_reload(struct proxy *p, const struct settings *next)
{
	for (unsigned i = 0; i < p->n_workers; i++)
		worker_reload(p->workers[i], next);
}

void
proxy_drain(struct proxy *p)
{
	p->draining = true;
	p->drain_until_ms =
	    clock_mono_ms() + service_settings(p->service)->proxy.timeouts_drain;
	handover_stop(&p->handover);
	service_not_ready(p->service, "proxy", "draining");
	log_info(NULL, "draining",
	    log_u64("connections", atomic_load(&p->connections)));
	for (unsigned i = 0; i < p->n_workers; i++)
		worker_drain(p->workers[i]);
}

bool
proxy_drained(struct proxy *p)
{
	/* A worker that was not told yet may still accept. */
	bool closed = atomic_load(&p->n_closed) == p->n_workers;

	return (closed && atomic_load(&p->connections) == 0) ||
	    clock_mono_ms() >= p->drain_until_ms;
}

void
proxy_stop(struct proxy **pp)
{
	struct proxy *p = *pp;

	if (p == NULL)
		return;
	*pp = NULL;
	handover_stop(&p->handover);
	p->drain_over = p->draining && clock_mono_ms() >= p->drain_until_ms;
	for (unsigned i = 0; p->workers != NULL && i < p->n_workers; i++)
		if (p->workers[i] != NULL)
			worker_join(p->workers[i]);
	for (unsigned i = 0; p->workers != NULL && i < p->n_workers; i++)
		worker_free(&p->workers[i]);
	free(p->workers);
	doors_close(&p->doors);
	takeover_free(&p->takeover);
	topic_sub_close(&p->policy);
	topic_pub_close(&p->events);
	rpc_client_free(&p->auth);
	rpc_client_free(&p->decide);
	free(p->fenced);
	admit_fini(&p->admit);
	free(p);
}
