/* SPDX-License-Identifier: MIT */
/*
 * A worker without its thread, turned by the test: connections over loopback
 * through every state, ended in each of the ways that there are, and split
 * wherever they can be. authd, acld and sessiond are played.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
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
	struct worker w;
	struct listener listener;
	int target;			/* listening */
	struct endpoint target_at;
	int name_server;		/* never answers */
	struct endpoint name_server_at;
};

/* ---- the worker ---- */

static void
on_mail(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd, (void)what;
	mailbox_deliver(w->mailbox);
}

static struct rpc_client *
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

static struct topic_pub *
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

static void
set_handshake(struct rig *r, uint64_t ms)
{
	r->cfg.timeouts_handshake = ms;
	r->w.handshake_tv = (struct timeval){ (time_t)(ms / 1000),
		(suseconds_t)(ms % 1000 * 1000) };
	r->w.handshake_time = &r->w.handshake_tv;
}

static void
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
	tally_init(&w->sources);
	tally_init(&w->users);
	w->cells = metrics_thread(r->metrics);
	w->conns = pool_new(sizeof(struct conn), CONNS);
	w->handshakes = pool_new(sizeof(struct handshake), CONNS);
	if (asks_new(&w->asks, r->proxy.auth, r->proxy.decide, w->mailbox,
		&err) != 0 ||
	    resolver_new(&w->resolver, w->base, w->cfg, &err) != 0)
		fail_msg("%s", err.text);
	w->gate = gate_new(w->asks, &r->proxy.view, w->cfg);
	w->relays = relay_room_new(w->base, w->cfg);
	w->feed = feed_new(w->base, r->proxy.events, "test", w->cells);
	set_handshake(r, 20000);
	r->listener = (struct listener){ .worker = w, .fd = -1,
		.name = "127.0.0.1:1080" };
}

static void
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
	tally_fini(&w->sources);
	tally_fini(&w->users);
}

static void
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

static void
settings(struct proxy_config *c)
{
	*c = (struct proxy_config){
		.anonymous_user = (char *)"anonymous",
		.limits_pre_login = 1000,
		.timeouts_login = 20000, .timeouts_decide = 20000,
		.timeouts_resolve = 20000, .timeouts_connect = 5000,
		.timeouts_connect_attempt = 5000, .timeouts_idle = 3600000,
		.timeouts_half_open = 3600000, .relay_buffer = 65536,
		.lease_login = 5000, .lease_decision = 5000,
		.lease_entries = 1024, .dns_hosts_file = (char *)"",
		.dns_timeout = 20000, .dns_tries = 1, .dns_in_flight = 16,
		.dns_eyeballs_delay = 250,
	};
}

static int
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
	r->proxy.max_connections = CONNS;
	r->proxy.methods[0] = SOCKS5_METHOD_USERPASS;
	r->proxy.n_methods = 1;
	r->proxy.carriers = r->proxy.commands = UINT_MAX;
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

static int
teardown(void **state)
{
	struct rig *r = *state;

	worker_fini(&r->w);
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

static void
turn(struct rig *r)
{
	event_base_loop(r->w.base, EVLOOP_NONBLOCK);
	conn_bury(&r->w);
}

/* Everything that was sent so far has been looked at. */
static void
settle(struct rig *r)
{
	for (unsigned i = 0; i < 3; i++)
		turn(r);
}

static struct conn *
the_conn(struct rig *r)
{
	if (list_empty(&r->w.open))
		return NULL;
	return container_of(r->w.open.next, struct conn, link);
}

static void
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

/* All is given back. */
static void
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
	assert_int_equal(r->w.sources.map.count, 0);
	assert_int_equal(r->w.users.map.count, 0);
	assert_int_equal(r->w.n_pre_login, 0);
	assert_int_equal(atomic_load(&r->proxy.connections), 0);
	for (unsigned s = 0; s < CONN_STATES; s++)
		assert_int_equal(metrics_value(r->metrics,
		    METRIC_proxy_connections, s), 0);
}

/* ---- clients ---- */

static int
connect_client(struct rig *r)
{
	struct endpoint peer;
	int fd[2];

	io_tcp_pair(fd);
	assert_true(sock_peer(fd[1], &peer));
	conn_accept(&r->listener, fd[1], &peer);
	return fd[0];
}

