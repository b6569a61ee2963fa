/* SPDX-License-Identifier: MIT */
/*
 * What happens in each state, and which state may follow which. A handler
 * looks at c->h->in or at the answer that came, and returns the state to be
 * in; its own state means "wait for more".
 */
#include "proxy/conn.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/config.h"
#include "net/sock.h"
#include "proxy/gate.h"
#include "proxy/listener.h"
#include "proxy/proxy_metrics.h"
#include "proxy/worker.h"

static enum conn_state request_input(struct conn *c);
static enum conn_state ask_policy(struct conn *c, bool own_source);

static struct str
input(const struct conn *c)
{
	return (struct str){ (const char *)c->h->in, c->h->in_len };
}

/* Nothing whole has come yet: wait, unless nothing more can come. */
static enum conn_state
more(struct conn *c)
{
	if (!c->h->eof)
		return c->state;
	conn_record_gone(c);
	return CONN_CLOSING;
}

/* The client no longer takes what we send. */
static enum conn_state
gone(struct conn *c)
{
	conn_record_end(c, CLOSE_client_gone, NULL, NULL);
	return CONN_CLOSING;
}

static void
oddity(const struct conn *c, unsigned what)
{
	metrics_add(c->w->cells, METRIC_proxy_protocol_oddities_total, what, 1);
}

/* After a refusal that was recorded and answered. */
static enum conn_state
linger(struct conn *c)
{
	struct handshake *h = c->h;

	conn_consume(c, h->in_len);
	if (stream_shutdown_write(&c->client) != 0 || h->eof)
		return CONN_CLOSING;
	return CONN_LINGER;
}

/* The record first, then the reply (Rule W of audit.md section 5). */
static enum conn_state
refuse(struct conn *c, enum socks5_reply code, enum close_reason reason,
    const struct decision *d, const char *detail)
{
	uint8_t out[SOCKS5_REPLY_MAX];
	size_t len = socks5_reply(out, code, NULL);

	c->reply_code = (uint8_t)code;
	conn_record_end(c, reason, d, detail);
	if (!conn_send(c, out, len))
		return CONN_CLOSING;
	return linger(c);
}

/* ---- greeting ---- */

static enum conn_state
greeting_input(struct conn *c)
{
	const struct proxy *p = c->w->proxy;
	struct socks5_greeting greeting;
	enum socks5_method method;
	uint8_t out[2];
	size_t used;

	switch (socks5_parse_greeting(input(c), &greeting, &used)) {
	case PARSE_MORE:
		return more(c);
	case PARSE_BAD:
		oddity(c, ODDITY_VERSION);
		conn_record_end(c, CLOSE_invalid_request, NULL, NULL);
		return CONN_CLOSING;
	case PARSE_DONE:
		break;
	}
	method = socks5_choose(&greeting, p->methods, p->n_methods);
	conn_consume(c, used);
	if (method == SOCKS5_METHOD_NO_ACCEPTABLE)
		conn_record_end(c, CLOSE_no_method, NULL, NULL);
	if (!conn_send(c, out, socks5_method_reply(out, method)))
		return gone(c);
	if (method == SOCKS5_METHOD_NO_ACCEPTABLE)
		return linger(c);
	if (method == SOCKS5_METHOD_USERPASS)
		return CONN_AUTH_READ;
	c->identity =
	    identity_new(str_from(c->w->cfg->anonymous_user), NULL, 0);
	return CONN_REQUEST;
}

/* ---- login ---- */

static enum conn_state
login_refuse(struct conn *c, enum close_reason reason)
{
	uint8_t out[2];

	conn_record_end(c, reason, NULL, NULL);
	if (!conn_send(c, out, socks5_login_reply(out, false)))
		return CONN_CLOSING;
	return linger(c);
}

