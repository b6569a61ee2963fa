/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_contract.h"

#include <string.h>

#include "helper.h"

#define OK(call) assert_int_equal(s->ops->call, STORE_OK)

static struct store_session
row_of(unsigned stream, unsigned n, uint64_t seq)
{
	return (struct store_session){
		.id = id_of(0, n),
		.stream = stream_of(stream),
		.seq = seq,
		.started_us = started_ms_of(n) * 1000,
		.ended_us = started_ms_of(n) * 1000 + 5,
		.received_us = TEST_NOW_US,
		.duration_us = 5,
		.proxy = STR("p"),
		.user = STR("alice"),
		.dest_port = STORE_NULL,
		.generation = STORE_NULL,
		.bytes_up = 10,
		.bytes_down = 20,
		.status = STATUS_CLOSED,
		.close_reason = STR("client_closed"),
		.reply_code = STORE_NULL,
		.setup_us = STORE_NULL,
		.attempts = 1,
	};
}

static void
lock(struct store *s, struct store_stream *st, uint64_t now_us)
{
	OK(lock_streams(s, &st, 1, now_us));
}

/* Puts or adds one row; whether it was stored. */
static bool
put(struct store *s, unsigned stream, unsigned n, uint64_t seq)
{
	struct store_session row = row_of(stream, n, seq), *rows[] = { &row };

	OK(put_active(s, rows, 1));
	return row.stored;
}

static bool
finish(struct store *s, unsigned stream, unsigned n, uint64_t seq)
{
	struct store_session row = row_of(stream, n, seq), *rows[] = { &row };

	OK(add_sessions(s, rows, 1));
	return row.stored;
}

struct seen {
	unsigned n;
	struct store_session first;
	char user[16];
};

static void
see(void *arg, const struct store_session *row)
{
	struct seen *w = arg;

	if (w->n++ > 0)
		return;
	w->first = *row;
	assert_true(str_copy(w->user, sizeof(w->user), row->user));
}

static unsigned
running(struct store *s, unsigned stream)
{
	struct id id = stream_of(stream);
	struct seen seen = { 0 };

	OK(each_active(s, &id, see, &seen));
	return seen.n;
}

static void
case_a_stream_begins_at_one(struct store *s)
{
	struct store_stream st = { .id = stream_of(1), .proxy = "p" };
	struct store_stream again = { .id = stream_of(1), .proxy = "other" };

	OK(begin(s));
	lock(s, &st, 77);
	assert_int_equal(st.next_seq, 1);
	assert_int_equal(st.state, STREAM_LIVE);
	assert_int_equal(st.last_contact_us, 77);
	lock(s, &again, 99);
	assert_string_equal(again.proxy, "p");
	assert_int_equal(again.last_contact_us, 77);
	OK(commit(s));
}

static void
case_a_stream_moves(struct store *s)
{
	struct store_stream st = { .id = stream_of(1), .proxy = "p" };
	uint64_t n;

	OK(begin(s));
	lock(s, &st, 1);
	st.next_seq = (uint64_t)INT64_MAX;
	st.state = STREAM_ENDED;
	st.last_contact_us = 5;
	st.end_reason = STR("shutdown");
	OK(move_stream(s, &st));
	OK(commit(s));
	st = (struct store_stream){ .id = stream_of(1), .proxy = "p" };
	OK(begin(s));
	lock(s, &st, 9);
	assert_int_equal(st.next_seq, INT64_MAX);
	assert_int_equal(st.state, STREAM_ENDED);
	assert_int_equal(st.last_contact_us, 5);
	OK(count_streams(s, STREAM_ENDED, &n));
	assert_int_equal(n, 1);
	OK(count_streams(s, STREAM_LIVE, &n));
	assert_int_equal(n, 0);
	OK(commit(s));
}

static void
case_nothing_remains_of_a_rollback(struct store *s)
{
	struct store_stream st = { .id = stream_of(1), .proxy = "p" };
	uint64_t n;

	OK(begin(s));
	lock(s, &st, 1);
	assert_true(put(s, 1, 1, 1));
	assert_true(finish(s, 1, 2, 2));
	s->ops->rollback(s);
	s->ops->rollback(s); /* harmless */
	OK(begin(s));
	OK(count_streams(s, STREAM_LIVE, &n));
	assert_int_equal(n, 0);
	assert_int_equal(running(s, 1), 0);
	assert_true(finish(s, 1, 2, 2));
	OK(commit(s));
}

