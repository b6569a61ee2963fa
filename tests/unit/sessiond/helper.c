/* SPDX-License-Identifier: MIT */
#include "helper.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "mirror.h"

void
remove_dir(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		char *path = xasprintf("%s/%s", dir, e->d_name);

		unlink(path);
		free(path);
	}
	if (d != NULL)
		closedir(d);
	rmdir(dir);
}

const char *
base_server(void)
{
	return getenv("SALLYPORT_TEST_PG");
}

static void
open_store(struct base *b)
{
	struct store_options o = { .database =
				       base_server() ? base_server() : "",
		.state_dir = b->dir };
	struct err err = { 0 };

	if (store_open(&b->store, &o, &err) < 0)
		die("%s", err.text);
	if (b->store->away)
		die("%s", b->store->ops->message(b->store));
	if (base_server() == NULL) {
		if (sqlite3_open_v2(b->path, &b->reader, SQLITE_OPEN_READONLY,
			NULL) != SQLITE_OK)
			die("%s", sqlite3_errmsg(b->reader));
		sqlite3_busy_timeout(b->reader, 5000);
	}
}

void
base_open(struct base *b)
{
	*b = (struct base){ .dir = "/tmp/sessiond-test-XXXXXX" };
	if (mkdtemp(b->dir) == NULL)
		die("mkdtemp");
	snprintf(b->path, sizeof(b->path), "%s/sallyport.db", b->dir);
	if (base_server() != NULL)
		mirror_clear(base_server());
	open_store(b);
}

void
base_reopen(struct base *b)
{
	sqlite3_close(b->reader);
	b->reader = NULL;
	store_close(&b->store);
	open_store(b);
}

void
base_close(struct base *b)
{
	sqlite3_close(b->reader);
	store_close(&b->store);
	remove_dir(b->dir);
}

sqlite3 *
base_reader(struct base *b)
{
	if (base_server() != NULL) {
		sqlite3_close(b->reader);
		b->reader = mirror_open(base_server());
	}
	return b->reader;
}

const char *
base_text(struct base *b, const char *sql)
{
	sqlite3 *db = base_reader(b);
	static char text[4096];
	sqlite3_stmt *st;
	const char *p;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		die("%s: %s", sql, sqlite3_errmsg(db));
	strcpy(text, "no row");
	if (sqlite3_step(st) == SQLITE_ROW) {
		p = (const char *)sqlite3_column_text(st, 0);
		snprintf(text, sizeof(text), "%s", p != NULL ? p : "NULL");
	}
	sqlite3_finalize(st);
	return text;
}

int64_t
base_number(struct base *b, const char *sql)
{
	return strtoll(base_text(b, sql), NULL, 10);
}

uint64_t
started_ms_of(unsigned n)
{
	return TEST_NOW_US / 1000 - 7200000 + n * 977;
}

struct id
id_of(unsigned family, unsigned n)
{
	uint64_t ms = started_ms_of(n);
	struct id id = { { 0 } };

	for (unsigned i = 0; i < 6; i++)
		id.b[i] = (uint8_t)(ms >> (40 - 8 * i));
	id.b[6] = 0x70;
	id.b[8] = 0x80;
	id.b[10] = (uint8_t)(family >> 8);
	id.b[11] = (uint8_t)family;
	memcpy(&id.b[12], &n, sizeof(n));
	return id;
}

struct id
stream_of(unsigned n)
{
	struct id id = { { 0xaa } };

	id.b[15] = (uint8_t)n;
	id.b[14] = (uint8_t)(n >> 8);
	return id;
}

