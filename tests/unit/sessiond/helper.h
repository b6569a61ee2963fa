/* SPDX-License-Identifier: MIT */
/*
 * helper: what the tests of sessiond share: a database in a directory of its
 * own, records and batches, and a look at the rows.
 */
#ifndef TESTS_SESSIOND_HELPER_H
#define TESTS_SESSIOND_HELPER_H

#include <pthread.h>
#include <sqlite3.h>

#include "audit/batch.h"
#include "audit/record.h"
#include "sessiond/apply.h"
#include "sessiond/store.h"

#define TEST_NOW_US UINT64_C(1790000000000000)

/*
 * A new store, and a look at its rows. In SQLite it is a file in a directory
 * of its own and a second, reading connection. With SALLYPORT_TEST_PG, the URL
 * of a server that is ours alone, it is PostgreSQL, and the look goes to a
 * copy of the tables in SQLite's form (mirror.h), so that the same questions
 * can be asked.
 */
struct base {
	char dir[64], path[96];
	struct store *store;
	sqlite3 *reader;
};

/* NULL: the tests run on SQLite. */
const char *base_server(void);

void base_open(struct base *b);
/* Closes the store and opens it again, as after a crash. */
void base_reopen(struct base *b);
void base_close(struct base *b);
void remove_dir(const char *dir);

/* The rows as they are now; borrowed until the next look. */
sqlite3 *base_reader(struct base *b);
/* The one value of a query; NULL is "NULL". Valid until the next call. */
const char *base_text(struct base *b, const char *sql);
int64_t base_number(struct base *b, const char *sql);

/* The n-th id of a family; its millisecond is started_ms_of(n). */
struct id id_of(unsigned family, unsigned n);
struct id stream_of(unsigned n);
uint64_t started_ms_of(unsigned n);

/* A session with every field set, borrowed constants but for id and time. */
struct record_session session_of(unsigned family, unsigned n);

/* Bodies and batches are the caller's to free. */
struct body {
	size_t len;
	char bytes[RECORD_MAX];
};
struct body *body_open(unsigned family, unsigned n);
struct body *body_update(unsigned family, unsigned n, uint64_t bytes_up);
struct body *body_close(unsigned family, unsigned n, uint64_t bytes_up);
struct body *body_reject(unsigned family, unsigned n, const char *user);
/* An event of id_of(family, n) with every field set; `message` may be "". */
struct body *body_event(unsigned family, unsigned n, const char *message);
struct body *body_end(const char *reason);
struct body *body_raw(const void *p, size_t len);
struct body *body_session(
    enum record_type type, const struct record_session *s);

/* A batch as apply takes it, with copies of the bodies. */
struct apply_batch *batch_of(const struct id *stream, const char *proxy,
    uint64_t first_seq, struct body *const *bodies, unsigned n);
void batch_free(struct apply_batch *b);
/* The message of a batch; bytes_fini it. */
struct bytes message_of(const struct id *stream, const char *proxy,
    uint64_t first_seq, struct body *const *bodies, unsigned n);

/*
 * A store that passes everything on to another, but fails: the call number
 * `fail_at` (1 is the next) with `fail_with`, `fail_times` in a row, and as
 * poison whatever has the user `poison`, or as an event the message. With
 * `hang` it is a server that stands still until it is given up. While another
 * thread uses it, only faulty_fail may change it.
 */
struct faulty {
	struct store store;
	struct store_ops ops;
	struct store *inner;
	unsigned fail_at, fail_times;
	enum store_result fail_with;
	const char *poison;
	const atomic_bool *hang; /* begin waits for it, then fails */
	unsigned calls;
	pthread_mutex_t m; /* guards fail_* and calls */
};
void faulty_init(struct faulty *f, struct store *inner);
/* From the call number `at` on, `times` in a row, with `with`. */
void faulty_fail(
    struct faulty *f, unsigned at, unsigned times, enum store_result with);

#endif
