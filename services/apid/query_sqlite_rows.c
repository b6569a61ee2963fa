/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "apid/query_sqlite.h"

/*
 * The columns of a session: what to select where it ended and where it runs,
 * and the member they fill.
 */
#define ENDED_ONLY "NULL"
#define FIELDS(F)                                                           \
	F(ID, id, "s.id", "s.id")                                           \
	F(ID, stream, "s.stream_id", "s.stream_id")                         \
	F(NUM, started_us, "s.started_at", "s.started_at")                  \
	F(NUM, ended_us, "s.ended_at", ENDED_ONLY)                          \
	F(NUM, received_us, "s.received_at", ENDED_ONLY)                    \
	F(NUM, duration_us, "s.duration_us", "s.duration_us")               \
	F(NUM, close_seq, "s.close_seq", ENDED_ONLY)                        \
	F(STR, proxy, "s.proxy", "s.proxy")                                 \
	F(STR, listener, "s.listener", "s.listener")                        \
	F(STR, user, "s.username", "s.username")                            \
	F(STR, groups, "s.groups", "s.groups")                              \
	F(STR, claimed_user, "s.claimed_user", "s.claimed_user")            \
	F(STR, source_ip, "s.source_ip", "s.source_ip")                     \
	F(NUM, source_port, "s.source_port", "s.source_port")               \
	F(STR, dest_host, "s.dest_host", "s.dest_host")                     \
	F(STR, dest_ip, "s.dest_ip", "s.dest_ip")                           \
	F(NUM, dest_port, "s.dest_port", "s.dest_port")                     \
	F(STR, resolved_ips, "s.resolved_ips", "s.resolved_ips")            \
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
	F(NUM, status, "s.status", "0")                                     \
	F(STR, close_reason, "s.close_reason", ENDED_ONLY)                  \
	F(STR, close_detail, "s.close_detail", ENDED_ONLY)                  \
	F(NUM, reply_code, "s.reply_code", ENDED_ONLY)                      \
	F(NUM, setup_us, "s.setup_us", ENDED_ONLY)                          \
	F(NUM, attempts, "s.attempts", "1")                                 \
	F(NUM, incomplete, "s.incomplete", "s.incomplete")                  \
	F(NUM, counters_lower_bound, "s.counters_lower_bound", "0")         \
	F(NUM, last_contact_us, ENDED_ONLY, "t.last_contact")

#define ENDED_COLUMN(kind, member, ended, active) ended ", "
#define ACTIVE_COLUMN(kind, member, ended, active) active ", "

static const char ended_sql[] = "SELECT " FIELDS(ENDED_COLUMN)
    "0 FROM session s WHERE s.started_at = ?1 AND s.id = ?2";
static const char active_sql[] = "SELECT " FIELDS(ACTIVE_COLUMN)
    "1 FROM session_active s LEFT JOIN audit_stream t"
    " ON t.stream_id = s.stream_id WHERE s.id = ?2";

#define column_ID query_sqlite_id
#define column_NUM query_sqlite_num
#define column_STR query_sqlite_str

static void
read_session(sqlite3_stmt *st, struct query_session *s)
{
	int i = 0;

#define READ(kind, member, ended, active) s->member = column_##kind(st, i++);
	FIELDS(READ)
#undef READ
	s->active = sqlite3_column_int(st, i) != 0;
}

/* Made once a connection. */
static sqlite3_stmt *
point_statement(struct query_sqlite *q, bool active)
{
	sqlite3_stmt **st = active ? &q->active : &q->ended;

	if (*st == NULL)
		*st = query_sqlite_prepare(q, active ? active_sql : ended_sql);
	return *st;
}

static enum query_result
give_session(struct query_sqlite *q, bool active, const struct query_key *key,
    query_row_fn *fn, void *arg)
{
	sqlite3_stmt *st = point_statement(q, active);
	enum query_result r = QUERY_OK;
	struct query_session s;
	int step;

	if (st == NULL)
		return query_sqlite_fail(q);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)key->started_us);
	sqlite3_bind_blob(st, 2, key->id.b, sizeof(key->id.b), SQLITE_STATIC);
	step = sqlite3_step(st);
	if (step == SQLITE_ROW) {
		read_session(st, &s);
		fn(arg, &s);
	} else {
		r = step == SQLITE_DONE ? QUERY_NONE : query_sqlite_fail(q);
	}
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return r;
}

enum query_result
query_sqlite_session(struct query *base, const struct id *id,
    query_row_fn *fn, void *arg)
{
	struct query_key key = { id_ms(id) * 1000, *id };
	struct query_sqlite *q = query_sqlite_of(base);
	enum query_result r = query_sqlite_begin(q);

	if (r != QUERY_OK)
		return r;
	r = give_session(q, true, &key, fn, arg);
	if (r == QUERY_NONE)
		r = give_session(q, false, &key, fn, arg);
	return query_sqlite_end(q, r);
}

/* ---- pages ---- */

static void
bind_all(sqlite3_stmt *st, const struct query_sql *sql)
{
	for (size_t i = 0; i < sql->n; i++) {
		const struct query_bind *b = &sql->binds[i];
		int at = (int)i + 1;

		if (b->kind == BIND_NUMBER)
			sqlite3_bind_int64(st, at, b->number > INT64_MAX ?
			    INT64_MAX : (sqlite3_int64)b->number);
		else if (b->kind == BIND_TEXT)
			sqlite3_bind_text(st, at, b->bytes.ptr,
			    (int)b->bytes.len, SQLITE_STATIC);
		else if (b->bytes.len == 0)
			sqlite3_bind_zeroblob(st, at, 0);
		else
			sqlite3_bind_blob(st, at, b->bytes.ptr,
			    (int)b->bytes.len, SQLITE_STATIC);
	}
}

/* Steps through the keys; one row more than asked tells that more follow. */
static enum query_result
walk(struct query_sqlite *q, sqlite3_stmt *st, const struct query_filter *f,
    query_row_fn *fn, void *arg, struct query_page *page)
{
	unsigned given = 0, examined = 0;
	int step;

	while ((step = sqlite3_step(st)) == SQLITE_ROW) {
		bool hit = sqlite3_column_int(st, 2) != 0;
		struct query_key key = { query_sqlite_num(st, 0),
			query_sqlite_id(st, 1) };
		enum query_result r;

		if (given == f->limit || examined == QUERY_EXAMINED_MAX) {
			page->more = true;
			return QUERY_OK;
		}
		examined++;
		page->last = key;
		if (!hit)
			continue;
		r = give_session(q, f->active, &key, fn, arg);
		if (r != QUERY_OK)
			return r == QUERY_NONE ? QUERY_UNAVAILABLE : r;
		given++;
	}
	return step == SQLITE_DONE ? QUERY_OK : query_sqlite_fail(q);
}

enum query_result
query_sqlite_sessions(struct query *base, const struct query_filter *f,
    query_row_fn *fn, void *arg, struct query_page *page)
{
	struct query_sqlite *q = query_sqlite_of(base);
	enum query_result r = query_sqlite_begin(q);
	sqlite3_stmt *st;

	if (r != QUERY_OK)
		return r;
	query_sql_keys(&q->sql, f);
	bytes_add(&q->sql.text, "", 1);
	st = query_sqlite_prepare(q, q->sql.text.ptr);
	if (st == NULL)
		return query_sqlite_end(q, query_sqlite_fail(q));
	bind_all(st, &q->sql);
	r = walk(q, st, f, fn, arg, page);
	sqlite3_finalize(st);
	return query_sqlite_end(q, r);
}
