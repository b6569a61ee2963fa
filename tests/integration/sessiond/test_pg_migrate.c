/* SPDX-License-Identifier: MIT */
/* Migrations on a real PostgreSQL server (tests/tools/with_postgres.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "pg_base.h"

#define DB "migrate_test"

static const char *const roles[] = {
	"sallyport_owner",
	"sallyport_writer",
	"sallyport_reader",
	NULL,
};
static const char versions[] = "SELECT coalesce(string_agg(number || name, "
			       "',' ORDER BY number), 'none') FROM "
			       "sallyport.schema_migration";
static const char partitions[] =
    "SELECT count(*)::text FROM sallyport.session_partition";

/* Migrations of this release. */
#define OURS     2
#define OUR_LIST "1initial,2telemetry"

static struct store_migration first[2], plus_one[OURS + 2], plus_two[OURS + 3],
    broken[OURS + 2], changed[OURS + 1];
static struct pg *super;

/* What the first release had, and what later ones would bring. */
static void
make_lists(void)
{
	const struct store_migration three = { 3, 3, "three", "cc",
		"CREATE TABLE sallyport.t (x int)" };

	first[0] = store_pg_migrations[0];
	for (unsigned i = 0; i < OURS; i++)
		plus_one[i] = plus_two[i] = broken[i] = changed[i] =
		    store_pg_migrations[i];
	plus_one[OURS] = plus_two[OURS] = three;
	plus_two[OURS + 1] = (struct store_migration){ 4, 4, "four", "dd",
		"INSERT INTO sallyport.t VALUES (1)" };
	broken[OURS] = (struct store_migration){ 3, 3, "three", "cc",
		"CREATE TABLE sallyport.u (x int);"
		"INSERT INTO sallyport.nothing VALUES (1)" };
	changed[0].checksum = "ee";
}

/* One database for all: making one takes longer than a test. */
static int
setup_all(void **state)
{
	(void)state;
	make_lists();
	pg_base_create(DB);
	pg_base_roles(roles);
	return 0;
}

static int
teardown_all(void **state)
{
	(void)state;
	pg_base_drop(DB);
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	super = pg_base_connect(DB, NULL);
	pg_base_exec(super, "DROP SCHEMA IF EXISTS sallyport CASCADE");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pg_free(&super);
	return 0;
}

/* As deploy/postgresql/roles.sql does it. */
static void
give_to_owner(void)
{
	pg_base_exec(
	    super, "CREATE SCHEMA sallyport AUTHORIZATION sallyport_owner");
}

static void
test_numbers(void **state)
{
	unsigned n = store_migration_last(store_pg_migrations);

	(void)state;
	/* The numbers of one back end are those of the other. */
	assert_int_equal(n, store_migration_last(store_sqlite_migrations));
	for (unsigned i = 0; i < n; i++) {
		const struct store_migration *m = &store_pg_migrations[i];

		assert_int_equal(m->number, i + 1);
		assert_string_equal(m->name, store_sqlite_migrations[i].name);
		assert_int_equal(strlen(m->checksum), 64);
	}
}

static void
test_empty_database(void **state)
{
	struct store_pg_migrate m = { .list = store_pg_migrations,
		.look = true };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(store_pg_migrate(super, &m, &err), SCHEMA_READY);
	assert_int_equal(m.before, 0);
	assert_string_equal(
	    pg_base_text(super, "SELECT to_regnamespace('sallyport')::text"),
	    "NULL");

	m = pg_base_migrate(super, store_pg_migrations, SCHEMA_READY, NULL);
	assert_int_equal(m.before, 0);
	assert_int_equal(m.after, OURS);
	assert_string_equal(pg_base_text(super, versions), OUR_LIST);
	assert_string_equal(pg_base_text(super, partitions), "8");
	m = pg_base_migrate(super, store_pg_migrations, SCHEMA_READY, NULL);
	assert_int_equal(m.before, OURS);
	assert_int_equal(m.after, OURS);
}

/* What the first release wrote stays; its roles come to the new table, and it
 * can go on itself. */
