/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "apid/query_pg.h"

/*
 * The columns of a session: what to select where it ended and where it runs,
 * and the member they fill.
 */
#define FIELDS(F)                                                           \
	F(ID, id, "s.id", "s.id")                                           \
	F(ID, stream, "s.stream_id", "s.stream_id")                         \
	F(TIME, started_us, "s.started_at", "s.started_at")                 \
	F(TIME, ended_us, "s.ended_at", "NULL::timestamptz")                \
	F(TIME, received_us, "s.received_at", "NULL::timestamptz")          \
	F(NUM, duration_us, "s.duration_us", "s.duration_us")               \
	F(NUM, close_seq, "s.close_seq", "NULL::int8")                      \
	F(STR, proxy, "s.proxy", "s.proxy")                                 \
	F(STR, listener, "s.listener", "s.listener")                        \
	F(STR, user, "s.username", "s.username")                            \
	F(JSON, groups, "s.groups", "s.groups")                             \
	F(STR, claimed_user, "s.claimed_user", "s.claimed_user")            \
	F(IP, source_ip, "s.source_ip", "s.source_ip")                      \
	F(NUM, source_port, "s.source_port", "s.source_port")               \
	F(STR, dest_host, "s.dest_host", "s.dest_host")                     \
	F(IP, dest_ip, "s.dest_ip", "s.dest_ip")                            \
	F(NUM, dest_port, "s.dest_port", "s.dest_port")                     \
	F(IPS, resolved_ips, "s.resolved_ips", "s.resolved_ips")            \
	F(NUM, destinations, "s.destinations", "s.destinations")            \
	F(NUM, command, "s.command", "s.command")                           \
	F(NUM, carrier, "s.carrier", "s.carrier")                           \
	F(NUM, protocol, "s.protocol", "s.protocol")                        \
	F(NUM, decision, "s.acl_decision", "s.acl_decision")                \
	F(STR, rule, "s.acl_rule_matched", "s.acl_rule_matched")            \
	F(NUM, generation, "s.policy_generation", "s.policy_generation")    \
	F(STR, route, "s.route", "s.route")                                 \
	F(STR, limits, "s.limits_class", "s.limits_class")                  \
	F(NUM, auth_method, "s.auth_method", "s.auth_method")               \
	F(NUM, bytes_up, "s.bytes_up", "s.bytes_up")                        \
	F(NUM, bytes_down, "s.bytes_down", "s.bytes_down")                  \
	F(NUM, packets_up, "s.packets_up", "s.packets_up")                  \
	F(NUM, packets_down, "s.packets_down", "s.packets_down")            \
	F(NUM, status, "s.status", "0::int2")                               \
	F(STR, close_reason, "s.close_reason", "NULL::text")                \
	F(STR, close_detail, "s.close_detail", "NULL::text")                \
	F(NUM, reply_code, "s.reply_code", "NULL::int2")                    \
	F(NUM, setup_us, "s.setup_us", "NULL::int8")                        \
	F(NUM, attempts, "s.attempts", "1::int8")                           \
	F(NUM, incomplete, "s.incomplete::int4", "s.incomplete::int4")      \
	F(NUM, counters_lower_bound, "s.counters_lower_bound::int4",        \
	    "0::int4")                                                      \
	F(TIME, last_contact_us, "NULL::timestamptz",                       \
	    "(SELECT t.last_contact FROM sallyport.audit_stream t"          \
	    " WHERE t.stream_id = s.stream_id)")

#define ENDED_COLUMN(kind, member, ended, active) ended ", "
#define ACTIVE_COLUMN(kind, member, ended, active) active ", "
#define ENDED FIELDS(ENDED_COLUMN)
#define ACTIVE FIELDS(ACTIVE_COLUMN)

static const struct pg_statement active_sql = { "apid_active",
	"SELECT " ACTIVE "0 FROM sallyport.session_active s"
	" WHERE s.id = $1::uuid" };
/* The time that stands in the id leads to the one partition. */
const struct pg_statement query_pg_ended = { "apid_ended",
	"SELECT " ENDED "0 FROM sallyport.session s"
	" WHERE s.id = $1::uuid AND s.started_at = $2::timestamptz" };

/* ---- a row ---- */

/* Where a row is read from, column by column, and what its addresses become:
 * single ones and the array of them. */
struct row {
	struct pg_rows *rows;
	size_t at;
	unsigned column;
	uint8_t single[2][16];
	unsigned n_single;
	struct bytes *array;
};

static bool
skip_null(struct row *r)
{
	bool null = pg_is_null(r->rows, r->at, r->column);

	r->column += null;
	return null;
}

static struct id
column_ID(struct row *r)
{
	struct id id;

	pg_uuid(r->rows, r->at, r->column++, id.b);
	return id;
}

static uint64_t
column_NUM(struct row *r)
{
	int64_t v;

	if (skip_null(r))
		return QUERY_NULL;
	v = pg_int(r->rows, r->at, r->column++);
	return v < 0 ? 0 : (uint64_t)v;
}

static uint64_t
column_TIME(struct row *r)
{
	return skip_null(r) ? QUERY_NULL :
	    pg_time(r->rows, r->at, r->column++);
}

