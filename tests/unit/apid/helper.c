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
#include "base/mem.h"

static const char *const schema_files[] = { SCHEMA_FILES, NULL };

void
base_run(struct base *b, const char *sql, ...)
{
	char *text, *why = NULL;
	va_list ap;

	va_start(ap, sql);
	text = sqlite3_vmprintf(sql, ap);
	va_end(ap);
	if (sqlite3_exec(b->db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", why, text);
	sqlite3_free(text);
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
	base_run(b, "%s", text);
}

void
base_open(struct base *b)
{
	struct query_source_options o = { 0 };
	char database[128];
	struct err err;

	strcpy(b->dir, "/tmp/sallyport-apid-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->path, sizeof(b->path), "%s/sallyport.db", b->dir);
	assert_int_equal(sqlite3_open(b->path, &b->db), SQLITE_OK);
	base_run(b, "PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL;"
	    "PRAGMA application_id = 1396788313;"
	    "CREATE TABLE schema_migration (number INTEGER PRIMARY KEY,"
	    " name TEXT NOT NULL, checksum TEXT NOT NULL,"
	    " applied_at INTEGER NOT NULL) STRICT");
	for (unsigned i = 0; schema_files[i] != NULL; i++) {
		apply_schema(b, schema_files[i]);
		base_run(b, "INSERT INTO schema_migration VALUES"
		    " (%d, 'x', 'x', 0)", i + 1);
	}
	snprintf(database, sizeof(database), "sqlite:%s", b->path);
	o.database = database;
	b->source = query_source_new(&o, &err);
	assert_non_null(b->source);
}

void
base_close(struct base *b)
{
	static const char *const tails[] = { "", "-wal", "-shm", NULL };
	char path[128];

	query_source_free(&b->source);
	sqlite3_close(b->db);
	for (unsigned i = 0; tails[i] != NULL; i++) {
		snprintf(path, sizeof(path), "%s%s", b->path, tails[i]);
		unlink(path);
	}
	rmdir(b->dir);
}

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

static void
bind_seed(sqlite3_stmt *st, const struct seed *s, unsigned n)
{
	sqlite3_reset(st);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)s->started_us);
	sqlite3_bind_blob(st, 2, s->id.b, 16, SQLITE_TRANSIENT);
	sqlite3_bind_text(st, 3, s->user, -1, SQLITE_TRANSIENT);
	sqlite3_bind_blob(st, 4, s->source.b, 16, SQLITE_TRANSIENT);
	if (s->has_dest_ip)
		sqlite3_bind_blob(st, 5, s->dest.b, 16, SQLITE_TRANSIENT);
	else
		sqlite3_bind_null(st, 5);
	if (s->host[0] != '\0')
		sqlite3_bind_text(st, 6, s->host, -1, SQLITE_TRANSIENT);
	else
		sqlite3_bind_null(st, 6);
	sqlite3_bind_int(st, 7, s->port);
	sqlite3_bind_int(st, 8, (int)s->decision);
	sqlite3_bind_int64(st, 9, (sqlite3_int64)s->bytes_up);
	sqlite3_bind_int64(st, 10, (sqlite3_int64)s->bytes_down);
	sqlite3_bind_int(st, 11, (int)s->status);
	sqlite3_bind_text(st, 12, s->reason, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(st, 13, n);
}

static void
add_rows(struct base *b, unsigned from, unsigned to, const char *sql)
{
	sqlite3_stmt *st;

	base_run(b, "BEGIN");
	if (sqlite3_prepare_v2(b->db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(b->db));
	for (unsigned n = from; n < to; n++) {
		struct seed s = seed_of(n);

		bind_seed(st, &s, n);
		if (sqlite3_step(st) != SQLITE_DONE)
			fail_msg("%s", sqlite3_errmsg(b->db));
	}
	sqlite3_finalize(st);
}

#define ROLLUP(dimension, key)                                              \
	"INSERT INTO rollup_hour SELECT " dimension ","                     \
	" started_at - started_at %% 3600000000 AS h, " key " AS k,"        \
	" count(*), sum(status = 1), sum(status = 2), sum(status = 3),"     \
	" sum(acl_decision = 1), sum(acl_decision = 2),"                    \
	" sum(acl_decision = 3), sum(bytes_up), sum(bytes_down),"           \
	" sum(duration_us) FROM session WHERE k IS NOT NULL GROUP BY h, k;"

void
base_add_ended(struct base *b, unsigned from, unsigned to)
{
	add_rows(b, from, to, "INSERT INTO session VALUES (?1, ?2,"
	    " ?1 + 1500000, ?1 + 1600000, 1500000, zeroblob(16), ?13, 'p1',"
	    " '127.0.0.1:1080', ?3, '[\"staff\"]', ?4, 40000, ?6, ?5, ?7,"
	    " ?5, 1, 1, 1, ?8, 'r1', 7, NULL, NULL, 2, ?9, ?10, 3, 4, ?11,"
	    " ?12, 'detail', 0, 2500, 1, 0, 0)");
	base_run(b, "DELETE FROM rollup_hour;" ROLLUP("0", "''")
	    ROLLUP("1", "username")
	    ROLLUP("2", "coalesce(dest_host, hex(dest_ip))")
	    ROLLUP("4", "close_reason")
	    ROLLUP("5", "CASE WHEN status != 3 THEN '5' END") "COMMIT");
}

void
base_add_active(struct base *b, unsigned from, unsigned to)
{
	add_rows(b, from, to, "INSERT INTO session_active VALUES (?2, ?1,"
	    " 1000000, zeroblob(16), ?13 + ?11 * 0 + length(?12) * 0, 'p1',"
	    " '127.0.0.1:1080', ?3, '[]', ?4, 40000, ?6, ?5, ?7, NULL,"
	    " 1, 1, 1, ?8, NULL, 7, NULL, NULL, 2, ?9, ?10, 3, 4, 0)");
	base_run(b, "INSERT OR REPLACE INTO audit_stream VALUES"
	    " (zeroblob(16), 'p1', 2, 1, 0, %lld, NULL); COMMIT",
	    (sqlite3_int64)SEED_NOW_US);
}

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
