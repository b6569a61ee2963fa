/* SPDX-License-Identifier: MIT */
/*
 * feed: a worker's records, in order, on their way to sessiond.
 *
 * A feed is one stream of audit.md: a random id, numbers without holes. Records
 * gather for up to 25 ms or until a batch is full and go out over pub/sub,
 * which may lose them: sessiond then sees the hole. (With the journal, only
 * what is durable will be published, and sync repairs.) Owned by one worker.
 */
#ifndef PROXY_FEED_H
#define PROXY_FEED_H

#include <event2/event.h>

#include "audit/record.h"
#include "base/metrics.h"

struct feed;
struct topic_pub;

struct feed *feed_new(struct event_base *base, struct topic_pub *pub,
    const char *proxy, struct metrics_cells *cells) MUST_CHECK;
/* Appends a record body (as record_pack_* made it). */
void feed_add(struct feed *f, const void *body, size_t len);
/* Publishes what has gathered now. */
void feed_flush(struct feed *f);
/* Appends END, publishes, and frees. */
void feed_end(struct feed **fp, const char *reason);

#endif
