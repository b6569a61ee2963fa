/* SPDX-License-Identifier: MIT */
/*
 * pg_impl: what the files of this room share.
 *
 *	pg.c		options, connecting, waiting
 *	pg_pipeline.c	statements and their results
 *	pg_error.c	classes and words of failures
 *	pg_rows.c	values of rows
 *	pg_url.c	the form of a URL
 *	pg_wire.c	binary forms
 */
#ifndef PGSQL_PG_IMPL_H
#define PGSQL_PG_IMPL_H

#include <libpq-fe.h>
#include <stdint.h>

#include "pgsql/pg.h"

#define PG_PREPARED_MAX 64

/* What libpq will give results for, in order. */
enum pg_awaited { AWAIT_PREPARE, AWAIT_RESULT, AWAIT_SYNC };

struct pg_ticket {
	enum pg_awaited what;
	const struct pg_statement *st; /* of AWAIT_PREPARE */
};

struct pg {
	struct pg_options options; /* texts are ours, url is a secret */
	PGconn *conn;
	int version;
	bool final;
	char message[512], sqlstate[6];

	const struct pg_statement *prepared[PG_PREPARED_MAX];
	size_t n_prepared;
	struct pg_ticket *tickets; /* from `head` on */
	size_t head, n_tickets, cap;
	size_t results;        /* AWAIT_RESULTs among them */
	bool unsynced;         /* something was queued after the last sync */
	enum pg_status failed; /* of the statements up to the next sync */
};

/* Waits for the socket until `deadline_ms` (clock_mono_ms) or a stop; false:
 * neither came, and the message says which. */
bool pg_wait(struct pg *p, short events, uint64_t deadline_ms);
/* Closes the connection and forgets what hung on it; the message stays as it
 * is, or is libpq's. Both give PG_AWAY. */
enum pg_status pg_drop(struct pg *p);
enum pg_status pg_lost(struct pg *p);

/* Notes state and words of a failure. */
enum pg_status pg_fail(
    struct pg *p, enum pg_status r, const char *state, const char *words);
/* Notes what a result of the server says; never PG_OK. */
enum pg_status pg_fail_result(struct pg *p, const PGresult *result);
/* Notes why PQconnectPoll failed; sets p->final. */
enum pg_status pg_fail_connect(struct pg *p);

/* The parsed URL, to be PQconninfoFree'd. */
PQconninfoOption *pg_parse_url(const char *url, struct err *err) MUST_CHECK;

#endif
