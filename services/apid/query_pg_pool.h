/* SPDX-License-Identifier: MIT */
/*
 * query_pg_pool: connections to PostgreSQL that the threads share.
 *
 * A thread borrows one for one question. At most `connections` are open; who
 * finds them all busy waits, at most the time of a statement. One thread at a
 * time connects: while the server is away the others are refused at once with
 * what it said, and between two tries there is a pause that grows. Guarded by
 * a mutex of its own; any thread.
 */
#ifndef APID_QUERY_PG_POOL_H
#define APID_QUERY_PG_POOL_H

#include "apid/query_backend.h"
#include "pgsql/pg.h"

/* The migrations whose tables this release can read, first and last. */
#define QUERY_PG_SCHEMA_FIRST 1
#define QUERY_PG_SCHEMA_LAST 2

struct query_pg_pool;

/* What each connection sets before its first question. */
extern const char query_pg_settings[];

/* The borrower's until it gives it back. */
struct query_pg_connection {
	struct pg *pg;
	/* When it connected: the highest migration, and the oldest release
	 * that can read what it left. */
	unsigned schema, works_with;
	bool fresh;		/* made for this borrower */
	/* The pool's own. */
	enum { POOL_EMPTY, POOL_IDLE, POOL_BUSY } state;
	uint64_t statement_ms, used;
};

/* `source` has the time-out and the flag that ends every wait. */
struct query_pg_pool *query_pg_pool_new(const struct query_source_options *o,
    struct query_source *source) MUST_CHECK;
/* All connections were given back. */
void query_pg_pool_free(struct query_pg_pool **pp);
/* NULL: `why` says what is the matter, without where the server is. */
struct query_pg_connection *query_pg_pool_borrow(struct query_pg_pool *p,
    struct err *why) MUST_CHECK;
/* `broken`: it and all idle ones, which will have broken too, are closed. */
void query_pg_pool_give_back(struct query_pg_pool *p,
    struct query_pg_connection *c, bool broken);
/* Never connected, and only a human can mend why: in `err`, for the log. */
bool query_pg_pool_is_hopeless(struct query_pg_pool *p, struct err *err);
void query_pg_pool_count(struct query_pg_pool *p, struct query_pool *out);

#endif
