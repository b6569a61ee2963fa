/* SPDX-License-Identifier: MIT */
/*
 * The input is what follows the '?' of a request for history. What the guard
 * lets through must be parsed without harm; what is accepted makes a statement
 * within its bounds, and its canonical form does not depend on the order of
 * different parameters.
 */
#include <string.h>

#include "apid/query_sql.h"
#include "apid/resources.h"
#include "fuzz.h"

#define NOW_US UINT64_C(1790000000000000)

static void
check_value(const struct param_value *v)
{
	const struct param *d = v->param;

	ASSERT(v->text.len > 0 && str_is_utf8(v->text));
	if (d->type == PARAM_NUMBER)
		ASSERT(v->number >= d->min && v->number <= d->max);
	if (d->type == PARAM_TIME)
		ASSERT(v->number <= INT64_MAX);
	if (d->type == PARAM_ADDRESS ||
	    (d->type == PARAM_DESTINATION && !v->is_name))
		ASSERT(memcmp(&v->low, &v->high, sizeof(v->low)) <= 0);
}

static void
check_statement(const struct params *p)
{
	struct query_filter f = { .until_us = INT64_MAX, .limit = 1 };
	struct query_sql sql = { .n = 0 };
	size_t marks = 0;

	for (size_t i = 0; i < p->n && f.n < QUERY_CONDITIONS_MAX; i++)
		if (p->v[i].param->filter)
			f.conditions[f.n++] = (struct query_condition){
				.group = (unsigned)(p->v[i].param -
				    history_params),
				.column = p->v[i].param->column,
				.kind = QUERY_RANGE, .low = p->v[i].low,
				.high = p->v[i].high };
	query_sql_keys(&sql, &f);
	for (size_t i = 0; i < sql.text.len; i++)
		marks += sql.text.ptr[i] == '?';
	ASSERT(marks == sql.n);
	query_sql_fini(&sql);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct header host = { { "Host", 4 },
		{ "localhost", 9 } };
	static const struct string_list none = { NULL, 0 };
	static struct params p;
	struct str query = { (const char *)data, size };
	struct request rq = { .method = STR("GET"), .path = STR("/"),
		.query = query, .headers = &host, .n_headers = 1 };
	struct problem_errors errors = { .n = 0 };
	const char *detail;

	if (guard_check(&rq, &none, &detail) != PROBLEM_NONE)
		return 0;
	if (!params_parse(&p, history_params, query, NOW_US, &errors)) {
		ASSERT(errors.n > 0 && errors.n <= PROBLEM_ERRORS_MAX);
		return 0;
	}
	ASSERT(errors.n == 0 && p.n <= PARAMS_MAX);
	for (size_t i = 0; i < p.n; i++)
		check_value(&p.v[i]);
	check_statement(&p);
	return 0;
}
