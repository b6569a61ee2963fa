/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit/record.h"
#include "base/mem.h"
#include "proto/events.pb-c.h"

#define HEAD 4

static struct addr
v4(uint8_t last)
{
	return addr_from_v4((const uint8_t[]){ 192, 0, 2, last });
}

/* Every field set. */
static struct record_session
sample(void)
{
	struct record_session s = {
		.id = { "0123456789abcdef" },
		.started_ms = 1795221861853,
		.user = STR("alice"),
		.groups = { STR("staff"), STR("admins") },
		.n_groups = 2,
		.source = { v4(1), 40000 },
		.listener = STR("127.0.0.1:1080"),
		.command = COMMAND_CONNECT,
		.carrier = CARRIER_SOCKS5,
		.protocol = PROTOCOL_TCP,
		.dest_host = STR("www.example.com"),
		.has_dest_ip = true,
		.dest_ip = v4(2),
		.dest_port = 443,
		.permitted = { v4(2), v4(3) },
		.n_permitted = 2,
		.decision = DECISION_ALLOW,
		.rule = STR("web"),
		.generation = 1795221861000000,
		.route = STR("direct"),
		.limits = STR("standard"),
		.auth_method = AUTH_USERPASS,
		.claimed_user = STR("root"),
		.destinations = 70000,
		.counters = { 1, 2, 3, INT64_MAX },
		.duration_us = 123456789,
		.status = STATUS_CLOSED,
		.close_reason = STR("client_closed"),
		.close_detail = STR("said goodbye"),
		.reply_code = RECORD_NO_REPLY,
		.setup_us = 4711,
	};

	return s;
}

static void
assert_str(struct str a, struct str b)
{
	if (!str_eq(a, b))
		fail_msg("'%.*s' is not '%.*s'", (int)a.len, a.ptr,
		    (int)b.len, b.ptr);
}

static void
assert_same(const struct record_session *a, const struct record_session *b)
{
	assert_true(id_eq(&a->id, &b->id));
	assert_int_equal(a->started_ms, b->started_ms);
	assert_str(a->user, b->user);
	assert_int_equal(a->n_groups, b->n_groups);
	for (unsigned i = 0; i < a->n_groups; i++)
		assert_str(a->groups[i], b->groups[i]);
	assert_true(endpoint_eq(&a->source, &b->source));
	assert_str(a->listener, b->listener);
	assert_int_equal(a->command, b->command);
	assert_int_equal(a->carrier, b->carrier);
	assert_int_equal(a->protocol, b->protocol);
	assert_str(a->dest_host, b->dest_host);
	assert_int_equal(a->has_dest_ip, b->has_dest_ip);
	assert_true(addr_eq(&a->dest_ip, &b->dest_ip));
	assert_int_equal(a->dest_port, b->dest_port);
	assert_int_equal(a->n_permitted, b->n_permitted);
	for (unsigned i = 0; i < a->n_permitted; i++)
		assert_true(addr_eq(&a->permitted[i], &b->permitted[i]));
	assert_int_equal(a->decision, b->decision);
	assert_str(a->rule, b->rule);
	assert_int_equal(a->generation, b->generation);
	assert_str(a->route, b->route);
	assert_str(a->limits, b->limits);
	assert_int_equal(a->auth_method, b->auth_method);
	assert_str(a->claimed_user, b->claimed_user);
	assert_int_equal(a->destinations, b->destinations);
	assert_memory_equal(&a->counters, &b->counters, sizeof(a->counters));
	assert_int_equal(a->duration_us, b->duration_us);
	assert_int_equal(a->status, b->status);
	assert_str(a->close_reason, b->close_reason);
	assert_str(a->close_detail, b->close_detail);
	assert_int_equal(a->reply_code, b->reply_code);
	assert_int_equal(a->setup_us, b->setup_us);
}

static struct str
pack(enum record_type type, const struct record_session *s,
    char buf[static RECORD_MAX])
{
	size_t n = record_pack_session(buf, RECORD_MAX, type, s);

	assert_true(n > HEAD);
	return (struct str){ buf, n };
}

static void
test_session_comes_back(void **state)
{
	static const enum record_type types[] = { RECORD_OPEN, RECORD_CLOSE,
		RECORD_REJECT };
	struct record_session s = sample();
	char buf[RECORD_MAX];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
		struct record r;

		assert_int_equal(record_unpack(&r, pack(types[i], &s, buf)),
		    RECORD_OK);
		memset(buf, 0xee, sizeof(buf));	/* it has its own memory */
		assert_int_equal(r.type, types[i]);
		assert_same(&s, &r.session);
		record_fini(&r);
	}
}

