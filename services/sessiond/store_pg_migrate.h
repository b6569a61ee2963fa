/* SPDX-License-Identifier: MIT */
/*
 * store_pg_migrate: PostgreSQL's schema, brought up to date.
 *
 * Everything stands in the schema `sallyport`. Whoever is, or may become, the
 * role that owns it migrates; where there is none yet, whoever may make it.
 * Each migration is a transaction under an advisory lock, so that any number
 * of processes may try at once. The thread of `p`.
 */
#ifndef SESSIOND_STORE_PG_MIGRATE_H
#define SESSIOND_STORE_PG_MIGRATE_H

#include "pgsql/pg.h"
#include "sessiond/store_migration.h"

enum store_pg_schema {
	SCHEMA_READY,   /* as this release wants it */
	SCHEMA_BEHIND,  /* somebody has to migrate it, and our role may not */
	SCHEMA_FOREIGN, /* of another program or of a later release */
	SCHEMA_FAILED,  /* the database failed, see `failure` */
};

struct store_pg_migrate {
	const struct store_migration *list; /* store_pg_migrations */
	bool look;                          /* change nothing */
	/* Also where nothing is to be applied: give the roles their rights,
	 * make the partitions of the next days. */
	bool always;
	/* out */
	unsigned before, after; /* migrations that the database has */
	enum pg_status failure; /* of SCHEMA_FAILED */
};

/*
 * All but SCHEMA_READY set `err`, which says what to do. With `look`
 * SCHEMA_READY means that migrating would come to it; `before` is then what
 * there is; without, a database that cannot be written to is never ready
 * (PG_READONLY). A lock held by another process that migrates fails as PG_BUSY
 * once the connection's lock_ms are over.
 */
enum store_pg_schema store_pg_migrate(
    struct pg *p, struct store_pg_migrate *m, struct err *err) MUST_CHECK;

#endif
