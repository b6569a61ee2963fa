/* SPDX-License-Identifier: MIT */
/*
 * The first byte tells the carrier (conformance.md case 13). An answer to any
 * other would tell a scanner what listens here.
 */
#include "proxy/conn_impl.h"

#include "proxy/listener.h"
#include "proxy/proxy_metrics.h"

const struct carrier *const conn_carriers[] = {
	[CARRIER_NONE] = NULL,
	[CARRIER_SOCKS5] = &conn_socks5,
	[CARRIER_SOCKS4] = &conn_socks4,
	[CARRIER_SOCKS4A] = &conn_socks4,
	[CARRIER_HTTP] = &conn_http,
};

static enum record_carrier
carrier_of(uint8_t first)
{
	if (first == 5)
		return CARRIER_SOCKS5;
	if (first == 4)
		return CARRIER_SOCKS4;
	if (first >= 'A' && first <= 'Z')
		return CARRIER_HTTP;
	return CARRIER_NONE;
}

enum conn_state
conn_greeting_input(struct conn *c)
{
	enum record_carrier carrier;

	if (c->h->in_len == 0)
		return conn_more(c);
	carrier = carrier_of(c->h->in[0]);
	if (conn_carriers[carrier] == NULL ||
	    (c->h->listener->terms.carriers & 1u << carrier) == 0) {
		conn_oddity(c, ODDITY_VERSION);
		return conn_hang_up(c, CLOSE_invalid_request);
	}
	c->carrier = (uint8_t)carrier;
	return carrier == CARRIER_SOCKS5 ? CONN_METHODS : CONN_REQUEST;
}
