/* SPDX-License-Identifier: MIT */
/*
 * A flight is one name that name servers are being asked for, A and AAAA
 * apart; it lives until c-ares is done with both, whoever waits. Its answer
 * goes to the cache even when all who waited have left. When one family is
 * known and the other is slow, those who wait get the one after a short grace:
 * many servers never answer AAAA.
 *
 * Nothing of a flight is touched after the first done() of its waiters.
 */
#include "proxy/resolve.h"

#include <event2/event_struct.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "net/name.h"
#include "proxy/hosts.h"
#include "proxy/quota.h"
#include "proxy/resolve_cache.h"
#include "proxy/resolve_cares.h"

#define GRACE_MS 300	/* for the second family */
#define REFRESH_MS 5000	/* files and routes are looked at this often */

struct resolver {
	struct resolve_cares *cares;
	struct hosts *hosts;
	struct resolve_cache *cache;
	struct map flights;
	struct list waiting;	/* queries, the first deadline first */
	struct list half;	/* flights with one family known */
	struct event tick;	/* in the loop while there are flights */
	struct timeval tick_every;
	uint64_t refreshed_ms;
	bool v6_first;
	uint64_t limit_ms, ttl_min_ms, ttl_max_ms, negative_ttl_ms;
	uint32_t in_flight_max, per_user_max;
	struct quota *quota;	/* of per_user_max; NULL: not counted */
	struct resolve_stats stats;
};

struct flight {
	struct map_node node;
	struct resolver *resolver;
	struct list waiters;
	struct list half;	/* in resolver->half */
	uint64_t half_ms;	/* since when */
	bool early;		/* grace is over: what is known is the answer */
	uint8_t pending;	/* asks that are out */
	enum resolve_result trouble;	/* of a family; RESOLVE_OK: none */
	uint64_t ttl_s;
	size_t n;
	struct addr addrs[2 * RESOLVE_ADDRS_MAX];
	struct resolve_ask asks[2];
	char name[NAME_MAX_LEN + 1];
};

struct resolve_query {
	struct list link;	/* in flight->waiters */
	struct list by_deadline;
	struct resolver *resolver;
	uint64_t deadline_ms;
	resolve_done_fn *done;
	void *arg;
	bool *ended;		/* of resolve_start, while it runs */
	struct quota_hold hold;	/* among those of its user */
};

/* --------------------------------------------------------------- answers */

/* Families in turn, each in its order, the better one first. */
static size_t
interleave(struct addr *out, const struct addr *in, size_t n, bool v6_first)
{
	size_t at[2] = { 0, 0 }, count = 0;	/* [0]: IPv6, [1]: IPv4 */
	int family = v6_first ? 0 : 1, missed = 0;

	while (count < RESOLVE_ADDRS_MAX && missed < 2) {
		while (at[family] < n &&
		    addr_is_v4(&in[at[family]]) != (family == 1))
			at[family]++;
		if (at[family] < n) {
			out[count++] = in[at[family]++];
			missed = 0;
		} else {
			missed++;
		}
		family = !family;
	}
	return count;
}

static void
count_result(struct resolve_stats *s, enum resolve_result result)
{
	switch (result) {
	case RESOLVE_OK: s->ok++; break;
	case RESOLVE_NOT_FOUND: s->not_found++; break;
	case RESOLVE_TIMEOUT: s->timeout++; break;
	case RESOLVE_FAILED: s->failed++; break;
	case RESOLVE_BUSY: s->busy++; break;
	case RESOLVE_LIMITED: s->limited++; break;
	}
}

/* What resolve_start says when nothing has to be waited for. */
static struct resolve_query *
answer_now(struct resolver *r, resolve_done_fn *done, void *arg,
    enum resolve_result result, const struct addr *addrs, size_t n)
{
	struct addr ordered[RESOLVE_ADDRS_MAX];

	n = interleave(ordered, addrs, n, r->v6_first);
	count_result(&r->stats, result);
	done(arg, result, ordered, n);
	return NULL;
}

static void
query_forget(struct resolve_query *q)
{
	list_del(&q->link);
	list_del(&q->by_deadline);
	if (q->ended != NULL)
		*q->ended = true;
	quota_give(&q->hold);
	free(q);
}

