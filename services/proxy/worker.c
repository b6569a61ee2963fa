/* SPDX-License-Identifier: MIT */
#include "proxy/worker.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pool.h"
#include "net/sock.h"
#include "proxy/asks.h"
#include "proxy/conn.h"
#include "proxy/feed.h"
#include "proxy/gate.h"
#include "proxy/listener.h"
#include "proxy/proxy_metrics.h"
#include "proxy/relay.h"
#include "proxy/resolve.h"
#include "service/service.h"

#define OWN_ADDRS_MAX 256

static void
on_mail(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	mailbox_deliver(w->mailbox);
}

static void
for_each_conn(struct worker *w, void (*fn)(struct conn *c))
{
	list_for_each_safe(it, &w->open)
		fn(container_of(it, struct conn, link));
}

/* Counters that the rooms keep, into the metrics. */
static void
publish_stats(struct worker *w)
{
	struct lease_stats lease[] = { gate_login_stats(w->gate),
		gate_decide_stats(w->gate) };
	struct resolve_stats dns = resolver_stats(w->resolver);
	struct metrics_cells *cells = w->cells;

	for (unsigned i = 0; i < ARRAY_LEN(lease); i++) {
		unsigned at = i * CACHE_RESULTS;
		uint64_t now[] = { lease[i].hits, lease[i].misses,
			lease[i].stale };

		for (unsigned r = 0; r < CACHE_RESULTS; r++)
			metrics_add(cells, METRIC_proxy_cache_requests_total,
			    at + r, now[r] - w->published.lease[i][r]);
		metrics_add(cells, METRIC_proxy_cache_evictions_total, i,
		    lease[i].evictions - w->published.evictions[i]);
		metrics_add(cells, METRIC_proxy_cache_renewals_total, i,
		    lease[i].renewals - w->published.renewals[i]);
		for (unsigned r = 0; r < CACHE_RESULTS; r++)
			w->published.lease[i][r] = now[r];
		w->published.evictions[i] = lease[i].evictions;
		w->published.renewals[i] = lease[i].renewals;
	}
	metrics_gauge_set(cells, METRIC_proxy_relay_memory_bytes, 0,
	    (int64_t)relay_room_memory(w->relays));
	metrics_gauge_set(cells, METRIC_proxy_cache_entries, CACHE_LOGIN,
	    (int64_t)gate_logins(w->gate));
	metrics_gauge_set(cells, METRIC_proxy_cache_entries, CACHE_DECISION,
	    (int64_t)gate_decisions(w->gate));
	uint64_t results[] = { dns.ok, dns.not_found, dns.timeout, dns.failed,
		dns.busy, dns.limited };

	for (unsigned r = 0; r < ARRAY_LEN(results); r++) {
		metrics_add(cells, METRIC_proxy_dns_lookups_total, r,
		    results[r] - w->published.dns[r]);
		w->published.dns[r] = results[r];
	}
}

static void
publish_udp(struct worker *w)
{
	const struct assoc_stats *now = assoc_room_stats(w->assocs);
	struct assoc_stats *was = &w->published.udp;

	for (unsigned d = 0; d < 2; d++) {
		for (unsigned r = 0; r < UDP_RESULTS; r++)
			metrics_add(w->cells, METRIC_proxy_udp_datagrams_total,
			    d * UDP_RESULTS + r, now->datagrams[d][r] -
			    was->datagrams[d][r]);
		metrics_add(w->cells, METRIC_proxy_relayed_bytes_total, d,
		    now->bytes[d] - was->bytes[d]);
	}
	metrics_gauge_set(w->cells, METRIC_proxy_udp_associations, 0,
	    now->associations);
	*was = *now;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	uint64_t now = clock_mono_ms();

	(void)fd;
	(void)what;
	tempo_look(&w->tempo);
	gate_tick(w->gate);
	assoc_room_expire(w->assocs);
	publish_stats(w);
	publish_udp(w);
	if (w->index == 0)
		proxy_look_around(w->proxy);
	if (now < w->checkpoint_ms)
		return;
	w->checkpoint_ms = now + w->cfg->checkpoint;
	for_each_conn(w, conn_checkpoint);
}

static struct event_base *
base_new(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base = NULL;

	if (cfg != NULL) {
		event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK |
		    EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST |
		    EVENT_BASE_FLAG_IGNORE_ENV);
		base = event_base_new_with_config(cfg);
		event_config_free(cfg);
	}
	if (base == NULL)
		die("worker: cannot make an event base");
	return base;
}

