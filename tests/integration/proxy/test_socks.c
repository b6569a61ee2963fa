/* SPDX-License-Identifier: MIT */
/*
 * What a client sees: conformance.md sections 1 to 6 against a real proxy.
 *
 * usage: test_socks SALLYPORT-PROXY
 */
#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/sock.h"

#define BIG (8u << 20)

/* Bytes flow both ways, ends are passed on. */
static void
talk(int client, int target)
{
	rig_send_lit(client, "ping");
	rig_expect_lit(target, "ping");
	rig_send_lit(target, "pong!");
	rig_expect_lit(client, "pong!");
	shutdown(client, SHUT_WR);
	assert_int_equal(rig_expect_end(target), RIG_FIN);
	close(target);
	assert_int_equal(rig_expect_end(client), RIG_FIN);
	close(client);
}

static void
expect_closed(struct rig *r, const char *reason, enum record_status status)
{
	const struct record_session *s;

	peers_next_session(r->peers, RECORD_OPEN, NULL);
	s = peers_next_session(r->peers, RECORD_CLOSE, reason);
	assert_int_equal(s->status, status);
}

/* ---- success ---- */

/* Case 39: BND is the outgoing socket's own address. */
static void
test_connect_ipv4(void **state)
{
	struct rig *r = *state;
	struct endpoint bound, seen, client_at;
	const struct record_session *s;
	int fd, target;

	rig_start(r, NULL);
	fd = rig_connect(r, NULL);
	assert_true(sock_local(fd, &client_at));
	rig_login(fd, "alice");
	rig_request(fd, &r->target_at);
	bound = rig_expect_success(fd);
	target = rig_accept(r->target);
	assert_true(sock_peer(target, &seen));
	assert_true(endpoint_eq(&bound, &seen));
	assert_true(addr_is_v4(&bound.addr));
	talk(fd, target);
	s = peers_next_session(r->peers, RECORD_OPEN, NULL);
	assert_true(str_eq(s->user, STR("alice")));
	assert_true(endpoint_eq(&s->source, &client_at));
	assert_int_equal(s->dest_port, r->target_at.port);
	assert_true(addr_eq(&s->dest_ip, &r->target_at.addr));
	assert_int_equal(s->dest_host.len, 0);
	assert_int_equal(s->command, COMMAND_CONNECT);
	assert_int_equal(s->carrier, CARRIER_SOCKS5);
	assert_int_equal(s->protocol, PROTOCOL_TCP);
	assert_int_equal(s->decision, DECISION_ALLOW);
	assert_int_equal(s->auth_method, AUTH_USERPASS);
	assert_true(str_eq(s->rule, STR("rule-1")));
	assert_int_equal(s->generation, peers_generation(r->peers));
	assert_int_equal(s->destinations, 1);
	s = peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
	assert_int_equal(s->status, STATUS_CLOSED);
	assert_int_equal(s->destinations, 1);
	assert_int_equal(s->claimed_user.len, 0);
	assert_int_equal(s->counters.bytes_up, 4);
	assert_int_equal(s->counters.bytes_down, 5);
	assert_int_equal(s->reply_code, 0);
	assert_true(s->setup_us > 0 && s->duration_us >= s->setup_us);
	assert_true(str_eq(s->user, STR("alice")));
	assert_true(addr_eq(&s->dest_ip, &r->target_at.addr));
}

static void
test_connect_ipv6(void **state)
{
	struct rig *r = *state;
	struct endpoint bound, seen;
	const struct record_session *s;
	int fd, target;

	rig_start(r, NULL);
	fd = rig_connect_to(&r->listen6, NULL);
	rig_login(fd, "alice");
	rig_request(fd, &r->target6_at);
	bound = rig_expect_success(fd);
	target = rig_accept(r->target6);
	assert_true(sock_peer(target, &seen));
	assert_true(endpoint_eq(&bound, &seen));
	assert_false(addr_is_v4(&bound.addr));
	talk(fd, target);
	s = peers_next_session(r->peers, RECORD_OPEN, NULL);
	assert_true(addr_eq(&s->dest_ip, &r->target6_at.addr));
	assert_false(addr_is_v4(&s->source.addr));
	peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
}

