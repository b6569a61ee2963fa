/* SPDX-License-Identifier: MIT */
#include "apid/totals.h"

struct line {
	const char *name, *kind, *help;
	const char *label;	/* in braces, or "" */
	uint64_t value;
};

static void
head(struct bytes *out, const char *namespace, const char *name,
    const char *kind, const char *help)
{
	bytes_fmt(out, "# HELP %s_%s %s\n# TYPE %s_%s %s\n", namespace, name,
	    help, namespace, name, kind);
}

static void
expose(struct bytes *out, const char *namespace, const struct line *l,
    size_t n)
{
	const char *last = NULL;

	for (; n > 0; n--, l++) {
		/* Samples of one metric stand together in the table. */
		if (l->name != NULL)
			head(out, namespace, l->name, l->kind, l->help);
		last = l->name != NULL ? l->name : last;
		bytes_fmt(out, "%s_%s%s %llu\n", namespace, last, l->label,
		    (unsigned long long)l->value);
	}
}

static void
expose_reasons(struct bytes *out, const char *namespace,
    const struct query_totals *t)
{
	static const char name[] = "sessions_closed_total";

	head(out, namespace, name, "counter",
	    "Sessions that ended, refused ones included, by why");
	for (unsigned i = CLOSE_NONE + 1; i < CLOSE_REASONS; i++)
		bytes_fmt(out, "%s_%s{status=\"%s\",reason=\"%s\"} %llu\n",
		    namespace, name,
		    record_status_name(close_reason_status(i)),
		    close_reason_name(i), (unsigned long long)t->reasons[i]);
	for (unsigned s = STATUS_CLOSED; s <= STATUS_REJECTED; s++)
		bytes_fmt(out, "%s_%s{status=\"%s\",reason=\"__other__\"} "
		    "%llu\n", namespace, name, record_status_name(s),
		    (unsigned long long)t->other_reasons[s]);
}

static void
expose_durations(struct bytes *out, const char *namespace,
    const struct query_totals *t)
{
	static const char name[] = "session_duration_seconds";
	unsigned long long count = 0;

	head(out, namespace, name, "histogram",
	    "How long ended sessions lasted, all but the rejected");
	for (unsigned i = 0; i < DURATION_BUCKETS; i++) {
		count += t->durations[i];
		bytes_fmt(out, "%s_%s_bucket{le=\"%s\"} %llu\n", namespace,
		    name, duration_edges[i], count);
	}
	bytes_fmt(out, "%s_%s_sum %llu.%06llu\n%s_%s_count %llu\n", namespace,
	    name, (unsigned long long)t->duration_us / 1000000,
	    (unsigned long long)t->duration_us % 1000000, namespace, name,
	    count);
}

void
totals_expose(struct bytes *out, const char *namespace,
    const struct sample *s)
{
	const struct query_totals *t = &s->totals;
	const struct query_sum *a = &t->all;
	const struct line always[] = {
		{ "api_database_up", "gauge",
			"1: the database could be read when last asked", "",
			s->readable },
	};
	const struct line lines[] = {
		{ "active_sessions", "gauge", "Sessions that run", "",
			a->active },
		{ "sessions_total", "counter",
			"Sessions that were established or tried", "",
			t->tried },
		{ "sessions_rejected_total", "counter",
			"Sessions that were refused on purpose", "",
			a->rejected },
		{ "bytes_sent_total", "counter",
			"Payload to the targets, running sessions included",
			"", a->bytes_up },
		{ "bytes_received_total", "counter",
			"Payload to the clients, running sessions included",
			"", a->bytes_down },
		{ "acl_decisions_total", "counter",
			"Sessions by what the policy decided",
			"{decision=\"allow\"}", a->allowed },
		{ NULL, NULL, NULL, "{decision=\"block\"}", a->blocked },
		{ NULL, NULL, NULL, "{decision=\"redirect\"}",
			a->redirected },
		{ "proxies", "gauge",
			"Streams of proxies that have not ended",
			"{state=\"live\"}", t->streams_live },
		{ NULL, NULL, NULL, "{state=\"silent\"}",
			t->streams_silent },
	};

	expose(out, namespace, always, ARRAY_LEN(always));
	if (!s->known)
		return;
	expose(out, namespace, lines, ARRAY_LEN(lines));
	expose_reasons(out, namespace, t);
	expose_durations(out, namespace, t);
}
