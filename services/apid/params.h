/* SPDX-License-Identifier: MIT */
/*
 * params: the query string, checked against a route's table of parameters.
 *
 * Every mistake is reported with the parameter's name: unknown ones, wrong
 * types, values out of range, repetitions. Pure; any thread. A struct params
 * is big and meant to be used again.
 */
#ifndef APID_PARAMS_H
#define APID_PARAMS_H

#include "apid/guard.h"
#include "apid/query.h"

enum param_type {
	PARAM_NUMBER,		/* min..max */
	PARAM_TEXT,		/* min..max bytes */
	PARAM_TIME,		/* RFC 3339, or -24h from now */
	PARAM_ADDRESS,		/* address or CIDR */
	PARAM_DESTINATION,	/* address, CIDR or name */
	PARAM_NAME,		/* host name */
	PARAM_WORD,		/* one of `words` */
	PARAM_TYPES,
};

struct param_word {
	const char *word;
	uint64_t number;
};

struct param {
	const char *name;
	enum param_type type;
	uint64_t min, max;
	bool many;		/* commas or repetition: any of them */
	const struct param_word *words;	/* end with NULL */
	const char *initial;	/* the default, for people; may be NULL */
	const char *help;
	bool filter;		/* a condition on `column` */
	enum query_column column;
};

struct param_value {
	const struct param *param;
	struct str text;	/* decoded; names are canonical */
	uint64_t number;	/* NUMBER; TIME in µs; WORD's number */
	bool is_name;		/* DESTINATION */
	struct addr low, high;	/* ADDRESS, DESTINATION */
};

#define PARAMS_MAX 64

struct params {
	struct param_value v[PARAMS_MAX];
	size_t n;
	char memory[GUARD_TARGET_MAX + PARAMS_MAX];	/* of the texts */
	size_t used;
};

/* `query` passed guard_check; `defs` ends with a NULL name; `now_us` is what
 * -24h counts from. False: `errors` says what is wrong. */
bool params_parse(struct params *p, const struct param *defs,
    struct str query, uint64_t now_us, struct problem_errors *errors)
    MUST_CHECK;
/* The value of that name, NULL if it was not given. */
const struct param_value *params_get(const struct params *p,
    const char *name);
uint64_t params_number(const struct params *p, const char *name,
    uint64_t absent);
/* All but `limit` and `cursor` in an order of our own: two requests with the
 * same text ask for the same. */
void params_canonical(const struct params *p, const struct param *defs,
    struct bytes *out);

#endif
