/* SPDX-License-Identifier: MIT */
/*
 * What PostgreSQL's schema does by itself: partitions, rights, what is final.
 * On a real server (tests/tools/with_postgres.py), whose time zone is not UTC.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pg_base.h"

#define DB "schema_test"

/* The first moment of today, UTC; other times count from here. */
#define TODAY "(date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')"

static const char *const roles[] = {
	"sallyport_owner",
	"sallyport_writer",
	"sallyport_reader",
	"nobody_",
	NULL,
};
static struct pg *super, *owner, *writer, *reader;

static int
setup_all(void **state)
{
	(void)state;
	pg_base_create(DB);
	pg_base_roles(roles);
	super = pg_base_connect(DB, NULL);
	owner = pg_base_connect(DB, "sallyport_owner");
	writer = pg_base_connect(DB, "sallyport_writer");
	reader = pg_base_connect(DB, "sallyport_reader");
	return 0;
}

static int
teardown_all(void **state)
{
	(void)state;
	pg_free(&super);
	pg_free(&owner);
	pg_free(&writer);
	pg_free(&reader);
	pg_base_drop(DB);
	return 0;
}

/* A new schema, without the partitions that migrating has made. */
static int
setup(void **state)
{
	(void)state;
	pg_base_exec(super,
	    "DROP SCHEMA IF EXISTS sallyport CASCADE;"
	    "CREATE SCHEMA sallyport AUTHORIZATION sallyport_owner");
	pg_base_migrate(owner, store_pg_migrations, SCHEMA_READY, NULL);
	pg_base_exec(owner,
	    "DO $$ DECLARE name text; BEGIN"
	    " FOR name IN SELECT p.name FROM sallyport.session_partition p"
	    " LOOP EXECUTE 'DROP TABLE sallyport.' || name; END LOOP; END $$");
	return 0;
}

/* `n` sessions that started `when`, an SQL expression. */
static void
add(const char *when, unsigned n)
{
	char *sql = xasprintf(
	    "INSERT INTO sallyport.session (started_at, ended_at, received_at,"
	    " duration_us, close_seq, bytes_up, bytes_down, packets_up,"
	    " packets_down, attempts, destinations, command, carrier, protocol,"
	    " acl_decision, auth_method, status, incomplete,"
	    " counters_lower_bound, id, stream_id, proxy, close_reason)"
	    "SELECT %s, now(), now(), 1500000, 1, 2, 3, 4, 5, 1, 1, 1, 4, 1,"
	    " 2,"
	    " 2, 3, false, false, gen_random_uuid(), gen_random_uuid(),"
	    " 'p', 'policy_block' FROM generate_series(1, %u)",
	    when, n);

	pg_base_exec(writer, sql);
	free(sql);
}

/* "partition:rows,…" of what holds rows; `since` today in days. */
static const char *
where_rows_are(void)
{
	return pg_base_text(owner,
	    "SELECT coalesce(string_agg(part || ':' || n, ',' ORDER BY part),"
	    " '') FROM (SELECT coalesce((p.day - (now() AT TIME ZONE"
	    " 'UTC')::date)::text, 'default') AS part, count(*) AS n"
	    " FROM sallyport.session s LEFT JOIN sallyport.session_partition p"
	    " ON p.relation = s.tableoid GROUP BY 1) AS x");
}

static const char *
make(struct pg *p, const char *ahead)
{
	char *sql = xasprintf(
	    "SELECT sallyport.session_partitions_make(%s)::text", ahead);
	const char *made = pg_base_text(p, sql);

	free(sql);
	return made;
}

static const char *
drop(struct pg *p, const char *before)
{
	char *sql = xasprintf(
	    "SELECT sallyport.session_partition_drop(%s)::text", before);
	const char *gone = pg_base_text(p, sql);

	free(sql);
	return gone;
}

static void
test_partitions_are_made(void **state)
{
	(void)state;
	assert_string_equal(make(writer, "-1"), "0");
	assert_string_equal(make(writer, "0"), "1");
	assert_string_equal(make(writer, "2"), "2");
	assert_string_equal(make(writer, "2"), "0");
	assert_string_equal(
	    pg_base_text(owner, "SELECT (string_agg(name, ',' ORDER BY name) "
				"= string_agg('session_p' || to_char(day, "
				"'YYYYMMDD'), ',' ORDER BY day) AND min(day) "
				"= (now() AT TIME ZONE 'UTC')::date)::text "
				"FROM sallyport.session_partition"),
	    "true");
}

