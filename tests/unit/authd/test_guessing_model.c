/* SPDX-License-Identifier: MIT */
/*
 * The failure memory against a model without tables, keys or ages: an array of
 * everything that there could be. Random attempts by few users from few
 * sources, several under way at a time, limits that change, unlocking. And
 * what is promised, without a model: no more failures within any time than a
 * burst and what that time brings. A seed may be given as argument.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "authd/guessing.h"

#define MINUTE UINT64_C(60000)
#define USERS 4		/* the first is nobody in particular */
#define SOURCES 4
#define UNDER_WAY 12
#define RUNS 20
#define STEPS 10000

static uint64_t seed = 20261121;

static unsigned
draw(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}

/* ---- the model ---- */

struct count {
	bool known;
	unsigned open, failures;
	uint64_t debt, debt_at, touched, begun;
};

struct model {
	struct guessing_limits l;
	struct count user[USERS], source[SOURCES], total;
	struct count pair[USERS][SOURCES], good[USERS][SOURCES];
};

struct attempt {
	bool under_way, known;
	unsigned u, s;
	struct guessing_attempt real;
};

static uint64_t
past(uint64_t then, uint64_t now)
{
	return now > then ? now - then : 0;
}

static void
pay(struct count *c, uint32_t rate, uint64_t now)
{
	uint64_t most = rate * MINUTE, ms = past(c->debt_at, now);

	if (c->debt > most)
		c->debt = most;
	if (ms >= MINUTE || c->debt <= ms * rate)
		c->debt = 0;
	else
		c->debt -= ms * rate;
	c->debt_at = now;
}

static void
age(const struct model *m, struct count *c, uint64_t now)
{
	if (past(c->touched, now) < m->l.window_ms)
		return;
	c->failures = 0;
	c->debt = 0;
	c->known = false;
}

static uint64_t
bucket_wait(const struct model *m, const struct count *at, uint32_t rate,
    uint64_t now)
{
	struct count c = *at;
	uint64_t wait = 0;

	if (rate == 0)
		return 0;
	age(m, &c, now);
	pay(&c, rate, now);
	/* A millisecond at a time is how it could be found out as well. */
	while (c.debt + (c.open + 1) * MINUTE > rate * MINUTE + wait * rate)
		wait += (c.debt + (c.open + 1) * MINUTE - rate * MINUTE -
		    wait * rate + rate - 1) / rate;
	return wait;
}

static uint64_t
delay_of(const struct model *m, unsigned u, unsigned n)
{
	uint64_t d = m->l.delay_base_ms;

	if (u == 0)
		return 0;
	for (unsigned i = 1; i < n && d < m->l.delay_max_ms; i++)
		d += d;
	return d > m->l.delay_max_ms ? m->l.delay_max_ms : d;
}

static uint32_t
own_rate(const struct guessing_limits *l)
{
	const uint32_t rates[] = { l->per_user, l->per_source, l->total };

	for (size_t i = 0; i < ARRAY_LEN(rates); i++)
		if (rates[i] > 0)
			return rates[i];
	return 0;
}

static bool
pairs_count(const struct model *m)
{
	return own_rate(&m->l) > 0 ||
	    (m->l.delay_base_ms > 0 && m->l.delay_max_ms > 0);
}

static uint64_t
pair_wait(const struct model *m, unsigned u, unsigned s, uint64_t now)
{
	struct count c = m->pair[u][s];
	uint64_t from, d;

	age(m, &c, now);
	if (!pairs_count(m) || (c.failures == 0 && c.open < 2))
		return 0;
	from = c.open > 0 && c.begun > c.touched ? c.begun : c.touched;
	d = delay_of(m, u, c.failures + c.open);
	return past(from, now) < d ? d - past(from, now) : 0;
}

static bool
is_known(const struct model *m, unsigned u, unsigned s, uint64_t now)
{
	struct count c = m->good[u][s];

	age(m, &c, now);
	return own_rate(&m->l) > 0 && c.known;
}

static uint64_t
model_wait(const struct model *m, unsigned u, unsigned s, uint64_t now)
{
	uint64_t waits[4] = { pair_wait(m, u, s, now) }, longest = 0;

	if (is_known(m, u, s, now)) {
		waits[1] = bucket_wait(m, &m->good[u][s], own_rate(&m->l),
		    now);
	} else {
		waits[1] = bucket_wait(m, &m->source[s], m->l.per_source, now);
		waits[2] = bucket_wait(m, &m->total, m->l.total, now);
		waits[3] = bucket_wait(m, &m->user[u],
		    u == 0 ? 0 : m->l.per_user, now);
	}
	for (size_t i = 0; i < ARRAY_LEN(waits); i++)
		if (waits[i] > longest)
			longest = waits[i];
	return longest;
}

