/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "dns_server.h"
#include "proxy/quota.h"
#include "proxy/resolve.h"

#define SECOND UINT64_C(1000000)	/* µs */

static const struct dns_name zone[] = {
	{ "both.test", DNS_ANSWER, 60, "192.0.2.1", "2001:db8::1", 0, 0 },
	{ "four.test", DNS_ANSWER, 60, "192.0.2.1 192.0.2.2", NULL, 0, 0 },
	{ "six.test", DNS_ANSWER, 60, NULL, "2001:db8::1", 0, 0 },
	{ "mixed.test", DNS_ANSWER, 60, "192.0.2.1 192.0.2.2 192.0.2.3",
	    "2001:db8::1 2001:db8::2 2001:db8::3", 0, 0 },
	{ "single", DNS_ANSWER, 60, "192.0.2.9", NULL, 0, 0 },
	{ "under_score.test", DNS_ANSWER, 60, "192.0.2.9", NULL, 0, 0 },
	{ "missing.test", DNS_NXDOMAIN, 0, NULL, NULL, 0, 0 },
	{ "nodata.test", DNS_ANSWER, 0, NULL, NULL, 0, 0 },
	{ "servfail.test", DNS_SERVFAIL, 0, NULL, NULL, 0, 0 },
	{ "refused.test", DNS_REFUSED, 0, NULL, NULL, 0, 0 },
	{ "silent.test", DNS_SILENT, 0, NULL, NULL, 0, 0 },
	{ "silent6.test", DNS_SILENT6, 60, "192.0.2.1", NULL, 0, 0 },
	{ "servfail6.test", DNS_SERVFAIL6, 60, "192.0.2.1", NULL, 0, 0 },
	{ "half.test", DNS_SERVFAIL6, 60, NULL, NULL, 0, 0 },
	{ "truncated.test", DNS_TRUNCATED, 60, "192.0.2.1", "2001:db8::1", 0,
	    0 },
	{ "twice.test", DNS_ANSWER, 60, "192.0.2.1 192.0.2.1 192.0.2.2", NULL,
	    0, 0 },
	{ "many.test", DNS_TRUNCATED, 60, NULL, NULL, 200, 0 },
	{ "chain.test", DNS_ANSWER, 60, "192.0.2.1", "2001:db8::1", 0, 8 },
	{ "long-chain.test", DNS_ANSWER, 60, "192.0.2.1", NULL, 0, 9 },
	{ "loop.test", DNS_LOOP, 60, NULL, NULL, 0, 3 },
	{ "wrong-id.test", DNS_WRONG_ID, 60, "192.0.2.1", NULL, 0, 0 },
	{ "garbage.test", DNS_GARBAGE, 0, NULL, NULL, 0, 0 },
	{ "short.test", DNS_SHORT, 60, "192.0.2.1", "2001:db8::1", 0, 0 },
	{ "ttl0.test", DNS_ANSWER, 0, "192.0.2.1", NULL, 0, 0 },
	{ "ttl60.test", DNS_ANSWER, 60, "192.0.2.1", NULL, 0, 0 },
	{ "ttl-max.test", DNS_ANSWER, 1000000, "192.0.2.1", NULL, 0, 0 },
	{ "inside.test", DNS_ANSWER, 60, "127.0.0.1 10.0.0.1", NULL, 0, 0 },
	{ NULL, 0, 0, NULL, NULL, 0, 0 },
};

struct world {
	struct event_base *base;
	struct dns_server dns;
	struct endpoint server;
	struct proxy_config cfg;
	struct resolver *r;
	char hosts[32];		/* path of the file; "" : none */
};

struct outcome {
	bool done;
	enum resolve_result result;
	size_t n;
	struct addr addrs[RESOLVE_ADDRS_MAX];
	struct resolve_query *query;
};

