/* SPDX-License-Identifier: MIT */
/*
 * ear: hears what is published on `events`, in place of sessiond. Each message
 * must be a batch, and each record in it one that is known. Time is the
 * system's, whatever a test makes of base/clock.h. One thread.
 */
#ifndef TESTS_UNIT_AUDIT_EAR_H
#define TESTS_UNIT_AUDIT_EAR_H

#include "audit/batch.h"

struct ear;
struct record;

struct heard {
	struct id stream;
	uint64_t seq;
	unsigned together;	/* records in its batch */
	char proxy[BATCH_PROXY_MAX + 1];
	const struct record *record;
	/* Of an event: "severity category event component: message details",
	 * and how many alike ones it stands for. Else NULL. */
	char *text;
	uint64_t suppressed;
};

/* Listens at ipc://… */
struct ear *ear_open(const char *address);
/* Waits until `n` records were heard, twenty seconds at most. */
void ear_wait(struct ear *e, unsigned n);
/* The same, for events of that name. */
void ear_wait_events(struct ear *e, const char *event, unsigned n);
unsigned ear_count(struct ear *e);
/* Of those that were heard; valid until ear_close(). */
const struct heard *ear_at(struct ear *e, unsigned i);
/* How many events of that name were heard. */
unsigned ear_events(struct ear *e, const char *event);
/* The i-th of them; there is one. */
const struct heard *ear_event(struct ear *e, const char *event, unsigned i);
void ear_close(struct ear **ep);

#endif