static void
test_from_the_first_release(void **state)
{
	static const char data[] =
	    "INSERT INTO sallyport.audit_gap (first_seq, last_seq, noticed_at,"
	    " stream_id, proxy, reason) VALUES (3, 9, now(),"
	    " gen_random_uuid(), 'p', 'why');"
	    "INSERT INTO sallyport.rollup_hour VALUES (now(), 1, 1, 0, 0, 1, 0,"
	    " 0, 5, 6, 7, 0, '')";
	static const char event[] =
	    "INSERT INTO sallyport.telemetry_event (at, id, suppressed,"
	    " severity, category, event, component, instance) VALUES (now(),"
	    " gen_random_uuid(), 0, 1, 'a', 'b', 'c', 'd')";
	struct store_pg_migrate m;
	struct pg *owner, *writer;
	struct err err = { 0 };

	(void)state;
	give_to_owner();
	owner = pg_base_connect(DB, "sallyport_owner");
	writer = pg_base_connect(DB, "sallyport_writer");
	pg_base_migrate(owner, first, SCHEMA_READY, NULL);
	assert_string_equal(pg_base_text(writer, versions), "1initial");
	pg_base_exec(writer, data);
	pg_base_migrate(writer, store_pg_migrations, SCHEMA_BEHIND,
	    "older release (migration 1 of 2) and this role may not");
	m = pg_base_migrate(owner, store_pg_migrations, SCHEMA_READY, NULL);
	assert_int_equal(m.before, 1);
	assert_int_equal(m.after, OURS);
	pg_base_exec(writer, event);
	assert_string_equal(pg_base_text(writer,
				"SELECT concat(g.reason, r.bytes_down, e.event)"
				" FROM sallyport.audit_gap g,"
				" sallyport.rollup_hour r,"
				" sallyport.telemetry_event e"),
	    "why6b");
	m = (struct store_pg_migrate){ .list = first };
	assert_int_equal(store_pg_migrate(writer, &m, &err), SCHEMA_READY);
	pg_base_migrate(owner, first, SCHEMA_READY, NULL);
	pg_base_exec(writer, "DELETE FROM sallyport.telemetry_event");
	pg_free(&owner);
	pg_free(&writer);
}

static void
test_upgrade(void **state)
{
	struct store_pg_migrate m;

	(void)state;
	pg_base_migrate(super, store_pg_migrations, SCHEMA_READY, NULL);
	m = pg_base_migrate(
	    super, broken, SCHEMA_FAILED, "migration 3 (three): relation");
	assert_int_equal(m.failure, PG_FAULT);
	/* Nothing of it stayed, and the connection is of use. */
	assert_string_equal(pg_base_text(super, versions), OUR_LIST);
	assert_string_equal(
	    pg_base_text(super, "SELECT to_regclass('sallyport.u')::text"),
	    "NULL");
	m = pg_base_migrate(super, plus_two, SCHEMA_READY, NULL);
	assert_int_equal(m.before, OURS);
	assert_int_equal(m.after, OURS + 2);
	assert_string_equal(
	    pg_base_text(super, versions), OUR_LIST ",3three,4four");
	assert_string_equal(
	    pg_base_text(super, "SELECT count(*)::text FROM sallyport.t"), "1");
}

static void
test_foreign(void **state)
{
	(void)state;
	pg_base_exec(
	    super, "CREATE SCHEMA sallyport; CREATE TABLE sallyport.x (y int)");
	pg_base_migrate(
	    super, store_pg_migrations, SCHEMA_FOREIGN, "another program");
	pg_base_exec(super, "DROP SCHEMA sallyport CASCADE");
	pg_base_migrate(super, plus_one, SCHEMA_READY, NULL);
	pg_base_migrate(super, store_pg_migrations, SCHEMA_FOREIGN,
	    "later release (migration 3, this one knows 2)");
	pg_base_exec(super, "UPDATE sallyport.schema_migration "
			    "SET works_with = 2 WHERE number = 3");
	pg_base_migrate(super, store_pg_migrations, SCHEMA_READY, NULL);
	pg_base_exec(super, "UPDATE sallyport.schema_migration "
			    "SET works_with = NULL WHERE number = 3");
	pg_base_migrate(super, store_pg_migrations, SCHEMA_FOREIGN,
	    "later release (migration 3, this one knows 2)");
	pg_base_migrate(super, changed, SCHEMA_FOREIGN,
	    "migration 1 (initial) is not the one of this release");
	/* Names are data: they are cut or compared, never believed. */
	pg_base_exec(super,
	    "UPDATE sallyport.schema_migration SET name = repeat('x', 5000)");
	pg_base_migrate(super, plus_one, SCHEMA_FOREIGN, "migration 0");
}

