/* SPDX-License-Identifier: MIT */
#include "sessiond/store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define BUSY_MS 2000
/* Files up to this size are looked through at the start. */
#define QUICK_CHECK_MAX ((off_t)64 * 1024 * 1024)

void
store_sqlite_close(struct store *store)
{
	struct store_sqlite *s =
	    container_of(store, struct store_sqlite, store);

	for (unsigned i = 0; i < SQL_STATEMENTS; i++)
		sqlite3_finalize(s->statements[i]);
	sqlite3_close(s->db);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s);
}

/* The lock that keeps a second writer out; -1 with err. */
static int
take_lock(const char *path, struct err *err)
{
	char *name = xasprintf("%s-writer", path);
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);

	if (fd < 0) {
		err_sys(err, "%s", name);
	} else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			err_set(err, "another sessiond writes to it");
		else
			err_sys(err, "%s", name);
		close(fd);
		fd = -1;
	}
	free(name);
	return fd;
}

/* Makes the file, closed to the world, before SQLite would make it open. */
static int
make_file(const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);

	if (fd < 0)
		return err_sys(err, "cannot open");
	close(fd);
	return 0;
}

static int
damaged(struct err *err)
{
	return err_set(err,
	    "the database is damaged: keep a copy, then rescue "
	    "it with `sqlite3 FILE .recover`, or move it and its -wal away "
	    "to begin a new one");
}

static int
sql_error(sqlite3 *db, struct err *err)
{
	if (store_sqlite_result(sqlite3_extended_errcode(db)) == STORE_CORRUPT)
		return damaged(err);
	return err_set(err, "%s", sqlite3_errmsg(db));
}

static int
quick_check(sqlite3 *db, const char *path, struct err *err)
{
	sqlite3_stmt *st;
	struct stat sb;
	const char *said;
	bool fine;

	if (stat(path, &sb) < 0 || sb.st_size > QUICK_CHECK_MAX)
		return 0;
	if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &st, NULL) !=
	    SQLITE_OK)
		return sql_error(db, err);
	fine = sqlite3_step(st) == SQLITE_ROW &&
	       (said = (const char *)sqlite3_column_text(st, 0)) != NULL &&
	       strcmp(said, "ok") == 0;
	sqlite3_finalize(st);
	return fine ? 0 : damaged(err);
}

static int
settle(sqlite3 *db, struct err *err)
{
	static const char pragmas[] = "PRAGMA trusted_schema = OFF;"
				      "PRAGMA mmap_size = 0;"
				      "PRAGMA foreign_keys = ON;"
				      "PRAGMA temp_store = MEMORY;"
				      "PRAGMA cache_size = -65536;"
				      "PRAGMA synchronous = FULL";

	sqlite3_busy_timeout(db, BUSY_MS);
	sqlite3_extended_result_codes(db, 1);
	if (sqlite3_exec(db, pragmas, NULL, NULL, NULL) != SQLITE_OK)
		return sql_error(db, err);
	return 0;
}

/* Write-ahead logging comes after the first table: auto_vacuum is chosen
 * before. Readers without write access need -wal and -shm to stay. */
static int
turn_to_wal(sqlite3 *db, struct err *err)
{
	int keep = 1;

	if (sqlite3_exec(db,
		"PRAGMA journal_mode = WAL;"
		"PRAGMA wal_autocheckpoint = 8192;"
		"PRAGMA journal_size_limit = 67108864",
		NULL, NULL, NULL) != SQLITE_OK)
		return sql_error(db, err);
	sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
	return 0;
}

static int
prepare_all(struct store_sqlite *s, struct err *err)
{
	struct bytes sql = { 0 };
	int result = 0;

	for (unsigned i = 0; i < SQL_STATEMENTS && result == 0; i++) {
		bytes_clear(&sql);
		if (store_sqlite_texts[i] != NULL)
			bytes_fmt(&sql, "%s", store_sqlite_texts[i]);
		else
			store_sqlite_rows_sql((enum sqlite_statement)i, &sql);
		if (sqlite3_prepare_v3(s->db, sql.ptr, (int)sql.len,
			SQLITE_PREPARE_PERSISTENT, &s->statements[i],
			NULL) != SQLITE_OK)
			result = sql_error(s->db, err);
	}
	bytes_fini(&sql);
	return result;
}

/* SQLite need not count its memory, which takes a lock for each allocation. */
static void
configure(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int
store_sqlite_open(struct store **out, const char *path, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct store_sqlite *s = xcalloc(1, sizeof(*s));

	pthread_once(&once, configure);

	s->store.ops = &store_sqlite_ops;
	if ((s->lock_fd = take_lock(path, err)) < 0 || make_file(path, err) < 0)
		goto fail;
	if (sqlite3_open_v2(path, &s->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_PRIVATECACHE,
		NULL) != SQLITE_OK) {
		sql_error(s->db, err);
		goto fail;
	}
	if (settle(s->db, err) < 0 || quick_check(s->db, path, err) < 0 ||
	    store_sqlite_migrate(s->db, store_sqlite_migrations, false, err) <
		0 ||
	    turn_to_wal(s->db, err) < 0 || prepare_all(s, err) < 0)
		goto fail;
	*out = &s->store;
	return 0;
fail:
	store_sqlite_close(&s->store);
	return err_prefix(err, "database %s", path);
}

/* Where there is no file yet: could one be made? */
static int
check_directory(const char *path, struct err *err)
{
	char *dir = xstrdup(path);
	int result = 0;

	*strrchr(dir, '/') = '\0';
	if (access(dir[0] == '\0' ? "/" : dir, W_OK | X_OK) < 0)
		result = err_sys(err, "directory %s", dir);
	free(dir);
	return result;
}

int
store_sqlite_check(const char *path, struct err *err)
{
	sqlite3 *db = NULL;
	int result = -1;

	if (access(path, F_OK) < 0 && errno == ENOENT)
		return check_directory(path, err);
	if (access(path, R_OK | W_OK) < 0) {
		err_sys(err, "cannot open");
	} else if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) !=
		   SQLITE_OK) {
		sql_error(db, err);
	} else if (settle(db, err) == 0 && quick_check(db, path, err) == 0) {
		result = store_sqlite_migrate(
		    db, store_sqlite_migrations, true, err);
	}
	sqlite3_close(db);
	return result == 0 ? 0 : err_prefix(err, "database %s", path);
}
