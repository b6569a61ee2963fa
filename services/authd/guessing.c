/* SPDX-License-Identifier: MIT */
#include "authd/guessing.h"

#include <stdlib.h>
#include <string.h>

#include "authd/guessing_impl.h"
#include "base/mem.h"

/* What is too old goes as others come: so many of a table an attempt. */
#define SWEEP 2

const char *const guessing_scope_names[] = {
	[GUESSING_USER] = "user", [GUESSING_SOURCE] = "source",
	[GUESSING_PAIR] = "pair", [GUESSING_TOTAL] = "total",
	[GUESSING_SCOPES] = NULL,
};

/* ---- keys ---- */

struct str
guessing_pair(char bytes[static GUESSING_PAIR_MAX], struct str user,
    const struct addr *source)
{
	const size_t half = GUESSING_SOURCE_LEN / 2;
	char *name = bytes + GUESSING_SOURCE_LEN;

	ASSERT(user.len <= GUESSING_USER_MAX);
	memcpy(bytes, source->b, GUESSING_SOURCE_LEN);
	if (!addr_is_v4(source))
		memset(bytes + half, 0, half);
	if (user.len > 0)
		memcpy(name, user.ptr, user.len);
	str_lower(name, user.len);
	return (struct str){ bytes, GUESSING_SOURCE_LEN + user.len };
}

struct str
guessing_key(int table, struct str pair)
{
	switch (table) {
	case GUESSING_USER:
		return (struct str){ pair.ptr + GUESSING_SOURCE_LEN,
			pair.len - GUESSING_SOURCE_LEN };
	case GUESSING_SOURCE:
		return (struct str){ pair.ptr, GUESSING_SOURCE_LEN };
	case GUESSING_TOTAL:
		return STR("");
	default:
		return pair;
	}
}

struct str
guessing_bucket(char bytes[static GUESSING_BUCKET_MAX],
    enum guessing_scope scope, struct str user, const struct addr *source)
{
	return guessing_key((int)scope, guessing_pair(bytes, user, source));
}

/* ---- what is remembered ---- */

bool
guessing_is_old(const struct guessing *g, const struct guessing_entry *e,
    uint64_t now_ms)
{
	return guessing_since(e->touched_ms, now_ms) >= g->l.window_ms;
}

void
guessing_forgive(struct guessing_entry *e)
{
	e->failures = 0;
	e->debt = 0;
}

/* NULL: nothing, or nothing that counts any more. */
static struct guessing_entry *
find(struct guessing *g, int table, struct str pair, uint64_t now_ms)
{
	struct guessing_table *t = &g->tables[table];
	struct guessing_entry *e = guessing_table_find(t,
	    guessing_key(table, pair));

	if (e == NULL || !guessing_is_old(g, e, now_ms))
		return e;
	guessing_forgive(e);
	if (e->open > 0 && table != GUESSING_KNOWN)
		return e;
	if (e->open == 0)
		guessing_table_drop(t, e);
	return NULL;
}

/* NULL: there is no room. */
static struct guessing_entry *
obtain(struct guessing *g, int table, struct str pair, uint64_t now_ms)
{
	struct guessing_entry *e = find(g, table, pair, now_ms);

	return e != NULL ? e : guessing_table_get(&g->tables[table],
	    guessing_key(table, pair));
}

static void
sweep(struct guessing *g, uint64_t now_ms)
{
	for (int table = 0; table < GUESSING_TABLES; table++) {
		for (int i = 0; i < SWEEP; i++) {
			struct guessing_table *t = &g->tables[table];
			struct guessing_entry *e = guessing_table_oldest(t);

			if (e == NULL || !guessing_is_old(g, e, now_ms))
				break;
			guessing_table_drop(t, e);
		}
	}
}

/* Does this table count attempts of this pair? Of good pairs: where it is. */
static bool
is_on(const struct guessing *g, int table, struct str pair)
{
	const struct guessing_limits *l = &g->l;

	if ((table == GUESSING_USER || table == GUESSING_KNOWN) &&
	    pair.len == GUESSING_SOURCE_LEN)
		return false;
	if (table == GUESSING_PAIR)
		return guessing_rate(l, GUESSING_KNOWN) > 0 ||
		    (l->delay_base_ms > 0 && l->delay_max_ms > 0);
	return guessing_rate(l, table) > 0;
}

