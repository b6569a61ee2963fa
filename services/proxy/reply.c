/* SPDX-License-Identifier: MIT */
#include "proxy/reply.h"

#include "base/check.h"
#include "proxy/http_connect.h"
#include "proxy/socks4.h"

/* Reasons that are not here end a session that was answered already. */
static const struct reply_words words[CLOSE_REASONS] = {
	[CLOSE_dns_not_found] = { SOCKS5_HOST_UNREACHABLE, 502, "dns_error" },
	[CLOSE_dns_timeout] = { SOCKS5_HOST_UNREACHABLE, 502, "dns_timeout" },
	[CLOSE_dns_failure] = { SOCKS5_HOST_UNREACHABLE, 502, "dns_error" },
	[CLOSE_connect_refused] = { SOCKS5_REFUSED, 502,
		"connection_refused" },
	[CLOSE_connect_timeout] = { SOCKS5_HOST_UNREACHABLE, 504,
		"connection_timeout" },
	[CLOSE_network_unreachable] = { SOCKS5_NET_UNREACHABLE, 502,
		"destination_ip_unroutable" },
	[CLOSE_host_unreachable] = { SOCKS5_HOST_UNREACHABLE, 502,
		"destination_unavailable" },
	[CLOSE_ttl_expired] = { SOCKS5_TTL_EXPIRED, 502,
		"destination_ip_unroutable" },
	[CLOSE_connect_error] = { SOCKS5_GENERAL, 502,
		"destination_unavailable" },
	[CLOSE_upstream_connect_failed] = { SOCKS5_GENERAL, 502,
		"destination_unavailable" },
	[CLOSE_upstream_auth_failed] = { SOCKS5_GENERAL, 502,
		"destination_unavailable" },
	[CLOSE_upstream_refused] = { SOCKS5_GENERAL, 502,
		"destination_unavailable" },
	[CLOSE_circuit_open] = { SOCKS5_GENERAL, 503,
		"destination_unavailable" },
	[CLOSE_bind_timeout] = { SOCKS5_TTL_EXPIRED, 502,
		"connection_timeout" },
	[CLOSE_bind_failed] = { SOCKS5_GENERAL, 503, "proxy_internal_error" },
	[CLOSE_udp_bind_failed] = { SOCKS5_GENERAL, 503,
		"proxy_internal_error" },
	[CLOSE_out_of_resources] = { SOCKS5_GENERAL, 503,
		"proxy_internal_error" },
	[CLOSE_auth_silent] = { SOCKS5_GENERAL, 503, "proxy_internal_error" },
	[CLOSE_acl_silent] = { SOCKS5_GENERAL, 503, "proxy_internal_error" },
	[CLOSE_journal_full] = { SOCKS5_GENERAL, 503,
		"proxy_internal_error" },
	[CLOSE_draining] = { SOCKS5_GENERAL, 503, "proxy_internal_error" },
	[CLOSE_policy_block] = { SOCKS5_NOT_ALLOWED, 403,
		"http_request_denied" },
	[CLOSE_policy_default] = { SOCKS5_NOT_ALLOWED, 403,
		"http_request_denied" },
	[CLOSE_hard_deny] = { SOCKS5_NOT_ALLOWED, 403,
		"destination_ip_prohibited" },
	[CLOSE_auth_failed] = { SOCKS5_GENERAL, 407, "http_request_denied" },
	[CLOSE_auth_throttled] = { SOCKS5_GENERAL, 407,
		"http_request_denied" },
	[CLOSE_no_method] = { SOCKS5_GENERAL, 407, "http_request_denied" },
	[CLOSE_source_refused] = { SOCKS5_NOT_ALLOWED, 403,
		"http_request_denied" },
	[CLOSE_command_disabled] = { SOCKS5_COMMAND_UNSUPPORTED, 403,
		"http_request_denied" },
	[CLOSE_command_unknown] = { SOCKS5_COMMAND_UNSUPPORTED, 403,
		"http_request_denied" },
	[CLOSE_address_type_unknown] = { SOCKS5_ATYP_UNSUPPORTED, 400,
		"http_request_error" },
	[CLOSE_invalid_name] = { SOCKS5_GENERAL, 400, "http_request_error" },
	[CLOSE_invalid_request] = { SOCKS5_GENERAL, 400,
		"http_request_error" },
	[CLOSE_limit_global] = { SOCKS5_NOT_ALLOWED, 403,
		"connection_limit_reached" },
	[CLOSE_limit_user] = { SOCKS5_NOT_ALLOWED, 403,
		"connection_limit_reached" },
	[CLOSE_limit_source] = { SOCKS5_NOT_ALLOWED, 403,
		"connection_limit_reached" },
	[CLOSE_limit_destination] = { SOCKS5_NOT_ALLOWED, 403,
		"connection_limit_reached" },
	[CLOSE_limit_rate] = { SOCKS5_NOT_ALLOWED, 403,
		"connection_limit_reached" },
};

