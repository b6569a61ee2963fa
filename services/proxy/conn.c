/* SPDX-License-Identifier: MIT */
/*
 * Turns. libevent calls on_readable, on_clock, or one of the answers below;
 * each runs one handler through conn_step, the only writer of c->state. A conn
 * that ends is buried, never freed, while a callback of it may be on the stack.
 */
#include "proxy/conn_impl.h"

#include <errno.h>
#include <event2/event.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pool.h"
#include "proxy/assoc.h"
#include "proxy/listener.h"
#include "proxy/proxy_metrics.h"
#include "proxy/worker.h"

#define CONN_MAGIC 0x434f4e4eu
#define CONN_BURIED 0xdeadc0deu
#define LINGER_MS 1000

static void conn_watch(struct conn *c);

/* ---- clocks ---- */

static void
clock_set(struct conn *c, uint64_t ms)
{
	struct timeval tv = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000),
	};

	evtimer_add(&c->h->clock, &tv);
}

/* Moves from one clock to another; the handshake's remembers what is left. */
static void
clock_change(struct conn *c, enum conn_clock from, enum conn_clock to)
{
	struct handshake *h = c->h;
	uint64_t now;

	if (from == to || h == NULL)
		return;
	now = clock_mono_ms();
	evtimer_del(&h->clock);
	if (from == CLOCK_HANDSHAKE)
		h->left_ms = h->due_ms > now ? h->due_ms - now : 1;
	switch (to) {
	case CLOCK_HANDSHAKE:
		h->due_ms = now + h->left_ms;
		clock_set(c, h->left_ms);
		break;
	case CLOCK_DELAY:
		clock_set(c, h->delay_ms);
		break;
	case CLOCK_LINGER:
		clock_set(c, LINGER_MS);
		break;
	case CLOCK_ASKED:
	case CLOCK_NONE:
		break;
	}
}

static void
on_clock(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	ASSERT(c->magic == CONN_MAGIC && c->h != NULL);
	ASSERT(conn_states[c->state].expired != NULL);
	conn_step(c, conn_states[c->state].expired);
}

/* ---- states ---- */

static void
gauge(const struct conn *c, enum conn_state state, int64_t n)
{
	metrics_gauge_add(c->w->cells, METRIC_proxy_connections, state, n);
}

static void
conn_enter(struct conn *c, enum conn_state to)
{
	enum conn_state from = c->state;

	ASSERT(to == CONN_CLOSING || (conn_states[from].next & 1u << to));
	log_debug(NULL, "conn_state", log_u64("client_port", c->source.port),
	    log_str("from", conn_states[from].name),
	    log_str("to", conn_states[to].name));
	c->state = (uint8_t)to;
	gauge(c, from, -1);
	gauge(c, to, 1);
	clock_change(c, conn_states[from].clock, conn_states[to].clock);
}

void
conn_step(struct conn *c, conn_handler_fn *handle)
{
	do {
		enum conn_state from = c->state, to = handle(c);

		if (to == from)
			break;
		conn_enter(c, to);
		if (to == CONN_CLOSING) {
			conn_close(c, c->reason);
			return;
		}
		/* Pipelined bytes may be here already. */
		handle = conn_states[to].input;
	} while (handle != NULL);
	conn_watch(c);
}

/* ---- input ---- */

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	struct handshake *h = c->h;
	conn_handler_fn *input;
	ssize_t n;

	(void)fd;
	if (c->relay != NULL) {
		relay_ready(c->relay, what);
		return;
	}
	ASSERT(c->magic == CONN_MAGIC && h != NULL);
	input = conn_states[c->state].input;
	n = stream_read(&c->client, h->in + h->in_len,
	    sizeof(h->in) - h->in_len);
	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return;
		conn_record_gone(c);
		conn_close(c, CLOSE_NONE);
		return;
	}
	if (n == 0)
		h->eof = true;
	h->in_len = (uint16_t)(h->in_len + n);
	if (input != NULL)
		conn_step(c, input);
	else
		conn_watch(c);
}

/*
 * Keeps the client watched, also while a question is out, so that a reset is
 * seen; not beyond its FIN or a full buffer, where it would only spin.
 */
static void
conn_watch(struct conn *c)
{
	struct handshake *h = c->h;
	bool want;

	if (h == NULL)
		return;
	want = !h->eof && h->in_len < sizeof(h->in);
	if (want == h->watching)
		return;
	h->watching = want;
	if (want)
		event_add(&c->readable, NULL);
	else
		event_del(&c->readable);
}

