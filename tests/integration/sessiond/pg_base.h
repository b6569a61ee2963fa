/* SPDX-License-Identifier: MIT */
/*
 * pg_base: databases for a test on the server of tests/tools/with_postgres.py,
 * whose superuser's URL is in SALLYPORT_TEST_PG.
 */
#ifndef TESTS_SESSIOND_PG_BASE_H
#define TESTS_SESSIOND_PG_BASE_H

#include "pgsql/pg.h"
#include "sessiond/store_pg_migrate.h"

/* A connection to `database` (NULL: that of the URL) with the role and
 * password `role` (NULL: the superuser); pg_free it. */
struct pg *pg_base_connect(const char *database, const char *role);
/* Makes an empty database of this name, in the place of one that there is. */
void pg_base_create(const char *database);
void pg_base_drop(const char *database);
/* Makes login roles whose passwords are their names; takes away what there
 * was. Ended by NULL. */
void pg_base_roles(const char *const *names);

void pg_base_exec(struct pg *p, const char *sql);
/* The one value of a query, which is to be text; NULL is "NULL". Valid until
 * the next call. */
const char *pg_base_text(struct pg *p, const char *sql);
/* The SQLSTATE with which `sql` fails; "" if it does not. */
const char *pg_base_refusal(struct pg *p, const char *sql);
/* Migrates with `list`; fails the test unless that gives `want` and, if that
 * is an error, `words` in it. */
struct store_pg_migrate pg_base_migrate(struct pg *p,
    const struct store_migration *list, enum store_pg_schema want,
    const char *words);

#endif
