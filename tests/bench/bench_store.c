/* SPDX-License-Identifier: MIT */
/*
 * What storing a session costs: from the records of an OPEN and a CLOSE to the
 * commit, on a new SQLite database, and, where SALLYPORT_TEST_PG names a
 * server, on PostgreSQL. Beside the latter stands the least that it could
 * cost: a binary COPY of as many ready-made rows into the same table, and one
 * upsert of their sums. The contestants take turns, a commit each. Prints
 * Markdown.
 *
 * usage: bench_store [ROWS [ROWS-PER-COMMIT [DIRECTORY]]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "audit/record.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "pgsql/pg_impl.h"
#include "sessiond/apply.h"
#include "sessiond/metrics.h"
#include "sessiond/rollup.h"
#include "sessiond/store_pg.h"

#define SESSIONS_A_BATCH 250
#define BATCHES_MAX      64
#define INET_ARRAY       1041

/* A way to store, and what it took so far. */
struct way {
	const char *name;
	struct store *store;
	int backend; /* pid of the server's process; 0: none */
	/* of apply's */
	struct apply *apply;
	struct batch_writer *writer;
	/* of COPY's */
	struct arena *arena;
	struct rollup *rollup;
	struct bytes copy;
	uint64_t rows, wall_us, cpu_us, server_us;
};

static unsigned long made;

static uint64_t
cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* CPU time of the server's process; 0: it is not on this machine. */
static uint64_t
server_us(int pid)
{
	char *path = xasprintf("/proc/%d/stat", pid), line[1024];
	unsigned long user = 0, sys = 0;
	FILE *f = pid > 0 ? fopen(path, "r") : NULL;
	const char *p;

	if (f != NULL && fgets(line, sizeof(line), f) != NULL &&
	    (p = strrchr(line, ')')) != NULL &&
	    sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
		&user, &sys) != 2)
		user = sys = 0;
	if (f != NULL)
		fclose(f);
	free(path);
	return (uint64_t)(user + sys) * 1000000 /
	       (uint64_t)sysconf(_SC_CLK_TCK);
}

/* ---- the sessions ---- */

static struct record_session
next_session(char user[static 32], char host[static 48])
{
	unsigned long n = made++;
	struct record_session s = {
		.id = id_new_v7(),
		.user = { user, 0 },
		.groups = { STR("staff") },
		.n_groups = 1,
		.source.addr = addr_from_v4(
		    (uint8_t[]){ 10, 1, (uint8_t)(n >> 8), (uint8_t)n }),
		.source.port = 40000,
		.listener = STR("main"),
		.command = COMMAND_CONNECT,
		.carrier = CARRIER_SOCKS5,
		.protocol = PROTOCOL_TCP,
		.dest_host = { host, 0 },
		.has_dest_ip = true,
		.dest_ip = addr_from_v4((uint8_t[]){ 192, 0, 2, (uint8_t)n }),
		.dest_port = 443,
		.destinations = 1,
		.n_permitted = 1,
		.decision = DECISION_ALLOW,
		.rule = STR("r-web"),
		.generation = 1700000000000000,
		.auth_method = AUTH_USERPASS,
	};

	s.started_ms = id_ms(&s.id);
	s.permitted[0] = s.dest_ip;
	s.user.len = (size_t)snprintf(user, 32, "user%lu", n * 7919 % 1000);
	s.dest_host.len = (size_t)snprintf(
	    host, 48, "host%lu.example.com", n * 104729 % 5000);
	return s;
}

static void
close_session(struct record_session *s)
{
	s->counters = (struct record_counters){ 700, 12000, 5, 11 };
	s->duration_us = 120000;
	s->status = STATUS_CLOSED;
	s->close_reason = STR("client_closed");
	s->setup_us = 1500;
}

/* ---- as sessiond does it ---- */

static void
add_record(struct batch_writer *w, enum record_type type,
    const struct record_session *s)
{
	char body[RECORD_MAX];
	size_t len = record_pack_session(body, sizeof(body), type, s);

	if (!batch_writer_add(w, (struct str){ body, len }))
		die("batch full");
}

