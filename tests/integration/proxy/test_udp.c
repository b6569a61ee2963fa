/* SPDX-License-Identifier: MIT */
/*
 * UDP ASSOCIATE through the real daemon: conformance.md section 8, threats.md
 * U-1 to U-4, B7, B11, B12.
 *
 * usage: test_udp SALLYPORT-PROXY
 */
#include "rig.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/sock.h"
#include "proxy/socks5_udp.h"
#include "udp_bound.h"

#define DATAGRAMS(direction, result) \
	"proxy_udp_datagrams_total{direction=\"" direction \
	"\",result=\"" result "\"}"
#define ASSOCIATIONS "proxy_udp_associations"

/* A client of UDP, and a target. */
struct udp {
	int control;		/* TCP */
	int fd;			/* UDP, waits as others do */
	struct endpoint relay;	/* BND */
};

static int
udp_socket(const char *at, struct endpoint *out)
{
	struct timeval tv = { .tv_sec = PEERS_WAIT_MS / 1000 };
	int fd = udp_bound(at, 0, out);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return fd;
}

/* UDP ASSOCIATE, with the ten bytes of `request` or DST 0.0.0.0:0. */
static void
ask(int control, const struct endpoint *dst)
{
	uint8_t out[10] = { 5, 3, 0, 1 };

	if (dst != NULL) {
		memcpy(out + 4, dst->addr.b + 12, 4);
		out[8] = (uint8_t)(dst->port >> 8);
		out[9] = (uint8_t)dst->port;
	}
	rig_send(control, out, sizeof(out));
}

static struct udp
associate_from(struct rig *r, const char *from)
{
	struct udp u = { .control = rig_connect(r, from) };

	rig_login(u.control, "alice");
	ask(u.control, NULL);
	u.relay = rig_expect_success(u.control);
	u.fd = udp_socket(from != NULL ? from : "127.0.0.1:0", NULL);
	return u;
}

static struct udp
associate(struct rig *r)
{
	return associate_from(r, NULL);
}

static void
udp_close(const struct udp *u)
{
	close(u->control);
	close(u->fd);
}

static void
send_raw(int fd, const struct endpoint *to, const void *p, size_t len)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = endpoint_to_sockaddr(to, &sa);

	assert_int_equal(sendto(fd, p, len, 0, (struct sockaddr *)&sa, sa_len),
	    len);
}

static void
send_to(const struct udp *u, const struct endpoint *to, const char *text)
{
	char out[2048];
	size_t head = socks5_udp_header((uint8_t *)out, to);

	memcpy(out + head, text, strlen(text));
	send_raw(u->fd, &u->relay, out, head + strlen(text));
}

static void
send_to_name(const struct udp *u, const char *name, uint16_t port,
    const char *text)
{
	char out[2048];
	int n = snprintf(out, sizeof(out), "%c%c%c%c%c%s%c%c%s", 0, 0, 0, 3,
	    (int)strlen(name), name, port >> 8, port & 255, text);

	/* snprintf writes NULs from %c as any other byte */
	send_raw(u->fd, &u->relay, out, (size_t)n);
}

/* What comes must be this; from where. */
static struct endpoint
expect(int fd, const char *text)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct endpoint from;
	char got[2048];
	ssize_t n = recvfrom(fd, got, sizeof(got), 0, (struct sockaddr *)&sa,
	    &len);

	if (n < 0)
		fail_msg("no datagram: %s", strerror(errno));
	assert_int_equal(n, strlen(text));
	assert_memory_equal(got, text, (size_t)n);
	assert_true(endpoint_from_sockaddr(&from, (struct sockaddr *)&sa));
	return from;
}

static void
expect_wrapped(const struct udp *u, const struct endpoint *from,
    const char *text)
{
	char got[2048], want[64];
	size_t head = socks5_udp_header((uint8_t *)want, from);
	ssize_t n = recv(u->fd, got, sizeof(got), 0);

	assert_int_equal(n, head + strlen(text));
	assert_memory_equal(got, want, head);
	assert_memory_equal(got + head, text, strlen(text));
}