static enum conn_state
login_ok(struct conn *c, const struct login_answer *a)
{
	uint8_t out[2];

	c->identity = identity_ref(a->identity);
	conn_consume(c, c->h->login_len);
	c->h->login_len = 0;
	if (!conn_send(c, out, socks5_login_reply(out, true)))
		return gone(c);
	return CONN_REQUEST;
}

static enum conn_state ask_login(struct conn *c, bool own_source);

static enum conn_state
login_answered(struct conn *c, const struct login_answer *a)
{
	static const unsigned results[] = {
		[LOGIN_SILENT] = AUTH_RESULT_SILENT,
		[LOGIN_BUSY] = AUTH_RESULT_BUSY,
		[LOGIN_FAILED] = AUTH_RESULT_FAILED,
		[LOGIN_OK] = AUTH_RESULT_OK,
	};

	/* Another's answer to the same question, but not for this source. */
	if (a->source_bound && !addr_eq(&a->asked_source, &c->source.addr))
		return ask_login(c, true);
	metrics_add(c->w->cells, METRIC_proxy_auth_attempts_total,
	    results[a->result], 1);
	switch (a->result) {
	case LOGIN_OK:
		return login_ok(c, a);
	case LOGIN_FAILED:
		if (a->delay_ms == 0)
			return login_refuse(c, CLOSE_auth_failed);
		/* It failed, even for who does not wait to be told. */
		conn_record_end(c, CLOSE_auth_failed, NULL, NULL);
		c->h->delay_ms = a->delay_ms;
		return CONN_AUTH_DELAY;
	case LOGIN_BUSY:
	case LOGIN_SILENT:
		break;
	}
	return login_refuse(c, CLOSE_auth_silent);
}

static enum conn_state
auth_answer(struct conn *c)
{
	return login_answered(c, c->h->answer);
}

static enum conn_state
delay_expired(struct conn *c)
{
	return login_refuse(c, CLOSE_auth_failed);
}

static void
on_login(struct lease_waiter *w, const void *value)
{
	static const struct login_answer silent = { .result = LOGIN_SILENT };
	struct handshake *h = container_of(w, struct handshake, waiter);
	struct conn *c = h->conn;

	h->answer = value != NULL ? value : &silent;
	conn_step(c, auth_answer);
}

/* The login message stays in the input until it was answered. */
static enum conn_state
ask_login(struct conn *c, bool own_source)
{
	struct handshake *h = c->h;
	struct socks5_login login;
	struct login_question q;
	const struct login_answer *answer = NULL;
	size_t used;

	ASSERT(socks5_parse_login(input(c), &login, &used) == PARSE_DONE);
	h->login_len = (uint16_t)used;
	q = (struct login_question){
		.user = login.user,
		.password = login.password,
		.source = c->source.addr,
		.own_source = own_source,
		.listener = c->listener->name,
	};
	h->waiter.done = on_login;
	switch (gate_login(c->w->gate, &q, &h->waiter, &answer)) {
	case GATE_WAIT:
		return CONN_AUTH_WAIT;
	case GATE_NOW:
	case GATE_FULL:
		break;
	}
	return login_answered(c, answer);
}

static enum conn_state
auth_input(struct conn *c)
{
	struct handshake *h = c->h;
	struct socks5_login login;
	size_t used;

	switch (socks5_parse_login(input(c), &login, &used)) {
	case PARSE_MORE:
		return more(c);
	case PARSE_BAD:
		oddity(c, ODDITY_LOGIN);
		return login_refuse(c, CLOSE_auth_failed);
	case PARSE_DONE:
		break;
	}
	h->offered_len = (uint8_t)login.user.len;
	memcpy(h->offered, login.user.ptr, login.user.len);
	return ask_login(c, false);
}

/* ---- request ---- */

