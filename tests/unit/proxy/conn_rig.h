/* SPDX-License-Identifier: MIT */
/*
 * conn_rig: a worker without its thread, turned by the test, with connections
 * over loopback; authd, acld and sessiond are played (peers.h). Included by one
 * test each, after cmocka.h.
 */
#ifndef UNIT_PROXY_CONN_RIG_H
#define UNIT_PROXY_CONN_RIG_H

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pool.h"
#include "io_fixture.h"
#include "msg/rpc_client.h"
#include "msg/topic.h"
#include "peers.h"
#include "proxy/conn.h"
#include "proxy/feed.h"
#include "proxy/gate.h"
#include "proxy/listener.h"
#include "proxy/proxy_metrics.h"
#include "proxy/worker.h"

#define CONNS 16
#define PATIENCE_MS 20000

struct rig {
	struct peers *peers;
	struct proxy proxy;
	struct proxy_config cfg;
	struct metrics *metrics;
	struct worker w, *workers;	/* the only one */
	struct listener_config door;
	struct listener listener;
	int target;			/* listening */
	struct endpoint target_at;
	int name_server;		/* never answers */
	struct endpoint name_server_at;
};

/* ---- the worker ---- */

static inline void
on_mail(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd, (void)what;
	mailbox_deliver(w->mailbox);
}

static inline struct rpc_client *
client(struct rig *r, const char *socket)
{
	struct rpc_client_options o = {
		.address = peers_address(r->peers, socket), .name = socket,
		.max_message = 65536, .reconnect_max_ms = 100,
		.unconnected_ms = 20000,
	};
	struct rpc_client *c = NULL;
	struct err err;

	if (rpc_client_new(&c, &o, &err) != 0)
		fail_msg("%s", err.text);
	return c;
}

static inline struct topic_pub *
publisher(struct rig *r)
{
	struct topic_options o = {
		.address = peers_address(r->peers, "events"), .name = "events",
		.max_message = 1 << 20, .reconnect_max_ms = 100, .queue = 128,
	};
	struct topic_pub *p = NULL;
	struct err err;

	if (topic_pub_open(&p, &o, &err) != 0)
		fail_msg("%s", err.text);
	return p;
}

static inline void
set_handshake(struct rig *r, uint64_t ms)
{
	r->cfg.timeouts_handshake = ms;
	r->w.handshake_tv = (struct timeval){ (time_t)(ms / 1000),
		(suseconds_t)(ms % 1000 * 1000) };
	r->w.handshake_time = &r->w.handshake_tv;
}

static inline void
worker_init(struct rig *r)
{
	struct worker *w = &r->w;
	struct err err;

	w->proxy = &r->proxy;
	w->cfg = &r->cfg;
	w->base = io_base();
	w->mailbox = mailbox_new();
	event_assign(&w->mail, w->base, mailbox_fd(w->mailbox),
	    EV_READ | EV_PERSIST, on_mail, w);
	event_add(&w->mail, NULL);
	list_init(&w->open);
	list_init(&w->graveyard);
	admit_open(w);
	w->cells = metrics_thread(r->metrics);
	w->conns = pool_new(sizeof(struct conn), CONNS);
	w->handshakes = pool_new(sizeof(struct handshake), CONNS);
	if (asks_new(&w->asks, r->proxy.auth, r->proxy.decide, w->mailbox,
		&err) != 0 ||
	    resolver_new(&w->resolver, w->base, w->cfg, &err) != 0)
		fail_msg("%s", err.text);
	w->gate = gate_new(w->asks, &r->proxy.view, w->cfg);
	w->relays = relay_room_new(w->base, w->cfg, 1);
	w->feed = feed_new(w->base, r->proxy.events, "test", w->cells);
	set_handshake(r, 20000);
	r->door = (struct listener_config){
		.name = (char *)"127.0.0.1:1080",
		.anonymous_user = (char *)"anonymous" };
	r->listener = (struct listener){ .worker = w, .fd = -1,
		.cfg = &r->door, .terms = {
			.client = AUTH_NONE, .login = AUTH_USERPASS,
			.methods = { SOCKS5_METHOD_USERPASS }, .n_methods = 1,
			.carriers = UINT_MAX, .commands = UINT_MAX,
		} };
}