static struct str
column_STR(struct row *r)
{
	return skip_null(r) ? STR("") : pg_str(r->rows, r->at, r->column++);
}

static struct str
column_JSON(struct row *r)
{
	return skip_null(r) ? STR("") : pg_jsonb(r->rows, r->at, r->column++);
}

static struct str
column_IP(struct row *r)
{
	uint8_t *address = r->single[r->n_single++];

	if (skip_null(r))
		return STR("");
	pg_inet(r->rows, r->at, r->column++, address);
	return (struct str){ (const char *)address, 16 };
}

static struct str
column_IPS(struct row *r)
{
	struct pg_array a;
	struct str v;
	uint8_t address[16];
	bool null;

	bytes_clear(r->array);
	if (skip_null(r))
		return STR("");
	a = pg_array(r->rows, r->at, r->column++);
	while (pg_array_next(&a, &v, &null))
		if (!null && pg_get_inet(v, address))
			bytes_add(r->array, address, sizeof(address));
	return (struct str){ r->array->ptr, r->array->len };
}

static void
give_row(struct query_pg *q, struct pg_rows *rows, size_t at, bool active,
    query_row_fn *fn, void *arg)
{
	struct row r = { .rows = rows, .at = at, .array = &q->addresses };
	struct query_session s = { .active = active };

#define READ(kind, member, ended, active) s.member = column_##kind(&r);
	FIELDS(READ)
#undef READ
	fn(arg, &s);
}

/* ---- one ---- */

struct one {
	const struct id *id;
	query_row_fn *fn;
	void *arg;
};

static enum query_result
take_one(struct query_pg *q, const struct one *one, bool active, bool *found)
{
	struct pg_rows rows;
	enum query_result r = query_pg_next(q, &rows);

	if (r != QUERY_OK)
		return r;
	if (rows.n > 0 && !*found) {
		*found = true;
		give_row(q, &rows, 0, active, one->fn, one->arg);
	}
	return query_pg_done(q, &rows);
}

static enum query_result
ask_one(struct query_pg *q, void *arg)
{
	const struct one *one = arg;
	enum query_result r;
	bool found = false;

	pg_put_uuid(&q->params, one->id->b);
	query_pg_send(q, &active_sql);
	pg_put_uuid(&q->params, one->id->b);
	pg_put_time(&q->params, id_ms(one->id) * 1000);
	query_pg_send(q, &query_pg_ended);
	query_pg_commit(q);
	r = take_one(q, one, true, &found);
	if (r == QUERY_OK)
		r = take_one(q, one, false, &found);
	return r != QUERY_OK || found ? r : QUERY_NONE;
}

enum query_result
query_pg_session(struct query *base, const struct id *id, query_row_fn *fn,
    void *arg)
{
	struct one one = { id, fn, arg };

	return query_pg_ask(query_pg_of(base), ask_one, &one);
}

/* ---- pages ---- */

struct page_question {
	const struct query_filter *filter;
	query_row_fn *fn;
	void *arg;
	struct query_page *page;
};

/* Behind the columns of FIELDS. */
#define COUNT_ONE(kind, member, ended, active) + 1
enum {
	COLUMN_ID = 0,
	COLUMN_STARTED = 2,
	COLUMN_HIT = FIELDS(COUNT_ONE),
	COLUMN_N,
};

/* Each row is a hit but for the two that tell of the limit; one row more than
 * asked, or beyond the limit, tells that more may follow. */
static void
take_rows(struct query_pg *q, struct pg_rows *rows,
    const struct page_question *p)
{
	unsigned given = 0;

	for (size_t i = 0; i < rows->n; i++) {
		int64_t n = pg_int(rows, i, COLUMN_N);

		if (given == p->filter->limit || n > QUERY_EXAMINED_MAX) {
			p->page->more = true;
			return;
		}
		pg_uuid(rows, i, COLUMN_ID, p->page->last.id.b);
		p->page->last.started_us = pg_time(rows, i, COLUMN_STARTED);
		if (!pg_bool(rows, i, COLUMN_HIT))
			continue;
		give_row(q, rows, i, p->filter->active, p->fn, p->arg);
		given++;
	}
}

static enum query_result
ask_page(struct query_pg *q, void *arg)
{
	const struct page_question *p = arg;
	struct pg_statement st = { NULL, NULL };
	struct pg_rows rows;
	enum query_result r;

	query_pg_sql_page(&q->sql, &q->params, p->filter, p->filter->active ?
	    ACTIVE : ENDED);
	st.sql = q->sql.text.ptr;
	query_pg_send(q, &st);
	query_pg_commit(q);
	r = query_pg_next(q, &rows);
	if (r != QUERY_OK)
		return r;
	take_rows(q, &rows, p);
	return query_pg_done(q, &rows);
}

enum query_result
query_pg_sessions(struct query *base, const struct query_filter *f,
    query_row_fn *fn, void *arg, struct query_page *page)
{
	struct page_question p = { f, fn, arg, page };

	return query_pg_ask(query_pg_of(base), ask_page, &p);
}
