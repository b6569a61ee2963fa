/* SPDX-License-Identifier: MIT */
/*
 * The queue and the limits are guarded by `lock`. All else belongs to the
 * writer thread: it takes a group of batches out of the queue, applies it
 * until it is done, and frees it. What it holds still counts as waiting.
 */
#include "sessiond/writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/background.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "sessiond/apply.h"
#include "sessiond/metrics.h"
#include "sessiond/pace.h"
#include "sessiond/retention.h"
#include "sessiond/trim.h"

#define GROUP_BYTES    ((size_t)8 * 1024 * 1024)
#define GROUP_BATCHES  4096
#define PAUSE_FIRST_MS 50
#define PAUSE_MAX_MS   5000
#define LOOK_MS        5000  /* at a database that works */
#define LOOK_AGAIN_MS  1000  /* at one that fails */
#define BUSY_ROUND_MS  30000 /* until retention tries again */
#define REPEAT_MS      60000 /* until a failure that lasts is told again */
#define LAST_WAIT_MS   1500  /* of writer_stop for the database */
#define IDLE_MS        1000

struct item {
	struct list link;
	struct apply_batch work;
	size_t bytes; /* what it takes from the queue's room */
	uint64_t came_ms, came_wall_us;
};

struct writer {
	struct store *store;
	struct writer_options options;
	struct apply *apply;
	struct metrics_cells *cells;
	struct retention retention;
	struct trim trim;
	pthread_t thread;
	uint64_t started_ms;
	/* maintenance */
	bool round;      /* a round of retention is under way */
	bool round_busy; /* it left something to be tried soon */
	uint64_t next_round_ms, next_look_ms;
	uint64_t stray; /* sessions outside of the days made for them */
	/* health */
	unsigned backend; /* label */
	bool failing;
	char why[256]; /* as told last */
	uint64_t told_ms;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct list queue;
	size_t bytes, records; /* in the queue */
	size_t held;           /* bytes of the group under way */
	uint64_t held_ms;      /* when the first of them came */
	bool back;             /* stands back */
	struct writer_limits limits;
	bool stopping;
	bool ended; /* the thread is done */
};

/* One block: the item, the array of records, the message. */
static struct item *
item_new(const struct batch *b, struct str message)
{
	size_t head = sizeof(struct item), array = b->n * sizeof(struct str);
	struct item *it = xmalloc(head + array + message.len);
	struct str *records = (struct str *)(void *)((char *)it + head);
	char *copy = (char *)it + head + array;

	memcpy(copy, message.ptr, message.len);
	*it = (struct item){ .bytes = head + array + message.len };
	for (unsigned i = 0; i < b->n; i++)
		records[i] =
		    (struct str){ copy + (b->records[i].ptr - message.ptr),
			    b->records[i].len };
	it->work.batch = *b;
	it->work.batch.records = records;
	it->work.batch.memory = NULL;
	it->came_ms = clock_mono_ms();
	it->came_wall_us = clock_wall_us();
	return it;
}

static uint64_t
waited_ms(const struct writer *w)
{
	uint64_t came_ms;

	if (w->held > 0)
		came_ms = w->held_ms;
	else if (!list_empty(&w->queue))
		came_ms = container_of(w->queue.next, struct item, link)
			      ->came_ms;
	else
		return 0;
	return clock_mono_ms() - came_ms;
}

/* Stands back for everybody else, or no longer. Whoever offers looks, too: a
 * writer that stands back may be kept from a core in the midst of a group.
 * Under the lock. */
static void
choose_share(struct writer *w)
{
	struct pace p = { .waited_ms = waited_ms(w),
		.interval_ms = w->limits.batch_interval_ms,
		.bytes = w->bytes + w->held,
		.room = w->options.queue_bytes };

	w->back = !w->stopping && pace_stands_back(&p, w->back);
	background_stand_back(w->back);
}

enum writer_offer
writer_offer(struct writer *w, struct str message)
{
	struct batch b;
	struct item *it;
	bool room;

	if (batch_check(&b, message) < 0)
		return WRITER_MALFORMED;
	it = item_new(&b, message);
	batch_fini(&b);
	pthread_mutex_lock(&w->lock);
	room = w->bytes + w->held + it->bytes <= w->options.queue_bytes;
	if (room) {
		list_push(&w->queue, &it->link);
		w->bytes += it->bytes;
		w->records += it->work.batch.n;
		pthread_cond_signal(&w->wake);
	}
	choose_share(w);
	pthread_mutex_unlock(&w->lock);
	if (!room)
		free(it);
	return room ? WRITER_TAKEN : WRITER_FULL;
}

