/* SPDX-License-Identifier: MIT */
/*
 * http: Civetweb, and the only file that knows it.
 *
 * It carries requests to api_serve() and answers back, nothing else: there is
 * no document root, and no feature of Civetweb beyond that is reachable. A
 * connection serves one request; a head may have 16 KiB and take 10 s.
 */
#ifndef APID_HTTP_H
#define APID_HTTP_H

#include "apid/api.h"

struct http;

/* Before privileges are dropped: can these addresses be had? */
int http_probe(const struct endpoint_list *at, struct err *err) MUST_CHECK;
/* Serves from now on with `threads` threads. */
int http_start(struct http **out, struct api *a,
    const struct endpoint_list *at, unsigned threads, struct err *err)
    MUST_CHECK;
/* Where it listens; tells the ports where 0 was asked for. At most `max`. */
size_t http_addresses(const struct http *h, struct endpoint *out, size_t max);
/* No request runs any more when it returns. */
void http_stop(struct http **hp);

#endif