static void
test_a_day_is_utc(void **state)
{
	(void)state;
	make(writer, "1");
	add(TODAY, 1);
	add(TODAY " - interval '1 us'", 2);
	add(TODAY " + interval '1 day' - interval '1 us'", 4);
	add(TODAY " + interval '1 day'", 8);
	add(TODAY " + interval '2 days'", 16);
	add("'infinity'::timestamptz", 32);
	add("'-infinity'::timestamptz", 64);
	assert_string_equal(where_rows_are(), "0:5,1:8,default:114");
}

/* What came before its partition was made moves, as a whole and once. */
static void
test_rows_move_from_default(void **state)
{
	(void)state;
	add(TODAY, 3);
	add(TODAY " + interval '1 day'", 5);
	add(TODAY " - interval '1 day'", 7);
	assert_string_equal(where_rows_are(), "default:15");
	assert_string_equal(make(writer, "1"), "2");
	assert_string_equal(where_rows_are(), "0:3,1:5,default:7");
}

/* A table of an operator's under the name of a day is left alone. */
static void
test_a_name_that_is_taken(void **state)
{
	(void)state;
	pg_base_exec(owner, "DO $$ BEGIN EXECUTE 'CREATE TABLE "
			    "sallyport.session_p' || to_char(now() AT TIME "
			    "ZONE 'UTC', 'YYYYMMDD') || ' (x int)'; END $$");
	assert_string_equal(make(writer, "1"), "1");
	add(TODAY, 1);
	assert_string_equal(where_rows_are(), "default:1");
}

static void
test_oldest_goes_first(void **state)
{
	(void)state;
	make(writer, "2");
	add(TODAY, 3);
	add(TODAY " + interval '1 day'", 4);
	add(TODAY " - interval '9 days'", 5);
	/* A day goes when all of it is old. */
	assert_string_equal(drop(writer, TODAY " - interval '9 days'"), "NULL");
	assert_string_equal(
	    drop(writer, TODAY " + interval '1 day' - interval '1 us'"), "5");
	assert_string_equal(
	    drop(writer, TODAY " + interval '1 day' - interval '1 us'"),
	    "NULL");
	assert_string_equal(where_rows_are(), "0:3,1:4");
	assert_string_equal(drop(writer, TODAY " + interval '3 days'"), "3");
	assert_string_equal(drop(writer, TODAY " + interval '3 days'"), "4");
	assert_string_equal(drop(writer, TODAY " + interval '3 days'"), "0");
	assert_string_equal(drop(writer, TODAY " + interval '3 days'"), "NULL");
	assert_string_equal(where_rows_are(), "");
	assert_string_equal(make(writer, "2"), "3");
}

static void
test_default_goes_in_slices(void **state)
{
	(void)state;
	add(TODAY " - interval '400 days'", 1);
	add(TODAY " - interval '300 days'", 5000);
	add(TODAY, 1);
	assert_string_equal(drop(writer, TODAY), "5000");
	assert_string_equal(drop(writer, TODAY), "1");
	assert_string_equal(drop(writer, TODAY), "NULL");
	assert_string_equal(where_rows_are(), "default:1");
}

/* Readers hold it up for half a second at most, and it for as long them. */
static void
test_readers_in_the_way(void **state)
{
	uint64_t start, took;

	(void)state;
	make(writer, "0");
	pg_base_exec(reader, "BEGIN; SELECT count(*) FROM sallyport.session");
	start = clock_mono_ms();
	assert_string_equal(
	    pg_base_refusal(writer, "SELECT sallyport.session_partition_drop("
				    "'infinity')"),
	    "55P03");
	took = clock_mono_ms() - start;
	assert_true(took >= 400 && took < 10000);
	pg_base_exec(reader, "COMMIT");
	assert_string_equal(drop(writer, "'infinity'"), "0");
}