static void
on_done(void *arg, enum resolve_result result, const struct addr *addrs,
    size_t n)
{
	struct outcome *o = arg;

	assert_false(o->done);
	assert_true(n <= RESOLVE_ADDRS_MAX);
	assert_int_equal(n > 0, result == RESOLVE_OK);
	o->done = true;
	o->result = result;
	o->n = n;
	o->query = NULL;
	memcpy(o->addrs, addrs, n * sizeof(addrs[0]));
}

static void
world_open(struct world *w)
{
	*w = (struct world){ .base = io_base() };
	dns_open(&w->dns, w->base, zone);
	w->server = w->dns.at;
	w->cfg = (struct proxy_config){
		.timeouts_resolve = 5000, .dns_hosts_file = w->hosts,
		.dns_timeout = 5000, .dns_tries = 1, .dns_cache_entries = 100,
		.dns_ttl_min = 5000, .dns_ttl_max = 300000,
		.dns_negative_ttl = 5000, .dns_in_flight = 100,
	};
}

static void
world_start(struct world *w)
{
	struct err err = { "" };

	w->cfg.dns_servers = (struct endpoint_list){ &w->server, 1 };
	if (resolver_new(&w->r, w->base, &w->cfg, &err) != 0)
		fail_msg("%s", err.text);
}

static void
world_new(struct world *w)
{
	world_open(w);
	world_start(w);
}

/* For names to which no good answer comes. */
static void
world_new_hasty(struct world *w)
{
	world_open(w);
	w->cfg.dns_timeout = 100;
	world_start(w);
}

static void
world_free(struct world *w)
{
	resolver_free(&w->r);
	resolver_free(&w->r);
	io_turn(w->base, 3);	/* the server sees what was closed */
	dns_close(&w->dns);
	event_base_free(w->base);
	clock_test_reset();
	if (w->hosts[0] != '\0')
		unlink(w->hosts);
}

static void
start(struct world *w, struct outcome *o, const char *name)
{
	*o = (struct outcome){ 0 };
	o->query = resolve_start(w->r, str_from(name), on_done, o);
	assert_int_equal(o->query == NULL, o->done);
}

static struct outcome
ask(struct world *w, const char *name)
{
	struct outcome o;
	struct resolve_query *q;

	o = (struct outcome){ 0 };
	q = resolve_start(w->r, str_from(name), on_done, &o);
	assert_int_equal(q == NULL, o.done);
	io_run(w->base, &o.done);
	return o;
}

static bool
has(const struct outcome *o, struct str text)
{
	struct addr a;

	assert_true(addr_parse(&a, text));
	for (size_t i = 0; i < o->n; i++)
		if (addr_eq(&o->addrs[i], &a))
			return true;
	return false;
}

/* Are these addresses, and no others, the answer? In any order. */
static void
check(const struct outcome *o, enum resolve_result result, const char *list)
{
	size_t n = 0;

	assert_int_equal(o->result, result);
	while (list != NULL && *list != '\0') {
		size_t len = strcspn(list, " ");

		if (!has(o, (struct str){ list, len }))
			fail_msg("%.*s is missing", (int)len, list);
		list += len + (list[len] == ' ');
		n++;
	}
	assert_int_equal(o->n, n);
}

struct answer_case {
	const char *name;
	enum resolve_result result;
	const char *addrs;
};