static void
put(int fd, const void *p, size_t len)
{
	assert_int_equal(send(fd, p, len, MSG_NOSIGNAL), len);
}

#define put_lit(fd, literal) put(fd, literal, sizeof(literal) - 1)
#define GREETING "\5\1\2"
#define LOGIN "\1\5alice\5right"
#define LOGIN_WRONG "\1\5alice\5wrong"
#define REQUEST_HEAD "\5\1\0\1\177\0\0\1"

static void
put_request(struct rig *r, int fd)
{
	char request[10] = REQUEST_HEAD;

	request[8] = (char)(r->target_at.port >> 8);
	request[9] = (char)r->target_at.port;
	put(fd, request, sizeof(request));
}

static void
reset(int fd)
{
	const struct linger l = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}

static void
hold(struct rig *r, bool logins, bool decisions)
{
	peers_script_login(r->peers, &(struct peers_login){
		.how = logins ? PEERS_HOLD : PEERS_ANSWER,
		.delay_ms = 50 });
	peers_script_decision(r->peers, &(struct peers_decision){
		.how = decisions ? PEERS_HOLD : PEERS_ANSWER });
}

/* Brings a new client into that state; its end. */
static int
bring_to(struct rig *r, enum conn_state state)
{
	int fd = connect_client(r);

	hold(r, state == CONN_AUTH_WAIT, state == CONN_ACL_WAIT);
	if (state == CONN_GREETING)
		return fd;
	if (state == CONN_METHODS) {
		put_lit(fd, "\5");
		settle(r);
		return fd;
	}
	if (state == CONN_LINGER) {
		put_lit(fd, "\5\1\0");
		wait_state(r, state);
		return fd;
	}
	put_lit(fd, GREETING);
	settle(r);
	if (state == CONN_AUTH_DELAY)
		put_lit(fd, LOGIN_WRONG);
	else if (state != CONN_AUTH_READ)
		put_lit(fd, LOGIN);
	if (state >= CONN_RESOLVE)
		wait_state(r, CONN_REQUEST);
	if (state == CONN_RESOLVE)
		put_lit(fd, "\5\1\0\3\14name.example\0\120");
	else if (state > CONN_RESOLVE)
		put_request(r, fd);
	wait_state(r, state);
	return fd;
}

/* Those in which a connection can be found between two turns. DIAL to
 * loopback is over at once. */
static const enum conn_state resting[] = { CONN_METHODS, CONN_AUTH_READ,
	CONN_AUTH_WAIT, CONN_AUTH_DELAY, CONN_REQUEST, CONN_RESOLVE,
	CONN_ACL_WAIT, CONN_RELAY, CONN_LINGER };

/* ---- the table ---- */

static void
test_table(void **state)
{
	uint32_t reached = 1u << CONN_GREETING, before;

	(void)state;
	do {	/* from the first state on */
		before = reached;
		for (unsigned s = 0; s < CONN_STATES; s++)
			if (reached & 1u << s)
				reached |= conn_states[s].next;
	} while (reached != before);
	/* closing is allowed from each, and named by none */
	assert_int_equal(reached | 1u << CONN_CLOSING,
	    (1u << CONN_STATES) - 1);
	for (unsigned s = 0; s < CONN_STATES; s++) {
		const struct conn_state_info *i = &conn_states[s];
		bool timed = i->clock == CLOCK_HANDSHAKE ||
		    i->clock == CLOCK_DELAY || i->clock == CLOCK_LINGER;

		assert_string_equal(i->name, conn_state_names[s]);
		assert_int_equal(i->next >> CONN_STATES, 0);
		assert_int_equal(i->next & (1u << CONN_CLOSING | 1u << s), 0);
		assert_int_equal(i->expired != NULL, timed);
		/* whoever is asked has a budget of its own */
		assert_int_equal(i->answer != NULL, i->clock == CLOCK_ASKED);
	}
	assert_null(conn_state_names[CONN_STATES]);
}

/* ---- ends ---- */

static const char *
departure(enum conn_state s)
{
	return s == CONN_AUTH_DELAY ? "auth_failed" :
	    s == CONN_RELAY ? "client_reset" :
	    s == CONN_LINGER ? "no_method" : "client_gone";
}

