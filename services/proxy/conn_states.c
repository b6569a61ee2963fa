/* SPDX-License-Identifier: MIT */
/*
 * Which state may follow which and what ends the waiting in each: the table at
 * the end. Before it, what handlers of all states use: answers, and the end.
 */
#include "proxy/conn_impl.h"

#include <assert.h>

#include "base/mem.h"
#include "proxy/listener.h"
#include "proxy/proxy_metrics.h"
#include "proxy/reply.h"
#include "proxy/worker.h"

struct str
conn_input(const struct conn *c)
{
	return (struct str){ (const char *)c->h->in, c->h->in_len };
}

enum conn_state
conn_more(struct conn *c)
{
	if (!c->h->eof)
		return c->state;
	conn_record_gone(c);
	return CONN_CLOSING;
}

enum conn_state
conn_gone(struct conn *c)
{
	return conn_hang_up(c, CLOSE_client_gone);
}

enum conn_state
conn_hang_up(struct conn *c, enum close_reason reason)
{
	conn_record_end(c, reason, NULL, NULL);
	return CONN_CLOSING;
}

void
conn_oddity(const struct conn *c, unsigned what)
{
	metrics_add(c->w->cells, METRIC_proxy_protocol_oddities_total, what, 1);
}

enum conn_state
conn_linger(struct conn *c)
{
	struct handshake *h = c->h;

	admit_refused(c);
	conn_consume(c, h->in_len);
	if (stream_shutdown_write(&c->client) != 0 || h->eof)
		return CONN_CLOSING;
	return CONN_LINGER;
}

/* The record first, then the reply (Rule W of audit.md section 5). */
enum conn_state
conn_refuse_as(struct conn *c, const struct reply *reply,
    enum close_reason reason, const struct decision *d, const char *detail)
{
	c->reply_code = reply->code;
	conn_record_end(c, reason, d, detail);
	if (!conn_send(c, reply->bytes, reply->len))
		return CONN_CLOSING;
	return conn_linger(c);
}

enum conn_state
conn_refuse(struct conn *c, enum close_reason reason, const struct decision *d,
    const char *detail)
{
	struct reply reply;

	reply_refusal(&reply, c->carrier, reason, &c->id);
	return conn_refuse_as(c, &reply, reason, d, detail);
}

bool
conn_reply(struct conn *c, const struct endpoint *bound)
{
	return conn_tell(c, c->h->listener->cfg->mask_bound_address ? NULL : bound);
}

bool
conn_tell(struct conn *c, const struct endpoint *bound)
{
	struct reply reply;

	reply_success(&reply, c->carrier, bound);
	if (!conn_send(c, reply.bytes, reply.len))
		return false;
	c->reply_code = reply.code;
	return true;
}

/* ---- the end ---- */

static enum conn_state
linger_input(struct conn *c)
{
	conn_consume(c, c->h->in_len);
	return c->h->eof ? CONN_CLOSING : CONN_LINGER;
}

static enum conn_state
linger_expired(struct conn *c)
{
	(void)c;
	return CONN_CLOSING;
}

static enum conn_state
handshake_expired(struct conn *c)
{
	return conn_hang_up(c, CLOSE_handshake_timeout);
}

static enum conn_state
request_input(struct conn *c)
{
	return conn_carriers[c->carrier]->request(c);
}

#define TO(s) (1u << CONN_##s)
/* Where a decision leads, and where a request may lead at once. */
#define TO_DECIDED (TO(DIAL) | TO(BIND_WAIT) | TO(LINGER))
#define TO_COMMAND (TO(RESOLVE) | TO(ACL_WAIT) | TO(UDP) | TO_DECIDED)

const struct conn_state_info conn_states[CONN_STATES] = {
	[CONN_CLIENT_WAIT] = { "client_wait", NULL, conn_client_answer, NULL,
	    CLOCK_ASKED, TO(GREETING) },
	[CONN_GREETING] = { "greeting", conn_greeting_input, NULL,
	    handshake_expired, CLOCK_HANDSHAKE,
	    TO(CLIENT_WAIT) | TO(METHODS) | TO(REQUEST) },
	[CONN_METHODS] = { "methods", conn_socks5_greeting, NULL,
	    handshake_expired, CLOCK_HANDSHAKE,
	    TO(AUTH_READ) | TO(REQUEST) | TO(LINGER) },
	[CONN_AUTH_READ] = { "auth_read", conn_socks5_login, NULL,
	    handshake_expired, CLOCK_HANDSHAKE,
	    TO(AUTH_WAIT) | TO(AUTH_DELAY) | TO(REQUEST) | TO(LINGER) },
	[CONN_AUTH_WAIT] = { "auth_wait", NULL, conn_login_answer, NULL,
	    CLOCK_ASKED, TO(AUTH_DELAY) | TO(REQUEST) | TO_COMMAND },
	[CONN_AUTH_DELAY] = { "auth_delay", NULL, NULL, conn_login_delayed,
	    CLOCK_DELAY, TO(REQUEST) | TO(LINGER) },
	[CONN_REQUEST] = { "request", request_input, NULL, handshake_expired,
	    CLOCK_HANDSHAKE, TO(AUTH_WAIT) | TO(AUTH_DELAY) | TO_COMMAND },
	[CONN_RESOLVE] = { "resolve", NULL, conn_resolve_answer, NULL,
	    CLOCK_ASKED, TO(ACL_WAIT) | TO_DECIDED },
	[CONN_ACL_WAIT] = { "acl_wait", NULL, conn_policy_answer, NULL,
	    CLOCK_ASKED, TO_DECIDED },
	[CONN_DIAL] = { "dial", NULL, conn_dial_answer, NULL, CLOCK_ASKED,
	    TO(RELAY) | TO(LINGER) },
	[CONN_BIND_WAIT] = { "bind_wait", conn_bind_input, conn_bind_answer,
	    NULL, CLOCK_ASKED, TO(RELAY) | TO(LINGER) },
	[CONN_RELAY] = { "relay", NULL, NULL, NULL, CLOCK_NONE, 0 },
	[CONN_UDP] = { "udp", NULL, NULL, NULL, CLOCK_NONE, 0 },
	[CONN_LINGER] = { "linger", linger_input, NULL, linger_expired,
	    CLOCK_LINGER, 0 },
	[CONN_CLOSING] = { "closing", NULL, NULL, NULL, CLOCK_NONE, 0 },
};

const char *const conn_state_names[] = { "client_wait", "greeting", "methods",
	"auth_read", "auth_wait", "auth_delay", "request", "resolve",
	"acl_wait", "dial", "bind_wait", "relay", "udp", "linger", "closing",
	NULL };
static_assert(ARRAY_LEN(conn_state_names) == CONN_STATES + 1,
    "a name per state");
