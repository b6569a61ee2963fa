/* SPDX-License-Identifier: MIT */
/*
 * query_sql: a filter as SQL for SQLite. Pure; any thread.
 *
 * The statement gives (started_at, id, hit) in the order of the page, straight
 * from one index and without a sort: that of the one condition that an index
 * answers ("driver"), else the primary key. All other conditions are computed
 * as `hit`, so that whoever steps can count what was examined.
 */
#ifndef APID_QUERY_SQL_H
#define APID_QUERY_SQL_H

#include "apid/query.h"

enum query_bind_kind { BIND_TEXT, BIND_NUMBER, BIND_BLOB };

struct query_bind {
	enum query_bind_kind kind;
	uint64_t number;
	struct str bytes;	/* borrowed from the filter */
};

#define QUERY_BINDS_MAX (2 * QUERY_CONDITIONS_MAX + 8)

struct query_sql {
	struct bytes text;
	struct query_bind binds[QUERY_BINDS_MAX];	/* ?1, ?2, … */
	size_t n;
	bool residual;		/* `hit` can be 0 */
};

/* Fills `out`, which is zeroed or was used before. */
void query_sql_keys(struct query_sql *out, const struct query_filter *f);
void query_sql_fini(struct query_sql *s);

#endif