/* OPEN, then CLOSE from its bytes: the same as a CLOSE of everything. */
static void
test_close_from_open(void **state)
{
	static const struct record_counters none;
	struct record_session whole = sample(), opened = whole, end = whole;
	char open[RECORD_MAX], buf[RECORD_MAX];
	struct record r;
	struct str body;

	(void)state;
	whole.user = STR("al\\ice\xe9");	/* escaped once, not twice */
	opened.user = STR("al\\ice\xe9");
	opened.counters = none;
	opened.duration_us = opened.setup_us = 0;
	opened.status = STATUS_NONE;
	opened.close_reason = opened.close_detail = STR("");
	opened.reply_code = 0;
	opened.destinations = 1;
	for (unsigned i = 0; i < 3; i++) {
		/* the address used: as opened, another one, none told */
		end.has_dest_ip = i != 2;
		end.dest_ip = whole.dest_ip = i == 1 ? v4(3) : v4(2);
		body = pack(RECORD_OPEN, &opened, open);
		body.len = record_pack_close(buf, sizeof(buf), body, &end);
		body.ptr = buf;
		assert_int_equal(record_unpack(&r, body), RECORD_OK);
		assert_int_equal(r.type, RECORD_CLOSE);
		assert_str(r.session.user, STR("al\\\\ice\\xe9"));
		r.session.user = whole.user;
		assert_same(&whole, &r.session);
		record_fini(&r);
	}
	assert_int_equal(record_pack_close(buf, 100,
	    pack(RECORD_OPEN, &opened, open), &end), 0);
}

/* The peer that came to a BIND, and nothing else, is told anew. */
static void
test_peer_of_bind(void **state)
{
	struct record_session s = sample(), came = sample();
	char open[RECORD_MAX], buf[RECORD_MAX];
	struct record r;
	struct str body;

	(void)state;
	s.user = STR("al\\ice\xe9");	/* escaped once, not twice */
	s.dest_port = 0;
	s.destinations = 0;
	came.dest_ip = v4(9);
	came.dest_port = 40001;
	came.destinations = 1;
	came.rule = came.dest_host = STR("of another");
	body = pack(RECORD_OPEN, &s, open);
	body.len = record_pack_peer(buf, sizeof(buf), body, &came);
	body.ptr = buf;
	assert_int_equal(record_unpack(&r, body), RECORD_OK);
	assert_int_equal(r.type, RECORD_OPEN);
	assert_str(r.session.user, STR("al\\\\ice\\xe9"));
	r.session.user = s.user;
	s.dest_ip = came.dest_ip;
	s.dest_port = came.dest_port;
	s.destinations = 1;
	assert_same(&s, &r.session);
	record_fini(&r);
	assert_int_equal(record_pack_peer(buf, 100, pack(RECORD_OPEN, &s, open),
	    &came), 0);
}

/* The largest OPEN leaves room for the largest end, also for one that tells
 * the destination. */
static void
test_close_always_fits(void **state)
{
	static const char noise[1024] = { [0 ... 1023] = '\1' };
	struct str all = { noise, sizeof(noise) };
	struct record_session s = sample(), end = { .has_dest_ip = true,
		.dest_ip = { "\x20\1\x0d\xb8 long" },
		.counters = { INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX },
		.duration_us = INT64_MAX, .status = STATUS_REJECTED,
		.close_reason = all, .close_detail = all,
		.reply_code = RECORD_REPLY_MAX, .setup_us = INT64_MAX,
		.destinations = RECORD_DESTINATIONS_MAX };
	char open[RECORD_MAX], peer[RECORD_MAX], buf[RECORD_MAX];
	struct record r;
	struct str body;
	size_t len;

	(void)state;
	s.user = s.listener = s.rule = s.route = s.limits = all;
	s.dest_host = s.claimed_user = all;
	s.n_groups = RECORD_GROUPS_MAX;
	for (unsigned i = 0; i < RECORD_GROUPS_MAX; i++)
		s.groups[i] = i < 60 ? all : STR("g");
	s.n_permitted = RECORD_ADDRS_MAX;
	memset(s.permitted, 7, sizeof(s.permitted));
	s.close_reason = s.close_detail = STR("");
	s.status = STATUS_NONE;
	s.counters = (struct record_counters){ 0 };
	s.duration_us = s.setup_us = 0;
	s.reply_code = 0;
	for (unsigned asked = 2; asked-- > 0;) {
		if (!asked) {
			s.dest_host = s.rule = STR("");
			s.has_dest_ip = false;
			s.generation = s.n_permitted = 0;
			s.dest_port = 0;
			s.decision = DECISION_NONE;
			end.dest_host = end.rule = all;
			end.dest_port = UINT16_MAX;
			end.generation = INT64_MAX;
			end.decision = DECISION_ALLOW;
		}
		body = pack(RECORD_OPEN, &s, open);
		/* groups took what was left, but for one that did not fit */
		assert_true(body.len > RECORD_MAX - 480 - 560 * !asked - 300);
		body.len = record_pack_peer(peer, sizeof(peer), body, &end);
		body.ptr = peer;
		len = record_pack_close(buf, sizeof(buf), body, &end);
		assert_true(len > body.len);
		assert_int_equal(record_unpack(&r, (struct str){ buf, len }),
		    RECORD_OK);
		assert_int_equal(r.session.close_reason.len, 64);
		assert_int_equal(r.session.close_detail.len, 256);
		assert_int_equal(r.session.dest_host.len, NAME_MAX_LEN / 4 * 4);
		assert_int_equal(r.session.rule.len, RECORD_TEXT_MAX);
		assert_int_equal(r.session.destinations,
		    RECORD_DESTINATIONS_MAX);
		assert_int_equal(r.session.n_permitted,
		    asked ? RECORD_ADDRS_MAX : 0);
		assert_true(r.session.n_groups > 0);
		record_fini(&r);
	}
}

