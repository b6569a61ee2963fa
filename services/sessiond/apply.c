/* SPDX-License-Identifier: MIT */
#include "sessiond/apply.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "sessiond/arena.h"
#include "sessiond/ingest.h"
#include "sessiond/live.h"
#include "sessiond/metrics.h"
#include "sessiond/rollup.h"

#define LOST_STREAMS_MAX 16

/* Part of a batch; the whole of it but for the search for a bad record. */
struct slice {
	const struct batch *batch;
	unsigned from, n;
	size_t order; /* of arrival */
};

/* A stream in the transaction under way. */
struct run {
	struct store_stream stream;
	bool heard; /* it said something that counts */
	bool ended;
	uint64_t end_seq;
	struct live_end end;
};

/* What a transaction will have counted once it is committed. */
struct tally {
	uint64_t records[METRICS_TYPES][FATES];
	uint64_t batches[BATCH_FATES];
	uint64_t lost, gaps, quarantined;
	size_t sessions, events;
};

struct apply {
	struct store *store;
	struct metrics_cells *cells;
	struct arena *arena;
	struct live *live;
	struct rollup *rollup;
	uint64_t events; /* committed */
	/* of the transaction under way */
	uint64_t now_us;
	bool refuse; /* to the quarantine with every record */
	struct tally tally;
	struct run *runs;
	size_t n_runs;
	struct store_session *const *closed;
	size_t n_closed;
};

struct apply *
apply_new(struct store *s, struct metrics_cells *cells)
{
	struct apply *a = xcalloc(1, sizeof(*a));

	a->store = s;
	a->cells = cells;
	a->arena = arena_new();
	a->live = live_new(a->arena);
	a->rollup = rollup_new(a->arena);
	return a;
}

static void
start_over(struct apply *a)
{
	live_reset(a->live);
	rollup_reset(a->rollup);
	arena_reset(a->arena);
	a->now_us = clock_wall_us();
	a->tally = (struct tally){ 0 };
	a->runs = NULL;
	a->n_runs = 0;
	a->closed = NULL;
	a->n_closed = 0;
}

static uint8_t
type_of(struct str body)
{
	return body.len > 0 ? (uint8_t)body.ptr[0] : 0;
}

static void
count_record(struct apply *a, struct str body, enum record_fate fate)
{
	uint8_t type = type_of(body);

	a->tally.records[type < METRICS_TYPES ? type : 0][fate]++;
	a->tally.quarantined += fate == FATE_QUARANTINED;
}

static enum store_result
quarantine(struct apply *a, const struct id *stream, struct str proxy,
    uint64_t seq, struct str body, struct str reason)
{
	struct store_quarantine q = {
		.stream = *stream,
		.seq = seq,
		.proxy = proxy,
		.reason = reason,
		.body = body,
		.received_us = a->now_us,
	};

	count_record(a, body, FATE_QUARANTINED);
	return a->store->ops->add_quarantine(a->store, &q);
}

static enum store_result
note_gap(struct apply *a, const struct run *run, uint64_t lost)
{
	struct store_gap g = {
		.stream = run->stream.id,
		.first_seq = run->stream.next_seq,
		.last_seq = run->stream.next_seq + lost - 1,
		.proxy = str_from(run->stream.proxy),
		.reason = STR("not_received"),
		.noticed_us = a->now_us,
	};

	a->tally.gaps++;
	a->tally.lost += lost;
	return a->store->ops->add_gap(a->store, &g);
}

static enum store_result
take_record(struct apply *a, struct run *run, uint64_t seq, struct str body)
{
	static const struct str reasons[] = {
		[LIVE_MALFORMED] = STR("malformed"),
		[LIVE_UNKNOWN] = STR("unknown"),
		[LIVE_CONFLICT] = STR("conflict"),
	};
	struct live_source from = {
		.stream = run->stream.id,
		.proxy = str_from(run->stream.proxy),
		.received_us = a->now_us,
	};
	enum live_result r;

	run->stream.next_seq = seq + 1;
	if (a->refuse)
		return quarantine(
		    a, &from.stream, from.proxy, seq, body, STR("refused"));
	r = live_add(a->live, &from, seq, body, &run->end);
	if (r != LIVE_OK && r != LIVE_END)
		return quarantine(
		    a, &from.stream, from.proxy, seq, body, reasons[r]);
	count_record(a, body, FATE_APPLIED);
	if (r == LIVE_END) {
		run->ended = true;
		run->end_seq = seq;
		run->stream.state = STREAM_ENDED;
		run->stream.end_reason = run->end.reason;
	}
	return STORE_OK;
}

