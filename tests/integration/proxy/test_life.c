/* SPDX-License-Identifier: MIT */
/*
 * The process: start, reload, drain, end; its records and its metrics.
 *
 * usage: test_life SALLYPORT-PROXY
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
#include "msg/topic.h"
#include "net/sock.h"
#include "proto/decide.pb-c.h"

/* ---- start ---- */

/* One clear line, exit 1, and the one that runs is not disturbed. */
static void
test_port_in_use(void **state)
{
	struct rig *r = *state;
	char words[4096], at[ENDPOINT_TEXT_SIZE];
	int fd, target;

	rig_start(r, NULL);
	assert_int_equal(rig_run_other(r, &r->listen, words, sizeof(words)),
	    1);
	endpoint_format(at, &r->listen);
	assert_non_null(strstr(words, "proxy.listen"));
	assert_non_null(strstr(words, at));
	assert_non_null(strstr(words, "Address already in use"));
	assert_ptr_equal(strchr(words, '\n'), words + strlen(words) - 1);
	fd = rig_session(r, "alice", &target);
	close(fd);
	close(target);
}

/* Not ready before everybody of the suite is there, in any order. */
static void
test_any_start_order(void **state)
{
	struct rig *r = *state;
	int fd, target;

	rig_spawn(r, NULL);
	assert_false(rig_is_ready(r));
	peers_start_sessiond(r->peers);
	r->recorded = true;
	rig_wait_metric(r, "bus_connected{socket=\"events\"}", 1);
	peers_start_policy(r->peers);
	peers_start_acld(r->peers);
	rig_wait_metric(r, "bus_connected{socket=\"decide\"}", 1);
	assert_false(rig_is_ready(r));
	peers_start_authd(r->peers);
	rig_wait_metric(r, "bus_connected{socket=\"auth\"}", 1);
	while (!rig_is_ready(r))
		poll(NULL, 0, 10);
	fd = rig_session(r, "alice", &target);
	close(fd);
	close(target);
}

/* ---- drain ---- */

static bool
is_refused(struct rig *r)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&r->listen, &sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool refused = connect(fd, (struct sockaddr *)&sa, len) != 0 &&
	    errno == ECONNREFUSED;

	close(fd);
	return refused;
}

/* What runs goes on, a handshake too; nothing new; the end when the last has
 * ended. */
static void
test_drain(void **state)
{
	struct rig *r = *state;
	int fd, target, late, late_target;

	rig_configure(r, "workers = 1\ntimeouts.drain = \"30s\"\n");
	rig_start(r, NULL);
	fd = rig_session(r, "alice", &target);
	late = rig_connect(r, NULL);
	rig_send_lit(late, "\5\1\2");
	rig_expect_lit(late, "\5\2");
	rig_signal(r, SIGTERM);
	while (!is_refused(r))
		poll(NULL, 0, 10);
	assert_false(rig_is_ready(r));
	assert_int_equal(rig_metric(r, "proxy_draining"), 1);
	rig_send_lit(fd, "going on");
	rig_expect_lit(target, "going on");
	rig_send_lit(late, "\1\5alice\5right");
	rig_expect_lit(late, "\1\0");
	rig_request(late, &r->target_at);
	(void)rig_expect_success(late);
	late_target = rig_accept(r->target);
	rig_send_lit(late_target, "as well");
	rig_expect_lit(late, "as well");
	assert_int_equal(kill(r->pid, 0), 0);
	close(fd);
	assert_int_equal(rig_expect_end(target), RIG_FIN);
	close(target);
	close(late);
	assert_int_equal(rig_expect_end(late_target), RIG_FIN);
	close(late_target);
	assert_int_equal(rig_wait_exit(r), 0);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
	peers_next_session(r->peers, RECORD_CLOSE, "client_closed");
	assert_int_equal(peers_next_record(r->peers)->record.type,
	    RECORD_END);
}

