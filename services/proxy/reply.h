/* SPDX-License-Identifier: MIT */
/*
 * reply: what a client is told of an outcome, in the words of its carrier.
 *
 * One table maps each close reason to the code of SOCKS5, the status of HTTP
 * and the error of Proxy-Status (conformance.md section 0, RFC 1928 section 6,
 * RFC 9209 section 2.3); SOCKS4 knows 5A and 5B only. The code is coarse on
 * purpose: record, log and metric hold the reason. Pure; any thread.
 */
#ifndef PROXY_REPLY_H
#define PROXY_REPLY_H

#include "audit/close_reason.h"
#include "proxy/socks5.h"

struct reply_words {
	enum socks5_reply socks5;	/* SOCKS5_GENERAL where it says nothing */
	uint16_t http;			/* 400..504 */
	const char *error;		/* of Proxy-Status */
};

/* The words for a refusal; those of an internal error for a reason that no
 * client is told. */
const struct reply_words *reply_words(enum close_reason reason);

/* Room for any reply. */
#define REPLY_MAX 512

/* A reply as bytes, and the number of it that a record keeps. */
struct reply {
	uint16_t code;
	uint16_t len;
	char bytes[REPLY_MAX];
};

/* `bound`: what the carrier shows as BND; NULL: nothing, as 0.0.0.0:0. */
void reply_success(struct reply *out, enum record_carrier carrier,
    const struct endpoint *bound);
/* `session`: its id, which HTTP carries as well. */
void reply_refusal(struct reply *out, enum record_carrier carrier,
    enum close_reason reason, const struct id *session);
/* Of HTTP, where the reason alone does not tell the status: `detail`, at most
 * 80 bytes, is for people, or NULL; `keep`: the client may try again. */
void reply_http(struct reply *out, uint16_t status, enum close_reason reason,
    const struct id *session, const char *detail, bool keep);

#endif