static void
count_slice(struct apply *a, const struct slice *s, unsigned from, unsigned to,
    enum record_fate fate)
{
	for (unsigned i = from; i < to; i++)
		count_record(a, s->batch->records[s->from + i], fate);
}

static enum store_result
take_slice(struct apply *a, struct run *run, const struct slice *s)
{
	uint64_t first = s->batch->first_seq + s->from;
	struct ingest_place p =
	    ingest_judge(&run->stream, s->batch->proxy, first, s->n);
	enum store_result r = STORE_OK;
	unsigned i;

	if (s->from == 0)
		a->tally.batches[p.verdict]++;
	run->heard |= p.verdict == INGEST_APPLY || p.verdict == INGEST_KNOWN;
	if (p.verdict != INGEST_APPLY) {
		count_slice(a, s, 0, s->n,
		    p.verdict == INGEST_KNOWN ? FATE_KNOWN : FATE_REFUSED);
		return STORE_OK;
	}
	run->stream.state = STREAM_LIVE; /* it may have been lost */
	count_slice(a, s, 0, p.skip, FATE_KNOWN);
	if (p.lost > 0)
		r = note_gap(a, run, p.lost);
	for (i = p.skip; i < s->n && r == STORE_OK && !run->ended; i++)
		r = take_record(
		    a, run, first + i, s->batch->records[s->from + i]);
	count_slice(a, s, i, s->n, FATE_REFUSED);
	return r;
}

/* Under no stream: there is no position, so that nothing is ever missing, and
 * what an event's id does not tell from others may be stored once only. */
static enum store_result
take_told(struct apply *a, const struct slice *s)
{
	struct live_source from = { .proxy = str_from(s->batch->proxy),
		.received_us = a->now_us };

	if (s->from == 0)
		a->tally.batches[INGEST_APPLY]++;
	for (unsigned i = 0; i < s->n; i++) {
		struct str body = s->batch->records[s->from + i];
		bool taken = !a->refuse && type_of(body) == RECORD_EVENT &&
		    live_add(a->live, &from, 0, body, NULL) == LIVE_OK;

		count_record(a, body, taken ? FATE_APPLIED : FATE_REFUSED);
	}
	return STORE_OK;
}

/* A run for each stream, locked; slices come in the order of their streams. */
static enum store_result
lock_runs(struct apply *a, const struct slice *slices, size_t n)
{
	struct store_stream **streams =
	    arena_get(a->arena, n * sizeof(*streams));

	a->runs = arena_get(a->arena, n * sizeof(*a->runs));
	for (size_t i = 0; i < n; i++) {
		const struct batch *b = slices[i].batch;
		struct run *run = &a->runs[a->n_runs];

		if (id_is_zero(&b->stream) || (a->n_runs > 0 &&
		    id_eq(&run[-1].stream.id, &b->stream)))
			continue;
		run->stream.id = b->stream;
		memcpy(run->stream.proxy, b->proxy, sizeof(run->stream.proxy));
		streams[a->n_runs++] = &run->stream;
	}
	if (a->n_runs == 0)
		return STORE_OK;
	return a->store->ops->lock_streams(
	    a->store, streams, a->n_runs, a->now_us);
}

/* The database refused a row: all records behind it are set aside. */
static enum store_result
set_aside(struct apply *a, const struct store_session *row)
{
	enum store_result r = STORE_OK;
	const struct live_record *rec = live_records(row);

	for (; rec != NULL && r == STORE_OK; rec = rec->next) {
		uint8_t type = type_of(rec->body);

		a->tally.records[type][FATE_APPLIED]--;
		r = quarantine(a, &row->stream, row->proxy, rec->seq, rec->body,
		    STR("conflict"));
	}
	return r;
}

static enum store_result
write_rows(struct apply *a)
{
	const struct store_ops *ops = a->store->ops;
	struct store_session *const *rows;
	enum store_result r;
	size_t n;

	rows = live_rows(a->live, false, &n);
	r = ops->put_active(a->store, rows, n);
	for (size_t i = 0; i < n && r == STORE_OK; i++) {
		if (!rows[i]->stored)
			r = set_aside(a, rows[i]);
	}
	a->closed = live_rows(a->live, true, &a->n_closed);
	if (r == STORE_OK)
		r = ops->add_sessions(a->store, a->closed, a->n_closed);
	for (size_t i = 0; i < a->n_closed && r == STORE_OK; i++) {
		if (!a->closed[i]->stored) {
			r = set_aside(a, a->closed[i]);
			continue;
		}
		rollup_add(a->rollup, a->closed[i]);
		a->tally.sessions++;
	}
	return r;
}

static enum store_result
write_events(struct apply *a)
{
	const struct live_event *e = live_events(a->live);
	enum store_result r = STORE_OK;

	for (; e != NULL && r == STORE_OK; e = e->next) {
		r = a->store->ops->add_event(a->store, &e->row);
		a->tally.events++;
	}
	return r;
}

