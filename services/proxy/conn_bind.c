/* SPDX-License-Identifier: MIT */
/*
 * BIND: open a port for the peer that was asked for, say where it is, and give
 * who comes to the relay, if the policy lets in that peer from there.
 *
 * The client waits in CONN_BIND_WAIT, where a FIN or RST of it closes the port:
 * who has half-closed cannot be told from who has left. That must be seen even
 * when the client has sent more than we keep, and reading has stopped; then the
 * socket is watched for changes only (edge-triggered).
 */
#include "proxy/conn_impl.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "base/log.h"
#include "net/sock.h"
#include "proxy/bind.h"
#include "proxy/egress.h"
#include "proxy/gate.h"
#include "proxy/ports.h"
#include "proxy/proxy_metrics.h"
#include "proxy/worker.h"

static void
count_peer(const struct conn *c, unsigned result)
{
	metrics_add(c->w->cells, METRIC_proxy_bind_peers_total, result, 1);
}

static void
count_listener(const struct conn *c, int64_t n)
{
	metrics_gauge_add(c->w->cells, METRIC_proxy_bind_listeners, 0, n);
}

/* ---- peers ---- */

static enum bind_verdict ask(struct conn *c, struct bind_peer *p,
    bool own_source);

static enum bind_verdict
verdict_on(struct conn *c, struct bind_peer *p, const struct decision *d)
{
	if (d->source_bound && d->verdict != VERDICT_UNAVAILABLE &&
	    !addr_eq(&d->asked_source, &c->source.addr))
		return ask(c, p, true);
	if (d->verdict != VERDICT_ALLOW || d->n_permitted != 1 ||
	    !dial_fence_permits(&c->w->fence, &p->from,
		d->internal_ok[0]))
		return BIND_REFUSE;
	return BIND_ADMIT;
}

static void
on_decided(struct lease_waiter *w, const void *value)
{
	static const struct decision none = { .verdict = VERDICT_UNAVAILABLE };
	struct bind_peer *p = container_of(w, struct bind_peer, waiter);
	enum bind_verdict v =
	    verdict_on(p->arg, p, value != NULL ? value : &none);

	if (v != BIND_LATER)
		bind_judged(p, v == BIND_ADMIT);
}

/* The request was judged before anybody came: now it is this address and this
 * port, still under the name that was asked for. */
static enum bind_verdict
ask(struct conn *c, struct bind_peer *p, bool own_source)
{
	struct dest dest = c->h->dest;
	struct decide_question q = {
		.identity = c->identity,
		.source = c->source.addr,
		.own_source = own_source,
		.command = COMMAND_BIND,
		.protocol = PROTOCOL_TCP,
		.dest = &dest,
		.resolved = &p->from.addr,
		.n_resolved = 1,
	};
	const struct decision *decision = NULL;

	dest.port = p->from.port;
	if (!dest.is_name)
		dest.addr = p->from.addr;
	p->waiter.done = on_decided;
	if (gate_decide(c->w->gate, &q, &p->waiter, &decision) == GATE_WAIT)
		return BIND_LATER;
	return verdict_on(c, p, decision);
}

static enum bind_verdict
on_peer(void *arg, struct bind_peer *p)
{
	return ask(arg, p, false);
}

static void
on_turned_away(void *arg, enum bind_reset why)
{
	static const unsigned results[] = {
		[BIND_WRONG_PEER] = PEER_WRONG,
		[BIND_REFUSED] = PEER_REFUSED,
		[BIND_TOO_LATE] = PEER_LATE,
	};

	count_peer(arg, results[why]);
}

static void
on_bound(void *arg, enum bind_result result, int fd,
    const struct endpoint *from)
{
	struct conn *c = arg;
	struct handshake *h = c->h;

	h->bind = NULL;
	count_listener(c, -1);
	quota_give(&h->bind_hold);
	if (result == BIND_PEER) {
		h->target = stream_plain(fd);
		h->peer = *from;
		count_peer(c, PEER_ADMITTED);
	}
	conn_step(c, conn_bind_answer);
}

static const struct bind_ops bind_ops = { on_peer, on_turned_away, on_bound };

/* ---- the request ---- */

/* Our address that `to` can reach: the one a packet to it would leave from. No
 * packet is sent. */
static bool
local_towards(const struct conn *c, const struct addr *to, struct addr *out)
{
	struct endpoint e = { *to, 9 };
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&e, &sa);
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int saved;
	bool ok = fd >= 0 &&
	    egress_bind(c->w->cfg, fd, addr_is_v4(to)) == 0 &&
	    connect(fd, (struct sockaddr *)&sa, len) == 0 &&
	    sock_local(fd, &e);

	saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	*out = e.addr;
	return ok;
}

/* SOCKS4 can name IPv4 addresses only. */
static bool
can_tell(const struct conn *c, const struct addr *a)
{
	return addr_is_v4(a) || (c->carrier != CARRIER_SOCKS4 &&
	    c->carrier != CARRIER_SOCKS4A);
}

/* One port is of one family: that of the first who was asked for. */
static bool
choose_address(const struct conn *c, struct bind_plan *plan)
{
	for (unsigned i = 0; i < plan->n_asked; i++)
		if (can_tell(c, &plan->asked[i]))
			return local_towards(c, &plan->asked[i], &plan->at);
	errno = ENETUNREACH;
	return false;
}