/* Case 33: an IPv4 address in IPv6 clothes is that IPv4 address. */
static void
test_connect_mapped(void **state)
{
	struct rig *r = *state;
	uint8_t request[22] = { 5, 1, 0, 4 };
	struct endpoint bound;
	int fd;

	rig_start(r, NULL);
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	memcpy(request + 4, r->target_at.addr.b, 16);
	request[20] = (uint8_t)(r->target_at.port >> 8);
	request[21] = (uint8_t)r->target_at.port;
	rig_send(fd, request, sizeof(request));
	bound = rig_expect_success(fd);
	assert_true(addr_is_v4(&bound.addr));
	talk(fd, rig_accept(r->target));
	expect_closed(r, "client_closed", STATUS_CLOSED);
}

static void
test_connect_name(void **state)
{
	/* as asked, canonical (case 29), and through the hosts file */
	static const char *const names[] = { "four.test", "FOUR.Test.",
		"localhost" };
	struct rig *r = *state;
	const struct record_session *s;

	rig_start(r, NULL);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *canonical = i < 2 ? "four.test" : "localhost";
		int fd = rig_connect(r, NULL);

		rig_login(fd, "alice");
		rig_request_name(fd, names[i], r->target_at.port);
		(void)rig_expect_success(fd);
		talk(fd, rig_accept(r->target));
		assert_string_equal(peers_asked_decision(r->peers).name,
		    canonical);
		s = peers_next_session(r->peers, RECORD_OPEN, NULL);
		assert_true(str_eq(s->dest_host, str_from(canonical)));
		s = peers_next_session(r->peers, RECORD_CLOSE,
		    "client_closed");
		assert_true(addr_eq(&s->dest_ip, &r->target_at.addr));
	}
}

/* Case 27: a literal in the name field is that address. */
static void
test_literal_as_name(void **state)
{
	struct rig *r = *state;
	int fd;

	rig_start(r, NULL);
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	rig_request_name(fd, "127.0.0.1", r->target_at.port);
	(void)rig_expect_success(fd);
	talk(fd, rig_accept(r->target));
	assert_string_equal(peers_asked_decision(r->peers).name, "");
	expect_closed(r, "client_closed", STATUS_CLOSED);
}

static void
test_masked_address(void **state)
{
	struct rig *r = *state;
	int fd, target;

	rig_start(r, (const char *[]){ "proxy.mask_bound_address=true",
	    NULL });
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	rig_request(fd, &r->target_at);
	rig_expect_lit(fd, "\5\0\0\1\0\0\0\0\0\0");
	target = rig_accept(r->target);
	talk(fd, target);
	expect_closed(r, "client_closed", STATUS_CLOSED);
}

/* Case 36: of several addresses only the permitted ones are dialled. */
static void
test_only_permitted_addresses(void **state)
{
	struct rig *r = *state;
	struct endpoint at = r->target_at;
	int fd, only4, only6;
	bool first_is_v4;

	rig_start(r, NULL);
	peers_script_decision(r->peers, &(struct peers_decision){
		.permit = PERMIT_FIRST });
	/* both families listen at one port */
	close(r->target6);
	at = r->target6_at;
	at.port = r->target_at.port;
	r->target6 = sock_listen(&at, false, 16, NULL);
	if (r->target6 < 0)
		skip();		/* somebody else has it */
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	rig_request_name(fd, "both.test", at.port);
	(void)rig_expect_success(fd);
	first_is_v4 =
	    addr_is_v4(&peers_asked_decision(r->peers).resolved[0]);
	assert_int_equal(peers_asked_decision(r->peers).n_resolved, 2);
	only4 = r->target;
	only6 = r->target6;
	talk(fd, rig_accept(first_is_v4 ? only4 : only6));
	/* cppcheck-suppress nullPointer; gnu.cfg wants an address to fill */
	assert_int_equal(accept4(first_is_v4 ? only6 : only4, NULL, NULL,
	    SOCK_NONBLOCK), -1);
	expect_closed(r, "client_closed", STATUS_CLOSED);
}

