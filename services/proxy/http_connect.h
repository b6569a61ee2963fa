/* SPDX-License-Identifier: MIT */
/*
 * http_connect: the head of a CONNECT request, read as it comes, and what is
 * answered (RFC 9110 section 9.3.6, RFC 9112, RFC 9209).
 *
 * Pure: no I/O, no memory. A line at a time: of a line longer than
 * HTTP_LINE_MAX its beginning counts, and its rest is skipped, so that no
 * caller has to hold more. Split anywhere, the outcome is the same
 * (conformance.md cases 1, 89). Any thread.
 *
 * Two readers of one head must not read two things: a line that ends in LF
 * alone, a CR or other control byte within one, a folded line, and space before
 * a colon are refused. CONNECT has no content, and what follows the head is the
 * tunnel's, so Transfer-Encoding is refused, and any Content-Length but 0,
 * which old clients send. Host is not looked at, since the target says it all,
 * and may be missing; two are refused.
 */
#ifndef PROXY_HTTP_CONNECT_H
#define PROXY_HTTP_CONNECT_H

#include "net/name.h"
#include "proxy/http_basic.h"

#define HTTP_LINE_MAX 1024	/* bytes, with CRLF */
#define HTTP_HEAD_MAX 8192	/* from the first byte to the empty line */

enum http_login {
	HTTP_LOGIN_NONE,	/* no Proxy-Authorization came */
	HTTP_LOGIN_GIVEN,	/* HTTP_LOGIN was said */
	HTTP_LOGIN_BAD,		/* not Basic, or nobody's */
};

/* What is known of a head so far; all zero before its first byte. */
struct http_connect {
	uint16_t taken;		/* bytes */
	uint8_t state;		/* the parser's own */
	uint8_t login;		/* enum http_login */
	bool has_host;
	bool ended;		/* HTTP_DONE was said */
	bool close;		/* the client sends no other head after it */
};

enum http_step {
	HTTP_BAD = -1,		/* answer out->status and end */
	HTTP_MORE,		/* come back with more */
	HTTP_TARGET,		/* out->dest is where to */
	HTTP_LOGIN,		/* out->basic is who */
	HTTP_DONE,		/* the head has ended; the rest is data */
};

struct http_found {
	struct dest dest;	/* canonical */
	struct http_basic basic;	/* to be wiped by the caller */
	/* on BAD: */
	uint16_t status;	/* 400, 405, 431 or 505 */
	const char *why;	/* a name of close_reasons.def */
	const char *detail;	/* what was wrong, for people */
	struct str raw_host;	/* as sent, if that was it; borrowed */
};

/*
 * Looks at `in`, all bytes that were not used yet, up to the next thing worth
 * saying; `used` of them are to be dropped, after MORE as well. With
 * HTTP_LINE_MAX bytes of input at least one is used or the verdict is not MORE.
 * TARGET comes first, LOGIN at most once, then DONE; after DONE or BAD `p` is
 * to be zeroed.
 */
enum http_step http_connect_parse(struct http_connect *p, struct str in,
    struct http_found *out, size_t *used) MUST_CHECK;

struct http_answer {
	uint16_t status;	/* 200, or one of the refusals */
	const char *error;	/* Proxy-Status: a type of RFC 9209; or NULL */
	const char *details;	/* of it, ours, at most 200 bytes; or NULL */
	bool keep;		/* the client may try again */
};
#define HTTP_ANSWER_MAX 512
/*
 * The whole answer; its length. 200 has neither length nor coding, since what
 * follows is the tunnel. A refusal has Content-Length: 0, 405 says what is
 * allowed, 407 how to log in, and each that does not keep says close.
 */
size_t http_connect_answer(char out[static HTTP_ANSWER_MAX],
    const struct http_answer *a);

#endif