/* With roles of their own; also where these are made only afterwards. */
static void
test_roles(void **state)
{
	struct pg *owner, *writer;

	(void)state;
	owner = pg_base_connect(DB, "sallyport_owner");
	writer = pg_base_connect(DB, "sallyport_writer");
	pg_base_migrate(writer, store_pg_migrations, SCHEMA_BEHIND,
	    "no schema `sallyport` in the database yet and this role may not");
	pg_base_migrate(
	    owner, store_pg_migrations, SCHEMA_BEHIND, "may not make it");
	give_to_owner();
	pg_base_migrate(
	    writer, store_pg_migrations, SCHEMA_BEHIND, "--migrate");
	pg_base_migrate(owner, store_pg_migrations, SCHEMA_READY, NULL);
	pg_base_migrate(writer, plus_one, SCHEMA_BEHIND,
	    "older release (migration 2 of 3) and this role may not");
	pg_base_exec(super, "REVOKE ALL ON ALL TABLES IN SCHEMA sallyport "
			    "FROM sallyport_writer");
	pg_base_migrate(writer, store_pg_migrations, SCHEMA_BEHIND,
	    "this role has no rights on the schema");
	pg_base_migrate(owner, store_pg_migrations, SCHEMA_READY, NULL);
	assert_string_equal(pg_base_text(writer, versions), OUR_LIST);
	pg_free(&owner);
	pg_free(&writer);
}

/* The writer is ready with what the owner made, and changes nothing itself. */
static void
test_writer_is_ready(void **state)
{
	struct store_pg_migrate m = { .list = store_pg_migrations };
	struct err err = { 0 };
	struct pg *writer;

	(void)state;
	give_to_owner();
	/* A superuser migrates in the name of the owner. */
	pg_base_migrate(super, store_pg_migrations, SCHEMA_READY, NULL);
	assert_string_equal(
	    pg_base_text(super, "SELECT string_agg(DISTINCT tableowner, ',') "
				"FROM pg_tables WHERE schemaname = "
				"'sallyport'"),
	    "sallyport_owner");
	writer = pg_base_connect(DB, "sallyport_writer");
	assert_int_equal(store_pg_migrate(writer, &m, &err), SCHEMA_READY);
	assert_int_equal(m.after, OURS);
	pg_free(&writer);
}

static void
test_read_only(void **state)
{
	struct store_pg_migrate m = { .list = store_pg_migrations };
	struct err err = { 0 };

	(void)state;
	pg_base_exec(super, "SET default_transaction_read_only = on");
	m = pg_base_migrate(
	    super, store_pg_migrations, SCHEMA_FAILED, "read-only");
	assert_int_equal(m.failure, PG_READONLY);
	pg_base_exec(super, "SET default_transaction_read_only = off");
	pg_base_migrate(super, store_pg_migrations, SCHEMA_READY, NULL);
	/* There is nothing to do, but no work for a writer either. */
	pg_base_exec(super, "SET default_transaction_read_only = on");
	m = (struct store_pg_migrate){ .list = store_pg_migrations };
	assert_int_equal(store_pg_migrate(super, &m, &err), SCHEMA_FAILED);
	assert_int_equal(m.failure, PG_READONLY);
	m.look = true;
	assert_int_equal(store_pg_migrate(super, &m, &err), SCHEMA_READY);
}

static void
test_lock_has_an_end(void **state)
{
	struct pg *other = pg_base_connect(DB, NULL);

	(void)state;
	pg_base_exec(other, "BEGIN; SELECT pg_advisory_xact_lock("
			    "hashtext('sallyport.schema_migration'))");
	pg_base_exec(super, "SET lock_timeout = '50ms'");
	assert_int_equal(pg_base_migrate(super, store_pg_migrations,
			     SCHEMA_FAILED, "another process migrates")
			     .failure,
	    PG_BUSY);
	pg_base_exec(other, "ROLLBACK");
	pg_base_migrate(super, store_pg_migrations, SCHEMA_READY, NULL);
	pg_free(&other);
}

#define CROWD 6

static void *
join_in(void *arg)
{
	struct pg *p = arg;
	struct store_pg_migrate m = { .list = plus_two, .always = true };
	struct err err = { 0 };

	if (store_pg_migrate(p, &m, &err) != SCHEMA_READY)
		return xstrdup(err.text);
	return NULL;
}

static void
test_all_at_once(void **state)
{
	struct pg *p[CROWD];
	pthread_t threads[CROWD];

	(void)state;
	for (size_t i = 0; i < CROWD; i++)
		p[i] = pg_base_connect(DB, NULL);
	for (size_t i = 0; i < CROWD; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, join_in, p[i]), 0);
	for (size_t i = 0; i < CROWD; i++) {
		void *words;

		pthread_join(threads[i], &words);
		if (words != NULL)
			fail_msg("%zu: %s", i, (char *)words);
		pg_free(&p[i]);
	}
	assert_string_equal(
	    pg_base_text(super, versions), OUR_LIST ",3three,4four");
	assert_string_equal(pg_base_text(super, partitions), "8");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		T(empty_database),
		T(from_the_first_release),
		T(upgrade),
		T(foreign),
		T(roles),
		T(writer_is_ready),
		T(read_only),
		T(lock_has_an_end),
		T(all_at_once),
	};

	return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
