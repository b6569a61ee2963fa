/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "helper.h"
#include "sessiond/metrics.h"
#include "sessiond/trim.h"
#include "sessiond/writer.h"

struct bench {
	struct base base;
	struct faulty faulty;
	struct metrics *metrics;
	struct writer *writer;
	/* what on_health said */
	pthread_mutex_t lock;
	pthread_cond_t said;
	unsigned bad, good;
	atomic_bool give_up;
	char why[128];
};

static const struct writer_limits eager = {
	.batch_size = 1,
	.batch_interval_ms = 1,
	.retention_days = 0,
	.max_events = 100,
	.event_hours = 6,
	.maintenance_interval_ms = 3600000,
	.lost_after_ms = 86400000,
};
/* Nothing is due until the writer is stopped. */
static const struct writer_limits patient = {
	.batch_size = 5000,
	.batch_interval_ms = 3600000,
	.max_events = 100,
	.event_hours = 6,
	.maintenance_interval_ms = 3600000,
	.lost_after_ms = 86400000,
};

static void
on_health(void *arg, const char *why)
{
	struct bench *t = arg;

	pthread_mutex_lock(&t->lock);
	if (why != NULL)
		(void)!str_copy(t->why, sizeof(t->why), str_from(why));
	*(why != NULL ? &t->bad : &t->good) += 1;
	pthread_cond_broadcast(&t->said);
	pthread_mutex_unlock(&t->lock);
}

