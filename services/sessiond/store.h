/* SPDX-License-Identifier: MIT */
/*
 * store: the database's write side, whatever database it is.
 *
 * The engine (apply.c, retention.c) speaks in these structs; a back end fills
 * in a struct store_ops and no SQL is seen above it. A store belongs to the
 * writer thread. All times are µs since 1970; rows borrow their text until the
 * call returns.
 *
 * Work is done between begin and commit, and nothing counts before the commit
 * said STORE_OK. After any other result only rollback may follow, which never
 * fails. STORE_POISON says that the data itself was refused, so that trying
 * again is useless; every other failure may heal by itself.
 */
#ifndef SESSIOND_STORE_H
#define SESSIOND_STORE_H

#include <stdatomic.h>

#include "audit/batch.h"
#include "base/err.h"

struct store;

enum store_result {
	STORE_OK,
	STORE_POISON,   /* a value was refused */
	STORE_BUSY,     /* somebody holds a lock */
	STORE_FULL,     /* no room on the disk */
	STORE_IO,       /* the disk failed */
	STORE_READONLY, /* it may not be written: file rights, a standby */
	STORE_CORRUPT,  /* the data is damaged */
	STORE_AWAY,     /* there is no connection to the server */
	STORE_FAULT,    /* anything else: ours to mend */
	STORE_RESULTS,
};

/* "ok", "poison", … */
const char *store_result_name(enum store_result r);
/* All but "ok", ended by NULL (labels): index is result - 1. */
extern const char *const store_error_names[];

enum store_stream_state { STREAM_LIVE = 1, STREAM_ENDED, STREAM_LOST };

struct store_stream {
	struct id id;
	char proxy[BATCH_PROXY_MAX + 1];
	uint64_t next_seq;
	enum store_stream_state state;
	uint64_t last_contact_us;
	struct str end_reason; /* empty while it lives */
};

#define STORE_NULL UINT64_MAX /* a number that is not known */

/* A session that runs (put_active) or ended (add_sessions). Empty text is NULL
 * in the database; numbers are below 2^63, or STORE_NULL. */
struct store_session {
	struct id id, stream;
	uint64_t seq; /* last_seq, close_seq */
	uint64_t started_us, ended_us, received_us, duration_us;
	struct str proxy, listener;
	struct str user, groups; /* groups: a JSON array */
	struct str claimed_user;
	struct str source_ip;    /* 16 bytes */
	uint64_t source_port;
	struct str dest_host, dest_ip;
	uint64_t dest_port;
	struct str resolved_ips; /* 16 bytes an address */
	uint64_t destinations;
	uint64_t command, carrier, protocol;
	uint64_t decision;
	struct str rule;
	uint64_t generation;
	struct str route, limits;
	uint64_t auth_method;
	uint64_t bytes_up, bytes_down, packets_up, packets_down;
	uint64_t status;
	struct str close_reason, close_detail;
	uint64_t reply_code, setup_us, attempts;
	uint64_t incomplete, counters_lower_bound; /* 0 or 1 */
	bool stored; /* out: false if a guard refused it */
};

enum rollup_dimension {
	ROLLUP_TOTAL,
	ROLLUP_USER,
	ROLLUP_DESTINATION,
	ROLLUP_RULE,
	ROLLUP_REASON,   /* why it ended */
	ROLLUP_DURATION, /* the edge of its bucket, unless rejected */
	ROLLUP_DIMENSIONS,
};

/* Added to what the row of (dimension, hour, key) holds, if any. */
struct store_rollup {
	enum rollup_dimension dimension;
	uint64_t hour_us;
	struct str key;
	uint64_t sessions, closed, failed, rejected;
	uint64_t allowed, blocked, redirected;
	uint64_t bytes_up, bytes_down, duration_us;
};

struct store_gap {
	struct id stream;
	uint64_t first_seq, last_seq;
	struct str proxy, reason;
	uint64_t noticed_us;
};

struct store_quarantine {
	struct id stream;
	uint64_t seq;
	struct str proxy, reason, body;
	uint64_t received_us;
};

/* What a daemon noticed; `severity` as in record.h. Text that is empty is NULL
 * in the database where it may be (message, details). */
struct store_event {
	struct id id;
	uint64_t at_us;	/* the id's millisecond */
	uint64_t severity;
	struct str category, event, message, component;
	struct str instance;	/* the batch's proxy */
	struct str details;	/* JSON, not looked at */
	uint64_t suppressed;
};

/* What grows old, for delete_old. */
enum store_history {
	HISTORY_SESSIONS, /* by started_at; PostgreSQL: by whole days */
	HISTORY_ROLLUPS,  /* by hour */
	HISTORY_GAPS,
	HISTORY_QUARANTINE, /* by when they were noticed */
	HISTORY_STREAMS,    /* not live ones, by last contact */
	HISTORIES,
};

