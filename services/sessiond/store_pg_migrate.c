/* SPDX-License-Identifier: MIT */
#include "sessiond/store_pg_migrate.h"

#include <string.h>

/* Days for which there is a partition, besides today. */
#define DAYS_AHEAD "7"

/* What stands in the database, as one row. */
static const struct pg_statement look = {
	.sql = "SELECT n.oid IS NOT NULL,"
	       " EXISTS (SELECT FROM pg_class c"
	       "  WHERE c.relnamespace = n.oid),"
	       " m.oid IS NOT NULL,"
	       " coalesce(has_schema_privilege(n.oid, 'USAGE') AND"
	       "  has_table_privilege(m.oid, 'SELECT'), false),"
	       " CASE WHEN n.oid IS NULL THEN"
	       "  has_database_privilege(current_database(), 'CREATE')"
	       " ELSE pg_has_role(n.nspowner, 'USAGE') END,"
	       " current_setting('transaction_read_only')::boolean "
	       "FROM (SELECT) AS one"
	       " LEFT JOIN pg_namespace n ON n.nspname = 'sallyport'"
	       " LEFT JOIN pg_class m ON m.relnamespace = n.oid AND"
	       "  m.relname = 'schema_migration' AND m.relkind = 'r'",
};

struct sight {
	bool schema;   /* it exists */
	bool objects;  /* it is not empty */
	bool ours;     /* it has our table of migrations */
	bool readable; /* by our role */
	bool may;      /* our role may migrate */
	bool read_only;
	unsigned done; /* migrations that it has */
};

static enum store_pg_schema
failed(const struct pg *p, struct store_pg_migrate *m, enum pg_status r,
    struct err *err)
{
	m->failure = r;
	err_set(err, "%s", pg_message(p));
	return SCHEMA_FAILED;
}

/* Compares the migrations that there are with ours. */
static enum store_pg_schema
look_back(
    struct pg *p, struct store_pg_migrate *m, unsigned *done, struct err *err)
{
	static const struct pg_statement st = {
		.sql = "SELECT number, name, checksum, "
		       "coalesce(works_with, number) FROM "
		       "sallyport.schema_migration ORDER BY number",
	};
	enum store_pg_schema s = SCHEMA_READY;
	struct pg_rows rows;
	enum pg_status r = pg_query(p, &st, NULL, &rows);

	if (r != PG_OK)
		return failed(p, m, r, err);
	for (size_t i = 0; i < rows.n && s == SCHEMA_READY; i++) {
		int64_t n = pg_int(&rows, i, 0), since = pg_int(&rows, i, 3);
		struct store_migration row;
		char name[64], sum[80];

		/* What is cut differs from ours. */
		if (!str_copy(name, sizeof(name), pg_str(&rows, i, 1)) ||
		    !str_copy(sum, sizeof(sum), pg_str(&rows, i, 2)) ||
		    n <= 0 || n > 9999)
			n = 0;
		row = (struct store_migration){
			.number = (unsigned)n,
			.works_with = since > 0 && since <= n ? (unsigned)since
							      : (unsigned)n,
			.name = name,
			.checksum = sum,
		};
		if (store_migration_known(m->list, &row, err) < 0)
			s = SCHEMA_FOREIGN;
		*done = (unsigned)n;
	}
	pg_rows_fini(&rows);
	return s;
}

/* What there is; SCHEMA_READY: something that we know, or can begin with. */
static enum store_pg_schema
look_around(struct pg *p, struct store_pg_migrate *m, struct sight *out,
    struct err *err)
{
	struct pg_rows rows;
	enum pg_status r = pg_query(p, &look, NULL, &rows);

	if (r != PG_OK)
		return failed(p, m, r, err);
	*out = (struct sight){
		.schema = pg_bool(&rows, 0, 0),
		.objects = pg_bool(&rows, 0, 1),
		.ours = pg_bool(&rows, 0, 2),
		.readable = pg_bool(&rows, 0, 3),
		.may = pg_bool(&rows, 0, 4),
		.read_only = pg_bool(&rows, 0, 5),
	};
	pg_rows_fini(&rows);
	if (out->objects && !out->ours) {
		err_set(err, "the schema `sallyport` of this database belongs "
			     "to another program; name another database");
		return SCHEMA_FOREIGN;
	}
	if (!out->readable)
		return SCHEMA_READY;
	return look_back(p, m, &out->done, err);
}

/* Our role may not do what is to be done. */
static enum store_pg_schema
behind(const struct sight *s, unsigned last, struct err *err)
{
	static const char advice[] =
	    "run `sallyport-sessiond --migrate` as the owner of the schema";

	if (s->ours && !s->readable)
		err_set(err,
		    "this role has no rights on the schema "
		    "`sallyport`: %s",
		    advice);
	else if (s->ours)
		err_set(err,
		    "the schema is of an older release (migration %u "
		    "of %u) and this role may not change it: %s",
		    s->done, last, advice);
	else
		err_set(err,
		    "there is no schema `sallyport` in the database "
		    "yet and this role may not make it: %s",
		    advice);
	return SCHEMA_BEHIND;
}