static void
expect_one_end(struct rig *r, enum conn_state s, const char *reason)
{
	if (s == CONN_RELAY)
		peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers,
	    s == CONN_RELAY ? RECORD_CLOSE : RECORD_REJECT, reason);
}

static void
test_reset_in_each_state(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(resting); i++) {
		int fd;

		gate_reload(r->w.gate, &r->cfg);
		fd = bring_to(r, resting[i]);
		reset(fd);
		wait_gone(r);
		expect_one_end(r, resting[i], departure(resting[i]));
		hold(r, false, false);
		peers_release(r->peers);
	}
}

/* The end that the worker orders, twice as it may be. */
static void
test_close_in_each_state(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(resting); i++) {
		enum conn_state s = resting[i];
		struct conn *c;
		int fd;

		gate_reload(r->w.gate, &r->cfg);
		fd = bring_to(r, s);
		c = the_conn(r);
		conn_close(c, CLOSE_shutdown);
		conn_close(c, CLOSE_internal_error);
		wait_gone(r);
		close(fd);
		expect_one_end(r, s, s == CONN_AUTH_DELAY || s == CONN_LINGER
		    ? departure(s) : "shutdown");
		hold(r, false, false);
		peers_release(r->peers);
	}
}

/* A FIN ends what waits for more bytes, and nothing else. */
static void
test_fin_in_each_state(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(resting); i++) {
		enum conn_state s = resting[i];
		bool waits = s == CONN_AUTH_WAIT || s == CONN_ACL_WAIT ||
		    s == CONN_AUTH_DELAY || s == CONN_RESOLVE ||
		    s == CONN_RELAY;
		int fd;

		gate_reload(r->w.gate, &r->cfg);
		fd = bring_to(r, s);
		shutdown(fd, SHUT_WR);
		settle(r);
		assert_int_equal(the_conn(r) != NULL, waits);
		if (waits && s != CONN_AUTH_DELAY)
			conn_close(the_conn(r), CLOSE_shutdown);
		wait_gone(r);
		close(fd);
		expect_one_end(r, s, !waits || s == CONN_AUTH_DELAY
		    ? departure(s) : "shutdown");
		hold(r, false, false);
		peers_release(r->peers);
	}
}

/* ---- clocks ---- */

static void
test_handshake_clock(void **state)
{
	static const enum conn_state clocked[] = { CONN_GREETING, CONN_METHODS,
		CONN_AUTH_READ, CONN_REQUEST };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(clocked); i++) {
		int fd;

		set_handshake(r, 150);
		fd = bring_to(r, clocked[i]);
		wait_gone(r);
		peers_next_session(r->peers, RECORD_REJECT,
		    "handshake_timeout");
		close(fd);
	}
}

/* What was used up before a question counts after it, and the question
 * itself does not. */
static void
test_handshake_clock_stands(void **state)
{
	struct rig *r = *state;
	struct handshake *h;
	uint64_t left;
	int fd = bring_to(r, CONN_AUTH_READ);

	h = the_conn(r)->h;
	assert_true(event_pending(&h->clock, EV_TIMEOUT, NULL));
	hold(r, true, false);
	put_lit(fd, LOGIN);
	wait_state(r, CONN_AUTH_WAIT);
	assert_false(event_pending(&h->clock, EV_TIMEOUT, NULL));
	left = h->left_ms;
	assert_in_range(left, 1, 20000);
	peers_wait_logins(r->peers, 1);
	poll(NULL, 0, 30);
	hold(r, false, false);
	peers_release(r->peers);
	wait_state(r, CONN_REQUEST);
	assert_true(event_pending(&h->clock, EV_TIMEOUT, NULL));
	assert_int_equal(h->left_ms, left);
	reset(fd);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "client_gone");
}

static void
test_delay_and_linger_clocks(void **state)
{
	struct rig *r = *state;
	char reply[4];
	int fd = bring_to(r, CONN_AUTH_DELAY);

	assert_int_equal(recv(fd, reply, sizeof(reply), 0), 2);
	wait_state(r, CONN_LINGER);
	assert_int_equal(recv(fd, reply, sizeof(reply), 0), 2);
	assert_memory_equal(reply, "\1\1", 2);
	/* its write side is shut; ours stays open until the clock ends it */
	assert_int_equal(recv(fd, reply, sizeof(reply), 0), 0);
	put_lit(fd, "noise");
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "auth_failed");
	close(fd);
}

