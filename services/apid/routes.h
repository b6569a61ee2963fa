/* SPDX-License-Identifier: MIT */
/*
 * routes: the table of everything that can be asked.
 *
 * From it come dispatch, 404 and 405, the login that is needed, the parameters
 * that are taken, the labels of the metrics and the OpenAPI document. Deny by
 * default: a route needs a scope unless its row says SCOPE_OPEN.
 */
#ifndef APID_ROUTES_H
#define APID_ROUTES_H

#include "apid/api.h"
#include "apid/params.h"

/* What a route may need beyond the bits of enum token_scope. */
#define SCOPE_OPEN 0u		/* no token */
#define SCOPE_METRICS 0x100u	/* read if metrics.require_token */

/* Makes the answer; `c` is borrowed. */
typedef void route_fn(struct call *c);

struct route {
	const char *method;
	const char *path;	/* "{id}" stands for one part */
	unsigned scope;
	route_fn *handle;
	const struct param *params;	/* ends with a NULL name */
	const char *type;	/* of the 200 */
	const char *schema;	/* of the 200, in components; NULL: text */
	const char *summary;
	bool unavailable;	/* may answer 503 */
};

extern const struct route routes[];
extern const size_t routes_n;
/* Paths by index, "other" after the last, then NULL: labels. */
extern const char *const route_names[];

/* The route, NULL if there is none. `*id`: what stood for "{id}". `allow`:
 * the methods that the path has, "" if the path is unknown. HEAD is GET. */
const struct route *routes_find(struct str method, struct str path,
    struct str *id, struct text *allow);
/* Its index in route_names; of NULL that of "other". */
unsigned routes_index(const struct route *r);

#endif
