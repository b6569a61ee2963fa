/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "helper.h"
#include "sessiond/metrics.h"

#define MAX_BATCHES 16

struct bench {
	struct base base;
	struct faulty faulty;
	struct metrics *metrics;
	struct apply *apply;
	struct apply_batch *batches[MAX_BATCHES];
	size_t n;
};

static int
setup(void **state)
{
	struct bench *t = xcalloc(1, sizeof(*t));

	clock_test_set(1000000, TEST_NOW_US);
	base_open(&t->base);
	faulty_init(&t->faulty, t->base.store);
	t->metrics =
	    metrics_new("sallyport", NULL, sessiond_metrics, SESSIOND_METRICS);
	t->apply = apply_new(&t->faulty.store, metrics_thread(t->metrics));
	*state = t;
	return 0;
}

static void
drop_batches(struct bench *t)
{
	while (t->n > 0)
		batch_free(t->batches[--t->n]);
}

static int
teardown(void **state)
{
	struct bench *t = *state;

	drop_batches(t);
	apply_free(&t->apply);
	metrics_free(&t->metrics);
	base_close(&t->base);
	clock_test_reset();
	free(t);
	return 0;
}

/* Adds a batch to the next group; the bodies are freed. */
static void
add_of(struct bench *t, const struct id *stream, uint64_t first_seq,
    struct body **bodies, unsigned n)
{
	ASSERT(t->n < MAX_BATCHES);
	t->batches[t->n++] = batch_of(stream, "proxy-1", first_seq, bodies, n);
	for (unsigned i = 0; i < n; i++)
		free(bodies[i]);
}

static void
add(struct bench *t, unsigned stream, uint64_t first_seq, struct body **bodies,
    unsigned n)
{
	struct id id = stream_of(stream);

	add_of(t, &id, first_seq, bodies, n);
}

#define ADD(t, stream, first_seq, ...)                                         \
	add(t, stream, first_seq, (struct body *[]){ __VA_ARGS__ },            \
	    ARRAY_LEN(((struct body *[]){ __VA_ARGS__ })))

static enum store_result
run(struct bench *t)
{
	return apply_batches(t->apply, t->batches, t->n);
}

static void
run_ok(struct bench *t)
{
	assert_int_equal(run(t), STORE_OK);
	for (size_t i = 0; i < t->n; i++)
		assert_true(t->batches[i]->done);
	drop_batches(t);
}

static int64_t
count(struct bench *t, const char *table)
{
	char *sql = xasprintf("SELECT count(*) FROM %s", table);
	int64_t n = base_number(&t->base, sql);

	free(sql);
	return n;
}

static int64_t
next_seq(struct bench *t, unsigned stream)
{
	char *sql = xasprintf("SELECT next_seq FROM audit_stream WHERE "
			      "substr(hex(stream_id), 31) = '%02X'",
	    stream);
	int64_t n = base_number(&t->base, sql);

	free(sql);
	return n;
}

static int64_t
fate(struct bench *t, uint8_t type, enum record_fate f)
{
	return metrics_value(
	    t->metrics, M_audit_records_total, metrics_record_label(type, f));
}

static void
test_open_update_close(void **state)
{
	struct bench *t = *state;

	ADD(t, 1, 1, body_open(1, 1), body_open(1, 2));
	run_ok(t);
	assert_int_equal(count(t, "session_active"), 2);
	assert_int_equal(count(t, "session"), 0);
	ADD(t, 1, 3, body_update(1, 1, 500), body_close(1, 2, 700));
	run_ok(t);
	assert_string_equal(
	    base_text(&t->base,
		"SELECT bytes_up || ' ' || "
		"bytes_down || ' ' || last_seq || ' ' || incomplete || ' ' || "
		"username FROM session_active"),
	    "500 1000 3 0 alice");
	assert_string_equal(
	    base_text(&t->base,
		"SELECT bytes_up || ' ' || "
		"bytes_down || ' ' || close_seq || ' ' || close_reason "
		"FROM session"),
	    "700 1400 4 client_closed");
	assert_int_equal(next_seq(t, 1), 5);
}