struct record_session
session_of(unsigned family, unsigned n)
{
	struct record_session s = {
		.id = id_of(family, n),
		.started_ms = started_ms_of(n),
		.user = STR("alice"),
		.groups = { STR("staff"), STR("it \"ops\"") },
		.n_groups = 2,
		.source = { .addr = addr_from_v4(
				(uint8_t[]){ 10, 0, 0, (uint8_t)n }),
		    .port = 40000 },
		.listener = STR("main"),
		.command = COMMAND_CONNECT,
		.carrier = CARRIER_SOCKS5,
		.protocol = PROTOCOL_TCP,
		.dest_host = STR("www.example.com"),
		.has_dest_ip = true,
		.dest_ip = addr_from_v4((uint8_t[]){ 192, 0, 2, 7 }),
		.dest_port = 443,
		.permitted = { addr_from_v4((uint8_t[]){ 192, 0, 2, 7 }),
		    addr_from_v4((uint8_t[]){ 192, 0, 2, 8 }) },
		.n_permitted = 2,
		.decision = DECISION_ALLOW,
		.rule = STR("r-web"),
		.generation = 1234567,
		.route = STR("exit-eu"),
		.limits = STR("staff"),
		.auth_method = AUTH_USERPASS,
		.claimed_user = STR("root"),
		.destinations = 1,
	};

	return s;
}

struct body *
body_session(enum record_type type, const struct record_session *s)
{
	struct body *b = xmalloc(sizeof(*b));

	b->len = record_pack_session(b->bytes, sizeof(b->bytes), type, s);
	ASSERT(b->len > 0);
	return b;
}

struct body *
body_open(unsigned family, unsigned n)
{
	struct record_session s = session_of(family, n);

	return body_session(RECORD_OPEN, &s);
}

struct body *
body_update(unsigned family, unsigned n, uint64_t bytes_up)
{
	struct body *b = xmalloc(sizeof(*b));
	struct record_update u = {
		.id = id_of(family, n),
		.started_ms = started_ms_of(n),
		.counters = { bytes_up, 2 * bytes_up, 3, 4 },
		.duration_us = bytes_up * 10,
		.destinations = 2,
	};

	b->len = record_pack_update(b->bytes, sizeof(b->bytes), &u);
	ASSERT(b->len > 0);
	return b;
}

struct body *
body_close(unsigned family, unsigned n, uint64_t bytes_up)
{
	struct record_session s = session_of(family, n);

	s.counters = (struct record_counters){ bytes_up, 2 * bytes_up, 5, 6 };
	s.duration_us = 1500000;
	s.status = STATUS_CLOSED;
	s.close_reason = STR("client_closed");
	s.close_detail = STR("all is well");
	s.reply_code = 502;
	s.setup_us = 3210;
	return body_session(RECORD_CLOSE, &s);
}

struct body *
body_reject(unsigned family, unsigned n, const char *user)
{
	struct record_session s = {
		.id = id_of(family, n),
		.started_ms = started_ms_of(n),
		.user = str_from(user),
		.source = session_of(family, n).source,
		.listener = STR("main"),
		.carrier = CARRIER_SOCKS5,
		.status = STATUS_REJECTED,
		.close_reason = STR("auth_failed"),
		.reply_code = RECORD_NO_REPLY,
		.duration_us = 900,
	};

	return body_session(RECORD_REJECT, &s);
}

struct body *
body_event(unsigned family, unsigned n, const char *message)
{
	struct body *b = xmalloc(sizeof(*b));
	struct record_event e = {
		.id = id_of(family, n),
		.severity = SEVERITY_WARNING,
		.category = STR("security"),
		.event = STR("guessing_detected"),
		.message = str_from(message),
		.component = STR("authd"),
		.details = STR("{\"source\":\"192.0.2.9\"}"),
		.suppressed = n,
	};

	b->len = record_pack_event(b->bytes, sizeof(b->bytes), &e);
	ASSERT(b->len > 0);
	return b;
}

struct body *
body_end(const char *reason)
{
	struct body *b = xmalloc(sizeof(*b));
	struct record_end e = { .reason = str_from(reason),
		.wall_us = TEST_NOW_US,
		.counters_lower_bound = true };

	b->len = record_pack_end(b->bytes, sizeof(b->bytes), &e);
	ASSERT(b->len > 0);
	return b;
}