static void
case_a_running_row_only_rises(struct store *s)
{
	struct store_session row = row_of(1, 1, 1), *rows[] = { &row };
	struct id id = stream_of(1);
	struct seen seen = { 0 };

	OK(begin(s));
	OK(put_active(s, rows, 1));
	assert_true(row.stored);
	row.seq = 4;
	row.bytes_up = 5;
	row.bytes_down = 50;
	row.destinations = 3;
	row.duration_us = 500;
	row.user = STR("mallory");
	OK(put_active(s, rows, 1));
	assert_true(row.stored);
	OK(put_active(s, rows, 1));
	assert_false(row.stored); /* the same seq again */
	row.seq = 3;
	OK(put_active(s, rows, 1));
	assert_false(row.stored);
	OK(each_active(s, &id, see, &seen));
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.first.bytes_up, 10);
	assert_int_equal(seen.first.bytes_down, 50);
	assert_int_equal(seen.first.destinations, 3);
	assert_int_equal(seen.first.duration_us, 500);
	assert_int_equal(seen.first.seq, 4);
	assert_string_equal(seen.user, "alice");
	OK(commit(s));
}

static void
case_a_row_belongs_to_its_stream(struct store *s)
{
	OK(begin(s));
	assert_true(put(s, 1, 1, 1));
	assert_false(put(s, 2, 1, 9));
	assert_false(finish(s, 2, 1, 9));
	assert_int_equal(running(s, 1), 1);
	assert_int_equal(running(s, 2), 0);
	assert_true(finish(s, 1, 1, 2));
	assert_int_equal(running(s, 1), 0);
	OK(commit(s));
}

static void
case_what_ended_stays(struct store *s)
{
	OK(begin(s));
	assert_true(finish(s, 1, 1, 1));
	assert_false(finish(s, 1, 1, 2));
	assert_false(finish(s, 2, 1, 2));
	assert_false(put(s, 1, 1, 3));
	assert_int_equal(running(s, 1), 0);
	OK(commit(s));
}

static void
case_only_refused_rows_say_so(struct store *s)
{
	struct store_session a = row_of(1, 1, 1), b = row_of(1, 1, 2),
			     c = row_of(1, 2, 3), *rows[] = { &a, &b, &c };

	OK(begin(s));
	OK(add_sessions(s, rows, 3));
	assert_true(a.stored);
	assert_false(b.stored);
	assert_true(c.stored);
	OK(add_sessions(s, rows, 0));
	OK(put_active(s, rows, 0));
	OK(commit(s));
}

static void
case_running_rows_read_as_written(struct store *s)
{
	struct store_session row = row_of(1, 1, 1), *rows[] = { &row };
	struct id id = stream_of(1);
	struct seen seen = { 0 };

	row.source_port = 65535;
	row.destinations = INT32_MAX;
	row.claimed_user = STR("r\xc3\xb6ot");
	row.command = COMMAND_UDP;
	row.incomplete = 1;
	row.bytes_up = (uint64_t)INT64_MAX;
	OK(begin(s));
	OK(put_active(s, rows, 1));
	OK(each_active(s, &id, see, &seen));
	OK(commit(s));
	assert_true(id_eq(&seen.first.id, &row.id));
	assert_true(id_eq(&seen.first.stream, &row.stream));
	assert_int_equal(seen.first.started_us, row.started_us);
	assert_int_equal(seen.first.source_port, 65535);
	assert_int_equal(seen.first.destinations, INT32_MAX);
	assert_int_equal(seen.first.claimed_user.len, 5);
	assert_int_equal(seen.first.dest_port, STORE_NULL);
	assert_int_equal(seen.first.command, COMMAND_UDP);
	assert_int_equal(seen.first.incomplete, 1);
	assert_int_equal(seen.first.bytes_up, INT64_MAX);
	assert_int_equal(seen.first.listener.len, 0);
}