static void
test_drain_runs_out(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;
	int fd, target, idle;
	uint64_t began;

	rig_configure(r, "workers = 1\ntimeouts.drain = \"400ms\"\n");
	rig_start(r, NULL);
	fd = rig_session(r, "alice", &target);
	rig_send_lit(fd, "bytes");
	rig_expect_lit(target, "bytes");
	idle = rig_connect(r, NULL);
	rig_send_lit(idle, "\5\1\2");
	rig_expect_lit(idle, "\5\2");
	began = clock_mono_ms();
	rig_signal(r, SIGTERM);
	assert_int_equal(rig_wait_exit(r), 0);
	assert_true(clock_mono_ms() - began >= 350);
	assert_int_equal(rig_expect_end(target), RIG_RESET);
	assert_int_equal(rig_expect_end(fd), RIG_RESET);
	close(fd);
	close(target);
	close(idle);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	s = peers_next_session(r->peers, RECORD_CLOSE, "drained");
	assert_int_equal(s->status, STATUS_FAILED);
	assert_int_equal(s->counters.bytes_up, 5);
	peers_next_session(r->peers, RECORD_REJECT, "shutdown");
	assert_int_equal(peers_next_record(r->peers)->record.type,
	    RECORD_END);
}

/* A second signal does not wait. */
static void
test_second_signal(void **state)
{
	struct rig *r = *state;
	int fd, target;

	rig_configure(r, "workers = 1\ntimeouts.drain = \"1h\"\n");
	rig_start(r, NULL);
	fd = rig_session(r, "alice", &target);
	rig_signal(r, SIGTERM);
	rig_wait_metric(r, "proxy_draining", 1);
	rig_signal(r, SIGTERM);
	assert_int_equal(rig_wait_exit(r), 0);
	close(fd);
	close(target);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, "shutdown");
}

/* ---- where outgoing connections leave from ---- */

static void
expect_source(struct rig *r, const char *text)
{
	struct endpoint from;
	struct addr wanted;
	int target, fd = rig_session(r, "alice", &target);

	assert_true(addr_parse(&wanted, str_from(text)));
	assert_true(sock_peer(target, &from));
	assert_true(addr_eq(&from.addr, &wanted));
	close(fd);
	close(target);
}

/* The target sees it; the other family, and who lost it by a reload, leave as
 * the kernel chooses. */
static void
test_source_address(void **state)
{
	struct rig *r = *state;
	int fd, target;

	rig_configure(r, "workers = 1\ntimeouts.drain = \"0s\"\n"
	    "source_address = \"127.0.0.5\"\negress_interface = \"lo\"\n");
	rig_start(r, NULL);
	expect_source(r, "127.0.0.5");
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	rig_request(fd, &r->target6_at);
	(void)rig_expect_success(fd);
	target = rig_accept(r->target6);
	close(fd);
	close(target);
	rig_configure(r, "workers = 1\ntimeouts.drain = \"0s\"\n"
	    "source_address = \"192.0.2.1\"\negress_interface = \"lo\"\n");
	rig_signal(r, SIGHUP);
	rig_wait_log(r, "192.0.2.1 is not an address of this machine");
	expect_source(r, "127.0.0.5");
	rig_configure(r, "workers = 1\ntimeouts.drain = \"0s\"\n"
	    "egress_interface = \"lo\"\n");
	rig_signal(r, SIGHUP);
	rig_wait_log(r, "event=config_reloaded");
	expect_source(r, "127.0.0.1");
}

static void
expect_no_start(struct rig *r, const char *lines, const char *words)
{
	struct endpoint other = r->listen6;
	char said[4096];

	rig_configure(r, lines);
	assert_int_equal(rig_run_other(r, &other, said, sizeof(said)), 78);
	if (strstr(said, words) == NULL)
		fail_msg("%s", said);
}

static void
test_source_that_is_not_there(void **state)
{
	struct rig *r = *state;

	expect_no_start(r, "source_address = \"2001:db8::7\"\n",
	    "proxy.source_address: 2001:db8::7 is not an address of this "
	    "machine; see: ip address");
	expect_no_start(r, "egress_interface = \"nowhere0\"\n",
	    "proxy.egress_interface: this machine has no interface nowhere0");
}

/* ---- reload ---- */

static void
reload(struct rig *r, const char *lines, const char *said)
{
	rig_configure(r, lines);
	rig_signal(r, SIGHUP);
	rig_wait_log(r, said);
}