static struct apply_batch
next_batch(struct way *w, char **copy)
{
	struct apply_batch b = { .done = false };
	char user[32], host[48];
	struct str message;

	for (unsigned i = 0; i < SESSIONS_A_BATCH; i++) {
		struct record_session s = next_session(user, host);

		add_record(w->writer, RECORD_OPEN, &s);
		close_session(&s);
		add_record(w->writer, RECORD_CLOSE, &s);
	}
	message = batch_writer_take(w->writer);
	*copy = xmemdup0(message.ptr, message.len);
	if (batch_check(&b.batch, (struct str){ *copy, message.len }) < 0)
		die("malformed");
	return b;
}

static void
start(struct way *w)
{
	w->wall_us -= clock_mono_us();
	w->cpu_us -= cpu_us();
	w->server_us -= server_us(w->backend);
}

static void
stop(struct way *w, size_t rows)
{
	w->wall_us += clock_mono_us();
	w->cpu_us += cpu_us();
	w->server_us += server_us(w->backend);
	w->rows += rows;
}

static void
commit_by_apply(struct way *w, size_t n)
{
	struct apply_batch items[BATCHES_MAX], *list[BATCHES_MAX];
	char *copies[BATCHES_MAX];

	for (size_t i = 0; i < n; i++) {
		items[i] = next_batch(w, &copies[i]);
		list[i] = &items[i];
	}
	start(w);
	if (apply_batches(w->apply, list, n) != STORE_OK)
		die("%s", w->store->ops->message(w->store));
	stop(w, n * SESSIONS_A_BATCH);
	for (size_t i = 0; i < n; i++) {
		batch_fini(&items[i].batch);
		free(copies[i]);
	}
}

/* ---- as little as possible ---- */

static struct store_session
row_of(const struct record_session *s, const struct id *stream, uint64_t seq)
{
	return (struct store_session){ .id = s->id,
		.stream = *stream,
		.seq = seq,
		.started_us = s->started_ms * 1000,
		.ended_us = s->started_ms * 1000 + s->duration_us,
		.received_us = clock_wall_us(),
		.duration_us = s->duration_us,
		.proxy = STR("proxy-1"),
		.listener = s->listener,
		.user = s->user,
		.groups = STR("[\"staff\"]"),
		.source_ip = { (const char *)s->source.addr.b, 16 },
		.source_port = s->source.port,
		.dest_host = s->dest_host,
		.dest_ip = { (const char *)s->dest_ip.b, 16 },
		.dest_port = s->dest_port,
		.destinations = s->destinations,
		.resolved_ips = { (const char *)s->permitted[0].b, 16 },
		.command = s->command,
		.carrier = s->carrier,
		.protocol = s->protocol,
		.decision = s->decision,
		.rule = s->rule,
		.generation = s->generation,
		.auth_method = s->auth_method,
		.bytes_up = s->counters.bytes_up,
		.bytes_down = s->counters.bytes_down,
		.packets_up = s->counters.packets_up,
		.packets_down = s->counters.packets_down,
		.status = s->status,
		.close_reason = s->close_reason,
		.reply_code = s->reply_code,
		.setup_us = s->setup_us,
		.attempts = 1 };
}

static void
copy_number(struct bytes *out, uint64_t v, unsigned len)
{
	for (unsigned i = len; i-- > 0;) {
		char byte = (char)(v >> (8 * i));

		bytes_add(out, &byte, 1);
	}
}