static enum conn_state
request_bad(struct conn *c, const struct socks5_request *request)
{
	struct handshake *h = c->h;
	size_t len = request->raw_host.len;

	oddity(c, ODDITY_REQUEST);
	if (request->answer == SOCKS5_SILENT) {
		conn_record_end(c, CLOSE_invalid_request, NULL, NULL);
		return CONN_CLOSING;
	}
	h->raw_host_len = (uint8_t)(len < 255 ? len : 255);
	if (len > 0)
		memcpy(h->raw_host, request->raw_host.ptr, h->raw_host_len);
	for (enum close_reason r = CLOSE_NONE + 1; r < CLOSE_REASONS; r++)
		if (strcmp(close_reason_name(r), request->why) == 0)
			return refuse(c, request->answer, r, NULL, NULL);
	return refuse(c, request->answer, CLOSE_invalid_request, NULL, NULL);
}

static enum conn_state
resolve_answer(struct conn *c)
{
	static const enum close_reason reasons[] = {
		[RESOLVE_NOT_FOUND] = CLOSE_dns_not_found,
		[RESOLVE_TIMEOUT] = CLOSE_dns_timeout,
		[RESOLVE_FAILED] = CLOSE_dns_failure,
		[RESOLVE_BUSY] = CLOSE_out_of_resources,
	};
	enum resolve_result result = c->h->resolve_result;

	if (result == RESOLVE_OK)
		return ask_policy(c, false);
	ASSERT(result < ARRAY_LEN(reasons));
	return refuse(c, result == RESOLVE_BUSY ? SOCKS5_GENERAL :
	    SOCKS5_HOST_UNREACHABLE, reasons[result], NULL, NULL);
}

static void
on_resolved(void *arg, enum resolve_result result, const struct addr *addrs,
    size_t n)
{
	struct conn *c = arg;
	struct handshake *h = c->h;

	ASSERT(n <= ARRAY_LEN(h->resolved));
	h->query = NULL;
	h->resolve_result = result;
	h->n_resolved = (uint8_t)n;
	if (n > 0)
		memcpy(h->resolved, addrs, n * sizeof(addrs[0]));
	h->resolved_now = true;
	if (c->state == CONN_RESOLVE)
		conn_step(c, resolve_answer);
}

/* A user's limit is told where it belongs: 02, not a login that fails. */
static bool
count_session(struct conn *c)
{
	c->counted = tally_take(&c->w->users, c->identity->user,
	    c->w->cfg->limits_sessions_per_user);
	return c->counted;
}

static enum conn_state
request_input(struct conn *c)
{
	struct handshake *h = c->h;
	struct socks5_request request;
	struct str name;
	size_t used;

	switch (socks5_parse_request(input(c), &request, &used)) {
	case PARSE_MORE:
		return more(c);
	case PARSE_BAD:
		conn_asked(c);
		return request_bad(c, &request);
	case PARSE_DONE:
		break;
	}
	if (request.rsv_set)
		oddity(c, ODDITY_RSV);
	h->dest = request.dest;
	h->command = request.command;
	conn_consume(c, used);
	conn_asked(c);
	if (h->command != SOCKS5_CONNECT)
		return refuse(c, SOCKS5_COMMAND_UNSUPPORTED,
		    CLOSE_command_disabled, NULL, NULL);
	if (!count_session(c))
		return refuse(c, SOCKS5_NOT_ALLOWED, CLOSE_limit_user, NULL,
		    NULL);
	if (!h->dest.is_name) {
		h->resolved[0] = h->dest.addr;
		h->n_resolved = 1;
		return ask_policy(c, false);
	}
	name = (struct str){ h->dest.name, h->dest.name_len };
	h->resolved_now = false;
	h->query = resolve_start(c->w->resolver, name, on_resolved, c);
	return h->resolved_now ? resolve_answer(c) : CONN_RESOLVE;
}

/* ---- policy ---- */

static enum conn_state dial_answer(struct conn *c);

static void
on_dialled(void *arg, enum dial_result result, int fd,
    const struct endpoint *to)
{
	struct conn *c = arg;
	struct handshake *h = c->h;

	h->dial = NULL;
	h->dial_result = result;
	if (result == DIAL_OK)
		h->target = stream_plain(fd);
	c->used = to->addr;
	c->has_used = true;
	conn_step(c, dial_answer);
}

