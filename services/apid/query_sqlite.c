/* SPDX-License-Identifier: MIT */
#include "apid/query_sqlite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

/* "SALY", as sessiond marks its files. */
#define APPLICATION_ID 0x53414c59
#define BUSY_MS 500
#define PROGRESS_STEPS 4000	/* of SQLite's machine, some 100 µs */

struct source {
	struct query_source source;
	char *path;
};

struct query_sqlite *
query_sqlite_of(struct query *q)
{
	return container_of(q, struct query_sqlite, query);
}

static void
close_database(struct query_sqlite *q)
{
	sqlite3_finalize(q->ended);
	sqlite3_finalize(q->active);
	q->ended = q->active = NULL;
	sqlite3_close(q->db);
	q->db = NULL;
}

static void
free_query(struct query *base)
{
	struct query_sqlite *q = query_sqlite_of(base);

	close_database(q);
	query_sql_fini(&q->sql);
	free(q);
}

/* SQLite's progress handler: true ends the statement. */
static int
on_progress(void *arg)
{
	const struct query_sqlite *q = arg;

	return atomic_load(&q->query.source->stop) ||
	    clock_mono_ms() > q->deadline_ms;
}

static void
restart(struct query_sqlite *q)
{
	q->deadline_ms = clock_mono_ms() +
	    atomic_load(&q->query.source->timeout_ms);
}

/* addr_text(blob): an address for people; NULL if it is none. */
static void
sql_addr_text(sqlite3_context *c, int n, sqlite3_value **v)
{
	char text[ADDR_TEXT_SIZE];
	struct addr a;

	(void)n;
	if (sqlite3_value_bytes(v[0]) != sizeof(a))
		return;
	memcpy(&a, sqlite3_value_blob(v[0]), sizeof(a));
	addr_format(text, &a);
	sqlite3_result_text(c, text, -1, SQLITE_TRANSIENT);
}