static void
expect_silence(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

/* There and back once. */
static void
exchange(const struct udp *u, int target, const struct endpoint *at)
{
	struct endpoint world;

	send_to(u, at, "ping");
	world = expect(target, "ping");
	send_raw(target, &world, "pong!", 5);
	expect_wrapped(u, at, "pong!");
}

/* ---- the whole way ---- */

/* Cases 57, 61, 69, 72; the record of it. */
static void
test_session(void **state)
{
	struct rig *r = *state;
	struct endpoint at, at6;
	int target = udp_socket("127.0.0.1:0", &at);
	int target6 = udp_socket("[::1]:0", &at6);
	const struct record_session *s;
	struct udp u;
	struct peers_asked asked;

	rig_start(r, NULL);
	u = associate(r);
	assert_true(addr_eq(&u.relay.addr, &r->listen.addr));
	assert_int_not_equal(u.relay.port, 0);
	rig_wait_metric(r, ASSOCIATIONS, 1);
	s = peers_next_session(r->peers, RECORD_OPEN, NULL);
	assert_int_equal(s->command, COMMAND_UDP);
	assert_int_equal(s->protocol, PROTOCOL_UDP);
	assert_int_equal(s->carrier, CARRIER_SOCKS5);
	assert_int_equal(s->dest_port, 0);
	assert_false(s->has_dest_ip);
	exchange(&u, target, &at);
	asked = peers_asked_decision(r->peers);
	assert_int_equal(asked.command, COMMAND_UDP);
	assert_int_equal(asked.protocol, PROTOCOL_UDP);
	assert_int_equal(asked.port, at.port);
	assert_string_equal(asked.user, "alice");
	exchange(&u, target6, &at6);
	close(u.control);
	s = peers_next_session(r->peers, RECORD_CLOSE, "control_closed");
	assert_int_equal(s->command, COMMAND_UDP);
	assert_int_equal(s->dest_port, at.port);
	assert_true(s->has_dest_ip);
	assert_true(addr_eq(&s->dest_ip, &at.addr));
	assert_int_equal(s->destinations, 2);
	assert_int_equal(s->decision, DECISION_ALLOW);
	assert_true(str_eq(s->rule, STR("rule-1")));
	assert_int_equal(s->counters.packets_up, 2);
	assert_int_equal(s->counters.packets_down, 2);
	assert_int_equal(s->counters.bytes_up, 8);
	assert_int_equal(s->counters.bytes_down, 10);
	assert_int_equal(s->reply_code, 0);
	rig_wait_metric(r, DATAGRAMS("sent", "relayed"), 2);
	rig_wait_metric(r, DATAGRAMS("received", "relayed"), 2);
	rig_wait_metric(r, "proxy_relayed_bytes_total{direction=\"sent\"}", 8);
	rig_wait_metric(r, ASSOCIATIONS, 0);
	rig_wait_idle(r);
	close(u.fd);
	close(target);
	close(target6);
}

/* Case 66: the resolver and the rules of CONNECT. */
static void
test_names(void **state)
{
	struct rig *r = *state;
	struct endpoint at;
	int target = udp_socket("127.0.0.1:0", &at);
	const struct record_session *s;
	struct udp u;

	rig_start(r, NULL);
	u = associate(r);
	send_to_name(&u, "FOUR.test.", at.port, "ping");
	send_raw(target, (struct endpoint[]){ expect(target, "ping") },
	    "pong", 4);
	expect_wrapped(&u, &at, "pong");
	assert_string_equal(peers_asked_decision(r->peers).name, "four.test");
	send_to_name(&u, "nowhere.invalid", at.port, "x");
	rig_wait_metric(r, DATAGRAMS("sent", "unresolved"), 1);
	send_to_name(&u, "2130706433", at.port, "x");
	rig_wait_metric(r, DATAGRAMS("sent", "header"), 1);
	udp_close(&u);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	s = peers_next_session(r->peers, RECORD_CLOSE, "control_closed");
	assert_true(str_eq(s->dest_host, STR("four.test")));
	assert_int_equal(s->destinations, 1);
	close(target);
}

/* A client over IPv6 is told an address of IPv6. */
static void
test_v6_control(void **state)
{
	struct rig *r = *state;
	struct endpoint at;
	int target = udp_socket("127.0.0.1:0", &at);
	struct udp u;

	rig_start(r, NULL);
	u.control = rig_connect_to(&r->listen6, NULL);
	rig_login(u.control, "alice");
	ask(u.control, NULL);
	u.relay = rig_expect_success(u.control);
	assert_true(addr_eq(&u.relay.addr, &r->listen6.addr));
	u.fd = udp_socket("[::1]:0", NULL);
	exchange(&u, target, &at);
	udp_close(&u);
	close(target);
}

/* Case 61: an address and ports for clients behind NAT; never masked. */
static void
test_advertised(void **state)
{
	struct rig *r = *state;
	struct udp u;

	rig_configure(r, "workers = 1\ntimeouts.drain = \"0s\"\n"
	    "mask_bound_address = true\n"
	    "udp.advertise = [\"10.0.0.0/8=192.0.2.9\", \"192.0.2.1\"]\n");
	rig_start(r, NULL);
	u = associate(r);
	assert_memory_equal(u.relay.addr.b + 12, "\xc0\0\2\1", 4);
	assert_int_not_equal(u.relay.port, 0);
	udp_close(&u);
}

/* No port left: 01, a record, a warning; and again when one is free. */
static void
test_ports(void **state)
{
	struct rig *r = *state;
	struct endpoint only;
	char lines[256];
	struct udp u;
	int fd = udp_socket("127.0.0.1:0", &only);

	snprintf(lines, sizeof(lines), "workers = 1\ntimeouts.drain = \"0s\"\n"
	    "udp.ports = \"%u-%u\"\n", only.port, only.port);
	rig_configure(r, lines);
	rig_start(r, NULL);
	u.control = rig_connect(r, NULL);
	rig_login(u.control, "alice");
	ask(u.control, NULL);
	rig_expect_refusal(u.control, 1);
	close(u.control);
	peers_next_session(r->peers, RECORD_REJECT, "udp_bind_failed");
	rig_wait_log(r, "udp_ports_exhausted");
	close(fd);
	u = associate(r);
	assert_int_equal(u.relay.port, only.port);
	udp_close(&u);
}

/* Case 23. */
static void
test_switched_off(void **state)
{
	struct rig *r = *state;
	int fd;

	rig_configure(r, "workers = 1\ntimeouts.drain = \"0s\"\n"
	    "commands = [\"connect\"]\n");
	rig_start(r, NULL);
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	ask(fd, NULL);
	rig_expect_refusal(fd, 7);
	close(fd);
	peers_next_session(r->peers, RECORD_REJECT, "command_disabled");
}

/* ---- who may use it ---- */

/* U-1, B11: 10,000 datagrams from another address or port, none relayed. */
static void
test_strangers(void **state)
{
	struct rig *r = *state;
	struct endpoint at;
	int target = udp_socket("127.0.0.1:0", &at);
	struct udp u, evil;

	rig_start(r, NULL);
	u = associate(r);
	evil = u;
	evil.fd = udp_socket("127.0.0.2:0", NULL);
	send_to(&evil, &at, "first");
	exchange(&u, target, &at);
	for (int i = 1; i < 10000; i++) {
		send_to(&evil, &at, "evil");
		if (i == 5000) {
			close(evil.fd);
			evil.fd = udp_socket("127.0.0.1:0", NULL);
		}
		if (i % 200 == 0)	/* none is lost on the way */
			rig_wait_metric(r, DATAGRAMS("sent", "source"), i + 1);
	}
	rig_wait_metric(r, DATAGRAMS("sent", "source"), 10000);
	expect_silence(target);
	rig_wait_metric(r, DATAGRAMS("sent", "relayed"), 1);
	exchange(&u, target, &at);
	close(evil.fd);
	udp_close(&u);
	close(target);
}

/* Cases 58 and 59: only its own address is believed. */
static void
test_hints(void **state)
{
	struct rig *r = *state;
	struct endpoint at, mine, other;
	int target = udp_socket("127.0.0.1:0", &at);
	int far = udp_socket("127.0.0.2:0", &other);
	struct udp u;

	rig_start(r, NULL);
	for (int behind_nat = 0; behind_nat < 2; behind_nat++) {
		u.control = rig_connect(r, NULL);
		u.fd = udp_socket("127.0.0.1:0", &mine);
		rig_login(u.control, "alice");
		ask(u.control, behind_nat ? &other : &mine);
		u.relay = rig_expect_success(u.control);
		send_to(&(struct udp){ .fd = far, .relay = u.relay }, &at,
		    "evil");
		rig_wait_metric(r, DATAGRAMS("sent", "source"),
		    behind_nat + 1);
		exchange(&u, target, &at);
		udp_close(&u);
	}
	close(far);
	close(target);
}

/* ---- policy ---- */

/* Case 68, B7: each new destination is judged; who is refused is dropped, and
 * a warm lease serves every association. */
static void
test_policy(void **state)
{
	static const struct peers_decision block = { .action = 2,
		.reason = "no" };
	static const struct peers_decision allow = { 0 };
	static const struct peers_decision closed = { .closed = true };
	struct rig *r = *state;
	struct endpoint at, refused, fenced;
	int target = udp_socket("127.0.0.1:0", &at);
	int no = udp_socket("127.0.0.1:0", &refused);
	int own = udp_socket("127.0.0.1:0", &fenced);
	const struct record_session *s;
	struct udp u, v;

	rig_start(r, NULL);
	u = associate(r);
	v = associate(r);
	peers_script_decision(r->peers, &block);
	send_to(&u, &refused, "no");
	send_to(&u, &refused, "no");
	rig_wait_metric(r, DATAGRAMS("sent", "refused"), 2);
	assert_int_equal(peers_decisions(r->peers), 1);
	/* The last fence: our own address, without allow_internal. */
	peers_script_decision(r->peers, &closed);
	send_to(&u, &fenced, "no");
	rig_wait_metric(r, DATAGRAMS("sent", "refused"), 3);
	peers_script_decision(r->peers, &allow);
	exchange(&u, target, &at);
	exchange(&v, target, &at);
	assert_int_equal(peers_decisions(r->peers), 3);
	expect_silence(no);
	expect_silence(own);
	udp_close(&u);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	s = peers_next_session(r->peers, RECORD_CLOSE, "control_closed");
	assert_int_equal(s->dest_port, at.port);
	assert_int_equal(s->destinations, 1);
	udp_close(&v);
	close(target);
	close(no);
	close(own);
}

/* An answer that depends on the source serves that source only. */
static void
test_source_bound(void **state)
{
	static const struct peers_decision bound = { .source_bound = true };
	static const char *const from[] = { "127.0.0.1:0", "127.0.0.5:0",
		"127.0.0.1:0", "127.0.0.5:0" };
	struct rig *r = *state;
	struct endpoint at;
	int target = udp_socket("127.0.0.1:0", &at);

	rig_start(r, NULL);
	peers_script_decision(r->peers, &bound);
	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		struct udp u = associate_from(r, from[i]);
		struct endpoint source;

		exchange(&u, target, &at);
		assert_true(endpoint_parse(&source, str_from(from[i])));
		if (i < 2) {
			struct peers_asked q = peers_asked_decision(r->peers);

			assert_true(addr_eq(&q.source, &source.addr));
		}
		assert_int_equal(peers_decisions(r->peers), i < 1 ? 1 : 2);
		udp_close(&u);
	}
	close(target);
}