static void
test_every_column(void **state)
{
	static const struct {
		const char *sql, *want;
	} cases[] = {
		{ "hex(id) = (SELECT hex(id) FROM session)", "1" },
		{ "ended_at - started_at", "1500000" },
		{ "received_at", "1790000000000000" },
		{ "duration_us", "1500000" },
		{ "hex(stream_id)", "AA000000000000000000000000000001" },
		{ "close_seq", "1" },
		{ "proxy", "proxy-1" },
		{ "listener", "main" },
		{ "username", "alice" },
		{ "groups", "[\"staff\",\"it \\\"ops\\\"\"]" },
		{ "json_array_length(groups)", "2" },
		{ "claimed_user", "root" },
		{ "hex(source_ip)", "00000000000000000000FFFF0A000001" },
		{ "source_port", "40000" },
		{ "dest_host", "www.example.com" },
		{ "hex(dest_ip)", "00000000000000000000FFFFC0000207" },
		{ "dest_port", "443" },
		{ "length(resolved_ips)", "32" },
		{ "destinations", "1" },
		{ "command", "1" },
		{ "carrier", "1" },
		{ "protocol", "1" },
		{ "acl_decision", "1" },
		{ "acl_rule_matched", "r-web" },
		{ "policy_generation", "1234567" },
		{ "route", "exit-eu" },
		{ "limits_class", "staff" },
		{ "auth_method", "2" },
		{ "bytes_up", "10" },
		{ "bytes_down", "20" },
		{ "packets_up", "5" },
		{ "packets_down", "6" },
		{ "status", "1" },
		{ "close_reason", "client_closed" },
		{ "close_detail", "all is well" },
		{ "reply_code", "502" },
		{ "setup_us", "3210" },
		{ "attempts", "1" },
		{ "incomplete", "0" },
		{ "counters_lower_bound", "0" },
	};
	struct bench *t = *state;

	ADD(t, 1, 1, body_close(1, 1, 10));
	run_ok(t);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *sql = xasprintf("SELECT %s FROM session", cases[i].sql);

		assert_string_equal(base_text(&t->base, sql), cases[i].want);
		free(sql);
	}
	assert_int_equal(
	    base_number(&t->base, "SELECT started_at FROM session"),
	    started_ms_of(1) * 1000);
}

static void
test_unknown_is_null(void **state)
{
	struct bench *t = *state;

	ADD(t, 1, 1, body_reject(1, 1, ""));
	run_ok(t);
	assert_string_equal(
	    base_text(&t->base,
		"SELECT username IS NULL AND "
		"claimed_user IS NULL AND dest_host IS NULL AND dest_ip IS NULL AND dest_port IS NULL "
		"AND "
		"resolved_ips IS NULL AND groups IS NULL AND reply_code IS "
		"NULL "
		"AND acl_rule_matched IS NULL AND policy_generation IS NULL "
		"AND "
		"setup_us IS NULL AND route IS NULL FROM session"),
	    "1");
}

static void
test_known_records_are_dropped(void **state)
{
	struct bench *t = *state;

	ADD(t, 1, 1, body_open(1, 1), body_close(1, 1, 5), body_open(1, 2));
	run_ok(t);
	/* the same once more, then an overlap with something new */
	ADD(t, 1, 1, body_open(1, 1), body_close(1, 1, 5), body_open(1, 2));
	ADD(t, 1, 2, body_close(1, 1, 5), body_open(1, 2), body_close(1, 2, 6));
	run_ok(t);
	assert_int_equal(count(t, "session"), 2);
	assert_int_equal(count(t, "session_active"), 0);
	assert_int_equal(next_seq(t, 1), 5);
	assert_int_equal(fate(t, RECORD_OPEN, FATE_KNOWN), 3);
	assert_int_equal(fate(t, RECORD_CLOSE, FATE_APPLIED), 2);
	assert_int_equal(
	    metrics_value(t->metrics, M_audit_batches_total, BATCH_KNOWN), 1);
}

static void
test_a_hole_is_counted(void **state)
{
	struct bench *t = *state;

	ADD(t, 1, 4, body_update(1, 1, 100));
	ADD(t, 1, 9, body_close(1, 1, 200));
	run_ok(t);
	assert_int_equal(next_seq(t, 1), 10);
	assert_int_equal(count(t, "audit_gap"), 2);
	assert_string_equal(
	    base_text(&t->base,
		"SELECT group_concat(first_seq "
		"|| '-' || last_seq || ' ' || reason) FROM audit_gap"),
	    "1-3 not_received,5-8 not_received");
	assert_int_equal(
	    metrics_value(t->metrics, M_audit_records_lost_total, 0), 7);
	assert_int_equal(metrics_value(t->metrics, M_audit_gaps_total, 0), 2);
	/* what comes late is known: the position has passed it */
	ADD(t, 1, 5, body_open(1, 3));
	run_ok(t);
	assert_int_equal(count(t, "session_active"), 0);
}

