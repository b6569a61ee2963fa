/* SPDX-License-Identifier: MIT */
/*
 * Statements and their results. libpq gives results in the order in which
 * things were sent; a ticket for each thing sent says what comes next. A sync
 * closes what was queued: if one of these statements fails, those after it up
 * to the sync are not executed.
 *
 * When anything is amiss with the connection itself it is dropped at once,
 * and all tickets with it.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pgsql/pg_impl.h"

/* A server that is alive cancels the statement itself before this. */
#define GRACE_MS 2000

static uint64_t
deadline(const struct pg *p)
{
	return clock_mono_ms() + p->options.statement_ms + GRACE_MS;
}

static void
push(struct pg *p, enum pg_awaited what, const struct pg_statement *st)
{
	if (p->head == p->n_tickets)
		p->head = p->n_tickets = 0;
	if (p->n_tickets == p->cap) {
		p->cap = p->cap > 0 ? 2 * p->cap : 64;
		p->tickets =
		    xreallocarray(p->tickets, p->cap, sizeof(*p->tickets));
	}
	p->tickets[p->n_tickets++] = (struct pg_ticket){ what, st };
	p->results += what == AWAIT_RESULT;
	p->unsynced = what != AWAIT_SYNC;
}

static bool
is_prepared(const struct pg *p, const struct pg_statement *st)
{
	for (size_t i = 0; i < p->n_prepared; i++) {
		if (p->prepared[i] == st)
			return true;
	}
	return false;
}

/* The server did not take it after all. */
static void
forget(struct pg *p, const struct pg_statement *st)
{
	for (size_t i = 0; i < p->n_prepared; i++) {
		if (p->prepared[i] == st)
			p->prepared[i] = p->prepared[--p->n_prepared];
	}
}

static bool
send_prepare(struct pg *p, const struct pg_statement *st)
{
	if (!PQsendPrepare(p->conn, st->name, st->sql, 0, NULL))
		return false;
	ASSERT(p->n_prepared < PG_PREPARED_MAX);
	p->prepared[p->n_prepared++] = st;
	push(p, AWAIT_PREPARE, st);
	return true;
}

static bool
send_execute(
    struct pg *p, const struct pg_statement *st, const struct pg_params *a)
{
	const char *values[PG_PARAMS_MAX];
	int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];
	int n = a != NULL ? (int)a->n : 0;

	for (int i = 0; i < n; i++) {
		bool null = a->values[i].len < 0;

		/* An empty value may stand where the data has no byte yet. */
		values[i] = null ? NULL
			    : a->data.ptr == NULL
				? ""
				: a->data.ptr + a->values[i].at;
		lengths[i] = null ? 0 : a->values[i].len;
		formats[i] = 1;
	}
	if (st->name != NULL)
		return PQsendQueryPrepared(p->conn, st->name, n, values,
			   lengths, formats, 1) != 0;
	return PQsendQueryParams(
		   p->conn, st->sql, n, NULL, values, lengths, formats, 1) != 0;
}

enum pg_status
pg_send(struct pg *p, const struct pg_statement *st, const struct pg_params *a)
{
	if (p->conn == NULL)
		return pg_fail(p, PG_AWAY, NULL, "there is no connection");
	if (PQpipelineStatus(p->conn) == PQ_PIPELINE_OFF &&
	    !PQenterPipelineMode(p->conn))
		return pg_lost(p);
	if (st->name != NULL && !is_prepared(p, st) && !send_prepare(p, st))
		return pg_lost(p);
	if (!send_execute(p, st, a))
		return pg_lost(p);
	push(p, AWAIT_RESULT, NULL);
	return PG_OK;
}

/* Sends all that is queued, reading on so that the server is never stuck. */
static enum pg_status
flush(struct pg *p)
{
	uint64_t until = deadline(p);

	for (;;) {
		int r = PQflush(p->conn);

		if (r == 0)
			return PG_OK;
		if (r < 0)
			return pg_lost(p);
		if (!pg_wait(p, POLLIN | POLLOUT, until))
			return pg_drop(p);
		if (!PQconsumeInput(p->conn))
			return pg_lost(p);
	}
}

static enum pg_status
sync_up(struct pg *p)
{
	if (!PQpipelineSync(p->conn))
		return pg_lost(p);
	push(p, AWAIT_SYNC, NULL);
	return flush(p);
}

/* The next result of libpq, or NULL between two; PG_AWAY: lost. */
static enum pg_status
get_result(struct pg *p, uint64_t until, PGresult **result)
{
	while (PQisBusy(p->conn)) {
		if (!pg_wait(p, POLLIN, until))
			return pg_drop(p);
		if (!PQconsumeInput(p->conn))
			return pg_lost(p);
	}
	*result = PQgetResult(p->conn);
	/* libpq answers for a dead connection with results of its own. */
	if (PQstatus(p->conn) != CONNECTION_OK) {
		PQclear(*result);
		return pg_lost(p);
	}
	return PG_OK;
}