/* Every connection starts this clock: they share libevent's queue for it. */
static void
set_handshake_time(struct worker *w)
{
	uint64_t ms = w->cfg->timeouts_handshake;
	const struct timeval *common;

	w->handshake_tv = (struct timeval){ .tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000) };
	common = event_base_init_common_timeout(w->base, &w->handshake_tv);
	/* After many reloads there is no further queue to be had. */
	w->handshake_time = common != NULL ? common : &w->handshake_tv;
}

static void
start_loop_parts(struct worker *w)
{
	static const struct timeval often = { .tv_usec = 250000 };

	w->base = base_new();
	w->mailbox = mailbox_new();
	event_assign(&w->mail, w->base, mailbox_fd(w->mailbox),
	    EV_READ | EV_PERSIST, on_mail, w);
	event_add(&w->mail, NULL);
	w->tick = event_new(w->base, -1, EV_PERSIST, on_tick, w);
	if (w->tick == NULL)
		die("worker: no memory");
	event_add(w->tick, &often);
	set_handshake_time(w);
}

/* Its own copy: who dials on this worker needs no lock. */
static void
read_own_addresses(struct worker *w)
{
	struct addr own[OWN_ADDRS_MAX];
	size_t n = sock_own_addresses(own, OWN_ADDRS_MAX);

	if (n == 0)	/* loopback at least: the kernel could not be asked */
		return;
	memcpy(w->fence.own, own, n * sizeof(own[0]));
	w->fence.n_own = n;
}

static void
open_fence(struct worker *w)
{
	w->fence.listeners = w->proxy->fenced;
	w->fence.n_listeners = w->proxy->n_fenced;
	w->fence.own = xcalloc(OWN_ADDRS_MAX, sizeof(*w->fence.own));
	read_own_addresses(w);
}

int
worker_new(struct worker **out, struct proxy *p, unsigned index,
    struct err *err)
{
	struct worker *w = xcalloc(1, sizeof(*w));
	struct judge judge;

	w->proxy = p;
	w->cfg = &p->settings->proxy;
	w->index = index;
	list_init(&w->open);
	list_init(&w->graveyard);
	admit_open(w);
	w->cells = metrics_thread(service_metrics(p->service));
	w->conns = pool_new(sizeof(struct conn), p->max_connections);
	w->handshakes = pool_new(sizeof(struct handshake), p->max_connections);
	w->checkpoint_ms = clock_mono_ms() + w->cfg->checkpoint;
	start_loop_parts(w);
	if (asks_new(&w->asks, p->auth, p->decide, w->mailbox, err) != 0 ||
	    resolver_new(&w->resolver, w->base, w->cfg, err) != 0) {
		worker_free(&w);
		return -1;
	}
	resolver_count_users(w->resolver, p->admit.quota);
	w->gate = gate_new(w->asks, &p->view, w->cfg);
	w->relays = relay_room_new(w->base, w->cfg, p->n_workers);
	open_fence(w);
	judge = assoc_judge(w->resolver, w->gate, &w->fence);
	w->assocs = assoc_room_new(w->base, w->cfg, &judge, &p->view);
	relay_room_meter(w->relays, w->cells,
	    METRIC_proxy_relayed_bytes_total);
	w->feed = feed_new(w->base, p->events, p->instance, w->cells);
	*out = w;
	return 0;
}

/* ---- orders from other threads ---- */

enum order { ORDER_ACCEPT, ORDER_RELOAD, ORDER_DRAIN, ORDER_STOP };

struct order_letter {
	struct letter letter;
	struct worker *worker;
	enum order order;
	const struct settings *settings;
	size_t n;
	struct {
		int fd;			/* listens */
		unsigned listener;	/* whose it is */
	} doors[];
};

static void
obey_accept(struct worker *w, const struct order_letter *o)
{
	const struct listener_list *all = &w->proxy->settings->listeners;

	w->listeners = xcalloc(o->n, sizeof(*w->listeners));
	w->n_listeners = (unsigned)o->n;
	for (size_t i = 0; i < o->n; i++)
		listener_start(&w->listeners[i], w, o->doors[i].fd, all,
		    o->doors[i].listener);
}

static void
obey_reload(struct worker *w, const struct settings *s)
{
	const struct proxy_config *cfg = &s->proxy;

	w->cfg = cfg;
	for (unsigned i = 0; i < w->n_listeners; i++)
		listener_reload(&w->listeners[i], &s->listeners);
	set_handshake_time(w);
	read_own_addresses(w);
	gate_reload(w->gate, cfg);
	resolver_reload(w->resolver, cfg);
	relay_room_reload(w->relays, cfg);
	assoc_room_reload(w->assocs, cfg);
}