static void
test_lost_open_is_incomplete(void **state)
{
	struct bench *t = *state;

	ADD(t, 1, 2, body_update(1, 1, 100));
	run_ok(t);
	assert_string_equal(
	    base_text(&t->base, "SELECT incomplete || ' ' || "
				"bytes_up || ' ' || (username IS NULL) || "
				"(dest_port IS NULL) || "
				"(source_ip IS NULL) || (source_port IS NULL) "
				"|| ' ' || destinations FROM session_active"),
	    "1 100 1111 2");
	ADD(t, 1, 3, body_close(1, 1, 300));
	run_ok(t);
	assert_string_equal(
	    base_text(
		&t->base, "SELECT incomplete || ' ' || username FROM session"),
	    "0 alice");
	assert_int_equal(count(t, "session_active"), 0);
}

static void
test_counters_never_fall(void **state)
{
	struct bench *t = *state;

	ADD(t, 1, 1, body_open(1, 1), body_update(1, 1, 900));
	run_ok(t);
	ADD(t, 1, 3, body_update(1, 1, 400));
	run_ok(t);
	assert_string_equal(
	    base_text(&t->base,
		"SELECT bytes_up || ' ' || "
		"duration_us || ' ' || last_seq FROM session_active"),
	    "900 9000 3");
}

/* OPEN without a destination, which comes with the CLOSE. */
static struct body *
body_udp(const struct record_session *s, bool closed)
{
	struct body *open = body_session(RECORD_OPEN, s), *close;
	struct record_session end = {
		.dest_host = STR("dns.example.com"),
		.has_dest_ip = true,
		.dest_ip = addr_from_v4((uint8_t[]){ 192, 0, 2, 9 }),
		.dest_port = 53,
		.destinations = 70000,
		.decision = DECISION_ALLOW,
		.rule = STR("r-dns"),
		.generation = 8,
		.counters = { 1, 2, 3, 4 },
		.status = STATUS_CLOSED,
		.close_reason = STR("udp_idle"),
	};

	if (!closed)
		return open;
	close = xmalloc(sizeof(*close));
	close->len = record_pack_close(close->bytes, sizeof(close->bytes),
	    (struct str){ open->bytes, open->len }, &end);
	free(open);
	return close;
}

static void
test_destinations_of_an_association(void **state)
{
	static const char running[] =
	    "SELECT destinations || ' ' || command || protocol || "
	    "(dest_ip IS NULL) || (dest_port IS NULL) FROM session_active";
	struct bench *t = *state;
	struct record_session s = {
		.id = id_of(1, 1),
		.started_ms = started_ms_of(1),
		.source = session_of(1, 1).source,
		.command = COMMAND_UDP,
		.carrier = CARRIER_SOCKS5,
		.protocol = PROTOCOL_UDP,
	};

	ADD(t, 1, 1, body_udp(&s, false));
	run_ok(t);
	assert_string_equal(base_text(&t->base, running), "0 3211");
	ADD(t, 1, 2, body_update(1, 1, 10));
	run_ok(t);
	assert_string_equal(base_text(&t->base, running), "2 3211");
	ADD(t, 1, 3, body_udp(&s, true));
	run_ok(t);
	assert_string_equal(
	    base_text(&t->base,
		"SELECT destinations || ' ' || dest_host || ' ' || "
		"substr(hex(dest_ip), 25) || ' ' || dest_port || ' ' || "
		"acl_decision || ' ' || acl_rule_matched || ' ' || "
		"policy_generation || ' ' || packets_up || ' ' || command || "
		"protocol || ' ' || close_reason FROM session"),
	    "70000 dns.example.com C0000209 53 1 r-dns 8 3 32 udp_idle");
}

static void
test_every_carrier_and_command(void **state)
{
	struct bench *t = *state;
	unsigned n = 0;

	for (unsigned carrier = CARRIER_SOCKS5; carrier <= CARRIER_HTTP;
	     carrier++)
		for (unsigned command = COMMAND_CONNECT;
		     command <= COMMAND_UDP; command++) {
			struct record_session s = session_of(1, ++n);

			s.carrier = (enum record_carrier)carrier;
			s.command = (enum record_command)command;
			s.protocol = command == COMMAND_UDP ? PROTOCOL_UDP :
							      PROTOCOL_TCP;
			s.status = STATUS_FAILED;
			s.close_reason = STR("connect_refused");
			ADD(t, 1, n, body_session(RECORD_CLOSE, &s));
		}
	run_ok(t);
	assert_string_equal(
	    base_text(&t->base,
		"SELECT group_concat(carrier || command || protocol) "
		"FROM session"),
	    "111,121,132,211,221,232,311,321,332,411,421,432");
}