/* D-6: a new policy counts at once for who runs. D-5: acld away, and nothing
 * goes out once the leases have run out. */
static void
test_policy_goes_on(void **state)
{
	static const struct peers_decision block = { .action = 2 };
	static const struct peers_decision allow = { 0 };
	struct rig *r = *state;
	struct endpoint at;
	int target = udp_socket("127.0.0.1:0", &at);
	uint64_t next = peers_generation(r->peers) + 1;
	struct udp u;

	rig_start(r, NULL);
	u = associate(r);
	exchange(&u, target, &at);
	peers_script_decision(r->peers, &block);
	peers_set_policy(r->peers, next);
	rig_wait_metric(r, "proxy_policy_generation", (int64_t)next);
	send_to(&u, &at, "late");
	rig_wait_metric(r, DATAGRAMS("sent", "refused"), 1);
	expect_silence(target);
	peers_script_decision(r->peers, &allow);
	peers_set_policy(r->peers, ++next);
	rig_wait_metric(r, "proxy_policy_generation", (int64_t)next);
	exchange(&u, target, &at);
	peers_set_heartbeats(r->peers, false);
	peers_stop_acld(r->peers);
	do {
		send_to(&u, &at, "?");
		poll(NULL, 0, 20);
	} while (rig_metric(r, DATAGRAMS("sent", "refused")) == 1);
	while (recv(target, (char[8]){ 0 }, 8, MSG_DONTWAIT) >= 0)
		;
	send_to(&u, &at, "?");
	rig_wait_metric_from(r, DATAGRAMS("sent", "refused"), 3);
	expect_silence(target);
	udp_close(&u);
	close(target);
}