static bool
is_kept(const struct proxy *p, const struct endpoint *at)
{
	for (size_t i = 0; i < p->n_kept; i++)
		if (endpoint_eq(&p->kept[i], at))
			return true;
	return false;
}

static void
obey_drain(struct worker *w)
{
	for (unsigned i = 0; i < w->n_listeners; i++) {
		struct listener *l = &w->listeners[i];

		listener_leave(l, !is_kept(w->proxy, &l->at));
	}
	atomic_fetch_add(&w->proxy->n_closed, 1);
}

static void
close_late(struct conn *c)
{
	bool late = c->opened != NULL && c->w->proxy->drain_over;

	conn_close(c, late ? CLOSE_drained : CLOSE_shutdown);
}

static void
obey(struct letter *l)
{
	struct order_letter *o = container_of(l, struct order_letter, letter);
	struct worker *w = o->worker;

	switch (o->order) {
	case ORDER_ACCEPT:
		obey_accept(w, o);
		break;
	case ORDER_RELOAD:
		obey_reload(w, o->settings);
		break;
	case ORDER_STOP:
		for (unsigned i = 0; i < w->n_listeners; i++)
			listener_stop(&w->listeners[i]);
		for_each_conn(w, close_late);
		w->stopping = true;
		break;
	case ORDER_DRAIN:
		obey_drain(w);
		break;
	}
	free(o);
}

static struct order_letter *
order_new(struct worker *w, enum order order, size_t n)
{
	struct order_letter *o =
	    xcalloc(1, sizeof(*o) + n * sizeof(o->doors[0]));

	o->letter.deliver = obey;
	o->worker = w;
	o->order = order;
	o->n = n;
	return o;
}

void
worker_accept(struct worker *w, const int *fds, const unsigned *listeners,
    size_t n)
{
	struct order_letter *o = order_new(w, ORDER_ACCEPT, n);

	for (size_t i = 0; i < n; i++) {
		o->doors[i].fd = fds[i];
		o->doors[i].listener = listeners[i];
	}
	mailbox_post(w->mailbox, &o->letter);
}

void
worker_reload(struct worker *w, const struct settings *s)
{
	struct order_letter *o = order_new(w, ORDER_RELOAD, 0);

	o->settings = s;
	mailbox_post(w->mailbox, &o->letter);
}

void
worker_drain(struct worker *w)
{
	mailbox_post(w->mailbox, &order_new(w, ORDER_DRAIN, 0)->letter);
}

/* ---- the thread ---- */

static void *
worker_run(void *arg)
{
	struct worker *w = arg;

	while (!w->stopping) {
		event_base_loop(w->base, EVLOOP_ONCE);
		tempo_turn(&w->tempo, (unsigned)event_base_get_max_events(
		    w->base, EVENT_BASE_COUNT_ACTIVE, true));
		conn_bury(w);
	}
	feed_end(&w->feed, "shutdown");
	return NULL;
}

int
worker_start(struct worker *w, struct err *err)
{
	int e = pthread_create(&w->thread, NULL, worker_run, w);

	if (e != 0)
		return err_set(err, "worker thread: %s", strerrordesc_np(e));
	w->running = true;
	return 0;
}

void
worker_join(struct worker *w)
{
	if (!w->running)
		return;
	mailbox_post(w->mailbox, &order_new(w, ORDER_STOP, 0)->letter);
	pthread_join(w->thread, NULL);
	w->running = false;
}

void
worker_free(struct worker **wp)
{
	struct worker *w = *wp;

	if (w == NULL)
		return;
	*wp = NULL;
	ASSERT(!w->running && list_empty(&w->open));
	for (unsigned i = 0; i < w->n_listeners; i++)
		listener_stop(&w->listeners[i]);
	free(w->listeners);
	if (w->feed != NULL)
		feed_end(&w->feed, "shutdown");
	asks_free(&w->asks);
	gate_free(&w->gate);
	resolver_free(&w->resolver);
	relay_room_free(&w->relays);
	assoc_room_free(&w->assocs);
	event_del(&w->mail);
	event_free(w->tick);
	mailbox_free(&w->mailbox);
	event_base_free(w->base);
	free(w->fence.own);
	pool_free(&w->conns);
	pool_free(&w->handshakes);
	free(w);
}
