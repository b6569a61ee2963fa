/* SPDX-License-Identifier: MIT */
/*
 * telemetry: tells sessiond what a daemon noticed, for people to look at.
 *
 * Best effort: an event is an EVENT record in a batch of its own on `events`,
 * under no stream (batch.h), so that what is lost on the way is no hole in the
 * audit trail. Alike ones, of the same event and
 * key, are told once a minute, and no more than TELEMETRY_RATE a second go out
 * whatever their keys, so that no client can fill the table of events. What is
 * not told, for these reasons or because nobody subscribes, is in the number
 * that the next one alike says. Never blocks. Any thread.
 */
#ifndef AUDIT_TELEMETRY_H
#define AUDIT_TELEMETRY_H

#include <jansson.h>

#include "base/err.h"
#include "base/str.h"

#define TELEMETRY_FOLD_MS 60000
#define TELEMETRY_RATE 10	/* a second, all events together */
#define TELEMETRY_KEYS 1024	/* remembered; the oldest gives way */
#define TELEMETRY_KEY_MAX 64
/* As in record.h, whose words for logins are not those of daemons. */
#define TELEMETRY_MESSAGE_MAX 256
#define TELEMETRY_TEXT_MAX 1020
#define TELEMETRY_DETAILS_MAX 2048

/* TELEMETRY_guessing_detected, … */
enum telemetry_event {
#define EVENT(category, event, severity) TELEMETRY_##event,
#include "audit/telemetry_events.def"
#undef EVENT
	TELEMETRY_EVENTS
};

struct telemetry;

struct telemetry_options {
	const char *component;	/* "authd" */
	/* Which of them, cut to BATCH_PROXY_MAX; NULL: the host's name. */
	const char *instance;
	/* Of the socket `events`. */
	const char *address;
	size_t max_message;
	uint32_t reconnect_max_ms;
	unsigned group;
};

/* Dials, for ever. */
int telemetry_open(struct telemetry **out, const struct telemetry_options *o,
    struct err *err) MUST_CHECK;
/*
 * Would it be told now? If not, it is counted, and there is nothing more to
 * do: for events that come in crowds, before their details are put together.
 */
bool telemetry_wants(struct telemetry *t, enum telemetry_event e,
    struct str key) MUST_CHECK;
/*
 * `key` (cut to TELEMETRY_KEY_MAX) is what alike events have in common, a user
 * or an address; may be empty. `message` is for people, cut to
 * TELEMETRY_MESSAGE_MAX. `details`: an object, whose reference is taken, or
 * NULL; left out if it is longer than TELEMETRY_DETAILS_MAX.
 */
void telemetry_tell(struct telemetry *t, enum telemetry_event e,
    struct str key, const char *message, json_t *details);
/* Any bytes as a string of `details`: as in records, escaped, and cut to
 * TELEMETRY_TEXT_MAX. Jansson's own strings are UTF-8, or none. */
json_t *telemetry_text(struct str s) MUST_CHECK;

struct telemetry_counts {
	uint64_t sent, folded;
	uint64_t dropped;	/* beyond the rate, or nobody subscribed */
};
struct telemetry_counts telemetry_counts(struct telemetry *t);
/* What was told just now may be lost. NULL is harmless, of the functions above
 * as well. */
void telemetry_close(struct telemetry **tp);

#endif
