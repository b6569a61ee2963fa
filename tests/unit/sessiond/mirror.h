/* SPDX-License-Identifier: MIT */
/*
 * mirror: the tables of a PostgreSQL database, copied into an SQLite one in
 * memory in the form that SQLite's own have: ids and addresses as bytes, times
 * as µs. So a test asks both databases the same questions.
 */
#ifndef TESTS_SESSIOND_MIRROR_H
#define TESTS_SESSIOND_MIRROR_H

#include <sqlite3.h>

/* A copy as it is now; the caller's to close. */
sqlite3 *mirror_open(const char *url);
/* Makes the database at `url`, ours alone, as good as new. */
void mirror_clear(const char *url);

#endif