static void
query_end(struct resolve_query *q, enum resolve_result result,
    const struct addr *addrs, size_t n)
{
	struct resolver *r = q->resolver;
	resolve_done_fn *done = q->done;
	void *arg = q->arg;

	query_forget(q);
	(void)answer_now(r, done, arg, result, addrs, n);
}

/* --------------------------------------------------------------- flights */

static enum resolve_result
flight_result(const struct flight *f)
{
	if (f->n > 0)
		return RESOLVE_OK;
	return f->trouble != RESOLVE_OK ? f->trouble : RESOLVE_NOT_FOUND;
}

static void
answer_waiters(struct flight *f)
{
	struct addr addrs[ARRAY_LEN(f->addrs)];
	enum resolve_result result = flight_result(f);
	struct list waiters, *l;
	size_t n = f->n;

	memcpy(addrs, f->addrs, n * sizeof(addrs[0]));
	list_init(&waiters);
	list_move(&waiters, &f->waiters);
	while ((l = list_pop(&waiters)) != NULL)
		query_end(container_of(l, struct resolve_query, link), result,
		    addrs, n);
}

static uint64_t
clamp(uint64_t v, uint64_t min, uint64_t max)
{
	return v < min ? min : v > max ? max : v;
}

/* Only what name servers said for certain is remembered. */
static void
remember(struct resolver *r, const struct flight *f)
{
	uint64_t keep_ms = r->negative_ttl_ms;

	if (f->n == 0 && f->trouble != RESOLVE_OK)
		return;
	if (f->n > 0)
		keep_ms = clamp(f->ttl_s * 1000, r->ttl_min_ms, r->ttl_max_ms);
	if (keep_ms > 0)
		resolve_cache_put(r->cache, f->node.key, f->addrs, f->n,
		    clock_mono_ms() + keep_ms);
}

static void
flight_end(struct flight *f)
{
	struct resolver *r = f->resolver;

	remember(r, f);
	map_remove(&r->flights, &f->node);
	list_del(&f->half);
	if (r->flights.count == 0)
		event_del(&r->tick);
	answer_waiters(f);
	free(f);
}

static void
on_answer(struct resolve_ask *ask, const struct resolve_answer *a,
    struct flight *f)
{
	(void)ask;
	if (a->result == RESOLVE_OK) {
		memcpy(f->addrs + f->n, a->addrs, a->n * sizeof(a->addrs[0]));
		f->n += a->n;
		if (a->ttl_s < f->ttl_s)
			f->ttl_s = a->ttl_s;
	} else if (a->result != RESOLVE_NOT_FOUND) {
		f->trouble = a->result;
	}
	if (--f->pending == 0) {
		flight_end(f);
	} else if (f->n > 0) {
		f->half_ms = clock_mono_ms();
		list_push(&f->resolver->half, &f->half);
	}
}

static void
on_answer4(struct resolve_ask *ask, const struct resolve_answer *a)
{
	on_answer(ask, a, container_of(ask, struct flight, asks[0]));
}

static void
on_answer6(struct resolve_ask *ask, const struct resolve_answer *a)
{
	on_answer(ask, a, container_of(ask, struct flight, asks[1]));
}

/* NULL: memory is out. */
static struct flight *
flight_new(struct resolver *r, struct str name)
{
	struct flight *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->resolver = r;
	f->ttl_s = UINT32_MAX;
	list_init(&f->waiters);
	list_init(&f->half);
	memcpy(f->name, name.ptr, name.len);
	map_insert(&r->flights, &f->node, (struct str){ f->name, name.len });
	if (r->flights.count == 1)
		event_add(&r->tick, &r->tick_every);
	return f;
}