static void
open_one(const struct model *m, struct count *c, uint64_t now, int by)
{
	age(m, c, now);
	if (by > 0 && c->open == 0 && c->failures == 0)
		c->touched = now;
	if (by > 0)
		c->begun = now;
	c->open += (unsigned)by;
}

/* Takes what the attempt holds, or gives it back. */
static void
model_open(struct model *m, const struct attempt *a, uint64_t now, int by)
{
	if (a->real.entries[GUESSING_PAIR] != NULL)
		open_one(m, &m->pair[a->u][a->s], now, by);
	if (a->known) {
		m->good[a->u][a->s].open += (unsigned)by;
		return;
	}
	if (a->real.entries[GUESSING_USER] != NULL)
		open_one(m, &m->user[a->u], now, by);
	if (a->real.entries[GUESSING_SOURCE] != NULL)
		open_one(m, &m->source[a->s], now, by);
	if (a->real.entries[GUESSING_TOTAL] != NULL)
		open_one(m, &m->total, now, by);
}

static void
take(const struct model *m, struct count *c, uint32_t rate, uint64_t now)
{
	uint64_t most = rate * MINUTE;

	age(m, c, now);
	pay(c, rate, now);
	c->debt = c->debt + MINUTE < most ? c->debt + MINUTE : most;
	c->touched = now;
	c->failures++;
}

static void
model_failed(struct model *m, const struct attempt *a, uint64_t now)
{
	struct count *good = &m->good[a->u][a->s];

	if (a->real.entries[GUESSING_PAIR] == NULL)
		return;
	take(m, &m->pair[a->u][a->s], 0, now);
	if (a->u > 0 && (m->l.per_user > 0 ||
	    a->real.entries[GUESSING_USER] != NULL))
		take(m, &m->user[a->u], m->l.per_user, now);
	if (m->l.per_source > 0 || a->real.entries[GUESSING_SOURCE] != NULL)
		take(m, &m->source[a->s], m->l.per_source, now);
	if (m->l.total > 0 || a->real.entries[GUESSING_TOTAL] != NULL)
		take(m, &m->total, m->l.total, now);
	if (a->known) {
		uint64_t touched = good->touched;

		pay(good, own_rate(&m->l), now);
		good->debt += MINUTE;
		if (good->debt > own_rate(&m->l) * MINUTE)
			good->debt = own_rate(&m->l) * MINUTE;
		good->touched = touched;
	}
}

static void
model_ok(struct model *m, const struct attempt *a, uint64_t now)
{
	struct count *good = &m->good[a->u][a->s];

	if (a->real.entries[GUESSING_PAIR] == NULL)
		return;
	m->pair[a->u][a->s].failures = 0;
	if (a->u == 0 || own_rate(&m->l) == 0)
		return;
	age(m, good, now);
	good->known = true;
	good->touched = now;
}

static void
forgive(struct count *c)
{
	c->failures = 0;
	c->debt = 0;
}

/* `u` 0: all users; `s` SOURCES: all sources. */
static void
model_unlock(struct model *m, unsigned u, unsigned s)
{
	if (u == 0 && s == SOURCES)
		forgive(&m->total);
	for (unsigned i = 0; i < USERS; i++)
		if (u > 0 ? i == u : s == SOURCES)
			forgive(&m->user[i]);
	for (unsigned j = 0; j < SOURCES; j++) {
		if (s < SOURCES ? j == s : u == 0)
			forgive(&m->source[j]);
		for (unsigned i = 0; i < USERS; i++) {
			if ((u > 0 && i != u) || (s < SOURCES && j != s))
				continue;
			forgive(&m->pair[i][j]);
			m->good[i][j].debt = 0;
		}
	}
}

/* ---- the comparison ---- */

static const char *const names[USERS][2] = {
	{ "", "" }, { "alice", "ALICE" }, { "bob", "Bob" },
	{ "alice@example.org", "Alice@Example.ORG" },
};
static const char *const sources[SOURCES][2] = {
	{ "192.0.2.1", "::ffff:192.0.2.1" }, { "192.0.2.2", "192.0.2.2" },
	{ "2001:db8::1", "2001:db8::ffff:0:0:2" },
	{ "2001:db8:0:1::", "2001:db8:0:1::9" },
};