/* Sleeps until something is offered, a stop, or `ms`. Under the lock. */
static void
wait_ms(struct writer *w, uint64_t ms)
{
	struct timespec t = clock_in_ms(ms);

	pthread_cond_timedwait(&w->wake, &w->lock, &t);
}

/* How long until a group is due; 0: now. Under the lock. */
static uint64_t
due_in(const struct writer *w)
{
	const struct item *oldest;
	uint64_t age;

	if (list_empty(&w->queue))
		return IDLE_MS;
	if (w->stopping || w->records >= w->limits.batch_size ||
	    w->bytes >= GROUP_BYTES)
		return 0;
	oldest = container_of(w->queue.next, struct item, link);
	age = clock_mono_ms() - oldest->came_ms;
	return age >= w->limits.batch_interval_ms
		   ? 0
		   : w->limits.batch_interval_ms - age;
}

/* Takes out what makes one transaction. Under the lock. */
static size_t
take_group(struct writer *w, struct list *group)
{
	size_t n = 0;

	list_init(group);
	while (!list_empty(&w->queue) && w->held < GROUP_BYTES &&
	       n < GROUP_BATCHES) {
		struct list *l = list_pop(&w->queue);
		struct item *it = container_of(l, struct item, link);

		if (n == 0)
			w->held_ms = it->came_ms;
		list_push(group, l);
		w->bytes -= it->bytes;
		w->records -= it->work.batch.n;
		w->held += it->bytes;
		n++;
	}
	return n;
}

static void
show_queue(struct writer *w, const struct list *group)
{
	uint64_t oldest = 0;
	size_t bytes;

	if (!list_empty(group))
		oldest =
		    container_of(group->next, struct item, link)->came_wall_us;
	pthread_mutex_lock(&w->lock);
	bytes = w->bytes + w->held;
	pthread_mutex_unlock(&w->lock);
	metrics_gauge_set(w->cells, M_audit_oldest_unstored_timestamp_seconds,
	    0, (int64_t)(oldest / 1000000));
	metrics_gauge_set(w->cells, M_audit_queue_bytes, 0, (int64_t)bytes);
}

/* The database fails: for how long is said once a minute, or when the reason
 * changes. */
static void
tell_failure(struct writer *w, enum store_result r)
{
	const char *why = w->store->ops->message(w->store);
	uint64_t now = clock_mono_ms();

	if (w->failing && strncmp(w->why, why, sizeof(w->why) - 1) == 0 &&
	    now - w->told_ms < REPEAT_MS)
		return;
	if (!str_copy(w->why, sizeof(w->why), str_from(why)))
		w->why[sizeof(w->why) - 1] = '\0';
	w->told_ms = now;
	w->failing = true;
	log_error(NULL, "database_failed",
	    log_str("class", store_result_name(r)), log_str("error", why));
	w->options.on_health(w->options.arg, why);
}

/* Tells the world when the database began to fail, and when it healed. */
static void
note_result(struct writer *w, enum db_operation op, enum store_result r,
    uint64_t began_us)
{
	metrics_observe(w->cells, M_db_batch_duration_seconds, op,
	    (double)(clock_mono_us() - began_us) / 1e6);
	metrics_gauge_set(w->cells, M_db_up, w->backend, r == STORE_OK);
	if (r != STORE_OK) {
		metrics_add(w->cells, M_db_errors_total, r - 1, 1);
		tell_failure(w, r);
	} else if (w->failing) {
		w->failing = false;
		log_info(NULL, "database_healed");
		w->options.on_health(w->options.arg, NULL);
	}
}

/* Pauses after a failure; false: the daemon stops, give up. */
static bool
pause_for(struct writer *w, uint64_t *pause_ms)
{
	uint64_t until = clock_mono_ms() + *pause_ms, now;
	bool go_on;

	pthread_mutex_lock(&w->lock);
	while (!w->stopping && (now = clock_mono_ms()) < until)
		wait_ms(w, until - now);
	go_on = !w->stopping;
	pthread_mutex_unlock(&w->lock);
	*pause_ms = *pause_ms * 2 < PAUSE_MAX_MS ? *pause_ms * 2 : PAUSE_MAX_MS;
	return go_on;
}