static const struct answer_case answers[] = {
	{ "both.test", RESOLVE_OK, "192.0.2.1 2001:db8::1" },
	{ "four.test", RESOLVE_OK, "192.0.2.1 192.0.2.2" },
	{ "six.test", RESOLVE_OK, "2001:db8::1" },
	{ "single", RESOLVE_OK, "192.0.2.9" },	/* no search list */
	{ "under_score.test", RESOLVE_OK, "192.0.2.9" },
	{ "missing.test", RESOLVE_NOT_FOUND, NULL },
	{ "no.such.name", RESOLVE_NOT_FOUND, NULL },
	{ "nodata.test", RESOLVE_NOT_FOUND, NULL },
	{ "servfail.test", RESOLVE_FAILED, NULL },
	{ "refused.test", RESOLVE_FAILED, NULL },
	{ "silent6.test", RESOLVE_OK, "192.0.2.1" },
	{ "servfail6.test", RESOLVE_OK, "192.0.2.1" },
	{ "half.test", RESOLVE_FAILED, NULL },
	{ "truncated.test", RESOLVE_OK, "192.0.2.1 2001:db8::1" },
	{ "twice.test", RESOLVE_OK, "192.0.2.1 192.0.2.2" },
	{ "chain.test", RESOLVE_OK, "192.0.2.1 2001:db8::1" },
	{ "long-chain.test", RESOLVE_FAILED, NULL },
	{ "short.test", RESOLVE_FAILED, NULL },
	{ "inside.test", RESOLVE_OK, "127.0.0.1 10.0.0.1" },
	{ "localhost", RESOLVE_OK, "127.0.0.1 ::1" },
	{ "a.b.localhost", RESOLVE_OK, "127.0.0.1 ::1" },
	{ "invalid", RESOLVE_NOT_FOUND, NULL },
	{ "x.invalid", RESOLVE_NOT_FOUND, NULL },
	{ "notinvalid", RESOLVE_NOT_FOUND, NULL },
};

static void
test_answers(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct outcome o;

		print_message("%s\n", answers[i].name);
		o = ask(&w, answers[i].name);
		check(&o, answers[i].result, answers[i].addrs);
	}
	assert_true(w.dns.asked_tcp > 0);
	world_free(&w);
}

static void
test_no_answer(void **state)
{
	static const char *const names[] = { "silent.test", "wrong-id.test" };
	struct world w;

	(void)state;
	world_new_hasty(&w);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct outcome o = ask(&w, names[i]);

		check(&o, RESOLVE_TIMEOUT, NULL);
	}
	world_free(&w);
}

/* D-4: whatever a server says, there is an end, and it is no address. */
static void
test_hostile_answers(void **state)
{
	static const char *const names[] = { "garbage.test", "loop.test" };
	struct world w;

	(void)state;
	world_new_hasty(&w);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct outcome o = ask(&w, names[i]);

		assert_int_not_equal(o.result, RESOLVE_OK);
	}
	world_free(&w);
}

static void
test_many_addresses(void **state)
{
	struct outcome o;
	struct world w;

	(void)state;
	world_new(&w);
	o = ask(&w, "many.test");
	assert_int_equal(o.result, RESOLVE_OK);
	assert_int_equal(o.n, 32);
	world_free(&w);
}

static void
test_families_take_turns(void **state)
{
	struct outcome o;
	struct world w;

	(void)state;
	world_new(&w);
	for (unsigned again = 0; again < 2; again++) {	/* and cached */
		o = ask(&w, "mixed.test");
		assert_int_equal(o.n, 6);
		for (size_t i = 1; i < 6; i++)
			assert_int_not_equal(addr_is_v4(&o.addrs[i]),
			    addr_is_v4(&o.addrs[i - 1]));
	}
	world_free(&w);
}

/* RFC 6761: nobody is asked. */
static void
test_special_names_ask_nobody(void **state)
{
	static const char *const names[] = { "localhost", "x.localhost",
		"invalid", "x.y.invalid" };
	struct world w;

	(void)state;
	world_new(&w);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct outcome o;

		start(&w, &o, names[i]);
		assert_true(o.done);
	}
	io_turn(w.base, 5);
	assert_int_equal(w.dns.asked, 0);
	world_free(&w);
}

/* ----------------------------------------------------------------- cache */

struct ttl_case {
	const char *name;
	uint64_t kept_s;
};

static const struct ttl_case ttls[] = {
	{ "ttl0.test", 5 },		/* dns.ttl_min */
	{ "ttl60.test", 60 },
	{ "ttl-max.test", 300 },	/* dns.ttl_max */
	{ "missing.test", 5 },		/* dns.negative_ttl */
	{ "nodata.test", 5 },
};