const struct reply_words *
reply_words(enum close_reason reason)
{
	static const struct reply_words internal = {
		SOCKS5_GENERAL, 503, "proxy_internal_error",
	};

	ASSERT(reason < CLOSE_REASONS);
	return words[reason].error != NULL ? &words[reason] : &internal;
}

/* ---- in the words of each carrier ---- */

static void
socks5_words(struct reply *out, enum socks5_reply code,
    const struct endpoint *bound)
{
	out->code = (uint16_t)code;
	out->len = (uint16_t)socks5_reply((uint8_t *)out->bytes, code, bound);
}

static void
socks4_words(struct reply *out, enum socks4_reply code,
    const struct endpoint *bound)
{
	out->code = (uint16_t)code;
	out->len = SOCKS4_REPLY_SIZE;
	socks4_reply((uint8_t *)out->bytes, code, bound);
}

static void
http_words(struct reply *out, const struct http_answer *a)
{
	out->code = a->status;
	out->len = (uint16_t)http_connect_answer(out->bytes, a);
}

void
reply_success(struct reply *out, enum record_carrier carrier,
    const struct endpoint *bound)
{
	switch (carrier) {
	case CARRIER_HTTP:
		http_words(out, &(struct http_answer){ .status = 200 });
		break;
	case CARRIER_SOCKS4:
	case CARRIER_SOCKS4A:
		socks4_words(out, SOCKS4_GRANTED, bound);
		break;
	case CARRIER_SOCKS5:
	case CARRIER_NONE:
		socks5_words(out, SOCKS5_OK, bound);
		break;
	}
}

void
reply_http(struct reply *out, uint16_t status, enum close_reason reason,
    const struct id *session, const char *detail, bool keep)
{
	struct http_answer a = {
		.status = status, .error = reply_words(reason)->error,
		.keep = keep,
	};
	char id[ID_TEXT_SIZE], details[200];
	struct text t = text_on(details, sizeof(details));

	id_format(id, session);
	text_fmt(&t, "%s", close_reason_name(reason));
	if (detail != NULL)
		text_fmt(&t, ": %s", detail);
	text_fmt(&t, "; session %s", id);
	a.details = details;
	http_words(out, &a);
}

void
reply_refusal(struct reply *out, enum record_carrier carrier,
    enum close_reason reason, const struct id *session)
{
	const struct reply_words *w = reply_words(reason);

	switch (carrier) {
	case CARRIER_HTTP:
		reply_http(out, w->http, reason, session, NULL, false);
		break;
	case CARRIER_SOCKS4:
	case CARRIER_SOCKS4A:
		socks4_words(out, SOCKS4_REFUSED, NULL);
		break;
	case CARRIER_SOCKS5:
	case CARRIER_NONE:
		socks5_words(out, w->socks5, NULL);
		break;
	}
}