static void
case_sums_add_up_and_stop(struct store *s)
{
	struct store_rollup sum = { .dimension = ROLLUP_USER,
		.hour_us = 0,
		.key = STR("alice"),
		.sessions = 2,
		.bytes_up = 10,
		.duration_us = (uint64_t)INT64_MAX };

	OK(begin(s));
	OK(add_rollups(s, &sum, 1));
	OK(add_rollups(s, &sum, 1));
	sum.key = STR("");
	OK(add_rollups(s, &sum, 1));
	OK(commit(s));
}

static void
case_silent_streams(struct store *s)
{
	struct id ids[4];
	size_t n;

	OK(begin(s));
	for (unsigned i = 1; i <= 6; i++) {
		struct store_stream st = { .id = stream_of(i), .proxy = "p" };

		lock(s, &st, i * 10);
		st.state = i == 2 ? STREAM_ENDED : STREAM_LIVE;
		OK(move_stream(s, &st));
	}
	OK(silent_streams(s, 10, ids, 4, &n));
	assert_int_equal(n, 0);
	OK(silent_streams(s, 31, ids, 4, &n));
	assert_int_equal(n, 2);
	OK(silent_streams(s, 1000, ids, 4, &n));
	assert_int_equal(n, 4);
	OK(commit(s));
}

static void
case_streams_are_locked_together(struct store *s)
{
	struct store_stream st[3] = { { .id = stream_of(1), .proxy = "a" },
		{ .id = stream_of(2), .proxy = "b" },
		{ .id = stream_of(3), .proxy = "c" } };
	struct store_stream *all[] = { &st[0], &st[1], &st[2] };

	OK(begin(s));
	lock(s, &st[1], 5);
	st[1].next_seq = 9;
	OK(move_stream(s, &st[1]));
	memcpy(st[1].proxy, "x", 2);
	OK(lock_streams(s, all, 3, 7));
	assert_int_equal(st[0].next_seq, 1);
	assert_int_equal(st[0].last_contact_us, 7);
	assert_int_equal(st[1].next_seq, 9);
	assert_int_equal(st[1].last_contact_us, 5);
	assert_string_equal(st[1].proxy, "b");
	assert_string_equal(st[2].proxy, "c");
	OK(commit(s));
}

/* Days, because PostgreSQL keeps whole ones. */
static void
case_old_sessions_go(struct store *s)
{
	static const uint64_t day_us = UINT64_C(86400000000);
	uint64_t gone, all = 0;
	bool more = true;

	OK(begin(s));
	for (unsigned i = 0; i < 10; i++) {
		struct store_session row = row_of(1, i, i + 1);
		struct store_session *rows[] = { &row };

		row.started_us = (i < 7 ? 10 : 12) * day_us + i;
		OK(add_sessions(s, rows, 1));
		assert_true(row.stored);
	}
	OK(commit(s));
	for (unsigned slices = 0; more; slices++) {
		assert_true(slices < 4);
		OK(begin(s));
		OK(delete_old(
		    s, HISTORY_SESSIONS, 11 * day_us, 5, &gone, &more));
		OK(commit(s));
		all += gone;
	}
	assert_int_equal(all, 7);
	OK(tidy(s));
	OK(begin(s));
	for (unsigned i = 6; i < 8; i++) {
		struct store_session row = row_of(1, i, i + 1);
		struct store_session *rows[] = { &row };

		row.started_us = (i < 7 ? 10 : 12) * day_us + i;
		OK(add_sessions(s, rows, 1));
		assert_int_equal(row.stored, i == 6); /* it was removed */
	}
	OK(commit(s));
}

static void
case_room_is_made_ahead(struct store *s)
{
	uint64_t stray = 77;

	OK(look_ahead(s, &stray));
	assert_int_equal(stray, 0);
	OK(look_ahead(s, &stray));
	assert_int_equal(stray, 0);
}

static void
case_many_rows_in_one_call(struct store *s)
{
	enum { N = 3000 };
	static struct store_session rows[N];
	static struct store_session *list[N];
	unsigned stored = 0;

	for (unsigned i = 0; i < N; i++) {
		rows[i] = row_of(1, i / 2 * 2, i + 1); /* each twice */
		list[i] = &rows[i];
	}
	OK(begin(s));
	assert_true(put(s, 1, 0, 1));
	assert_true(put(s, 2, 2, 1)); /* another stream's */
	OK(add_sessions(s, list, N));
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(rows[i].stored, i % 2 == 0 && i != 2 ? 1 : 0);
		stored += rows[i].stored;
	}
	assert_int_equal(stored, N / 2 - 1);
	assert_int_equal(running(s, 1), 0);
	assert_int_equal(running(s, 2), 1);
	OK(commit(s));
}

