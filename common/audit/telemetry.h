/* SPDX-License-Identifier: MIT */
/*
 * telemetry: tells sessiond what a daemon noticed, for people to look at.
 *
 * Best effort: an event is an EVENT record in a batch of its own on `events`,
 * under a stream of this process (audit.md section 4); what finds nobody is
 * lost, and a gap if more of the stream arrives. Alike ones, of the same event
 * and key, are told once a minute, with the number of those that were not; no
 * more than TELEMETRY_RATE a second go out whatever their keys, so that no
 * client can fill the table of events. Never blocks. Any thread.
 */
#ifndef AUDIT_TELEMETRY_H
#define AUDIT_TELEMETRY_H

#include <jansson.h>

#include "audit/record.h"
#include "base/err.h"

#define TELEMETRY_FOLD_MS 60000
#define TELEMETRY_RATE 10	/* a second, all events together */
#define TELEMETRY_KEYS 1024	/* remembered; the oldest gives way */

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
	const char *instance;	/* which of them; NULL: the host's name */
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
 * `key` (cut to 64 bytes) is what alike events have in common, a user or an
 * address; may be empty. `message` is for people, cut to RECORD_TEXT_MAX.
 * `details`: an object, whose reference is taken, or NULL.
 */
void telemetry_tell(struct telemetry *t, enum telemetry_event e,
    struct str key, const char *message, json_t *details);

struct telemetry_counts {
	uint64_t sent, folded, dropped;	/* dropped: beyond the rate */
};
struct telemetry_counts telemetry_counts(struct telemetry *t);
/* Ends the stream. NULL is harmless, also of telemetry_tell. */
void telemetry_close(struct telemetry **tp);

#endif