/* Even for the owner, in the whole and in a part. */
static void
test_sessions_are_final(void **state)
{
	static const char *const words[] = {
		"UPDATE sallyport.session SET proxy = 'x'",
		"DELETE FROM sallyport.session",
		"DELETE FROM sallyport.session_default",
		"DO $$ BEGIN EXECUTE 'DELETE FROM sallyport.' || (SELECT name "
		"FROM sallyport.session_partition); END $$",
		"DO $$ BEGIN EXECUTE 'UPDATE sallyport.' || (SELECT name "
		"FROM sallyport.session_partition) || ' SET bytes_up = 0'; "
		"END $$",
	};

	(void)state;
	make(writer, "0");
	add(TODAY, 2);
	add(TODAY " - interval '9 days'", 3);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		assert_string_equal(pg_base_refusal(owner, words[i]), "55000");
	/* Retention leaves nothing open behind it. */
	pg_base_exec(owner, "BEGIN");
	assert_string_equal(drop(owner, TODAY), "3");
	assert_string_equal(
	    pg_base_refusal(owner, "DELETE FROM sallyport.session"), "55000");
	pg_base_exec(owner, "ROLLBACK");
	assert_string_equal(where_rows_are(), "0:2,default:3");
}

static void
test_rights(void **state)
{
	static const struct {
		struct pg **who;
		const char *sql;
	} cases[] = {
		{ &writer, "DELETE FROM sallyport.session" },
		{ &writer, "UPDATE sallyport.session SET bytes_up = 0" },
		{ &writer, "TRUNCATE sallyport.session" },
		{ &writer, "DELETE FROM sallyport.session_default" },
		{ &writer, "INSERT INTO sallyport.session_default SELECT * "
			   "FROM sallyport.session" },
		{ &writer, "DROP TABLE sallyport.session_default" },
		{ &writer, "ALTER TABLE sallyport.session DETACH PARTITION "
			   "sallyport.session_default" },
		{ &writer, "ALTER TABLE sallyport.session DISABLE TRIGGER "
			   "session_is_final" },
		{ &writer, "CREATE TABLE sallyport.x (y int)" },
		{ &writer, "INSERT INTO sallyport.schema_migration VALUES (9, "
			   "'', '', now())" },
		{ &writer, "INSERT INTO sallyport.status VALUES (9, 'x')" },
		{ &writer, "SELECT sallyport.grant_roles()" },
		{ &reader, "SELECT sallyport.session_partitions_make(1)" },
		{ &reader, "SELECT sallyport.session_partition_drop(now())" },
		{ &reader, "INSERT INTO sallyport.session SELECT * FROM "
			   "sallyport.session" },
		{ &reader, "DELETE FROM sallyport.session_active" },
		{ &reader, "UPDATE sallyport.rollup_hour SET sessions = 0" },
		{ &reader, "DELETE FROM sallyport.audit_gap" },
		{ &writer, "UPDATE sallyport.telemetry_event SET event = ''" },
		{ &reader, "DELETE FROM sallyport.telemetry_event" },
		{ &reader, "INSERT INTO sallyport.telemetry_event SELECT * "
			   "FROM sallyport.telemetry_event" },
		{ &reader, "CREATE TABLE sallyport.x (y int)" },
	};
	struct pg *nobody = pg_base_connect(DB, "nobody_");

	(void)state;
	add(TODAY, 1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *s = pg_base_refusal(*cases[i].who, cases[i].sql);

		if (strcmp(s, "42501") != 0)
			fail_msg("%s: %s", cases[i].sql, s);
	}
	assert_string_equal(
	    pg_base_refusal(nobody, "TABLE sallyport.session"), "42501");
	assert_string_equal(
	    pg_base_refusal(nobody, "TABLE sallyport.telemetry_event"),
	    "42501");
	assert_string_equal(pg_base_text(reader, "SELECT count(*)::text FROM "
						 "sallyport.telemetry_event"),
	    "0");
	assert_string_equal(
	    pg_base_refusal(nobody, "SELECT sallyport.session_partitions_make("
				    "1)"),
	    "42501");
	pg_free(&nobody);
}

