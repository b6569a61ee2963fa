/* SPDX-License-Identifier: MIT */
/*
 * BIND against a real proxy: conformance.md section 7, threats.md B-1.
 *
 * usage: test_bind SALLYPORT-PROXY
 */
#include "rig.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "net/sock.h"

#define WITH_BIND "timeouts.drain = \"0s\"\n" \
	"commands = [\"connect\", \"bind\"]\n"
#define BLOCK 2
#define BY_HARD_DENY 3
#define FULL 5000	/* bytes: more than a handshake keeps */

static void
start(struct rig *r, const char *lines, const char *const *set)
{
	const char *workers =
	    strstr(lines, "workers") == NULL ? "workers = 1\n" : "";
	char *all = xasprintf(WITH_BIND "%s%s", workers, lines);

	rig_configure(r, all);
	rig_start(r, set);
	free(all);
}

static struct addr
addr_of(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, str_from(text)));
	return a;
}

static void
request(int fd, const char *peer, uint16_t port)
{
	struct addr a = addr_of(peer);
	bool v4 = addr_is_v4(&a);
	uint8_t out[22] = { 5, 2, 0, v4 ? 1 : 4 };
	size_t n = v4 ? 4 : 16;

	memcpy(out + 4, a.b + 16 - n, n);
	out[4 + n] = (uint8_t)(port >> 8);
	out[5 + n] = (uint8_t)port;
	rig_send(fd, out, 6 + n);
}

/* A client whose port is open for that peer. */
static int
wait_for(struct rig *r, const char *peer, struct endpoint *at)
{
	int fd = rig_connect(r, NULL);

	rig_login(fd, "alice");
	request(fd, peer, 0);
	*at = rig_expect_success(fd);
	assert_true(at->port > 0);
	return fd;
}

/* The second reply names the peer's own end. */
static void
expect_peer(int fd, int peer)
{
	struct endpoint told = rig_expect_success(fd), is;

	assert_true(sock_local(peer, &is));
	assert_true(endpoint_eq(&told, &is));
}

static void
expect_reset(int peer)
{
	assert_int_equal(rig_expect_end(peer), RIG_RESET);
	close(peer);
}

/* 0 or the error of connect(); *fd is closed by the caller. A reset may come
 * before connect() returns: ECONNRESET means that there was somebody. */
static int
try_connect(const struct endpoint *at, const char *from, int *fd)
{
	struct sockaddr_storage sa;
	struct timeval tv = { .tv_sec = PEERS_WAIT_MS / 1000 };
	struct endpoint e;
	socklen_t len;

	assert_true(endpoint_parse(&e, str_from(from)));
	len = endpoint_to_sockaddr(&e, &sa);
	*fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_int_equal(bind(*fd, (struct sockaddr *)&sa, len), 0);
	len = endpoint_to_sockaddr(at, &sa);
	return connect(*fd, (struct sockaddr *)&sa, len) == 0 ? 0 : errno;
}

static void
expect_turned_away(const struct endpoint *at, const char *from)
{
	int fd, error = try_connect(at, from, &fd);

	if (error == 0)
		assert_int_equal(rig_expect_end(fd), RIG_RESET);
	else
		assert_int_equal(error, ECONNRESET);
	close(fd);
}

static bool
is_open(const struct endpoint *at)
{
	int fd, error = try_connect(at, "127.0.0.1:0", &fd);

	close(fd);
	return error != ECONNREFUSED;
}

/* Asking means connecting: only where such a peer is turned away. */
static void
wait_closed(const struct endpoint *at)
{
	uint64_t end = clock_mono_ms() + PEERS_WAIT_MS;

	while (is_open(at)) {
		assert_true(clock_mono_ms() < end);
		poll(NULL, 0, 5);
	}
}

static void
wait_peers(struct rig *r, const char *result, int64_t n)
{
	char *name = xasprintf("proxy_bind_peers_total{result=\"%s\"}",
	    result);

	rig_wait_metric(r, name, n);
	free(name);
}