/* A transaction that has the lock, acts as the owner, and sees what others
 * committed before it got the lock. */
static enum pg_status
begin(struct pg *p)
{
	return pg_exec(p, "BEGIN ISOLATION LEVEL READ COMMITTED;"
			  "SELECT pg_advisory_xact_lock("
			  " hashtext('sallyport.schema_migration'))");
}

static enum pg_status
become_owner(struct pg *p)
{
	return pg_exec(p,
	    "SELECT set_config('role', pg_get_userbyid(nspowner), true) "
	    "FROM pg_namespace WHERE nspname = 'sallyport'");
}

static enum pg_status
prepare_schema(struct pg *p, const struct sight *s)
{
	enum pg_status r = PG_OK;

	if (!s->schema)
		r = pg_exec(p, "CREATE SCHEMA sallyport");
	if (r == PG_OK)
		r = become_owner(p);
	if (r == PG_OK && !s->ours)
		r = pg_exec(p, "CREATE TABLE sallyport.schema_migration ("
			       " number integer PRIMARY KEY,"
			       " name text NOT NULL, checksum text NOT NULL,"
			       " applied_at timestamptz NOT NULL,"
			       " works_with integer)");
	return r;
}

static enum pg_status
apply(struct pg *p, const struct store_migration *m)
{
	static const struct pg_statement note = {
		.sql = "INSERT INTO sallyport.schema_migration "
		       "VALUES ($1::int4, $2::text, $3::text, now(), $4::int4)",
	};
	struct pg_params params = { 0 };
	enum pg_status r = pg_exec(p, m->sql);

	if (r != PG_OK)
		return r;
	pg_put_int4(&params, (int32_t)m->number);
	pg_put_str(&params, str_from(m->name));
	pg_put_str(&params, str_from(m->checksum));
	pg_put_int4(&params, (int32_t)m->works_with);
	r = pg_query(p, &note, &params, NULL);
	pg_params_fini(&params);
	return r;
}

/* What follows every migration, and may be done at any time. */
static enum pg_status
settle(struct pg *p)
{
	return pg_exec(p,
	    "SELECT sallyport.grant_roles();"
	    "SELECT sallyport.session_partitions_make(" DAYS_AHEAD ")");
}

/* The next migration, if any is left, in the transaction that was begun. */
static enum store_pg_schema
step(struct pg *p, struct store_pg_migrate *m, struct sight *now,
    struct err *err)
{
	unsigned last = store_migration_last(m->list);
	enum store_pg_schema s = look_around(p, m, now, err);
	enum pg_status r;

	if (s != SCHEMA_READY)
		return s;
	if (!now->may)
		return behind(now, last, err);
	r = prepare_schema(p, now);
	if (r == PG_OK && now->done < last) {
		r = apply(p, &m->list[now->done]);
		if (r != PG_OK) {
			s = failed(p, m, r, err);
			err_prefix(err, "migration %u (%s)",
			    m->list[now->done].number, m->list[now->done].name);
			return s;
		}
		now->done++;
	}
	if (r == PG_OK && now->done >= last)
		r = settle(p);
	return r == PG_OK ? SCHEMA_READY : failed(p, m, r, err);
}

/* A step as a transaction. */
static enum store_pg_schema
advance(struct pg *p, struct store_pg_migrate *m, struct sight *now,
    struct err *err)
{
	enum store_pg_schema s;
	enum pg_status r = begin(p);

	s = r == PG_OK ? step(p, m, now, err) : failed(p, m, r, err);
	if (r == PG_BUSY)
		err_set(err, "another process migrates the schema");
	if (s == SCHEMA_READY) {
		r = pg_exec(p, "COMMIT");
		if (r != PG_OK)
			s = failed(p, m, r, err);
	}
	if (s != SCHEMA_READY && pg_is_connected(p) &&
	    pg_exec(p, "ROLLBACK") != PG_OK)
		pg_disconnect(p); /* what is open ends with it */
	return s;
}

enum store_pg_schema
store_pg_migrate(struct pg *p, struct store_pg_migrate *m, struct err *err)
{
	unsigned last = store_migration_last(m->list);
	struct sight now;
	enum store_pg_schema s = look_around(p, m, &now, err);

	if (s != SCHEMA_READY)
		return s;
	m->before = m->after = now.done;
	if ((now.ours && !now.readable) || (!now.may && now.done < last))
		return behind(&now, last, err);
	if (!m->look && now.read_only) {
		m->failure = PG_READONLY;
		err_set(err, "the database is read-only: a standby, or "
			     "default_transaction_read_only is on");
		return SCHEMA_FAILED;
	}
	if (m->look || (now.done >= last && !m->always))
		return SCHEMA_READY;
	do {
		s = advance(p, m, &now, err);
		if (s == SCHEMA_READY)
			m->after = now.done;
	} while (s == SCHEMA_READY && now.done < last);
	return s;
}