static void
case_gaps_and_quarantine(struct store *s)
{
	struct store_gap g = { .stream = stream_of(1),
		.first_seq = 3,
		.last_seq = 9,
		.proxy = STR("p"),
		.reason = STR("why"),
		.noticed_us = 50 };
	struct store_quarantine q = { .stream = stream_of(1),
		.seq = 12,
		.proxy = STR("p"),
		.reason = STR("unknown"),
		.body = STR("\0\xff\1\2"),
		.received_us = 60 };
	uint64_t gone;
	bool more;

	OK(begin(s));
	OK(add_gap(s, &g));
	OK(add_gap(s, &g)); /* noted once */
	OK(add_quarantine(s, &q));
	q.seq++;
	q.body = STR("");
	OK(add_quarantine(s, &q));
	OK(delete_old(s, HISTORY_GAPS, 50, 10, &gone, &more));
	assert_int_equal(gone, 0);
	OK(delete_old(s, HISTORY_GAPS, 51, 10, &gone, &more));
	assert_int_equal(gone, 1);
	OK(delete_old(s, HISTORY_QUARANTINE, 61, 10, &gone, &more));
	assert_int_equal(gone, 2);
	OK(commit(s));
}

static void
case_live_streams_do_not_grow_old(struct store *s)
{
	uint64_t gone;
	bool more;

	OK(begin(s));
	for (unsigned i = STREAM_LIVE; i <= STREAM_LOST; i++) {
		struct store_stream st = { .id = stream_of(i), .proxy = "p" };

		lock(s, &st, 10);
		st.state = (enum store_stream_state)i;
		OK(move_stream(s, &st));
	}
	OK(delete_old(s, HISTORY_STREAMS, 11, 10, &gone, &more));
	assert_int_equal(gone, 2);
	OK(commit(s));
}

static void
case_old_sums_go(struct store *s)
{
	struct store_rollup sums[] = {
		{ .dimension = ROLLUP_TOTAL, .hour_us = 100, .sessions = 1 },
		{ .dimension = ROLLUP_USER, .hour_us = 100, .key = STR("a") },
		{ .dimension = ROLLUP_USER, .hour_us = 200, .key = STR("a") },
	};
	uint64_t gone;
	bool more;

	OK(begin(s));
	OK(add_rollups(s, sums, 3));
	OK(delete_old(s, HISTORY_ROLLUPS, 200, 10, &gone, &more));
	assert_int_equal(gone, 2);
	OK(commit(s));
}

static struct store_event
event_of(unsigned family, unsigned n)
{
	struct id id = id_of(family, n);

	return (struct store_event){
		.id = id,
		.at_us = id_ms(&id) * 1000,
		.severity = SEVERITY_ERROR,
		.category = STR("auth"),
		.event = STR("backend_down"),
		.component = STR("authd"),
		.instance = STR("host"),
	};
}

static void
note(struct store *s, unsigned family, unsigned n)
{
	struct store_event e = event_of(family, n);

	OK(add_event(s, &e));
}

/* How many go; `more` is checked. */
static uint64_t
trim(struct store *s, uint64_t before_us, uint64_t most, unsigned max,
    bool want_more)
{
	uint64_t gone = 77;
	bool more = !want_more;

	OK(trim_events(s, before_us, most, max, &gone, &more));
	assert_int_equal(more, want_more);
	return gone;
}

static void
case_an_event_is_kept_once(struct store *s)
{
	struct store_event e = event_of(1, 1);

	OK(begin(s));
	OK(add_event(s, &e));
	OK(add_event(s, &e));
	e.message = STR("other words");
	e.details = STR("no JSON: '\"\\");
	e.suppressed = (uint64_t)INT64_MAX;
	OK(add_event(s, &e)); /* of the same id */
	OK(commit(s));
	OK(begin(s));
	OK(add_event(s, &e)); /* also in a later transaction */
	note(s, 2, 1);        /* another of the same time */
	assert_int_equal(trim(s, INT64_MAX, 9, 9, false), 2);
	OK(commit(s));
}

