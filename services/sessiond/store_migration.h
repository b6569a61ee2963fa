/* SPDX-License-Identifier: MIT */
/*
 * store_migration: the numbered steps by which a schema came to be, and how
 * those that a database has are compared with those of this release. Pure.
 */
#ifndef SESSIOND_STORE_MIGRATION_H
#define SESSIOND_STORE_MIGRATION_H

#include "base/err.h"

/* Numbered from 1, ended by number 0. Printed by schema/embed.py. */
struct store_migration {
	unsigned number;
	unsigned works_with; /* the oldest release that can go on after it */
	const char *name;
	const char *checksum; /* SHA-256 of the file, in hex */
	const char *sql;
};
extern const struct store_migration store_sqlite_migrations[];
extern const struct store_migration store_pg_migrations[];

/* The greatest number; 0 of an empty list. */
unsigned store_migration_last(const struct store_migration *list);
/* -1: a database whose table of migrations has this row, of which the file is
 * not needed (`sql`), is not one that this release can use; the error says
 * what to do. A later one that works with this release's last is fine. */
int store_migration_known(const struct store_migration *list,
    const struct store_migration *row, struct err *err) MUST_CHECK;

#endif