static int
settle(struct query_sqlite *q)
{
	static const char pragmas[] =
	    "PRAGMA query_only = ON;"
	    "PRAGMA trusted_schema = OFF;"
	    "PRAGMA mmap_size = 0;"
	    "PRAGMA temp_store = MEMORY;"
	    "PRAGMA cache_size = -8192";

	sqlite3_busy_timeout(q->db, BUSY_MS);
	sqlite3_extended_result_codes(q->db, 1);
	/* Only sessiond checkpoints. */
	sqlite3_db_config(q->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_progress_handler(q->db, PROGRESS_STEPS, on_progress, q);
	if (sqlite3_create_function(q->db, "addr_text", 1, SQLITE_UTF8 |
	        SQLITE_DETERMINISTIC, NULL, sql_addr_text, NULL, NULL) !=
	    SQLITE_OK)
		return -1;
	return sqlite3_exec(q->db, pragmas, NULL, NULL, NULL) == SQLITE_OK ?
	    0 : -1;
}

/* The one number of a statement; -1 with the error in the connection. */
static int
number(struct query_sqlite *q, const char *sql, sqlite3_int64 *out)
{
	sqlite3_stmt *st = query_sqlite_prepare(q, sql);
	int r;

	if (st == NULL)
		return -1;
	r = sqlite3_step(st);
	*out = r == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_finalize(st);
	return r == SQLITE_ROW ? 0 : -1;
}

/* Is this what sessiond writes? */
static enum query_result
recognise(struct query_sqlite *q)
{
	sqlite3_int64 id, schema;

	if (number(q, "PRAGMA application_id", &id) < 0)
		return query_sqlite_fail(q);
	if (id != APPLICATION_ID) {
		err_set(&q->query.why, "not a database of sallyport-sessiond");
		return QUERY_UNAVAILABLE;
	}
	if (number(q, "SELECT coalesce(max(number), 0) FROM schema_migration",
	        &schema) < 0)
		return query_sqlite_fail(q);
	if (schema < 1) {
		err_set(&q->query.why, "it has no tables yet");
		return QUERY_UNAVAILABLE;
	}
	q->query.schema = (unsigned)schema;
	return QUERY_OK;
}

static enum query_result
open_database(struct query_sqlite *q)
{
	enum query_result r;

	if (sqlite3_open_v2(q->path, &q->db, SQLITE_OPEN_READONLY |
	        SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL) !=
	        SQLITE_OK || settle(q) < 0)
		r = query_sqlite_fail(q);
	else
		r = recognise(q);
	if (r != QUERY_OK)
		close_database(q);
	return r;
}

/* Closes what is no longer the file at the path, opens what is. */
static enum query_result
find_database(struct query_sqlite *q)
{
	struct stat sb;

	if (stat(q->path, &sb) < 0) {
		if (errno == ENOENT)
			err_set(&q->query.why, "it is not there yet: has "
			    "sallyport-sessiond run?");
		else
			err_sys(&q->query.why, "it cannot be reached");
		close_database(q);
		return QUERY_UNAVAILABLE;
	}
	if (q->db != NULL && (sb.st_dev != q->dev || sb.st_ino != q->ino))
		close_database(q);
	q->dev = sb.st_dev;
	q->ino = sb.st_ino;
	return q->db != NULL ? QUERY_OK : open_database(q);
}

enum query_result
query_sqlite_begin(struct query_sqlite *q)
{
	enum query_result r;

	restart(q);
	r = find_database(q);
	if (r == QUERY_OK &&
	    sqlite3_exec(q->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		return query_sqlite_end(q, query_sqlite_fail(q));
	return r;
}

enum query_result
query_sqlite_end(struct query_sqlite *q, enum query_result r)
{
	if (q->db == NULL)
		return r;
	if (!sqlite3_get_autocommit(q->db))
		sqlite3_exec(q->db, "ROLLBACK", NULL, NULL, NULL);
	/* It may be a connection that nothing heals. */
	if (r == QUERY_UNAVAILABLE)
		close_database(q);
	return r;
}

sqlite3_stmt *
query_sqlite_prepare(struct query_sqlite *q, const char *sql)
{
	sqlite3_stmt *st = NULL;

	restart(q);
	if (sqlite3_prepare_v2(q->db, sql, -1, &st, NULL) != SQLITE_OK)
		return NULL;
	return st;
}

enum query_result
query_sqlite_fail(struct query_sqlite *q)
{
	int code = q->db != NULL ? sqlite3_errcode(q->db) : SQLITE_NOMEM;

	if ((code & 0xff) == SQLITE_INTERRUPT &&
	    !atomic_load(&q->query.source->stop)) {
		err_set(&q->query.why, "it took longer than %llu ms",
		    (unsigned long long)atomic_load(
			&q->query.source->timeout_ms));
		return QUERY_TIMEOUT;
	}
	err_set(&q->query.why, "%s", q->db != NULL ? sqlite3_errmsg(q->db) :
	    "out of memory");
	return QUERY_UNAVAILABLE;
}

/* ---- columns ---- */

struct str
query_sqlite_str(sqlite3_stmt *st, int i)
{
	const void *p = sqlite3_column_blob(st, i);

	if (p == NULL)
		return (struct str){ "", 0 };
	return (struct str){ p, (size_t)sqlite3_column_bytes(st, i) };
}

uint64_t
query_sqlite_num(sqlite3_stmt *st, int i)
{
	sqlite3_int64 v = sqlite3_column_int64(st, i);

	if (sqlite3_column_type(st, i) == SQLITE_NULL)
		return QUERY_NULL;
	return v < 0 ? 0 : (uint64_t)v;
}

struct id
query_sqlite_id(sqlite3_stmt *st, int i)
{
	struct str s = query_sqlite_str(st, i);
	struct id id = { { 0 } };

	if (s.len == sizeof(id.b))
		memcpy(id.b, s.ptr, sizeof(id.b));
	return id;
}

/* ---- the source ---- */

static struct query *
open_query(struct query_source *base)
{
	static const struct query_ops ops = {
		.sessions = query_sqlite_sessions,
		.session = query_sqlite_session,
		.events = query_sqlite_events,
		.stats = query_sqlite_stats,
		.totals = query_sqlite_totals,
		.users = query_sqlite_users,
		.free = free_query,
	};
	struct source *s = container_of(base, struct source, source);
	struct query_sqlite *q = xcalloc(1, sizeof(*q));

	q->query.ops = &ops;
	q->path = s->path;
	return &q->query;
}

static void
free_source(struct query_source *base)
{
	struct source *s = container_of(base, struct source, source);

	free(s->path);
	free(s);
}

struct query_source *
query_sqlite_source(const char *path)
{
	static const struct query_source_ops ops = {
		.backend = "sqlite", .open = open_query, .free = free_source,
	};
	struct source *s = xcalloc(1, sizeof(*s));

	s->source.ops = &ops;
	s->path = xstrdup(path);
	return &s->source;
}