/* What the owner's functions run is not what the caller would like them to. */
static void
test_functions_cannot_be_led_astray(void **state)
{
	(void)state;
	pg_base_exec(writer,
	    "CREATE TEMP TABLE pg_class (oid oid, relname name);"
	    "CREATE TEMP TABLE session_partition (name text, day date);"
	    "INSERT INTO session_partition VALUES ('audit_stream', "
	    "'2000-01-01');"
	    "SET search_path = pg_temp, pg_catalog");
	assert_string_equal(make(writer, "1"), "2");
	assert_string_equal(drop(writer, TODAY " + interval '1 day'"), "0");
	assert_string_equal(
	    pg_base_text(owner, "SELECT (to_regclass('sallyport.audit_stream')"
				" IS NOT NULL)::text"),
	    "true");
	pg_base_exec(writer, "RESET search_path; DISCARD TEMP");
}

static void
test_time_of_an_id(void **state)
{
	static const char *const cases[][2] = {
		{ "00000000-0000-7000-8000-000000000000",
		    "1970-01-01 00:00:00" },
		{ "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
		    "2022-02-22 19:22:22" },
		{ "01a0c5a3-0001-7000-bfff-ffffffffffff",
		    "2026-09-21 20:23:09.057" },
		{ "ffffffff-ffff-7fff-bfff-ffffffffffff",
		    "10889-08-02 05:31:50.655" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *sql = xasprintf("SELECT (sallyport.uuid7_time('%s') AT "
				      "TIME ZONE 'UTC')::text",
		    cases[i][0]);

		assert_string_equal(pg_base_text(reader, sql), cases[i][1]);
		free(sql);
	}
}

/* By its id alone a session is found in one partition. */
static void
test_an_id_prunes(void **state)
{
	struct pg_rows rows;
	const struct pg_statement st = {
		.sql = "EXPLAIN (COSTS OFF) SELECT * FROM sallyport.session "
		       "WHERE started_at = sallyport.uuid7_time($1::uuid) "
		       "AND id = $1::uuid",
	};
	static const uint8_t id[16] = { 1, 0x7f };
	struct pg_params params = { 0 };

	(void)state;
	make(writer, "3");
	pg_put_uuid(&params, id);
	assert_int_equal(pg_query(reader, &st, &params, &rows), PG_OK);
	assert_int_equal(rows.n, 2); /* the scan, its condition */
	pg_rows_fini(&rows);
	pg_params_fini(&params);
}

static void
test_views_have_names(void **state)
{
	(void)state;
	add(TODAY, 1);
	assert_string_equal(
	    pg_base_text(reader, "SELECT concat_ws(' ', status, close_reason, "
				 "command, carrier, protocol, acl_decision, "
				 "auth_method, duration_seconds, destinations) "
				 "FROM sallyport.sessions"),
	    "rejected policy_block connect http tcp block userpass 1.5 1");
	pg_base_exec(writer,
	    "INSERT INTO sallyport.session_active (started_at, duration_us,"
	    " last_seq, bytes_up, bytes_down, packets_up, packets_down,"
	    " destinations, command, carrier, protocol, acl_decision,"
	    " auth_method, incomplete, id, stream_id, proxy) VALUES (now(), 250000, 1, 2,"
	    " 3, 4, 5, 9, 3, 1, 2, 1, 1, false, gen_random_uuid(),"
	    " gen_random_uuid(), 'p')");
	assert_string_equal(
	    pg_base_text(reader, "SELECT concat_ws(' ', command, carrier, "
				 "protocol, acl_decision, auth_method, "
				 "duration_seconds, destinations) FROM "
				 "sallyport.sessions_active"),
	    "udp socks5 udp allow none 0.25 9");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup(test_##name, setup)
	const struct CMUnitTest tests[] = {
		T(partitions_are_made),
		T(a_day_is_utc),
		T(rows_move_from_default),
		T(a_name_that_is_taken),
		T(oldest_goes_first),
		T(default_goes_in_slices),
		T(readers_in_the_way),
		T(sessions_are_final),
		T(rights),
		T(functions_cannot_be_led_astray),
		T(time_of_an_id),
		T(an_id_prunes),
		T(views_have_names),
	};

	return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
