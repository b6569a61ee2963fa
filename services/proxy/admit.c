/* SPDX-License-Identifier: MIT */
#include "proxy/admit.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/conn.h"
#include "proxy/listener.h"
#include "proxy/lobby.h"
#include "proxy/pace.h"
#include "proxy/proxy_metrics.h"
#include "proxy/quota.h"
#include "proxy/worker.h"

#define RECORDS_PER_SECOND 100	/* of refusals by limits, all workers */

/* ---- keys ---- */

/* What counts as one: an IPv4 address, an IPv6 /64. */
static struct addr
source_of(const struct addr *a)
{
	struct addr source = *a;

	if (!addr_is_v4(a))
		memset(source.b + 8, 0, 8);
	return source;
}

static struct str
addr_key(const struct addr *a)
{
	return (struct str){ (const char *)a->b, sizeof(a->b) };
}

struct dest_key {
	char bytes[1 + NAME_MAX_LEN + 2];
	size_t len;
};

/* As it was asked for: a name and its address are two destinations. */
static void
dest_key(struct dest_key *k, const struct dest *d)
{
	const char *port = (const char *)&d->port;
	struct str host = d->is_name ? (struct str){ d->name, d->name_len }
				     : addr_key(&d->addr);
	char *at = k->bytes;

	*at++ = d->is_name ? 'n' : 'a';
	at = mempcpy(at, host.ptr, host.len);
	at = mempcpy(at, port, sizeof(d->port));
	k->len = (size_t)(at - k->bytes);
}

/* ---- who has not asked ---- */

static uint32_t
waiting_max(const struct worker *w)
{
	uint32_t max = w->cfg->limits_pre_login;

	if (max == 0)
		max = w->proxy->max_connections / 4;
	return max == 0 ? 1 : max;
}

static struct conn *
first_waiting(const struct worker *w)
{
	return container_of(w->waiting.next, struct handshake, waiting)->conn;
}

/* What the other workers see of who waits here. */
static void
show_oldest(struct worker *w)
{
	uint64_t us = list_empty(&w->waiting) ? UINT64_MAX
					      : first_waiting(w)->h->waiting_us;

	atomic_store_explicit(&w->oldest_us, us, memory_order_relaxed);
}

static void
put_out(struct conn *c, enum close_reason why, unsigned limit)
{
	metrics_add(c->w->cells, METRIC_proxy_put_out_total, limit, 1);
	conn_close(c, why);
}

/* Another worker, or this one, has one too many and the oldest is here. */
static void
make_room(struct worker *w)
{
	const struct admit *d = &w->proxy->admit;

	if (!list_empty(&w->waiting) &&
	    atomic_load_explicit(&d->waiting, memory_order_relaxed) >
		waiting_max(w))
		put_out(first_waiting(w), CLOSE_limit_global,
		    PUT_OUT_PRE_LOGIN);
}

/* To the worker whose connection it is. */
struct notice {
	struct letter letter;
	struct worker *worker;
	bool oldest;		/* make_room, whoever it is */
	struct conn *conn;	/* else this one; NULL: it is gone */
};

static void
on_notice(struct letter *l)
{
	struct notice *n = container_of(l, struct notice, letter);

	if (n->oldest)
		make_room(n->worker);
	else if (n->conn != NULL)
		put_out(n->conn, CLOSE_limit_source,
		    PUT_OUT_PRE_LOGIN_PER_SOURCE);
	free(n);
}

/* Without memory nobody is told; the handshake's clock ends it. */
static struct notice *
notify(struct worker *w, struct conn *c)
{
	struct notice *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->letter.deliver = on_notice;
	n->worker = w;
	n->oldest = c == NULL;
	n->conn = c;
	mailbox_post(w->mailbox, &n->letter);
	return n;
}

/* Any thread, under the lobby's lock: the connection cannot go meanwhile. When
 * it does, it takes itself out of the notice, after lobby_leave. */
