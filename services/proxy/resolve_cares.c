/* SPDX-License-Identifier: MIT */
/*
 * c-ares tells which of its sockets it wants to hear of, and each of them gets
 * an event. Its time-outs are looked at by a tick of the resolver, because
 * asking c-ares for the next one takes time in proportion to what is out.
 */
#include "proxy/resolve_cares.h"

#include <ares.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "proxy/mark.h"

#define EDNS_SIZE 1232		/* no fragments; more goes by TCP */
#define RESOLV_CONF "/etc/resolv.conf"
#define TICK_MAX_MS 100

struct resolve_cares {
	struct event_base *base;
	ares_channel channel;
	struct list sockets;
	char *servers;		/* "" : as resolv.conf says */
	struct mark resolv_conf;
	int timeout_ms, tries;
	unsigned out;		/* questions */
	bool closing;
};

struct ares_socket {
	struct list link;
	struct resolve_cares *owner;
	struct event event;
};

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct ares_socket *s = arg;

	ares_process_fd(s->owner->channel,
	    what & EV_READ ? fd : ARES_SOCKET_BAD,
	    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
}

static struct ares_socket *
find_socket(struct resolve_cares *c, ares_socket_t fd)
{
	list_for_each(l, &c->sockets) {
		struct ares_socket *s =
		    container_of(l, struct ares_socket, link);

		if (event_get_fd(&s->event) == fd)
			return s;
	}
	return NULL;
}

static void
free_socket(struct ares_socket *s)
{
	event_del(&s->event);
	list_del(&s->link);
	free(s);
}

/* c-ares: what it wants of a socket now; nothing before it closes one. */
static void
on_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolve_cares *c = arg;
	struct ares_socket *s = find_socket(c, fd);
	short what = (short)((readable ? EV_READ : 0) |
	    (writable ? EV_WRITE : 0));

	if (what == 0) {
		if (s != NULL)
			free_socket(s);
		return;
	}
	if (s == NULL) {
		s = xcalloc(1, sizeof(*s));
		s->owner = c;
		list_init(&s->link);
		list_push(&c->sockets, &s->link);
	} else {
		event_del(&s->event);
	}
	event_assign(&s->event, c->base, fd, (short)(what | EV_PERSIST),
	    on_socket, s);
	event_add(&s->event, NULL);
}

static bool
has(const struct resolve_answer *a, const struct addr *addr)
{
	for (uint8_t i = 0; i < a->n; i++)
		if (addr_eq(&a->addrs[i], addr))
			return true;
	return false;
}

static uint64_t
least(uint64_t ttl, int other)
{
	uint64_t t = other > 0 ? (uint64_t)other : 0;

	return t < ttl ? t : ttl;
}

static void
take_addresses(struct resolve_answer *a, const struct ares_addrinfo *info)
{
	const struct ares_addrinfo_node *n = info->nodes;
	struct endpoint e;

	for (; n != NULL && a->n < RESOLVE_ADDRS_MAX; n = n->ai_next) {
		if (!endpoint_from_sockaddr(&e, n->ai_addr) ||
		    has(a, &e.addr))
			continue;
		a->addrs[a->n++] = e.addr;
		a->ttl_s = least(a->ttl_s, n->ai_ttl);
	}
	if (a->n == 0)
		a->result = RESOLVE_NOT_FOUND;
}

static void
take_cnames(struct resolve_answer *a, const struct ares_addrinfo *info)
{
	const struct ares_addrinfo_cname *c = info->cnames;
	unsigned n = 0;

	for (; c != NULL; c = c->next, n++)
		a->ttl_s = least(a->ttl_s, c->ttl);
	if (n > RESOLVE_CNAMES_MAX)
		*a = (struct resolve_answer){ .result = RESOLVE_FAILED };
}

static enum resolve_result
result_of(int status)
{
	switch (status) {
	case ARES_SUCCESS: return RESOLVE_OK;
	case ARES_ENOTFOUND: case ARES_ENODATA: return RESOLVE_NOT_FOUND;
	case ARES_ETIMEOUT: return RESOLVE_TIMEOUT;
	default: return RESOLVE_FAILED;
	}
}

static void
on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct resolve_ask *ask = arg;
	struct resolve_answer a = {
		.result = result_of(status), .ttl_s = UINT32_MAX,
	};

	(void)timeouts;
	if (a.result == RESOLVE_OK && info != NULL) {
		take_addresses(&a, info);
		take_cnames(&a, info);
	}
	if (info != NULL)
		ares_freeaddrinfo(info);
	ask->owner->out--;
	if (!ask->owner->closing)
		ask->done(ask, &a);
}