/* Case 2 and case 3: everything in one segment, payload included. */
static void
test_pipelined(void **state)
{
	struct rig *r = *state;
	char all[64] = "\5\1\2" "\1\5alice\5right" "\5\1\0\1\177\0\0\1";
	size_t len = 3 + 13 + 8;
	int fd, target;

	rig_start(r, NULL);
	all[len++] = (char)(r->target_at.port >> 8);
	all[len++] = (char)r->target_at.port;
	memcpy(all + len, "early", 5);
	fd = rig_connect(r, NULL);
	rig_send(fd, all, len + 5);
	rig_expect_lit(fd, "\5\2\1\0");
	(void)rig_expect_success(fd);
	target = rig_accept(r->target);
	rig_expect_lit(target, "early");
	talk(fd, target);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	assert_int_equal(peers_next_session(r->peers, RECORD_CLOSE,
	    "client_closed")->counters.bytes_up, 9);
}

/* Case 3: more than the input buffer holds, before acld has answered. */
static void
test_early_data_beyond_the_buffer(void **state)
{
	struct rig *r = *state;
	char *data = xmalloc(65536), *got = xmalloc(65536);
	int fd, target;

	rig_start(r, NULL);
	for (size_t i = 0; i < 65536; i++)
		data[i] = (char)(i * 7 + i / 256);
	peers_script_decision(r->peers, &(struct peers_decision){
		.how = PEERS_HOLD });
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	rig_request(fd, &r->target_at);
	peers_wait_decisions(r->peers, 1);
	rig_send(fd, data, 65536);
	peers_script_decision(r->peers, &(struct peers_decision){ 0 });
	peers_release(r->peers);
	(void)rig_expect_success(fd);
	target = rig_accept(r->target);
	assert_int_equal(recv(target, got, 65536, MSG_WAITALL), 65536);
	assert_memory_equal(got, data, 65536);
	free(data);
	free(got);
	talk(fd, target);
	expect_closed(r, "client_closed", STATUS_CLOSED);
}

/* Case 1, over the wire: one byte a segment. */
static void
test_byte_by_byte(void **state)
{
	struct rig *r = *state;
	char all[64] = "\5\1\2" "\1\5alice\5right" "\5\1\0\3\11four.test";
	size_t len = 3 + 13 + 5 + 9;
	int fd, target;

	rig_start(r, NULL);
	all[len++] = (char)(r->target_at.port >> 8);
	all[len++] = (char)r->target_at.port;
	fd = rig_connect(r, NULL);
	for (size_t i = 0; i < len; i++) {
		rig_send(fd, all + i, 1);
		if (i == 2)
			rig_expect_lit(fd, "\5\2");
		if (i == 15)
			rig_expect_lit(fd, "\1\0");
	}
	(void)rig_expect_success(fd);
	target = rig_accept(r->target);
	talk(fd, target);
	expect_closed(r, "client_closed", STATUS_CLOSED);
}

/* ---- half-close ---- */

/* Case 6: the FIN comes right after the request, as nc -N does. */
static void
test_fin_after_request(void **state)
{
	struct rig *r = *state;
	int fd, target;

	rig_start(r, NULL);
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	rig_request(fd, &r->target_at);
	rig_send_lit(fd, "question");
	shutdown(fd, SHUT_WR);
	(void)rig_expect_success(fd);
	target = rig_accept(r->target);
	rig_expect_lit(target, "question");
	assert_int_equal(rig_expect_end(target), RIG_FIN);
	rig_send_lit(target, "answer");
	close(target);
	rig_expect_lit(fd, "answer");
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	close(fd);
	expect_closed(r, "client_closed", STATUS_CLOSED);
}

/* The same while acld is being asked. */
static void
test_fin_while_asked(void **state)
{
	struct rig *r = *state;
	int fd, target;

	rig_start(r, NULL);
	peers_script_decision(r->peers, &(struct peers_decision){
		.how = PEERS_HOLD });
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	rig_request(fd, &r->target_at);
	peers_wait_decisions(r->peers, 1);
	shutdown(fd, SHUT_WR);
	peers_script_decision(r->peers, &(struct peers_decision){ 0 });
	peers_release(r->peers);
	(void)rig_expect_success(fd);
	target = rig_accept(r->target);
	assert_int_equal(rig_expect_end(target), RIG_FIN);
	rig_send_lit(target, "answer");
	close(target);
	rig_expect_lit(fd, "answer");
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	close(fd);
	expect_closed(r, "client_closed", STATUS_CLOSED);
}