/* As it is when nothing more is known than that somebody came. */
static void
test_bare_session_comes_back(void **state)
{
	struct record_session s = { .id = { "0123456789abcdef" },
		.source = { v4(1), 40000 } };
	char buf[RECORD_MAX];
	struct record r;

	(void)state;
	assert_int_equal(record_unpack(&r, pack(RECORD_OPEN, &s, buf)),
	    RECORD_OK);
	assert_same(&s, &r.session);
	assert_non_null(r.session.user.ptr);
	assert_non_null(r.session.close_detail.ptr);
	assert_false(r.session.has_dest_ip);
	record_fini(&r);
	/* What is over has a status. */
	assert_int_equal(record_unpack(&r, pack(RECORD_CLOSE, &s, buf)),
	    RECORD_MALFORMED);
	assert_int_equal(record_unpack(&r, pack(RECORD_REJECT, &s, buf)),
	    RECORD_MALFORMED);
}

/* Other programs read it as the .proto says. */
static void
test_protobuf_reads_it(void **state)
{
	struct record_session s = sample();
	char buf[RECORD_MAX];
	struct str body = pack(RECORD_CLOSE, &s, buf);
	Sallyport__Pb__Session *m = sallyport__pb__session__unpack(NULL,
	    body.len - HEAD, (const uint8_t *)body.ptr + HEAD);

	(void)state;
	assert_memory_equal(body.ptr, "\x03\x01\0\0", HEAD);
	assert_non_null(m);
	assert_int_equal(m->id.len, 16);
	assert_string_equal(m->user, "alice");
	assert_int_equal(m->n_groups, 2);
	assert_string_equal(m->groups[1], "admins");
	assert_int_equal(m->source_port, 40000);
	assert_string_equal(m->listener, "127.0.0.1:1080");
	assert_int_equal(m->command, 1);
	assert_int_equal(m->carrier, 1);
	assert_int_equal(m->protocol, 1);
	assert_string_equal(m->dest_host, "www.example.com");
	assert_int_equal(m->dest_ip.len, 16);
	assert_int_equal(m->dest_port, 443);
	assert_int_equal(m->n_permitted, 2);
	assert_int_equal(m->decision, 1);
	assert_string_equal(m->rule, "web");
	assert_int_equal(m->generation, s.generation);
	assert_string_equal(m->route, "direct");
	assert_string_equal(m->limits, "standard");
	assert_int_equal(m->auth_method, 2);
	assert_string_equal(m->claimed_user, "root");
	assert_int_equal(m->destinations, 70000);
	assert_int_equal(m->counters->bytes_up, 1);
	assert_int_equal(m->counters->packets_down, INT64_MAX);
	assert_int_equal(m->duration_us, s.duration_us);
	assert_int_equal(m->status, 1);
	assert_string_equal(m->close_reason, "client_closed");
	assert_string_equal(m->close_detail, "said goodbye");
	assert_int_equal(m->reply_code, 255);
	assert_int_equal(m->setup_us, 4711);
	assert_int_equal(m->base.n_unknown_fields, 0);
	sallyport__pb__session__free_unpacked(m, NULL);
}

static void
test_update_and_end_come_back(void **state)
{
	struct record_update u = { .id = { "0123456789abcdef" },
		.started_ms = 5, .counters = { 1, 2, 0, 4 }, .duration_us = 6,
		.destinations = 3, .recovered = true };
	struct record_end e = { .reason = STR("shutdown"), .wall_us = 7,
		.counters_lower_bound = true };
	char buf[RECORD_MAX];
	struct record r;

	(void)state;
	assert_int_equal(record_unpack(&r, (struct str){ buf,
	    record_pack_update(buf, sizeof(buf), &u) }), RECORD_OK);
	assert_int_equal(r.type, RECORD_UPDATE);
	assert_memory_equal(&r.update, &u,
	    offsetof(struct record_update, recovered) + 1);
	record_fini(&r);
	assert_int_equal(record_unpack(&r, (struct str){ buf,
	    record_pack_end(buf, sizeof(buf), &e) }), RECORD_OK);
	assert_int_equal(r.type, RECORD_END);
	assert_str(r.end.reason, e.reason);
	assert_int_equal(r.end.wall_us, 7);
	assert_true(r.end.counters_lower_bound);
	record_fini(&r);
	u.id = (struct id){ { 0 } };
	assert_int_equal(record_unpack(&r, (struct str){ buf,
	    record_pack_update(buf, sizeof(buf), &u) }), RECORD_MALFORMED);
}