/* U-3: a scan finds an end. */
static void
test_scan(void **state)
{
	struct rig *r = *state;
	struct endpoint at = { addr_from_v4((uint8_t[]){ 127, 9, 0, 1 }), 9 };
	struct udp u;

	rig_configure(r, "workers = 1\ntimeouts.drain = \"0s\"\n"
	    "udp.max_destinations = 16\n");
	rig_start(r, NULL);
	u = associate(r);
	for (unsigned i = 0; i < 2000; i++) {
		at.port = (uint16_t)(1 + i);
		send_to(&u, &at, "scan");
		if (i % 50 == 49)
			rig_wait_metric_from(r,
			    DATAGRAMS("sent", "destinations"), i - 15);
	}
	peers_wait_decisions(r->peers, 16);
	assert_int_equal(peers_decisions(r->peers), 16);
	rig_wait_metric(r, DATAGRAMS("sent", "destinations"), 2000 - 16);
	udp_close(&u);
}

/* ---- the end ---- */

static void
check_ended(struct rig *r, const struct udp *u, const char *reason)
{
	peers_next_session(r->peers, RECORD_CLOSE, reason);
	rig_wait_metric(r, ASSOCIATIONS, 0);
	close(u->fd);
}

/* Case 72: FIN and RST alike. */
static void
test_control_ends(void **state)
{
	struct rig *r = *state;
	struct udp u;

	rig_start(r, NULL);
	u = associate(r);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	assert_int_equal(shutdown(u.control, SHUT_WR), 0);
	assert_int_equal(rig_expect_end(u.control), RIG_FIN);
	check_ended(r, &u, "control_closed");
	close(u.control);
	u = associate(r);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	rig_reset(u.control);
	check_ended(r, &u, "control_closed");
}

