/* SPDX-License-Identifier: MIT */
/*
 * query_filter: what every back end must know of a filter before it renders
 * its SQL. Both databases have the same columns and indexes. Pure; any thread.
 */
#ifndef APID_QUERY_FILTER_H
#define APID_QUERY_FILTER_H

#include "apid/query.h"

struct query_column_info {
	const char *name;
	const char *index;	/* of (it, started_at, id); NULL: none */
	bool active;		/* session_active has it too */
};
extern const struct query_column_info query_columns[QUERY_COLUMNS];

/* No range of more than one address. */
bool query_is_one_value(const struct query_condition *c);
/* Whether no condition before `at` is of its group. */
bool query_is_first_of_group(const struct query_filter *f, size_t at);
/* The condition that an index answers wholly, the one that usually narrows
 * most; NULL: none does. It is alone in its group. */
const struct query_condition *query_driver(const struct query_filter *f);

#endif