/* ---- an attempt ---- */

/* Until the pair is looked at, and what the longest wait is for. */
uint64_t
guessing_wait(struct guessing *g, struct str pair, uint64_t now_ms,
    enum guessing_scope *scope)
{
	bool known = is_on(g, GUESSING_KNOWN, pair) &&
	    find(g, GUESSING_KNOWN, pair, now_ms) != NULL;
	uint64_t longest = 0;

	*scope = GUESSING_PAIR;
	for (int table = 0; table < GUESSING_TABLES; table++) {
		const struct guessing_entry *e;
		uint64_t wait;

		if (table != GUESSING_PAIR &&
		    known != (table == GUESSING_KNOWN))
			continue;
		if (!is_on(g, table, pair) ||
		    (e = find(g, table, pair, now_ms)) == NULL)
			continue;
		wait = table == GUESSING_PAIR ?
		    guessing_pair_wait(e, &g->l, now_ms) :
		    guessing_bucket_wait(e, guessing_rate(&g->l, table),
		    now_ms);
		if (wait <= longest)
			continue;
		longest = wait;
		*scope = table == GUESSING_KNOWN ? GUESSING_PAIR :
		    (enum guessing_scope)table;
	}
	return longest;
}

static void
hold(struct guessing *g, struct guessing_attempt *a, int table,
    struct guessing_entry *e, uint64_t now_ms)
{
	if (e->open == 0 && e->failures == 0 && table != GUESSING_KNOWN)
		e->touched_ms = now_ms;	/* it is new */
	e->begun_ms = now_ms;
	guessing_table_hold(&g->tables[table], e);
	a->entries[table] = e;
}

static void
let_go(struct guessing *g, struct guessing_attempt *a)
{
	for (int table = 0; table < GUESSING_TABLES; table++) {
		struct guessing_entry *e = a->entries[table];
		struct guessing_table *t = &g->tables[table];

		if (e == NULL)
			continue;
		guessing_table_let_go(t, e);
		if (e->open == 0 && e->failures == 0 &&
		    table != GUESSING_KNOWN)
			guessing_table_drop(t, e);
		a->entries[table] = NULL;
	}
}

/* All its entries, or not all: a table is full of attempts under way. Who is
 * known takes no room from others while he is looked at. */
static bool
take_hold(struct guessing *g, struct str pair, uint64_t now_ms,
    struct guessing_attempt *a)
{
	struct guessing_entry *known = is_on(g, GUESSING_KNOWN, pair) ?
	    find(g, GUESSING_KNOWN, pair, now_ms) : NULL;

	if (known != NULL)
		hold(g, a, GUESSING_KNOWN, known, now_ms);
	for (int table = 0; table < GUESSING_SCOPES; table++) {
		struct guessing_entry *e;

		if (!is_on(g, table, pair) ||
		    (known != NULL && table != GUESSING_PAIR))
			continue;
		e = obtain(g, table, pair, now_ms);
		if (e == NULL) {
			a->scope = (enum guessing_scope)table;
			return false;
		}
		hold(g, a, table, e, now_ms);
	}
	return true;
}

static uint32_t
shown(const struct guessing *g, uint64_t wait_ms)
{
	uint64_t most = g->l.delay_max_ms < UINT32_MAX ? g->l.delay_max_ms :
	    UINT32_MAX;

	return (uint32_t)(wait_ms < most ? wait_ms : most);
}

enum guessing_verdict
guessing_begin(struct guessing *g, struct str user, const struct addr *source,
    uint64_t now_ms, struct guessing_attempt *a, uint32_t *delay_ms)
{
	char bytes[GUESSING_PAIR_MAX];
	const struct str pair = guessing_pair(bytes, user, source);
	uint64_t wait;

	*a = (struct guessing_attempt){ .scope = GUESSING_PAIR };
	*delay_ms = 0;
	sweep(g, now_ms);
	wait = guessing_wait(g, pair, now_ms, &a->scope);
	if (wait > 0 || !take_hold(g, pair, now_ms, a)) {
		let_go(g, a);
		*delay_ms = shown(g, wait > 0 ? wait : GUESSING_MINUTE_MS);
		return GUESSING_WAIT;
	}
	return GUESSING_GO;
}