static void
case_nothing_remains_of_events_rolled_back(struct store *s)
{
	OK(begin(s));
	note(s, 1, 1);
	OK(commit(s));
	OK(begin(s));
	note(s, 1, 2);
	assert_int_equal(trim(s, INT64_MAX, 9, 9, false), 2);
	s->ops->rollback(s);
	OK(begin(s));
	assert_int_equal(trim(s, INT64_MAX, 9, 9, false), 1);
	OK(commit(s));
}

static void
case_old_events_go(struct store *s)
{
	uint64_t second = started_ms_of(2) * 1000;

	OK(begin(s));
	for (unsigned i = 3; i >= 1; i--)
		note(s, 1, i);
	assert_int_equal(trim(s, 0, 9, 9, false), 0);
	assert_int_equal(trim(s, second - 1, 9, 9, false), 1);
	assert_int_equal(trim(s, second, 9, 9, false), 0);
	assert_int_equal(trim(s, second + 1, 9, 9, false), 1);
	assert_int_equal(trim(s, INT64_MAX, 9, 9, false), 1);
	assert_int_equal(trim(s, INT64_MAX, 9, 9, false), 0);
	OK(commit(s));
}

/* The newest stay; those of one time by their ids. */
static void
case_only_the_newest_events_stay(struct store *s)
{
	uint64_t last = started_ms_of(4) * 1000;

	OK(begin(s));
	for (unsigned i = 4; i >= 1; i--)
		note(s, i % 2, i);
	note(s, 9, 4);
	assert_int_equal(trim(s, 0, 6, 9, false), 0);
	assert_int_equal(trim(s, 0, 5, 9, false), 0);
	assert_int_equal(trim(s, 0, 4, 9, false), 1);
	assert_int_equal(trim(s, 0, 2, 9, false), 2);
	assert_int_equal(trim(s, last, 2, 9, false), 0);
	assert_int_equal(trim(s, last, 1, 9, false), 1);
	note(s, 0, 4); /* the one that went: there is room for it again */
	assert_int_equal(trim(s, last + 1, 1, 9, false), 2);
	OK(commit(s));
}

/* Oldest first, whichever of the two bounds it is. */
static void
case_events_go_in_slices(struct store *s)
{
	OK(begin(s));
	for (unsigned i = 0; i < 10; i++)
		note(s, 1, i);
	assert_int_equal(trim(s, 0, 4, 2, true), 2);
	assert_int_equal(
	    trim(s, started_ms_of(3) * 1000, 10, 2, false), 1); /* 2 */
	assert_int_equal(trim(s, 0, 4, 2, true), 2);
	assert_int_equal(trim(s, 0, 4, 2, false), 1);
	assert_int_equal(trim(s, started_ms_of(9) * 1000, 4, 3, true), 3);
	assert_int_equal(trim(s, started_ms_of(9) * 1000, 4, 3, false), 0);
	OK(commit(s));
}

void
store_contract_run(
    void (*fresh)(struct store **s), void (*gone)(struct store **s))
{
	static void (*const cases[])(struct store * s) = {
		case_a_stream_begins_at_one,
		case_a_stream_moves,
		case_nothing_remains_of_a_rollback,
		case_a_running_row_only_rises,
		case_a_row_belongs_to_its_stream,
		case_what_ended_stays,
		case_only_refused_rows_say_so,
		case_running_rows_read_as_written,
		case_sums_add_up_and_stop,
		case_silent_streams,
		case_streams_are_locked_together,
		case_old_sessions_go,
		case_room_is_made_ahead,
		case_many_rows_in_one_call,
		case_gaps_and_quarantine,
		case_live_streams_do_not_grow_old,
		case_old_sums_go,
		case_an_event_is_kept_once,
		case_nothing_remains_of_events_rolled_back,
		case_old_events_go,
		case_only_the_newest_events_stay,
		case_events_go_in_slices,
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct store *s;

		fresh(&s);
		cases[i](s);
		gone(&s);
	}
}