/* Case 73: with what came before the reply, too. */
static void
test_control_flood(void **state)
{
	static char noise[65536];
	struct rig *r = *state;
	const struct record_session *s;
	struct endpoint at;
	int target = udp_socket("127.0.0.1:0", &at);
	struct udp u = { 0 };

	rig_start(r, NULL);
	u.control = rig_connect(r, NULL);
	rig_login(u.control, "alice");
	rig_send_lit(u.control, "\5\3\0\1\0\0\0\0\0\0early");
	u.relay = rig_expect_success(u.control);
	u.fd = udp_socket("127.0.0.1:0", NULL);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	rig_send(u.control, noise, sizeof(noise) - 5);
	exchange(&u, target, &at);
	rig_send(u.control, noise, 1);
	s = peers_next_session(r->peers, RECORD_CLOSE, "invalid_request");
	assert_true(str_eq(s->close_detail,
	    STR("more than 64 KiB on the control connection")));
	close(u.control);
	close(u.fd);
	close(target);
}

/* No more than that; one may be a question to the admin address. */
static void
wait_descriptors(const struct rig *r, size_t most)
{
	uint64_t end = clock_mono_ms() + PEERS_WAIT_MS;

	while (rig_descriptors(r) > most) {
		if (clock_mono_ms() > end)
			fail_msg("descriptors are left");
		poll(NULL, 0, 10);
	}
}

