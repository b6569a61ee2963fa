/* SPDX-License-Identifier: MIT */
/*
 * What a connection leaves behind: records for the feed, one line in the log.
 */
#include "proxy/conn.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "proxy/assoc.h"
#include "proxy/feed.h"
#include "proxy/listener.h"
#include "proxy/proxy_metrics.h"
#include "proxy/worker.h"

/* The first destination of an association, kept for its CLOSE. */
struct udp_first {
	struct dest dest;
	struct addr addr;
	uint64_t generation;
	char rule[ASKS_RULE_MAX + 1];
};

static void
fill_user(struct record_session *s, const struct conn *c)
{
	const struct identity *who = c->identity;

	if (who == NULL) {
		s->user = (struct str){ c->h->offered, c->h->offered_len };
		s->auth_method = c->h->auth_method;
		return;
	}
	s->user = who->user;
	s->limits = who->limits;
	s->auth_method = who->method;
	s->n_groups = who->n_groups;
	memcpy(s->groups, who->groups, who->n_groups * sizeof(s->groups[0]));
}

static void
fill_destination(struct record_session *s, const struct handshake *h)
{
	if (h->command == COMMAND_NONE) {
		s->dest_host =
		    (struct str){ h->raw_host, h->raw_host_len };
		return;
	}
	s->command = (enum record_command)h->command;
	s->protocol = h->command == COMMAND_UDP ? PROTOCOL_UDP : PROTOCOL_TCP;
	/* What a client says with UDP ASSOCIATE is where it sends from. */
	if (h->command == COMMAND_UDP)
		return;
	s->dest_port = h->dest.port;
	s->dest_host = (struct str){ h->dest.name, h->dest.name_len };
	if (h->n_resolved > 0) {
		s->has_dest_ip = true;
		s->dest_ip = h->resolved[0];
	} else if (!h->dest.is_name) {
		s->has_dest_ip = true;
		s->dest_ip = h->dest.addr;
	}
}

/* What is known of a connection while it has its handshake. */
static void
fill(struct record_session *s, const struct conn *c, const struct decision *d)
{
	memset(s, 0, sizeof(*s));
	s->id = c->id;
	s->started_ms = id_ms(&c->id);
	s->source = c->source;
	s->listener = str_from(c->h->listener->cfg->name);
	s->carrier = c->carrier;
	fill_user(s, c);
	s->claimed_user = (struct str){ c->h->claimed, c->h->claimed_len };
	fill_destination(s, c->h);
	if (d == NULL)
		return;
	s->decision =
	    d->verdict == VERDICT_ALLOW ? DECISION_ALLOW : DECISION_BLOCK;
	s->rule = str_from(d->rule);
	s->generation = d->generation;
	if (d->limits[0] != '\0')	/* a rule's goes before the user's */
		s->limits = str_from(d->limits);
}

static void
fill_permitted(struct record_session *s, const struct handshake *h,
    const struct decision *d)
{
	s->n_permitted = d->n_permitted;
	for (unsigned i = 0; i < d->n_permitted; i++)
		s->permitted[i] = h->resolved[d->permitted[i]];
	s->dest_ip = s->permitted[0];
}

void
conn_record_open(struct conn *c, const struct decision *d)
{
	struct record_session s;
	uint8_t body[RECORD_MAX];
	size_t len;

	fill(&s, c, d);
	if (d != NULL)
		fill_permitted(&s, c->h, d);
	s.destinations = s.command == COMMAND_CONNECT;
	len = record_pack_session(body, sizeof(body), RECORD_OPEN, &s);
	feed_add(c->w->feed, body, len);
	c->opened = xmalloc(len);
	memcpy(c->opened, body, len);
	c->opened_len = (uint16_t)len;
}

/* The body kept for the CLOSE is made anew; the OPEN has been sent. */
void
conn_record_peer(struct conn *c, const struct endpoint *peer)
{
	const struct record_session s = {
		.has_dest_ip = true, .dest_ip = peer->addr,
		.dest_port = peer->port, .destinations = 1,
	};
	uint8_t body[RECORD_MAX];
	size_t len = record_pack_peer(body, sizeof(body),
	    (struct str){ (char *)c->opened, c->opened_len }, &s);

	free(c->opened);
	c->opened = xmalloc(len);
	memcpy(c->opened, body, len);
	c->opened_len = (uint16_t)len;
}

static void
fill_counters(const struct conn *c, struct record_counters *out,
    uint32_t *destinations)
{
	if (c->relay != NULL) {
		struct relay_bytes n = relay_count(c->relay);

		out->bytes_up = n.up;
		out->bytes_down = n.down;
	} else if (c->assoc != NULL) {
		*out = assoc_count(c->assoc);
		*destinations = assoc_destinations(c->assoc);
	}
}

static void
fill_end(struct record_session *s, const struct conn *c,
    enum close_reason reason, const char *detail)
{
	s->duration_us = clock_mono_us() - c->accepted_us;
	s->status = close_reason_status(reason);
	s->close_reason = str_from(close_reason_name(reason));
	s->close_detail = str_from(detail);
	s->reply_code = c->reply_code;
	s->setup_us = c->setup_us;
	fill_counters(c, &s->counters, &s->destinations);
}

