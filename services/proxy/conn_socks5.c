/* SPDX-License-Identifier: MIT */
/*
 * SOCKS5 as the client speaks it: methods, login (RFC 1929), request.
 */
#include "proxy/conn_impl.h"

#include "proxy/listener.h"
#include "proxy/proxy_metrics.h"

/* ---- methods ---- */

enum conn_state
conn_socks5_greeting(struct conn *c)
{
	const struct terms *t = &c->h->listener->terms;
	struct socks5_greeting greeting;
	enum socks5_method method;
	uint8_t out[2];
	size_t used;

	switch (socks5_parse_greeting(conn_input(c), &greeting, &used)) {
	case PARSE_MORE:
		return conn_more(c);
	case PARSE_BAD:
		conn_oddity(c, ODDITY_VERSION);
		return conn_hang_up(c, CLOSE_invalid_request);
	case PARSE_DONE:
		break;
	}
	method = socks5_choose(&greeting, t->methods, t->n_methods);
	conn_consume(c, used);
	if (method == SOCKS5_METHOD_NO_ACCEPTABLE)
		conn_record_end(c, CLOSE_no_method, NULL, NULL);
	if (!conn_send(c, out, socks5_method_reply(out, method)))
		return conn_gone(c);
	if (method == SOCKS5_METHOD_NO_ACCEPTABLE)
		return conn_linger(c);
	if (method == SOCKS5_METHOD_USERPASS)
		return CONN_AUTH_READ;
	conn_login_nobody(c);
	return CONN_REQUEST;
}

/* ---- login ---- */

/*
 * The record tells who it was, if that much was right. An empty password takes
 * as long as a wrong one (case 17): it is asked for as one that nobody has.
 */
static enum conn_state
login_bad(struct conn *c, const struct socks5_login *login)
{
	if (login->user.len == 0 || !str_is_printable(login->user))
		return conn_socks5.reject(c, CLOSE_auth_failed);
	if (login->password.len > 0) {
		conn_login_offer(c, login->user, STR(""));
		return conn_socks5.reject(c, CLOSE_auth_failed);
	}
	return conn_login_ask_in_vain(c, login->user);
}

enum conn_state
conn_socks5_login(struct conn *c)
{
	struct socks5_login login = { 0 };
	size_t used;

	switch (socks5_parse_login(conn_input(c), &login, &used)) {
	case PARSE_MORE:
		return conn_more(c);
	case PARSE_BAD:
		conn_oddity(c, ODDITY_LOGIN);
		return login_bad(c, &login);
	case PARSE_DONE:
		break;
	}
	conn_login_offer(c, login.user, login.password);
	conn_consume(c, used);
	return conn_login_ask(c);
}

static enum conn_state
login_accept(struct conn *c)
{
	uint8_t out[2];

	if (!conn_send(c, out, socks5_login_reply(out, true)))
		return conn_gone(c);
	return CONN_REQUEST;
}

/* The answer ends it: no request is read after a login that failed. */
static enum conn_state
login_reject(struct conn *c, enum close_reason reason)
{
	uint8_t out[2];

	conn_record_end(c, reason, NULL, NULL);
	if (!conn_send(c, out, socks5_login_reply(out, false)))
		return CONN_CLOSING;
	return conn_linger(c);
}

/* ---- request ---- */

static enum conn_state
request_bad(struct conn *c, const struct socks5_request *request)
{
	enum close_reason reason =
	    conn_malformed(c, request->why, request->raw_host);

	if (request->answer == SOCKS5_SILENT)
		return conn_hang_up(c, reason);
	return conn_refuse(c, reason, NULL, NULL);
}

static enum conn_state
request_input(struct conn *c)
{
	struct handshake *h = c->h;
	struct socks5_request request;
	size_t used;

	switch (socks5_parse_request(conn_input(c), &request, &used)) {
	case PARSE_MORE:
		return conn_more(c);
	case PARSE_BAD:
		return request_bad(c, &request);
	case PARSE_DONE:
		break;
	}
	if (request.rsv_set)
		conn_oddity(c, ODDITY_RSV);
	h->dest = request.dest;
	h->command = request.command;
	conn_consume(c, used);
	return conn_requested(c);
}

const struct carrier conn_socks5 = {
	.request = request_input,
	.welcome = login_accept,
	.reject = login_reject,
};
