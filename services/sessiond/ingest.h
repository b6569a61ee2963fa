/* SPDX-License-Identifier: MIT */
/*
 * ingest: where a run of records stands against what its stream has already.
 *
 * The row of the stream decides, not the carrier (audit.md section 3): what is
 * known is dropped, what continues is applied. As long as nothing can be asked
 * for again, a hole is lost: it is counted, and the stream goes on behind it.
 * Pure; any thread.
 */
#ifndef SESSIOND_INGEST_H
#define SESSIOND_INGEST_H

#include "sessiond/store.h"

enum ingest_verdict {
	INGEST_APPLY,   /* from records[skip] on */
	INGEST_KNOWN,   /* all of it is in the database */
	INGEST_ENDED,   /* the stream is closed */
	INGEST_FOREIGN, /* another proxy's stream */
	INGEST_ABSURD,  /* numbers that no journal can reach */
};

struct ingest_place {
	enum ingest_verdict verdict;
	unsigned skip; /* records at the front that are known */
	uint64_t lost; /* records missing before the first one */
};

/* Judges `n` records from `first_seq` on, sent under the name `proxy`. */
struct ingest_place ingest_judge(const struct store_stream *at,
    const char *proxy, uint64_t first_seq, unsigned n);

#endif
