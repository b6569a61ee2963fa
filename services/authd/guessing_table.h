/* SPDX-License-Identifier: MIT */
/*
 * guessing_table: a bounded table of what guessing remembers about a key.
 *
 * An entry that somebody holds stays where it is; of the others, the one that
 * was let go of first makes room. Internal to guessing. One thread.
 */
#ifndef AUTHD_GUESSING_TABLE_H
#define AUTHD_GUESSING_TABLE_H

#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "base/pool.h"

struct guessing_entry {
	struct map_node node;	/* node.key is the key */
	struct list link;	/* in `held`, or in `aged`, the oldest first */
	uint32_t open;		/* attempts that hold it */
	/* Guessing's; zero in a new one. */
	uint32_t failures;	/* of a pair: in a row */
	uint64_t debt;		/* of the bucket, at debt_ms */
	uint64_t debt_ms;
	uint64_t touched_ms;	/* the last failure (in `known`: good login) */
	uint64_t begun_ms;	/* the last attempt */
	char key[];
};

struct guessing_table {
	struct map map;
	struct list aged, held;
	struct pool *pool;
	size_t max, key_max;
};

void guessing_table_init(struct guessing_table *t, size_t max,
    size_t key_max);
/* Nothing may be held. */
void guessing_table_fini(struct guessing_table *t);
/* NULL: none. */
struct guessing_entry *guessing_table_find(const struct guessing_table *t,
    struct str key);
/* Finds it or makes it; `key` at most key_max bytes, copied. NULL: it is not
 * there, and all that are there are held. */
struct guessing_entry *guessing_table_get(struct guessing_table *t,
    struct str key) MUST_CHECK;
void guessing_table_hold(struct guessing_table *t, struct guessing_entry *e);
/* The last one to let go makes it the youngest. */
void guessing_table_let_go(struct guessing_table *t,
    struct guessing_entry *e);
/* The first to make room; NULL: none is there that is not held. */
struct guessing_entry *guessing_table_oldest(const struct guessing_table *t);
/* Nobody holds it. */
void guessing_table_drop(struct guessing_table *t, struct guessing_entry *e);

#endif