static void
test_cache(void **state)
{
	struct world w;
	uint64_t hits = 0;

	(void)state;
	world_new(&w);
	for (size_t i = 0; i < ARRAY_LEN(ttls); i++) {
		uint64_t now = 100 * SECOND * (i + 1) * 10;
		struct outcome first, o;
		unsigned asked;

		clock_test_set(now, SECOND);
		first = ask(&w, ttls[i].name);
		asked = w.dns.asked;
		clock_test_set(now + ttls[i].kept_s * SECOND - 1000, SECOND);
		start(&w, &o, ttls[i].name);
		assert_true(o.done);
		assert_int_equal(o.result, first.result);
		assert_int_equal(o.n, first.n);
		assert_int_equal(w.dns.asked, asked);
		assert_int_equal(resolver_stats(w.r).cache_hits, ++hits);
		clock_test_set(now + ttls[i].kept_s * SECOND, SECOND);
		o = ask(&w, ttls[i].name);
		assert_true(w.dns.asked > asked);
	}
	world_free(&w);
}

/* A server that failed may be well again. */
static void
test_failures_are_not_cached(void **state)
{
	struct outcome o;
	struct world w;
	unsigned asked;

	(void)state;
	world_new(&w);
	(void)ask(&w, "servfail.test");
	asked = w.dns.asked;
	o = ask(&w, "servfail.test");
	assert_int_equal(o.result, RESOLVE_FAILED);
	assert_true(w.dns.asked > asked);
	world_free(&w);
}

static void
test_cache_is_bounded(void **state)
{
	struct world w;
	unsigned asked;

	(void)state;
	world_open(&w);
	w.cfg.dns_cache_entries = 2;
	world_start(&w);
	(void)ask(&w, "both.test");
	(void)ask(&w, "four.test");
	(void)ask(&w, "both.test");	/* used again: four goes */
	(void)ask(&w, "six.test");
	asked = w.dns.asked;
	(void)ask(&w, "both.test");
	(void)ask(&w, "six.test");
	assert_int_equal(w.dns.asked, asked);
	(void)ask(&w, "four.test");
	assert_true(w.dns.asked > asked);
	world_free(&w);
}

static void
test_no_cache(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	w.cfg.dns_cache_entries = 0;
	world_start(&w);
	(void)ask(&w, "both.test");
	(void)ask(&w, "both.test");
	assert_int_equal(w.dns.asked, 4);
	world_free(&w);
}

/* --------------------------------------------------------------- flights */

static void
test_single_flight(void **state)
{
	struct outcome o[10];
	struct world w;

	(void)state;
	world_new(&w);
	for (size_t i = 0; i < 10; i++)
		start(&w, &o[i], "both.test");
	for (size_t i = 0; i < 10; i++) {
		io_run(w.base, &o[i].done);
		check(&o[i], RESOLVE_OK, "192.0.2.1 2001:db8::1");
	}
	assert_int_equal(w.dns.asked, 2);	/* A and AAAA */
	assert_int_equal(resolver_stats(w.r).asked, 10);
	assert_int_equal(resolver_stats(w.r).ok, 10);
	world_free(&w);
}

/* Nobody waits any more, but the next one finds the answer. */
static void
test_cancel(void **state)
{
	struct outcome gone[3], o;
	struct world w;

	(void)state;
	world_new(&w);
	for (size_t i = 0; i < 3; i++)
		start(&w, &gone[i], "both.test");
	for (size_t i = 0; i < 3; i++) {
		resolve_cancel(&gone[i].query);
		assert_null(gone[i].query);
		resolve_cancel(&gone[i].query);
	}
	o = ask(&w, "ttl60.test");
	start(&w, &o, "both.test");
	if (!o.done)
		io_run(w.base, &o.done);
	for (size_t i = 0; i < 3; i++)
		assert_false(gone[i].done);
	assert_int_equal(w.dns.asked, 4);
	world_free(&w);
}

/* The first who hears cancels the second and asks anew. */
struct meddler {
	struct world *w;
	struct outcome *victim, *next;
	bool done;
};

