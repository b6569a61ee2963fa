/* SPDX-License-Identifier: MIT */
#include "sessiond/ingest.h"

#include <string.h>

/* The database's numbers are signed. */
#define SEQ_MAX ((uint64_t)INT64_MAX - BATCH_RECORDS_MAX)

struct ingest_place
ingest_judge(const struct store_stream *at, const char *proxy,
    uint64_t first_seq, unsigned n)
{
	struct ingest_place p = { 0 };

	if (strcmp(at->proxy, proxy) != 0)
		p.verdict = INGEST_FOREIGN;
	else if (at->state == STREAM_ENDED)
		p.verdict = INGEST_ENDED;
	else if (first_seq < 1 || first_seq > SEQ_MAX)
		p.verdict = INGEST_ABSURD;
	else if (first_seq + n <= at->next_seq)
		p.verdict = INGEST_KNOWN;
	else if (first_seq < at->next_seq)
		p.skip = (unsigned)(at->next_seq - first_seq);
	else
		p.lost = first_seq - at->next_seq;
	return p;
}