/* Case 43: the target ends first. */
static void
test_target_ends_first(void **state)
{
	struct rig *r = *state;
	int fd, target;

	rig_start(r, NULL);
	fd = rig_session(r, "alice", &target);
	rig_send_lit(target, "early answer");
	shutdown(target, SHUT_WR);
	rig_expect_lit(fd, "early answer");
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	rig_send_lit(fd, "the rest of the upload");
	rig_expect_lit(target, "the rest of the upload");
	close(fd);
	assert_int_equal(rig_expect_end(target), RIG_FIN);
	close(target);
	expect_closed(r, "target_closed", STATUS_CLOSED);
}

/* Case 44: RST is passed on as RST, either way. */
static void
test_resets_pass(void **state)
{
	struct rig *r = *state;
	int fd, target;

	rig_start(r, NULL);
	fd = rig_session(r, "alice", &target);
	rig_reset(fd);
	assert_int_equal(rig_expect_end(target), RIG_RESET);
	close(target);
	expect_closed(r, "client_reset", STATUS_FAILED);
	fd = rig_session(r, "alice", &target);
	rig_reset(target);
	assert_int_equal(rig_expect_end(fd), RIG_RESET);
	close(fd);
	expect_closed(r, "target_reset", STATUS_FAILED);
}

/* Case 45, 48: much data against a slow reader, byte-exact, counted. */
static void
test_large_transfer(void **state)
{
	struct rig *r = *state;
	char *data = xmalloc(BIG), *got = xmalloc(BIG);
	const struct record_session *s;
	size_t sent = 0, n = 0;
	int fd, target;

	rig_start(r, NULL);
	for (size_t i = 0; i < BIG; i++)
		data[i] = (char)(i * 31 + i / 4093);
	fd = rig_session(r, "alice", &target);
	/* until both sockets and the relay are full */
	while (sent < BIG) {
		struct pollfd p = { .fd = target, .events = POLLOUT };
		ssize_t k;

		if (poll(&p, 1, 200) == 0)
			break;
		k = send(target, data + sent, BIG - sent,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		assert_true(k > 0);
		sent += (size_t)k;
	}
	while (n < BIG) {
		struct pollfd p[] = {
			{ .fd = fd, .events = POLLIN },
			{ .fd = target, .events = sent < BIG ? POLLOUT : 0 },
		};
		ssize_t k;

		assert_true(poll(p, 2, PEERS_WAIT_MS) > 0);
		if (p[1].revents & POLLOUT) {
			k = send(target, data + sent, BIG - sent,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
			assert_true(k > 0);
			sent += (size_t)k;
		}
		if (p[0].revents & POLLIN) {
			k = recv(fd, got + n, BIG - n, 0);
			assert_true(k > 0);
			n += (size_t)k;
		}
	}
	assert_memory_equal(got, data, BIG);
	free(data);
	free(got);
	talk(fd, target);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	s = peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
	assert_int_equal(s->counters.bytes_down, BIG + 5);
	assert_int_equal(s->counters.bytes_up, 4);
}

/* ---- refusals ---- */

/* What is sent after the login, the code of the reply, the reason recorded. */
static const struct {
	const char *bytes;
	size_t len;
	uint8_t code;
	const char *reason;
} bad_requests[] = {
#define BAD(bytes, code, reason) { bytes, sizeof(bytes) - 1, code, reason }
	/* cases 21 to 23 */
	BAD("\5\4\0\1\177\0\0\1\0\120", 7, "command_unknown"),
	BAD("\5\0\0\1\177\0\0\1\0\120", 7, "command_unknown"),
	BAD("\5\2\0\1\177\0\0\1\0\120", 7, "command_disabled"),
	BAD("\5\3\0\1\0\0\0\0\0\0", 7, "command_disabled"),
	BAD("\5\1\0\2", 8, "address_type_unknown"),
	BAD("\5\377\0\0", 8, "address_type_unknown"),
	/* case 24 */
	BAD("\5\1\0\1\177\0\0\1\0\0", 1, "invalid_request"),
	BAD("\5\1\0\3\11localhost\0\0", 1, "invalid_request"),
	/* cases 25 to 32 */
	BAD("\5\1\0\3\0", 1, "invalid_name"),
	BAD("\5\1\0\3\5a\0b.c\0\120", 1, "invalid_name"),
	BAD("\5\1\0\3\5a b.c\0\120", 1, "invalid_name"),
	BAD("\5\1\0\3\5a/b.c\0\120", 1, "invalid_name"),
	BAD("\5\1\0\3\5[::1]\0\120", 1, "invalid_name"),
	BAD("\5\1\0\3\6" "0x7f.1\0\120", 1, "invalid_name"),
	BAD("\5\1\0\3\5" "127.1\0\120", 1, "invalid_name"),
	BAD("\5\1\0\3\12" "2130706433\0\120", 1, "invalid_name"),
	BAD("\5\1\0\3\14" "017700000001\0\120", 1, "invalid_name"),
	BAD("\5\1\0\3\6a.com.\0\0", 1, "invalid_request"),
	BAD("\5\1\0\3\7a.com..\0\120", 1, "invalid_name"),
	BAD("\5\1\0\3\6b\374.com\0\120", 1, "invalid_name"),
	BAD("\5\1\0\3\14fe80::1%eth0\0\120", 1, "invalid_name"),
};

/* The reply of case 40 and the end of case 41, each with its record. */
static void
test_bad_requests(void **state)
{
	struct rig *r = *state;

	rig_start(r, (const char *[]){ "proxy.commands=connect", NULL });
	for (size_t i = 0; i < ARRAY_LEN(bad_requests); i++) {
		const struct record_session *s;
		int fd = rig_connect(r, NULL);

		rig_login(fd, "alice");
		rig_send(fd, bad_requests[i].bytes, bad_requests[i].len);
		rig_expect_refusal(fd, bad_requests[i].code);
		assert_int_equal(rig_expect_end(fd), RIG_FIN);
		close(fd);
		s = peers_next_session(r->peers, RECORD_REJECT,
		    bad_requests[i].reason);
		assert_int_equal(s->status, STATUS_REJECTED);
		assert_int_equal(s->reply_code, bad_requests[i].code);
		assert_true(str_eq(s->user, STR("alice")));
		assert_int_equal(s->decision, DECISION_NONE);
	}
	assert_int_equal(peers_decisions(r->peers), 0);
}

/* Case 31: the whole of it is read before the refusal. */
static void
test_longest_name(void **state)
{
	struct rig *r = *state;
	uint8_t request[5 + 255 + 2] = { 5, 1, 0, 3, 255 };
	int fd;

	rig_start(r, NULL);
	memset(request + 5, 'a', 255);
	request[sizeof(request) - 1] = 80;
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	rig_send(fd, request, sizeof(request) - 1);
	rig_expect_silence(fd);
	rig_send(fd, request + sizeof(request) - 1, 1);
	rig_expect_refusal(fd, 1);
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	close(fd);
	peers_next_session(r->peers, RECORD_REJECT, "invalid_name");
}

/* Greetings and logins that go wrong. `reply` NULL: an end without a byte. */
static void
test_bad_handshakes(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *reply;
		size_t reply_len;
		const char *reason;
	} cases[] = {
#define HAND(bytes, reply, reason) \
	{ bytes, sizeof(bytes) - 1, reply, sizeof(reply) - 1, reason }
		HAND("\5\1\0", "\5\377", "no_method"),		/* 8 */
		HAND("\5\0", "\5\377", "no_method"),		/* 9 */
		HAND("\5\3\377\1\0", "\5\377", "no_method"),	/* 10 */
		HAND("\4\1\0\120\177\0\0\1\0", "", "invalid_request"),
		HAND("GET / HTTP/1.1\r\n", "", "invalid_request"), /* 13 */
		HAND("\26\3\1\0", "", "invalid_request"),
		HAND("\377", "", "invalid_request"),
		HAND("\5\1\2\5\1a\1b", "\5\2\1\1", "auth_failed"), /* 14 */
		HAND("\5\1\2\1\0", "\5\2\1\1", "auth_failed"),	/* 16 */
		HAND("\5\1\2\1\1a\0", "\5\2\1\1", "auth_failed"), /* 17 */
		HAND("\5\1\2\1\3a\0b\1c", "\5\2\1\1", "auth_failed"), /* 18 */
		HAND("\5\1\2\1\1a\1\0", "\5\2\1\1", "auth_failed"),
		/* the method's answer was bet on and lost (2) */
		HAND("\5\2\0\2\5\1\0\1\177\0\0\1\0\120", "\5\2\1\1",
		    "auth_failed"),
		HAND("\5\1\2\1\1a\5right\4\1\0\1", "\5\2\1\0",
		    "invalid_request"),
	};
	static const char *const set[] = { "proxy.carriers=socks5", NULL };
	struct rig *r = *state;

	rig_start(r, set);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct record_session *s;
		int fd = rig_connect(r, NULL);

		rig_send(fd, cases[i].bytes, cases[i].len);
		rig_expect(fd, cases[i].reply, cases[i].reply_len);
		(void)rig_expect_end(fd);
		close(fd);
		s = peers_next_session(r->peers, RECORD_REJECT,
		    cases[i].reason);
		assert_int_equal(s->status, STATUS_REJECTED);
		assert_int_equal(s->reply_code, RECORD_NO_REPLY);
		assert_int_equal(s->dest_port, 0);
		assert_false(s->has_dest_ip);
	}
	assert_int_equal(rig_metric(r,
	    "proxy_protocol_oddities_total{what=\"version\"}"), 4);
	assert_int_equal(rig_metric(r,
	    "proxy_protocol_oddities_total{what=\"login\"}"), 6);
	assert_int_equal(rig_metric(r,
	    "proxy_protocol_oddities_total{what=\"request\"}"), 1);
}