static void
test_reload(void **state)
{
	struct rig *r = *state;
	int fd, target;

	rig_configure(r, "workers = 1\ntimeouts.drain = \"0s\"\n"
	    "timeouts.handshake = \"60s\"\ntimeouts.idle = \"1h\"\n");
	rig_start(r, NULL);
	fd = rig_session(r, "alice", &target);
	reload(r, "workers = 1\ntimeouts.drain = \"0s\"\n"
	    "timeouts.handshake = \"100ms\"\ntimeouts.idle = \"1s\"\n",
	    "event=config_reloaded");
	/* holds for the session that runs */
	assert_int_equal(rig_expect_end(fd), RIG_RESET);
	assert_int_equal(rig_expect_end(target), RIG_RESET);
	close(fd);
	close(target);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, "idle_timeout");
	/* and for new ones */
	fd = rig_connect(r, NULL);
	(void)rig_expect_end(fd);
	close(fd);
	peers_next_session(r->peers, RECORD_REJECT, "handshake_timeout");
}

/* A broken file, or a key that needs a restart, changes nothing. */
static void
test_bad_reload(void **state)
{
	struct rig *r = *state;
	int fd, target;

	rig_start(r, NULL);
	reload(r, "workers = 1\ntimeouts.handshake = \"soon\"\n",
	    "timeouts.handshake");
	reload(r, "workers = 2\ntimeouts.handshake = \"100ms\"\n",
	    "proxy.workers");
	fd = rig_connect(r, NULL);
	poll(NULL, 0, 300);	/* longer than what was refused */
	rig_expect_silence(fd);
	rig_login(fd, "alice");
	rig_request(fd, &r->target_at);
	(void)rig_expect_success(fd);
	target = rig_accept(r->target);
	close(fd);
	close(target);
	rig_configure(r, "workers = 1\ntimeouts.drain = \"0s\"\n");
}

/* ---- records ---- */

static void
test_checkpoint(void **state)
{
	struct rig *r = *state;
	const struct record *rec;
	struct id id;
	int fd, target;

	rig_start(r, (const char *[]){ "proxy.checkpoint=1s", NULL });
	fd = rig_session(r, "alice", &target);
	id = peers_next_session(r->peers, RECORD_OPEN, NULL)->id;
	rig_send_lit(fd, "seven b");
	rig_expect_lit(target, "seven b");
	rig_send_lit(target, "12 bytes now");
	rig_expect_lit(fd, "12 bytes now");
	/* It may have come between the two: then there is another. */
	do {
		rec = &peers_next_record(r->peers)->record;
		assert_int_equal(rec->type, RECORD_UPDATE);
		assert_true(id_eq(&rec->update.id, &id));
		assert_true(rec->update.duration_us > 0);
	} while (rec->update.counters.bytes_down != 12);
	assert_int_equal(rec->update.counters.bytes_up, 7);
	assert_int_equal(rig_metric(r,
	    "proxy_relayed_bytes_total{direction=\"sent\"}"), 7);
	rig_send_lit(fd, "!");
	rig_expect_lit(target, "!");
	close(fd);
	(void)rig_expect_end(target);
	close(target);
	do {	/* perhaps one more UPDATE, and none that says nothing new */
		rec = &peers_next_record(r->peers)->record;
		if (rec->type == RECORD_UPDATE)
			assert_int_equal(rec->update.counters.bytes_up, 8);
	} while (rec->type == RECORD_UPDATE);
	assert_int_equal(rec->type, RECORD_CLOSE);
	assert_true(id_eq(&rec->session.id, &id));
	assert_int_equal(rec->session.counters.bytes_up, 8);
	assert_int_equal(rec->session.counters.bytes_down, 12);
	/* counted once, though reported in parts */
	assert_int_equal(rig_metric(r,
	    "proxy_relayed_bytes_total{direction=\"sent\"}"), 8);
	assert_int_equal(rig_metric(r,
	    "proxy_relayed_bytes_total{direction=\"received\"}"), 12);
}

/* Several workers, one stream each; per session OPEN comes before CLOSE in
 * the same stream. The rig looks for holes and ends. */
#define CLIENTS 200

struct opened {
	struct id id, stream;
};