static void
on_put_out(struct lobby_seat *seat)
{
	struct handshake *h = container_of(seat, struct handshake, seat);

	h->notice = notify(h->conn->w, h->conn);
}

static void
put_out_oldest(struct worker *w)
{
	const struct proxy *p = w->proxy;
	struct worker *of = w;

	for (unsigned i = 0; i < p->n_workers; i++)
		if (atomic_load_explicit(&p->workers[i]->oldest_us,
			memory_order_relaxed) <
		    atomic_load_explicit(&of->oldest_us, memory_order_relaxed))
			of = p->workers[i];
	if (of == w)
		make_room(w);
	else
		(void)notify(of, NULL);
}

void
admit_wait(struct conn *c)
{
	struct worker *w = c->w;
	struct admit *d = &w->proxy->admit;
	struct addr source = source_of(&c->source.addr);

	c->pre_login = true;
	c->h->waiting_us = c->accepted_us;
	list_push(&w->waiting, &c->h->waiting);
	if (first_waiting(w) == c)
		show_oldest(w);
	lobby_enter(d->lobby, &c->h->seat, addr_key(&source),
	    w->cfg->limits_pre_login_per_source);
	if (atomic_fetch_add_explicit(&d->waiting, 1, memory_order_relaxed) >=
	    waiting_max(w))
		put_out_oldest(w);
}

void
admit_asked(struct conn *c)
{
	struct worker *w = c->w;
	bool first;

	if (!c->pre_login)
		return;
	c->pre_login = false;
	first = first_waiting(w) == c;
	list_del(&c->h->waiting);
	if (first)
		show_oldest(w);
	lobby_leave(&c->h->seat);
	if (c->h->notice != NULL)
		c->h->notice->conn = NULL;
	c->h->notice = NULL;
	atomic_fetch_sub_explicit(&w->proxy->admit.waiting, 1,
	    memory_order_relaxed);
}

/* ---- places ---- */

static bool
take_place(struct proxy *p)
{
	if (atomic_fetch_add_explicit(&p->connections, 1,
		memory_order_relaxed) < p->max_connections)
		return true;
	atomic_fetch_sub_explicit(&p->connections, 1, memory_order_relaxed);
	return false;
}

static void
give_places(struct proxy *p, uint32_t n)
{
	atomic_fetch_sub_explicit(&p->connections, n, memory_order_relaxed);
}

enum close_reason
admit_knock(const struct listener *l, const struct endpoint *peer)
{
	struct worker *w = l->worker;
	uint32_t per_minute = w->cfg->limits_new_per_minute_source;

	/* First, so that it counts nowhere else. */
	if (!terms_admit(&l->cfg->sources, &peer->addr))
		return CLOSE_source_refused;
	if (per_minute > 0) {
		struct addr source = source_of(&peer->addr);

		if (!pace_take(w->proxy->admit.sources, addr_key(&source),
			per_minute, clock_mono_us()))
			return CLOSE_limit_rate;
	}
	return take_place(w->proxy) ? CLOSE_NONE : CLOSE_limit_global;
}

void
admit_refuse(struct listener *l, const struct endpoint *peer,
    enum close_reason why, bool had_place)
{
	struct worker *w = l->worker;
	unsigned result = why == CLOSE_limit_global ? ACCEPT_LIMIT_GLOBAL
	    : why == CLOSE_limit_rate		    ? ACCEPT_LIMIT_RATE
	    : why == CLOSE_source_refused	    ? ACCEPT_SOURCE
						    : ACCEPT_NO_MEMORY;

	if (had_place)
		give_places(w->proxy, 1);
	metrics_add(w->cells, METRIC_proxy_connections_total, result, 1);
	conn_record_refused(l, peer, why);
}

/* ---- sessions ---- */

