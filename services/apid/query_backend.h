/* SPDX-License-Identifier: MIT */
/*
 * query_backend: what a back end of query.h fills in. Back ends embed the
 * structs first; query.c makes and frees nothing else.
 */
#ifndef APID_QUERY_BACKEND_H
#define APID_QUERY_BACKEND_H

#include <stdatomic.h>

#include "apid/query.h"

/* Contracts as in query.h. `free` ends what `open` or a constructor made. */
struct query_ops {
	enum query_result (*sessions)(struct query *q,
	    const struct query_filter *f, query_row_fn *fn, void *arg,
	    struct query_page *page);
	enum query_result (*session)(struct query *q, const struct id *id,
	    query_row_fn *fn, void *arg);
	enum query_result (*events)(struct query *q,
	    const struct query_event_filter *f, query_event_fn *fn, void *arg,
	    struct query_page *page);
	enum query_result (*stats)(struct query *q, uint64_t since_us,
	    uint64_t today_us, struct query_stats *out);
	enum query_result (*totals)(struct query *q, uint64_t now_us,
	    struct query_totals *out);
	enum query_result (*users)(struct query *q, uint64_t now_us,
	    uint64_t *window_us, query_user_fn *fn, void *arg);
	void (*free)(struct query *q);
};

struct query {
	const struct query_ops *ops;
	struct query_source *source;
	unsigned schema;
	struct err why;
};

struct query_source_ops {
	const char *backend;
	/* query.c fills the struct query but for its ops, and a new source
	 * but for its ops. */
	struct query *(*open)(struct query_source *s);
	/* NULL: never; it has none. */
	bool (*is_hopeless)(struct query_source *s, struct err *err);
	void (*pool)(struct query_source *s, struct query_pool *out);
	void (*free)(struct query_source *s);
};

struct query_source {
	const struct query_source_ops *ops;
	atomic_bool stop;	/* every wait is to end */
	_Atomic uint64_t timeout_ms;	/* of a statement */
};

/* The migration that made the table of events. */
#define QUERY_SCHEMA_EVENTS 2

/* There is no such table in a schema that is older. */
enum query_result query_no_events(struct query *q) MUST_CHECK;

/* The hour where a window of query_users begins: a day back, or where the
 * oldest running session began. */
uint64_t query_users_window(uint64_t now_us, uint64_t oldest_us);

/* Why sessions ended, with how many they are by status (STATUS_NONE: in all):
 * into the members that show it. */
void query_add_reason(struct query_totals *t, struct str name,
    const uint64_t n[static STATUS_REJECTED + 1]);
/* How many sessions lasted as long as the bucket `name` says, and how long in
 * all; other names are left out. */
void query_add_duration(struct query_totals *t, struct str name, uint64_t n,
    uint64_t duration_us);

#endif