/* Case 10, 11: whatever else is offered, a login is wanted. */
static void
test_login_is_chosen(void **state)
{
	struct rig *r = *state;
	uint8_t greeting[257] = { 5, 255 };
	int fd;

	rig_start(r, NULL);
	for (size_t i = 0; i < 255; i++)
		greeting[2 + i] = (uint8_t)i;
	fd = rig_connect(r, NULL);
	rig_send(fd, greeting, sizeof(greeting));
	rig_expect_lit(fd, "\5\2");
	rig_send_lit(fd, "\1\5alice\5right");
	rig_expect_lit(fd, "\1\0");
	rig_reset(fd);
	peers_next_session(r->peers, RECORD_REJECT, "client_gone");
}

/* Case 15, 19. */
static void
test_wrong_password(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;
	char *log;
	int fd;

	rig_start(r, NULL);
	fd = rig_connect(r, NULL);
	rig_send_login(fd, "mallory", "guess-nobody-logs");
	rig_request(fd, &r->target_at);	/* is not read */
	rig_expect_lit(fd, "\5\2\1\1");
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	close(fd);
	s = peers_next_session(r->peers, RECORD_REJECT, "auth_failed");
	assert_true(str_eq(s->user, STR("mallory")));
	assert_int_equal(s->status, STATUS_REJECTED);
	assert_int_equal(s->dest_port, 0);
	assert_int_equal(peers_decisions(r->peers), 0);
	log = rig_log(r);
	assert_non_null(strstr(log, "auth_failed"));
	assert_null(strstr(log, "guess-nobody-logs"));
	free(log);
}