static struct record_event
sample_event(void)
{
	return (struct record_event){ .id = { "0123456789abcdef" },
		.severity = SEVERITY_WARNING, .category = STR("security"),
		.event = STR("guessing_detected"),
		.message = STR("too many failed logins"),
		.component = STR("authd"),
		.details = STR("{\"user\":\"al\\\\xe9\",\"delay_ms\":7}"),
		.suppressed = INT64_MAX };
}

static struct str
pack_event(const struct record_event *e, char buf[static RECORD_MAX])
{
	size_t n = record_pack_event(buf, RECORD_MAX, e);

	assert_true(n > HEAD);
	return (struct str){ buf, n };
}

static void
assert_same_event(const struct record_event *a, const struct record_event *b)
{
	assert_true(id_eq(&a->id, &b->id));
	assert_int_equal(a->severity, b->severity);
	assert_str(a->category, b->category);
	assert_str(a->event, b->event);
	assert_str(a->message, b->message);
	assert_str(a->component, b->component);
	assert_str(a->details, b->details);
	assert_int_equal(a->suppressed, b->suppressed);
}

static void
test_event_comes_back(void **state)
{
	struct record_event e = sample_event();
	char buf[RECORD_MAX];
	struct record r;

	(void)state;
	assert_int_equal(record_unpack(&r, pack_event(&e, buf)), RECORD_OK);
	memset(buf, 0xee, sizeof(buf));	/* it has its own memory */
	assert_int_equal(r.type, RECORD_EVENT);
	assert_same_event(&e, &r.event);
	record_fini(&r);
	/* The least of one. */
	e.message = e.details = (struct str){ 0 };
	e.suppressed = 0;
	assert_int_equal(record_unpack(&r, pack_event(&e, buf)), RECORD_OK);
	assert_same_event(&e, &r.event);
	assert_non_null(r.event.message.ptr);
	assert_non_null(r.event.details.ptr);
	record_fini(&r);
}

/* What other programs write for the same is the same. */
static void
test_protobuf_writes_the_same_event(void **state)
{
	static const uint8_t head[HEAD] = { 8, 1 };
	struct record_event e = sample_event();
	Sallyport__Pb__Event m = SALLYPORT__PB__EVENT__INIT;
	uint8_t packed[RECORD_MAX];
	char buf[RECORD_MAX];
	struct str body = pack_event(&e, buf);

	(void)state;
	m.id = (ProtobufCBinaryData){ sizeof(e.id.b), e.id.b };
	m.severity = 2;
	m.category = (char *)"security";
	m.event = (char *)"guessing_detected";
	m.message = (char *)"too many failed logins";
	m.component = (char *)"authd";
	m.details = (char *)"{\"user\":\"al\\\\xe9\",\"delay_ms\":7}";
	m.suppressed = INT64_MAX;
	assert_memory_equal(body.ptr, head, HEAD);
	assert_int_equal(sallyport__pb__event__pack(&m, packed),
	    body.len - HEAD);
	assert_memory_equal(body.ptr + HEAD, packed, body.len - HEAD);
}

/* Text is escaped and cut; details are as they are, or not at all. */
static void
test_event_is_made_valid(void **state)
{
	static char junk[3000];
	const struct str all = { junk, sizeof(junk) };
	struct record_event e = sample_event();
	char buf[RECORD_MAX];
	struct record r;

	(void)state;
	memset(junk, 0xff, sizeof(junk));
	e.category = e.event = e.component = e.message = e.details = all;
	assert_int_equal(record_unpack(&r, pack_event(&e, buf)), RECORD_OK);
	assert_int_equal(r.event.category.len, RECORD_NAME_MAX);
	assert_int_equal(r.event.event.len, RECORD_NAME_MAX);
	assert_int_equal(r.event.component.len, RECORD_NAME_MAX);
	assert_int_equal(r.event.message.len, RECORD_TEXT_MAX);
	assert_memory_equal(r.event.message.ptr, "\\xff\\xff", 8);
	assert_str(r.event.details, STR(""));
	record_fini(&r);
	for (size_t size = 0; size < 300; size++)
		assert_int_equal(record_pack_event(buf, size, &e), 0);
}

static void
test_details(void **state)
{
	static char text[RECORD_DETAILS_MAX + 1];
	static const struct { struct str given; bool kept; } cases[] = {
		{ STR("{\"a\":\"\\u0000\"}"), true },
		{ STR("{\"a\":\"Zo\xc3\xab\"}"), true },
		{ STR("not JSON"), true },	/* the reader's to see */
		{ STR("{\n}"), false },
		{ STR("{\"a\":\"\0\"}"), false },
		{ STR("{\"a\":\"\x7f\"}"), false },
		{ STR("{\"a\":\"\xff\"}"), false },
		{ STR("{\"a\":\"\xe2\x80\xae\"}"), false },
		{ { text, RECORD_DETAILS_MAX }, true },
		{ { text, RECORD_DETAILS_MAX + 1 }, false },
	};
	char buf[RECORD_MAX];
	struct record r;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct record_event e = sample_event();

		e.details = cases[i].given;
		assert_int_equal(record_unpack(&r, pack_event(&e, buf)),
		    RECORD_OK);
		assert_str(r.event.details,
		    cases[i].kept ? cases[i].given : STR(""));
		assert_str(r.event.component, e.component);
		record_fini(&r);
	}
}