static enum pg_status
judge(struct pg *p, const PGresult *result)
{
	switch (PQresultStatus(result)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_EMPTY_QUERY:
	case PGRES_PIPELINE_SYNC: return PG_OK;
	case PGRES_PIPELINE_ABORTED:
		return p->failed != PG_OK ? p->failed : PG_FAULT;
	default: return pg_fail_result(p, result);
	}
}

static enum pg_status
out_of_step(struct pg *p)
{
	pg_fail(p, PG_AWAY, NULL, "the server's answers are out of step");
	return pg_drop(p);
}

/* The result of the next ticket: the caller's to PQclear. */
static enum pg_status
take_ticket(struct pg *p, struct pg_ticket *ticket, PGresult **result)
{
	uint64_t until = deadline(p);
	PGresult *null = NULL;
	enum pg_status r;

	*ticket = p->tickets[p->head];
	*result = NULL;
	r = get_result(p, until, result);
	if (r != PG_OK)
		return r;
	if (*result == NULL)
		return out_of_step(p);
	p->head++;
	p->results -= ticket->what == AWAIT_RESULT;
	r = judge(p, *result);
	if (ticket->what == AWAIT_PREPARE && r != PG_OK)
		forget(p, ticket->st);
	if (p->failed == PG_OK)
		p->failed = r;
	/* A NULL ends each result, but for a sync's. */
	if (ticket->what == AWAIT_SYNC)
		p->failed = PG_OK;
	else if (get_result(p, until, &null) != PG_OK)
		r = PG_AWAY;
	else if (null != NULL)
		r = out_of_step(p);
	PQclear(null);
	if (r == PG_AWAY) {
		/* The server said goodbye, or is gone. */
		PQclear(*result);
		*result = NULL;
		pg_drop(p);
	}
	return r;
}

/* Reads what follows the last result, so that nothing is left over. */
static enum pg_status
take_syncs(struct pg *p)
{
	enum pg_status r = PG_OK;
	struct pg_ticket ticket;
	PGresult *result;

	while (r == PG_OK && p->results == 0 && p->head < p->n_tickets) {
		r = take_ticket(p, &ticket, &result);
		if (r != PG_AWAY)
			PQclear(result);
	}
	return r;
}

static void
fill_rows(struct pg_rows *rows, PGresult *result)
{
	*rows = (struct pg_rows){ .result = result,
		.n = (size_t)PQntuples(result),
		.tag = PQcmdStatus(result) };
	if (!str_to_u64(
		str_from(PQcmdTuples(result)), UINT64_MAX, &rows->affected))
		rows->affected = 0;
}

enum pg_status
pg_next(struct pg *p, struct pg_rows *rows)
{
	struct pg_ticket ticket = { AWAIT_SYNC, NULL };
	PGresult *result = NULL;
	enum pg_status r = PG_OK;

	if (p->conn == NULL)
		return PG_AWAY;
	ASSERT(p->results > 0);
	if (p->unsynced)
		r = sync_up(p);
	while (r != PG_AWAY && ticket.what != AWAIT_RESULT) {
		PQclear(result);
		result = NULL;
		r = take_ticket(p, &ticket, &result);
	}
	if (r != PG_AWAY && p->results == 0 && take_syncs(p) == PG_AWAY)
		r = PG_AWAY;
	if (r == PG_OK && rows != NULL) {
		fill_rows(rows, result);
		return PG_OK;
	}
	PQclear(result);
	return r;
}

enum pg_status
pg_drain(struct pg *p)
{
	enum pg_status first = PG_OK;

	while (p->results > 0) {
		enum pg_status r = pg_next(p, NULL);

		if (first == PG_OK)
			first = r;
	}
	return first;
}

size_t
pg_queued(const struct pg *p)
{
	return p->results;
}

enum pg_status
pg_query(struct pg *p, const struct pg_statement *st, const struct pg_params *a,
    struct pg_rows *rows)
{
	enum pg_status r = pg_send(p, st, a);

	ASSERT(p->results <= 1);
	return r == PG_OK ? pg_next(p, rows) : r;
}

enum pg_status
pg_exec(struct pg *p, const char *sql)
{
	enum pg_status first = PG_OK, r;
	PGresult *result;

	if (p->conn == NULL)
		return pg_fail(p, PG_AWAY, NULL, "there is no connection");
	ASSERT(p->head == p->n_tickets);
	if (!PQexitPipelineMode(p->conn) || !PQsendQuery(p->conn, sql) ||
	    flush(p) != PG_OK)
		return p->conn != NULL ? pg_lost(p) : PG_AWAY;
	do {
		result = NULL;
		if (get_result(p, deadline(p), &result) != PG_OK)
			return PG_AWAY;
		if (result == NULL)
			break;
		r = judge(p, result);
		if (first == PG_OK)
			first = r;
		PQclear(result);
	} while (true);
	if (first == PG_AWAY)
		pg_drop(p);
	return first;
}