static struct addr
source(unsigned s)
{
	struct addr a;

	assert_true(addr_parse(&a, str_from(sources[s][draw(2)])));
	return a;
}

static uint32_t
pick(const uint32_t *of, size_t n)
{
	return of[draw((unsigned)n)];
}

static struct guessing_limits
draw_limits(void)
{
	static const uint32_t rates[] = { 0, 0, 1, 2, 5, 60, 4000000000 };
	static const uint32_t delays[] = { 0, 1, 1000, 7000 };
	static const uint32_t longest[] = { 0, 1000, 60000, 600000 };
	static const uint32_t windows[] = { 60000, 61234, 900000 };

	return (struct guessing_limits){
		.per_user = pick(rates, ARRAY_LEN(rates)),
		.per_source = pick(rates, ARRAY_LEN(rates)),
		.total = pick(rates, ARRAY_LEN(rates)),
		.delay_base_ms = pick(delays, ARRAY_LEN(delays)),
		.delay_max_ms = pick(longest, ARRAY_LEN(longest)),
		.window_ms = pick(windows, ARRAY_LEN(windows)),
	};
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void
step_begin(struct guessing *g, struct model *m, struct attempt *a,
    uint64_t now)
{
	unsigned u = draw(USERS), s = draw(SOURCES);
	uint64_t wait = model_wait(m, u, s, now);
	struct addr from = source(s);
	uint32_t delay;
	enum guessing_verdict v;

	v = guessing_begin(g, str_from(names[u][draw(2)]), &from, now,
	    &a->real, &delay);
	assert_int_equal(v, wait > 0 ? GUESSING_WAIT : GUESSING_GO);
	assert_int_equal(delay, least(wait, m->l.delay_max_ms));
	if (v == GUESSING_WAIT)
		return;
	a->under_way = true;
	a->u = u;
	a->s = s;
	a->known = is_known(m, u, s, now);
	model_open(m, a, now, 1);
}

static void
step_end(struct guessing *g, struct model *m, struct attempt *a, uint64_t now)
{
	enum guessing_how how = (enum guessing_how)draw(3);
	bool counts = a->real.entries[GUESSING_PAIR] != NULL;
	uint64_t delay = 0;

	model_open(m, a, now, -1);
	if (how == GUESSING_FAILED)
		model_failed(m, a, now);
	if (how == GUESSING_OK)
		model_ok(m, a, now);
	if (how == GUESSING_FAILED && counts)
		delay = delay_of(m, a->u, m->pair[a->u][a->s].failures +
		    m->pair[a->u][a->s].open);
	assert_int_equal(guessing_end(g, &a->real, how, now), delay);
	a->under_way = false;
}

static void
step_unlock(struct guessing *g, struct model *m)
{
	unsigned u = draw(USERS), s = draw(SOURCES + 1);
	struct addr from;

	if (s < SOURCES)
		from = source(s);
	(void)guessing_unlock(g, str_from(names[u][draw(2)]),
	    s < SOURCES ? &from : NULL);
	model_unlock(m, u, s);
}

struct listing {
	const struct model *m;
	uint64_t now;
	unsigned seen;
};

static unsigned
user_of(const struct guessing_row *row)
{
	for (unsigned u = 0; u < USERS; u++)
		if (str_eq_nocase(row->user, str_from(names[u][0])))
			return u;
	fail_msg("a user who is none");
	return 0;
}

static unsigned
source_of(const struct guessing_row *row)
{
	for (unsigned s = 0; s < SOURCES; s++) {
		struct addr a;

		assert_true(addr_parse(&a, str_from(sources[s][0])));
		if (memcmp(a.b, row->source.b, addr_is_v4(&a) ? 16 : 8) == 0)
			return s;
	}
	fail_msg("a source that is none");
	return 0;
}

static bool
check_row(void *arg, const struct guessing_row *row)
{
	struct listing *l = arg;
	unsigned u = user_of(row), s = source_of(row);

	assert_int_equal(row->failures, l->m->pair[u][s].failures);
	assert_int_equal(row->wait_ms, model_wait(l->m, u, s, l->now));
	assert_int_equal(row->age_ms, l->now - l->m->pair[u][s].touched);
	l->seen++;
	return true;
}

static void
step_list(struct guessing *g, const struct model *m, uint64_t now)
{
	struct listing l = { m, now, 0 };
	unsigned expected = 0;

	guessing_list(g, STR(""), now, check_row, &l);
	for (unsigned u = 0; u < USERS; u++) {
		for (unsigned s = 0; s < SOURCES; s++) {
			struct count c = m->pair[u][s];

			age(m, &c, now);
			expected += c.failures > 0;
		}
	}
	assert_int_equal(l.seen, expected);
}

/* Mostly little time passes, seldom a window. */
static uint64_t
draw_ms(void)
{
	static const unsigned most[] = { 1, 1, 10, 1000, 5000, 30000, 70000,
		1000000 };

	return draw(10) > 0 ? draw(most[draw(5)]) : draw(most[draw(8)]);
}

/* The window stays: when exactly something was forgotten would show in a
 * longer one. */
static void
change_limits(struct guessing *g, struct model *m)
{
	uint64_t window = m->l.window_ms;

	m->l = draw_limits();
	m->l.window_ms = window;
	guessing_set_limits(g, &m->l);
}

static void
run(void)
{
	struct model m = { .l = draw_limits() };
	struct attempt a[UNDER_WAY] = { 0 };
	struct guessing *g;
	uint64_t now = 0;

	g = guessing_new(UNDER_WAY + USERS * SOURCES, &m.l);
	for (unsigned i = 0; i < STEPS; i++) {
		struct attempt *one = &a[draw(UNDER_WAY)];

		now += draw_ms();
		if (one->under_way)
			step_end(g, &m, one, now);
		else
			step_begin(g, &m, one, now);
		if (draw(300) == 0)
			step_unlock(g, &m);
		if (draw(100) == 0)
			step_list(g, &m, now);
		if (draw(1000) == 0)
			change_limits(g, &m);
	}
	for (unsigned i = 0; i < UNDER_WAY; i++)
		if (a[i].under_way)
			step_end(g, &m, &a[i], now);
	guessing_free(&g);
}

static void
agrees_with_the_model(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RUNS; i++)
		run();
}