/* That many, or fewer: the admin address takes a moment to close its own. */
static void
wait_descriptors(const struct rig *r, size_t n)
{
	uint64_t end = clock_mono_ms() + PEERS_WAIT_MS;

	while (rig_descriptors(r) > n) {
		assert_true(clock_mono_ms() < end);
		poll(NULL, 0, 5);
	}
}

static void
talk(int client, int peer)
{
	rig_send_lit(client, "ping");
	rig_expect_lit(peer, "ping");
	rig_send_lit(peer, "pong!");
	rig_expect_lit(client, "pong!");
	shutdown(client, SHUT_WR);
	assert_int_equal(rig_expect_end(peer), RIG_FIN);
	close(peer);
	assert_int_equal(rig_expect_end(client), RIG_FIN);
	close(client);
}

static void
expect_failed(struct rig *r, const char *reason, uint16_t code)
{
	const struct record_session *s;

	peers_next_session(r->peers, RECORD_OPEN, NULL);
	s = peers_next_session(r->peers, RECORD_CLOSE, reason);
	assert_int_equal(s->status, STATUS_FAILED);
	assert_int_equal(s->reply_code, code);
	assert_int_equal(s->command, COMMAND_BIND);
}

/* ---- success ---- */

static void
test_case_51_second_reply(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;
	struct endpoint at, peer_at;
	int fd, peer;

	start(r, "", NULL);
	fd = wait_for(r, "127.0.0.1", &at);
	rig_wait_metric(r, "proxy_bind_listeners", 1);
	rig_wait_metric(r, "proxy_connections{state=\"bind_wait\"}", 1);
	peer = rig_connect_to(&at, "127.0.0.1:0");
	assert_true(sock_local(peer, &peer_at));
	expect_peer(fd, peer);
	wait_closed(&at);
	rig_wait_metric(r, "proxy_bind_listeners", 0);
	wait_peers(r, "admitted", 1);
	talk(fd, peer);
	s = peers_next_session(r->peers, RECORD_OPEN, NULL);
	assert_int_equal(s->command, COMMAND_BIND);
	assert_int_equal(s->protocol, PROTOCOL_TCP);
	assert_int_equal(s->dest_port, 0);
	assert_true(addr_eq(&s->dest_ip, &at.addr));
	s = peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
	assert_int_equal(s->status, STATUS_CLOSED);
	assert_int_equal(s->dest_port, peer_at.port);
	assert_true(addr_eq(&s->dest_ip, &peer_at.addr));
	assert_int_equal(s->counters.bytes_up, 4);
	assert_int_equal(s->counters.bytes_down, 5);
	assert_int_equal(s->reply_code, 0);
	assert_true(s->setup_us > 0);
	rig_wait_idle(r);
}

/* The address towards who was asked for, in its own family. */
static void
test_case_50_local_address(void **state)
{
	static const char *const peers[] = { "127.0.0.1", "::1", "127.7.7.7" };
	struct rig *r = *state;

	start(r, "", (const char *[]){ "proxy.mask_bound_address=true",
	    NULL });
	for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
		struct addr asked = addr_of(peers[i]);
		struct endpoint at;
		char from[ENDPOINT_TEXT_SIZE];
		int fd = wait_for(r, peers[i], &at), peer;

		assert_true(addr_is_loopback(&at.addr));
		assert_int_equal(addr_is_v4(&at.addr), addr_is_v4(&asked));
		endpoint_format(from, &(struct endpoint){ asked, 0 });
		peer = rig_connect_to(&at, from);
		expect_peer(fd, peer);
		talk(fd, peer);
	}
}

/* What is configured is told; the port is where it is. */
static void
test_case_50_advertised_address(void **state)
{
	struct rig *r = *state;
	struct addr told = addr_of("198.51.100.7"), told6;
	struct endpoint at;
	int fd, peer;

	start(r, "bind.advertise = [\"10.0.0.0/8=203.0.113.1\", "
	    "\"127.0.0.0/8=198.51.100.7\", \"2001:db8::7\"]\n", NULL);
	fd = wait_for(r, "127.0.0.1", &at);
	assert_true(addr_eq(&at.addr, &told));
	at.addr = addr_of("127.0.0.1");
	peer = rig_connect_to(&at, NULL);
	expect_peer(fd, peer);
	talk(fd, peer);
	told6 = addr_of("2001:db8::7");
	fd = wait_for(r, "::1", &at);
	assert_true(addr_eq(&at.addr, &told6));
	close(fd);
}

