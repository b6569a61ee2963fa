/* SPDX-License-Identifier: MIT */
#include "sessiond/store_migrate.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "pgsql/pg.h"
#include "sessiond/store_pg_migrate.h"

#define CONNECT_MS   10000
#define STATEMENT_MS (60 * 60 * 1000) /* a great table takes its time */
#define LOCK_MS      60000
#define PAUSE_MS     500

static bool
may_heal(enum pg_status r)
{
	return r == PG_AWAY || r == PG_BUSY || r == PG_READONLY;
}

/* 1: not now, but perhaps later. */
static int
try(struct pg *p, bool *final, struct err *err)
{
	struct store_pg_migrate m = { .list = store_pg_migrations,
		.always = true };
	enum pg_status r = pg_connect(p);

	*final = false;
	if (r != PG_OK) {
		*final = pg_is_final(p);
		err_set(err, "%s", pg_message(p));
		return *final ? -1 : 1;
	}
	switch (store_pg_migrate(p, &m, err)) {
	case SCHEMA_READY:
		log_info(NULL, "schema_ready", log_u64("migrations", m.after),
		    log_u64("applied", m.after - m.before));
		return 0;
	case SCHEMA_FAILED:
		*final = m.failure == PG_DENIED;
		return may_heal(m.failure) ? 1 : -1;
	case SCHEMA_BEHIND:
	case SCHEMA_FOREIGN:
	default: *final = true; return -1;
	}
}

/* Says once of each reason why it waits. */
static int
migrate_pg(struct pg *p, uint64_t wait_ms, bool *final, struct err *err)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	uint64_t end = clock_mono_ms() + wait_ms;
	struct err said = { 0 };
	int r;

	while ((r = try(p, final, err)) > 0 && clock_mono_ms() < end) {
		if (strcmp(said.text, err->text) != 0)
			log_warn(NULL, "database_waiting",
			    log_str("why", err->text));
		said = *err;
		nanosleep(&pause, NULL);
	}
	return r == 0 ? 0 : -1;
}

int
store_migrate(const struct store_options *o, uint64_t wait_ms, bool *final,
    struct err *err)
{
	struct store *s = NULL;
	struct pg *p;
	int r;

	if (!store_is_server(o->database)) {
		r = store_open(&s, o, err);
		*final = r < 0;
		store_close(&s);
		return r;
	}
	p = pg_new(&(struct pg_options){ .url = o->database,
	    .password_file = o->password_file,
	    .application = "sallyport-sessiond --migrate",
	    .connect_ms = CONNECT_MS,
	    .statement_ms = STATEMENT_MS,
	    .lock_ms = LOCK_MS });
	r = migrate_pg(p, wait_ms, final, err);
	pg_free(&p);
	return r == 0 ? 0 : err_prefix(err, "database");
}
