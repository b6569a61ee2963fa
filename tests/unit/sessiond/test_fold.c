/* SPDX-License-Identifier: MIT */
/*
 * The property: however the records of streams are cut into batches and
 * commits, repeated, overlapped or lost, and whatever call of the database
 * fails in between, the tables equal a fold of one record after the other.
 */
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

#define RUNS     30
#define STREAMS  3
#define SESSIONS 12 /* a stream */
#define RECORDS  80 /* a stream */
#define GROUP    6  /* batches a commit, at most */

/* --- Numbers that a seed repeats. --- */

static uint64_t rng;

static unsigned
pick(unsigned below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (unsigned)(rng % below);
}

/* --- The model: one record after the other. --- */

struct session {
	enum { ABSENT, RUNS_NOW, ENDED } state;
	bool incomplete;
	uint64_t bytes_up, seq;
	const char *reason;
};

struct stream {
	struct body *bodies[RECORDS];
	enum { BAD, OPEN, UPDATE, CLOSE, END } kind[RECORDS];
	unsigned session[RECORDS];
	uint64_t bytes[RECORDS];
	unsigned n;
	/* what the model says */
	struct session sessions[SESSIONS];
	uint64_t next_seq, lost, gaps, quarantined;
	bool ended;
};

static struct stream streams[STREAMS];

static void
model_running(struct stream *s, struct session *w, bool open, uint64_t seq,
    uint64_t bytes)
{
	if (w->state == ENDED) {
		s->quarantined++;
		return;
	}
	if (w->state == ABSENT) {
		w->state = RUNS_NOW;
		w->incomplete = !open;
	}
	if (bytes > w->bytes_up)
		w->bytes_up = bytes;
	w->seq = seq;
}

static void
model_record(struct stream *s, unsigned i, uint64_t seq)
{
	struct session *w = &s->sessions[s->session[i]];

	switch (s->kind[i]) {
	case BAD: s->quarantined++; break;
	case OPEN:
	case UPDATE:
		model_running(s, w, s->kind[i] == OPEN, seq, s->bytes[i]);
		break;
	case CLOSE:
		if (w->state == ENDED) {
			s->quarantined++;
			break;
		}
		*w = (struct session){ ENDED, false, s->bytes[i], seq,
			"client_closed" };
		break;
	case END:
		s->ended = true;
		for (unsigned k = 0; k < SESSIONS; k++) {
			w = &s->sessions[k];
			if (w->state == RUNS_NOW) {
				w->state = ENDED;
				w->seq = seq;
				w->reason = "shutdown";
			}
		}
		break;
	}
}

static void
model_batch(struct stream *s, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n && !s->ended; i++) {
		uint64_t seq = i + 1;

		if (seq < s->next_seq)
			continue;
		if (seq > s->next_seq) {
			s->lost += seq - s->next_seq;
			s->gaps++;
		}
		s->next_seq = seq + 1;
		model_record(s, i, seq);
	}
}

/* --- Streams, well and badly behaved. --- */

static void
add_record(struct stream *s, unsigned family, unsigned kind, unsigned n)
{
	unsigned i = s->n++;

	s->kind[i] = kind;
	s->session[i] = n;
	s->bytes[i] = kind == OPEN ? 0 : pick(5000);
	switch (kind) {
	case OPEN: s->bodies[i] = body_open(family, n); break;
	case UPDATE: s->bodies[i] = body_update(family, n, s->bytes[i]); break;
	case CLOSE: s->bodies[i] = body_close(family, n, s->bytes[i]); break;
	case END: s->bodies[i] = body_end("shutdown"); break;
	default:
		s->bodies[i] = pick(2) ? body_raw("\x01\x01\0\0\xff", 5)
				       : body_raw("\x2a\x01\0\0\0", 5);
		break;
	}
}

static void
make_stream(struct stream *s, unsigned family)
{
	unsigned n = 10 + pick(RECORDS - 11);

	*s = (struct stream){ .next_seq = 1 };
	while (s->n < n) {
		unsigned what = pick(20);

		add_record(s, family,
		    what == 0   ? BAD
		    : what < 8  ? OPEN
		    : what < 14 ? UPDATE
				: CLOSE,
		    pick(SESSIONS));
	}
	if (pick(2))
		add_record(s, family, END, 0);
	if (s->n < RECORDS && pick(3) == 0)
		add_record(s, family, OPEN, pick(SESSIONS));
}

/* --- The run. --- */

struct run {
	struct base base;
	struct faulty faulty;
	struct metrics *metrics;
	struct apply *apply;
	unsigned sent[STREAMS]; /* records that were sent once */
};