/* One port, at the address that outgoing sockets have: one of 127/8 that is
 * drawn for this run, where nobody else is. */
static void
test_port_of_the_range(void **state)
{
	struct rig *r = *state;
	struct endpoint at, own;
	struct id random = id_random();
	char lines[96];
	int first, second;

	snprintf(lines, sizeof(lines), "bind.ports = \"20007-20007\"\n"
	    "source_address = [\"127.%u.%u.%u\"]\n", 1 + random.b[0] % 250u,
	    (unsigned)random.b[1], 1 + random.b[2] % 250u);
	own.addr = addr_from_v4((uint8_t[]){ 127,
	    (uint8_t)(1 + random.b[0] % 250), random.b[1],
	    (uint8_t)(1 + random.b[2] % 250) });
	own.port = 20007;
	start(r, lines, NULL);
	first = wait_for(r, "127.0.0.1", &at);
	assert_true(endpoint_eq(&at, &own));
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	second = rig_connect(r, NULL);
	rig_login(second, "alice");
	request(second, "127.0.0.1", 0);
	rig_expect_refusal(second, 1);
	close(second);
	expect_failed(r, "bind_failed", 1);
	rig_wait_log(r, "event=bind_failed");
	/* free as soon as its client has gone */
	close(first);
	rig_wait_metric(r, "proxy_bind_listeners", 0);
	close(wait_for(r, "127.0.0.1", &at));
	assert_true(endpoint_eq(&at, &own));
}

/* Case 55: in order, before all else, and none of it lost. */
static void
test_case_55_early_data(void **state)
{
	static const size_t sizes[] = { 5, 1024, 1025, FULL };
	struct rig *r = *state;
	char early[FULL];

	start(r, "", NULL);
	for (size_t i = 0; i < sizeof(early); i++)
		early[i] = (char)('a' + i % 23);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct endpoint at;
		int fd = wait_for(r, "127.0.0.1", &at), peer;

		rig_send(fd, early, sizes[i]);
		peer = rig_connect_to(&at, NULL);
		for (size_t n = 0; n < sizes[i]; n += 1000) {
			size_t left = sizes[i] - n;

			rig_expect(peer, early + n, left < 1000 ? left : 1000);
		}
		expect_peer(fd, peer);
		talk(fd, peer);
	}
}

/* What the peer says first is not lost either. */
static void
test_peer_speaks_first(void **state)
{
	struct rig *r = *state;
	struct endpoint at;
	int fd, peer;

	start(r, "", NULL);
	fd = wait_for(r, "127.0.0.1", &at);
	peers_script_decision(r->peers, &(struct peers_decision){
		.how = PEERS_HOLD });
	peer = rig_connect_to(&at, NULL);
	rig_send_lit(peer, "220 hello");
	peers_wait_decisions(r->peers, 2);
	peers_script_decision(r->peers, &(struct peers_decision){
		.how = PEERS_ANSWER });
	peers_release(r->peers);
	expect_peer(fd, peer);
	rig_expect_lit(fd, "220 hello");
	talk(fd, peer);
}

/* ---- strangers ---- */

/* Case 52, B-1. */
static void
test_case_52_a_thousand_wrong_peers(void **state)
{
	struct rig *r = *state;
	struct endpoint at;
	size_t descriptors;
	int fd, peer;

	start(r, "", NULL);
	fd = wait_for(r, "127.0.0.1", &at);
	descriptors = rig_descriptors(r);
	for (unsigned i = 0; i < 1000; i++)
		expect_turned_away(&at, i % 2 == 0 ? "127.0.0.2:0" :
		    "127.250.250.250:0");
	wait_peers(r, "wrong_peer", 1000);
	wait_descriptors(r, descriptors);
	rig_expect_silence(fd);
	/* nobody asked acld about them */
	assert_int_equal(peers_decisions(r->peers), 1);
	peer = rig_connect_to(&at, "127.0.0.1:0");
	expect_peer(fd, peer);
	talk(fd, peer);
	rig_wait_idle(r);
}