static void
test_text_is_made_valid(void **state)
{
	static const struct { struct str given, recorded; } cases[] = {
		{ STR("bob"), STR("bob") },
		{ STR("a\\b"), STR("a\\\\b") },
		{ STR("a\0b"), STR("a\\x00b") },
		{ STR("a\nb\x7f"), STR("a\\x0ab\\x7f") },
		{ STR("\xc3\xbc"), STR("\xc3\xbc") },
		{ STR("\xc3("), STR("\\xc3(") },
		{ STR("\xed\xa0\x80"), STR("\\xed\\xa0\\x80") },
		{ STR("x\xe2\x80\xaey"), STR("x\\xe2\\x80\\xaey") },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct record_session s = sample();
		char buf[RECORD_MAX];
		struct record r;

		s.user = s.close_detail = s.groups[0] = cases[i].given;
		assert_int_equal(record_unpack(&r,
		    pack(RECORD_CLOSE, &s, buf)), RECORD_OK);
		assert_str(r.session.user, cases[i].recorded);
		assert_str(r.session.close_detail, cases[i].recorded);
		assert_str(r.session.groups[0], cases[i].recorded);
		record_fini(&r);
	}
}

/* The worst of everything at once: it fits, cut, with room for groups. */
static void
test_everything_over_long(void **state)
{
	struct record_session s = sample();
	static char junk[3000];
	struct str all = { junk, sizeof(junk) };
	char buf[RECORD_MAX];
	struct record r;

	(void)state;
	memset(junk, 0xff, sizeof(junk));
	s.user = (struct str){ junk, 255 };
	s.listener = s.dest_host = s.rule = s.route = s.limits =
	    s.claimed_user = all;
	s.close_reason = s.close_detail = all;
	s.n_groups = RECORD_GROUPS_MAX;
	for (unsigned i = 0; i < RECORD_GROUPS_MAX; i++)
		s.groups[i] = STR("group-of-32-bytes-0123456789abcd");
	s.n_permitted = RECORD_ADDRS_MAX;
	for (unsigned i = 0; i < RECORD_ADDRS_MAX; i++)
		s.permitted[i] = v4((uint8_t)i);
	s.started_ms = 253402300799999;
	s.generation = s.duration_us = s.setup_us = INT64_MAX;
	s.counters = (struct record_counters){ INT64_MAX, INT64_MAX, INT64_MAX,
		INT64_MAX };
	assert_int_equal(record_unpack(&r, pack(RECORD_CLOSE, &s, buf)),
	    RECORD_OK);
	assert_int_equal(r.session.user.len, RECORD_USER_MAX);
	assert_int_equal(r.session.rule.len, RECORD_TEXT_MAX);
	assert_int_equal(r.session.dest_host.len, NAME_MAX_LEN / 4 * 4);
	assert_int_equal(r.session.n_permitted, RECORD_ADDRS_MAX);
	assert_int_equal(r.session.claimed_user.len,
	    RECORD_CLAIMED_MAX / 4 * 4);
	assert_true(r.session.n_groups >= 12);
	assert_true(r.session.n_groups < RECORD_GROUPS_MAX);
	for (unsigned i = 0; i < r.session.n_groups; i++)
		assert_str(r.session.groups[i], s.groups[i]);
	record_fini(&r);
}

static void
test_too_little_room(void **state)
{
	struct record_session s = sample();
	struct record_update u = { .id = s.id };
	struct record_end e = { .reason = STR("shutdown") };
	char buf[RECORD_MAX];
	size_t n;

	(void)state;
	s.n_groups = 0;
	n = pack(RECORD_CLOSE, &s, buf).len;
	for (size_t size = 0; size < n; size++)
		assert_int_equal(record_pack_session(buf, size, RECORD_CLOSE,
		    &s), 0);
	assert_int_equal(record_pack_session(buf, n, RECORD_CLOSE, &s), n);
	assert_int_equal(record_pack_update(buf, 10, &u), 0);
	assert_int_equal(record_pack_end(buf, 3, &e), 0);
}

#define ID "\x0a\x10" "0123456789abcdef"
#define SRC "\x2a\x10" "0123456789abcdef"
#define OPEN "\x01\x01\0\0"
#define CLOSE "\x03\x01\0\0"
#define CLOSED "\x80\x02\x01"
#define EVENT "\x08\x01\0\0"
#define WARNS "\x10\x02"
#define NAMES "\x1a\x01" "c" "\x22\x01" "e" "\x32\x01" "d"
#define CASE(what, bytes, result) { what, STR(bytes), RECORD_##result }

