/* SPDX-License-Identifier: MIT */
/*
 * query: the database's read side, whatever database it is.
 *
 * A struct query_source is the database; it is made once and shared by all
 * threads. A struct query is one thread's handle to ask with. Neither needs the
 * database to be there: connections are made when first needed, and again when
 * it was away or replaced. All only read, and each statement is bounded in
 * time. What is asked for is a struct, and no SQL is seen above this header.
 * Every question sees one moment of the database. Times are µs since 1970.
 */
#ifndef APID_QUERY_H
#define APID_QUERY_H

#include "audit/close_reason.h"
#include "audit/duration.h"
#include "audit/record.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "net/addr.h"

struct query;
struct query_source;

struct query_source_options {
	const char *database;	/* "sqlite:FILE" or "postgresql://…" */
	/* Of PostgreSQL alone. */
	const char *password_file;	/* "": as in the URL */
	unsigned connections;		/* at most; 1 to 64 */
};

/* What a source holds and how it fared; all 0 where it holds no connections
 * in common. */
struct query_pool {
	unsigned limit, open, in_use;
	uint64_t waits;		/* questions that waited for a connection */
	uint64_t exhausted;	/* of them those that waited in vain */
	uint64_t connects, connect_failures;
	uint64_t lost;		/* connections that broke */
};

/* Nothing is connected to yet. NULL: `database` makes no sense; the error does
 * not show it, since it may hold a password. */
struct query_source *query_source_new(const struct query_source_options *o,
    struct err *err) MUST_CHECK;
/* All its queries are freed before. */
void query_source_free(struct query_source **sp);
/* How long one statement may take, from the next question on; at first 3 s.
 * Any thread. */
void query_source_set_timeout(struct query_source *s, uint64_t ms);
/* From now on every question ends at once, as unavailable. Any thread. */
void query_source_stop(struct query_source *s);
/* "sqlite", "postgresql". */
const char *query_source_backend(const struct query_source *s);
/* The database was never reached, and what the last question found can only
 * be mended by a human: a wrong password, a schema of a later release. `err`
 * then has all that is known, for the log. Any thread. */
bool query_source_is_hopeless(struct query_source *s, struct err *err);
/* Any thread. */
void query_source_pool(struct query_source *s, struct query_pool *out);

enum query_result {
	QUERY_OK,
	QUERY_NONE,		/* there is no such row */
	QUERY_UNAVAILABLE,	/* query_why says what is the matter */
	QUERY_TIMEOUT,		/* it would have taken too long */
};

struct query *query_new(struct query_source *s) MUST_CHECK;
void query_free(struct query **qp);
/* Why the last question gave QUERY_UNAVAILABLE, without the file's path or the
 * URL; valid until the next. */
const char *query_why(const struct query *q);
/* The number of the last migration; 0 until a question succeeded. */
unsigned query_schema(const struct query *q);

#define QUERY_NULL UINT64_MAX	/* a number that is not known */

/* A session, running or ended. Text is empty where the database has NULL. */
struct query_session {
	bool active;
	struct id id, stream;
	uint64_t started_us, ended_us, received_us, duration_us;
	uint64_t close_seq;
	struct str proxy, listener;
	struct str user, groups;	/* groups: a JSON array */
	struct str claimed_user;
	struct str source_ip;		/* 16 bytes */
	uint64_t source_port;
	struct str dest_host, dest_ip;
	uint64_t dest_port;
	struct str resolved_ips;	/* 16 bytes an address */
	uint64_t destinations;
	uint64_t command, carrier, protocol;
	uint64_t decision;
	struct str rule;
	uint64_t generation;
	struct str route, limits;
	uint64_t auth_method;
	uint64_t bytes_up, bytes_down, packets_up, packets_down;
	uint64_t status;		/* STATUS_NONE while it runs */
	struct str close_reason, close_detail;
	uint64_t reply_code, setup_us, attempts;
	uint64_t incomplete, counters_lower_bound;
	uint64_t last_contact_us;	/* of its stream; while it runs */
};

/* `s` is borrowed until it returns. */
typedef void query_row_fn(void *arg, const struct query_session *s);

/* ---- filters ---- */

enum query_column {
	QUERY_USER, QUERY_SOURCE_IP, QUERY_DEST_IP, QUERY_DEST_HOST,
	QUERY_DEST_PORT, QUERY_STATUS, QUERY_CLOSE_REASON, QUERY_DECISION,
	QUERY_RULE, QUERY_PROTOCOL, QUERY_COMMAND, QUERY_PROXY,
	QUERY_COLUMNS,
};

enum query_kind {
	QUERY_TEXT,	/* column = text */
	QUERY_NUMBER,	/* column = number */
	QUERY_RANGE,	/* column between low and high */
};

struct query_condition {
	unsigned group;		/* those of one group are joined by or */
	enum query_column column;
	enum query_kind kind;
	struct str text;	/* borrowed */
	uint64_t number;
	struct addr low, high;	/* equal: one address */
};

#define QUERY_CONDITIONS_MAX 32