/* Case 52: any peer, where the policy says so. */
static void
test_case_52_any_peer(void **state)
{
	struct rig *r = *state;
	struct endpoint at;
	int fd, peer;

	start(r, "", NULL);
	fd = wait_for(r, "0.0.0.0", &at);
	assert_true(addr_is_loopback(&at.addr));
	assert_true(addr_is_unspecified(
	    &peers_asked_decision(r->peers).resolved[0]));
	peer = rig_connect_to(&at, "127.0.0.99:0");
	expect_peer(fd, peer);
	talk(fd, peer);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	assert_true(addr_eq(&peers_next_session(r->peers, RECORD_CLOSE,
	    "client_closed")->dest_ip, &(struct addr){ { [10] = 0xff, 0xff,
	    127, 0, 0, 99 } }));
}

static void
test_case_52_any_peer_is_refused(void **state)
{
	static const char *const any[] = { "0.0.0.0", "::" };
	struct rig *r = *state;

	start(r, "", NULL);
	peers_script_decision(r->peers, &(struct peers_decision){
		.action = BLOCK, .source = BY_HARD_DENY });
	for (size_t i = 0; i < ARRAY_LEN(any); i++) {
		int fd = rig_connect(r, NULL);

		rig_login(fd, "alice");
		request(fd, any[i], 0);
		rig_expect_refusal(fd, 2);
		peers_next_session(r->peers, RECORD_REJECT, "hard_deny");
		close(fd);
	}
	assert_int_equal(rig_metric(r, "proxy_bind_listeners"), 0);
}

/* Case 56: the policy is asked about the peer that came. */
static void
test_case_56_policy_on_the_peer(void **state)
{
	struct rig *r = *state;
	struct peers_asked asked;
	struct endpoint at, is;
	int fd, peer;

	start(r, "", NULL);
	fd = wait_for(r, "127.0.0.5", &at);
	asked = peers_asked_decision(r->peers);
	assert_int_equal(asked.command, COMMAND_BIND);
	assert_int_equal(asked.port, 0);
	peers_script_decision(r->peers, &(struct peers_decision){
		.how = PEERS_HOLD });
	peer = rig_connect_to(&at, "127.0.0.5:0");
	assert_true(sock_local(peer, &is));
	peers_wait_decisions(r->peers, 2);
	peers_script_decision(r->peers, &(struct peers_decision){
		.action = BLOCK });
	peers_release(r->peers);
	expect_reset(peer);
	asked = peers_asked_decision(r->peers);
	assert_int_equal(asked.command, COMMAND_BIND);
	assert_int_equal(asked.protocol, PROTOCOL_TCP);
	assert_int_equal(asked.port, is.port);
	assert_int_equal(asked.n_resolved, 1);
	assert_true(addr_eq(&asked.resolved[0], &is.addr));
	assert_string_equal(asked.name, "");
	assert_string_equal(asked.user, "alice");
	wait_peers(r, "refused", 1);
	rig_expect_silence(fd);
	/* one of this machine's own, and no rule has opened it */
	peers_script_decision(r->peers, &(struct peers_decision){
		.closed = true });
	expect_turned_away(&at, "127.0.0.5:0");
	wait_peers(r, "refused", 2);
	peers_script_decision(r->peers, &(struct peers_decision){ 0 });
	peer = rig_connect_to(&at, "127.0.0.5:0");
	expect_peer(fd, peer);
	talk(fd, peer);
}

/* A name is asked about as that name, with the address that came. */
static void
test_case_56_by_name(void **state)
{
	static const char request_by_name[] = "\5\2\0\3\11four.test\0\24";
	struct rig *r = *state;
	const struct record_session *s;
	struct peers_asked asked;
	struct endpoint at, is;
	int fd, peer;

	start(r, "", NULL);
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	rig_send_lit(fd, request_by_name);
	at = rig_expect_success(fd);
	expect_turned_away(&at, "127.0.0.2:0");
	peer = rig_connect_to(&at, "127.0.0.1:0");
	assert_true(sock_local(peer, &is));
	expect_peer(fd, peer);
	asked = peers_asked_decision(r->peers);
	assert_string_equal(asked.name, "four.test");
	assert_int_equal(asked.port, is.port);
	assert_true(addr_eq(&asked.resolved[0], &is.addr));
	talk(fd, peer);
	s = peers_next_session(r->peers, RECORD_OPEN, NULL);
	assert_int_equal(s->dest_port, 20);
	s = peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
	assert_true(str_eq(s->dest_host, STR("four.test")));
	assert_int_equal(s->dest_port, is.port);
}