static void
log_end(const struct record_session *s)
{
	char client[ENDPOINT_TEXT_SIZE], dest[ADDR_TEXT_SIZE] = "";
	char id[ID_TEXT_SIZE];

	endpoint_format(client, &s->source);
	id_format(id, &s->id);
	if (s->has_dest_ip)
		addr_format(dest, &s->dest_ip);
	log_info(NULL, "session_closed", log_str("session_id", id),
	    log_strn("user", s->user), log_str("client", client),
	    log_strn("dest_host", s->dest_host), log_str("dest_ip", dest),
	    log_u64("dest_port", s->dest_port), log_strn("rule", s->rule),
	    log_str("status", record_status_name(s->status)),
	    log_strn("reason", s->close_reason),
	    log_u64("bytes_up", s->counters.bytes_up),
	    log_u64("bytes_down", s->counters.bytes_down),
	    log_seconds("duration_s", s->duration_us));
}

static void
emit_reject(struct worker *w, const struct record_session *s)
{
	uint8_t body[RECORD_MAX];

	feed_add(w->feed, body,
	    record_pack_session(body, sizeof(body), RECORD_REJECT, s));
	if (log_wants(LOG_INFO, "session_closed"))
		log_end(s);
}

/* The conn itself no longer knows what the log shows. */
static void
log_packed(struct str body)
{
	struct record r;

	if (!log_wants(LOG_INFO, "session_closed"))
		return;
	ASSERT(record_unpack(&r, body) == RECORD_OK);
	log_end(&r.session);
	record_fini(&r);
}

void
conn_record_first(struct conn *c, const struct dest *dest,
    const struct addr *addr, const struct decision *d)
{
	struct udp_first *f = c->first == NULL ? calloc(1, sizeof(*f)) : NULL;

	if (f == NULL)
		return;
	f->dest = *dest;
	f->addr = *addr;
	if (d != NULL) {
		f->generation = d->generation;
		memcpy(f->rule, d->rule, sizeof(f->rule));
	}
	c->first = f;
}

static void
fill_first(struct record_session *s, const struct udp_first *f)
{
	s->dest_host = (struct str){ f->dest.name, f->dest.name_len };
	s->dest_port = f->dest.port;
	s->has_dest_ip = true;
	s->dest_ip = f->addr;
	s->decision = DECISION_ALLOW;
	s->rule = str_from(f->rule);
	s->generation = f->generation;
}

/* A CLOSE says all that the OPEN said, and how it ended. */
static void
close_opened(struct conn *c, enum close_reason reason, const char *detail)
{
	struct str opened = { (char *)c->opened, c->opened_len };
	struct record_session end = {
		.has_dest_ip = c->has_used, .dest_ip = c->used,
	};
	uint8_t body[RECORD_MAX];
	size_t len;

	if (c->first != NULL)
		fill_first(&end, c->first);
	fill_end(&end, c, reason, detail);
	len = record_pack_close(body, sizeof(body), opened, &end);
	feed_add(c->w->feed, body, len);
	log_packed((struct str){ (char *)body, len });
}

void
conn_record_end(struct conn *c, enum close_reason reason,
    const struct decision *d, const char *detail)
{
	if (c->reason != CLOSE_NONE)
		return;
	c->reason = (uint16_t)reason;
	metrics_add(c->w->cells, METRIC_proxy_sessions_closed_total,
	    (unsigned)reason - 1, 1);
	if (c->opened != NULL) {
		close_opened(c, reason, detail);
	} else if (admit_may_record(c->w, reason)) {
		struct record_session s;

		fill(&s, c, d);
		fill_end(&s, c, reason, detail);
		emit_reject(c->w, &s);
	}
}

void
conn_record_refused(const struct listener *l, const struct endpoint *peer,
    enum close_reason reason)
{
	struct worker *w = l->worker;
	struct record_session s = {
		.source = *peer,
		.listener = str_from(l->cfg->name),
		.status = close_reason_status(reason),
		.close_reason = str_from(close_reason_name(reason)),
		.reply_code = RECORD_NO_REPLY,
	};

	metrics_add(w->cells, METRIC_proxy_sessions_closed_total,
	    (unsigned)reason - 1, 1);
	if (!admit_may_record(w, reason))
		return;
	s.id = id_new_v7();
	s.started_ms = id_ms(&s.id);
	emit_reject(w, &s);
}

void
conn_record_gone(struct conn *c)
{
	if (c->state > CONN_GREETING || c->h->in_len > 0)
		conn_record_end(c, CLOSE_client_gone, NULL, NULL);
}

void
conn_record_update(struct conn *c)
{
	struct record_update u = {
		.id = c->id,
		.started_ms = id_ms(&c->id),
		.duration_us = clock_mono_us() - c->accepted_us,
	};
	uint8_t body[RECORD_MAX];
	uint64_t now;

	fill_counters(c, &u.counters, &u.destinations);
	now = u.counters.bytes_up + u.counters.bytes_down +
	    u.counters.packets_up + u.counters.packets_down;
	if (now == c->reported)
		return;
	c->reported = now;
	feed_add(c->w->feed, body, record_pack_update(body, sizeof(body), &u));
}
