/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const schema_files[] = { PG_SCHEMA_FILES, NULL };

/* The words of helper.h, and partitions that a page has to cross: the rows of
 * seed_of stand in the two and, between them, in the default one. */
static const char words_sql[] =
    "CREATE FUNCTION us(bigint) RETURNS timestamptz IMMUTABLE LANGUAGE sql AS"
    " $$ SELECT to_timestamp(0) + $1 * interval '1 microsecond' $$;"
    "CREATE FUNCTION later(timestamptz, bigint) RETURNS timestamptz IMMUTABLE"
    " LANGUAGE sql AS $$ SELECT $1 + $2 * interval '1 microsecond' $$;"
    "CREATE FUNCTION hour_of(timestamptz) RETURNS timestamptz IMMUTABLE"
    " LANGUAGE sql AS $$ SELECT date_trunc('hour', $1, 'UTC') $$;"
    "CREATE FUNCTION uid(text) RETURNS uuid IMMUTABLE LANGUAGE sql AS"
    " $$ SELECT $1::uuid $$;"
    "CREATE FUNCTION newid() RETURNS uuid LANGUAGE sql AS"
    " $$ SELECT gen_random_uuid() $$;"
    "CREATE FUNCTION id_of(bigint, bigint) RETURNS uuid IMMUTABLE"
    " LANGUAGE sql AS $$ SELECT (lpad(to_hex($1 / 1000), 12, '0') ||"
    " '70008000' || lpad(to_hex($2), 12, '0'))::uuid $$;"
    "CREATE FUNCTION ip(text) RETURNS inet IMMUTABLE LANGUAGE sql AS"
    " $$ SELECT $1::inet $$;"
    "CREATE FUNCTION ip_text(inet) RETURNS text IMMUTABLE LANGUAGE sql AS"
    " $$ SELECT host($1) $$;"
    "CREATE FUNCTION flag(integer) RETURNS boolean IMMUTABLE LANGUAGE sql AS"
    " $$ SELECT $1 <> 0 $$;"
    "CREATE TABLE sallyport.session_early PARTITION OF sallyport.session FOR"
    " VALUES FROM ('2026-09-21 13:00Z') TO ('2026-09-21 13:40Z');"
    "CREATE TABLE sallyport.session_late PARTITION OF sallyport.session FOR"
    " VALUES FROM ('2026-09-21 14:00Z') TO ('2026-09-21 15:00Z')";

static void
run(PGconn *pg, const char *sql)
{
	PGresult *r = PQexec(pg, sql);

	if (PQresultStatus(r) != PGRES_COMMAND_OK &&
	    PQresultStatus(r) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", PQerrorMessage(pg), sql);
	PQclear(r);
}

static void
ignore_notice(void *arg, const PGresult *r)
{
	(void)arg;
	(void)r;
}

static PGconn *
open_database(const char *name)
{
	char url[256];
	PGconn *pg;

	base_pg_url(url, sizeof(url), NULL, NULL, name);
	pg = PQconnectdb(url);
	if (PQstatus(pg) != CONNECTION_OK)
		fail_msg("%s", PQerrorMessage(pg));
	PQsetNoticeReceiver(pg, ignore_notice, NULL);
	run(pg, "SET search_path = sallyport, public; SET timezone = 'UTC';"
	    " SET synchronous_commit = off");
	return pg;
}

/* postgresql://USER:PASSWORD@HOST:PORT/NAME is what the variable has. */
void
base_pg_url(char *out, size_t size, const char *user, const char *password,
    const char *database)
{
	const char *super = getenv("SALLYPORT_TEST_PG");
	const char *at = strrchr(super, '@'), *end = strrchr(super, '/');

	assert_true(at != NULL && end > at);
	if (user == NULL)
		snprintf(out, size, "%.*s/%s", (int)(end - super), super,
		    database);
	else
		snprintf(out, size, "postgresql://%s:%s%.*s/%s", user,
		    password, (int)(end - at), at, database);
}

static void
apply_schema(PGconn *pg, const char *path)
{
	static char text[131072];
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	run(pg, text);
}

/* A database to copy, made by the first test of a process; and the role. */
static void
make_template(PGconn *super)
{
	char sql[128];
	PGconn *pg;

	run(super, "CREATE ROLE sallyport_reader LOGIN PASSWORD"
	    " '" BASE_PG_PASSWORD "'");
	run(super, "CREATE DATABASE seed");
	pg = open_database("seed");
	run(pg, "CREATE SCHEMA sallyport; CREATE TABLE"
	    " sallyport.schema_migration (number integer PRIMARY KEY,"
	    " name text NOT NULL, checksum text NOT NULL,"
	    " applied_at timestamptz NOT NULL, works_with integer)");
	for (unsigned i = 0; schema_files[i] != NULL; i++) {
		apply_schema(pg, schema_files[i]);
		snprintf(sql, sizeof(sql), "INSERT INTO"
		    " sallyport.schema_migration VALUES (%u, 'x', 'x', now())",
		    i + 1);
		run(pg, sql);
	}
	run(pg, "SET search_path = sallyport, public");
	run(pg, words_sql);
	run(pg, "SELECT sallyport.grant_roles()");
	PQfinish(pg);
}

void
base_pg_open(struct base *b)
{
	static unsigned number;
	PGconn *super = open_database("postgres");
	char sql[128];

	if (number == 0)
		make_template(super);
	snprintf(b->name, sizeof(b->name), "base_%u", ++number);
	snprintf(sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE seed",
	    b->name);
	run(super, sql);
	PQfinish(super);
	b->pg = open_database(b->name);
	base_pg_url(b->url, sizeof(b->url), "sallyport_reader",
	    BASE_PG_PASSWORD, b->name);
}

void
base_pg_close(struct base *b)
{
	PGconn *super;
	char sql[128];

	PQfinish(b->pg);
	super = open_database("postgres");
	snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", b->name);
	run(super, sql);
	PQfinish(super);
}

void
base_pg_run(struct base *b, const char *sql)
{
	run(b->pg, sql);
}

void
base_pg_allow(struct base *b, bool allow)
{
	PGconn *super = open_database("postgres");
	char sql[256];

	snprintf(sql, sizeof(sql), "ALTER DATABASE %s ALLOW_CONNECTIONS %s",
	    b->name, allow ? "true" : "false");
	run(super, sql);
	PQfinish(super);
	run(b->pg, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
	    " WHERE datname = current_database() AND"
	    " usename = 'sallyport_reader'");
}