struct store_ops {
	const char *backend; /* "sqlite", "postgresql" */

	/* Also connects to a server that was away. */
	enum store_result (*begin)(struct store *s);
	enum store_result (*commit)(struct store *s);
	void (*rollback)(struct store *s);

	/* Reads `n` streams, in order of their ids and none twice, and keeps
	 * others from moving them until the end of the transaction. A new one
	 * is made under its `id` and `proxy` with next_seq 1, live. Fills the
	 * rest of each. */
	enum store_result (*lock_streams)(struct store *s,
	    struct store_stream *const *streams, size_t n, uint64_t now_us);
	/* Writes next_seq, state, last_contact_us and end_reason. */
	enum store_result (*move_stream)(
	    struct store *s, const struct store_stream *st);

	/*
	 * Adds running sessions, no id twice, or moves them on: counters and
	 * duration to the greater of both, last_seq to the row's. Refused
	 * (`stored` false) are an id that has ended, an id of another stream,
	 * and a seq that is not above last_seq.
	 */
	enum store_result (*put_active)(
	    struct store *s, struct store_session *const *rows, size_t n);
	/* Adds ended sessions and takes the running row of each away. Refused
	 * are an id that has ended and one that runs under another stream. */
	enum store_result (*add_sessions)(
	    struct store *s, struct store_session *const *rows, size_t n);
	/* Calls `fn` with each running session of `stream`, in order of id;
	 * the row is borrowed until fn returns, which may not use the store. */
	enum store_result (*each_active)(struct store *s,
	    const struct id *stream,
	    void (*fn)(void *arg, const struct store_session *row), void *arg);

	/* No key twice in a call. Sums stop at the greatest number that the
	 * database can hold. */
	enum store_result (*add_rollups)(
	    struct store *s, const struct store_rollup *rows, size_t n);
	enum store_result (*add_gap)(
	    struct store *s, const struct store_gap *g);
	enum store_result (*add_quarantine)(
	    struct store *s, const struct store_quarantine *q);

	/* Nothing, if the id is known. */
	enum store_result (*add_event)(
	    struct store *s, const struct store_event *e);
	/* Keeps the newest `most` (at least 1) of the events that are not
	 * older than `before_us`, removes the others, oldest first; at most
	 * `max` a call. `more`: there may be others to go. */
	enum store_result (*trim_events)(struct store *s, uint64_t before_us,
	    uint64_t most, unsigned max, uint64_t *deleted, bool *more);

	/* Live streams last heard of before `before_us`, at most `max`. */
	enum store_result (*silent_streams)(struct store *s, uint64_t before_us,
	    struct id *out, size_t max, size_t *n);
	/* How many streams are in `state`. Outside a transaction it connects,
	 * as begin does. */
	enum store_result (*count_streams)(
	    struct store *s, enum store_stream_state state, uint64_t *n);
	/* A slice of retention, oldest sessions first: at most `max` rows, or
	 * a whole day of sessions; `deleted` may then be an estimate. `more`:
	 * there may be others. STORE_BUSY: readers are in the way. */
	enum store_result (*delete_old)(struct store *s,
	    enum store_history what, uint64_t before_us, unsigned max,
	    uint64_t *deleted, bool *more);
	/* Outside a transaction: gives a slice of freed room back. */
	enum store_result (*tidy)(struct store *s);
	/* Outside a transaction, now and then: makes room for the days to
	 * come. `stray`: sessions (at most 10,000 are counted) that came to
	 * where no room was made for them. */
	enum store_result (*look_ahead)(struct store *s, uint64_t *stray);

	/* The words of the last failure. */
	const char *(*message)(const struct store *s);
	void (*close)(struct store *s);
};

/* Back ends embed this first. */
struct store {
	const struct store_ops *ops;
	bool away; /* store_open did not reach it: message() says why */
};

struct store_options {
	const char *database;      /* the setting, a secret */
	const char *password_file; /* NULL, "": none */
	const char *state_dir;     /* of the file that is the default */
	/* Once true, no operation waits for a server any longer; NULL. */
	const atomic_bool *stop;
};

/*
 * Opens what `database` names: "sqlite:FILE", or nothing for sallyport.db in
 * `state_dir`, or a URL of PostgreSQL. Makes it if it is not there, as far as
 * its role may, and brings its schema up to date. -1: only a human can mend
 * it, and the error says how; so are refused a database of a later release, a
 * damaged one and a file that another sessiond holds. A server that may heal
 * (away, starting, read-only, to be migrated by somebody else) is no error:
 * see `away`.
 */
int store_open(struct store **out, const struct store_options *o,
    struct err *err) MUST_CHECK;
/* Whether `database` is a URL of PostgreSQL. */
bool store_is_server(const char *database);
/* Looks whether store_open would succeed, without changing anything. */
int store_check(const struct store_options *o, struct err *err) MUST_CHECK;
void store_close(struct store **sp);

#endif