static void
test_quarantine(void **state)
{
	struct bench *t = *state;
	struct record_session s = session_of(1, 9);
	struct body *wrong_time, *huge;

	s.started_ms++;
	wrong_time = body_session(RECORD_OPEN, &s);
	s = session_of(1, 10);
	s.counters.bytes_up = UINT64_C(1) << 60;
	s.status = STATUS_CLOSED;
	s.close_reason = STR("client_closed");
	huge = body_session(RECORD_CLOSE, &s);
	ADD(t, 1, 1, body_raw("\x01\x01\0\0garbage", 11),
	    body_raw("\x63\x01\0\0later", 9), wrong_time, huge, body_end(""),
	    body_open(1, 1));
	run_ok(t);
	assert_string_equal(
	    base_text(&t->base, "SELECT group_concat(seq || "
				"' ' || reason) FROM audit_quarantine"),
	    "1 malformed,2 unknown,"
	    "3 malformed,4 malformed,5 malformed");
	assert_string_equal(
	    base_text(&t->base,
		"SELECT hex(body) FROM audit_quarantine WHERE seq = 2"),
	    "630100006C61746572");
	assert_int_equal(count(t, "session_active"), 1);
	assert_int_equal(next_seq(t, 1), 7);
	assert_int_equal(
	    metrics_value(t->metrics, M_audit_records_quarantined_total, 0), 5);
	assert_int_equal(fate(t, 0, FATE_QUARANTINED), 1);
}

static void
test_nothing_after_the_close(void **state)
{
	struct bench *t = *state;

	/* in one commit and in several: the same */
	ADD(t, 1, 1, body_open(1, 1), body_close(1, 1, 5),
	    body_update(1, 1, 99), body_close(1, 1, 6), body_open(1, 1));
	run_ok(t);
	ADD(t, 2, 1, body_open(2, 1), body_close(2, 1, 5));
	run_ok(t);
	ADD(t, 2, 3, body_update(2, 1, 99));
	run_ok(t);
	ADD(t, 2, 4, body_close(2, 1, 6));
	run_ok(t);
	ADD(t, 2, 5, body_open(2, 1));
	run_ok(t);
	assert_int_equal(count(t, "session"), 2);
	assert_int_equal(count(t, "session_active"), 0);
	assert_string_equal(
	    base_text(&t->base,
		"SELECT group_concat(seq) "
		"FROM audit_quarantine WHERE reason = 'conflict'"),
	    "3,4,5,3,4,5");
	assert_int_equal(
	    base_number(&t->base, "SELECT max(bytes_up) FROM session"), 5);
}

static void
test_another_streams_session(void **state)
{
	struct bench *t = *state;

	ADD(t, 1, 1, body_open(1, 1));
	run_ok(t);
	ADD(t, 2, 1, body_update(1, 1, 77), body_close(1, 1, 88));
	run_ok(t);
	assert_string_equal(
	    base_text(&t->base, "SELECT bytes_up || hex("
				"stream_id) FROM session_active"),
	    "0AA000000000000000000000000000001");
	assert_int_equal(count(t, "session"), 0);
	assert_int_equal(count(t, "rollup_hour"), 0);
	assert_int_equal(count(t, "audit_quarantine"), 2);
	assert_int_equal(fate(t, RECORD_CLOSE, FATE_APPLIED), 0);
	assert_int_equal(fate(t, RECORD_CLOSE, FATE_QUARANTINED), 1);
	ADD(t, 1, 2, body_close(1, 1, 5));
	run_ok(t);
	assert_int_equal(count(t, "session"), 1);
}

static void
test_another_proxys_stream(void **state)
{
	struct bench *t = *state;
	struct body *b = body_open(1, 1);
	struct id id = stream_of(1);

	ADD(t, 1, 1, body_open(1, 5));
	run_ok(t);
	t->batches[t->n++] = batch_of(&id, "proxy-2", 2, &b, 1);
	free(b);
	run_ok(t);
	assert_int_equal(next_seq(t, 1), 2);
	assert_int_equal(count(t, "session_active"), 1);
	assert_int_equal(fate(t, RECORD_OPEN, FATE_REFUSED), 1);
}

static void
test_end_closes_what_is_open(void **state)
{
	struct bench *t = *state;

	ADD(t, 1, 1, body_open(1, 1), body_open(1, 2), body_update(1, 2, 50));
	ADD(t, 2, 1, body_open(2, 1));
	run_ok(t);
	/* the third opens in the transaction that ends */
	ADD(t, 1, 4, body_open(1, 3), body_close(1, 1, 9),
	    body_end("proxy_crash"), body_open(1, 4));
	run_ok(t);
	assert_int_equal(count(t, "session_active"), 1);
	assert_int_equal(count(t, "session"), 3);
	assert_string_equal(
	    base_text(&t->base,
		"SELECT group_concat("
		"close_reason || ' ' || status || ' ' || bytes_up || ' ' || "
		"(ended_at - started_at) || ' ' || counters_lower_bound || "
		"username || claimed_user || destinations || "
		"(reply_code IS NULL)) FROM session WHERE status = 2 "
		"ORDER BY id"),
	    "proxy_crash 2 50 500 1aliceroot21,"
	    "proxy_crash 2 0 0 1aliceroot11");
	assert_string_equal(
	    base_text(&t->base, "SELECT next_seq || ' ' || "
				"state || ' ' || end_reason FROM audit_stream "
				"WHERE state <> 1"),
	    "7 2 proxy_crash");
	ADD(t, 1, 7, body_open(1, 5));
	run_ok(t);
	assert_int_equal(count(t, "session_active"), 1);
	assert_int_equal(fate(t, RECORD_OPEN, FATE_REFUSED), 2);
}