static enum conn_state
allowed(struct conn *c, const struct decision *d)
{
	struct handshake *h = c->h;
	struct permit *p = &h->permit;

	p->n = d->n_permitted;
	p->port = h->dest.port;
	for (unsigned i = 0; i < d->n_permitted; i++) {
		p->addrs[i] = h->resolved[d->permitted[i]];
		p->internal_ok[i] = d->internal_ok[i];
	}
	conn_record_open(c, d);
	h->dial = dial_start(c->w->base, c->w->cfg, &c->w->proxy->fence, p,
	    on_dialled, c);
	if (h->dial == NULL)
		return refuse(c, SOCKS5_GENERAL, CLOSE_out_of_resources, NULL,
		    NULL);
	return CONN_DIAL;
}

static enum conn_state
decided(struct conn *c, const struct decision *d)
{
	static const enum close_reason reasons[] = {
		[VERDICT_BY_RULE] = CLOSE_policy_block,
		[VERDICT_BY_DEFAULT] = CLOSE_policy_default,
		[VERDICT_BY_HARD_DENY] = CLOSE_hard_deny,
	};

	if (d->source_bound && d->verdict != VERDICT_UNAVAILABLE &&
	    !addr_eq(&d->asked_source, &c->source.addr))
		return ask_policy(c, true);
	switch (d->verdict) {
	case VERDICT_ALLOW:
		return allowed(c, d);
	case VERDICT_BLOCK:
		return refuse(c, SOCKS5_NOT_ALLOWED, reasons[d->source], d,
		    d->reason);
	case VERDICT_UNAVAILABLE:
		break;
	}
	return refuse(c, SOCKS5_GENERAL, CLOSE_acl_silent, NULL, NULL);
}

static enum conn_state
acl_answer(struct conn *c)
{
	return decided(c, c->h->answer);
}

static void
on_decided(struct lease_waiter *w, const void *value)
{
	static const struct decision none = { .verdict = VERDICT_UNAVAILABLE };
	struct handshake *h = container_of(w, struct handshake, waiter);
	struct conn *c = h->conn;

	h->answer = value != NULL ? value : &none;
	conn_step(c, acl_answer);
}

static enum conn_state
ask_policy(struct conn *c, bool own_source)
{
	struct handshake *h = c->h;
	struct decide_question q = {
		.identity = c->identity,
		.source = c->source.addr,
		.own_source = own_source,
		.command = COMMAND_CONNECT,
		.protocol = PROTOCOL_TCP,
		.dest = &h->dest,
		.resolved = h->resolved,
		.n_resolved = h->n_resolved,
	};
	const struct decision *decision = NULL;

	h->waiter.done = on_decided;
	if (gate_decide(c->w->gate, &q, &h->waiter, &decision) == GATE_WAIT)
		return CONN_ACL_WAIT;
	return decided(c, decision);
}

/* ---- dial and reply ---- */

static enum conn_state
dial_failed(struct conn *c, enum dial_result result)
{
	static const struct {
		enum socks5_reply code;
		enum close_reason reason;
	} failures[] = {
		[DIAL_REFUSED] = { SOCKS5_REFUSED, CLOSE_connect_refused },
		[DIAL_NET_UNREACHABLE] = { SOCKS5_NET_UNREACHABLE,
			CLOSE_network_unreachable },
		[DIAL_HOST_UNREACHABLE] = { SOCKS5_HOST_UNREACHABLE,
			CLOSE_host_unreachable },
		[DIAL_TIMEOUT] = { SOCKS5_HOST_UNREACHABLE,
			CLOSE_connect_timeout },
		[DIAL_RESOURCES] = { SOCKS5_GENERAL, CLOSE_out_of_resources },
		[DIAL_FENCED] = { SOCKS5_NOT_ALLOWED, CLOSE_hard_deny },
		[DIAL_ERROR] = { SOCKS5_GENERAL, CLOSE_connect_error },
	};

	ASSERT(result < ARRAY_LEN(failures));
	return refuse(c, failures[result].code, failures[result].reason, NULL,
	    NULL);
}