static const struct {
	const char *what;
	struct str bytes;
	enum record_result result;
} hostile[] = {
	CASE("open", OPEN ID SRC, OK),
	CASE("close", CLOSE ID SRC CLOSED, OK),
	CASE("a field of a later release", OPEN ID SRC "\xa0\x06\x01", OK),
	CASE("nothing", "", MALFORMED),
	CASE("three bytes", "\x01\x01\0", MALFORMED),
	CASE("type 0", "\0\x01\0\0" ID SRC, MALFORMED),
	CASE("version 0", "\x01\0\0\0" ID SRC, MALFORMED),
	CASE("later version", "\x01\x02\0\0" ID SRC, UNKNOWN),
	CASE("later flag", "\x01\x01\0\x01" ID SRC, UNKNOWN),
	CASE("AGGREGATE is not yet", "\x05\x01\0\0", UNKNOWN),
	CASE("later type", "\x0a\x01\0\0", UNKNOWN),
	CASE("type 255", "\xff\x01\0\0", UNKNOWN),
	CASE("no id", OPEN SRC, MALFORMED),
	CASE("no source", OPEN ID, MALFORMED),
	CASE("id of zeros",
	    OPEN "\x0a\x10" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" SRC, MALFORMED),
	CASE("id of 15", OPEN "\x0a\x0f" "0123456789abcde" SRC, MALFORMED),
	CASE("id as a number", OPEN "\x08\x01" SRC, MALFORMED),
	CASE("source of 4", OPEN ID "\x2a\x04" "0123", MALFORMED),
	CASE("started after 9999",
	    OPEN ID SRC "\x10\x80\x80\x80\x80\x80\x80\x01" "\x10\xff\xff\xff\xff\xff\xff\xff\x7f",
	    MALFORMED),
	CASE("user as a number", OPEN ID SRC "\x18\x01", MALFORMED),
	CASE("user with NUL", OPEN ID SRC "\x1a\x01\0", MALFORMED),
	CASE("user with a newline", OPEN ID SRC "\x1a\x01\n", MALFORMED),
	CASE("user that is no UTF-8", OPEN ID SRC "\x1a\x01\xff", MALFORMED),
	CASE("user of a surrogate", OPEN ID SRC "\x1a\x03\xed\xa0\x80",
	    MALFORMED),
	CASE("group with NUL", OPEN ID SRC "\x22\x01\0", MALFORMED),
	CASE("port 65536", OPEN ID SRC "\x30\x80\x80\x04", MALFORMED),
	CASE("port as bytes", OPEN ID SRC "\x32\x01x", MALFORMED),
	CASE("command 4", OPEN ID SRC "\x40\x04", MALFORMED),
	CASE("command 2^32+1", OPEN ID SRC "\x40\x81\x80\x80\x80\x10",
	    MALFORMED),
	CASE("carrier 5", OPEN ID SRC "\x48\x05", MALFORMED),
	CASE("protocol 3", OPEN ID SRC "\x50\x03", MALFORMED),
	CASE("dest_ip of 4", OPEN ID SRC "\x62\x04" "0123", MALFORMED),
	CASE("empty dest_ip", OPEN ID SRC "\x62\x00", MALFORMED),
	CASE("dest_port as fixed32", OPEN ID SRC "\x6d\x01\0\0\0", MALFORMED),
	CASE("permitted of 17", OPEN ID SRC "\x72\x11" "0123456789abcdefg",
	    MALFORMED),
	CASE("decision 4", OPEN ID SRC "\x78\x04", MALFORMED),
	CASE("generation 2^63", OPEN ID SRC
	    "\x88\x01\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", MALFORMED),
	CASE("auth 5", OPEN ID SRC "\xa0\x01\x05", MALFORMED),
	CASE("counter 2^63", OPEN ID SRC
	    "\xf2\x01\x0b\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
	    MALFORMED),
	CASE("counter as bytes", OPEN ID SRC "\xf2\x01\x03\x0a\x01x",
	    MALFORMED),
	CASE("counters cut within", OPEN ID SRC "\xf2\x01\x01\x08", MALFORMED),
	CASE("later counter", OPEN ID SRC "\xf2\x01\x02\x28\x01", OK),
	CASE("status 4", CLOSE ID SRC "\x80\x02\x04", MALFORMED),
	CASE("reply code 502", OPEN ID SRC "\x98\x02\xf6\x03", OK),
	CASE("reply code 1000", OPEN ID SRC "\x98\x02\xe8\x07", MALFORMED),
	CASE("claimed user with NUL", OPEN ID SRC "\xaa\x01\x01\0", MALFORMED),
	CASE("destinations 2^31", OPEN ID SRC
	    "\xb0\x01\x80\x80\x80\x80\x08", MALFORMED),
	CASE("cut", OPEN ID SRC "\x1a\x05" "abcd", MALFORMED),
	CASE("group of old", OPEN ID SRC "\x0b\x0c", MALFORMED),
	CASE("recovered 2", "\x02\x01\0\0" ID "\x28\x02", MALFORMED),
	CASE("event", EVENT ID WARNS NAMES, OK),
	CASE("event of a later release", EVENT ID WARNS NAMES "\x48\x01", OK),
	CASE("event of a later version", "\x08\x02\0\0" ID WARNS NAMES,
	    UNKNOWN),
	CASE("event without id", EVENT WARNS NAMES, MALFORMED),
	CASE("event with id of zeros",
	    EVENT "\x0a\x10" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" WARNS NAMES,
	    MALFORMED),
	CASE("event with id of 15",
	    EVENT "\x0a\x0f" "0123456789abcde" WARNS NAMES, MALFORMED),
	CASE("event without severity", EVENT ID NAMES, MALFORMED),
	CASE("severity 0", EVENT ID "\x10\x00" NAMES, MALFORMED),
	CASE("severity 4", EVENT ID "\x10\x04" NAMES, MALFORMED),
	CASE("severity 2^32+1", EVENT ID "\x10\x81\x80\x80\x80\x10" NAMES,
	    MALFORMED),
	CASE("severity as bytes", EVENT ID "\x12\x01\x02" NAMES, MALFORMED),
	CASE("event without category",
	    EVENT ID WARNS "\x22\x01" "e" "\x32\x01" "d", MALFORMED),
	CASE("event without event",
	    EVENT ID WARNS "\x1a\x01" "c" "\x32\x01" "d", MALFORMED),
	CASE("event without component",
	    EVENT ID WARNS "\x1a\x01" "c" "\x22\x01" "e", MALFORMED),
	CASE("category with NUL", EVENT ID WARNS NAMES "\x1a\x01\0", MALFORMED),
	CASE("event as a number", EVENT ID WARNS NAMES "\x20\x01", MALFORMED),
	CASE("event with a newline", EVENT ID WARNS NAMES "\x22\x01\n",
	    MALFORMED),
	CASE("message that is no UTF-8", EVENT ID WARNS NAMES "\x2a\x01\xff",
	    MALFORMED),
	CASE("component with a change of direction",
	    EVENT ID WARNS NAMES "\x32\x03\xe2\x80\xae", MALFORMED),
	CASE("details that are no object", EVENT ID WARNS NAMES "\x3a\x02[]",
	    OK),
	CASE("details with NUL", EVENT ID WARNS NAMES "\x3a\x03{\0}",
	    MALFORMED),
	CASE("details with a newline", EVENT ID WARNS NAMES "\x3a\x03{\n}",
	    MALFORMED),
	CASE("details that are no UTF-8", EVENT ID WARNS NAMES "\x3a\x03{\xff}",
	    MALFORMED),
	CASE("details as a number", EVENT ID WARNS NAMES "\x38\x01", MALFORMED),
	CASE("suppressed 2^63-1", EVENT ID WARNS NAMES
	    "\x40\xff\xff\xff\xff\xff\xff\xff\xff\x7f", OK),
	CASE("suppressed 2^63", EVENT ID WARNS NAMES
	    "\x40\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", MALFORMED),
	CASE("event cut", EVENT ID WARNS NAMES "\x2a\x05" "abcd", MALFORMED),
};

static enum record_result
try(struct str bytes)
{
	char *m = xmalloc(bytes.len == 0 ? 1 : bytes.len);
	enum record_result result;
	struct record r;

	/* Memory of the exact size, for ASan. */
	memcpy(m, bytes.ptr, bytes.len);
	result = record_unpack(&r, (struct str){ m, bytes.len });
	if (result == RECORD_OK)
		record_fini(&r);
	free(m);
	return result;
}

static void
test_hostile(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++)
		if (try(hostile[i].bytes) != hostile[i].result)
			fail_msg("%s", hostile[i].what);
}

