/* SPDX-License-Identifier: MIT */
/*
 * Who is it? The same for every carrier that can carry a name and a password.
 */
#include "proxy/conn_impl.h"

#include <string.h>

#include "base/mem.h"
#include "proxy/gate.h"
#include "proxy/listener.h"
#include "proxy/proxy_metrics.h"
#include "proxy/reply.h"
#include "proxy/worker.h"

bool
conn_login_is_optional(const struct conn *c)
{
	return c->h->listener->terms.login_optional;
}

bool
conn_login_is_possible(const struct conn *c)
{
	return c->h->listener->terms.login != AUTH_NONE;
}

void
conn_login_nobody(struct conn *c)
{
	const struct identity nobody = {
		.method = AUTH_NONE,
		.user = str_from(c->h->listener->cfg->anonymous_user),
	};
	struct identity *visitor = c->h->visitor;

	c->identity = visitor != NULL ? identity_ref(visitor)
				      : identity_new(&nobody);
}

void
conn_login_offer(struct conn *c, struct str user, struct str password)
{
	struct handshake *h = c->h;

	ASSERT(user.len <= UINT8_MAX && password.len <= UINT8_MAX);
	h->auth_method = (uint8_t)h->listener->terms.login;
	h->offered_len = (uint8_t)user.len;
	memcpy(h->offered, user.ptr, user.len);
	h->password_len = (uint8_t)password.len;
	memcpy(h->password, password.ptr, password.len);
}

static void
forget_password(struct handshake *h)
{
	secret_wipe(h->password, h->password_len);
	h->password_len = 0;
}

static enum conn_state
failed(struct conn *c, enum close_reason reason, uint32_t delay_ms)
{
	if (delay_ms == 0)
		return conn_carriers[c->carrier]->reject(c, reason);
	/* It failed, even for who does not wait to be told. */
	if (c->carrier == CARRIER_HTTP)
		c->reply_code = reply_words(reason)->http;
	conn_record_end(c, reason, NULL, NULL);
	c->h->delay_ms = delay_ms;
	return CONN_AUTH_DELAY;
}

void
conn_login_count(const struct conn *c, const struct login_answer *a)
{
	static const unsigned results[] = {
		[LOGIN_SILENT] = AUTH_RESULT_SILENT,
		[LOGIN_BUSY] = AUTH_RESULT_BUSY,
		[LOGIN_FAILED] = AUTH_RESULT_FAILED,
		[LOGIN_THROTTLED] = AUTH_RESULT_THROTTLED,
		[LOGIN_OK] = AUTH_RESULT_OK,
	};
	unsigned row = c->h->auth_method - (unsigned)AUTH_USERPASS;

	metrics_add(c->w->cells, METRIC_proxy_auth_attempts_total,
	    row * AUTH_RESULTS + results[a->result], 1);
}

static enum conn_state
answered(struct conn *c, const struct login_answer *a)
{
	static const enum close_reason reasons[] = {
		[LOGIN_SILENT] = CLOSE_auth_silent,
		[LOGIN_BUSY] = CLOSE_auth_silent,
		[LOGIN_FAILED] = CLOSE_auth_failed,
		[LOGIN_THROTTLED] = CLOSE_auth_throttled,
		[LOGIN_OK] = CLOSE_auth_failed,		/* in vain */
	};

	forget_password(c->h);
	conn_login_count(c, a);
	if (a->result != LOGIN_OK || c->h->in_vain)
		return failed(c, reasons[a->result], a->delay_ms);
	c->identity = identity_ref(a->identity);
	return conn_carriers[c->carrier]->welcome(c);
}

enum conn_state
conn_login_answer(struct conn *c)
{
	return answered(c, c->h->answer);
}

enum conn_state
conn_login_delayed(struct conn *c)
{
	enum close_reason recorded = c->reason;

	return conn_carriers[c->carrier]->reject(c, recorded);
}

static void
on_login(struct lease_waiter *w, const void *value)
{
	static const struct login_answer silent = { .result = LOGIN_SILENT };
	struct handshake *h = container_of(w, struct handshake, waiter);

	h->answer = value != NULL ? value : &silent;
	conn_step(h->conn, conn_login_answer);
}

enum conn_state
conn_login_ask(struct conn *c)
{
	struct handshake *h = c->h;
	struct login_question q = {
		.method = h->auth_method,
		.user = { h->offered, h->offered_len },
		.password = { h->password, h->password_len },
		.source = c->source.addr,
		.listener = c->h->listener->cfg->name,
	};
	const struct login_answer *answer = NULL;

	h->waiter.done = on_login;
	if (gate_login(c->w->gate, &q, &h->waiter, &answer) == GATE_WAIT)
		return CONN_AUTH_WAIT;
	return answered(c, answer);
}

enum conn_state
conn_login_ask_in_vain(struct conn *c, struct str user)
{
	struct id nobodys = id_random();
	char password[ID_TEXT_SIZE];

	id_format(password, &nobodys);
	conn_login_offer(c, user, str_from(password));
	conn_consume(c, c->h->in_len);
	c->h->in_vain = true;
	return conn_login_ask(c);
}