static void
free_group(struct writer *w, struct list *group)
{
	struct list *l;

	while ((l = list_pop(group)) != NULL)
		free(container_of(l, struct item, link));
	pthread_mutex_lock(&w->lock);
	w->held = 0;
	pthread_mutex_unlock(&w->lock);
	show_queue(w, group);
}

static void
store_group(struct writer *w, struct list *group, size_t n)
{
	struct apply_batch **batches = xreallocarray(NULL, n, sizeof(*batches));
	uint64_t pause_ms = PAUSE_FIRST_MS, events = apply_events(w->apply);
	size_t i = 0;

	list_for_each (l, group)
		batches[i++] = &container_of(l, struct item, link)->work;
	show_queue(w, group);
	for (;;) {
		uint64_t began = clock_mono_us();
		enum store_result r = apply_batches(w->apply, batches, n);

		note_result(w, DB_APPLY, r, began);
		if (r == STORE_OK)
			break;
		if (!pause_for(w, &pause_ms)) {
			log_error(
			    NULL, "batches_given_up", log_u64("batches", n));
			break;
		}
	}
	trim_added(&w->trim, apply_events(w->apply) - events);
	free(batches);
	free_group(w, group);
}

static enum store_result
count_streams(struct writer *w)
{
	enum store_result r = STORE_OK;
	uint64_t n;

	for (unsigned st = STREAM_LIVE; st <= STREAM_LOST && r == STORE_OK;
	     st++) {
		r = w->store->ops->count_streams(
		    w->store, (enum store_stream_state)st, &n);
		if (r == STORE_OK)
			metrics_gauge_set(w->cells, M_audit_streams,
			    st - STREAM_LIVE, (int64_t)n);
	}
	return r;
}

/* Looks at the database now and then: one that dies while nothing is to be
 * stored is noticed, too. False: it fails. */
static bool
look(struct writer *w, uint64_t now)
{
	uint64_t began = clock_mono_us();
	enum store_result r;

	if (now < w->next_look_ms)
		return !w->failing;
	r = count_streams(w);
	note_result(w, DB_LOOK, r, began);
	w->next_look_ms =
	    clock_mono_ms() + (r == STORE_OK ? LOOK_MS : LOOK_AGAIN_MS);
	return r == STORE_OK;
}

/* Proxies can only be silent while there was somebody to talk to. */
static enum store_result
close_lost(struct writer *w, const struct writer_limits *l, bool *more)
{
	*more = false;
	if (clock_mono_ms() - w->started_ms < l->lost_after_ms)
		return STORE_OK;
	return apply_lost(
	    w->apply, clock_wall_us() - l->lost_after_ms * 1000, more);
}

static enum store_result
look_ahead(struct writer *w)
{
	uint64_t stray = 0;
	enum store_result r = w->store->ops->look_ahead(w->store, &stray);

	if (r != STORE_OK)
		return r;
	if (stray > w->stray)
		log_error(NULL, "sessions_stray", log_u64("sessions", stray),
		    log_str("hint", "a proxy's clock is wrong, or the "
				    "partitions of the day were not made"));
	w->stray = stray;
	metrics_gauge_set(w->cells, M_db_stray_sessions, 0, (int64_t)stray);
	return STORE_OK;
}

/* Readers are in the way: no failure of the database, but to be tried soon. */
static enum store_result
defer(struct writer *w)
{
	w->round_busy = true;
	metrics_add(w->cells, M_db_errors_total, STORE_BUSY - 1, 1);
	log_info(NULL, "maintenance_deferred",
	    log_str("reason", w->store->ops->message(w->store)));
	return STORE_OK;
}

static enum store_result
begin_round(struct writer *w)
{
	enum store_result r;

	retention_start(&w->retention);
	trim_start(&w->trim);
	w->round_busy = false;
	w->round = true;
	r = look_ahead(w);
	return r == STORE_BUSY ? defer(w) : r;
}

static enum store_result
trim_slice(struct writer *w, const struct writer_limits *l)
{
	uint64_t began = clock_mono_us();
	enum store_result r;

	w->trim.max_events = l->max_events;
	w->trim.hours = l->event_hours;
	r = trim_step(&w->trim, w->store, clock_wall_us());
	if (r == STORE_BUSY)
		r = defer(w);
	note_result(w, DB_RETENTION, r, began);
	return r;
}