static void
on_meddle(void *arg, enum resolve_result result, const struct addr *addrs,
    size_t n)
{
	struct meddler *m = arg;

	(void)result, (void)addrs, (void)n;
	m->done = true;
	resolve_cancel(&m->victim->query);
	start(m->w, m->next, "four.test");
}

static void
test_meddling_callback(void **state)
{
	struct outcome victim, next, last;
	struct meddler m = { .victim = &victim, .next = &next };
	struct world w;

	(void)state;
	world_new(&w);
	m.w = &w;
	assert_non_null(resolve_start(w.r, STR("both.test"), on_meddle, &m));
	start(&w, &victim, "both.test");
	start(&w, &last, "both.test");
	io_run(w.base, &m.done);
	assert_false(victim.done);
	assert_true(last.done);
	io_run(w.base, &next.done);
	check(&next, RESOLVE_OK, "192.0.2.1 192.0.2.2");
	world_free(&w);
}

/* timeouts.resolve ends the wait, whatever c-ares still hopes for. */
static void
test_deadline(void **state)
{
	struct outcome o, late;
	struct world w;

	(void)state;
	world_open(&w);
	w.cfg.timeouts_resolve = 100;
	w.cfg.dns_timeout = 400;
	w.cfg.dns_tries = 3;
	world_start(&w);
	w.dns.mute = true;
	o = ask(&w, "both.test");
	assert_int_equal(o.result, RESOLVE_TIMEOUT);
	assert_int_equal(resolver_stats(w.r).timeout, 1);
	/* The flight goes on; the second try is heard by who waits then. */
	w.dns.mute = false;
	w.cfg.timeouts_resolve = 5000;
	resolver_reload(w.r, &w.cfg);
	start(&w, &late, "both.test");
	assert_false(late.done);
	io_run(w.base, &late.done);
	check(&late, RESOLVE_OK, "192.0.2.1 2001:db8::1");
	world_free(&w);
}

static void
test_busy(void **state)
{
	struct outcome o[3], late;
	struct world w;

	(void)state;
	world_open(&w);
	w.cfg.dns_in_flight = 2;
	world_start(&w);
	start(&w, &o[0], "both.test");
	start(&w, &o[1], "four.test");
	start(&w, &o[2], "six.test");
	assert_true(o[2].done);
	assert_int_equal(o[2].result, RESOLVE_BUSY);
	start(&w, &late, "both.test");	/* takes part: no new flight */
	assert_false(late.done);
	io_run(w.base, &o[0].done);
	io_run(w.base, &o[1].done);
	assert_true(late.done);
	late = ask(&w, "six.test");
	assert_int_equal(late.result, RESOLVE_OK);
	assert_int_equal(resolver_stats(w.r).busy, 1);
	world_free(&w);
}

/* D-4: one user may wait for so many names, whoever else waits for them; what
 * is known already is free. */