void
resolve_cares_ask(struct resolve_cares *c, struct resolve_ask *ask,
    const char *name, int family)
{
	const struct ares_addrinfo_hints hints = {
		.ai_flags = ARES_AI_NOSORT,
		.ai_family = family,
		.ai_socktype = SOCK_STREAM,
	};

	ask->owner = c;
	c->out++;
	ares_getaddrinfo(c->channel, name, NULL, &hints, on_answer, ask);
}

void
resolve_cares_poll(struct resolve_cares *c)
{
	ares_process_fd(c->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

unsigned
resolve_cares_tick_ms(const struct resolve_cares *c)
{
	unsigned tick = (unsigned)c->timeout_ms / 4;

	return tick < TICK_MAX_MS ? tick : TICK_MAX_MS;
}

/* Without name servers that answer it opens all the same. */
static int
open_channel(struct resolve_cares *c, struct err *err)
{
	struct ares_options o = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
		    ARES_FLAG_EDNS,
		.timeout = c->timeout_ms, .tries = c->tries,
		.ednspsz = EDNS_SIZE, .lookups = (char[]){ "b" },
		.sock_state_cb = on_state, .sock_state_cb_data = c,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
	    ARES_OPT_EDNSPSZ | ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS |
	    ARES_OPT_SOCK_STATE_CB;
	int status;

#ifdef ARES_OPT_QUERY_CACHE
	mask |= ARES_OPT_QUERY_CACHE;	/* since 1.31; ours clamps TTLs */
	o.qcache_max_ttl = 0;
#endif
	status = ares_init_options(&c->channel, &o, mask);
	if (status != ARES_SUCCESS) {
		c->channel = NULL;
		return err_set(err, "c-ares: %s", ares_strerror(status));
	}
	if (c->servers[0] == '\0')
		return 0;
	status = ares_set_servers_ports_csv(c->channel, c->servers);
	if (status == ARES_SUCCESS)
		return 0;
	return err_set(err, "proxy.dns.servers: %s: %s", c->servers,
	    ares_strerror(status));
}

static void
close_channel(struct resolve_cares *c)
{
	if (c->channel != NULL)
		ares_destroy(c->channel);
	c->channel = NULL;
}

void
resolve_cares_refresh(struct resolve_cares *c)
{
	ares_channel old = c->channel;
	struct mark mark;

	if (c->servers[0] != '\0' || c->out > 0 ||
	    !mark_look(RESOLV_CONF, &mark) || mark_eq(&mark, &c->resolv_conf))
		return;
	c->resolv_conf = mark;
	if (open_channel(c, NULL) == 0)
		ares_destroy(old);
	else
		c->channel = old;
}

static char *
server_list(const struct endpoint_list *servers)
{
	char text[ENDPOINT_TEXT_SIZE];
	struct bytes out = { 0 };

	for (size_t i = 0; i < servers->n; i++) {
		endpoint_format(text, &servers->v[i]);
		bytes_fmt(&out, "%s%s", i == 0 ? "" : ",", text);
	}
	bytes_add(&out, "", 1);
	return out.ptr;
}

static void
init_library(void)
{
	(void)ares_library_init(ARES_LIB_INIT_ALL);
}

int
resolve_cares_new(struct resolve_cares **out, struct event_base *base,
    const struct proxy_config *cfg, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct resolve_cares *c = xcalloc(1, sizeof(*c));

	pthread_once(&once, init_library);
	c->base = base;
	c->timeout_ms = (int)cfg->dns_timeout;
	c->tries = (int)cfg->dns_tries;
	c->servers = server_list(&cfg->dns_servers);
	list_init(&c->sockets);
	(void)mark_look(RESOLV_CONF, &c->resolv_conf);
	if (open_channel(c, err) != 0) {
		resolve_cares_free(&c);
		return -1;
	}
	*out = c;
	return 0;
}

void
resolve_cares_free(struct resolve_cares **cp)
{
	struct resolve_cares *c = *cp;

	if (c == NULL)
		return;
	c->closing = true;
	close_channel(c);
	while (!list_empty(&c->sockets))
		free_socket(container_of(c->sockets.next, struct ares_socket,
		    link));
	free(c->servers);
	free(c);
	*cp = NULL;
}