static inline void
worker_fini(struct worker *w)
{
	feed_end(&w->feed, "shutdown");
	asks_free(&w->asks);
	gate_free(&w->gate);
	resolver_free(&w->resolver);
	relay_room_free(&w->relays);
	event_del(&w->mail);
	mailbox_free(&w->mailbox);
	event_base_free(w->base);
	pool_free(&w->conns);
	pool_free(&w->handshakes);
}

static inline void
be_silent_name_server(struct rig *r)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	r->name_server = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(r->name_server, (struct sockaddr *)&sin,
	    sizeof(sin)), 0);
	assert_true(sock_local(r->name_server, &r->name_server_at));
	r->cfg.dns_servers.v = &r->name_server_at;
	r->cfg.dns_servers.n = 1;
}

static inline void
settings(struct proxy_config *c)
{
	*c = (struct proxy_config){
		.limits_pre_login = 1000,
		.timeouts_login = 20000, .timeouts_decide = 20000,
		.timeouts_resolve = 20000, .timeouts_connect = 5000,
		.timeouts_connect_attempt = 5000, .timeouts_idle = 3600000,
		.timeouts_half_open = 3600000, .relay_buffer = 65536,
		.lease_login = 5000, .lease_decision = 5000,
		.lease_entries = 1024, .dns_hosts_file = (char *)"",
		.dns_timeout = 20000, .dns_tries = 1, .dns_in_flight = 16,
		.dns_eyeballs_delay = 250, .egress_interface = (char *)"",
	};
}

static inline int
setup(void **state)
{
	struct rig *r = xcalloc(1, sizeof(*r));

	log_set_level(LOG_ERROR);
	r->peers = peers_new();
	peers_start_authd(r->peers);
	peers_start_acld(r->peers);
	peers_start_sessiond(r->peers);
	settings(&r->cfg);
	be_silent_name_server(r);
	admit_init(&r->proxy.admit);
	r->workers = &r->w;
	r->proxy.workers = &r->workers;
	r->proxy.n_workers = 1;
	r->proxy.max_connections = CONNS;
	r->proxy.auth = client(r, "auth");
	r->proxy.decide = client(r, "decide");
	r->proxy.events = publisher(r);
	r->metrics = metrics_new("test", NULL, proxy_metrics, PROXY_METRICS);
	worker_init(r);
	r->target = io_listen("127.0.0.1:0", 64, &r->target_at);
	io_nonblocking(r->target);
	for (unsigned i = 0; i < PATIENCE_MS &&
	    topic_pub_peers(r->proxy.events) == 0; i++)
		poll(NULL, 0, 1);
	*state = r;
	return 0;
}

static inline int
teardown(void **state)
{
	struct rig *r = *state;

	worker_fini(&r->w);
	admit_fini(&r->proxy.admit);
	topic_pub_close(&r->proxy.events);
	peers_wait_ended(r->peers, 1);
	assert_int_equal(peers_sums(r->peers).holes, 0);
	assert_int_equal(peers_sums(r->peers).malformed, 0);
	rpc_client_free(&r->proxy.auth);
	rpc_client_free(&r->proxy.decide);
	metrics_free(&r->metrics);
	peers_free(&r->peers);
	close(r->target);
	close(r->name_server);
	free(r);
	return 0;
}

static inline void
turn(struct rig *r)
{
	event_base_loop(r->w.base, EVLOOP_NONBLOCK);
	conn_bury(&r->w);
}

/* Everything that was sent so far has been looked at. */
static inline void
settle(struct rig *r)
{
	for (unsigned i = 0; i < 3; i++)
		turn(r);
}

static inline struct conn *
the_conn(struct rig *r)
{
	if (list_empty(&r->w.open))
		return NULL;
	return container_of(r->w.open.next, struct conn, link);
}

