/* SPDX-License-Identifier: MIT */
#include "ear.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "audit/record.h"
#include "base/mem.h"
#include "msg/topic.h"

#define HEARD_MAX 1024
#define PATIENCE_S 20

struct ear {
	struct topic_sub *sub;
	pthread_mutex_t m;
	pthread_cond_t more;
	unsigned n;			/* guarded by m, as are they */
	struct heard heard[HEARD_MAX];
	struct record records[HEARD_MAX];
};

static char *
text_of(const struct record_event *e)
{
	return xasprintf("%s %.*s %.*s %.*s: %.*s %.*s",
	    record_severity_name(e->severity), (int)e->category.len,
	    e->category.ptr, (int)e->event.len, e->event.ptr,
	    (int)e->component.len, e->component.ptr, (int)e->message.len,
	    e->message.ptr, (int)e->details.len, e->details.ptr);
}

static void
hear(struct ear *e, const struct batch *b, unsigned i)
{
	struct heard *h = &e->heard[e->n];
	struct record *r = &e->records[e->n];

	ASSERT(e->n < HEARD_MAX);
	h->stream = b->stream;
	h->seq = b->first_seq + i;
	h->together = b->n;
	ASSERT(str_copy(h->proxy, sizeof(h->proxy), str_from(b->proxy)));
	ASSERT(record_unpack(r, b->records[i]) == RECORD_OK);
	h->record = r;
	if (r->type == RECORD_EVENT) {
		h->text = text_of(&r->event);
		h->suppressed = r->event.suppressed;
	}
	e->n++;
}

static void
on_message(void *arg, struct str message)
{
	struct ear *e = arg;
	struct batch b;

	ASSERT(batch_check(&b, message) == 0);
	pthread_mutex_lock(&e->m);
	for (unsigned i = 0; i < b.n; i++)
		hear(e, &b, i);
	pthread_cond_broadcast(&e->more);
	pthread_mutex_unlock(&e->m);
	batch_fini(&b);
}

struct ear *
ear_open(const char *address)
{
	const struct topic_options o = { .address = address,
		.name = "events", .listen = true, .max_message = 1 << 20,
		.reconnect_max_ms = 100, .queue = 1024,
		.group = (unsigned)-1 };
	struct ear *e = xcalloc(1, sizeof(*e));
	struct err err;

	pthread_mutex_init(&e->m, NULL);
	pthread_cond_init(&e->more, NULL);
	if (topic_sub_open(&e->sub, &o, on_message, e, &err) != 0)
		fail_msg("%s", err.text);
	return e;
}

static bool
is_of(const struct heard *h, const char *event)
{
	return event == NULL || (h->record->type == RECORD_EVENT &&
	    str_eq(h->record->event.event, str_from(event)));
}

/* With the lock held; `event` NULL: of all records. */
static unsigned
count(const struct ear *e, const char *event)
{
	unsigned n = 0;

	for (unsigned i = 0; i < e->n; i++)
		n += is_of(&e->heard[i], event);
	return n;
}

void
ear_wait_events(struct ear *e, const char *event, unsigned n)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&e->m);
	while (rc == 0 && count(e, event) < n)
		rc = pthread_cond_timedwait(&e->more, &e->m, &until);
	pthread_mutex_unlock(&e->m);
	if (rc != 0)
		fail_msg("waited in vain for %u of %s", n,
		    event != NULL ? event : "all records");
}

void
ear_wait(struct ear *e, unsigned n)
{
	ear_wait_events(e, NULL, n);
}

unsigned
ear_events(struct ear *e, const char *event)
{
	unsigned n;

	pthread_mutex_lock(&e->m);
	n = count(e, event);
	pthread_mutex_unlock(&e->m);
	return n;
}

unsigned
ear_count(struct ear *e)
{
	return ear_events(e, NULL);
}

const struct heard *
ear_at(struct ear *e, unsigned i)
{
	assert_true(i < ear_count(e));
	return &e->heard[i];
}

const struct heard *
ear_event(struct ear *e, const char *event, unsigned i)
{
	unsigned n = ear_count(e);

	for (unsigned at = 0; at < n; at++)
		if (is_of(&e->heard[at], event) && i-- == 0)
			return &e->heard[at];
	fail_msg("fewer events %s were heard", event);
	return NULL;
}

void
ear_close(struct ear **ep)
{
	struct ear *e = *ep;

	*ep = NULL;
	if (e == NULL)
		return;
	topic_sub_close(&e->sub);
	for (unsigned i = 0; i < e->n; i++) {
		free(e->heard[i].text);
		record_fini(&e->records[i]);
	}
	pthread_cond_destroy(&e->more);
	pthread_mutex_destroy(&e->m);
	free(e);
}