/* Case 18: 255 bytes each, and bytes of 80 and more, arrive unchanged. */
static void
test_longest_login(void **state)
{
	struct rig *r = *state;
	struct peers_asked asked;
	char user[256], password[256];
	int fd;

	rig_start(r, NULL);
	memset(user, 0xe9, 255);
	memset(password, 0x81, 255);
	user[255] = password[255] = '\0';
	peers_script_login(r->peers, &(struct peers_login){ .result = 1 });
	fd = rig_connect(r, NULL);
	rig_send_login(fd, user, password);
	rig_expect_lit(fd, "\5\2\1\0");
	asked = peers_asked_login(r->peers);
	assert_string_equal(asked.user, user);
	assert_string_equal(asked.password, password);
	rig_reset(fd);
	peers_next_session(r->peers, RECORD_REJECT, "client_gone");
}

/* What is not text is escaped in the record: once, in CLOSE as in OPEN. */
static void
test_odd_user(void **state)
{
	struct rig *r = *state;
	int fd, target;

	rig_start(r, NULL);
	fd = rig_session(r, "back\\slash\xe9", &target);
	talk(fd, target);
	assert_true(str_eq(peers_next_session(r->peers, RECORD_OPEN,
	    NULL)->user, STR("back\\\\slash\\xe9")));
	assert_true(str_eq(peers_next_session(r->peers, RECORD_CLOSE,
	    NULL)->user, STR("back\\\\slash\\xe9")));
}