static void
test_lost_streams(void **state)
{
	struct bench *t = *state;
	bool more;

	ADD(t, 1, 1, body_open(1, 1), body_update(1, 1, 42));
	run_ok(t);
	clock_test_set(2000000, TEST_NOW_US + 3600000000);
	ADD(t, 2, 1, body_open(2, 1));
	run_ok(t);
	assert_int_equal(apply_lost(t->apply, TEST_NOW_US, &more), STORE_OK);
	assert_int_equal(count(t, "session"), 0);
	assert_int_equal(
	    apply_lost(t->apply, TEST_NOW_US + 1, &more), STORE_OK);
	assert_false(more);
	assert_string_equal(
	    base_text(&t->base,
		"SELECT close_reason || ' ' "
		"|| bytes_up || ' ' || counters_lower_bound FROM session"),
	    "proxy_lost 42 1");
	assert_int_equal(count(t, "session_active"), 1);
	assert_int_equal(
	    base_number(
		&t->base, "SELECT state FROM audit_stream WHERE next_seq = 3"),
	    STREAM_LOST);
	assert_int_equal(
	    base_number(&t->base, "SELECT sum(sessions) FROM "
				  "rollup_hour WHERE dimension = 0"),
	    1);
	/* it was only silent: new sessions count, the closed one stays */
	ADD(t, 1, 3, body_close(1, 1, 50), body_open(1, 2));
	run_ok(t);
	assert_int_equal(count(t, "session"), 1);
	assert_int_equal(count(t, "session_active"), 2);
	assert_int_equal(count(t, "audit_quarantine"), 1);
	assert_int_equal(
	    base_number(
		&t->base, "SELECT count(*) FROM audit_stream WHERE state = 1"),
	    2);
}

static void
test_more_lost_streams_than_one_round(void **state)
{
	struct bench *t = *state;
	bool more;

	for (unsigned s = 1; s <= 20; s++) {
		ADD(t, s, 1, body_open(s, 1));
		run_ok(t);
	}
	assert_int_equal(
	    apply_lost(t->apply, TEST_NOW_US + 1, &more), STORE_OK);
	assert_true(more);
	assert_int_equal(
	    apply_lost(t->apply, TEST_NOW_US + 1, &more), STORE_OK);
	assert_false(more);
	assert_int_equal(count(t, "session"), 20);
}

static void
test_poison_is_found(void **state)
{
	struct bench *t = *state;
	struct body *bodies[9];

	t->faulty.poison = "mallory";
	for (unsigned i = 0; i < 9; i++)
		bodies[i] = i == 5 ? body_reject(1, i, "mallory")
				   : body_reject(1, i, "bob");
	add(t, 1, 1, bodies, 9);
	ADD(t, 2, 1, body_reject(2, 1, "carol"));
	run_ok(t);
	assert_int_equal(count(t, "session"), 9);
	assert_string_equal(
	    base_text(&t->base, "SELECT group_concat(seq || "
				"' ' || reason) FROM audit_quarantine"),
	    "6 refused");
	assert_int_equal(next_seq(t, 1), 10);
	assert_int_equal(fate(t, RECORD_REJECT, FATE_APPLIED), 9);
	assert_int_equal(fate(t, RECORD_REJECT, FATE_QUARANTINED), 1);
}

/* Whatever call fails: nothing of the transaction remains, and trying again
 * gives what one success gives. */