struct leftover {
	struct leftover *next;
	struct store_session row;
};

struct leftovers {
	struct arena *arena;
	struct leftover *first;
	size_t n;
};

/* Copies a running session out of the store. */
static void
keep_leftover(void *arg, const struct store_session *row)
{
	struct leftovers *all = arg;
	struct leftover *w = arena_get(all->arena, sizeof(*w));
	struct str *texts[] = {
		&w->row.proxy,
		&w->row.listener,
		&w->row.user,
		&w->row.groups,
		&w->row.claimed_user,
		&w->row.source_ip,
		&w->row.dest_host,
		&w->row.dest_ip,
		&w->row.resolved_ips,
		&w->row.rule,
		&w->row.route,
		&w->row.limits,
	};

	w->row = *row;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = arena_str(all->arena, *texts[i]);
	w->next = all->first;
	all->first = w;
	all->n++;
}

/* Closes every session that `run`'s stream left open. */
static enum store_result
end_stream(struct apply *a, const struct run *run)
{
	const struct store_ops *ops = a->store->ops;
	struct leftovers all = { a->arena, NULL, 0 };
	struct store_session **rows;
	enum store_result r;
	size_t n = 0;

	r = ops->each_active(a->store, &run->stream.id, keep_leftover, &all);
	if (r != STORE_OK)
		return r;
	rows = arena_get(a->arena, (all.n + 1) * sizeof(*rows));
	for (struct leftover *w = all.first; w != NULL; w = w->next) {
		live_end_row(&w->row, &run->end, run->end_seq, a->now_us);
		rows[n++] = &w->row;
	}
	r = ops->add_sessions(a->store, rows, n);
	for (size_t i = 0; i < n && r == STORE_OK; i++) {
		if (!rows[i]->stored)
			continue;
		rollup_add(a->rollup, rows[i]);
		a->tally.sessions++;
	}
	return r;
}

static enum store_result
write_rest(struct apply *a)
{
	const struct store_ops *ops = a->store->ops;
	const struct store_rollup *sums;
	enum store_result r = STORE_OK;
	size_t n;

	for (size_t i = 0; i < a->n_runs && r == STORE_OK; i++) {
		if (a->runs[i].ended)
			r = end_stream(a, &a->runs[i]);
	}
	sums = rollup_rows(a->rollup, &n);
	if (r == STORE_OK)
		r = ops->add_rollups(a->store, sums, n);
	for (size_t i = 0; i < a->n_runs && r == STORE_OK; i++) {
		if (a->runs[i].heard) {
			a->runs[i].stream.last_contact_us = a->now_us;
			r = ops->move_stream(a->store, &a->runs[i].stream);
		}
	}
	return r;
}

static void
count(struct apply *a, enum sessiond_metric m, unsigned label, uint64_t n)
{
	if (n > 0)
		metrics_add(a->cells, m, label, n);
}

/* Only what is committed is counted. */
static void
publish_tally(struct apply *a)
{
	const struct tally *t = &a->tally;
	uint64_t now = clock_wall_us();

	for (unsigned i = 0; i < METRICS_TYPES; i++) {
		for (unsigned f = 0; f < FATES; f++)
			count(a, M_audit_records_total,
			    metrics_record_label(
				(uint8_t)i, (enum record_fate)f),
			    t->records[i][f]);
	}
	for (unsigned f = 0; f < BATCH_FATES; f++)
		count(a, M_audit_batches_total, f, t->batches[f]);
	a->events += t->events;
	count(a, M_audit_records_lost_total, 0, t->lost);
	count(a, M_audit_gaps_total, 0, t->gaps);
	count(a, M_audit_records_quarantined_total, 0, t->quarantined);
	if (t->lost > 0)
		log_warn(NULL, "records_lost", log_u64("records", t->lost),
		    log_u64("gaps", t->gaps));
	if (t->quarantined > 0)
		log_warn(NULL, "records_quarantined",
		    log_u64("records", t->quarantined));
	metrics_observe(a->cells, M_db_batch_rows, 0, (double)t->sessions);
	for (size_t i = 0; i < a->n_closed; i++) {
		const struct store_session *row = a->closed[i];

		if (row->stored && row->ended_us <= now)
			metrics_observe(a->cells, M_audit_lag_seconds, 0,
			    (double)(now - row->ended_us) / 1e6);
	}
}

/* Commits if all went well so far; else nothing of it remains. */
static enum store_result
finish(struct apply *a, enum store_result r)
{
	if (r == STORE_OK)
		r = a->store->ops->commit(a->store);
	if (r == STORE_OK)
		publish_tally(a);
	else
		a->store->ops->rollback(a->store);
	return r;
}