/* A field of COPY: its length, then as on the wire. */
static void
copy_field(struct bytes *out, uint32_t type, const struct store_column *c,
    const struct store_session *row)
{
	const void *field = (const char *)row + (c != NULL ? c->offset : 0);
	static struct pg_params p;
	const struct str *text = field;

	pg_params_clear(&p);
	if (c == NULL ||
	    (c->kind == COLUMN_NUMBER &&
		*(const uint64_t *)field == STORE_NULL) ||
	    ((c->kind == COLUMN_TEXT || c->kind == COLUMN_BLOB) &&
		text->len == 0)) {
		copy_number(out, UINT32_MAX, 4);
		return;
	}
	switch (type) {
	case PG_UUID: pg_put_uuid(&p, field); break;
	case PG_TIMESTAMPTZ: pg_put_time(&p, *(const uint64_t *)field); break;
	case PG_INT8: pg_put_int8(&p, *(const int64_t *)field); break;
	case PG_INT4:
		pg_put_int4(&p, (int32_t) * (const int64_t *)field);
		break;
	case PG_INT2:
		pg_put_int2(&p, (int16_t) * (const int64_t *)field);
		break;
	case PG_BOOL: pg_put_bool(&p, *(const int64_t *)field != 0); break;
	case PG_JSONB: pg_put_jsonb(&p, *text); break;
	case PG_INET: pg_put_inet(&p, (const uint8_t *)text->ptr); break;
	case INET_ARRAY:
		pg_array_begin(&p, PG_INET);
		pg_put_inet(&p, (const uint8_t *)text->ptr);
		pg_array_end(&p);
		break;
	default: pg_put_str(&p, *text);
	}
	copy_number(out, (uint64_t)p.values[0].len, 4);
	bytes_add(out, p.data.ptr, (size_t)p.values[0].len);
}

static void
copy_row(struct way *w, const struct store_session *row)
{
	const struct store_pg_table *t =
	    &container_of(w->store, struct store_pg, store)->session;

	copy_number(&w->copy, t->n, 2);
	for (unsigned i = 0; i < t->n; i++)
		copy_field(&w->copy, t->attributes[i].type,
		    t->attributes[i].column, row);
}

/* Sends the rows on the connection of the store, past pg.h. */
static void
run_copy(struct way *w)
{
	struct store_pg *s = container_of(w->store, struct store_pg, store);
	PGconn *conn = s->pg->conn;
	PGresult *r;

	if (pg_exec(s->pg, "BEGIN") != PG_OK)
		die("%s", pg_message(s->pg));
	PQsetnonblocking(conn, 0);
	PQclear(
	    PQexec(conn, "COPY sallyport.session FROM STDIN (FORMAT binary)"));
	if (PQputCopyData(conn, w->copy.ptr, (int)w->copy.len) != 1 ||
	    PQputCopyEnd(conn, NULL) != 1)
		die("COPY: %s", PQerrorMessage(conn));
	while ((r = PQgetResult(conn)) != NULL) {
		if (PQresultStatus(r) != PGRES_COMMAND_OK)
			die("COPY: %s", PQerrorMessage(conn));
		PQclear(r);
	}
	PQsetnonblocking(conn, 1);
}

static void
commit_by_copy(struct way *w, size_t n)
{
	static const char head[19] = "PGCOPY\n\377\r\n";
	static struct id stream;
	const struct store_ops *ops = w->store->ops;
	const struct store_rollup *sums;
	char user[32], host[48];
	size_t n_sums;

	bytes_clear(&w->copy);
	bytes_add(&w->copy, head, sizeof(head));
	for (size_t i = 0; i < n * SESSIONS_A_BATCH; i++) {
		struct record_session s = next_session(user, host);
		struct store_session row;

		close_session(&s);
		row = row_of(&s, &stream, i);
		copy_row(w, &row);
		row.user = arena_str(w->arena, row.user);
		row.dest_host = arena_str(w->arena, row.dest_host);
		rollup_add(w->rollup, &row);
	}
	copy_number(&w->copy, UINT16_MAX, 2);
	sums = rollup_rows(w->rollup, &n_sums);
	start(w);
	run_copy(w);
	if (ops->add_rollups(w->store, sums, n_sums) != STORE_OK ||
	    ops->commit(w->store) != STORE_OK)
		die("%s", ops->message(w->store));
	stop(w, n * SESSIONS_A_BATCH);
	rollup_reset(w->rollup);
	arena_reset(w->arena);
}

/* ---- the run ---- */