struct body *
body_raw(const void *p, size_t len)
{
	struct body *b = xmalloc(sizeof(*b));

	ASSERT(len <= sizeof(b->bytes));
	memcpy(b->bytes, p, len);
	b->len = len;
	return b;
}

struct apply_batch *
batch_of(const struct id *stream, const char *proxy, uint64_t first_seq,
    struct body *const *bodies, unsigned n)
{
	struct apply_batch *b = xcalloc(1, sizeof(*b));
	struct str *records = xcalloc(n, sizeof(*records));

	b->batch.stream = *stream;
	b->batch.first_seq = first_seq;
	b->batch.n = n;
	b->batch.records = records;
	snprintf(b->batch.proxy, sizeof(b->batch.proxy), "%s", proxy);
	for (unsigned i = 0; i < n; i++)
		records[i] =
		    (struct str){ xmemdup0(bodies[i]->bytes, bodies[i]->len),
			    bodies[i]->len };
	return b;
}

void
batch_free(struct apply_batch *b)
{
	for (unsigned i = 0; i < b->batch.n; i++)
		free((char *)b->batch.records[i].ptr);
	free((void *)b->batch.records);
	free(b);
}

struct bytes
message_of(const struct id *stream, const char *proxy, uint64_t first_seq,
    struct body *const *bodies, unsigned n)
{
	struct batch_writer *w = batch_writer_new(stream, proxy, first_seq);
	struct bytes out = { 0 };
	struct str message;

	for (unsigned i = 0; i < n; i++) {
		if (!batch_writer_add(
			w, (struct str){ bodies[i]->bytes, bodies[i]->len }))
			die("a batch is full");
	}
	message = batch_writer_take(w);
	bytes_add(&out, message.ptr, message.len);
	batch_writer_free(&w);
	return out;
}

/* --- The faulty store. --- */

static struct faulty *
faulty_of(struct store *s)
{
	return container_of(s, struct faulty, store);
}

/* How this call fails; STORE_OK: not. */
static enum store_result
failure(struct faulty *f)
{
	enum store_result r = STORE_OK;

	pthread_mutex_lock(&f->m);
	f->calls++;
	if (f->fail_at > 0 && --f->fail_at == 0) {
		r = f->fail_with;
		if (f->fail_times > 1) {
			f->fail_times--;
			f->fail_at = 1;
		}
	}
	pthread_mutex_unlock(&f->m);
	return r;
}

