-- SPDX-License-Identifier: MIT
--
-- The three roles of Sallyport and what they own, in the database that psql is
-- connected to. To be run by a superuser, or by a role with CREATEROLE and
-- CREATE on the database; may be run again at any time, for new passwords, and
-- when a database that had one role for all is to get three:
--
--	psql -X -v owner_password_file=FILE -v writer_password_file=FILE \
--	    -v reader_password_file=FILE -f roles.sql DATABASE
--
-- Each file's first line is the password; a role without a file keeps what it
-- has, which at first is none. `-v private=1` lets nobody else connect to the
-- database. Then run `sallyport-sessiond --migrate` as sallyport_owner.
--
--	sallyport_owner		owns the schema, migrates
--	sallyport_writer	sessiond: adds sessions, never changes one
--	sallyport_reader	apid, Grafana, people: reads

\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
SELECT rolsuper AS is_super FROM pg_roles WHERE rolname = current_user \gset

-- Passwords stay out of the server's log and statistics.
\if :is_super
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET pg_stat_statements.track_utility = off;
\endif

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['sallyport_owner', 'sallyport_writer', 'sallyport_reader'])
	AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

\if :{?owner_password_file}
\set secret `head -n 1 :'owner_password_file'`
SELECT length(:'secret') > 0 AS there \gset
\if :there
ALTER ROLE sallyport_owner PASSWORD :'secret';
\else
DO 'BEGIN RAISE ''owner_password_file: not there, or empty''; END';
\endif
\endif

\if :{?writer_password_file}
\set secret `head -n 1 :'writer_password_file'`
SELECT length(:'secret') > 0 AS there \gset
\if :there
ALTER ROLE sallyport_writer PASSWORD :'secret';
\else
DO 'BEGIN RAISE ''writer_password_file: not there, or empty''; END';
\endif
\endif

\if :{?reader_password_file}
\set secret `head -n 1 :'reader_password_file'`
SELECT length(:'secret') > 0 AS there \gset
\if :there
ALTER ROLE sallyport_reader PASSWORD :'secret';
\else
DO 'BEGIN RAISE ''reader_password_file: not there, or empty''; END';
\endif
\endif
\unset secret

-- For all that connects by this role, dashboards too.
ALTER ROLE sallyport_reader SET default_transaction_read_only = on;
ALTER ROLE sallyport_reader SET statement_timeout = '3s';
ALTER ROLE sallyport_reader SET idle_in_transaction_session_timeout = '10s';

\if :{?private}
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
\endif
GRANT CONNECT ON DATABASE :"DBNAME"
	TO sallyport_owner, sallyport_writer, sallyport_reader;

-- Who is no superuser has to be of the owner to give it anything.
\if :is_super
\else
GRANT sallyport_owner TO CURRENT_USER;
\endif
CREATE SCHEMA IF NOT EXISTS sallyport AUTHORIZATION sallyport_owner;
ALTER SCHEMA sallyport OWNER TO sallyport_owner;

SELECT format('ALTER TABLE %s OWNER TO sallyport_owner', c.oid::regclass)
FROM pg_class c
WHERE c.relnamespace = 'sallyport'::regnamespace AND
	c.relkind IN ('r', 'p', 'v') AND
	c.relowner <> 'sallyport_owner'::regrole \gexec
SELECT format('ALTER FUNCTION %s OWNER TO sallyport_owner', p.oid::regprocedure)
FROM pg_proc p
WHERE p.pronamespace = 'sallyport'::regnamespace AND
	p.proowner <> 'sallyport_owner'::regrole \gexec

-- Of a schema that is there already, the rights follow at once.
SELECT 'SELECT sallyport.grant_roles()'
WHERE to_regprocedure('sallyport.grant_roles()') IS NOT NULL \gexec
