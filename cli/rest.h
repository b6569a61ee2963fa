/* SPDX-License-Identifier: MIT */
/*
 * rest: ask apid over HTTP.
 *
 * A GET with the bearer token, HTTP/1.0 so that the answer ends with the
 * connection; at most 64 MiB and 10 s without a byte. One thread.
 */
#ifndef CLI_REST_H
#define CLI_REST_H

#include <jansson.h>

#include "cli.h"

/*
 * `path` begins with /. The server is --server or apid.listen, the token is
 * --token-file, SALLYPORT_TOKEN or in the file that SALLYPORT_TOKEN_FILE names
 * (the first of them). CLI_OK: *out is the JSON, the caller's. Else
 * the reason was printed: what is missing, who is unreachable, or the title and
 * detail of the API's own answer.
 */
enum cli_exit rest_get(struct cli *c, const char *path, json_t **out)
    MUST_CHECK;
/* Appends "?name=value" or "&name=value", percent-encoded. */
void rest_query(struct text *path, const char *name, const char *value);

#endif
