/* SPDX-License-Identifier: MIT */
#include "apid/problem.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>

#include "apid/json.h"

static const struct kind {
	int status;
	const char *name;	/* the last part of `type`, for ever */
	const char *title;
	const char *retry;	/* seconds, or NULL */
} kinds[PROBLEMS] = {
	[PROBLEM_MALFORMED] = { 400, "malformed", "Malformed request" },
	[PROBLEM_PARAMETERS] = { 400, "parameters", "Bad parameters" },
	[PROBLEM_UNAUTHENTICATED] = { 401, "unauthenticated",
		"A valid token is needed" },
	[PROBLEM_FORBIDDEN] = { 403, "forbidden",
		"The token does not allow this" },
	[PROBLEM_NOT_FOUND] = { 404, "not-found", "Not found" },
	[PROBLEM_METHOD] = { 405, "method", "Method not allowed" },
	[PROBLEM_TIMEOUT] = { 408, "timeout", "Request timeout" },
	[PROBLEM_BODY] = { 413, "body", "No body is taken here" },
	[PROBLEM_TARGET_LENGTH] = { 414, "target-length", "URI too long" },
	[PROBLEM_HOST] = { 421, "host", "Not a host of this API" },
	[PROBLEM_HEAD_LENGTH] = { 431, "head-length",
		"Request header too large" },
	[PROBLEM_INTERNAL] = { 500, "internal", "Internal error" },
	[PROBLEM_UNAVAILABLE] = { 503, "unavailable",
		"The database cannot be read", "2" },
	[PROBLEM_SLOW] = { 503, "slow", "The question took too long", "10" },
	[PROBLEM_VERSION] = { 505, "version", "HTTP version not supported" },
};

int
problem_status(enum problem p)
{
	return kinds[p].status;
}

enum problem
problem_of_status(int status)
{
	for (int p = PROBLEM_NONE + 1; p < PROBLEMS; p++)
		if (kinds[p].status == status)
			return (enum problem)p;
	return status >= 400 && status < 500 ? PROBLEM_MALFORMED :
	    PROBLEM_INTERNAL;
}

void
problem_add(struct problem_errors *e, struct str name, const char *code,
    const char *fmt, ...)
{
	struct problem_error *at = &e->v[e->n];
	struct text pointer, message;
	va_list ap;

	if (e->n == PROBLEM_ERRORS_MAX)
		return;
	e->n++;
	pointer = text_on(at->pointer, sizeof(at->pointer));
	text_str(&pointer, STR("/query/"));
	text_escaped(&pointer, name);
	at->code = code;
	message = text_on(at->message, sizeof(at->message));
	va_start(ap, fmt);
	text_vfmt(&message, fmt, ap);
	va_end(ap);
}

static json_t *
errors_json(const struct problem_errors *errors)
{
	json_t *list = json_array();

	for (size_t i = 0; errors != NULL && i < errors->n; i++) {
		const struct problem_error *e = &errors->v[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:s}",
		    "pointer", e->pointer, "code", e->code,
		    "message", e->message));
	}
	return list;
}

void
problem_respond(struct response *rs, const struct request *rq,
    enum problem p, const char *detail, const struct problem_errors *errors)
{
	const struct kind *k = &kinds[p];
	struct bytes type = { 0 };
	json_t *o = json_object();

	bytes_clear(&rs->body);
	bytes_fmt(&type, "urn:sallyport:problem:%s", k->name);
	json_object_set_new(o, "type", json_stringn(type.ptr, type.len));
	json_object_set_new(o, "title", json_string(k->title));
	json_object_set_new(o, "status", json_integer(k->status));
	json_object_set_new(o, "detail", json_text(str_from(detail)));
	json_object_set_new(o, "instance", json_text(rq->path));
	json_object_set_new(o, "request_id", json_string(rq->id));
	json_object_set_new(o, "errors", errors_json(errors));
	rs->status = k->status;
	rs->type = "application/problem+json";
	if (k->retry != NULL)
		response_header(rs, "Retry-After", k->retry);
	json_write(&rs->body, o);
	json_decref(o);
	bytes_fini(&type);
}