static void
open_way(struct way *w, const char *database, const char *dir)
{
	static struct metrics *m;
	struct store_options o = { .database = database, .state_dir = dir };
	struct id stream = id_random();
	struct err err = { 0 };
	uint64_t stray;

	if (m == NULL)
		m = metrics_new(
		    "sallyport", NULL, sessiond_metrics, SESSIOND_METRICS);
	if (store_open(&w->store, &o, &err) < 0)
		die("%s", err.text);
	if (w->store->away ||
	    w->store->ops->look_ahead(w->store, &stray) != STORE_OK)
		die("%s", w->store->ops->message(w->store));
	w->apply = apply_new(w->store, metrics_thread(m));
	w->writer = batch_writer_new(&stream, "proxy-1", 1);
	w->arena = arena_new();
	w->rollup = rollup_new(w->arena);
	if (store_is_server(database)) {
		struct store_pg *s =
		    container_of(w->store, struct store_pg, store);

		w->backend = PQbackendPID(s->pg->conn);
	}
}

static void
close_way(struct way *w)
{
	apply_free(&w->apply);
	batch_writer_free(&w->writer);
	rollup_free(&w->rollup);
	arena_free(&w->arena);
	bytes_fini(&w->copy);
	store_close(&w->store);
}

static void
show(const struct way *w, const struct way *least, size_t a_commit)
{
	double rows = (double)w->rows, client = (double)w->cpu_us / rows;
	double server = (double)w->server_us / rows;
	double rate = rows / ((double)w->wall_us / 1e6);

	printf("| %s | %zu | %.0f | %.1f | ", w->name, a_commit, rate, client);
	if (w->backend > 0)
		printf("%.1f | ", server);
	else
		printf("- | ");
	printf("%.0f | ", 1e6 / (client + server));
	if (w->backend > 0)
		printf("%.0f %% | %.0f %% |\n",
		    100.0 * rate * (double)least->wall_us / 1e6 /
			(double)least->rows,
		    100.0 * ((double)least->server_us / (double)least->rows) /
			server);
	else
		printf("- | - |\n");
}

static void
remove_database(const char *dir)
{
	static const char *const ends[] = { "", "-wal", "-shm", "-writer" };

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		char *path = xasprintf("%s/sallyport.db%s", dir, ends[i]);

		unlink(path);
		free(path);
	}
	rmdir(dir);
}

static void
run(unsigned long rows, size_t n, const char *dir)
{
	const char *server = getenv("SALLYPORT_TEST_PG");
	struct way sqlite = { .name = "SQLite" };
	struct way pg = { .name = "PostgreSQL" };
	struct way least = { .name = "COPY and upsert" };
	char *own = xasprintf("%s/bench-store-XXXXXX", dir);

	if (mkdtemp(own) == NULL)
		die("mkdtemp %s", own);
	open_way(&sqlite, "", own);
	if (server != NULL) {
		open_way(&pg, server, own);
		open_way(&least, server, own);
	}
	while (sqlite.rows < rows) {
		commit_by_apply(&sqlite, n);
		if (server != NULL) {
			commit_by_apply(&pg, n);
			commit_by_copy(&least, n);
		}
	}
	show(&sqlite, &least, n * SESSIONS_A_BATCH);
	close_way(&sqlite);
	if (server != NULL) {
		show(&pg, &least, n * SESSIONS_A_BATCH);
		show(&least, &least, n * SESSIONS_A_BATCH);
		close_way(&pg);
		close_way(&least);
	}
	remove_database(own);
	free(own);
}

int
main(int argc, char **argv)
{
	unsigned long rows = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
	unsigned long commit = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	const char *dir = argc > 3 ? argv[3] : "/tmp";
	size_t n = commit / SESSIONS_A_BATCH;

	printf("| | rows a commit | rows/s | µs CPU a row, sessiond | µs CPU a "
	       "row, server | rows/s of a core | of COPY's rows/s | of COPY's "
	       "CPU, server |\n"
	       "| --- | --- | --- | --- | --- | --- | --- | --- |\n");
	if (commit > 0) {
		run(rows, n < 1 ? 1 : n > BATCHES_MAX ? BATCHES_MAX : n, dir);
		return 0;
	}
	run(rows / 4, 1, dir);
	run(rows, 20, dir);
	return 0;
}