static void
test_every_call_fails_once(void **state)
{
	struct bench *t = *state;
	unsigned stream = 0, fail_at = 1;
	enum store_result r = STORE_BUSY;

	for (; r != STORE_OK; fail_at++) {
		int64_t before =
		    base_number(&t->base, "SELECT count(*) FROM session");

		stream++;
		ADD(t, stream, 2, body_open(stream, 1), body_open(stream, 2),
		    body_event(stream, 1, "here"), body_close(stream, 2, 8),
		    body_raw("\x63\x01\0\0later", 9), body_end("shutdown"));
		t->faulty.fail_at = fail_at;
		t->faulty.fail_with = STORE_BUSY;
		r = run(t);
		if (r == STORE_OK)
			break;
		assert_int_equal(r, STORE_BUSY);
		assert_false(t->batches[0]->done);
		assert_int_equal(
		    base_number(&t->base, "SELECT count(*) FROM session"),
		    before);
		assert_int_equal(next_seq(t, stream), 0);
		run_ok(t);
		assert_int_equal(
		    base_number(&t->base, "SELECT count(*) FROM session"),
		    before + 2);
		assert_int_equal(count(t, "telemetry_event"), stream);
		assert_int_equal(apply_events(t->apply), stream);
		assert_int_equal(next_seq(t, stream), 8);
	}
	assert_true(fail_at > 9); /* each kind of call was hit */
	assert_int_equal(fate(t, RECORD_CLOSE, FATE_APPLIED), stream);
	assert_int_equal(
	    metrics_value(t->metrics, M_audit_records_lost_total, 0), stream);
}

static void
test_broken_in_the_search(void **state)
{
	struct bench *t = *state;

	t->faulty.poison = "mallory";
	ADD(t, 1, 1, body_reject(1, 1, "bob"), body_reject(1, 2, "mallory"),
	    body_reject(1, 3, "bob"));
	/* begin of the group, begin of the batch, first half: its commit */
	t->faulty.fail_with = STORE_FULL;
	t->faulty.fail_at = 9;
	assert_int_equal(run(t), STORE_FULL);
	assert_false(t->batches[0]->done);
	run_ok(t);
	assert_int_equal(count(t, "session"), 2);
	assert_int_equal(count(t, "audit_quarantine"), 1);
	assert_int_equal(next_seq(t, 1), 4);
}

static void
test_every_column_of_an_event(void **state)
{
	static const char row[] =
	    "SELECT concat || ' ' || typeof(message) || typeof(details) FROM "
	    "(SELECT *, (at - (SELECT min(at) FROM telemetry_event)) || ' ' "
	    "|| (hex(id) = '%s') || ' ' || severity || ' ' || category || ' ' || "
	    "event || ' ' || coalesce(message, '-') || ' ' || component || "
	    "' ' || instance || ' ' || coalesce(details, '-') || ' ' || "
	    "suppressed AS concat FROM telemetry_event) ORDER BY at DESC";
	struct id id = id_of(1, 7);
	struct bench *t = *state;
	char hex[33], *sql;

	ADD(t, 1, 1, body_event(1, 7, "ten of r\xc3\xb6ot"),
	    body_event(1, 2, ""));
	run_ok(t);
	for (unsigned i = 0; i < 16; i++)
		snprintf(&hex[2 * i], 3, "%02X", id.b[i]);
	sql = xasprintf(row, hex);
	assert_string_equal(base_text(&t->base, sql),
	    "4885000 1 2 security guessing_detected ten of r\xc3\xb6ot authd "
	    "proxy-1 {\"source\":\"192.0.2.9\"} 7 texttext");
	free(sql);
	assert_string_equal(
	    base_text(&t->base, "SELECT at || typeof(message) FROM "
				"telemetry_event ORDER BY at"),
	    "1789992801954000null");
	assert_int_equal(fate(t, RECORD_EVENT, FATE_APPLIED), 2);
	assert_int_equal(apply_events(t->apply), 2);
}

/* A stream of events alone has a position, holes and an end as any other. */
static void
test_a_stream_of_events(void **state)
{
	struct bench *t = *state;

	ADD(t, 1, 1, body_event(1, 1, "a"), body_event(1, 2, "b"));
	run_ok(t);
	ADD(t, 1, 2, body_event(1, 2, "b"), body_event(1, 3, "c"));
	run_ok(t);
	assert_int_equal(count(t, "telemetry_event"), 3);
	assert_int_equal(fate(t, RECORD_EVENT, FATE_KNOWN), 1);
	ADD(t, 1, 6, body_event(1, 6, "f"), body_end("shutdown"),
	    body_event(1, 7, "g"));
	run_ok(t);
	assert_int_equal(count(t, "telemetry_event"), 4);
	assert_int_equal(fate(t, RECORD_EVENT, FATE_REFUSED), 1);
	assert_string_equal(
	    base_text(&t->base, "SELECT first_seq || '-' || last_seq FROM "
				"audit_gap"),
	    "4-5");
	assert_string_equal(
	    base_text(&t->base, "SELECT next_seq || ' ' || state || ' ' || "
				"end_reason FROM audit_stream"),
	    "8 2 shutdown");
	assert_int_equal(count(t, "session"), 0);
	assert_int_equal(count(t, "rollup_hour"), 0);
}

/* Under no stream there is no position: nothing is missing, whatever the
 * numbers say, and nothing but events is taken. */
