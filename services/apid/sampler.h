/* SPDX-License-Identifier: MIT */
/*
 * sampler: what /health, /readyz and /metrics show, looked up beside the
 * requests.
 *
 * A thread of its own asks the database once a second for the fleet's totals,
 * every ten seconds for those of users (if the settings want them),
 * and every two seconds all daemons for their /readyz. A request only copies
 * the last sample. Any thread may ask.
 */
#ifndef APID_SAMPLER_H
#define APID_SAMPLER_H

#include "apid/probe.h"
#include "apid/query.h"
#include "base/err.h"
#include "base/metrics.h"
#include "config/settings.h"

#define SAMPLER_DAEMONS 5

struct sample {
	bool readable;		/* the database, when last asked */
	char why[256];		/* it is not */
	unsigned schema;	/* its last migration; 0: never seen */
	bool known;		/* totals were read at least once */
	/* What totals.c exposes as a counter never falls: what retention
	 * takes away is added again. */
	struct query_totals totals;
	struct probe daemons[SAMPLER_DAEMONS];	/* state UNKNOWN: not yet */
};

struct sampler_options {
	struct query_source *source;	/* borrowed */
	struct metrics *metrics;
	const struct metrics_config *config;	/* or NULL; not kept */
	/* In the order that sampler_names has. */
	struct endpoint daemons[SAMPLER_DAEMONS];
	/* After each look at the database; why NULL: it can be read. */
	void (*on_database)(void *arg, const char *why);
	void *arg;
};

extern const char *const sampler_names[SAMPLER_DAEMONS];

struct sampler;

/* Takes the first look at the database before it returns. */
int sampler_start(struct sampler **out, const struct sampler_options *o,
    struct err *err) MUST_CHECK;
void sampler_get(struct sampler *s, struct sample *out);
/* Appends the metrics of users, if there are any (users.h). */
void sampler_users(struct sampler *s, struct bytes *out);
void sampler_stop(struct sampler **sp);

#endif
