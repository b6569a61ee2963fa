/* SPDX-License-Identifier: MIT */
/*
 * batch: a run of records of one stream, as one message (audit.md section 4).
 *
 * A batch of a given range has the same bytes on every carrier. At most
 * BATCH_RECORDS_MAX records and BATCH_BYTES_MAX bytes. A stream of zeros is
 * none: what it brings are EVENTs that are told best effort, without a position
 * that could be missed (telemetry.h).
 */
#ifndef AUDIT_BATCH_H
#define AUDIT_BATCH_H

#include "base/id.h"
#include "base/str.h"

#define BATCH_RECORDS_MAX 2000
#define BATCH_BYTES_MAX ((size_t)256 * 1024)
#define BATCH_PROXY_MAX 64

/* Collects records and gives the message. Owned by one thread. */
struct batch_writer;

struct batch_writer *batch_writer_new(const struct id *stream,
    const char *proxy, uint64_t first_seq) MUST_CHECK;
/* Adds a record body under the next seq. false: full, take the message
 * first; nothing was added, no number burnt. */
bool batch_writer_add(struct batch_writer *w, struct str body) MUST_CHECK;
unsigned batch_writer_records(const struct batch_writer *w);
uint64_t batch_writer_next_seq(const struct batch_writer *w);
/* The message, borrowed until the next call; empty when no record is in.
 * Starts the next batch. */
struct str batch_writer_take(struct batch_writer *w);
void batch_writer_free(struct batch_writer **wp);

/* A batch that passed the check. */
struct batch {
	struct id stream;
	uint64_t first_seq;	/* at least 1 */
	unsigned n;
	const struct str *records;	/* bodies, borrowed from the message */
	char proxy[BATCH_PROXY_MAX + 1];
	void *memory;
};

/* The one check, whatever brought the message. -1: malformed. */
int batch_check(struct batch *b, struct str message) MUST_CHECK;
void batch_fini(struct batch *b);

#endif