static inline void
wait_state(struct rig *r, enum conn_state state)
{
	uint64_t end = clock_mono_ms() + PATIENCE_MS;
	struct conn *c;

	while ((c = the_conn(r)) == NULL || c->state != state) {
		if (c == NULL || clock_mono_ms() > end)
			fail_msg("%s, not %s", c == NULL ? "gone" :
			    conn_states[c->state].name,
			    conn_states[state].name);
		turn(r);
		poll(NULL, 0, 1);
	}
}

/* So many questions reached acld. It takes turns of the loop: what acld does not
 * answer at once it hands back, and is asked by itself then (bundles). */
static inline void
wait_decisions(struct rig *r, unsigned n)
{
	uint64_t end = clock_mono_ms() + PATIENCE_MS;

	while (peers_decisions(r->peers) < n) {
		if (clock_mono_ms() > end)
			fail_msg("%u decisions did not come", n);
		turn(r);
		poll(NULL, 0, 1);
	}
}

/* All is given back. */
static inline void
wait_gone(struct rig *r)
{
	uint64_t end = clock_mono_ms() + PATIENCE_MS;

	while (the_conn(r) != NULL) {
		if (clock_mono_ms() > end)
			fail_msg("stays in %s",
			    conn_states[the_conn(r)->state].name);
		turn(r);
		poll(NULL, 0, 1);
	}
	settle(r);
	feed_flush(r->w.feed);
	assert_int_equal(pool_used(r->w.conns), 0);
	assert_int_equal(pool_used(r->w.handshakes), 0);
	assert_true(list_empty(&r->w.waiting));
	assert_int_equal(atomic_load(&r->proxy.admit.waiting), 0);
	assert_int_equal(atomic_load(&r->proxy.connections), 0);
	for (unsigned s = 0; s < CONN_STATES; s++)
		assert_int_equal(metrics_value(r->metrics,
		    METRIC_proxy_connections, s), 0);
}

/* ---- clients ---- */

static inline int
connect_client(struct rig *r)
{
	struct endpoint peer;
	int fd[2];

	io_tcp_pair(fd);
	assert_true(sock_peer(fd[1], &peer));
	conn_accept(&r->listener, fd[1], &peer);
	return fd[0];
}

static inline void
put(int fd, const void *p, size_t len)
{
	assert_int_equal(send(fd, p, len, MSG_NOSIGNAL), len);
}

#define put_lit(fd, literal) put(fd, literal, sizeof(literal) - 1)
#define GREETING "\5\1\2"
#define LOGIN "\1\5alice\5right"
#define LOGIN_WRONG "\1\5alice\5wrong"
#define REQUEST_HEAD "\5\1\0\1\177\0\0\1"

static inline void
put_request(struct rig *r, int fd)
{
	char request[10] = REQUEST_HEAD;

	request[8] = (char)(r->target_at.port >> 8);
	request[9] = (char)r->target_at.port;
	put(fd, request, sizeof(request));
}

static inline void
reset(int fd)
{
	const struct linger l = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}

static inline void
hold(struct rig *r, bool logins, bool decisions)
{
	peers_script_login(r->peers, &(struct peers_login){
		.how = logins ? PEERS_HOLD : PEERS_ANSWER,
		.delay_ms = 50 });
	peers_script_decision(r->peers, &(struct peers_decision){
		.how = decisions ? PEERS_HOLD : PEERS_ANSWER });
}

/* ---- splits ---- */

#define SPLIT_MAX 512	/* bytes that a client sends */

/* What a client saw, and what came of it. */
struct outcome {
	char seen[1024];
	size_t n_seen;
	char passed[1024];	/* to the target */
	size_t n_passed;
	char records[512];
};

/* What differs from run to run: the port bound, the id of the session. */
static inline void
hide_chance(struct outcome *o)
{
	static const char before[] = "; session ";
	char *at = o->seen;

	if (o->seen[0] == 5 && o->n_seen >= 14)	/* without a login 2 less */
		memset(o->seen + (o->seen[1] == 0 ? 10 : 12), 0, 2);
	if (o->seen[0] == 0 && o->n_seen >= 8)
		memset(o->seen + 2, 0, 2);
	while ((at = strstr(at, before)) != NULL) {
		at += sizeof(before) - 1;
		memset(at, 'x', strcspn(at, "\""));
	}
}