static void
test_busy_user(void **state)
{
	struct quota *q = quota_new();
	struct resolve_query *query;
	struct outcome o[5] = { 0 };
	struct world w;

	(void)state;
	world_open(&w);
	w.cfg.dns_in_flight_per_user = 2;
	world_start(&w);
	resolver_count_users(w.r, q);
	assert_non_null(resolve_start_for(w.r, STR("a"), STR("both.test"),
	    on_done, &o[0]));
	query = resolve_start_for(w.r, STR("a"), STR("four.test"), on_done,
	    &o[1]);
	assert_non_null(query);
	assert_null(resolve_start_for(w.r, STR("a"), STR("six.test"), on_done,
	    &o[2]));
	assert_true(o[2].done);
	assert_int_equal(o[2].result, RESOLVE_LIMITED);
	assert_int_equal(resolver_stats(w.r).limited, 1);
	o[2] = (struct outcome){ 0 };
	assert_null(resolve_start_for(w.r, STR("a"), STR("localhost"),
	    on_done, &o[2]));
	assert_int_equal(o[2].result, RESOLVE_OK);
	/* another user, and nobody in particular */
	assert_non_null(resolve_start_for(w.r, STR("b"), STR("both.test"),
	    on_done, &o[3]));
	start(&w, &o[4], "six.test");
	assert_false(o[4].done);
	/* who goes away makes room */
	resolve_cancel(&query);
	assert_int_equal(quota_of(q, QUOTA_DNS, STR("a")), 1);
	assert_non_null(resolve_start_for(w.r, STR("a"), STR("four.test"),
	    on_done, &o[1]));
	for (size_t i = 0; i < ARRAY_LEN(o); i++)
		io_run(w.base, &o[i].done);
	assert_int_equal(o[1].result, RESOLVE_OK);
	assert_int_equal(quota_of(q, QUOTA_DNS, STR("a")), 0);
	/* a reload while one waits */
	resolver_free(&w.r);
	world_start(&w);
	resolver_count_users(w.r, q);
	memset(o, 0, sizeof(o));
	assert_non_null(resolve_start_for(w.r, STR("a"), STR("both.test"),
	    on_done, &o[0]));
	w.cfg.dns_in_flight_per_user = 0;
	resolver_reload(w.r, &w.cfg);
	assert_non_null(resolve_start_for(w.r, STR("a"), STR("both.test"),
	    on_done, &o[1]));
	assert_int_equal(quota_of(q, QUOTA_DNS, STR("a")), 1);
	world_free(&w);
	quota_free(&q);
}

/* AAAA never comes: the grace is over long before c-ares gives up. */
static void
test_one_family_is_enough(void **state)
{
	struct outcome o;
	struct world w;

	(void)state;
	world_open(&w);
	w.cfg.dns_timeout = 20000;
	w.cfg.timeouts_resolve = 60000;
	world_start(&w);
	o = ask(&w, "silent6.test");
	check(&o, RESOLVE_OK, "192.0.2.1");
	/* Who comes later does not wait at all. */
	start(&w, &o, "silent6.test");
	assert_true(o.done);
	check(&o, RESOLVE_OK, "192.0.2.1");
	world_free(&w);
}

static void
test_free_while_asking(void **state)
{
	size_t fds = io_count_fds();
	struct outcome o[5];
	struct world w;

	(void)state;
	world_new(&w);
	for (size_t i = 0; i < 5; i++)
		start(&w, &o[i], i % 2 == 0 ? "silent.test" : "both.test");
	resolver_free(&w.r);
	io_turn(w.base, 3);
	for (size_t i = 0; i < 5; i++)
		assert_false(o[i].done);
	world_free(&w);
	assert_int_equal(io_count_fds(), fds);
}

/* Nobody listens: an answer, not a start that fails. */
static void
test_server_is_away(void **state)
{
	struct outcome o;
	struct world w;

	(void)state;
	world_open(&w);
	w.cfg.dns_timeout = 100;
	dns_close(&w.dns);
	world_start(&w);
	/* Which of the two is c-ares' matter. */
	o = ask(&w, "both.test");
	assert_true(o.result == RESOLVE_FAILED || o.result == RESOLVE_TIMEOUT);
	resolver_free(&w.r);
	event_base_free(w.base);
}

/* No dns.servers: whatever resolv.conf says, or not, it starts. */
static void
test_without_servers(void **state)
{
	struct err err = { "" };
	struct world w;

	(void)state;
	world_open(&w);
	assert_int_equal(resolver_new(&w.r, w.base, &w.cfg, &err), 0);
	assert_int_equal(ask(&w, "localhost").n, 2);
	world_free(&w);
}

/* ----------------------------------------------------------------- hosts */

