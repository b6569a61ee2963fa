/* SPDX-License-Identifier: MIT */
/*
 * helper: a database as sessiond makes it, from its schema files, with rows
 * that a test can also compute; and the model: the same rows, scanned naively.
 */
#ifndef TESTS_APID_HELPER_H
#define TESTS_APID_HELPER_H

#include <sqlite3.h>

#include "apid/query.h"

#define SEED_NOW_US UINT64_C(1790000000000000)	/* 2026-09-21T14:13:20Z */
#define SEED_STEP_US UINT64_C(1000000)	/* between the beginnings of two */

struct base {
	char dir[64], path[96];
	sqlite3 *db;		/* the writer */
	struct query_source *source;
};

/* With the schema and no rows. */
void base_open(struct base *b);
void base_close(struct base *b);
/* Runs statements. */
void base_run(struct base *b, const char *sql, ...);

/* What varies from row to row; all from `n` alone. */
struct seed {
	struct id id;
	uint64_t started_us;
	char user[16];
	struct addr source, dest;
	bool has_dest_ip;
	char host[32];		/* "": asked by address */
	uint16_t port;
	enum record_status status;
	enum record_decision decision;
	const char *reason;
	uint64_t bytes_up, bytes_down;
};

/* Row `n` began n * SEED_STEP_US before SEED_NOW_US, but that every third
 * shares its moment with the row before it. */
struct seed seed_of(unsigned n);
/* Rows from..to-1 as ended sessions, with their rollups. */
void base_add_ended(struct base *b, unsigned from, unsigned to);
/* The same as running ones, of a stream heard at SEED_NOW_US. */
void base_add_active(struct base *b, unsigned from, unsigned to);

/* Would `f` take this row? By the definition, not by SQL. */
bool seed_matches(const struct seed *s, const struct query_filter *f);

#endif