#define PASS(s, op, ...)                                                       \
	({                                                                     \
		struct faulty *f_ = faulty_of(s);                              \
		enum store_result r_ = failure(f_);                            \
		r_ == STORE_OK ? f_->inner->ops->op(f_->inner, ##__VA_ARGS__)  \
			       : r_;                                           \
	})

static bool
poisoned(struct store *s, struct store_session *const *rows, size_t n)
{
	const char *poison = faulty_of(s)->poison;

	for (size_t i = 0; i < n && poison != NULL; i++) {
		if (str_eq(rows[i]->user, str_from(poison)))
			return true;
	}
	return false;
}

static enum store_result
f_begin(struct store *s)
{
	const atomic_bool *hang = faulty_of(s)->hang;

	while (hang != NULL && !atomic_load(hang))
		usleep(1000);
	if (hang != NULL)
		return STORE_AWAY;
	return PASS(s, begin);
}

static enum store_result
f_commit(struct store *s)
{
	return PASS(s, commit);
}

static void
f_rollback(struct store *s)
{
	faulty_of(s)->inner->ops->rollback(faulty_of(s)->inner);
}

static enum store_result
f_lock_streams(struct store *s, struct store_stream *const *streams, size_t n,
    uint64_t now_us)
{
	return PASS(s, lock_streams, streams, n, now_us);
}

static enum store_result
f_move_stream(struct store *s, const struct store_stream *st)
{
	return PASS(s, move_stream, st);
}

static enum store_result
f_put_active(struct store *s, struct store_session *const *rows, size_t n)
{
	return poisoned(s, rows, n) ? STORE_POISON
				    : PASS(s, put_active, rows, n);
}

static enum store_result
f_add_sessions(struct store *s, struct store_session *const *rows, size_t n)
{
	return poisoned(s, rows, n) ? STORE_POISON
				    : PASS(s, add_sessions, rows, n);
}

static enum store_result
f_each_active(struct store *s, const struct id *stream,
    void (*fn)(void *arg, const struct store_session *row), void *arg)
{
	return PASS(s, each_active, stream, fn, arg);
}

static enum store_result
f_add_rollups(struct store *s, const struct store_rollup *rows, size_t n)
{
	return PASS(s, add_rollups, rows, n);
}

static enum store_result
f_add_gap(struct store *s, const struct store_gap *g)
{
	return PASS(s, add_gap, g);
}

static enum store_result
f_add_quarantine(struct store *s, const struct store_quarantine *q)
{
	return PASS(s, add_quarantine, q);
}

static enum store_result
f_add_event(struct store *s, const struct store_event *e)
{
	const char *poison = faulty_of(s)->poison;

	if (poison != NULL && str_eq(e->message, str_from(poison)))
		return STORE_POISON;
	return PASS(s, add_event, e);
}

static enum store_result
f_trim_events(struct store *s, uint64_t before_us, uint64_t most, unsigned max,
    uint64_t *deleted, bool *more)
{
	return PASS(s, trim_events, before_us, most, max, deleted, more);
}

static enum store_result
f_silent_streams(
    struct store *s, uint64_t before_us, struct id *out, size_t max, size_t *n)
{
	return PASS(s, silent_streams, before_us, out, max, n);
}

static enum store_result
f_count_streams(struct store *s, enum store_stream_state state, uint64_t *n)
{
	return PASS(s, count_streams, state, n);
}

static enum store_result
f_delete_old(struct store *s, enum store_history what, uint64_t before_us,
    unsigned max, uint64_t *deleted, bool *more)
{
	return PASS(s, delete_old, what, before_us, max, deleted, more);
}

static enum store_result
f_tidy(struct store *s)
{
	return PASS(s, tidy);
}

static enum store_result
f_look_ahead(struct store *s, uint64_t *stray)
{
	return PASS(s, look_ahead, stray);
}

static const char *
f_message(const struct store *s)
{
	(void)s;
	return "a fault of the test";
}

static void
f_close(struct store *s)
{
	(void)s;
}

static const struct store_ops faulty_ops = {
	.begin = f_begin,
	.commit = f_commit,
	.rollback = f_rollback,
	.lock_streams = f_lock_streams,
	.move_stream = f_move_stream,
	.put_active = f_put_active,
	.add_sessions = f_add_sessions,
	.each_active = f_each_active,
	.add_rollups = f_add_rollups,
	.add_gap = f_add_gap,
	.add_quarantine = f_add_quarantine,
	.add_event = f_add_event,
	.trim_events = f_trim_events,
	.silent_streams = f_silent_streams,
	.count_streams = f_count_streams,
	.delete_old = f_delete_old,
	.tidy = f_tidy,
	.look_ahead = f_look_ahead,
	.message = f_message,
	.close = f_close,
};

void
faulty_init(struct faulty *f, struct store *inner)
{
	*f = (struct faulty){ .ops = faulty_ops, .inner = inner };
	f->ops.backend = inner->ops->backend;
	f->store.ops = &f->ops;
	pthread_mutex_init(&f->m, NULL);
}

void
faulty_fail(
    struct faulty *f, unsigned at, unsigned times, enum store_result with)
{
	pthread_mutex_lock(&f->m);
	f->fail_at = at;
	f->fail_times = times;
	f->fail_with = with;
	pthread_mutex_unlock(&f->m);
}