static void
test_events_of_no_stream(void **state)
{
	static const struct id none;
	struct bench *t = *state;
	struct body *told[] = { body_event(1, 1, "a"), body_close(1, 2, 5),
		body_end("shutdown"), body_raw("\x08\x01\0\0garbage", 11),
		body_event(1, 3, "b") };
	struct body *again[] = { body_event(1, 3, "b"), body_event(1, 4, "c") };

	add_of(t, &none, 7, told, ARRAY_LEN(told));
	ADD(t, 2, 1, body_close(2, 1, 5));
	run_ok(t);
	add_of(t, &none, 3, again, ARRAY_LEN(again));
	run_ok(t);
	assert_int_equal(count(t, "telemetry_event"), 3);
	assert_int_equal(count(t, "session"), 1);
	assert_int_equal(count(t, "audit_stream"), 1);
	assert_int_equal(count(t, "audit_gap"), 0);
	assert_int_equal(count(t, "audit_quarantine"), 0);
	assert_int_equal(fate(t, RECORD_EVENT, FATE_APPLIED), 4);
	assert_int_equal(fate(t, RECORD_EVENT, FATE_REFUSED), 1);
	assert_int_equal(fate(t, RECORD_CLOSE, FATE_REFUSED), 1);
	assert_int_equal(fate(t, RECORD_END, FATE_REFUSED), 1);
}

/* What the database refuses holds nobody up. */
static void
test_poison_of_no_stream(void **state)
{
	static const struct id none;
	struct bench *t = *state;
	struct body *told[] = { body_event(1, 1, "a"),
		body_event(1, 2, "mallory"), body_event(1, 3, "b") };

	t->faulty.poison = "mallory";
	add_of(t, &none, 1, told, ARRAY_LEN(told));
	ADD(t, 2, 1, body_close(2, 1, 5));
	run_ok(t);
	assert_int_equal(count(t, "telemetry_event"), 2);
	assert_int_equal(count(t, "session"), 1);
	assert_int_equal(count(t, "audit_quarantine"), 0);
	assert_int_equal(fate(t, RECORD_EVENT, FATE_REFUSED), 1);
}

/* The same id again, of the same stream or another: the first stays. */
static void
test_an_event_that_is_known(void **state)
{
	struct bench *t = *state;

	ADD(t, 1, 1, body_event(1, 1, "first"), body_event(1, 1, "second"));
	ADD(t, 2, 1, body_event(1, 1, "third"), body_close(2, 1, 5));
	run_ok(t);
	ADD(t, 3, 1, body_event(1, 1, "fourth"));
	run_ok(t);
	assert_string_equal(
	    base_text(&t->base, "SELECT group_concat(message) FROM "
				"telemetry_event"),
	    "first");
	assert_int_equal(count(t, "session"), 1);
	assert_int_equal(count(t, "audit_quarantine"), 0);
	assert_int_equal(fate(t, RECORD_EVENT, FATE_APPLIED), 4);
}

static void
test_events_for_the_quarantine(void **state)
{
	struct bench *t = *state;
	struct body *poison[9];

	t->faulty.poison = "mallory";
	ADD(t, 1, 1, body_raw("\x08\x01\0\0garbage", 11),
	    body_raw("\x08\x01\0\0", 4), body_event(1, 1, "good"));
	run_ok(t);
	for (unsigned i = 0; i < 9; i++)
		poison[i] = body_event(2, i, i == 5 ? "mallory" : "bob");
	add(t, 2, 1, poison, 9);
	ADD(t, 3, 1, body_event(3, 1, "carol"), body_close(3, 1, 5));
	run_ok(t);
	assert_string_equal(
	    base_text(&t->base, "SELECT group_concat(seq || ' ' || reason) "
				"FROM audit_quarantine"),
	    "1 malformed,2 malformed,6 refused");
	assert_int_equal(count(t, "telemetry_event"), 10);
	assert_int_equal(count(t, "session"), 1);
	assert_int_equal(next_seq(t, 2), 10);
	assert_int_equal(fate(t, RECORD_EVENT, FATE_APPLIED), 10);
	assert_int_equal(fate(t, RECORD_EVENT, FATE_QUARANTINED), 3);
	assert_int_equal(apply_events(t->apply), 10);
}

