/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

static const char *const schema_files[] = { SCHEMA_FILES, NULL };

/* ---- SQLite, and its words for what a test says ---- */

static void
sql_same(sqlite3_context *c, int n, sqlite3_value **v)
{
	(void)n;
	sqlite3_result_value(c, v[0]);
}

static void
sql_later(sqlite3_context *c, int n, sqlite3_value **v)
{
	(void)n;
	sqlite3_result_int64(c, sqlite3_value_int64(v[0]) +
	    sqlite3_value_int64(v[1]));
}

static void
sql_hour_of(sqlite3_context *c, int n, sqlite3_value **v)
{
	sqlite3_int64 t = sqlite3_value_int64(v[0]);

	(void)n;
	sqlite3_result_int64(c, t - t % 3600000000);
}

static void
sql_uid(sqlite3_context *c, int n, sqlite3_value **v)
{
	const char *hex = (const char *)sqlite3_value_text(v[0]);
	uint8_t raw[16];

	(void)n;
	for (unsigned i = 0; i < 16; i++)
		sscanf(hex + 2 * i, "%2hhx", &raw[i]);
	sqlite3_result_blob(c, raw, 16, SQLITE_TRANSIENT);
}

static void
sql_id_of(sqlite3_context *c, int n, sqlite3_value **v)
{
	uint64_t us = (uint64_t)sqlite3_value_int64(v[0]);
	uint64_t number = (uint64_t)sqlite3_value_int64(v[1]);
	uint8_t raw[16];
	struct writer w = writer_on(raw, sizeof(raw));

	(void)n;
	writer_u64(&w, us / 1000 << 16 | 0x7000);
	writer_u64(&w, UINT64_C(0x8000) << 48 | number);
	sqlite3_result_blob(c, raw, 16, SQLITE_TRANSIENT);
}

static void
sql_ip(sqlite3_context *c, int n, sqlite3_value **v)
{
	struct addr a;

	(void)n;
	if (addr_parse(&a, str_from((const char *)sqlite3_value_text(v[0]))))
		sqlite3_result_blob(c, a.b, 16, SQLITE_TRANSIENT);
}

static void
sql_ip_text(sqlite3_context *c, int n, sqlite3_value **v)
{
	char text[ADDR_TEXT_SIZE];
	struct addr a;

	(void)n;
	if (sqlite3_value_bytes(v[0]) != 16)
		return;
	memcpy(a.b, sqlite3_value_blob(v[0]), 16);
	addr_format(text, &a);
	sqlite3_result_text(c, text, -1, SQLITE_TRANSIENT);
}

static void
sql_newid(sqlite3_context *c, int n, sqlite3_value **v)
{
	uint8_t raw[16];

	(void)n;
	(void)v;
	sqlite3_randomness(16, raw);
	sqlite3_result_blob(c, raw, 16, SQLITE_TRANSIENT);
}

static void
add_functions(sqlite3 *db)
{
	static const struct {
		const char *name;
		int n;
		void (*fn)(sqlite3_context *c, int n, sqlite3_value **v);
	} functions[] = {
		{ "us", 1, sql_same }, { "flag", 1, sql_same },
		{ "later", 2, sql_later }, { "hour_of", 1, sql_hour_of },
		{ "uid", 1, sql_uid }, { "newid", 0, sql_newid },
		{ "id_of", 2, sql_id_of }, { "ip", 1, sql_ip }, { "ip_text", 1, sql_ip_text },
	};

	for (size_t i = 0; i < ARRAY_LEN(functions); i++)
		assert_int_equal(sqlite3_create_function(db,
		    functions[i].name, functions[i].n, SQLITE_UTF8, NULL,
		    functions[i].fn, NULL, NULL), SQLITE_OK);
}

