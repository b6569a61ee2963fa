/* SPDX-License-Identifier: MIT */
#include "apid/totals.h"

struct line {
	const char *name, *kind, *help;
	const char *label;	/* in braces, or "" */
	uint64_t value;
};

static void
expose(struct bytes *out, const char *namespace, const struct line *l,
    size_t n)
{
	const char *last = NULL;

	for (; n > 0; n--, l++) {
		/* Samples of one metric stand together in the table. */
		if (l->name != NULL)
			bytes_fmt(out, "# HELP %s_%s %s\n# TYPE %s_%s %s\n",
			    namespace, l->name, l->help, namespace, l->name,
			    l->kind);
		last = l->name != NULL ? l->name : last;
		bytes_fmt(out, "%s_%s%s %llu\n", namespace, last, l->label,
		    (unsigned long long)l->value);
	}
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
	if (s->known)
		expose(out, namespace, lines, ARRAY_LEN(lines));
}