static void
test_streams_of_several_workers(void **state)
{
	struct rig *r = *state;
	struct opened opened[CLIENTS];
	unsigned n_opened = 0, n_closed = 0, n_ended = 0;

	rig_configure(r, "workers = 3\ntimeouts.drain = \"0s\"\n");
	rig_start(r, NULL);
	for (unsigned i = 0; i < CLIENTS; i++) {
		int target, fd = rig_session(r, "alice", &target);

		close(fd);
		(void)rig_expect_end(target);
		close(target);
	}
	rig_wait_idle(r);
	rig_signal(r, SIGTERM);
	assert_int_equal(rig_wait_exit(r), 0);
	while (n_ended < 3) {
		const struct peers_record *p = peers_next_record(r->peers);
		const struct id *id = &p->record.session.id;
		unsigned i = 0;

		if (p->record.type == RECORD_END) {
			n_ended++;
			continue;
		}
		while (i < n_opened && !id_eq(&opened[i].id, id))
			i++;
		if (p->record.type == RECORD_OPEN) {
			assert_int_equal(i, n_opened);
			opened[n_opened++] = (struct opened){ *id, p->stream };
		} else {
			assert_int_equal(p->record.type, RECORD_CLOSE);
			assert_true(i < n_opened);
			assert_true(id_eq(&opened[i].stream, &p->stream));
			n_closed++;
		}
	}
	assert_int_equal(n_opened, CLIENTS);
	assert_int_equal(n_closed, CLIENTS);
	assert_int_equal(peers_sums(r->peers).holes, 0);
}

/* ---- metrics ---- */

/* Of two sessions, one dial that was fenced, five refusals. */
#define RECORDS (2 * 3 + 5)

static void
test_metrics_are_what_happened(void **state)
{
	static const struct {
		const char *name;
		int64_t value;
	} sums[] = {
		{ "proxy_connections_total{result=\"accepted\"}", 9 },
		{ "proxy_sessions_total", 2 },
		{ "proxy_setup_duration_seconds_count", 2 },
		{ "proxy_sessions_closed_total{reason=\"client_closed\"}", 1 },
		{ "proxy_sessions_closed_total{reason=\"target_closed\"}", 1 },
		{ "proxy_sessions_closed_total{reason=\"auth_failed\"}", 1 },
		{ "proxy_sessions_closed_total{reason=\"policy_block\"}", 1 },
		{ "proxy_sessions_closed_total{reason=\"hard_deny\"}", 1 },
		{ "proxy_sessions_closed_total{reason=\"dns_not_found\"}", 1 },
		{ "proxy_sessions_closed_total{reason=\"invalid_request\"}",
		    1 },
		{ "proxy_sessions_closed_total{reason=\"command_unknown\"}",
		    1 },
		{ "proxy_sessions_closed_total{reason=\"client_gone\"}", 0 },
		{ "proxy_auth_attempts_total{method=\"userpass\","
		    "result=\"success\"}", 6 },
		{ "proxy_auth_attempts_total{method=\"userpass\","
		    "result=\"failure\"}", 1 },
		{ "proxy_protocol_oddities_total{what=\"version\"}", 1 },
		{ "proxy_protocol_oddities_total{what=\"request\"}", 1 },
		{ "proxy_relayed_bytes_total{direction=\"sent\"}", 3 },
		{ "proxy_relayed_bytes_total{direction=\"received\"}", 4 },
		{ "proxy_dns_lookups_total{result=\"not_found\"}", 1 },
		{ "proxy_records_total", RECORDS },
		{ "proxy_draining", 0 },
		{ "bus_connected{socket=\"auth\"}", 1 },
		{ "bus_connected{socket=\"events\"}", 1 },
	};
	struct rig *r = *state;
	int fd, target;

	rig_start(r, (const char *[]){ "proxy.lease.decision=0", NULL });
	fd = rig_session(r, "alice", &target);
	rig_send_lit(fd, "abc");
	rig_expect_lit(target, "abc");
	close(fd);
	(void)rig_expect_end(target);
	close(target);
	fd = rig_session(r, "alice", &target);
	rig_send_lit(target, "defg");
	rig_expect_lit(fd, "defg");
	close(target);
	(void)rig_expect_end(fd);
	close(fd);
	fd = rig_connect(r, NULL);		/* auth_failed */
	rig_send_login(fd, "alice", "wrong");
	rig_expect_lit(fd, "\5\2\1\1");
	close(fd);
	fd = rig_connect(r, NULL);		/* hard_deny */
	rig_login(fd, "alice");
	rig_request(fd, &r->listen);
	rig_expect_refusal(fd, 2);
	close(fd);
	fd = rig_connect(r, NULL);		/* dns_not_found */
	rig_login(fd, "alice");
	rig_request_name(fd, "a.invalid", 80);
	rig_expect_refusal(fd, 4);
	close(fd);
	fd = rig_connect(r, NULL);		/* command_unknown */
	rig_login(fd, "alice");
	rig_send_lit(fd, "\5\7\0\1\177\0\0\1\0\120");
	rig_expect_refusal(fd, 7);
	close(fd);
	fd = rig_connect(r, NULL);		/* invalid_request */
	rig_send_lit(fd, "\6");
	(void)rig_expect_end(fd);
	close(fd);
	fd = rig_connect(r, NULL);		/* no event at all */
	close(fd);
	peers_script_decision(r->peers, &(struct peers_decision){
		.action = SALLYPORT__PB__DECISION__ACTION__BLOCK });
	fd = rig_connect(r, NULL);		/* policy_block */
	rig_login(fd, "alice");
	rig_request(fd, &r->target_at);
	rig_expect_refusal(fd, 2);
	close(fd);
	rig_wait_metric(r, sums[0].name, sums[0].value);
	rig_wait_idle(r);
	for (size_t i = 0; i < ARRAY_LEN(sums); i++)
		rig_wait_metric(r, sums[i].name, sums[i].value);
	/* so many came, in as many batches as were sent */
	for (unsigned i = 0; i < RECORDS; i++)
		(void)peers_next_record(r->peers);
	rig_wait_metric(r, "proxy_batches_total{result=\"sent\"}",
	    peers_sums(r->peers).batches);
	assert_int_equal(peers_sums(r->peers).records, RECORDS);
}