/* Both families; either may be answered at once, and the flight be over. */
static void
flight_start(struct flight *f)
{
	struct resolve_cares *c = f->resolver->cares;

	f->pending = 2;
	f->asks[0].done = on_answer4;
	f->asks[1].done = on_answer6;
	resolve_cares_ask(c, &f->asks[0], f->name, AF_INET);
	resolve_cares_ask(c, &f->asks[1], f->name, AF_INET6);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;
	uint64_t now = clock_mono_ms();

	(void)fd, (void)what;
	resolve_cares_poll(r->cares);
	while (!list_empty(&r->half)) {
		struct flight *f =
		    container_of(r->half.next, struct flight, half);

		if (f->half_ms + GRACE_MS > now)
			break;
		list_del(&f->half);
		f->early = true;
		answer_waiters(f);
	}
	while (!list_empty(&r->waiting)) {
		struct resolve_query *q = container_of(r->waiting.next,
		    struct resolve_query, by_deadline);

		if (q->deadline_ms > now)
			break;
		query_end(q, RESOLVE_TIMEOUT, NULL, 0);
	}
}

/* -------------------------------------------------------------- resolver */

/* Would a packet to the IPv6 world leave this machine? Sends none. */
static bool
has_v6_route(void)
{
	struct sockaddr_in6 sa = {
		.sin6_family = AF_INET6, .sin6_port = htons(53),
		.sin6_addr.s6_addr = { 0x20, 0x01, 0x05, 0x03 },
	};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 &&
	    connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static void
refresh(struct resolver *r, uint64_t now)
{
	if (now < r->refreshed_ms + REFRESH_MS)
		return;
	r->refreshed_ms = now;
	r->v6_first = has_v6_route();
	(void)hosts_refresh(r->hosts);
	resolve_cares_refresh(r->cares);
}

void
resolver_reload(struct resolver *r, const struct proxy_config *cfg)
{
	r->limit_ms = cfg->timeouts_resolve;
	r->ttl_min_ms = cfg->dns_ttl_min;
	r->ttl_max_ms = cfg->dns_ttl_max;
	r->negative_ttl_ms = cfg->dns_negative_ttl;
	r->in_flight_max = cfg->dns_in_flight;
	r->per_user_max = cfg->dns_in_flight_per_user;
}

void
resolver_count_users(struct resolver *r, struct quota *q)
{
	r->quota = q;
}

int
resolver_new(struct resolver **out, struct event_base *base,
    const struct proxy_config *cfg, struct err *err)
{
	struct resolver *r = xcalloc(1, sizeof(*r));

	if (resolve_cares_new(&r->cares, base, cfg, err) != 0) {
		free(r);
		return -1;
	}
	r->hosts = hosts_new(cfg->dns_hosts_file);
	r->cache = resolve_cache_new(cfg->dns_cache_entries);
	map_init(&r->flights);
	list_init(&r->waiting);
	list_init(&r->half);
	r->tick_every.tv_usec =
	    (suseconds_t)resolve_cares_tick_ms(r->cares) * 1000;
	event_assign(&r->tick, base, -1, EV_PERSIST, on_tick, r);
	resolver_reload(r, cfg);
	r->v6_first = has_v6_route();
	r->refreshed_ms = clock_mono_ms();
	*out = r;
	return 0;
}

void
resolver_free(struct resolver **rp)
{
	struct resolver *r = *rp;
	struct map_node *node, *next;

	if (r == NULL)
		return;
	resolve_cares_free(&r->cares);
	event_del(&r->tick);
	while (!list_empty(&r->waiting))
		query_forget(container_of(r->waiting.next,
		    struct resolve_query, by_deadline));
	for (node = map_next(&r->flights, NULL); node != NULL; node = next) {
		next = map_next(&r->flights, node);
		free(container_of(node, struct flight, node));
	}
	map_fini(&r->flights);
	resolve_cache_free(&r->cache);
	hosts_free(&r->hosts);
	free(r);
	*rp = NULL;
}

struct resolve_stats
resolver_stats(const struct resolver *r)
{
	return r->stats;
}

/* --------------------------------------------------------------- queries */

/* Is `name` the domain, or below it? */
static bool
in_domain(struct str name, struct str domain)
{
	size_t above = name.len - domain.len;

	return name.len >= domain.len &&
	    memcmp(name.ptr + above, domain.ptr, domain.len) == 0 &&
	    (above == 0 || name.ptr[above - 1] == '.');
}

/* What is known without asking; false: it has to be asked. */
static bool
known(struct resolver *r, struct str name, uint64_t now,
    struct resolve_cached *out)
{
	static const struct addr loopback[] = {
		{ { [15] = 1 } },
		{ { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } },
	};

	*out = (struct resolve_cached){ NULL, 0 };
	if (in_domain(name, STR("invalid")))
		return true;
	if (in_domain(name, STR("localhost"))) {
		*out = (struct resolve_cached){ loopback,
			ARRAY_LEN(loopback) };
		return true;
	}
	out->n = hosts_find(r->hosts, name, &out->addrs);
	if (out->n > 0)
		return true;
	if (!resolve_cache_get(r->cache, name, now, out))
		return false;
	r->stats.cache_hits++;
	return true;
}

/* The flight that asks for this name, a new one if need be; NULL: too many,
 * or memory is out. */
static struct flight *
flight_for(struct resolver *r, struct str name)
{
	struct map_node *node = map_find(&r->flights, name);

	if (node != NULL)
		return container_of(node, struct flight, node);
	return r->flights.count < r->in_flight_max ? flight_new(r, name)
						   : NULL;
}

/* Waits for the flight, and gets it going if it is new. */
static struct resolve_query *
query_wait(struct resolve_query *q, struct flight *f)
{
	bool ended = false;

	list_push(&f->waiters, &q->link);
	list_push(&f->resolver->waiting, &q->by_deadline);
	if (f->pending > 0)
		return q;
	/* cppcheck-suppress autoVariables; taken back before the return */
	q->ended = &ended;
	flight_start(f);
	if (ended)
		return NULL;
	q->ended = NULL;
	return q;
}

/* A query that waits for nothing yet; NULL: `why`. */
static struct resolve_query *
query_new(struct resolver *r, const struct str *user, enum resolve_result *why)
{
	struct resolve_query *q = calloc(1, sizeof(*q));

	*why = RESOLVE_BUSY;
	if (q == NULL || user == NULL || r->quota == NULL)
		return q;
	switch (quota_take(r->quota, QUOTA_DNS, *user, r->per_user_max,
	    &q->hold)) {
	case QUOTA_OK:
		return q;
	case QUOTA_FULL:
		*why = RESOLVE_LIMITED;
		break;
	case QUOTA_NO_MEMORY:
		break;
	}
	free(q);
	return NULL;
}

static void
query_drop(struct resolve_query *q)
{
	if (q == NULL)
		return;
	quota_give(&q->hold);
	free(q);
}

/* `user` NULL: nobody's. */
static struct resolve_query *
start(struct resolver *r, const struct str *user, struct str name,
    resolve_done_fn *done, void *arg)
{
	uint64_t now = clock_mono_ms();
	enum resolve_result why;
	struct resolve_cached c;
	struct resolve_query *q;
	struct flight *f;

	ASSERT(name.len > 0 && name.len <= NAME_MAX_LEN);
	r->stats.asked++;
	refresh(r, now);
	if (known(r, name, now, &c))
		return answer_now(r, done, arg, c.n > 0 ? RESOLVE_OK
		    : RESOLVE_NOT_FOUND, c.addrs, c.n);
	q = query_new(r, user, &why);
	f = q != NULL ? flight_for(r, name) : NULL;
	if (f == NULL || f->early) {
		query_drop(q);
		return f != NULL
		    ? answer_now(r, done, arg, RESOLVE_OK, f->addrs, f->n)
		    : answer_now(r, done, arg, why, NULL, 0);
	}
	q->resolver = r;
	q->deadline_ms = now + r->limit_ms;
	q->done = done;
	q->arg = arg;
	list_init(&q->link);
	list_init(&q->by_deadline);
	return query_wait(q, f);
}

struct resolve_query *
resolve_start(struct resolver *r, struct str name, resolve_done_fn *done,
    void *arg)
{
	return start(r, NULL, name, done, arg);
}

struct resolve_query *
resolve_start_for(struct resolver *r, struct str user, struct str name,
    resolve_done_fn *done, void *arg)
{
	return start(r, &user, name, done, arg);
}

void
resolve_cancel(struct resolve_query **qp)
{
	if (*qp != NULL)
		query_forget(*qp);
	*qp = NULL;
}