static void
test_failed_dials(void **state)
{
	static const struct {
		const char *name;	/* NULL: by address */
		uint8_t code;
		const char *reason;
	} cases[] = {
		{ "nowhere.invalid", 4, "dns_not_found" },
		{ "four.test", 5, "connect_refused" },
		{ NULL, 5, "connect_refused" },
	};
	struct rig *r = *state;
	struct endpoint closed;
	int fd, held;

	rig_start(r, NULL);
	/* bound, so that it is nobody else's, and not listening */
	closed = (struct endpoint){ r->target_at.addr, 0 };
	held = sock_bind(&closed, false, NULL);
	assert_true(held >= 0 && sock_local(held, &closed));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct record_session *s;
		bool opened = i > 0;

		fd = rig_connect(r, NULL);
		rig_login(fd, "alice");
		if (cases[i].name != NULL)
			rig_request_name(fd, cases[i].name, closed.port);
		else
			rig_request(fd, &closed);
		rig_expect_refusal(fd, cases[i].code);
		assert_int_equal(rig_expect_end(fd), RIG_FIN);
		close(fd);
		if (opened)
			peers_next_session(r->peers, RECORD_OPEN, NULL);
		s = peers_next_session(r->peers,
		    opened ? RECORD_CLOSE : RECORD_REJECT, cases[i].reason);
		assert_int_equal(s->status, STATUS_FAILED);
		assert_int_equal(s->reply_code, cases[i].code);
		assert_int_equal(s->counters.bytes_up, 0);
	}
	close(held);
}

/* The fence: what acld did not mark as internal, and the suite's own
 * listeners even so. */
static void
test_fence(void **state)
{
	struct rig *r = *state;
	int fd;

	rig_start(r, NULL);
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	rig_request(fd, &r->listen);
	rig_expect_refusal(fd, 2);
	close(fd);
	expect_closed(r, "hard_deny", STATUS_REJECTED);
	peers_script_decision(r->peers, &(struct peers_decision){
		.closed = true });
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	rig_request(fd, &r->target_at);
	rig_expect_refusal(fd, 2);
	close(fd);
	expect_closed(r, "hard_deny", STATUS_REJECTED);
}

/* Case 41: the reply survives bytes that the client still sends. */
static void
test_refusal_is_readable(void **state)
{
	struct rig *r = *state;
	char *noise = xcalloc(1, 65536);
	int fd;

	rig_start(r, NULL);
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	rig_send_lit(fd, "\5\4\0\1\177\0\0\1\0\120");
	rig_expect_lit(fd, "\5");
	rig_send(fd, noise, 65536);
	free(noise);
	rig_expect_lit(fd, "\7\0\1\0\0\0\0\0\0");
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	close(fd);
	peers_next_session(r->peers, RECORD_REJECT, "command_unknown");
}

/* ---- time and departures ---- */

#define HELLO "\5\1\2" "\1\5alice\5right"

/* A client whose first words are there when it is accepted: none of its short
 * time goes by while we are about to speak. */
static int
connect_saying(struct rig *r, const char *words)
{
	int fd;

	rig_signal(r, SIGSTOP);
	fd = rig_connect(r, NULL);
	rig_send(fd, words, strlen(words));
	rig_signal(r, SIGCONT);
	return fd;
}

