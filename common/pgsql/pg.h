/* SPDX-License-Identifier: MIT */
/*
 * pg: one connection to PostgreSQL whose every wait has an end.
 *
 * A struct pg holds what is needed to connect, and at most one connection; it
 * belongs to one thread at a time. Statements are queued (pg_send) and travel
 * together; their results come back in order (pg_next), parameters and values
 * in binary (pg_wire.h). A statement with a name is prepared once for each
 * connection.
 *
 * Only the name server can hold pg_connect longer than its options say: for
 * as long as the resolver's own configuration lets it.
 */
#ifndef PGSQL_PG_H
#define PGSQL_PG_H

#include <stdatomic.h>

#include "base/err.h"
#include "base/str.h"
#include "pgsql/pg_wire.h"

struct pg;

enum pg_status {
	PG_OK,
	PG_POISON,   /* a value was refused: SQLSTATE class 22 or 23 */
	PG_BUSY,     /* a lock, a conflict, or the statement took too long */
	PG_FULL,     /* no room on the server's disk */
	PG_IO,       /* the server's disk failed */
	PG_READONLY, /* a standby, or a read-only transaction */
	PG_CORRUPT,  /* the server found damaged data */
	PG_DENIED,   /* password, role, database or right is missing */
	PG_AWAY,     /* there is no connection, or no longer */
	PG_FAULT,    /* anything else: ours to mend */
	PG_STATUSES,
};

struct pg_options {
	const char *url;           /* postgresql://… */
	const char *password_file; /* its first line; NULL, "": as in url */
	const char *application;   /* as the server's lists show it */
	uint32_t connect_ms;       /* for the whole of pg_connect */
	uint32_t statement_ms;     /* when the server cancels a statement */
	uint32_t lock_ms;          /* when it stops to wait for a lock */
	bool read_only;            /* every transaction of the connection */
	bool generic_plans;        /* plan a prepared statement only once */
	/* Once true, every wait ends as PG_AWAY within 0.1 s; NULL: none. */
	const atomic_bool *stop;
};

/* Looks at the form of a URL without connecting. The error never quotes it. */
int pg_check_url(const char *url, struct err *err) MUST_CHECK;

/* Copies the options (`stop` is borrowed); does not connect yet. */
struct pg *pg_new(const struct pg_options *o) MUST_CHECK;
/*
 * Drops a connection that there was, and makes a new one: reads the password
 * file, logs in, settles the session (UTC, UTF-8, search_path pg_catalog,
 * time-outs). Servers before 15 are refused.
 */
enum pg_status pg_connect(struct pg *p) MUST_CHECK;
/* Whether only a human can mend why pg_connect failed last. */
bool pg_is_final(const struct pg *p);
/* Whether there is a connection, as far as is known without asking. */
bool pg_is_connected(const struct pg *p);
void pg_disconnect(struct pg *p);
void pg_free(struct pg **pp);

/* 150004 is 15.4; 0 before the first connection. */
int pg_server_version(const struct pg *p);
/* A parameter that the server reports by itself ("in_hot_standby"); NULL. */
const char *pg_parameter(const struct pg *p, const char *name);
/* One printable line about the last failure, without secrets. */
const char *pg_message(const struct pg *p);
/* Five characters, or "" if the last failure was none of the server's. */
const char *pg_sqlstate(const struct pg *p);

struct pg_statement {
	const char *name; /* NULL: parsed and planned each time */
	const char *sql;  /* parameters with their types: $1::int8 */
};

/* What a statement gave; values are borrowed until pg_rows_fini. */
struct pg_rows {
	void *result;
	size_t n;          /* rows */
	uint64_t affected; /* rows inserted, updated, deleted, selected */
	const char *tag;   /* what was done: "COMMIT", "INSERT 0 5" */
	bool bad;          /* a value was not of the type it was read as */
};

/*
 * Queues a statement; nothing of `st` is copied but what the server gets, and
 * a named one stays valid until pg_free. `params` NULL: none. Fails as
 * PG_AWAY only.
 */
enum pg_status pg_send(struct pg *p, const struct pg_statement *st,
    const struct pg_params *params) MUST_CHECK;
/*
 * Sends what is queued and waits for the result of the oldest statement whose
 * result was not read. After a failure the statements queued with it fail the
 * same way, unexecuted. `rows` NULL: not of interest; else to be pg_rows_fini'd
 * after PG_OK.
 */
enum pg_status pg_next(struct pg *p, struct pg_rows *rows) MUST_CHECK;
/* pg_next for all that is queued; the first failure. */
enum pg_status pg_drain(struct pg *p) MUST_CHECK;
/* Statements whose results were not read yet. */
size_t pg_queued(const struct pg *p);
/* pg_send and pg_next; nothing else may be queued. */
enum pg_status pg_query(struct pg *p, const struct pg_statement *st,
    const struct pg_params *params, struct pg_rows *rows) MUST_CHECK;
/* Runs any number of statements of plain SQL; nothing may be queued. */
enum pg_status pg_exec(struct pg *p, const char *sql) MUST_CHECK;

/*
 * Values of a row. A NULL or a value of another type sets rows->bad and reads
 * as 0 or empty; so look for NULL first where there may be one, and at `bad`
 * once at the end.
 */
bool pg_is_null(const struct pg_rows *rows, size_t row, unsigned column);
int64_t pg_int(struct pg_rows *rows, size_t row, unsigned column);
bool pg_bool(struct pg_rows *rows, size_t row, unsigned column);
/* µs since 1970; 0 before. */
uint64_t pg_time(struct pg_rows *rows, size_t row, unsigned column);
/* text, bytea, name, json: as it came. */
struct str pg_str(struct pg_rows *rows, size_t row, unsigned column);
struct str pg_jsonb(struct pg_rows *rows, size_t row, unsigned column);
void pg_uuid(
    struct pg_rows *rows, size_t row, unsigned column, uint8_t out[static 16]);
/* IPv4 as ::ffff:a.b.c.d. */
void pg_inet(
    struct pg_rows *rows, size_t row, unsigned column, uint8_t out[static 16]);
/* For arrays: the reader of pg_wire.h. */
struct pg_array pg_array(struct pg_rows *rows, size_t row, unsigned column);
void pg_rows_fini(struct pg_rows *rows);

/* The class of a SQLSTATE. */
enum pg_status pg_class(const char *sqlstate);

#endif