static inline void
drain(int fd, char *buf, size_t *n, bool *end)
{
	size_t room = sizeof(((struct outcome *)0)->seen) - 1 - *n;
	ssize_t k = recv(fd, buf + *n, room, MSG_DONTWAIT);

	if (k > 0)
		*n += (size_t)k;
	else if (k == 0)
		*end = true;
}

static inline void
note_records(struct rig *r, struct outcome *o, size_t n)
{
	struct text t = text_on(o->records, sizeof(o->records));

	for (size_t i = 0; i < n; i++) {
		const struct record *rec =
		    &peers_next_record(r->peers)->record;
		const struct record_session *s = &rec->session;

		text_fmt(&t, "%d %.*s %.*s %u %ju %ju;", (int)rec->type,
		    (int)s->user.len, s->user.ptr, (int)s->close_reason.len,
		    s->close_reason.ptr, s->reply_code,
		    (uintmax_t)s->counters.bytes_up,
		    (uintmax_t)s->counters.bytes_down);
	}
}

/* Sends `in` cut before the bytes that `cut` marks, and sees it to its end. */
static inline void
run(struct rig *r, const char *in, size_t len, const bool *cut,
    size_t n_records, struct outcome *o)
{
	int fd = connect_client(r), target = -1;
	uint64_t end = clock_mono_ms() + PATIENCE_MS;
	bool ended = false, target_ended = false;
	size_t from = 0;

	memset(o, 0, sizeof(*o));
	for (size_t i = 1; i <= len; i++) {
		if (i < len && !cut[i])
			continue;
		/* it may have been refused and closed already */
		(void)!send(fd, in + from, i - from, MSG_NOSIGNAL);
		from = i;
		settle(r);
	}
	shutdown(fd, SHUT_WR);
	while (!ended) {
		turn(r);
		drain(fd, o->seen, &o->n_seen, &ended);
		if (target < 0)
			target = accept(r->target, NULL, NULL);
		if (target >= 0 && !target_ended) {
			drain(target, o->passed, &o->n_passed, &target_ended);
			if (target_ended) {
				put_lit(target, "bye");
				shutdown(target, SHUT_WR);
			}
		}
		if (the_conn(r) == NULL && !ended)
			drain(fd, o->seen, &o->n_seen, &ended), ended = true;
		assert_true(clock_mono_ms() < end);
	}
	close(fd);
	if (target >= 0)
		close(target);
	wait_gone(r);
	note_records(r, o, n_records);
	hide_chance(o);
}

static inline void
assert_same(const struct outcome *a, const struct outcome *b)
{
	assert_int_equal(a->n_seen, b->n_seen);
	assert_memory_equal(a->seen, b->seen, a->n_seen);
	assert_int_equal(a->n_passed, b->n_passed);
	assert_memory_equal(a->passed, b->passed, a->n_passed);
	assert_string_equal(a->records, b->records);
}

/* Case 1: cut in two at each byte, in pieces at random, byte by byte. */
static inline void
check_splits(struct rig *r, const char *in, size_t len, size_t n_records,
    struct outcome *whole)
{
	bool cut[SPLIT_MAX] = { false };
	struct outcome o;

	assert_true(len <= SPLIT_MAX);
	run(r, in, len, cut, n_records, whole);
	for (size_t at = 1; at < len; at++) {
		cut[at] = true;
		run(r, in, len, cut, n_records, &o);
		assert_same(whole, &o);
		cut[at] = false;
	}
	for (unsigned i = 0; i < 20; i++) {
		for (size_t at = 1; at < len; at++)
			cut[at] = random() % 4 == 0;
		run(r, in, len, cut, n_records, &o);
		assert_same(whole, &o);
	}
	memset(cut, true, sizeof(cut));
	run(r, in, len, cut, n_records, &o);
	assert_same(whole, &o);
}

#endif