static void
wait_for(struct bench *t, unsigned bad, unsigned good)
{
	pthread_mutex_lock(&t->lock);
	while (t->bad < bad || t->good < good)
		pthread_cond_wait(&t->said, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

static void
start(struct bench *t, const struct writer_limits *l, size_t queue)
{
	struct writer_options o = { .metrics = t->metrics,
		.queue_bytes = queue,
		.on_health = on_health,
		.arg = t,
		.give_up = &t->give_up };
	struct err err;

	assert_int_equal(
	    writer_start(&t->writer, &t->faulty.store, &o, l, &err), 0);
}

static int
setup(void **state)
{
	struct bench *t = xcalloc(1, sizeof(*t));

	log_setup("test", LOG_ERROR, LOG_FORMAT_LOGFMT, 1);
	base_open(&t->base);
	faulty_init(&t->faulty, t->base.store);
	t->metrics =
	    metrics_new("sallyport", NULL, sessiond_metrics, SESSIOND_METRICS);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->said, NULL);
	*state = t;
	return 0;
}

static int
teardown(void **state)
{
	struct bench *t = *state;

	writer_stop(&t->writer);
	clock_test_reset();
	metrics_free(&t->metrics);
	base_close(&t->base);
	pthread_cond_destroy(&t->said);
	pthread_mutex_destroy(&t->lock);
	free(t);
	return 0;
}

static enum writer_offer
offer(struct bench *t, unsigned stream, uint64_t seq, struct body *body)
{
	struct id id = stream_of(stream);
	struct bytes m = message_of(&id, "p", seq, &body, 1);
	enum writer_offer r =
	    writer_offer(t->writer, (struct str){ m.ptr, m.len });

	/* It was copied: this must not matter. */
	memset(m.ptr, 0xff, m.len);
	bytes_fini(&m);
	free(body);
	return r;
}

static int64_t
sessions(struct bench *t)
{
	return base_number(&t->base, "SELECT count(*) FROM session");
}

static void
test_stop_stores_what_was_taken(void **state)
{
	struct bench *t = *state;

	start(t, &patient, 1 << 20);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(
		    offer(t, 1, i + 1, body_close(1, i, 5)), WRITER_TAKEN);
	assert_int_equal(sessions(t), 0);
	writer_stop(&t->writer);
	assert_int_equal(sessions(t), 20);
	assert_int_equal(
	    metrics_value(t->metrics, M_db_batch_rows, 0), 1); /* together */
}

static void
test_batch_size_commits_at_once(void **state)
{
	struct writer_limits l = patient;
	struct bench *t = *state;

	l.batch_size = 3;
	start(t, &l, 1 << 20);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(
		    offer(t, 1, i + 1, body_close(1, i, 5)), WRITER_TAKEN);
	while (sessions(t) < 3) /* long before the interval is over */
		sched_yield();
}

static void
test_limits_change_while_it_waits(void **state)
{
	struct bench *t = *state;

	start(t, &patient, 1 << 20);
	assert_int_equal(offer(t, 1, 1, body_close(1, 1, 5)), WRITER_TAKEN);
	writer_set_limits(t->writer, &eager);
	while (sessions(t) < 1)
		sched_yield();
}

static void
test_full_queue_drops(void **state)
{
	struct bench *t = *state;
	unsigned taken = 0;

	start(t, &patient, 10000);
	while (offer(t, 1, taken + 1, body_close(1, taken, 5)) == WRITER_TAKEN)
		taken++;
	assert_in_range(taken, 5, 40);
	assert_int_equal(
	    offer(t, 1, taken + 1, body_close(1, taken, 5)), WRITER_FULL);
	writer_stop(&t->writer);
	assert_int_equal(sessions(t), taken);
}

/* What the writer is trying to store still takes room. */
static void
test_held_batches_count(void **state)
{
	struct bench *t = *state;
	unsigned taken = 0;

	start(t, &patient, 10000);
	while (offer(t, 1, taken + 1, body_close(1, taken, 5)) == WRITER_TAKEN)
		taken++;
	faulty_fail(&t->faulty, 1, 1000000, STORE_IO);
	writer_set_limits(t->writer, &eager);
	wait_for(t, 1, 0);
	assert_int_equal(
	    offer(t, 1, taken + 1, body_close(1, taken, 5)), WRITER_FULL);
}

static void
test_malformed(void **state)
{
	static const char *const messages[] = { "", "x", "\x0a\x10short",
		"\x0a\x02\x01\x02\x10\x01", "\xff\xff\xff\xff\xff" };
	struct bench *t = *state;

	start(t, &eager, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(messages); i++)
		assert_int_equal(writer_offer(t->writer, str_from(messages[i])),
		    WRITER_MALFORMED);
	assert_int_equal(offer(t, 1, 1, body_close(1, 1, 5)), WRITER_TAKEN);
	writer_stop(&t->writer);
	assert_int_equal(sessions(t), 1);
}

static void
test_heals(void **state)
{
	struct bench *t = *state;

	t->faulty.fail_at = 8; /* after what the idle writer asks */
	t->faulty.fail_times = 2;
	t->faulty.fail_with = STORE_FULL;
	start(t, &patient, 1 << 20);
	assert_int_equal(offer(t, 1, 1, body_close(1, 1, 5)), WRITER_TAKEN);
	writer_set_limits(t->writer, &eager);
	wait_for(t, 1, 1);
	assert_string_equal(t->why, "a fault of the test");
	writer_stop(&t->writer);
	assert_int_equal(sessions(t), 1);
	assert_int_equal(
	    metrics_value(t->metrics, M_db_errors_total, STORE_FULL - 1), 2);
	assert_int_equal(t->bad, 1); /* told once */
	assert_int_equal(
	    metrics_value(t->metrics, M_db_up,
		metrics_backend_label(t->base.store->ops->backend)),
	    1);
	assert_int_equal(
	    base_number(&t->base, "SELECT next_seq FROM audit_stream"), 2);
}

static void
test_stop_while_failing(void **state)
{
	struct bench *t = *state;

	t->faulty.fail_at = 1;
	t->faulty.fail_times = 1000000;
	t->faulty.fail_with = STORE_IO;
	start(t, &eager, 1 << 20);
	assert_int_equal(offer(t, 1, 1, body_close(1, 1, 5)), WRITER_TAKEN);
	wait_for(t, 1, 0);
	writer_stop(&t->writer); /* comes back at once */
	assert_int_equal(sessions(t), 0);
}

/* A database that stands still is waited for, but not for ever. */
static void
test_stop_while_hanging(void **state)
{
	struct bench *t = *state;
	uint64_t began;

	t->faulty.hang = &t->give_up;
	start(t, &eager, 1 << 20);
	assert_int_equal(offer(t, 1, 1, body_close(1, 1, 5)), WRITER_TAKEN);
	began = clock_mono_ms();
	writer_stop(&t->writer); /* it hangs until it is given up */
	assert_true(atomic_load(&t->give_up));
	assert_true(clock_mono_ms() - began >= 1000);
	assert_int_equal(sessions(t), 0);
}

/* Away when it was opened: not ready from the first moment on. */
static void
test_away_at_the_start(void **state)
{
	struct bench *t = *state;

	t->faulty.store.away = true;
	start(t, &eager, 1 << 20);
	assert_int_equal(t->bad, 1);
	assert_string_equal(t->why, "a fault of the test");
	wait_for(t, 1, 1); /* it is there by now */
	assert_int_equal(offer(t, 1, 1, body_close(1, 1, 5)), WRITER_TAKEN);
	writer_stop(&t->writer);
	assert_int_equal(sessions(t), 1);
}

/* Nothing is to be stored, and yet it is noticed. */
static void
test_idle_database_is_watched(void **state)
{
	struct bench *t = *state;

	t->faulty.fail_at = 1;
	t->faulty.fail_with = STORE_AWAY;
	start(t, &eager, 1 << 20);
	wait_for(t, 1, 1);
	assert_int_equal(
	    metrics_value(t->metrics, M_db_errors_total, STORE_AWAY - 1), 1);
}

static void
test_busy_maintenance_is_no_failure(void **state)
{
	struct bench *t = *state;

	t->faulty.fail_at = 4; /* look_ahead */
	t->faulty.fail_with = STORE_BUSY;
	start(t, &eager, 1 << 20);
	while (metrics_value(t->metrics, M_db_errors_total, STORE_BUSY - 1) < 1)
		sched_yield();
	writer_stop(&t->writer);
	assert_int_equal(t->bad, 0);
}

static void
test_retention_runs(void **state)
{
	struct writer_limits l = eager;
	struct bench *t = *state;

	clock_test_set(1000000, TEST_NOW_US);
	l.retention_days = 1;
	start(t, &l, 1 << 20);
	assert_int_equal(offer(t, 1, 1, body_close(1, 1, 5)), WRITER_TAKEN);
	writer_stop(&t->writer);
	assert_int_equal(sessions(t), 1);
	clock_test_set(1000000, TEST_NOW_US + UINT64_C(2) * 86400000000);
	start(t, &l, 1 << 20);
	while (sessions(t) > 0)
		sched_yield();
	writer_stop(&t->writer);
	assert_int_equal(
	    metrics_value(t->metrics, M_db_retention_dropped_total, 0), 1);
	clock_test_reset();
}

static int64_t
events(struct bench *t)
{
	return base_number(&t->base, "SELECT count(*) FROM telemetry_event");
}

/* Long before the next round, and by age in every round. */
static void
test_events_are_trimmed(void **state)
{
	enum { SENT = 3 * TRIM_EVERY, BATCH = 100 };
	struct bench *t = *state;
	struct id id = stream_of(1);

	clock_test_set(1000000, TEST_NOW_US);
	start(t, &eager, 1 << 24);
	/* The first round is over, and what it trims. */
	while (metrics_value(
		   t->metrics, M_db_batch_duration_seconds, DB_RETENTION) < 1)
		sched_yield();
	for (unsigned i = 0; i < SENT; i += BATCH) {
		struct body *bodies[BATCH];
		struct bytes m;

		for (unsigned k = 0; k < BATCH; k++)
			bodies[k] = body_event(1, i + k, "x");
		m = message_of(&id, "p", i + 1, bodies, BATCH);
		assert_int_equal(
		    writer_offer(t->writer, (struct str){ m.ptr, m.len }),
		    WRITER_TAKEN);
		bytes_fini(&m);
		for (unsigned k = 0; k < BATCH; k++)
			free(bodies[k]);
	}
	while (base_number(&t->base,
		   "SELECT max(next_seq) FROM audit_stream") <= SENT ||
	       events(t) >= 100 + TRIM_EVERY)
		sched_yield();
	assert_true(events(t) >= 100);
	assert_int_equal(base_number(&t->base, "SELECT max(suppressed) FROM "
					       "telemetry_event"),
	    SENT - 1);
	writer_stop(&t->writer);
	clock_test_set(1000000, TEST_NOW_US + UINT64_C(6) * 3600000000);
	start(t, &eager, 1 << 20);
	while (events(t) > 0)
		sched_yield();
}

static void
test_lost_streams_are_closed(void **state)
{
	struct writer_limits l = eager;
	struct bench *t = *state;

	l.lost_after_ms = 60000;
	l.maintenance_interval_ms = 1;
	clock_test_set(1000000, TEST_NOW_US);
	start(t, &l, 1 << 20);
	assert_int_equal(offer(t, 1, 1, body_open(1, 1)), WRITER_TAKEN);
	while (base_number(&t->base, "SELECT count(*) FROM session_active") < 1)
		sched_yield();
	/* the wall clock jumps, but nobody was silent that long */
	clock_test_set(2000000, TEST_NOW_US + 3600000000);
	assert_int_equal(offer(t, 2, 1, body_open(2, 2)), WRITER_TAKEN);
	while (base_number(&t->base, "SELECT count(*) FROM session_active") < 2)
		sched_yield();
	assert_int_equal(sessions(t), 0);
	clock_test_set(62000000, TEST_NOW_US + 3600000000);
	while (sessions(t) < 1)
		sched_yield();
	assert_string_equal(
	    base_text(&t->base, "SELECT close_reason FROM session"),
	    "proxy_lost");
	writer_stop(&t->writer);
	clock_test_reset();
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(stop_stores_what_was_taken),
		T(batch_size_commits_at_once),
		T(limits_change_while_it_waits),
		T(full_queue_drops),
		T(held_batches_count),
		T(malformed),
		T(heals),
		T(stop_while_failing),
		T(stop_while_hanging),
		T(away_at_the_start),
		T(idle_database_is_watched),
		T(busy_maintenance_is_no_failure),
		T(retention_runs),
		T(events_are_trimmed),
		T(lost_streams_are_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