/* A place in the order of (started_at, id), for events of (at, id). */
struct query_key {
	uint64_t started_us;
	struct id id;
};

struct query_filter {
	bool active;		/* those that run; else those that ended */
	uint64_t since_us, until_us;	/* since <= started_at < until */
	struct query_condition conditions[QUERY_CONDITIONS_MAX];
	size_t n;
	bool after;		/* only what comes after `key` */
	struct query_key key;
	unsigned limit;		/* 1 to 1000 */
};

/* Rows that a page may look at when an index does not do the whole work. */
#define QUERY_EXAMINED_MAX 50000

/* Gives each row of a page, newest first; then `more` says whether anything
 * may follow, after `last`. */
struct query_page {
	bool more;
	struct query_key last;
};
enum query_result query_sessions(struct query *q,
    const struct query_filter *f, query_row_fn *fn, void *arg,
    struct query_page *page) MUST_CHECK;
enum query_result query_session(struct query *q, const struct id *id,
    query_row_fn *fn, void *arg) MUST_CHECK;

/* ---- events ---- */

/* What a daemon noticed. Text is empty where the database has NULL. */
struct query_event {
	struct id id;
	uint64_t at_us;
	uint64_t severity;	/* of a later release: beyond SEVERITY_ERROR */
	struct str category, event;
	struct str message, component, instance;
	struct str details;	/* JSON, not looked at */
	uint64_t suppressed;
};

#define QUERY_CATEGORIES_MAX 8

struct query_event_filter {
	uint64_t since_us, until_us;	/* since <= at < until */
	unsigned severities;	/* 1 << SEVERITY_…, any of them; 0: all */
	struct str categories[QUERY_CATEGORIES_MAX];	/* borrowed; any */
	size_t n_categories;	/* 0: all */
	bool after;		/* only what comes after `key` */
	struct query_key key;
	unsigned limit;		/* 1 to 1000 */
};

/* `e` is borrowed until it returns. */
typedef void query_event_fn(void *arg, const struct query_event *e);

/* As query_sessions. A database that sessiond has not brought up to date has
 * no events, and is QUERY_UNAVAILABLE. */
enum query_result query_events(struct query *q,
    const struct query_event_filter *f, query_event_fn *fn, void *arg,
    struct query_page *page) MUST_CHECK;

/* ---- sums ---- */

struct query_sum {
	uint64_t sessions;	/* the sum of the next three and `active` */
	uint64_t closed, failed, rejected, active;
	uint64_t allowed, blocked, redirected;
	uint64_t bytes_up, bytes_down;
};

#define QUERY_TOP 10
#define QUERY_TOP_TEXT 1024	/* longer keys are cut */

struct query_top {
	char key[QUERY_TOP_TEXT];
	uint64_t sessions, bytes_up, bytes_down;
};

struct query_stats {
	struct query_sum window, today;
	uint64_t active;		/* all that run now */
	struct query_top users[QUERY_TOP], destinations[QUERY_TOP];
	size_t n_users, n_destinations;
};

/* Sums of sessions that started in the whole hours since `since_us`, and since
 * `today_us`; from rollups and running sessions, never a scan of history. */
enum query_result query_stats(struct query *q, uint64_t since_us,
    uint64_t today_us, struct query_stats *out) MUST_CHECK;

struct query_totals {
	struct query_sum all;	/* of all that the rollups hold */
	uint64_t tried;		/* its sessions but those rejected */
	/* Ended sessions: by reason, those of reasons that this release does
	 * not know by status, and but for the rejected by duration. */
	uint64_t reasons[CLOSE_REASONS];
	uint64_t other_reasons[STATUS_REJECTED + 1];
	uint64_t durations[DURATION_BUCKETS];
	uint64_t duration_us;
	uint64_t last_record_us;	/* 0: no proxy was ever heard */
	uint64_t streams_live, streams_silent;	/* silent: for 15 min */
};
enum query_result query_totals(struct query *q, uint64_t now_us,
    struct query_totals *out) MUST_CHECK;

struct query_user_sum {
	uint64_t sessions;	/* but the rejected */
	uint64_t bytes_up, bytes_down;
};

/* `name` is borrowed until the callback returns. */
struct query_user {
	struct str name;
	struct query_user_sum grown;	/* in the window of the last time */
	struct query_user_sum sum;	/* in that of the next */
};
typedef void query_user_fn(void *arg, const struct query_user *u);

/*
 * Gives each user of the last day, the one with most sessions first, and moves
 * the window on. It begins at the hour `*window_us`, which is 0 at first, and
 * reaches back to the oldest session that ran when it was set: what ends until
 * the next time is in it. Sessions that run count wherever they began. What a
 * proxy reports more than a day late may be left out.
 */
enum query_result query_users(struct query *q, uint64_t now_us,
    uint64_t *window_us, query_user_fn *fn, void *arg) MUST_CHECK;

/* A running session is shown as unknown, and a stream counts as silent, when
 * nothing was heard of it for so long. */
#define QUERY_SILENT_US UINT64_C(900000000)

#endif
