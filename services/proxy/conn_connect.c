/* SPDX-License-Identifier: MIT */
/*
 * CONNECT: dial what was permitted, reply, and start the relay.
 */
#include "proxy/conn_impl.h"

#include "base/clock.h"
#include "proxy/listener.h"
#include "proxy/proxy_metrics.h"
#include "proxy/worker.h"

static void
on_dialled(void *arg, enum dial_result result, int fd,
    const struct endpoint *to, const struct endpoint *local)
{
	struct conn *c = arg;
	struct handshake *h = c->h;

	h->dial = NULL;
	h->dial_result = result;
	if (result == DIAL_OK)
		h->target = stream_plain(fd);
	h->has_bound = local != NULL;
	if (local != NULL)
		h->bound = *local;
	c->used = to->addr;
	c->has_used = true;
	conn_step(c, conn_dial_answer);
}

void
conn_permit(const struct conn *c, const struct decision *d, struct permit *p)
{
	const struct handshake *h = c->h;

	p->n = d->n_permitted;
	p->masked = h->listener->cfg->mask_bound_address;
	p->port = h->dest.port;
	for (unsigned i = 0; i < d->n_permitted; i++) {
		p->addrs[i] = h->resolved[d->permitted[i]];
		p->internal_ok[i] = d->internal_ok[i];
	}
}

enum conn_state
conn_connect(struct conn *c, const struct decision *d)
{
	struct handshake *h = c->h;
	struct permit permit;

	conn_permit(c, d, &permit);
	conn_record_open(c, d);
	h->dial = dial_start(c->w->base, c->w->cfg, &c->w->fence, &permit,
	    on_dialled, c);
	if (h->dial == NULL)
		return conn_refuse(c, CLOSE_out_of_resources, NULL, NULL);
	return CONN_DIAL;
}

static enum conn_state
dial_failed(struct conn *c, enum dial_result result)
{
	static const enum close_reason reasons[] = {
		[DIAL_REFUSED] = CLOSE_connect_refused,
		[DIAL_NET_UNREACHABLE] = CLOSE_network_unreachable,
		[DIAL_HOST_UNREACHABLE] = CLOSE_host_unreachable,
		[DIAL_TTL_EXPIRED] = CLOSE_ttl_expired,
		[DIAL_TIMEOUT] = CLOSE_connect_timeout,
		[DIAL_RESOURCES] = CLOSE_out_of_resources,
		[DIAL_FENCED] = CLOSE_hard_deny,
		[DIAL_ERROR] = CLOSE_connect_error,
	};

	ASSERT(result < ARRAY_LEN(reasons));
	return conn_refuse(c, reasons[result], NULL, NULL);
}

void
conn_set_up(struct conn *c)
{
	struct worker *w = c->w;
	uint64_t us = clock_mono_us() - c->accepted_us;

	c->setup_us = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
	metrics_observe(w->cells, METRIC_proxy_setup_duration_seconds, 0,
	    (double)c->setup_us / 1e6);
	metrics_add(w->cells, METRIC_proxy_sessions_total, 0, 1);
}

enum conn_state
conn_established(struct conn *c, const struct endpoint *bound)
{
	if (!conn_reply(c, bound))
		return conn_gone(c);
	conn_set_up(c);
	if (conn_start_relay(c))
		return CONN_RELAY;
	return conn_hang_up(c, CLOSE_out_of_resources);
}

enum conn_state
conn_dial_answer(struct conn *c)
{
	struct handshake *h = c->h;

	if (h->dial_result != DIAL_OK)
		return dial_failed(c, h->dial_result);
	return conn_established(c, h->has_bound ? &h->bound : NULL);
}
