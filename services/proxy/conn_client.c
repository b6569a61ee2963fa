/* SPDX-License-Identifier: MIT */
/*
 * Who may come in: the tier before the first byte. authd is asked about the
 * client's address alone, and who is refused is told nothing, since no carrier
 * was spoken yet. What a client sends meanwhile waits in its input.
 */
#include "proxy/conn_impl.h"

#include "proxy/gate.h"
#include "proxy/listener.h"
#include "proxy/worker.h"

/* An address that is nobody's in particular is the anonymous user's, with the
 * groups and limits that go with it. */
static struct identity *
visitor(const struct conn *c, const struct identity *found)
{
	struct identity named = *found;

	if (found->user.len > 0)
		return identity_ref((struct identity *)found);
	named.user = str_from(c->h->listener->cfg->anonymous_user);
	return identity_new(&named);
}

/* A refusal is not held back: there is nothing to guess, and who waits here
 * takes a place. */
static enum conn_state
answered(struct conn *c, const struct login_answer *a)
{
	static const enum close_reason reasons[] = {
		[LOGIN_SILENT] = CLOSE_auth_silent,
		[LOGIN_BUSY] = CLOSE_auth_silent,
		[LOGIN_FAILED] = CLOSE_client_auth_failed,
		[LOGIN_THROTTLED] = CLOSE_auth_throttled,
	};
	struct handshake *h = c->h;

	conn_login_count(c, a);
	if (a->result != LOGIN_OK)
		return conn_hang_up(c, reasons[a->result]);
	h->visitor = visitor(c, a->identity);
	h->auth_method = AUTH_UNKNOWN;
	return CONN_GREETING;
}

enum conn_state
conn_client_answer(struct conn *c)
{
	return answered(c, c->h->answer);
}

static void
on_answer(struct lease_waiter *w, const void *value)
{
	static const struct login_answer silent = { .result = LOGIN_SILENT };
	struct handshake *h = container_of(w, struct handshake, waiter);

	h->answer = value != NULL ? value : &silent;
	conn_step(h->conn, conn_client_answer);
}

enum conn_state
conn_client_ask(struct conn *c)
{
	struct handshake *h = c->h;
	const struct login_question q = {
		.method = h->listener->terms.client,
		.user = STR(""),
		.password = STR(""),
		.source = c->source.addr,
		.listener = h->listener->cfg->name,
	};
	const struct login_answer *answer = NULL;

	h->auth_method = (uint8_t)q.method;
	h->waiter.done = on_answer;
	if (gate_login(c->w->gate, &q, &h->waiter, &answer) == GATE_WAIT)
		return CONN_CLIENT_WAIT;
	return answered(c, answer);
}
