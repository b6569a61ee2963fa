/* SPDX-License-Identifier: MIT */
#include "audit/telemetry.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/batch.h"
#include "audit/record.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "msg/topic.h"

#define QUEUE 64
#define SECOND_MS 1000

static_assert(TELEMETRY_MESSAGE_MAX == RECORD_TEXT_MAX &&
    TELEMETRY_TEXT_MAX == RECORD_USER_MAX &&
    TELEMETRY_DETAILS_MAX == RECORD_DETAILS_MAX, "as the header says");

static const struct {
	const char *category, *event;
	enum record_severity severity;
} table[TELEMETRY_EVENTS] = {
#define EVENT(category, event, severity) \
	{ #category, #event, SEVERITY_##severity },
#include "audit/telemetry_events.def"
#undef EVENT
};

/* Alike events. */
struct entry {
	struct map_node node;
	struct list used;	/* in by_use, the last used at the end */
	uint64_t quiet_until_ms;
	uint64_t untold;	/* since the last one that was told */
	char key[1 + TELEMETRY_KEY_MAX];	/* the event's number before it */
};

struct telemetry {
	char *component;
	struct topic_pub *pub;
	pthread_mutex_t m;
	/* Guarded by m. */
	struct batch_writer *batch;
	struct telemetry_counts counts;
	/* When the last TELEMETRY_RATE of them are a second old, in a ring. */
	uint64_t old_ms[TELEMETRY_RATE];
	unsigned oldest;
	struct map by_key;
	struct list by_use;
	size_t n_entries;
	struct entry entries[TELEMETRY_KEYS];
};

/* ---- alike ones ---- */

/* A new one, or the one that was not used for longest. */
static struct entry *
obtain(struct telemetry *t)
{
	struct entry *e;

	if (t->n_entries < TELEMETRY_KEYS)
		return &t->entries[t->n_entries++];
	e = container_of(list_pop(&t->by_use), struct entry, used);
	map_remove(&t->by_key, &e->node);
	return e;
}

static struct entry *
entry_of(struct telemetry *t, enum telemetry_event event, struct str key)
{
	char bytes[1 + TELEMETRY_KEY_MAX] = { (char)event };
	size_t len = key.len < TELEMETRY_KEY_MAX ? key.len : TELEMETRY_KEY_MAX;
	const struct str whole = { bytes, 1 + len };
	struct map_node *node;
	struct entry *e;

	if (len > 0)
		memcpy(bytes + 1, key.ptr, len);
	node = map_find(&t->by_key, whole);
	if (node != NULL) {
		e = container_of(node, struct entry, node);
		list_del(&e->used);
	} else {
		e = obtain(t);
		*e = (struct entry){ 0 };
		memcpy(e->key, bytes, whole.len);
		map_insert(&t->by_key, &e->node,
		    (struct str){ e->key, whole.len });
	}
	list_push(&t->by_use, &e->used);
	return e;
}

/* What it is to be told under; NULL: it is counted, and not told. */
static struct entry *
admit(struct telemetry *t, enum telemetry_event event, struct str key,
    uint64_t now_ms)
{
	struct entry *e = entry_of(t, event, key);

	if (now_ms < e->quiet_until_ms)
		t->counts.folded++;
	else if (now_ms < t->old_ms[t->oldest] || topic_pub_peers(t->pub) == 0)
		t->counts.dropped++;
	else
		return e;
	e->untold++;
	return NULL;
}

/* ---- telling ---- */

/* `room` is for RECORD_DETAILS_MAX; empty: there are none that fit. */
static struct str
dump(char *room, const json_t *details)
{
	size_t n = 0;

	if (json_is_object(details))
		n = json_dumpb(details, room, RECORD_DETAILS_MAX,
		    JSON_COMPACT | JSON_ENSURE_ASCII);
	return (struct str){ room, n <= RECORD_DETAILS_MAX ? n : 0 };
}

static bool
send_event(struct telemetry *t, enum telemetry_event event,
    const char *message, const json_t *details, uint64_t untold)
{
	char room[RECORD_DETAILS_MAX];
	uint8_t body[RECORD_MAX];
	const struct record_event e = {
		.id = id_new_v7(), .severity = table[event].severity,
		.category = str_from(table[event].category),
		.event = str_from(table[event].event),
		.message = str_from(message),
		.component = str_from(t->component),
		.details = dump(room, details), .suppressed = untold,
	};
	const struct str record = { (const char *)body,
		record_pack_event(body, sizeof(body), &e) };

	ASSERT(batch_writer_add(t->batch, record));
	return topic_pub_send(t->pub, batch_writer_take(t->batch));
}

static void
tell(struct telemetry *t, enum telemetry_event event, struct str key,
    const char *message, const json_t *details)
{
	uint64_t now_ms = clock_mono_ms();
	struct entry *e = admit(t, event, key, now_ms);

	if (e == NULL)
		return;
	if (!send_event(t, event, message, details, e->untold)) {
		t->counts.dropped++;
		e->untold++;
		return;
	}
	t->counts.sent++;
	e->untold = 0;
	e->quiet_until_ms = now_ms + TELEMETRY_FOLD_MS;
	t->old_ms[t->oldest] = now_ms + SECOND_MS;
	t->oldest = (t->oldest + 1) % TELEMETRY_RATE;
}

bool
telemetry_wants(struct telemetry *t, enum telemetry_event e, struct str key)
{
	bool wanted;

	if (t == NULL)
		return false;
	pthread_mutex_lock(&t->m);
	wanted = admit(t, e, key, clock_mono_ms()) != NULL;
	pthread_mutex_unlock(&t->m);
	return wanted;
}

void
telemetry_tell(struct telemetry *t, enum telemetry_event e, struct str key,
    const char *message, json_t *details)
{
	if (t != NULL) {
		pthread_mutex_lock(&t->m);
		tell(t, e, key, message, details);
		pthread_mutex_unlock(&t->m);
	}
	json_decref(details);
}

json_t *
telemetry_text(struct str s)
{
	char escaped[RECORD_USER_MAX + 1];
	struct text t = text_on(escaped, sizeof(escaped));

	text_escaped(&t, s);
	return json_stringn(t.ptr, t.len);
}

struct telemetry_counts
telemetry_counts(struct telemetry *t)
{
	struct telemetry_counts n = { 0 };

	if (t == NULL)
		return n;
	pthread_mutex_lock(&t->m);
	n = t->counts;
	pthread_mutex_unlock(&t->m);
	return n;
}

/* ---- life ---- */

/* No host's name is longer than an instance may be. */
static struct batch_writer *
batches_of(const struct telemetry_options *o)
{
	static const struct id no_stream;
	char host[BATCH_PROXY_MAX + 1];
	const char *name = o->instance;

	if (name == NULL)
		name = gethostname(host, sizeof(host)) == 0 ? host :
		    o->component;
	return batch_writer_new(&no_stream, name, 1);
}

int
telemetry_open(struct telemetry **out, const struct telemetry_options *o,
    struct err *err)
{
	const struct topic_options to = {
		.address = o->address, .name = "events",
		.max_message = o->max_message,
		.reconnect_max_ms = o->reconnect_max_ms,
		.queue = QUEUE, .group = o->group,
	};
	struct telemetry *t = xcalloc(1, sizeof(*t));

	pthread_mutex_init(&t->m, NULL);
	map_init(&t->by_key);
	list_init(&t->by_use);
	t->component = xstrdup(o->component);
	t->batch = batches_of(o);
	if (topic_pub_open(&t->pub, &to, err) != 0) {
		telemetry_close(&t);
		return -1;
	}
	*out = t;
	return 0;
}

void
telemetry_close(struct telemetry **tp)
{
	struct telemetry *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	topic_pub_close(&t->pub);
	batch_writer_free(&t->batch);
	map_fini(&t->by_key);
	pthread_mutex_destroy(&t->m);
	free(t->component);
	free(t);
}