/* ---- what is promised ---- */

#define FAILURES 4096

struct journal {
	uint64_t at[FAILURES];
	unsigned n;
};

static void
stays_below(const struct journal *j, uint32_t rate)
{
	for (unsigned from = 0; from < j->n; from++)
		for (unsigned to = from; to < j->n; to++)
			assert_true((to - from + 1) * MINUTE <= rate *
			    (MINUTE + j->at[to] - j->at[from]));
}

static void
never_more_than_the_rate(void **state)
{
	static const struct guessing_limits l = { 7, 20, 50, 10, 2000, 60000 };
	static struct journal user[USERS], from_source[SOURCES], total;
	struct guessing *g = guessing_new(1024, &l);
	struct attempt a[UNDER_WAY] = { 0 };
	uint64_t now = 0;
	uint32_t delay;

	(void)state;
	while (total.n < FAILURES) {
		struct attempt *x = &a[draw(UNDER_WAY)];
		struct addr from;

		now += draw(100) > 0 ? draw(200) : draw(90000);
		if (x->under_way) {
			x->under_way = false;
			if (draw(10) == 0) {
				guessing_end(g, &x->real, GUESSING_VOID, now);
				continue;
			}
			guessing_end(g, &x->real, GUESSING_FAILED, now);
			user[x->u].at[user[x->u].n++] = now;
			from_source[x->s].at[from_source[x->s].n++] = now;
			total.at[total.n++] = now;
			continue;
		}
		x->u = 1 + draw(USERS - 1);
		x->s = draw(SOURCES);
		from = source(x->s);
		x->under_way = guessing_begin(g, str_from(names[x->u][0]),
		    &from, now, &x->real, &delay) == GUESSING_GO;
	}
	for (unsigned i = 0; i < UNDER_WAY; i++)
		if (a[i].under_way)
			guessing_end(g, &a[i].real, GUESSING_VOID, now);
	for (unsigned i = 0; i < USERS; i++)
		stays_below(&user[i], l.per_user);
	for (unsigned i = 0; i < SOURCES; i++)
		stays_below(&from_source[i], l.per_source);
	stays_below(&total, l.total);
	guessing_free(&g);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_model),
		cmocka_unit_test(never_more_than_the_rate),
	};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10) | 1;	/* 0 stays 0 */
	print_message("seed %llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