static void
write_hosts(struct world *w, const char *text)
{
	FILE *f;

	if (w->hosts[0] == '\0') {
		strcpy(w->hosts, "/tmp/test_resolve.XXXXXX");
		close(mkstemp(w->hosts));
	}
	f = fopen(w->hosts, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
test_hosts(void **state)
{
	struct outcome o;
	struct world w;

	(void)state;
	world_open(&w);
	write_hosts(&w,
	    "# a comment\n"
	    "192.0.2.50\tOne.Hosts  alias # two\n"
	    "2001:db8::50 one.hosts.\r\n"
	    "127.0.0.1 localhost\n"
	    "192.0.2.66 localhost x.invalid\n"
	    "not-an-address bad.hosts\n"
	    "192.0.2.51 bad..name 1.2 192.0.2.1 ok.hosts\n"
	    "192.0.2.52\n"
	    "192.0.2.53 both.test\n"
	    "\n"
	    "192.0.2.54 last.hosts");
	world_start(&w);
	o = ask(&w, "one.hosts");
	check(&o, RESOLVE_OK, "192.0.2.50 2001:db8::50");
	o = ask(&w, "alias");
	check(&o, RESOLVE_OK, "192.0.2.50");
	o = ask(&w, "ok.hosts");
	check(&o, RESOLVE_OK, "192.0.2.51");
	o = ask(&w, "last.hosts");
	check(&o, RESOLVE_OK, "192.0.2.54");
	o = ask(&w, "both.test");	/* before the name servers */
	check(&o, RESOLVE_OK, "192.0.2.53");
	o = ask(&w, "localhost");	/* after RFC 6761 */
	check(&o, RESOLVE_OK, "127.0.0.1 ::1");
	o = ask(&w, "x.invalid");
	check(&o, RESOLVE_NOT_FOUND, NULL);
	assert_int_equal(w.dns.asked, 0);
	o = ask(&w, "two");
	check(&o, RESOLVE_NOT_FOUND, NULL);
	o = ask(&w, "bad.hosts");
	check(&o, RESOLVE_NOT_FOUND, NULL);
	world_free(&w);
}

/* Looked at every 5 s at most; gone or unreadable is no accident. */
static void
test_hosts_reload(void **state)
{
	struct outcome o;
	struct world w;

	(void)state;
	world_open(&w);
	write_hosts(&w, "192.0.2.50 one.hosts\n");
	clock_test_set(1000 * SECOND, SECOND);
	world_start(&w);
	write_hosts(&w, "192.0.2.251 one.hosts\n");
	clock_test_set(1004 * SECOND, SECOND);
	o = ask(&w, "one.hosts");
	check(&o, RESOLVE_OK, "192.0.2.50");
	clock_test_set(1005 * SECOND, SECOND);
	o = ask(&w, "one.hosts");
	check(&o, RESOLVE_OK, "192.0.2.251");
	unlink(w.hosts);
	clock_test_set(1010 * SECOND, SECOND);
	o = ask(&w, "one.hosts");
	check(&o, RESOLVE_NOT_FOUND, NULL);
	assert_int_equal(mkdir(w.hosts, 0700), 0);	/* cannot be read */
	clock_test_set(1020 * SECOND, SECOND);
	o = ask(&w, "one.hosts");
	check(&o, RESOLVE_NOT_FOUND, NULL);
	rmdir(w.hosts);
	write_hosts(&w, "192.0.2.252 one.hosts\n");
	clock_test_set(1030 * SECOND, SECOND);
	o = ask(&w, "one.hosts");
	check(&o, RESOLVE_OK, "192.0.2.252");
	world_free(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_hostile_answers),
		cmocka_unit_test(test_many_addresses),
		cmocka_unit_test(test_families_take_turns),
		cmocka_unit_test(test_special_names_ask_nobody),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_failures_are_not_cached),
		cmocka_unit_test(test_cache_is_bounded),
		cmocka_unit_test(test_no_cache),
		cmocka_unit_test(test_single_flight),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_meddling_callback),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_busy_user),
		cmocka_unit_test(test_one_family_is_enough),
		cmocka_unit_test(test_free_while_asking),
		cmocka_unit_test(test_server_is_away),
		cmocka_unit_test(test_without_servers),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_hosts_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
