/* SPDX-License-Identifier: MIT */
/*
 * May they? A request that is whole: limits, the name's addresses, the policy,
 * and then the command. The same for every carrier.
 */
#include "proxy/conn_impl.h"

#include <string.h>

#include "base/mem.h"
#include "proxy/gate.h"
#include "proxy/listener.h"
#include "proxy/proxy_metrics.h"
#include "proxy/worker.h"

static enum conn_state ask_policy(struct conn *c, bool own_source);

static conn_command_fn *const commands[] = {
	[COMMAND_NONE] = NULL,
	[COMMAND_CONNECT] = conn_connect,
	[COMMAND_BIND] = conn_bind,
	[COMMAND_UDP] = conn_udp,
};

/* ---- names ---- */

enum conn_state
conn_resolve_answer(struct conn *c)
{
	static const enum close_reason reasons[] = {
		[RESOLVE_NOT_FOUND] = CLOSE_dns_not_found,
		[RESOLVE_TIMEOUT] = CLOSE_dns_timeout,
		[RESOLVE_FAILED] = CLOSE_dns_failure,
		[RESOLVE_BUSY] = CLOSE_out_of_resources,
		[RESOLVE_LIMITED] = CLOSE_limit_user,
	};
	enum resolve_result result = c->h->resolve_result;

	if (result == RESOLVE_OK)
		return ask_policy(c, false);
	ASSERT(result < ARRAY_LEN(reasons));
	return conn_refuse(c, reasons[result], NULL, result == RESOLVE_LIMITED
	    ? "proxy.dns.in_flight_per_user" : NULL);
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
		conn_step(c, conn_resolve_answer);
}

static enum conn_state
resolve(struct conn *c)
{
	struct handshake *h = c->h;
	struct str name = { h->dest.name, h->dest.name_len };

	h->resolved_now = false;
	h->query = resolve_start_for(c->w->resolver, c->identity->user, name,
	    on_resolved, c);
	return h->resolved_now ? conn_resolve_answer(c) : CONN_RESOLVE;
}

/* ---- the request ---- */

enum conn_state
conn_requested(struct conn *c)
{
	struct handshake *h = c->h;
	enum close_reason why;

	admit_asked(c);
	if (commands[h->command] == NULL ||
	    (h->listener->terms.commands & 1u << h->command) == 0)
		return conn_refuse(c, CLOSE_command_disabled, NULL, NULL);
	/* Limits are told where they belong: 02, not a login that fails. */
	why = admit_request(c);
	if (why != CLOSE_NONE)
		return conn_refuse(c, why, NULL, NULL);
	if (h->command == COMMAND_UDP)	/* each destination is judged */
		return conn_udp(c, NULL);
	if (h->dest.is_name)
		return resolve(c);
	h->resolved[0] = h->dest.addr;
	h->n_resolved = 1;
	return ask_policy(c, false);
}

enum close_reason
conn_malformed(struct conn *c, const char *why, struct str raw_host)
{
	struct handshake *h = c->h;
	size_t most = sizeof(h->raw_host);
	enum close_reason reason = close_reason_find(str_from(why));

	ASSERT(reason != CLOSE_NONE);
	admit_asked(c);
	conn_oddity(c, ODDITY_REQUEST);
	/* One that was offered, but not asked: the host takes its place. */
	secret_wipe(h->password, h->password_len);
	h->password_len = 0;
	h->raw_host_len =
	    (uint8_t)(raw_host.len < most ? raw_host.len : most);
	if (raw_host.len > 0)
		memcpy(h->raw_host, raw_host.ptr, h->raw_host_len);
	return reason;
}

/* ---- policy ---- */

static enum conn_state
decided(struct conn *c, const struct decision *d)
{
	static const enum close_reason reasons[] = {
		[VERDICT_BY_RULE] = CLOSE_policy_block,
		[VERDICT_BY_DEFAULT] = CLOSE_policy_default,
		[VERDICT_BY_HARD_DENY] = CLOSE_hard_deny,
	};
	enum close_reason why;

	if (d->source_bound && d->verdict != VERDICT_UNAVAILABLE &&
	    !addr_eq(&d->asked_source, &c->source.addr))
		return ask_policy(c, true);
	switch (d->verdict) {
	case VERDICT_ALLOW:
		why = admit_destination(c);
		if (why != CLOSE_NONE)
			return conn_refuse(c, why, d, NULL);
		return commands[c->h->command](c, d);
	case VERDICT_BLOCK:
		return conn_refuse(c, reasons[d->source], d, d->reason);
	case VERDICT_UNAVAILABLE:
		break;
	}
	return conn_refuse(c, CLOSE_acl_silent, NULL, NULL);
}

enum conn_state
conn_policy_answer(struct conn *c)
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
	conn_step(c, conn_policy_answer);
}

static enum conn_state
ask_policy(struct conn *c, bool own_source)
{
	struct handshake *h = c->h;
	struct decide_question q = {
		.identity = c->identity,
		.source = c->source.addr,
		.own_source = own_source,
		.command = h->command,
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