static enum conn_state
dial_answer(struct conn *c)
{
	struct handshake *h = c->h;
	struct worker *w = c->w;
	struct endpoint bound;
	const struct endpoint *shown = NULL;
	uint8_t out[SOCKS5_REPLY_MAX];

	if (h->dial_result != DIAL_OK)
		return dial_failed(c, h->dial_result);
	if (!w->cfg->mask_bound_address && sock_local(h->target.fd, &bound))
		shown = &bound;
	if (!conn_send(c, out, socks5_reply(out, SOCKS5_OK, shown)))
		return gone(c);
	c->reply_code = SOCKS5_OK;
	c->setup_us = clock_mono_us() - c->accepted_us;
	metrics_observe(w->cells, METRIC_proxy_setup_duration_seconds, 0,
	    (double)c->setup_us / 1e6);
	metrics_add(w->cells, METRIC_proxy_sessions_total, 0, 1);
	if (conn_start_relay(c))
		return CONN_RELAY;
	conn_record_end(c, CLOSE_out_of_resources, NULL, NULL);
	return CONN_CLOSING;
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
	conn_record_end(c, CLOSE_handshake_timeout, NULL, NULL);
	return CONN_CLOSING;
}

#define TO(s) (1u << CONN_##s)

const struct conn_state_info conn_states[CONN_STATES] = {
	[CONN_GREETING] = { "greeting", greeting_input, NULL,
	    handshake_expired, CLOCK_HANDSHAKE,
	    TO(AUTH_READ) | TO(REQUEST) | TO(LINGER) },
	[CONN_AUTH_READ] = { "auth_read", auth_input, NULL,
	    handshake_expired, CLOCK_HANDSHAKE,
	    TO(AUTH_WAIT) | TO(AUTH_DELAY) | TO(REQUEST) | TO(LINGER) },
	[CONN_AUTH_WAIT] = { "auth_wait", NULL, auth_answer, NULL, CLOCK_ASKED,
	    TO(AUTH_DELAY) | TO(REQUEST) | TO(LINGER) },
	[CONN_AUTH_DELAY] = { "auth_delay", NULL, NULL, delay_expired,
	    CLOCK_DELAY, TO(LINGER) },
	[CONN_REQUEST] = { "request", request_input, NULL, handshake_expired,
	    CLOCK_HANDSHAKE,
	    TO(RESOLVE) | TO(ACL_WAIT) | TO(DIAL) | TO(LINGER) },
	[CONN_RESOLVE] = { "resolve", NULL, resolve_answer, NULL, CLOCK_ASKED,
	    TO(ACL_WAIT) | TO(DIAL) | TO(LINGER) },
	[CONN_ACL_WAIT] = { "acl_wait", NULL, acl_answer, NULL, CLOCK_ASKED,
	    TO(DIAL) | TO(LINGER) },
	[CONN_DIAL] = { "dial", NULL, dial_answer, NULL, CLOCK_ASKED,
	    TO(RELAY) | TO(LINGER) },
	[CONN_RELAY] = { "relay", NULL, NULL, NULL, CLOCK_NONE, 0 },
	[CONN_LINGER] = { "linger", linger_input, NULL, linger_expired,
	    CLOCK_LINGER, 0 },
	[CONN_CLOSING] = { "closing", NULL, NULL, NULL, CLOCK_NONE, 0 },
};

const char *const conn_state_names[] = { "greeting", "auth_read", "auth_wait",
	"auth_delay", "request", "resolve", "acl_wait", "dial", "relay",
	"linger", "closing", NULL };
static_assert(ARRAY_LEN(conn_state_names) == CONN_STATES + 1,
    "a name per state");