static void
repeat(struct bytes *out, unsigned n, const char *field, size_t len)
{
	bytes_clear(out);
	bytes_add(out, OPEN ID SRC, 40);
	for (unsigned i = 0; i < n; i++)
		bytes_add(out, field, len);
}

static void
test_counts_and_lengths(void **state)
{
	static const char permitted[] = "\x72\x10" "0123456789abcdef";
	static const char group[] = "\x22\x01g";
	char text[3 + RECORD_TEXT_MAX + 1] = "\x3a\x80\x02";
	struct bytes out = { 0 };

	(void)state;
	repeat(&out, RECORD_ADDRS_MAX, permitted, 18);
	assert_int_equal(try((struct str){ out.ptr, out.len }), RECORD_OK);
	repeat(&out, RECORD_ADDRS_MAX + 1, permitted, 18);
	assert_int_equal(try((struct str){ out.ptr, out.len }),
	    RECORD_MALFORMED);
	repeat(&out, RECORD_GROUPS_MAX, group, 3);
	assert_int_equal(try((struct str){ out.ptr, out.len }), RECORD_OK);
	repeat(&out, RECORD_GROUPS_MAX + 1, group, 3);
	assert_int_equal(try((struct str){ out.ptr, out.len }),
	    RECORD_MALFORMED);
	memset(text + 3, 'x', sizeof(text) - 3);
	repeat(&out, 1, text, sizeof(text) - 1);
	assert_int_equal(try((struct str){ out.ptr, out.len }), RECORD_OK);
	text[1]++;
	repeat(&out, 1, text, sizeof(text));
	assert_int_equal(try((struct str){ out.ptr, out.len }),
	    RECORD_MALFORMED);
	repeat(&out, RECORD_MAX / 3, "\xa0\x06\x01", 3);
	assert_int_equal(try((struct str){ out.ptr, RECORD_MAX + 1 }),
	    RECORD_MALFORMED);
	bytes_fini(&out);
}

