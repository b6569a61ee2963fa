/* SPDX-License-Identifier: MIT */
/*
 * query_pg_sql: a filter as SQL for PostgreSQL. Pure; any thread.
 *
 * The statement gives a page in its order, straight from one index and without
 * a sort: PostgreSQL has no word for "use this index", but an index that alone
 * has the order asked for is used when sorting is off. So a page that one
 * condition "drives" is ordered by (its column, started_at, id), the column
 * being bounded on both sides by rows instead of by "=", from which the planner
 * would conclude that the column needs no place in the order. Two more bounds
 * on started_at alone keep all but the right partitions out.
 *
 * All other conditions are computed as `hit` beside the number of the row, so
 * that a page ends after QUERY_EXAMINED_MAX rows: the two rows at that limit
 * are always given.
 */
#ifndef APID_QUERY_PG_SQL_H
#define APID_QUERY_PG_SQL_H

#include "apid/query.h"
#include "pgsql/pg_wire.h"

struct query_pg_sql {
	struct bytes text;	/* ends with a NUL */
	bool residual;		/* `hit` can be false */
};

/*
 * Fills `out`, which is zeroed or was used before, and `params`, which are
 * empty. The columns are `columns`, of a row that is called s, then hit and
 * the number of the row from 1 on.
 */
void query_pg_sql_page(struct query_pg_sql *out, struct pg_params *params,
    const struct query_filter *f, const char *columns);
void query_pg_sql_fini(struct query_pg_sql *s);

#endif