/* A byte now and then, up to the end. */
static void
dribble(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (unsigned i = 0; send(fd, "a", 1, MSG_NOSIGNAL) == 1; i++) {
		if (poll(&p, 1, 20) == 1)
			break;
		assert_true(i < 1000);
	}
	(void)rig_expect_end(fd);
	close(fd);
}

/* Case 5: bytes do not stretch the deadline, whatever has been reached. */
static void
test_dribbled_handshake(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;
	int fd;

	rig_start(r, (const char *[]){ "proxy.timeouts.handshake=600ms",
	    NULL });
	dribble(connect_saying(r, "\5\377"));
	s = peers_next_session(r->peers, RECORD_REJECT, "handshake_timeout");
	assert_true(s->duration_us >= 500000);
	assert_int_equal(s->user.len, 0);
	fd = connect_saying(r, HELLO "\5\1");
	rig_expect_lit(fd, "\5\2\1\0");
	rig_send(fd, "\0\3\377", 3);
	dribble(fd);
	s = peers_next_session(r->peers, RECORD_REJECT, "handshake_timeout");
	assert_true(s->duration_us >= 500000);
	assert_true(str_eq(s->user, STR("alice")));
}

static void
test_silent_client(void **state)
{
	struct rig *r = *state;
	int fd;

	rig_start(r, (const char *[]){ "proxy.timeouts.handshake=100ms",
	    NULL });
	fd = rig_connect(r, NULL);
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	close(fd);
	peers_next_session(r->peers, RECORD_REJECT, "handshake_timeout");
}

/* The clock stands while authd is asked, and runs on after. */
static void
test_clock_stands_while_asked(void **state)
{
	struct rig *r = *state;
	int fd;

	rig_start(r, (const char *[]){ "proxy.timeouts.handshake=200ms",
	    NULL });
	peers_script_login(r->peers, &(struct peers_login){
		.how = PEERS_HOLD });
	fd = connect_saying(r, HELLO);
	rig_expect_lit(fd, "\5\2");
	peers_wait_logins(r->peers, 1);
	poll(NULL, 0, 500);	/* longer than the whole handshake */
	rig_expect_silence(fd);
	peers_script_login(r->peers, &(struct peers_login){ 0 });
	peers_release(r->peers);
	rig_expect_lit(fd, "\1\0");
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	close(fd);
	peers_next_session(r->peers, RECORD_REJECT, "handshake_timeout");
}

/* A look at the port is no event; what began and left is one. */
static void
test_departures(void **state)
{
	struct rig *r = *state;

	rig_start(r, NULL);
	close(rig_connect(r, NULL));
	rig_reset(rig_connect(r, NULL));
	for (unsigned i = 0; i < 2; i++) {
		int fd = rig_connect(r, NULL);

		rig_send_lit(fd, "\5\1\2");
		rig_expect_lit(fd, "\5\2");
		if (i == 0)
			close(fd);
		else
			rig_reset(fd);
		peers_next_session(r->peers, RECORD_REJECT, "client_gone");
	}
	rig_wait_metric(r, "proxy_connections_total{result=\"accepted\"}", 4);
	rig_wait_metric(r, "proxy_connections{state=\"greeting\"}", 0);
	rig_wait_metric(r, "proxy_connections{state=\"auth_read\"}", 0);
	assert_int_equal(rig_metric(r, "proxy_records_total"), 2);
}

#define T(name) \
	cmocka_unit_test_setup_teardown(test_##name, rig_setup, rig_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(connect_ipv4), T(connect_ipv6), T(connect_mapped),
		T(connect_name), T(literal_as_name), T(masked_address),
		T(only_permitted_addresses), T(pipelined),
		T(early_data_beyond_the_buffer), T(byte_by_byte),
		T(fin_after_request), T(fin_while_asked),
		T(target_ends_first), T(resets_pass), T(large_transfer),
		T(bad_requests), T(longest_name), T(bad_handshakes),
		T(login_is_chosen), T(wrong_password), T(longest_login),
		T(odd_user),
		T(failed_dials), T(fence), T(refusal_is_readable),
		T(dribbled_handshake), T(silent_client),
		T(clock_stands_while_asked), T(departures),
	};

	if (argc != 2)
		return 2;
	rig_binary = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
