/* SPDX-License-Identifier: MIT */
/*
 * guessing_impl: what the files of guessing share; not for others.
 *
 * There is a table for each scope, and one more of the pairs that logged in
 * well. The key of a pair is the source's before the user's; those of the
 * other tables are parts of it (of total: nothing, it is one entry).
 */
#ifndef AUTHD_GUESSING_IMPL_H
#define AUTHD_GUESSING_IMPL_H

#include "authd/guessing.h"
#include "authd/guessing_table.h"

#define GUESSING_KNOWN GUESSING_SCOPES	/* the table of good pairs */
#define GUESSING_TABLES (GUESSING_SCOPES + 1)
#define GUESSING_SOURCE_LEN sizeof(((struct addr *)NULL)->b)
#define GUESSING_PAIR_MAX GUESSING_BUCKET_MAX
#define GUESSING_MINUTE_MS UINT64_C(60000)

struct guessing {
	struct guessing_limits l;
	struct guessing_table tables[GUESSING_TABLES];
};

/* ---- guessing.c ---- */

/* The pair's key, in `bytes`. */
struct str guessing_pair(char bytes[static GUESSING_PAIR_MAX], struct str user,
    const struct addr *source);
/* The part of it that is the key in that table. */
struct str guessing_key(int table, struct str pair);
/* Does it count no more? */
bool guessing_is_old(const struct guessing *g, const struct guessing_entry *e,
    uint64_t now_ms);
void guessing_forgive(struct guessing_entry *e);
/* Milliseconds until the pair is looked at; `*scope`: what the longest wait is
 * for. */
uint64_t guessing_wait(struct guessing *g, struct str pair, uint64_t now_ms,
    enum guessing_scope *scope);

/* ---- guessing_rules.c: the arithmetic ---- */

/* 0 if `then_ms` is yet to come. */
uint64_t guessing_since(uint64_t then_ms, uint64_t now_ms);
/* Failures a minute; 0: any. */
uint32_t guessing_rate(const struct guessing_limits *l, int table);
/* Until the bucket has a token; 0: it has. */
uint64_t guessing_bucket_wait(const struct guessing_entry *e, uint32_t rate,
    uint64_t now_ms);
/* Takes one, if there is any. */
void guessing_bucket_take(struct guessing_entry *e, uint32_t rate,
    uint64_t now_ms);
/* After its row of failures, of which there is one, and attempts are part. */
uint64_t guessing_pair_delay(const struct guessing_entry *e,
    const struct guessing_limits *l);
/* What is left of that. */
uint64_t guessing_pair_wait(const struct guessing_entry *e,
    const struct guessing_limits *l, uint64_t now_ms);

#endif