/* B12, case 74: abandoned associations end, with all they had. */
static void
test_abandoned(void **state)
{
	enum { N = 200 };
	struct rig *r = *state;
	struct endpoint at;
	int target = udp_socket("127.0.0.1:0", &at);
	struct udp u[N];
	size_t before;

	rig_configure(r, "workers = 2\ntimeouts.drain = \"0s\"\n");
	rig_start(r, NULL);
	before = rig_descriptors(r);
	for (size_t i = 0; i < N; i++) {
		u[i] = associate(r);
		exchange(&u[i], target, &at);
	}
	rig_reload(r, "workers = 2\ntimeouts.drain = \"0s\"\n"
	    "timeouts.udp_idle = \"1s\"\n");
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(rig_expect_end(u[i].control), RIG_FIN);
		udp_close(&u[i]);
	}
	rig_wait_metric(r, ASSOCIATIONS, 0);
	rig_wait_idle(r);
	wait_descriptors(r, before);
	for (size_t closed = 0; closed < N;) {
		const struct record *rec = &peers_next_record(r->peers)->record;

		if (rec->type != RECORD_CLOSE)
			continue;
		assert_true(str_eq(rec->session.close_reason,
		    STR("udp_idle")));
		assert_int_equal(rec->session.counters.packets_down, 1);
		closed++;
	}
	close(target);
}

/* Checkpoints say how far it is; SIGTERM ends it. */
static void
test_checkpoint_and_stop(void **state)
{
	struct rig *r = *state;
	struct endpoint at;
	int target = udp_socket("127.0.0.1:0", &at);
	const struct record *rec;
	struct udp u;

	rig_configure(r, "workers = 1\ntimeouts.drain = \"0s\"\n"
	    "checkpoint = \"1s\"\n");
	rig_start(r, NULL);
	u = associate(r);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	exchange(&u, target, &at);
	do {	/* it may have come between the two: then there is another */
		rec = &peers_next_record(r->peers)->record;
		assert_int_equal(rec->type, RECORD_UPDATE);
		assert_int_equal(rec->update.counters.packets_up, 1);
		assert_int_equal(rec->update.destinations, 1);
	} while (rec->update.counters.packets_down == 0);
	rig_signal(r, SIGTERM);
	assert_int_equal(rig_wait_exit(r), 0);
	peers_next_session(r->peers, RECORD_CLOSE, "drained");
	udp_close(&u);
	close(target);
}

int
main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
	static const struct CMUnitTest tests[] = {
		T(test_session), T(test_names), T(test_v6_control),
		T(test_advertised), T(test_ports), T(test_switched_off),
		T(test_strangers), T(test_hints), T(test_policy),
		T(test_source_bound), T(test_policy_goes_on), T(test_scan), T(test_control_ends),
		T(test_control_flood), T(test_abandoned),
		T(test_checkpoint_and_stop),
	};

	if (argc != 2)
		return 2;
	rig_binary = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
