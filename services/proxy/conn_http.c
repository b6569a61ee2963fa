/* SPDX-License-Identifier: MIT */
/*
 * CONNECT of HTTP as the client speaks it: a head, and another one after each
 * 407, under the same deadline. A login that was wrong is a session of its own,
 * recorded with the 407; the next begins with the first byte of the next head,
 * so that who leaves without one leaves no record more. A login that was only
 * missing is recorded if no other head follows.
 */
#include "proxy/conn_impl.h"

#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proxy/proxy_metrics.h"
#include "proxy/reply.h"

#define WRONG_MAX 3	/* logins that a connection may have refused */
#define CHALLENGES_MAX 4	/* those, and one head without any */

static_assert(HTTP_LINE_MAX <= CONN_INPUT_MAX, "a line must fit the input");

/* ---- login ---- */

/* May another head come, or is it here? */
static bool
may_retry(const struct handshake *h)
{
	return h->http_challenges < CHALLENGES_MAX &&
	    h->http_wrong < WRONG_MAX && !h->http.close &&
	    (!h->eof || h->in_len > 0);
}

/* That logins are no longer looked at is for the record only. */
static enum close_reason
as_told(enum close_reason reason)
{
	return reason == CLOSE_auth_throttled ? CLOSE_auth_failed : reason;
}

static enum conn_state
challenge(struct conn *c, enum close_reason reason)
{
	struct handshake *h = c->h;
	struct reply reply;
	bool keep;

	h->http_challenges++;
	keep = may_retry(h);
	reply_http(&reply, 407, as_told(reason), &c->id, NULL, keep);
	if (!keep)
		return conn_refuse_as(c, &reply, reason, NULL, NULL);
	c->reply_code = reply.code;
	if (reason != CLOSE_no_method)
		conn_record_end(c, reason, NULL, NULL);
	if (!conn_send(c, reply.bytes, reply.len))
		return conn_gone(c);
	return CONN_REQUEST;
}

static enum conn_state
login_reject(struct conn *c, enum close_reason reason)
{
	if (reason == CLOSE_auth_silent)
		return conn_refuse(c, reason, NULL, NULL);
	c->h->http_wrong++;
	return challenge(c, reason);
}

/* ---- head ---- */

static enum conn_state
bad(struct conn *c, const struct http_found *found)
{
	enum close_reason reason =
	    conn_malformed(c, found->why, found->raw_host);
	struct reply reply;

	reply_http(&reply, found->status, reason, &c->id, found->detail,
	    false);
	return conn_refuse_as(c, &reply, reason, NULL, found->detail);
}

static enum conn_state
whole(struct conn *c)
{
	uint8_t login = conn_login_is_possible(c) ? c->h->http.login
						  : HTTP_LOGIN_NONE;

	if (login == HTTP_LOGIN_NONE && conn_login_is_optional(c)) {
		conn_login_nobody(c);
		return conn_requested(c);
	}
	if (login == HTTP_LOGIN_GIVEN)
		return conn_login_ask(c);
	if (login == HTTP_LOGIN_NONE)
		return challenge(c, CLOSE_no_method);
	conn_oddity(c, ODDITY_LOGIN);
	return login_reject(c, CLOSE_auth_failed);
}

/* No head goes on, and perhaps none will come. */
static enum conn_state
wait(struct conn *c)
{
	struct handshake *h = c->h;

	if (h->eof && h->http.ended)
		return conn_hang_up(c, CLOSE_no_method);
	return conn_more(c);
}

static enum conn_state
take(struct conn *c, enum http_step step, const struct http_found *found)
{
	struct handshake *h = c->h;

	switch (step) {
	case HTTP_BAD:
		return bad(c, found);
	case HTTP_MORE:
		return wait(c);
	case HTTP_TARGET:
		h->dest = found->dest;
		h->command = COMMAND_CONNECT;
		break;
	case HTTP_LOGIN:
		if (conn_login_is_possible(c))
			conn_login_offer(c, found->basic.user,
			    found->basic.password);
		break;
	case HTTP_DONE:
		return whole(c);
	}
	return CONN_REQUEST;
}

/* The first byte of a head after a 407. */
static void
begin_again(struct conn *c)
{
	struct handshake *h = c->h;

	h->http = (struct http_connect){ .taken = 0 };
	h->offered_len = 0;
	h->auth_method = AUTH_UNKNOWN;
	h->command = COMMAND_NONE;
	c->reply_code = RECORD_NO_REPLY;
	if (c->reason == CLOSE_NONE)
		return;
	c->reason = CLOSE_NONE;
	c->id = id_new_v7();
	c->accepted_us = clock_mono_us();
}

/* The input up to the next thing in it that matters. */
static enum http_step
read_on(struct conn *c, struct http_found *found)
{
	struct handshake *h = c->h;
	enum http_step step;
	size_t used;

	if (h->in_len == 0)
		return HTTP_MORE;
	if (h->http.ended)
		begin_again(c);
	step = http_connect_parse(&h->http, conn_input(c), found, &used);
	if (step != HTTP_BAD)	/* it may show some of them */
		conn_consume(c, used);
	return step;
}

static enum conn_state
request_input(struct conn *c)
{
	struct http_found found;
	enum conn_state to;
	enum http_step step;

	do {
		step = read_on(c, &found);
		to = take(c, step, &found);
		if (step == HTTP_LOGIN)
			secret_wipe(&found.basic, sizeof(found.basic));
	} while (to == CONN_REQUEST && step != HTTP_MORE);
	return to;
}

const struct carrier conn_http = {
	.request = request_input,
	.welcome = conn_requested,
	.reject = login_reject,
};