void
conn_consume(struct conn *c, size_t n)
{
	struct handshake *h = c->h;
	size_t rest = h->in_len - n;

	ASSERT(n <= h->in_len);
	memmove(h->in, h->in + n, rest);
	secret_wipe(h->in + rest, n);
	h->in_len = (uint16_t)rest;
}

/* A handshake's answers are a few bytes into an empty socket buffer. */
bool
conn_send(struct conn *c, const void *p, size_t len)
{
	return stream_write(&c->client, p, len) == (ssize_t)len;
}

/* ---- accept ---- */

static struct conn *
conn_new(struct worker *w)
{
	struct conn *c = pool_get(w->conns);
	struct handshake *h = pool_take(w->handshakes);

	if (c != NULL && h != NULL) {
		memset(h, 0, offsetof(struct handshake, in));
		c->h = h;
		return c;
	}
	if (c != NULL)
		pool_put(w->conns, c);
	if (h != NULL)
		pool_put(w->handshakes, h);
	return NULL;
}

static void
conn_begin(struct conn *c, struct listener *l, int fd,
    const struct endpoint *peer)
{
	struct worker *w = l->worker;
	struct handshake *h = c->h;

	h->conn = c;
	c->magic = CONN_MAGIC;
	c->state = CONN_GREETING;
	c->reply_code = RECORD_NO_REPLY;
	c->w = w;
	h->listener = l;
	c->client = stream_plain(fd);
	c->source = *peer;
	c->id = id_new_v7();
	c->accepted_us = clock_mono_us();
	c->places = 1;
	list_push(&w->open, &c->link);
	gauge(c, CONN_GREETING, 1);

	list_init(&h->waiter.link);
	event_assign(&c->readable, w->base, fd, EV_READ | EV_PERSIST,
	    on_readable, c);
	evtimer_assign(&h->clock, w->base, on_clock, c);
	h->due_ms = c->accepted_us / 1000 + w->cfg->timeouts_handshake;
	evtimer_add(&h->clock, w->handshake_time);
	h->watching = true;
	event_add(&c->readable, NULL);
}

void
conn_accept(struct listener *l, int fd, const struct endpoint *peer)
{
	struct worker *w = l->worker;
	enum close_reason why = admit_knock(l, peer);
	bool has_place = why == CLOSE_NONE;
	struct conn *c = has_place ? conn_new(w) : NULL;

	if (c == NULL) {
		admit_refuse(l, peer, has_place ? CLOSE_out_of_resources : why,
		    has_place);
		close(fd);
		return;
	}
	metrics_add(w->cells, METRIC_proxy_connections_total, ACCEPT_OK, 1);
	conn_begin(c, l, fd, peer);
	admit_wait(c);
	if (l->terms.client != AUTH_NONE && c->magic == CONN_MAGIC)
		conn_step(c, conn_client_ask);
}

/* ---- relay ---- */

static void
on_relay_end(void *arg, enum relay_end end)
{
	static const enum close_reason reasons[] = {
		[RELAY_END_CLIENT] = CLOSE_client_closed,
		[RELAY_END_TARGET] = CLOSE_target_closed,
		[RELAY_END_IDLE] = CLOSE_idle_timeout,
		[RELAY_END_HALF_OPEN] = CLOSE_half_open_timeout,
		[RELAY_END_LIFETIME] = CLOSE_lifetime_exceeded,
		[RELAY_END_CLIENT_RESET] = CLOSE_client_reset,
		[RELAY_END_TARGET_RESET] = CLOSE_target_reset,
		[RELAY_END_CLIENT_TIMEOUT] = CLOSE_client_timeout,
		[RELAY_END_TARGET_TIMEOUT] = CLOSE_target_timeout,
		[RELAY_END_ERROR] = CLOSE_relay_error,
	};
	struct conn *c = arg;

	ASSERT(c->magic == CONN_MAGIC && end < ARRAY_LEN(reasons));
	conn_close(c, reasons[end]);
}

