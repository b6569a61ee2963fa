/* SPDX-License-Identifier: MIT */
#include "pg_base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define WAIT_MS 20000

/* postgresql://user:password@host:port/database, as with_postgres.py has it */
static char *
url_of(const char *database, const char *role)
{
	const char *url = getenv("SALLYPORT_TEST_PG"), *at, *slash;

	if (url == NULL)
		fail_msg("to be run by tests/tools/with_postgres.py");
	at = strrchr(url, '@');
	slash = strrchr(url, '/');
	if (role == NULL)
		return xasprintf("%.*s/%s", (int)(slash - url), url,
		    database != NULL ? database : slash + 1);
	return xasprintf("postgresql://%s:%s%.*s/%s", role, role,
	    (int)(slash - at), at, database != NULL ? database : slash + 1);
}

struct pg *
pg_base_connect(const char *database, const char *role)
{
	char *url = url_of(database, role);
	struct pg *p = pg_new(&(struct pg_options){ .url = url,
	    .application = "test",
	    .connect_ms = WAIT_MS,
	    .statement_ms = WAIT_MS,
	    .lock_ms = WAIT_MS });

	if (pg_connect(p) != PG_OK)
		fail_msg("%s", pg_message(p));
	free(url);
	return p;
}

static void
administer(const char *fmt, const char *name)
{
	struct pg *p = pg_base_connect(NULL, NULL);
	struct bytes sql = { 0 };

	for (const char *c = fmt; *c != '\0'; c++) {
		if (*c == '%')
			bytes_add(&sql, name, strlen(name));
		else
			bytes_add(&sql, c, 1);
	}
	bytes_add(&sql, "", 1);
	pg_base_exec(p, sql.ptr);
	bytes_fini(&sql);
	pg_free(&p);
}

void
pg_base_drop(const char *database)
{
	administer("DROP DATABASE IF EXISTS % WITH (FORCE)", database);
}

void
pg_base_create(const char *database)
{
	pg_base_drop(database);
	administer("CREATE DATABASE %", database);
}

void
pg_base_roles(const char *const *names)
{
	for (; *names != NULL; names++) {
		administer("DROP ROLE IF EXISTS %", *names);
		administer("CREATE ROLE % LOGIN PASSWORD '%'", *names);
	}
}

void
pg_base_exec(struct pg *p, const char *sql)
{
	if (pg_exec(p, sql) != PG_OK)
		fail_msg("%s\n%s", pg_message(p), sql);
}

const char *
pg_base_text(struct pg *p, const char *sql)
{
	static char text[4096];
	const struct pg_statement st = { .sql = sql };
	struct pg_rows rows;

	if (pg_query(p, &st, NULL, &rows) != PG_OK)
		fail_msg("%s\n%s", pg_message(p), sql);
	assert_int_equal(rows.n, 1);
	if (pg_is_null(&rows, 0, 0))
		strcpy(text, "NULL");
	else
		assert_true(str_copy(text, sizeof(text), pg_str(&rows, 0, 0)));
	assert_false(rows.bad);
	pg_rows_fini(&rows);
	return text;
}

const char *
pg_base_refusal(struct pg *p, const char *sql)
{
	return pg_exec(p, sql) == PG_OK ? "" : pg_sqlstate(p);
}

struct store_pg_migrate
pg_base_migrate(struct pg *p, const struct store_migration *list,
    enum store_pg_schema want, const char *words)
{
	struct store_pg_migrate m = { .list = list, .always = true };
	struct err err = { 0 };
	enum store_pg_schema s = store_pg_migrate(p, &m, &err);

	if (s != want || (words != NULL && strstr(err.text, words) == NULL))
		fail_msg("expected %d %s, got %d %s", (int)want,
		    words != NULL ? words : "", (int)s, err.text);
	return m;
}
