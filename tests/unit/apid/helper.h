/* SPDX-License-Identifier: MIT */
/*
 * helper: a database as sessiond makes it, from its schema files, with rows
 * that a test can also compute; and the model: the same rows, scanned naively.
 *
 * It is a file of SQLite, or, where $SALLYPORT_TEST_PG names a server of
 * PostgreSQL (with_postgres.py), a database of its own there, which is read as
 * sallyport_reader. SQL of tests suits both by these functions: us(µs) and
 * later(time, µs) give a time, hour_of(time) its hour, uid('hex'), newid() and
 * id_of(µs, n) an id, the last one of that time, ip('text') an address,
 * ip_text(address) its text, flag(0 or 1) a truth.
 */
#ifndef TESTS_APID_HELPER_H
#define TESTS_APID_HELPER_H

#include <libpq-fe.h>
#include <sqlite3.h>

#include "apid/query.h"

#define SEED_NOW_US UINT64_C(1790000000000000)	/* 2026-09-21T14:13:20Z */
#define SEED_STEP_US UINT64_C(1000000)	/* between the beginnings of two */

struct base {
	char dir[64], path[96];	/* path: of SQLite's file */
	char url[256];		/* the setting, of the reader */
	char name[32];		/* of PostgreSQL's database */
	sqlite3 *db;		/* the writer; one of them is NULL */
	PGconn *pg;
	struct query_source *source;
};

/* Which back end the tests are run for. */
bool base_is_pg(void);

/* With the schema and no rows. */
void base_open(struct base *b);
void base_close(struct base *b);
/* Runs statements. */
void base_run(struct base *b, const char *sql, ...) PRINTF_LIKE(2, 3);

/* What varies from row to row; all from `n` alone. */
struct seed {
	struct id id;
	uint64_t started_us;
	char user[16];
	struct addr source, dest;
	bool has_dest_ip;
	char host[32];		/* "": asked by address */
	uint16_t port;
	enum record_status status;
	enum record_decision decision;
	const char *reason;
	uint64_t bytes_up, bytes_down;
};

/* Row `n` began n * SEED_STEP_US before SEED_NOW_US, but that every third
 * shares its moment with the row before it. */
struct seed seed_of(unsigned n);
/* Rows from..to-1 as ended sessions, with their rollups. */
void base_add_ended(struct base *b, unsigned from, unsigned to);
/* Makes the rollups of all that ended anew. */
void base_sum(struct base *b);
/* The same as running ones, of a stream heard at SEED_NOW_US. */
void base_add_active(struct base *b, unsigned from, unsigned to);
#define BASE_ROLLUP                                                         \
	"INSERT INTO rollup_hour (dimension, hour, key, sessions, closed,"  \
	" failed, rejected, allowed, blocked, redirected, bytes_up,"        \
	" bytes_down, duration_us) VALUES "

/* One that ended and is SEED_STEP_US newer than all. */
void base_add_newest(struct base *b);
/* `n` ended ones of the user "many", newer than all; no destination. */
void base_add_many(struct base *b, unsigned n);

/* Takes the database away from its readers, and gives it back. */
void base_hide(struct base *b);
void base_show(struct base *b);

/* Would `f` take this row? By the definition, not by SQL. */
bool seed_matches(const struct seed *s, const struct query_filter *f);

/* ---- for PostgreSQL ---- */

/* The server as its superuser knows it; a database's name for `database`. */
void base_pg_url(char *out, size_t size, const char *user,
    const char *password, const char *database);

#define BASE_PG_PASSWORD "reader"	/* of sallyport_reader */

/* What base_open and base_close are made of. */
void base_pg_open(struct base *b);
void base_pg_close(struct base *b);
void base_pg_run(struct base *b, const char *sql);
/* Whether others may connect; not: those that did are cut off. */
void base_pg_allow(struct base *b, bool allow);

#endif