/* acld says nothing in its time: that peer is gone, the port still open. */
static void
test_case_56_acld_is_silent(void **state)
{
	struct rig *r = *state;
	struct endpoint at;
	int fd, peer;

	start(r, "", NULL);
	fd = wait_for(r, "127.0.0.1", &at);
	peers_script_decision(r->peers, &(struct peers_decision){
		.how = PEERS_HOLD });
	rig_reload(r, WITH_BIND "workers = 1\ntimeouts.decide = \"150ms\"\n");
	expect_turned_away(&at, "127.0.0.1:0");
	rig_reload(r, WITH_BIND "workers = 1\n");
	peers_script_decision(r->peers, &(struct peers_decision){ 0 });
	peer = rig_connect_to(&at, NULL);
	expect_peer(fd, peer);
	talk(fd, peer);
	peers_release(r->peers);
}

/* ---- SOCKS4 ---- */

#define WITHOUT_LOGIN "socks_methods = [\"none\"]\nallow_anonymous = true\n"

static struct endpoint
expect_granted(int fd)
{
	uint8_t b[8];

	assert_int_equal(recv(fd, b, sizeof(b), MSG_WAITALL), sizeof(b));
	assert_memory_equal(b, "\0\x5a", 2);
	return (struct endpoint){ addr_from_v4(b + 4),
		(uint16_t)(b[2] << 8 | b[3]) };
}

static void
test_socks4(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum record_carrier carrier;
		const char *host;
	} requests[] = {
#define REQUEST(bytes, carrier, host) { bytes, sizeof(bytes) - 1, carrier, host }
		REQUEST("\4\2\0\0\177\0\0\1joe\0", CARRIER_SOCKS4, ""),
		REQUEST("\4\2\0\24\0\0\0\1joe\0both.test\0",
		    CARRIER_SOCKS4A, "both.test"),
	};
	struct rig *r = *state;

	start(r, WITHOUT_LOGIN, NULL);
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		const struct record_session *s;
		struct endpoint at, told, is;
		int fd = rig_connect(r, NULL), peer;

		rig_send(fd, requests[i].bytes, requests[i].len);
		at = expect_granted(fd);
		assert_true(addr_is_loopback(&at.addr) && at.port > 0);
		expect_turned_away(&at, "127.0.0.2:0");
		peer = rig_connect_to(&at, NULL);
		assert_true(sock_local(peer, &is));
		told = expect_granted(fd);
		assert_true(endpoint_eq(&told, &is));
		talk(fd, peer);
		s = peers_next_session(r->peers, RECORD_OPEN, NULL);
		assert_int_equal(s->carrier, requests[i].carrier);
		assert_int_equal(s->command, COMMAND_BIND);
		assert_true(str_eq(s->claimed_user, STR("joe")));
		s = peers_next_session(r->peers, RECORD_CLOSE,
		    "client_closed");
		assert_int_equal(s->reply_code, 90);
		assert_int_equal(s->dest_port, is.port);
		assert_true(str_eq(s->dest_host,
		    str_from(requests[i].host)));
	}
}

/* A port that it cannot name helps nobody: an IPv6 one is not opened. */
static void
test_socks4_failures(void **state)
{
	struct rig *r = *state;
	struct endpoint at;
	int fd;

	start(r, WITHOUT_LOGIN "timeouts.bind = \"1s\"\n", NULL);
	fd = rig_connect(r, NULL);
	rig_send_lit(fd, "\4\2\0\24\0\0\0\1\0six.test\0");
	rig_expect_lit(fd, "\0\x5b\0\0\0\0\0\0");
	close(fd);
	expect_failed(r, "network_unreachable", 91);
	fd = rig_connect(r, NULL);
	rig_send_lit(fd, "\4\2\0\0\177\0\0\5\0");
	at = expect_granted(fd);
	rig_expect_lit(fd, "\0\x5b\0\0\0\0\0\0");
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	assert_false(is_open(&at));
	close(fd);
	expect_failed(r, "bind_timeout", 91);
}