/* The next piece of a stream: mostly what follows, at times earlier records
 * again, at times (when `holes`) later ones. */
static void
next_piece(struct run *r, unsigned s, bool holes, unsigned *from, unsigned *n)
{
	unsigned at = r->sent[s];

	if (at > 0 && pick(3) == 0)
		at -= pick(at < 10 ? at : 10) + 1;
	else if (holes && pick(6) == 0)
		at += pick(4);
	if (at >= streams[s].n)
		at = streams[s].n - 1;
	*from = at;
	*n = 1 + pick(streams[s].n - at < 25 ? streams[s].n - at : 25);
	if (*from + *n > r->sent[s])
		r->sent[s] = *from + *n;
}

static void
commit_group(struct run *r, struct apply_batch **group, unsigned n)
{
	enum store_result result;

	if (pick(3) == 0) {
		r->faulty.fail_at = 1 + pick(15);
		r->faulty.fail_with = pick(2) ? STORE_BUSY : STORE_POISON;
		if (r->faulty.fail_with == STORE_POISON)
			r->faulty.fail_at = 1; /* of begin: the group only */
	}
	do {
		result = apply_batches(r->apply, group, n);
		assert_true(result == STORE_OK || result == STORE_BUSY);
	} while (result != STORE_OK);
	r->faulty.fail_at = 0;
	for (unsigned i = 0; i < n; i++)
		batch_free(group[i]);
}

static bool
all_sent(const struct run *r)
{
	for (unsigned s = 0; s < STREAMS; s++)
		if (r->sent[s] < streams[s].n)
			return false;
	return true;
}

static void
play(struct run *r, bool holes)
{
	while (!all_sent(r)) {
		struct apply_batch *group[GROUP];
		unsigned n = 1 + pick(GROUP);

		for (unsigned i = 0; i < n; i++) {
			unsigned s = pick(STREAMS), from, count;
			struct id id = stream_of(s);

			next_piece(r, s, holes, &from, &count);
			group[i] = batch_of(&id, "p", from + 1,
			    &streams[s].bodies[from], count);
			model_batch(&streams[s], from, count);
		}
		commit_group(r, group, n);
		if (pick(10) == 0) { /* sessiond dies and comes back */
			apply_free(&r->apply);
			base_reopen(&r->base);
			faulty_init(&r->faulty, r->base.store);
			r->apply = apply_new(
			    &r->faulty.store, metrics_thread(r->metrics));
		}
	}
}

/* --- Model and tables side by side, as text. --- */

static void
expect_rows(struct bytes *want, unsigned state)
{
	for (unsigned s = 0; s < STREAMS; s++) {
		for (unsigned k = 0; k < SESSIONS; k++) {
			const struct session *w = &streams[s].sessions[k];

			if ((unsigned)w->state == state)
				bytes_fmt(want, "%u/%u %ju %ju %d %s\n", s, k,
				    (uintmax_t)w->bytes_up, (uintmax_t)w->seq,
				    w->incomplete,
				    w->reason != NULL ? w->reason : "-");
		}
	}
	bytes_add(want, "", 1);
}

static void
dump(struct base *b, struct bytes *out, const char *sql)
{
	sqlite3 *db = base_reader(b);
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		die("%s: %s", sql, sqlite3_errmsg(db));
	while (sqlite3_step(st) == SQLITE_ROW) {
		const uint8_t *id = sqlite3_column_blob(st, 0);
		unsigned n;

		memcpy(&n, id + 12, sizeof(n));
		bytes_fmt(out, "%u/%u %s\n", id[11], n,
		    (const char *)sqlite3_column_text(st, 1));
	}
	sqlite3_finalize(st);
	bytes_add(out, "", 1);
}

static void
compare(struct run *r, unsigned state, const char *sql)
{
	struct bytes want = { 0 }, got = { 0 };

	expect_rows(&want, state);
	dump(&r->base, &got, sql);
	assert_string_equal(got.ptr, want.ptr);
	bytes_fini(&want);
	bytes_fini(&got);
}

#define ORDER " ORDER BY substr(id, 11, 2), substr(id, 13, 1)"

