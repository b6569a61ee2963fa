/* SPDX-License-Identifier: MIT */
#include "apid/message.h"

struct str
request_header(const struct request *rq, const char *name, unsigned *n)
{
	struct str found = { "", 0 };

	*n = 0;
	for (size_t i = 0; i < rq->n_headers; i++)
		if (str_eq_nocase(rq->headers[i].name, str_from(name)) &&
		    (*n)++ == 0)
			found = rq->headers[i].value;
	return found;
}

void
response_reset(struct response *rs)
{
	rs->status = 200;
	rs->type = "application/json";
	bytes_clear(&rs->headers);
	bytes_clear(&rs->body);
}

void
response_header(struct response *rs, const char *name, const char *value)
{
	bytes_fmt(&rs->headers, "%s: ", name);
	for (; *value != '\0'; value++)
		if (*value >= 0x20 && *value < 0x7f)
			bytes_add(&rs->headers, value, 1);
	bytes_add(&rs->headers, "\r\n", 2);
}

void
response_fini(struct response *rs)
{
	bytes_fini(&rs->headers);
	bytes_fini(&rs->body);
}