static void
test_rollups(void **state)
{
	static const char equal[] =
	    "SELECT count(*) FROM (SELECT dimension, hour, key, sessions, "
	    "closed, failed, rejected, allowed, blocked, redirected, bytes_up,"
	    " bytes_down, duration_us FROM rollup_hour WHERE dimension < 5"
	    " EXCEPT SELECT d, h, k,"
	    " sum(attempts), sum(status = 1), sum(status = 2), sum(status = 3)"
	    ", sum(acl_decision = 1), sum(acl_decision = 2),"
	    " sum(acl_decision = 3), sum(bytes_up), sum(bytes_down),"
	    " sum(duration_us) FROM (SELECT *, started_at - started_at % "
	    "3600000000 AS h, 0 AS d, '' AS k FROM session UNION ALL SELECT *,"
	    " started_at - started_at % 3600000000, 1, username FROM session "
	    "WHERE username IS NOT NULL UNION ALL SELECT *, started_at - "
	    "started_at % 3600000000, 2, dest_host FROM session WHERE "
	    "dest_host IS NOT NULL UNION ALL SELECT *, started_at - started_at"
	    " % 3600000000, 3, acl_rule_matched FROM session WHERE "
	    "acl_rule_matched IS NOT NULL UNION ALL SELECT *, started_at - "
	    "started_at % 3600000000, 4, close_reason FROM session) "
	    "GROUP BY d, h, k)";
	struct bench *t = *state;

	for (unsigned i = 0; i < 6; i++) {
		ADD(t, 1, 1 + 3 * i, body_close(1, 2000 * i, 10),
		    body_reject(1, 2000 * i + 1, i % 2 ? "eve" : ""),
		    body_close(1, 2000 * i, 999));
		run_ok(t);
	}
	assert_int_equal(base_number(&t->base, equal), 0);
	assert_int_equal(
	    base_number(&t->base, "SELECT sum(sessions) FROM "
				  "rollup_hour WHERE dimension = 0"),
	    12);
	assert_int_equal(
	    base_number(&t->base,
		"SELECT sum(bytes_up) FROM "
		"rollup_hour WHERE dimension = 1 AND key = 'alice'"),
	    60);
	/* The six that were refused have a reason and no length. */
	assert_int_equal(
	    base_number(&t->base, "SELECT sum(sessions) FROM "
				  "rollup_hour WHERE dimension = 4"),
	    12);
	assert_int_equal(
	    base_number(&t->base, "SELECT sum(sessions) FROM "
				  "rollup_hour WHERE dimension = 5"),
	    6);
}

/* Names that break out of SQL, JSON, terminals and pages stay what they are. */
static void
test_hostile_text(void **state)
{
	static const char *const names[] = {
		"'; DROP TABLE session; --",
		"\" OR 1=1",
		"\x01\x02\x1b[2J",
		"<script>alert(1)</script>",
		"%s%n%x",
		"\xff\xfe\x80",
		"\xe2\x80\xae!",
		"\\u0000",
		"NULL",
		"?1",
		"\n\r\t",
		"a\\",
		"\xf0\x9f\x92\xa9",
		"{}[]\",\"",
	};
	struct bench *t = *state;
	struct body *bodies[2 * ARRAY_LEN(names)];

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		struct record_session s = session_of(1, i);

		bodies[2 * i] = body_reject(2, i, names[i]);
		s.user = s.dest_host = s.rule = str_from(names[i]);
		s.groups[0] = str_from(names[i]);
		s.close_detail = s.listener = str_from(names[i]);
		s.status = STATUS_REJECTED;
		s.close_reason = STR("policy_block");
		bodies[2 * i + 1] = body_session(RECORD_REJECT, &s);
	}
	add(t, 1, 1, bodies, ARRAY_LEN(bodies));
	run_ok(t);
	assert_int_equal(count(t, "session") + count(t, "audit_quarantine"),
	    ARRAY_LEN(bodies));
	assert_int_equal(count(t, "session"), ARRAY_LEN(bodies));
	assert_int_equal(next_seq(t, 1), ARRAY_LEN(bodies) + 1);
	assert_int_equal(count(t, "session WHERE groups IS NOT NULL AND "
				  "NOT json_valid(groups)"),
	    0);
	assert_int_equal(count(t, "session WHERE username LIKE '%DROP%'"), 2);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(open_update_close),
		T(every_column),
		T(unknown_is_null),
		T(known_records_are_dropped),
		T(a_hole_is_counted),
		T(lost_open_is_incomplete),
		T(counters_never_fall),
		T(destinations_of_an_association),
		T(every_carrier_and_command),
		T(quarantine),
		T(nothing_after_the_close),
		T(another_streams_session),
		T(another_proxys_stream),
		T(end_closes_what_is_open),
		T(lost_streams),
		T(more_lost_streams_than_one_round),
		T(poison_is_found),
		T(every_call_fails_once),
		T(broken_in_the_search),
		T(every_column_of_an_event),
		T(a_stream_of_events),
		T(events_of_no_stream),
		T(poison_of_no_stream),
		T(an_event_that_is_known),
		T(events_for_the_quarantine),
		T(rollups),
		T(hostile_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