/* Bad messages on the policy socket are noted and forgotten. */
static void
test_malformed_heartbeats(void **state)
{
	struct rig *r = *state;
	struct topic_options o = { .name = "policy", .listen = true,
		.max_message = 65536, .queue = 16, .group = (unsigned)-1 };
	struct topic_pub *acld = NULL;
	uint64_t end = clock_mono_ms() + PEERS_WAIT_MS;
	char *huge;
	struct err err;

	o.address = peers_address(r->peers, "policy");
	if (topic_pub_open(&acld, &o, &err) != 0)
		fail_msg("%s", err.text);
	rig_spawn(r, NULL);
	/* Until we have it, too: before, what is sent is dropped. */
	while (topic_pub_peers(acld) == 0) {
		assert_true(clock_mono_ms() < end);
		poll(NULL, 0, 5);
	}
	assert_true(topic_pub_send(acld, STR("\xff\xff\xff")));
	assert_true(topic_pub_send(acld, STR("")));
	assert_true(topic_pub_send(acld, STR("\n\3abc\20\1")));
	/* right, but that its generation is 0 */
	assert_true(topic_pub_send(acld,
	    STR("\n\20" "0123456789abcdef")));
	rig_wait_log(r, "heartbeat_malformed");
	assert_int_equal(rig_metric(r, "proxy_policy_generation"), 0);
	/* more than the socket takes: cut off, and back again */
	huge = xcalloc(1, 100000);
	assert_true(topic_pub_send(acld, (struct str){ huge, 100000 }));
	free(huge);
	do {
		(void)topic_pub_send(acld,
		    STR("\n\20" "0123456789abcdef" "\20\7"));
		poll(NULL, 0, 10);
	} while (rig_metric(r, "proxy_policy_generation") != 7);
	topic_pub_close(&acld);
}

#define T(name) \
	cmocka_unit_test_setup_teardown(test_##name, rig_setup, rig_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(port_in_use), T(any_start_order), T(drain),
		T(drain_runs_out), T(second_signal), T(source_address),
		T(source_that_is_not_there), T(reload), T(bad_reload),
		T(checkpoint), T(streams_of_several_workers),
		T(metrics_are_what_happened), T(malformed_heartbeats),
	};

	if (argc != 2)
		return 2;
	rig_binary = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