static void
remember_known(struct guessing *g, struct str pair, uint64_t now_ms)
{
	struct guessing_entry *e = NULL;

	if (is_on(g, GUESSING_KNOWN, pair))
		e = obtain(g, GUESSING_KNOWN, pair, now_ms);
	if (e == NULL)
		return;
	e->touched_ms = now_ms;
	guessing_table_hold(&g->tables[GUESSING_KNOWN], e);
	guessing_table_let_go(&g->tables[GUESSING_KNOWN], e);
}

bool
guessing_admit(struct guessing *g, struct str user, const struct addr *source,
    uint64_t now_ms, uint32_t *delay_ms, enum guessing_scope *scope)
{
	char bytes[GUESSING_PAIR_MAX];
	struct str pair = guessing_pair(bytes, user, source);
	bool known = !is_on(g, GUESSING_KNOWN, pair) ||
	    find(g, GUESSING_KNOWN, pair, now_ms) != NULL;
	uint64_t wait = known ? 0 : guessing_wait(g, pair, now_ms, scope);

	*delay_ms = shown(g, wait);
	return wait == 0;
}

void
guessing_good(struct guessing *g, struct str user, const struct addr *source,
    uint64_t now_ms)
{
	char bytes[GUESSING_PAIR_MAX];

	remember_known(g, guessing_pair(bytes, user, source), now_ms);
}

/* In all tables, held or not. */
static void
count_failure(struct guessing *g, const struct guessing_attempt *a,
    struct str pair, uint64_t now_ms)
{
	struct guessing_entry *known = a->entries[GUESSING_KNOWN];

	if (known != NULL)
		guessing_bucket_take(known,
		    guessing_rate(&g->l, GUESSING_KNOWN), now_ms);
	for (int table = 0; table < GUESSING_SCOPES; table++) {
		struct guessing_entry *e = NULL;

		if (a->entries[table] != NULL || is_on(g, table, pair))
			e = obtain(g, table, pair, now_ms);
		if (e == NULL)
			continue;
		guessing_bucket_take(e, guessing_rate(&g->l, table), now_ms);
		e->touched_ms = now_ms;
		if (e->failures < UINT32_MAX)
			e->failures++;
	}
}

uint32_t
guessing_end(struct guessing *g, struct guessing_attempt *a,
    enum guessing_how how, uint64_t now_ms)
{
	struct guessing_entry *pair = a->entries[GUESSING_PAIR];

	if (pair != NULL && how == GUESSING_FAILED)
		count_failure(g, a, pair->node.key, now_ms);
	if (pair != NULL && how == GUESSING_OK) {
		pair->failures = 0;
		remember_known(g, pair->node.key, now_ms);
	}
	let_go(g, a);
	/* Who failed is still there. */
	return pair == NULL || how != GUESSING_FAILED ? 0 :
	    shown(g, guessing_pair_delay(pair, &g->l));
}

/* ---- life ---- */

void
guessing_set_limits(struct guessing *g, const struct guessing_limits *l)
{
	g->l = *l;
	if (g->l.window_ms < GUESSING_MINUTE_MS)
		g->l.window_ms = GUESSING_MINUTE_MS;
}

struct guessing *
guessing_new(size_t entries, const struct guessing_limits *l)
{
	static const size_t key_max[GUESSING_TABLES] = {
		[GUESSING_USER] = GUESSING_USER_MAX,
		[GUESSING_SOURCE] = GUESSING_SOURCE_LEN,
		[GUESSING_PAIR] = GUESSING_PAIR_MAX,
		[GUESSING_KNOWN] = GUESSING_PAIR_MAX,
	};
	struct guessing *g = xcalloc(1, sizeof(*g));

	guessing_set_limits(g, l);
	for (int table = 0; table < GUESSING_TABLES; table++)
		guessing_table_init(&g->tables[table], entries,
		    key_max[table]);
	return g;
}

void
guessing_free(struct guessing **gp)
{
	struct guessing *g = *gp;

	*gp = NULL;
	if (g == NULL)
		return;
	for (int table = 0; table < GUESSING_TABLES; table++)
		guessing_table_fini(&g->tables[table]);
	free(g);
}