static void
compare_streams(struct run *r)
{
	uint64_t lost = 0, gaps = 0, quarantined = 0;

	for (unsigned s = 0; s < STREAMS; s++) {
		char *sql = xasprintf(
		    "SELECT next_seq || ' ' || (state = 2) "
		    "FROM audit_stream WHERE substr(hex(stream_id), 31) = "
		    "'%02X'",
		    s);
		char *want = xasprintf(
		    "%ju %d", (uintmax_t)streams[s].next_seq, streams[s].ended);

		assert_string_equal(base_text(&r->base, sql), want);
		free(sql);
		free(want);
		lost += streams[s].lost;
		gaps += streams[s].gaps;
		quarantined += streams[s].quarantined;
	}
	assert_int_equal(
	    base_number(&r->base, "SELECT coalesce(sum(last_seq -"
				  " first_seq + 1), 0) FROM audit_gap"),
	    lost);
	assert_int_equal(
	    base_number(&r->base, "SELECT count(*) FROM audit_gap"), gaps);
	assert_int_equal(
	    base_number(&r->base, "SELECT count(*) FROM audit_quarantine"),
	    quarantined);
	assert_int_equal(
	    metrics_value(r->metrics, M_audit_records_lost_total, 0), lost);
	assert_int_equal(
	    metrics_value(r->metrics, M_audit_records_quarantined_total, 0),
	    quarantined);
}

/* Both ways, so that a missing row is seen as well as a wrong one. */
static void
compare_rollups(struct run *r)
{
	static const char sums[] =
	    "SELECT d, h, k, count(*), sum(status = 1), sum(status = 2), "
	    "sum(status = 3), sum(acl_decision = 1), sum(acl_decision = 2), "
	    "sum(acl_decision = 3), sum(bytes_up), sum(bytes_down), "
	    "sum(duration_us) FROM (SELECT s.*, started_at - started_at % "
	    "3600000000 AS h, column1 AS d, CASE column1 WHEN 0 THEN '' WHEN 1"
	    " THEN username WHEN 2 THEN dest_host "
	    "WHEN 3 THEN acl_rule_matched WHEN 4 THEN close_reason ELSE "
	    "CASE WHEN status != 3 THEN (SELECT le FROM (SELECT 0.1 AS up, "
	    "'0.1'"
	    " AS le UNION ALL VALUES (0.5, '0.5'), (1, '1'), (5, '5'), (15, "
	    "'15'),"
	    " (60, '60'), (300, '300'), (900, '900'), (1800, '1800'), (3600, "
	    "'3600'), (7200, '7200'), (21600, '21600'), (86400, '86400'), "
	    "(9e99, '+Inf')) WHERE duration_us <= up * 1000000 ORDER BY up "
	    "LIMIT 1) END END AS k FROM session AS s, "
	    "(VALUES (0), (1), (2), (3), (4), (5))) "
	    "WHERE k IS NOT NULL GROUP BY d, h, k";
	static const char rows[] = "SELECT * FROM rollup_hour";
	char *sql = xasprintf("SELECT (SELECT count(*) FROM (%s EXCEPT %s)) + "
			      "(SELECT count(*) FROM (%s EXCEPT %s))",
	    rows, sums, sums, rows);

	assert_int_equal(base_number(&r->base, sql), 0);
	free(sql);
}

static void
one_run(uint64_t seed, bool holes)
{
	struct run r = { 0 };

	rng = seed;
	for (unsigned s = 0; s < STREAMS; s++)
		make_stream(&streams[s], s);
	base_open(&r.base);
	faulty_init(&r.faulty, r.base.store);
	r.metrics =
	    metrics_new("sallyport", NULL, sessiond_metrics, SESSIOND_METRICS);
	r.apply = apply_new(&r.faulty.store, metrics_thread(r.metrics));
	play(&r, holes);
	compare(&r, RUNS_NOW,
	    "SELECT id, bytes_up || ' ' || last_seq || ' ' "
	    "|| incomplete || ' -' FROM session_active" ORDER);
	compare(&r, ENDED,
	    "SELECT id, bytes_up || ' ' || close_seq || ' ' || "
	    "incomplete || ' ' || close_reason FROM session" ORDER);
	compare_streams(&r);
	compare_rollups(&r);
	apply_free(&r.apply);
	metrics_free(&r.metrics);
	base_close(&r.base);
	for (unsigned s = 0; s < STREAMS; s++)
		for (unsigned i = 0; i < streams[s].n; i++)
			free(streams[s].bodies[i]);
}

static void
many_runs(bool holes)
{
	uint64_t seed = clock_wall_us() | 1;

	for (unsigned i = 0; i < (base_server() ? RUNS / 5 : RUNS); i++) {
		/* A failure prints the last of these. */
		print_message("seed %ju\n", (uintmax_t)(seed + 2 * i));
		one_run(seed + 2 * i, holes);
	}
}

static void
test_without_loss(void **state)
{
	(void)state;
	many_runs(false);
	/* ... and the model itself saw no loss */
	for (unsigned s = 0; s < STREAMS; s++)
		assert_int_equal(streams[s].lost, 0);
}

static void
test_with_holes(void **state)
{
	(void)state;
	many_runs(true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_loss),
		cmocka_unit_test(test_with_holes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
