/* SPDX-License-Identifier: MIT */
/*
 * message: a request and its answer as plain data, whoever carries them.
 *
 * A request borrows all its text. A response owns its buffers; one may be used
 * for many requests. Any thread.
 */
#ifndef APID_MESSAGE_H
#define APID_MESSAGE_H

#include "base/id.h"
#include "base/str.h"

struct header {
	struct str name, value;
};

struct request {
	struct str method;	/* as it came, "GET" */
	struct str path;	/* as it came, nothing decoded */
	struct str query;	/* without the '?' */
	const struct header *headers;
	size_t n_headers;
	bool headers_cut;	/* there were more than are shown here */
	char id[ID_HEX_SIZE];	/* ours */
};

/* The value of the only header of that name (any case). `*n`: how many there
 * are; of several the first is given, of none the empty string. */
struct str request_header(const struct request *rq, const char *name,
    unsigned *n);

struct response {
	int status;
	const char *type;	/* Content-Type */
	struct bytes headers;	/* whole lines: "Name: value\r\n" */
	struct bytes body;
};

/* Empty, 200. */
void response_reset(struct response *rs);
/* `value` must be one line; what would not be printable ASCII is left out. */
void response_header(struct response *rs, const char *name,
    const char *value);
void response_fini(struct response *rs);

#endif