/* ---- in vain ---- */

static void
test_case_53_nobody_comes(void **state)
{
	struct rig *r = *state;
	struct endpoint at;
	int fd;

	start(r, "timeouts.bind = \"1s\"\n", NULL);
	fd = wait_for(r, "127.0.0.5", &at);
	rig_send_lit(fd, "early");
	rig_expect_refusal(fd, 6);
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	assert_false(is_open(&at));
	close(fd);
	expect_failed(r, "bind_timeout", 6);
	rig_wait_idle(r);
	assert_int_equal(rig_metric(r, "proxy_bind_listeners"), 0);
}

/* Case 54: FIN and RST, with little and with more than is kept in between. */
static void
test_case_54_client_leaves(void **state)
{
	struct rig *r = *state;
	char early[FULL] = "early";

	start(r, "", NULL);
	for (unsigned i = 0; i < 6; i++) {
		static const size_t sizes[] = { 0, 5, FULL };
		struct endpoint at;
		int fd = wait_for(r, "127.0.0.5", &at);

		rig_send(fd, early, sizes[i % 3]);
		if (i < 3)
			shutdown(fd, SHUT_WR);
		else
			rig_reset(fd);
		wait_closed(&at);
		rig_wait_idle(r);
		if (i < 3)
			close(fd);
		expect_failed(r, "client_gone", 0);
	}
	assert_int_equal(rig_metric(r, "proxy_bind_listeners"), 0);
}

/* The client leaves while its peer is judged; the answer comes too late. */
static void
test_client_leaves_while_a_peer_is_judged(void **state)
{
	struct rig *r = *state;
	struct endpoint at;
	int fd, peer;

	start(r, "", NULL);
	fd = wait_for(r, "127.0.0.1", &at);
	peers_script_decision(r->peers, &(struct peers_decision){
		.how = PEERS_HOLD });
	peer = rig_connect_to(&at, NULL);
	peers_wait_decisions(r->peers, 2);
	close(fd);
	expect_reset(peer);
	wait_peers(r, "too_late", 1);
	peers_script_decision(r->peers, &(struct peers_decision){ 0 });
	peers_release(r->peers);
	rig_wait_idle(r);
	fd = wait_for(r, "127.0.0.1", &at);
	close(fd);
}

/* With more sent than is kept, a wait costs nothing. */
static void
test_waiting_is_idle(void **state)
{
	struct rig *r = *state;
	char early[FULL] = "early";
	struct endpoint at;
	int fd = -1;
	uint64_t cpu, end;

	start(r, "", NULL);
	fd = wait_for(r, "127.0.0.5", &at);
	rig_send(fd, early, sizeof(early));
	cpu = rig_cpu_ms(r);
	end = clock_mono_ms() + 600;
	while (clock_mono_ms() < end)
		poll(NULL, 0, 50);
	assert_true(rig_cpu_ms(r) - cpu < 300);
	close(fd);
	wait_closed(&at);
}

/* No descriptor for the port: told at once. None for the peer: it waits. */
static void
test_out_of_descriptors(void **state)
{
	struct rig *r = *state;
	struct endpoint at;
	struct rlimit old, none;
	int first, second, peer;

	start(r, "", NULL);
	first = wait_for(r, "127.0.0.1", &at);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	second = rig_connect(r, NULL);
	rig_login(second, "alice");
	assert_int_equal(prlimit(r->pid, RLIMIT_NOFILE, NULL, &old), 0);
	none = old;
	none.rlim_cur = 3;
	assert_int_equal(prlimit(r->pid, RLIMIT_NOFILE, &none, NULL), 0);
	request(second, "127.0.0.1", 0);
	rig_expect_refusal(second, 1);
	peer = rig_connect_to(&at, NULL);
	rig_send_lit(peer, "hello");
	expect_failed(r, "out_of_resources", 1);
	rig_expect_silence(first);
	assert_int_equal(prlimit(r->pid, RLIMIT_NOFILE, &old, NULL), 0);
	expect_peer(first, peer);
	rig_expect_lit(first, "hello");
	close(second);
	talk(first, peer);
}