static enum store_result
transact(struct apply *a, const struct slice *slices, size_t n)
{
	enum store_result r;

	start_over(a);
	r = a->store->ops->begin(a->store);
	if (r == STORE_OK)
		r = lock_runs(a, slices, n);
	for (size_t i = 0, k = 0; i < n && r == STORE_OK; i++) {
		if (id_is_zero(&slices[i].batch->stream)) {
			r = take_told(a, &slices[i]);
			continue;
		}
		while (!id_eq(&a->runs[k].stream.id, &slices[i].batch->stream))
			k++;
		r = take_slice(a, &a->runs[k], &slices[i]);
	}
	if (r == STORE_OK)
		r = write_rows(a);
	if (r == STORE_OK)
		r = write_events(a);
	if (r == STORE_OK)
		r = write_rest(a);
	return finish(a, r);
}

/*
 * A slice that the database refuses: its first half, then the rest, until the
 * record is found that it chokes on. What is in already is known the second
 * time, so a failure in between loses nothing and doubles nothing.
 */
static enum store_result
search(struct apply *a, struct slice s)
{
	enum store_result r = transact(a, &s, 1);
	struct slice half = s;

	if (r != STORE_POISON)
		return r;
	if (s.n <= 1) {
		a->refuse = true;
		r = transact(a, &s, 1);
		a->refuse = false;
		return r;
	}
	half.n = s.n / 2;
	r = search(a, half);
	if (r != STORE_OK)
		return r;
	half.from += half.n;
	half.n = s.n - half.n;
	return search(a, half);
}

static int
by_stream(const void *pa, const void *pb)
{
	const struct slice *a = pa, *b = pb;
	int r = memcmp(
	    &a->batch->stream, &b->batch->stream, sizeof(a->batch->stream));

	return r != 0 ? r : (a->order > b->order) - (a->order < b->order);
}

enum store_result
apply_batches(struct apply *a, struct apply_batch *const *batches, size_t n)
{
	struct slice *slices = xreallocarray(NULL, n + 1, sizeof(*slices));
	enum store_result r = STORE_OK;
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		const struct batch *b = &batches[i]->batch;

		if (!batches[i]->done)
			slices[k++] = (struct slice){ b, 0, b->n, i };
	}
	qsort(slices, k, sizeof(*slices), by_stream);
	if (k > 0)
		r = transact(a, slices, k);
	for (size_t i = 0; i < k; i++) {
		if (r == STORE_OK)
			batches[slices[i].order]->done = true;
	}
	if (r == STORE_POISON)
		r = STORE_OK;
	for (size_t i = 0; i < k && r == STORE_OK; i++) {
		struct apply_batch *b = batches[slices[i].order];

		if (!b->done)
			r = search(a, slices[i]);
		b->done = r == STORE_OK;
	}
	free(slices);
	return r;
}

static enum store_result
lose_stream(struct apply *a, const struct id *id)
{
	struct run run = { .stream.id = *id, .end_seq = 0 };
	struct store_stream *stream = &run.stream;
	enum store_result r;

	start_over(a);
	r = a->store->ops->begin(a->store);
	if (r == STORE_OK)
		r = a->store->ops->lock_streams(
		    a->store, &stream, 1, a->now_us);
	if (r == STORE_OK) {
		run.end.reason = STR("proxy_lost");
		run.end.counters_lower_bound = true;
		run.end_seq = run.stream.next_seq - 1;
		run.stream.state = STREAM_LOST;
		run.stream.end_reason = run.end.reason;
		r = end_stream(a, &run);
	}
	if (r == STORE_OK)
		r = write_rest(a);
	if (r == STORE_OK)
		r = a->store->ops->move_stream(a->store, &run.stream);
	return finish(a, r);
}

enum store_result
apply_lost(struct apply *a, uint64_t before_us, bool *more)
{
	struct id ids[LOST_STREAMS_MAX];
	enum store_result r;
	size_t n;

	r = a->store->ops->silent_streams(
	    a->store, before_us, ids, ARRAY_LEN(ids), &n);
	for (size_t i = 0; i < n && r == STORE_OK; i++)
		r = lose_stream(a, &ids[i]);
	*more = r == STORE_OK && n == ARRAY_LEN(ids);
	return r;
}

uint64_t
apply_events(const struct apply *a)
{
	return a->events;
}

void
apply_free(struct apply **ap)
{
	struct apply *a = *ap;

	if (a == NULL)
		return;
	rollup_free(&a->rollup);
	live_free(&a->live);
	arena_free(&a->arena);
	free(a);
	*ap = NULL;
}
