/* SPDX-License-Identifier: MIT */
/*
 * SOCKS4 and 4a as the client speaks it: a request and nothing before it. There
 * is no login, so it is served only where none is required; the user id is a
 * remark in the record (conformance.md case 78).
 */
#include "proxy/conn_impl.h"

#include <string.h>

#include "base/check.h"
#include "proxy/admit.h"
#include "proxy/socks4.h"

static enum conn_state
request_bad(struct conn *c, const struct socks4_request *request)
{
	enum close_reason reason =
	    conn_malformed(c, request->why, request->raw_host);

	if (request->answer == SOCKS4_SILENT)
		return conn_hang_up(c, reason);
	return conn_refuse(c, reason, NULL, NULL);
}

static void
keep_claim(struct handshake *h, struct str user_id)
{
	ASSERT(user_id.len <= sizeof(h->claimed));
	h->claimed_len = (uint8_t)user_id.len;
	if (user_id.len > 0)
		memcpy(h->claimed, user_id.ptr, user_id.len);
}

static enum conn_state
request_input(struct conn *c)
{
	struct handshake *h = c->h;
	struct socks4_request request;
	enum parse p;
	size_t used;

	p = socks4_parse_request(conn_input(c), &request, &used);
	if (p == PARSE_MORE)
		return conn_more(c);
	if (request.is_4a)
		c->carrier = CARRIER_SOCKS4A;
	keep_claim(h, request.user_id);
	if (p == PARSE_BAD)
		return request_bad(c, &request);
	h->dest = request.dest;
	h->command = request.command;
	conn_consume(c, used);
	if (!conn_login_is_optional(c)) {
		admit_asked(c);
		return conn_refuse(c, CLOSE_no_method, NULL, NULL);
	}
	conn_login_nobody(c);
	return conn_requested(c);
}

/* No login is asked, so none is answered. */
const struct carrier conn_socks4 = { .request = request_input };
