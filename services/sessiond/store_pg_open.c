/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sessiond/store_pg.h"
#include "sessiond/store_pg_migrate.h"

#define CONNECT_MS   5000
#define STATEMENT_MS 10000
#define LOCK_MS      2000

static struct store_pg *
of(struct store *s)
{
	return container_of(s, struct store_pg, store);
}

static struct store_pg *
make(const struct store_options *o)
{
	struct store_pg *s = xcalloc(1, sizeof(*s));

	s->store.ops = &store_pg_ops;
	s->pg = pg_new(&(struct pg_options){ .url = o->database,
	    .password_file = o->password_file,
	    .application = "sallyport-sessiond",
	    .connect_ms = CONNECT_MS,
	    .statement_ms = STATEMENT_MS,
	    .lock_ms = LOCK_MS,
	    .generic_plans = true,
	    .stop = o->stop });
	store_pg_rows_init(s);
	return s;
}

void
store_pg_close(struct store *store)
{
	struct store_pg *s = of(store);

	pg_free(&s->pg);
	store_pg_rows_fini(s);
	pg_params_fini(&s->params);
	pg_params_fini(&s->nested);
	free(s);
}

/* A server that forgets what it has confirmed would make the journals of the
 * proxies worthless. */
static enum pg_status
look_at_server(struct store_pg *s)
{
	static const struct pg_statement look = {
		.sql = "SELECT name, setting FROM pg_settings WHERE "
		       "name IN ('fsync', 'full_page_writes') AND "
		       "setting = 'off'",
	};
	struct pg_rows rows;
	enum pg_status r = pg_query(s->pg, &look, NULL, &rows);

	if (r != PG_OK)
		return r;
	if (rows.n > 0) {
		struct str name = pg_str(&rows, 0, 0);

		err_set(&s->err,
		    "the server runs with %.*s = off and may lose "
		    "what it has confirmed: turn it on in postgresql.conf",
		    (int)name.len, name.ptr);
		s->final = true;
		r = PG_FAULT;
	}
	pg_rows_fini(&rows);
	return r;
}

/* Plans that do not depend on what the server knows of the tables, and
 * commits that are kept. */
static enum pg_status
settle(struct store_pg *s)
{
	return pg_exec(s->pg,
	    "SET enable_seqscan = off; SET enable_hashjoin = off;"
	    "SET enable_mergejoin = off; SET enable_material = off;"
	    "SET enable_bitmapscan = off;"
	    "SELECT set_config('synchronous_commit', 'on', false)"
	    " WHERE current_setting('synchronous_commit') = 'off'");
}

static enum pg_status
migrate(struct store_pg *s, bool look)
{
	struct store_pg_migrate m = { .list = store_pg_migrations,
		.look = look };

	switch (store_pg_migrate(s->pg, &m, &s->err)) {
	case SCHEMA_READY: return PG_OK;
	case SCHEMA_FAILED: return m.failure;
	case SCHEMA_FOREIGN: s->final = true; return PG_FAULT;
	case SCHEMA_BEHIND:
	default: return PG_AWAY;
	}
}

/* A new connection, and all that is to be known before it is used. The words
 * of a failure are in s->err. */
static enum pg_status
prepare(struct store_pg *s, bool look)
{
	enum pg_status r;

	s->err.text[0] = '\0';
	r = pg_connect(s->pg);
	s->final = pg_is_final(s->pg);
	if (r == PG_OK)
		r = look_at_server(s);
	if (r == PG_OK)
		r = migrate(s, look);
	if (r == PG_OK && !look)
		r = settle(s);
	if (r == PG_OK && !look)
		r = store_pg_look_up(s, &s->active);
	if (r == PG_OK && !look)
		r = store_pg_look_up(s, &s->session);
	if (r == PG_OK && !look)
		r = store_pg_look_up(s, &s->rollup);
	if (r != PG_OK && s->err.text[0] == '\0')
		err_set(&s->err, "%s", pg_message(s->pg));
	if (r != PG_OK)
		pg_disconnect(s->pg);
	return r;
}

enum store_result
store_pg_ready(struct store_pg *s)
{
	if (s->ready && pg_is_connected(s->pg))
		return STORE_OK;
	s->ready = prepare(s, false) == PG_OK;
	return s->ready ? STORE_OK : STORE_AWAY;
}

int
store_pg_open(
    struct store **out, const struct store_options *o, struct err *err)
{
	struct store_pg *s = make(o);

	s->store.away = store_pg_ready(s) != STORE_OK;
	if (s->store.away && s->final) {
		err_set(err, "database: %s", s->err.text);
		store_pg_close(&s->store);
		return -1;
	}
	*out = &s->store;
	return 0;
}

int
store_pg_check(const struct store_options *o, struct err *err)
{
	struct store_pg *s = make(o);
	int r = 0;

	if (prepare(s, true) != PG_OK && s->final)
		r = err_set(err, "database: %s", s->err.text);
	store_pg_close(&s->store);
	return r;
}
