/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "sessiond/ingest.h"

static const struct {
	const char *what;
	uint64_t next_seq;
	enum store_stream_state state;
	const char *proxy;
	uint64_t first_seq;
	unsigned n;
	struct ingest_place want;
} cases[] = {
	{ "the first batch", 1, STREAM_LIVE, "p", 1, 5,
	    { INGEST_APPLY, 0, 0 } },
	{ "the next one", 6, STREAM_LIVE, "p", 6, 1, { INGEST_APPLY, 0, 0 } },
	{ "the same again", 6, STREAM_LIVE, "p", 1, 5, { INGEST_KNOWN, 0, 0 } },
	{ "an old part", 6, STREAM_LIVE, "p", 2, 2, { INGEST_KNOWN, 0, 0 } },
	{ "an overlap", 6, STREAM_LIVE, "p", 4, 5, { INGEST_APPLY, 2, 0 } },
	{ "all but one known", 6, STREAM_LIVE, "p", 1, 6,
	    { INGEST_APPLY, 5, 0 } },
	{ "a hole of one", 6, STREAM_LIVE, "p", 7, 1, { INGEST_APPLY, 0, 1 } },
	{ "a late start", 1, STREAM_LIVE, "p", 1000001, 3,
	    { INGEST_APPLY, 0, 1000000 } },
	{ "after the end", 6, STREAM_ENDED, "p", 6, 1, { INGEST_ENDED, 0, 0 } },
	{ "known, after the end", 6, STREAM_ENDED, "p", 1, 5,
	    { INGEST_ENDED, 0, 0 } },
	{ "a lost one speaks again", 6, STREAM_LOST, "p", 6, 1,
	    { INGEST_APPLY, 0, 0 } },
	{ "another proxy", 6, STREAM_LIVE, "q", 6, 1,
	    { INGEST_FOREIGN, 0, 0 } },
	{ "another proxy, a prefix", 6, STREAM_LIVE, "", 6, 1,
	    { INGEST_FOREIGN, 0, 0 } },
	{ "zero", 1, STREAM_LIVE, "p", 0, 1, { INGEST_ABSURD, 0, 0 } },
	{ "the last that can be", 6, STREAM_LIVE, "p",
	    INT64_MAX - BATCH_RECORDS_MAX, BATCH_RECORDS_MAX,
	    { INGEST_APPLY, 0, (uint64_t)INT64_MAX - BATCH_RECORDS_MAX - 6 } },
	{ "one beyond", 6, STREAM_LIVE, "p",
	    (uint64_t)INT64_MAX - BATCH_RECORDS_MAX + 1, 1,
	    { INGEST_ABSURD, 0, 0 } },
	{ "far beyond", 6, STREAM_LIVE, "p", UINT64_MAX, 1,
	    { INGEST_ABSURD, 0, 0 } },
};

static void
test_judge(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct store_stream at = { .proxy = "p",
			.next_seq = cases[i].next_seq,
			.state = cases[i].state };
		struct ingest_place p = ingest_judge(
		    &at, cases[i].proxy, cases[i].first_seq, cases[i].n);

		if (p.verdict != cases[i].want.verdict ||
		    p.skip != cases[i].want.skip ||
		    p.lost != cases[i].want.lost)
			fail_msg("%s: verdict %d, skip %u, lost %ju",
			    cases[i].what, p.verdict, p.skip,
			    (uintmax_t)p.lost);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