/* Begins a round of maintenance, or goes on with it by a slice. */
static enum store_result
round_slice(struct writer *w, const struct writer_limits *l, bool *more)
{
	enum db_operation op = DB_RETENTION;
	uint64_t began = clock_mono_us(), dropped = 0;
	enum store_result r = w->round ? STORE_OK : begin_round(w);

	w->retention.session_days = l->retention_days;
	w->retention.rollup_days = l->rollup_days;
	if (r == STORE_OK)
		r = retention_step(
		    &w->retention, w->store, clock_wall_us(), more, &dropped);
	metrics_add(w->cells, M_db_retention_dropped_total, 0, dropped);
	if (r == STORE_BUSY)
		r = defer(w);
	if (r == STORE_OK && !*more) {
		op = DB_LOST;
		r = close_lost(w, l, more);
	}
	note_result(w, op, r, began);
	return r;
}

static uint64_t
next_round_in(
    const struct writer *w, const struct writer_limits *l, enum store_result r)
{
	if (r != STORE_OK)
		return PAUSE_MAX_MS;
	if (w->round_busy && l->maintenance_interval_ms > BUSY_ROUND_MS)
		return BUSY_ROUND_MS;
	return l->maintenance_interval_ms;
}

/* A slice of what is due. Events first, yet a flood of them leaves the round
 * its turn. */
static void
maintain(struct writer *w, const struct writer_limits *l)
{
	uint64_t now = clock_mono_ms();
	enum store_result r = STORE_OK;
	bool more = true;

	if (!look(w, now))
		return;
	if (w->trim.due)
		r = trim_slice(w, l);
	if (r == STORE_OK && (w->round || now >= w->next_round_ms))
		r = round_slice(w, l, &more);
	if (r != STORE_OK || !more) {
		w->round = false;
		w->next_round_ms = now + next_round_in(w, l, r);
	}
}

/* There is more to do at once; but a database that fails is given time. */
static bool
is_at_work(const struct writer *w)
{
	return (w->round || w->trim.due) && !w->failing;
}

static void *
run(void *arg)
{
	struct writer *w = arg;
	bool stopping = false;

	background_begin(0);
	w->cells = metrics_thread(w->options.metrics);
	w->apply = apply_new(w->store, w->cells);
	metrics_gauge_set(w->cells, M_db_up, w->backend, !w->failing);
	while (!stopping) {
		struct writer_limits limits;
		struct list group;
		uint64_t ms;
		size_t n = 0;

		pthread_mutex_lock(&w->lock);
		if (!w->stopping && (ms = due_in(w)) > 0 && !is_at_work(w))
			wait_ms(w, ms);
		choose_share(w);
		list_init(&group);
		if (due_in(w) == 0)
			n = take_group(w, &group);
		stopping = w->stopping && list_empty(&w->queue);
		limits = w->limits;
		pthread_mutex_unlock(&w->lock);
		if (n > 0)
			store_group(w, &group, n);
		if (!stopping)
			maintain(w, &limits);
	}
	apply_free(&w->apply);
	pthread_mutex_lock(&w->lock);
	w->ended = true;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

int
writer_start(struct writer **out, struct store *s,
    const struct writer_options *o, const struct writer_limits *l,
    struct err *err)
{
	struct writer *w = xcalloc(1, sizeof(*w));
	int rv;

	w->store = s;
	w->options = *o;
	w->limits = *l;
	w->started_ms = clock_mono_ms();
	w->backend = metrics_backend_label(s->ops->backend);
	list_init(&w->queue);
	pthread_mutex_init(&w->lock, NULL);
	clock_cond_init(&w->wake);
	if (s->away)
		tell_failure(w, STORE_AWAY);
	if ((rv = pthread_create(&w->thread, NULL, run, w)) != 0) {
		free(w);
		return err_set(err, "cannot start a thread: %s", strerror(rv));
	}
	*out = w;
	return 0;
}

void
writer_set_limits(struct writer *w, const struct writer_limits *l)
{
	pthread_mutex_lock(&w->lock);
	w->limits = *l;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

/* Waits for the thread; from some time on the database may not delay it. */
static void
join(struct writer *w)
{
	struct timespec t = clock_in_ms(LAST_WAIT_MS);
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	while (w->options.give_up != NULL && !w->ended && rc == 0)
		rc = pthread_cond_timedwait(&w->wake, &w->lock, &t);
	pthread_mutex_unlock(&w->lock);
	if (rc != 0)
		atomic_store(w->options.give_up, true);
	pthread_join(w->thread, NULL);
}

void
writer_stop(struct writer **wp)
{
	struct writer *w = *wp;

	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	choose_share(w);
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	join(w);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
	*wp = NULL;
}