static void
sqlite_run(struct base *b, const char *sql)
{
	char *why = NULL;

	if (sqlite3_exec(b->db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", why, sql);
}

static void
apply_schema(struct base *b, const char *path)
{
	static char text[65536];
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	sqlite_run(b, text);
}

static void
sqlite_open(struct base *b)
{
	snprintf(b->path, sizeof(b->path), "%s/sallyport.db", b->dir);
	snprintf(b->url, sizeof(b->url), "sqlite:%s", b->path);
	assert_int_equal(sqlite3_open(b->path, &b->db), SQLITE_OK);
	add_functions(b->db);
	sqlite_run(b, "PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL;"
	    "PRAGMA application_id = 1396788313;"
	    "CREATE TABLE schema_migration (number INTEGER PRIMARY KEY,"
	    " name TEXT NOT NULL, checksum TEXT NOT NULL,"
	    " applied_at INTEGER NOT NULL) STRICT");
	for (unsigned i = 0; schema_files[i] != NULL; i++) {
		apply_schema(b, schema_files[i]);
		base_run(b, "INSERT INTO schema_migration VALUES"
		    " (%u, 'x', 'x', 0)", i + 1);
	}
}

static void
sqlite_close(struct base *b)
{
	static const char *const tails[] = { "", "-wal", "-shm", NULL };
	char path[128];

	sqlite3_close(b->db);
	for (unsigned i = 0; tails[i] != NULL; i++) {
		snprintf(path, sizeof(path), "%s%s", b->path, tails[i]);
		unlink(path);
	}
}

/* ---- either ---- */

bool
base_is_pg(void)
{
	return getenv("SALLYPORT_TEST_PG") != NULL;
}

void
base_run(struct base *b, const char *sql, ...)
{
	char *text;
	va_list ap;

	va_start(ap, sql);
	assert_true(vasprintf(&text, sql, ap) > 0);
	va_end(ap);
	if (base_is_pg())
		base_pg_run(b, text);
	else
		sqlite_run(b, text);
	free(text);
}

void
base_open(struct base *b)
{
	struct query_source_options o = { .database = b->url,
		.connections = 4 };
	struct err err;

	memset(b, 0, sizeof(*b));
	strcpy(b->dir, "/tmp/sallyport-apid-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	if (base_is_pg())
		base_pg_open(b);
	else
		sqlite_open(b);
	b->source = query_source_new(&o, &err);
	if (b->source == NULL)
		fail_msg("%s", err.text);
}

void
base_close(struct base *b)
{
	query_source_free(&b->source);
	if (base_is_pg())
		base_pg_close(b);
	else
		sqlite_close(b);
	rmdir(b->dir);
}

void
base_hide(struct base *b)
{
	char away[128];

	snprintf(away, sizeof(away), "%s.away", b->path);
	if (base_is_pg())
		base_pg_allow(b, false);
	else
		assert_int_equal(rename(b->path, away), 0);
}

void
base_show(struct base *b)
{
	char away[128];

	snprintf(away, sizeof(away), "%s.away", b->path);
	if (base_is_pg())
		base_pg_allow(b, true);
	else
		assert_int_equal(rename(away, b->path), 0);
}

/* ---- rows ---- */

/* Small and fixed: a test must not depend on luck. */
static uint32_t
mix(uint32_t n)
{
	n ^= n >> 16;
	n *= 0x7feb352du;
	n ^= n >> 15;
	n *= 0x846ca68bu;
	return n ^ n >> 16;
}

static struct id
seed_id(uint64_t ms, unsigned n)
{
	struct id id;
	struct writer w = writer_on(id.b, sizeof(id.b));

	writer_u16(&w, (uint16_t)(ms >> 32));
	writer_u32(&w, (uint32_t)ms);
	writer_u16(&w, 0x7000);
	writer_u32(&w, 0x80000000u | mix(n) >> 4);
	writer_u32(&w, n);
	return id;
}

struct seed
seed_of(unsigned n)
{
	static const char *const reasons[] = {
		NULL, "target_closed", "connect_refused", "policy_block",
	};
	uint32_t r = mix(n + 1);
	unsigned at = n % 3 == 1 ? n - 1 : n;
	struct seed s = { .started_us = SEED_NOW_US - at * SEED_STEP_US };

	s.id = seed_id(s.started_us / 1000, n);
	snprintf(s.user, sizeof(s.user), "user%u", r % 5);
	s.source = addr_from_v4((uint8_t[]){ 10, 0, (uint8_t)(r >> 8 & 3),
	    (uint8_t)(r >> 10 & 7) });
	s.dest = r >> 13 & 1 ? addr_from_v6((uint8_t[16]){ 0x20, 0x01, 0xd,
	    0xb8, [15] = (uint8_t)(r >> 14 & 7) }) :
	    addr_from_v4((uint8_t[]){ 192, 0, 2, (uint8_t)(r >> 14 & 15) });
	s.has_dest_ip = (r >> 18 & 7) != 0;
	if (r >> 21 & 1)
		snprintf(s.host, sizeof(s.host), "h%u.example.com",
		    r >> 22 & 3);
	s.port = r >> 24 & 1 ? 443 : 80;
	s.status = (enum record_status)(1 + (r >> 25) % 3);
	s.reason = reasons[s.status];
	s.decision = s.status == STATUS_REJECTED ? DECISION_BLOCK :
	    DECISION_ALLOW;
	s.bytes_up = r % 1000;
	s.bytes_down = r % 7777;
	return s;
}

/* What running and ended sessions have in common. */
#define COMMON                                                              \
	"started_at, id, duration_us, stream_id, proxy, listener, username,"\
	" groups, source_ip, source_port, dest_host, dest_ip, dest_port,"   \
	" resolved_ips, destinations, command, carrier, protocol,"          \
	" acl_decision,"                                                    \
	" acl_rule_matched, policy_generation, route, limits_class,"        \
	" auth_method, bytes_up, bytes_down, packets_up, packets_down,"     \
	" incomplete"
#define ENDED                                                               \
	" ended_at, received_at, close_seq, status, close_reason,"          \
	" close_detail, reply_code, setup_us, attempts, counters_lower_bound"

/* Values as literals: for many rows PostgreSQL would take its time to call
 * the functions of helper.h. */
static void
add_time(struct bytes *b, uint64_t us)
{
	char text[CLOCK_TEXT_SIZE];

	clock_format(text, us, 6);
	if (base_is_pg())
		bytes_fmt(b, "'%s', ", text);
	else
		bytes_fmt(b, "%llu, ", (unsigned long long)us);
}

static void
add_id(struct bytes *b, const struct id *id)
{
	bytes_fmt(b, base_is_pg() ? "'" : "x'");
	for (size_t i = 0; i < sizeof(id->b); i++)
		bytes_fmt(b, "%02x", id->b[i]);
	bytes_fmt(b, "', ");
}

static void
add_ip(struct bytes *b, bool array, const struct addr *a)
{
	char text[ADDR_TEXT_SIZE];

	addr_format(text, a);
	if (base_is_pg())
		bytes_fmt(b, array ? "'{%s}', " : "'%s', ", text);
	else
		bytes_fmt(b, "ip('%s'), ", text);
}

static void
add_text(struct bytes *b, const char *text)
{
	if (text[0] != '\0')
		bytes_fmt(b, "'%s', ", text);
	else
		bytes_fmt(b, "NULL, ");
}

static const char *
no_flag(void)
{
	return base_is_pg() ? "false" : "0";
}

static void
add_destination(struct bytes *b, const struct seed *s)
{
	add_text(b, s->host);
	if (s->has_dest_ip)
		add_ip(b, false, &s->dest);
	else
		add_text(b, "");
	bytes_fmt(b, "%u, ", s->port);
	if (s->has_dest_ip)
		add_ip(b, true, &s->dest);
	else
		add_text(b, "");
}

/* The values of COMMON. */
static void
add_common(struct bytes *b, const struct seed *s, unsigned duration_us,
    const char *groups, const char *rule)
{
	static const struct id stream;

	add_time(b, s->started_us);
	add_id(b, &s->id);
	bytes_fmt(b, "%u, ", duration_us);
	add_id(b, &stream);
	bytes_fmt(b, "'p1', '127.0.0.1:1080', '%s', '%s', ", s->user, groups);
	add_ip(b, false, &s->source);
	bytes_fmt(b, "40000, ");
	add_destination(b, s);
	bytes_fmt(b, "1, 1, 1, 1, %d, ", s->decision);
	add_text(b, rule);
	bytes_fmt(b, "7, NULL, NULL, 2, %llu, %llu, 3, 4, %s",
	    (unsigned long long)s->bytes_up,
	    (unsigned long long)s->bytes_down, no_flag());
}

static void
add_ended(struct bytes *b, const struct seed *s, unsigned n)
{
	bytes_fmt(b, "(");
	add_common(b, s, 1500000, "[\"staff\"]", "r1");
	bytes_fmt(b, ", ");
	add_time(b, s->started_us + 1500000);
	add_time(b, s->started_us + 1600000);
	bytes_fmt(b, "%u, %d, '%s', 'detail', 0, 2500, 1, %s)", n, s->status,
	    s->reason, no_flag());
}

static void
add_active(struct bytes *b, const struct seed *s, unsigned n)
{
	bytes_fmt(b, "(");
	add_common(b, s, 1000000, "[]", "");
	bytes_fmt(b, ", %u)", n);
}

/* Statements of some hundred rows each. */
static void
add_rows(struct base *base, unsigned from, unsigned to, const char *insert,
    void (*add)(struct bytes *b, const struct seed *s, unsigned n))
{
	struct bytes b = { 0 };

	while (from < to) {
		unsigned end = to - from > 250 ? from + 250 : to;

		bytes_clear(&b);
		bytes_fmt(&b, "%s VALUES ", insert);
		for (unsigned n = from; n < end; n++) {
			struct seed s = seed_of(n);

			if (n > from)
				bytes_fmt(&b, ", ");
			add(&b, &s, n);
		}
		bytes_add(&b, "", 1);
		base_run(base, "%s", b.ptr);
		from = end;
	}
	bytes_fini(&b);
}

#define ONE_IF(condition) "sum(CASE WHEN " condition " THEN 1 ELSE 0 END)"
#define ROLLUP(dimension, key)                                              \
	"INSERT INTO rollup_hour (dimension, hour, key, sessions, closed,"  \
	" failed, rejected, allowed, blocked, redirected, bytes_up,"        \
	" bytes_down, duration_us) SELECT " dimension ","                   \
	" hour_of(started_at), " key ", count(*), " ONE_IF("status = 1")    \
	", " ONE_IF("status = 2") ", " ONE_IF("status = 3") ", "            \
	ONE_IF("acl_decision = 1") ", " ONE_IF("acl_decision = 2") ", "     \
	ONE_IF("acl_decision = 3") ", sum(bytes_up), sum(bytes_down),"      \
	" sum(duration_us) FROM session WHERE " key " IS NOT NULL"          \
	" GROUP BY 2, 3;"

void
base_add_ended(struct base *b, unsigned from, unsigned to)
{
	base_run(b, "BEGIN");
	add_rows(b, from, to, "INSERT INTO session (" COMMON "," ENDED ")",
	    add_ended);
	base_sum(b);
	base_run(b, "COMMIT");
}

void
base_sum(struct base *b)
{
	base_run(b, "%s", "DELETE FROM rollup_hour;" ROLLUP("0", "''")
	    ROLLUP("1", "username")
	    ROLLUP("2", "coalesce(dest_host, ip_text(dest_ip))")
	    ROLLUP("4", "close_reason")
	    ROLLUP("5", "CASE WHEN status <> 3 THEN '5' END"));
}

void
base_add_active(struct base *b, unsigned from, unsigned to)
{
	base_run(b, "BEGIN");
	add_rows(b, from, to, "INSERT INTO session_active (" COMMON
	    ", last_seq)", add_active);
	base_run(b, "DELETE FROM audit_stream; INSERT INTO audit_stream"
	    " (stream_id, proxy, next_seq, state, opened_at, last_contact)"
	    " VALUES (uid('%032d'), 'p1', 2, 1, us(0), us(%llu)); COMMIT", 0,
	    (unsigned long long)SEED_NOW_US);
}

void
base_add_newest(struct base *b)
{
	base_run(b, "INSERT INTO session (id, started_at, duration_us,"
	    " stream_id, proxy, destinations, command, carrier, protocol,"
	    " acl_decision, auth_method, bytes_up, bytes_down, packets_up,"
	    " packets_down, incomplete," ENDED ") SELECT newid(),"
	    " later(started_at, %llu), 0, stream_id, 'p1', 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, flag(0), ended_at,"
	    " received_at, close_seq, 1, 'x', NULL, NULL, NULL, 1, flag(0)"
	    " FROM session ORDER BY started_at DESC LIMIT 1",
	    (unsigned long long)SEED_STEP_US);
}

void
base_add_many(struct base *b, unsigned n)
{
	base_run(b, "WITH RECURSIVE c(i) AS (VALUES (0) UNION ALL SELECT "
	    "i + 1 FROM c WHERE i < %u) INSERT INTO session (started_at, id,"
	    " duration_us, stream_id, proxy, username, destinations, command,"
	    " carrier,"
	    " protocol, acl_decision, auth_method, bytes_up, bytes_down,"
	    " packets_up, packets_down, incomplete," ENDED ") SELECT"
	    " later(us(%llu), i * 1000), newid(), 0, uid('%032d'), 'p',"
	    " 'many', 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, flag(0), us(0), us(0), i, 1,"
	    " 'x', NULL, NULL, NULL, 1, flag(0) FROM c", n - 1,
	    (unsigned long long)SEED_NOW_US * 2, 0);
}

/* ---- the model ---- */

static bool
in_range(const struct query_condition *c, const struct addr *a)
{
	return memcmp(a->b, c->low.b, 16) >= 0 &&
	    memcmp(a->b, c->high.b, 16) <= 0;
}

static bool
condition_holds(const struct seed *s, const struct query_condition *c)
{
	switch (c->column) {
	case QUERY_USER:
		return str_eq(c->text, str_from(s->user));
	case QUERY_SOURCE_IP:
		return in_range(c, &s->source);
	case QUERY_DEST_IP:
		return s->has_dest_ip && in_range(c, &s->dest);
	case QUERY_DEST_HOST:
		return s->host[0] != '\0' && str_eq(c->text,
		    str_from(s->host));
	case QUERY_DEST_PORT:
		return c->number == s->port;
	case QUERY_STATUS:
		return c->number == s->status;
	case QUERY_CLOSE_REASON:
		return str_eq(c->text, str_from(s->reason));
	case QUERY_DECISION:
		return c->number == s->decision;
	default:
		fail_msg("the model has no column %d", c->column);
		return false;
	}
}

bool
seed_matches(const struct seed *s, const struct query_filter *f)
{
	if (!f->active && (s->started_us < f->since_us ||
	        s->started_us >= f->until_us))
		return false;
	for (size_t i = 0; i < f->n; i++) {
		bool any = false;

		for (size_t j = 0; j < f->n; j++)
			if (f->conditions[j].group == f->conditions[i].group)
				any |= condition_holds(s, &f->conditions[j]);
		if (!any)
			return false;
	}
	return true;
}