/* Of all workers together, and only while they wait. */
static void
test_max_per_user(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;
	struct endpoint at[2], more;
	int fd[2], fourth, refused, peer;

	start(r, "workers = 2\nbind.max_per_user = 2\n", NULL);
	for (unsigned i = 0; i < 2; i++) {
		fd[i] = wait_for(r, "127.0.0.1", &at[i]);
		peers_next_session(r->peers, RECORD_OPEN, NULL);
	}
	for (unsigned i = 0; i < 8; i++) {
		refused = rig_connect(r, NULL);
		rig_login(refused, "alice");
		request(refused, "127.0.0.1", 0);
		rig_expect_refusal(refused, 2);
		close(refused);
		s = peers_next_session(r->peers, RECORD_REJECT, "limit_user");
		assert_true(str_eq(s->close_detail,
		    STR("proxy.bind.max_per_user")));
	}
	/* one has its peer, one leaves: two more may wait */
	peer = rig_connect_to(&at[0], NULL);
	expect_peer(fd[0], peer);
	fourth = wait_for(r, "127.0.0.1", &more);
	close(fd[1]);
	rig_wait_metric(r, "proxy_bind_listeners", 1);
	close(wait_for(r, "127.0.0.1", &more));
	close(fourth);
	talk(fd[0], peer);
	rig_wait_metric(r, "proxy_bind_listeners", 0);
}

/* SIGTERM ends those that wait as well. */
static void
test_stop_while_waiting(void **state)
{
	struct rig *r = *state;
	struct endpoint at;
	int fd;

	start(r, "", NULL);
	fd = wait_for(r, "127.0.0.5", &at);
	rig_signal(r, SIGTERM);
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	close(fd);
	assert_int_equal(rig_wait_exit(r), 0);
	assert_false(is_open(&at));
	expect_failed(r, "drained", 0);
}

/* Off, as it is by default: 07, and nothing is asked. */
static void
test_command_is_off(void **state)
{
	struct rig *r = *state;
	int fd;

	rig_start(r, NULL);
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	request(fd, "127.0.0.1", 0);
	rig_expect_refusal(fd, 7);
	close(fd);
	peers_next_session(r->peers, RECORD_REJECT, "command_disabled");
	assert_int_equal(peers_decisions(r->peers), 0);
}

static void
test_refused_by_a_rule(void **state)
{
	struct rig *r = *state;
	int fd;

	start(r, "", NULL);
	peers_script_decision(r->peers, &(struct peers_decision){
		.action = BLOCK, .rule = "no-bind" });
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	request(fd, "127.0.0.1", 21);
	rig_expect_refusal(fd, 2);
	close(fd);
	assert_true(str_eq(peers_next_session(r->peers, RECORD_REJECT,
	    "policy_block")->rule, STR("no-bind")));
}

#define T(name) \
	cmocka_unit_test_setup_teardown(test_##name, rig_setup, rig_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(case_51_second_reply), T(case_50_local_address),
		T(case_50_advertised_address), T(port_of_the_range),
		T(case_55_early_data), T(peer_speaks_first),
		T(case_52_a_thousand_wrong_peers), T(case_52_any_peer),
		T(case_52_any_peer_is_refused),
		T(case_56_policy_on_the_peer), T(case_56_by_name),
		T(case_56_acld_is_silent), T(case_53_nobody_comes),
		T(case_54_client_leaves),
		T(client_leaves_while_a_peer_is_judged),
		T(waiting_is_idle), T(max_per_user), T(out_of_descriptors),
		T(stop_while_waiting), T(command_is_off),
		T(refused_by_a_rule), T(socks4), T(socks4_failures),
	};

	if (argc < 2)
		return 2;
	rig_binary = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
