/* SPDX-License-Identifier: MIT */
/*
 * http_head: the little of HTTP/1 that the admin address needs.
 *
 * Pure; any thread. Header fields are skipped, not understood: no answer
 * depends on one, a request has no body, and each connection serves one.
 */
#ifndef SERVICE_HTTP_HEAD_H
#define SERVICE_HTTP_HEAD_H

#include "base/buf.h"

#define HTTP_HEAD_MAX 8192	/* bytes up to and with the empty line */

struct http_head {
	struct str method;	/* borrowed from the input */
	struct str path;	/* without the query */
};

/* PARSE_BAD: no HTTP/1 request, told as early as the bytes show it. The caller
 * refuses what is still PARSE_MORE at HTTP_HEAD_MAX. */
enum parse http_head_parse(struct http_head *out, struct str in) MUST_CHECK;

#endif