static void
test_questions_have_budgets(void **state)
{
	struct rig *r = *state;
	int fd;

	r->cfg.timeouts_login = r->cfg.timeouts_decide = 100;
	fd = bring_to(r, CONN_AUTH_WAIT);
	wait_state(r, CONN_LINGER);
	close(fd);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "auth_silent");
	fd = bring_to(r, CONN_ACL_WAIT);
	wait_state(r, CONN_LINGER);
	close(fd);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "acl_silent");
}

/* ---- splits ---- */

/* What a client sent and saw, and what came of it. */
struct outcome {
	char seen[256];
	size_t n_seen;
	char passed[256];	/* to the target */
	size_t n_passed;
	char records[256];
};

/* The bound port differs from run to run. */
static void
hide_port(struct outcome *o)
{
	if (o->n_seen >= 14)
		memset(o->seen + 12, 0, 2);
}

static void
drain(int fd, char *buf, size_t *n, bool *end)
{
	ssize_t k = recv(fd, buf + *n, 256 - *n, MSG_DONTWAIT);

	if (k > 0)
		*n += (size_t)k;
	else if (k == 0)
		*end = true;
}

static void
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

/* Sends `in` cut after the bytes that `cut` marks, and sees it to its end. */
static void
run(struct rig *r, const char *in, size_t len, uint64_t cut,
    size_t n_records, struct outcome *o)
{
	int fd = connect_client(r), target = -1;
	uint64_t end = clock_mono_ms() + PATIENCE_MS;
	bool ended = false, target_ended = false;
	size_t from = 0;

	memset(o, 0, sizeof(*o));
	for (size_t i = 1; i <= len; i++) {
		if (i < len && !(cut & UINT64_C(1) << i))
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
	hide_port(o);
}

static void
assert_same(const struct outcome *a, const struct outcome *b)
{
	assert_int_equal(a->n_seen, b->n_seen);
	assert_memory_equal(a->seen, b->seen, a->n_seen);
	assert_int_equal(a->n_passed, b->n_passed);
	assert_memory_equal(a->passed, b->passed, a->n_passed);
	assert_string_equal(a->records, b->records);
}

/* Case 1: cut in two at each byte, in pieces at random, byte by byte. */
static void
check_splits(struct rig *r, const char *in, size_t len, size_t n_records,
    struct outcome *whole)
{
	struct outcome o;
	uint64_t cuts = 1;

	assert_true(len <= 64);
	run(r, in, len, 0, n_records, whole);
	for (size_t at = 1; at < len; at++) {
		run(r, in, len, UINT64_C(1) << at, n_records, &o);
		assert_same(whole, &o);
	}
	for (unsigned i = 0; i < 20; i++) {
		cuts = cuts * UINT64_C(6364136223846793005) +
		    1442695040888963407;
		run(r, in, len, cuts & cuts >> 31, n_records, &o);
		assert_same(whole, &o);
	}
	run(r, in, len, UINT64_MAX, n_records, &o);
	assert_same(whole, &o);
}

static size_t
transcript(const struct rig *r, char out[static 64])
{
	static const char head[] = GREETING LOGIN REQUEST_HEAD;
	size_t len = sizeof(head) - 1;

	memcpy(out, head, len);
	out[len++] = (char)(r->target_at.port >> 8);
	out[len++] = (char)r->target_at.port;
	memcpy(out + len, "payload", 7);
	return len + 7;
}

static const char seen_of_success[] =
    "\5\2\1\0" "\5\0\0\1\177\0\0\1\0\0" "bye";

static void
check_success(struct rig *r)
{
	struct outcome o;
	char in[64];
	size_t len = transcript(r, in);

	check_splits(r, in, len, 2, &o);
	assert_int_equal(o.n_seen, sizeof(seen_of_success) - 1);
	assert_memory_equal(o.seen, seen_of_success, o.n_seen);
	assert_int_equal(o.n_passed, 7);
	assert_memory_equal(o.passed, "payload", 7);
	assert_string_equal(o.records,
	    "1 alice  0 0 0;3 alice client_closed 0 7 3;");
}

static void
test_split_with_warm_leases(void **state)
{
	struct rig *r = *state;
	struct id instance = peers_instance(r->peers);

	policy_view_hear(&r->proxy.view, &instance,
	    peers_generation(r->peers), clock_mono_ms() + 3600000);
	check_success(r);
	assert_true(peers_logins(r->peers) < 10);
}

static void
test_split_with_questions(void **state)
{
	struct rig *r = *state;

	r->cfg.lease_login = r->cfg.lease_decision = 0;
	check_success(r);
	assert_true(peers_logins(r->peers) > 30);
	assert_true(peers_decisions(r->peers) > 30);
}

static void
test_split_refusals(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *seen;
		size_t n_seen;
		const char *records;
	} cases[] = {
#define CASE(in, seen, records) \
	{ in, sizeof(in) - 1, seen, sizeof(seen) - 1, records }
		CASE(GREETING LOGIN_WRONG, "\5\2\1\1",
		    "4 alice auth_failed 255 0 0;"),
		CASE(GREETING LOGIN "\5\4\0\1\177\0\0\1\0\120",
		    "\5\2\1\0" "\5\7\0\1\0\0\0\0\0\0",
		    "4 alice command_unknown 7 0 0;"),
		CASE(GREETING LOGIN "\5\1\0\3\7a b.com\0\120",
		    "\5\2\1\0" "\5\1\0\1\0\0\0\0\0\0",
		    "4 alice invalid_name 1 0 0;"),
		CASE(GREETING LOGIN "\5\1\0\3\11x.invalid\0\120",
		    "\5\2\1\0" "\5\4\0\1\0\0\0\0\0\0",
		    "4 alice dns_not_found 4 0 0;"),
		CASE("\5\2\0\1", "\5\377", "4  no_method 255 0 0;"),
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct outcome o;

		check_splits(r, cases[i].in, cases[i].len, 1, &o);
		assert_int_equal(o.n_seen, cases[i].n_seen);
		assert_memory_equal(o.seen, cases[i].seen, o.n_seen);
		assert_string_equal(o.records, cases[i].records);
		assert_int_equal(o.n_passed, 0);
	}
}