static void
handshake_free(struct conn *c)
{
	struct handshake *h = c->h;

	if (h == NULL)
		return;
	ASSERT(!c->pre_login);
	conn_bind_cancel(c);
	c->h = NULL;
	identity_unref(&h->visitor);
	if (c->relay == NULL)
		event_del(&c->readable);
	evtimer_del(&h->clock);
	lease_cancel(&h->waiter);
	resolve_cancel(&h->query);
	dial_cancel(&h->dial);
	stream_close(&h->target, true);
	secret_wipe(h->in, h->in_len);
	secret_wipe(h->password, h->password_len);
	pool_put(c->w->handshakes, h);
}

bool
conn_start_relay(struct conn *c)
{
	struct handshake *h = c->h;
	struct relay_start start = {
		.client = c->client,
		.client_event = &c->readable,
		.target = h->target,
		.early = { (const char *)h->in, h->in_len },
		.done = on_relay_end,
		.arg = c,
	};

	c->relay = relay_new(c->w->relays, &start);
	if (c->relay == NULL)
		return false;
	c->client.ops = NULL;
	h->target.ops = NULL;
	handshake_free(c);
	return true;
}

/* ---- the end ---- */

static const char flood[] = "more than 64 KiB on the control connection";

static void
on_assoc_end(void *arg, enum assoc_end end)
{
	static const enum close_reason reasons[] = {
		[ASSOC_END_CONTROL] = CLOSE_control_closed,
		[ASSOC_END_TIMEOUT] = CLOSE_client_timeout,
		[ASSOC_END_FLOOD] = CLOSE_invalid_request,
		[ASSOC_END_IDLE] = CLOSE_udp_idle,
		[ASSOC_END_LIFETIME] = CLOSE_lifetime_exceeded,
	};
	struct conn *c = arg;

	ASSERT(c->magic == CONN_MAGIC && end < ARRAY_LEN(reasons));
	conn_record_end(c, reasons[end], NULL,
	    end == ASSOC_END_FLOOD ? flood : NULL);
	conn_close(c, reasons[end]);
}

static void
on_assoc_first(void *arg, const struct dest *dest, const struct addr *addr,
    const struct decision *d)
{
	conn_record_first(arg, dest, addr, d);
}

/* Only a client that names its own address is believed about the port, as
 * every other it cannot know (cases 57-59). */
static struct endpoint
client_of_datagrams(const struct conn *c)
{
	const struct dest *said = &c->h->dest;
	struct endpoint e = { c->source.addr, 0 };

	if (!said->is_name && addr_eq(&said->addr, &e.addr))
		e.port = said->port;
	return e;
}

bool
conn_start_assoc(struct conn *c, int fd)
{
	struct handshake *h = c->h;
	struct assoc_spec s = {
		.control = c->client,
		.fd = fd,
		.client = client_of_datagrams(c),
		.identity = c->identity,
		.control_bytes = h->in_len,
		.done = on_assoc_end,
		.first = on_assoc_first,
		.arg = c,
	};

	event_del(&c->readable);
	h->watching = false;
	c->assoc = assoc_new(c->w->assocs, &s);
	if (c->assoc == NULL)
		return false;
	c->client.ops = NULL;
	handshake_free(c);
	return true;
}

static bool
ends_abruptly(enum close_reason reason)
{
	return close_reason_status(reason) != STATUS_CLOSED;
}

void
conn_close(struct conn *c, enum close_reason reason)
{
	struct worker *w = c->w;

	if (c->magic == CONN_BURIED)
		return;
	ASSERT(c->magic == CONN_MAGIC);
	if (c->reason == CLOSE_NONE && reason != CLOSE_NONE)
		conn_record_end(c, reason, NULL, NULL);
	gauge(c, c->state, -1);
	c->magic = CONN_BURIED;
	relay_free(&c->relay, ends_abruptly(c->reason));
	assoc_free(&c->assoc, ends_abruptly(c->reason));
	admit_left(c);
	handshake_free(c);
	stream_close(&c->client, false);
	identity_unref(&c->identity);
	free(c->opened);
	c->opened = NULL;
	free(c->first);
	c->first = NULL;
	list_del(&c->link);
	list_push(&w->graveyard, &c->link);
}

void
conn_checkpoint(struct conn *c)
{
	if (c->relay != NULL || c->assoc != NULL)
		conn_record_update(c);
}

void
conn_bury(struct worker *w)
{
	struct list *n;

	while ((n = list_pop(&w->graveyard)) != NULL)
		pool_put(w->conns, container_of(n, struct conn, link));
}
