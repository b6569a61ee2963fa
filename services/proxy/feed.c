/* SPDX-License-Identifier: MIT */
#include "proxy/feed.h"

#include <stdlib.h>

#include "audit/batch.h"
#include "base/clock.h"
#include "base/mem.h"
#include "msg/topic.h"
#include "proxy/proxy_metrics.h"

/* Long enough to share the bus's cost among many, and far below the second
 * in which history must show a session. */
static const struct timeval gather = { .tv_usec = 25000 };

struct feed {
	struct topic_pub *pub;
	struct batch_writer *batch;
	struct metrics_cells *cells;
	struct event *timer;
};

static void
on_gathered(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	feed_flush(arg);
}

struct feed *
feed_new(struct event_base *base, struct topic_pub *pub, const char *proxy,
    struct metrics_cells *cells)
{
	struct feed *f = xcalloc(1, sizeof(*f));
	struct id stream = id_random();

	f->pub = pub;
	f->cells = cells;
	f->batch = batch_writer_new(&stream, proxy, 1);
	f->timer = evtimer_new(base, on_gathered, f);
	if (f->timer == NULL)
		die("feed: no memory for a timer");
	return f;
}

void
feed_flush(struct feed *f)
{
	struct str message;
	unsigned result = BATCH_SENT;

	evtimer_del(f->timer);
	message = batch_writer_take(f->batch);
	if (message.len == 0)
		return;
	if (topic_pub_peers(f->pub) == 0)
		result = BATCH_NO_PEER;
	if (!topic_pub_send(f->pub, message))
		result = BATCH_FAILED;
	metrics_add(f->cells, METRIC_proxy_batches_total, result, 1);
}

void
feed_add(struct feed *f, const void *body, size_t len)
{
	struct str record = { body, len };

	ASSERT(len > 0 && len <= RECORD_MAX);
	if (!batch_writer_add(f->batch, record)) {
		feed_flush(f);
		ASSERT(batch_writer_add(f->batch, record));
	}
	metrics_add(f->cells, METRIC_proxy_records_total, 0, 1);
	if (batch_writer_records(f->batch) == 1)
		evtimer_add(f->timer, &gather);
}

void
feed_end(struct feed **fp, const char *reason)
{
	struct feed *f = *fp;
	struct record_end end = {
		.reason = str_from(reason),
		.wall_us = clock_wall_us(),
	};
	uint8_t body[RECORD_MAX];

	if (f == NULL)
		return;
	*fp = NULL;
	feed_add(f, body, record_pack_end(body, sizeof(body), &end));
	feed_flush(f);
	event_free(f->timer);
	batch_writer_free(&f->batch);
	free(f);
}