/* ---- memory ---- */

/* No object left: refused at the door, and room again afterwards. */
static void
test_pools_are_bounds(void **state)
{
	struct rig *r = *state;
	int fd[CONNS + 1];
	char byte;

	r->proxy.max_connections = CONNS + 1;
	for (size_t i = 0; i <= CONNS; i++)
		fd[i] = connect_client(r);
	assert_int_equal(recv(fd[CONNS], &byte, 1, 0), 0);
	assert_int_equal(metrics_value(r->metrics,
	    METRIC_proxy_connections_total, ACCEPT_NO_MEMORY), 1);
	for (size_t i = 0; i <= CONNS; i++)
		close(fd[i]);
	wait_gone(r);
	fd[0] = connect_client(r);
	assert_non_null(the_conn(r));
	close(fd[0]);
	wait_gone(r);
	assert_int_equal(peers_sums(r->peers).records, 0);
}

/* What an idle session costs in this room (ruling 10). */
static void
test_a_session_is_small(void **state)
{
	(void)state;
	assert_true(sizeof(struct conn) <= 256);
}

/* The login's bytes do not stay in memory that the next client gets. */
static void
test_password_is_wiped(void **state)
{
	struct rig *r = *state;
	int fd = bring_to(r, CONN_REQUEST);
	struct handshake *h = the_conn(r)->h;

	assert_int_equal(h->in_len, 0);
	for (size_t i = 0; i < sizeof(h->in); i++)
		assert_int_equal(h->in[i], 0);
	reset(fd);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "client_gone");
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_a_session_is_small),
		T(reset_in_each_state), T(close_in_each_state),
		T(fin_in_each_state), T(handshake_clock),
		T(handshake_clock_stands), T(delay_and_linger_clocks),
		T(questions_have_budgets), T(split_with_warm_leases),
		T(split_with_questions), T(split_refusals),
		T(pools_are_bounds), T(password_is_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