static const struct { unsigned char field; size_t max; } event_texts[] = {
	{ 3, RECORD_NAME_MAX }, { 4, RECORD_NAME_MAX }, { 5, RECORD_TEXT_MAX },
	{ 6, RECORD_NAME_MAX }, { 7, RECORD_DETAILS_MAX },
};

static void
test_lengths_of_an_event(void **state)
{
	static const char begun[] = EVENT ID WARNS NAMES;
	static const char text[RECORD_DETAILS_MAX + 1] = {
		[0 ... RECORD_DETAILS_MAX] = 'x' };
	struct bytes out = { 0 };

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(event_texts); i++) {
		size_t len = event_texts[i / 2].max + i % 2;
		const unsigned char head[] = {
			(unsigned char)(event_texts[i / 2].field << 3 | 2),
			(unsigned char)(len | 0x80), (unsigned char)(len >> 7),
		};

		bytes_clear(&out);
		bytes_add(&out, begun, sizeof(begun) - 1);
		bytes_add(&out, head, sizeof(head));
		bytes_add(&out, text, len);
		assert_int_equal(try((struct str){ out.ptr, out.len }),
		    i % 2 == 0 ? RECORD_OK : RECORD_MALFORMED);
	}
	bytes_fini(&out);
}

/* A prefix that ends between fields lacks the later ones; before the status
 * (number 32) there is no CLOSE, and groups are the last. */
static void
test_every_prefix(void **state)
{
	struct record_session s = sample();
	char buf[RECORD_MAX];
	struct str m = pack(RECORD_CLOSE, &s, buf);
	struct record whole;
	size_t status;

	(void)state;
	assert_int_equal(record_unpack(&whole, m), RECORD_OK);
	status = m.len - 100;
	for (size_t len = 0; len < m.len; len++) {
		enum record_result r = try((struct str){ m.ptr, len });

		if (len < status)
			assert_int_equal(r, RECORD_MALFORMED);
		else
			assert_true(r == RECORD_OK || r == RECORD_MALFORMED);
	}
	record_fini(&whole);
}

static void
try_changed(char *buf, struct str m)
{
	for (size_t i = 0; i < m.len; i++) {
		char saved = buf[i];

		for (unsigned v = 0; v < 256; v += 3) {
			buf[i] = (char)v;
			(void)try(m);
		}
		buf[i] = saved;
	}
}

static void
test_changed_bytes_end_well(void **state)
{
	struct record_session s = sample();
	struct record_event e = sample_event();
	char buf[RECORD_MAX];

	(void)state;
	try_changed(buf, pack(RECORD_CLOSE, &s, buf));
	try_changed(buf, pack_event(&e, buf));
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(record_command_name(COMMAND_NONE), "");
	assert_string_equal(record_command_name(COMMAND_UDP), "udp");
	assert_string_equal(record_carrier_name(CARRIER_SOCKS4A), "socks4a");
	assert_string_equal(record_carrier_name(CARRIER_HTTP), "http");
	assert_string_equal(record_protocol_name(PROTOCOL_UDP), "udp");
	assert_string_equal(record_decision_name(DECISION_REDIRECT),
	    "redirect");
	assert_string_equal(record_status_name(STATUS_NONE), "active");
	assert_string_equal(record_status_name(STATUS_REJECTED), "rejected");
	assert_string_equal(record_auth_name(AUTH_USERPASS), "userpass");
	assert_string_equal(record_auth_name(AUTH_PAM_USERNAME),
	    "pam.username");
	assert_string_equal(record_auth_name(AUTH_PAM_ADDRESS),
	    "pam.address");
	assert_string_equal(record_severity_name(SEVERITY_INFO), "info");
	assert_string_equal(record_severity_name(SEVERITY_WARNING), "warning");
	assert_string_equal(record_severity_name(SEVERITY_ERROR), "error");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session_comes_back),
		cmocka_unit_test(test_close_from_open),
		cmocka_unit_test(test_peer_of_bind),
		cmocka_unit_test(test_close_always_fits),
		cmocka_unit_test(test_bare_session_comes_back),
		cmocka_unit_test(test_protobuf_reads_it),
		cmocka_unit_test(test_update_and_end_come_back),
		cmocka_unit_test(test_event_comes_back),
		cmocka_unit_test(test_protobuf_writes_the_same_event),
		cmocka_unit_test(test_event_is_made_valid),
		cmocka_unit_test(test_details),
		cmocka_unit_test(test_text_is_made_valid),
		cmocka_unit_test(test_everything_over_long),
		cmocka_unit_test(test_too_little_room),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_counts_and_lengths),
		cmocka_unit_test(test_lengths_of_an_event),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_changed_bytes_end_well),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
