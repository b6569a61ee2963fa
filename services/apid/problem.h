/* SPDX-License-Identifier: MIT */
/*
 * problem: what went wrong, as application/problem+json (RFC 9457).
 *
 * Any thread.
 */
#ifndef APID_PROBLEM_H
#define APID_PROBLEM_H

#include "apid/message.h"

enum problem {
	PROBLEM_NONE,
	PROBLEM_MALFORMED,	/* 400 */
	PROBLEM_PARAMETERS,	/* 400, with errors[] */
	PROBLEM_UNAUTHENTICATED, /* 401 */
	PROBLEM_FORBIDDEN,	/* 403 */
	PROBLEM_NOT_FOUND,	/* 404 */
	PROBLEM_METHOD,		/* 405 */
	PROBLEM_TIMEOUT,	/* 408 */
	PROBLEM_BODY,		/* 413 */
	PROBLEM_TARGET_LENGTH,	/* 414 */
	PROBLEM_HOST,		/* 421 */
	PROBLEM_HEAD_LENGTH,	/* 431 */
	PROBLEM_INTERNAL,	/* 500 */
	PROBLEM_UNAVAILABLE,	/* 503, with Retry-After */
	PROBLEM_SLOW,		/* 503, with Retry-After */
	PROBLEM_VERSION,	/* 505 */
	PROBLEMS,
};

int problem_status(enum problem p);
/* The kind that stands for a status of which only the number is known. */
enum problem problem_of_status(int status);

/* One entry of errors[]. */
struct problem_error {
	char pointer[128];	/* "/query/limit" */
	const char *code;	/* "unknown_parameter" */
	char message[256];
};

#define PROBLEM_ERRORS_MAX 16

struct problem_errors {
	struct problem_error v[PROBLEM_ERRORS_MAX];
	size_t n;
};

/* One more; those beyond the maximum are left out. `name` is what the client
 * wrote, shown harmlessly. */
void problem_add(struct problem_errors *e, struct str name, const char *code,
    const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Makes the whole answer: status, headers, body. `detail` is for people;
 * `errors` may be NULL. */
void problem_respond(struct response *rs, const struct request *rq,
    enum problem p, const char *detail, const struct problem_errors *errors);

#endif
