/* SPDX-License-Identifier: MIT */
/*
 * query_pg: what the files of the PostgreSQL back end share.
 *
 *	query_pg.c		the source, and the life of a question
 *	query_pg_pool.c		connections that the threads share
 *	query_pg_sql.c		a filter as SQL
 *	query_pg_rows.c		sessions
 *	query_pg_events.c	what daemons noticed
 *	query_pg_sums.c		statistics and totals
 *
 * A question borrows a connection of the pool and asks in one transaction that
 * only reads and sees one moment; its statements travel together.
 */
#ifndef APID_QUERY_PG_H
#define APID_QUERY_PG_H

#include "apid/query_backend.h"
#include "apid/query_pg_pool.h"
#include "apid/query_pg_sql.h"

struct query_pg {
	struct query query;
	struct query_pg_pool *pool;
	struct query_pg_connection *connection;	/* while a question runs */
	bool begun;		/* BEGIN was answered */
	enum pg_status failed;	/* of the question so far */
	struct pg_params params;
	struct query_pg_sql sql;
	struct bytes addresses;	/* of a row, 16 bytes each */
};

/* NULL: the URL is malformed. */
struct query_source *query_pg_source(const struct query_source_options *o,
    struct err *err) MUST_CHECK;
struct query_pg *query_pg_of(struct query *q);

/* Sends statements and takes their results. May be called a second time: when
 * the connection had broken before it gave a first result. */
typedef enum query_result query_pg_fn(struct query_pg *q, void *arg);
/* One question, from BEGIN to COMMIT. */
enum query_result query_pg_ask(struct query_pg *q, query_pg_fn *fn, void *arg)
    MUST_CHECK;

/* Within a query_pg_fn. Queues a statement with `q->params`, and clears them;
 * a failure shows in the result. */
void query_pg_send(struct query_pg *q, const struct pg_statement *st);
/* After the last statement: COMMIT travels with them. */
void query_pg_commit(struct query_pg *q);
/* The result of the oldest statement, to be query_pg_done'd if OK. */
enum query_result query_pg_next(struct query_pg *q, struct pg_rows *rows)
    MUST_CHECK;
/* QUERY_UNAVAILABLE if a value was not what the statement promised. */
enum query_result query_pg_done(struct query_pg *q, struct pg_rows *rows)
    MUST_CHECK;

/* One session that ended: $1 its id, $2 its time. */
extern const struct pg_statement query_pg_ended;

/* A page of events, with what they are filtered by: $1 to $6. */
extern const struct pg_statement query_pg_noticed;

/* The questions of struct query_ops. */
enum query_result query_pg_sessions(struct query *base,
    const struct query_filter *f, query_row_fn *fn, void *arg,
    struct query_page *page);
enum query_result query_pg_session(struct query *base, const struct id *id,
    query_row_fn *fn, void *arg);
enum query_result query_pg_events(struct query *base,
    const struct query_event_filter *f, query_event_fn *fn, void *arg,
    struct query_page *page);
enum query_result query_pg_stats(struct query *base, uint64_t since_us,
    uint64_t today_us, struct query_stats *out);
enum query_result query_pg_totals(struct query *base, uint64_t now_us,
    struct query_totals *out);
enum query_result query_pg_users(struct query *base, uint64_t now_us,
    uint64_t *window_us, query_user_fn *fn, void *arg);

#endif