static enum close_reason
take(struct conn *c, struct quota_hold *hold, enum quota_kind kind,
    struct str key, uint32_t max, enum close_reason full)
{
	switch (quota_take(c->w->proxy->admit.quota, kind, key, max, hold)) {
	case QUOTA_OK:
		return CLOSE_NONE;
	case QUOTA_FULL:
		return full;
	case QUOTA_NO_MEMORY:
		break;
	}
	return CLOSE_out_of_resources;
}

enum close_reason
admit_destination(struct conn *c)
{
	uint32_t max = c->w->cfg->limits_sessions_per_destination;
	struct dest_key key;

	if (max == 0)
		return CLOSE_NONE;
	dest_key(&key, &c->h->dest);
	return take(c, &c->holds[2], QUOTA_DESTINATION,
	    (struct str){ key.bytes, key.len }, max, CLOSE_limit_destination);
}

static enum close_reason
take_session(struct conn *c)
{
	const struct proxy_config *cfg = c->w->cfg;
	struct addr source = source_of(&c->source.addr);
	enum close_reason why;

	why = take(c, &c->holds[0], QUOTA_SOURCE, addr_key(&source),
	    cfg->limits_sessions_per_source, CLOSE_limit_source);
	if (why == CLOSE_NONE)
		why = take(c, &c->holds[1], QUOTA_USER, c->identity->user,
		    cfg->limits_sessions_per_user, CLOSE_limit_user);
	return why;
}

/* A UDP association has four descriptors. */
static bool
take_second_place(struct conn *c)
{
	if (c->h->command != COMMAND_UDP)
		return true;
	if (!take_place(c->w->proxy))
		return false;
	c->places++;
	return true;
}

static void
give_session(struct conn *c)
{
	for (size_t i = 0; i < ARRAY_LEN(c->holds); i++)
		quota_give(&c->holds[i]);
}

enum close_reason
admit_request(struct conn *c)
{
	uint32_t per_minute = c->w->cfg->limits_new_per_minute_user;
	enum close_reason why;

	if (per_minute > 0 && !pace_take(c->w->proxy->admit.users,
		c->identity->user, per_minute, clock_mono_us()))
		return CLOSE_limit_rate;
	why = take_session(c);
	if (why == CLOSE_NONE && !take_second_place(c))
		why = CLOSE_limit_global;
	if (why != CLOSE_NONE)
		give_session(c);
	return why;
}

void
admit_refused(struct conn *c)
{
	give_session(c);
}

void
admit_left(struct conn *c)
{
	admit_asked(c);
	give_session(c);
	give_places(c->w->proxy, c->places);
	c->places = 0;
}

/* ---- records ---- */

static bool
is_limit(enum close_reason reason)
{
	return reason >= CLOSE_limit_global && reason <= CLOSE_limit_rate;
}

bool
admit_may_record(struct worker *w, enum close_reason reason)
{
	uint64_t share = RECORDS_PER_SECOND / w->proxy->n_workers;
	struct shaper_rate rate = shaper_per_second(share > 0 ? share : 1, 0);

	if (!is_limit(reason) && reason != CLOSE_out_of_resources &&
	    reason != CLOSE_source_refused)
		return true;
	if (shaper_take(&w->refusals, &rate, clock_mono_us(), 1))
		return true;
	metrics_add(w->cells, METRIC_proxy_refusals_unrecorded_total, 0, 1);
	return false;
}

/* ---- life ---- */

void
admit_init(struct admit *d)
{
	d->quota = quota_new();
	d->sources = pace_new();
	d->users = pace_new();
	d->lobby = lobby_new(on_put_out);
	atomic_init(&d->waiting, 0);
}

void
admit_fini(struct admit *d)
{
	quota_free(&d->quota);
	pace_free(&d->sources);
	pace_free(&d->users);
	lobby_free(&d->lobby);
}

void
admit_open(struct worker *w)
{
	list_init(&w->waiting);
	atomic_init(&w->oldest_us, UINT64_MAX);
	w->refusals = (struct shaper){ 0, 0 };
}
