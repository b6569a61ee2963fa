/* SPDX-License-Identifier: MIT */
#include "apid/ask.h"

#include "base/clock.h"

struct ask
ask_begin(struct metrics *m, enum apid_question q)
{
	return (struct ask){ apid_cells(m), q, clock_mono_us() };
}

void
ask_end(const struct ask *a, enum query_result r)
{
	double seconds = (double)(clock_mono_us() - a->began_us) / 1e6;

	metrics_observe(a->cells, METRIC_api_query_duration_seconds,
	    a->question, seconds);
	if (r == QUERY_UNAVAILABLE || r == QUERY_TIMEOUT)
		metrics_add(a->cells, METRIC_api_query_failures_total,
		    apid_failure_label(a->question, r == QUERY_TIMEOUT ?
		        FAILURE_TIMEOUT : FAILURE_UNAVAILABLE), 1);
}