/* Anybody may come to where the client has found us. */
static bool
choose_own_address(const struct conn *c, struct bind_plan *plan)
{
	struct endpoint local;

	if (!sock_local(c->client.fd, &local))
		return false;
	plan->at = local.addr;
	errno = ENETUNREACH;
	return can_tell(c, &local.addr);
}

static bool
make_plan(const struct conn *c, const struct permit *p, struct bind_plan *plan)
{
	const struct handshake *h = c->h;

	*plan = (struct bind_plan){
		.ports = c->w->cfg->bind_ports,
		.timeout_ms = c->w->cfg->timeouts_bind,
		.any = !h->dest.is_name && addr_is_unspecified(&h->dest.addr),
		.n_asked = p->n,
	};
	for (unsigned i = 0; i < p->n; i++)
		plan->asked[i] = p->addrs[i];
	return plan->any ? choose_own_address(c, plan)
			 : choose_address(c, plan);
}

static enum close_reason
failure(int error)
{
	switch (error) {
	case ENETUNREACH:
	case EHOSTUNREACH:
		return CLOSE_network_unreachable;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return CLOSE_out_of_resources;
	default:
		return CLOSE_bind_failed;
	}
}

static bool
listen_for_peer(struct conn *c, const struct permit *p, struct err *err)
{
	struct bind_plan plan;

	if (!make_plan(c, p, &plan)) {
		(void)err_sys(err, "no address of ours for the peer");
		return false;
	}
	c->h->bind = bind_start(c->w->base, &plan, &bind_ops, c, err);
	if (c->h->bind == NULL)
		return false;
	count_listener(c, 1);
	return true;
}

static enum conn_state
tell_where(struct conn *c)
{
	struct endpoint at = bind_at(c->h->bind);

	at.addr = ports_advertise(&c->w->cfg->bind_advertise, &c->source.addr,
	    &at.addr);
	return conn_tell(c, &at) ? CONN_BIND_WAIT : conn_gone(c);
}

/* Only who waits counts: with the peer there it is a session like any. */
static enum quota_result
take_turn(struct conn *c)
{
	return quota_take(c->w->proxy->admit.quota, QUOTA_BIND,
	    c->identity->user, c->w->cfg->bind_max_per_user,
	    &c->h->bind_hold);
}

enum conn_state
conn_bind(struct conn *c, const struct decision *d)
{
	struct permit permit;
	enum close_reason reason;
	struct err err;

	switch (take_turn(c)) {
	case QUOTA_FULL:
		return conn_refuse(c, CLOSE_limit_user, d,
		    "proxy.bind.max_per_user");
	case QUOTA_NO_MEMORY:
		return conn_refuse(c, CLOSE_out_of_resources, d, NULL);
	case QUOTA_OK:
		break;
	}
	conn_permit(c, d, &permit);
	conn_record_open(c, d);
	if (listen_for_peer(c, &permit, &err))
		return tell_where(c);
	reason = failure(errno);
	quota_give(&c->h->bind_hold);
	if (reason == CLOSE_bind_failed)
		log_warn(NULL, "bind_failed", log_str("error", err.text));
	return conn_refuse(c, reason, NULL, err.text);
}

/* ---- waiting ---- */

/* More has come than is kept, so that a FIN stays unread behind it. */
static void
on_change(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	struct tcp_info info;
	socklen_t len = sizeof(info);

	(void)what;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	    info.tcpi_state == TCP_ESTABLISHED)
		return;
	conn_close(c, CLOSE_client_gone);
}

static void
watch_changes(struct conn *c)
{
	struct handshake *h = c->h;

	/* Both kinds of watching cannot be had at once. */
	event_del(&c->readable);
	h->watching = false;
	event_assign(&h->changes, c->w->base, c->client.fd,
	    EV_READ | EV_ET | EV_PERSIST, on_change, c);
	event_add(&h->changes, NULL);
	h->watching_changes = true;
}

static void
unwatch_changes(struct handshake *h)
{
	if (h->watching_changes)
		event_del(&h->changes);
	h->watching_changes = false;
}

enum conn_state
conn_bind_input(struct conn *c)
{
	struct handshake *h = c->h;

	if (h->eof)
		return conn_gone(c);
	if (h->in_len == sizeof(h->in) && !h->watching_changes)
		watch_changes(c);
	return CONN_BIND_WAIT;
}

enum conn_state
conn_bind_answer(struct conn *c)
{
	struct handshake *h = c->h;

	unwatch_changes(h);
	if (!stream_is_open(&h->target))
		return conn_refuse(c, CLOSE_bind_timeout, NULL, NULL);
	conn_record_peer(c, &h->peer);
	if (!conn_tell(c, &h->peer))
		return conn_gone(c);
	conn_set_up(c);
	if (conn_start_relay(c))
		return CONN_RELAY;
	return conn_hang_up(c, CLOSE_out_of_resources);
}

void
conn_bind_cancel(struct conn *c)
{
	unwatch_changes(c->h);
	quota_give(&c->h->bind_hold);
	if (c->h->bind == NULL)
		return;
	bind_cancel(&c->h->bind);
	count_listener(c, -1);
}
