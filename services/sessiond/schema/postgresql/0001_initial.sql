-- SPDX-License-Identifier: MIT
--
-- The first schema. Written by sessiond alone, read by apid.
--
-- The tables and columns are those of SQLite's with PostgreSQL's types.
-- Enumerations are the numbers of common/audit/record.h, and the tables that
-- name them are joined by the views `sessions` and `sessions_active`; a close
-- reason is its name. What is not known is NULL. Columns stand in the order of
-- their alignment (8, 4, 2 bytes, the rest), so that none is padded. Indexed
-- text has the collation C: its order does not depend on the system's locale
-- data, which an upgrade of the system would change under the indexes.
--
-- Run as the owner of the schema `sallyport`, which exists by now.

-- ---- names ------------------------------------------------------------------

CREATE TABLE sallyport.command (
	id	smallint PRIMARY KEY,
	name	text NOT NULL
);
INSERT INTO sallyport.command VALUES
	(0, ''), (1, 'connect'), (2, 'bind'), (3, 'udp');

CREATE TABLE sallyport.carrier (LIKE sallyport.command INCLUDING ALL);
INSERT INTO sallyport.carrier VALUES
	(0, ''), (1, 'socks5'), (2, 'socks4'), (3, 'socks4a'), (4, 'http');

CREATE TABLE sallyport.protocol (LIKE sallyport.command INCLUDING ALL);
INSERT INTO sallyport.protocol VALUES
	(0, ''), (1, 'tcp'), (2, 'udp');

CREATE TABLE sallyport.decision (LIKE sallyport.command INCLUDING ALL);
INSERT INTO sallyport.decision VALUES
	(0, ''), (1, 'allow'), (2, 'block'), (3, 'redirect');

CREATE TABLE sallyport.status (LIKE sallyport.command INCLUDING ALL);
INSERT INTO sallyport.status VALUES
	(0, 'active'), (1, 'closed'), (2, 'failed'), (3, 'rejected');

CREATE TABLE sallyport.auth_method (LIKE sallyport.command INCLUDING ALL);
INSERT INTO sallyport.auth_method VALUES
	(0, ''), (1, 'none'), (2, 'userpass'), (3, 'pam.username'),
	(4, 'pam.address');

-- ---- streams ----------------------------------------------------------------

-- How far each stream got: the only truth, moved by the same transaction that
-- stores the rows (audit.md section 7).
CREATE TABLE sallyport.audit_stream (
	next_seq	bigint NOT NULL,
	opened_at	timestamptz NOT NULL,
	last_contact	timestamptz NOT NULL,
	state		smallint NOT NULL,	-- 1 live, 2 ended, 3 lost
	stream_id	uuid PRIMARY KEY,
	proxy		text NOT NULL,
	end_reason	text
) WITH (fillfactor = 50);

-- Records known to be missing.
CREATE TABLE sallyport.audit_gap (
	first_seq	bigint NOT NULL,
	last_seq	bigint NOT NULL,
	noticed_at	timestamptz NOT NULL,
	stream_id	uuid NOT NULL,
	proxy		text NOT NULL,
	reason		text NOT NULL,
	PRIMARY KEY (stream_id, first_seq)
);

-- Records that could not be applied, as they came.
CREATE TABLE sallyport.audit_quarantine (
	seq		bigint NOT NULL,
	received_at	timestamptz NOT NULL,
	stream_id	uuid NOT NULL,
	proxy		text NOT NULL,
	reason		text NOT NULL,	-- malformed, unknown, conflict, refused
	body		bytea NOT NULL,
	PRIMARY KEY (stream_id, seq)
);

-- ---- sessions ---------------------------------------------------------------

-- Sessions that run. An id is a UUIDv7 whose millisecond is started_at, so
-- the order of id is the order of (started_at, id). The table is small and
-- often updated: no index but the key, and room on each page for new versions.
CREATE TABLE sallyport.session_active (
	started_at	timestamptz NOT NULL,
	duration_us	bigint NOT NULL,	-- at the last news
	last_seq	bigint NOT NULL,
	policy_generation bigint,
	bytes_up	bigint NOT NULL,
	bytes_down	bigint NOT NULL,
	packets_up	bigint NOT NULL,
	packets_down	bigint NOT NULL,
	source_port	integer,
	dest_port	integer,
	destinations	integer NOT NULL,	-- contacted
	command		smallint NOT NULL,
	carrier		smallint NOT NULL,
	protocol	smallint NOT NULL,
	acl_decision	smallint NOT NULL,
	auth_method	smallint NOT NULL,
	incomplete	boolean NOT NULL,	-- true: its OPEN was lost
	id		uuid PRIMARY KEY,
	stream_id	uuid NOT NULL,
	proxy		text NOT NULL,
	listener	text,
	username	text COLLATE "C",
	groups		jsonb,			-- an array of strings
	claimed_user	text,			-- of SOCKS4: no identity
	source_ip	inet,
	dest_host	text COLLATE "C",
	dest_ip		inet,
	resolved_ips	inet[],
	acl_rule_matched text,
	route		text,
	limits_class	text
) WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.05);

-- Sessions that ended: closed, failed, rejected. Only ever added to. A
-- partition a day (UTC), made ahead by session_partitions_make; what is of no
-- such day, its clock being wrong, comes to session_default.
CREATE TABLE sallyport.session (
	started_at	timestamptz NOT NULL,
	ended_at	timestamptz NOT NULL,	-- started_at + duration_us
	received_at	timestamptz NOT NULL,
	duration_us	bigint NOT NULL,
	close_seq	bigint NOT NULL,
	policy_generation bigint,
	bytes_up	bigint NOT NULL,
	bytes_down	bigint NOT NULL,
	packets_up	bigint NOT NULL,
	packets_down	bigint NOT NULL,
	setup_us	bigint,			-- NULL: never answered
	attempts	bigint NOT NULL,
	source_port	integer,
	dest_port	integer,		-- NULL: no request was read
	destinations	integer NOT NULL,	-- contacted
	command		smallint NOT NULL,
	carrier		smallint NOT NULL,
	protocol	smallint NOT NULL,
	acl_decision	smallint NOT NULL,
	auth_method	smallint NOT NULL,
	status		smallint NOT NULL,
	reply_code	smallint,		-- NULL: none was sent
	incomplete	boolean NOT NULL,
	counters_lower_bound boolean NOT NULL,
	id		uuid NOT NULL,
	stream_id	uuid NOT NULL,
	proxy		text NOT NULL,
	listener	text,
	username	text COLLATE "C",
	groups		jsonb,
	claimed_user	text,			-- of SOCKS4: no identity
	source_ip	inet,
	dest_host	text COLLATE "C",	-- NULL: asked by address
	dest_ip		inet,
	resolved_ips	inet[],
	acl_rule_matched text,			-- NULL: the default, or none
	route		text,
	limits_class	text,
	close_reason	text NOT NULL,
	close_detail	text,
	PRIMARY KEY (started_at, id)
) PARTITION BY RANGE (started_at);

CREATE TABLE sallyport.session_default PARTITION OF sallyport.session DEFAULT;

-- One per indexed filter (design.md ruling 6); read backwards they give the
-- newest first without a sort.
CREATE INDEX session_username ON sallyport.session (username, started_at, id);
CREATE INDEX session_source_ip ON sallyport.session (source_ip, started_at, id);
CREATE INDEX session_dest_ip ON sallyport.session (dest_ip, started_at, id)
	WHERE dest_ip IS NOT NULL;
CREATE INDEX session_dest_host ON sallyport.session (dest_host, started_at, id)
	WHERE dest_host IS NOT NULL;
CREATE INDEX session_status ON sallyport.session (status, started_at, id);

-- Also for those who have the right: it keeps from mistakes. Only retention,
-- which says so by a setting, takes rows away.
CREATE FUNCTION sallyport.session_is_final() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_OP = 'DELETE' AND
	    current_setting('sallyport.retention', true) = 'on' THEN
		RETURN OLD;
	END IF;
	RAISE EXCEPTION 'a session that ended never changes'
		USING ERRCODE = 'object_not_in_prerequisite_state';
END $$;

CREATE TRIGGER session_is_final BEFORE UPDATE OR DELETE ON sallyport.session
	FOR EACH ROW EXECUTE FUNCTION sallyport.session_is_final();

-- Sums over `session` by hour of started_at, always equal to a GROUP BY.
-- dimension: 0 all (key ''), 1 user, 2 destination (dest_host, else dest_ip as
-- text), 3 rule, 4 close_reason, 5 duration (the upper edge of its bucket in
-- seconds; not of rejected sessions); a session without the key is left out of
-- that dimension.
-- sessions counts attempts; so do the columns by status and decision.
CREATE TABLE sallyport.rollup_hour (
	hour		timestamptz NOT NULL,
	sessions	bigint NOT NULL,
	closed		bigint NOT NULL,
	failed		bigint NOT NULL,
	rejected	bigint NOT NULL,
	allowed		bigint NOT NULL,
	blocked		bigint NOT NULL,
	redirected	bigint NOT NULL,
	bytes_up	bigint NOT NULL,
	bytes_down	bigint NOT NULL,
	duration_us	bigint NOT NULL,
	dimension	smallint NOT NULL,
	key		text COLLATE "C" NOT NULL,
	PRIMARY KEY (dimension, hour, key)
) WITH (fillfactor = 75);

-- ---- for people and dashboards ----------------------------------------------

-- The joins are left ones on keys, so that the planner drops those that a
-- query does not need.
CREATE VIEW sallyport.sessions AS
SELECT s.id, s.started_at, s.ended_at, s.received_at,
	s.duration_us / 1e6::float8 AS duration_seconds,
	st.name AS status, s.close_reason, s.close_detail,
	s.username, s.groups, s.claimed_user, s.source_ip, s.source_port,
	s.dest_host, s.dest_ip, s.dest_port, s.resolved_ips, s.destinations,
	co.name AS command, ca.name AS carrier, pr.name AS protocol,
	de.name AS acl_decision, s.acl_rule_matched, s.policy_generation,
	s.route, s.limits_class, am.name AS auth_method,
	s.bytes_up, s.bytes_down, s.packets_up, s.packets_down,
	s.reply_code, s.setup_us / 1e6::float8 AS setup_seconds, s.attempts,
	s.proxy, s.listener, s.stream_id, s.incomplete, s.counters_lower_bound
FROM sallyport.session s
LEFT JOIN sallyport.status st ON st.id = s.status
LEFT JOIN sallyport.command co ON co.id = s.command
LEFT JOIN sallyport.carrier ca ON ca.id = s.carrier
LEFT JOIN sallyport.protocol pr ON pr.id = s.protocol
LEFT JOIN sallyport.decision de ON de.id = s.acl_decision
LEFT JOIN sallyport.auth_method am ON am.id = s.auth_method;

CREATE VIEW sallyport.sessions_active AS
SELECT s.id, s.started_at,
	s.duration_us / 1e6::float8 AS duration_seconds,
	s.username, s.groups, s.claimed_user, s.source_ip, s.source_port,
	s.dest_host, s.dest_ip, s.dest_port, s.resolved_ips, s.destinations,
	co.name AS command, ca.name AS carrier, pr.name AS protocol,
	de.name AS acl_decision, s.acl_rule_matched, s.policy_generation,
	s.route, s.limits_class, am.name AS auth_method,
	s.bytes_up, s.bytes_down, s.packets_up, s.packets_down,
	s.proxy, s.listener, s.stream_id, s.incomplete
FROM sallyport.session_active s
LEFT JOIN sallyport.command co ON co.id = s.command
LEFT JOIN sallyport.carrier ca ON ca.id = s.carrier
LEFT JOIN sallyport.protocol pr ON pr.id = s.protocol
LEFT JOIN sallyport.decision de ON de.id = s.acl_decision
LEFT JOIN sallyport.auth_method am ON am.id = s.auth_method;

-- ---- functions --------------------------------------------------------------

-- The started_at of the session whose id this is: exact, as sums of numbers
-- with a fraction would not be.
CREATE FUNCTION sallyport.uuid7_time(id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
	SELECT (timestamp 'epoch' + (ms / 86400000)::integer * interval '1 day'
		+ ms % 86400000 * interval '1 millisecond') AT TIME ZONE 'UTC'
	FROM (SELECT ('x' || left(replace(id::text, '-', ''), 12))
		::bit(48)::bigint AS ms) AS x
$$;

-- The bounds of a day's partition.
CREATE FUNCTION sallyport.day_start(day date) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
	SELECT day::timestamp AT TIME ZONE 'UTC'
$$;

-- Partitions of `session` that are a day's, and their days.
CREATE VIEW sallyport.session_partition AS
SELECT c.oid AS relation, c.relname AS name,
	CASE WHEN c.relname ~ '^session_p[0-9]{8}$'
	THEN pg_catalog.to_date(right(c.relname, 8), 'YYYYMMDD') END AS day
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'sallyport.session'::regclass AND
	c.relname ~ '^session_p[0-9]{8}$';

-- Makes what is missing of the partitions of today (UTC) and `ahead` days
-- more; gives how many. Rows of those days that came to session_default move.
-- Two callers do not disturb each other; whoever reads a partition waits at
-- most lock_timeout.
CREATE FUNCTION sallyport.session_partitions_make(ahead integer)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' SET datestyle = 'ISO'
SET lock_timeout = '2s'
SET client_min_messages = 'warning' AS $$
DECLARE
	today	date := (now() AT TIME ZONE 'UTC')::date;
	made	integer := 0;
	day	date;
	part	text;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('sallyport.session_partitions'));
	FOR day IN SELECT today + n FROM generate_series(0, ahead) n LOOP
		part := to_char(day, '"session_p"YYYYMMDD');
		CONTINUE WHEN to_regclass('sallyport.' || part) IS NOT NULL;
		LOCK TABLE sallyport.session_default IN ACCESS EXCLUSIVE MODE;
		EXECUTE format('CREATE TABLE sallyport.%I '
			'(LIKE sallyport.session INCLUDING ALL)', part);
		PERFORM set_config('sallyport.retention', 'on', true);
		EXECUTE format('WITH moved AS (DELETE FROM '
			'sallyport.session_default WHERE started_at >= $1 AND '
			'started_at < $2 RETURNING *) '
			'INSERT INTO sallyport.%I SELECT * FROM moved', part)
			USING sallyport.day_start(day),
			sallyport.day_start(day + 1);
		PERFORM set_config('sallyport.retention', 'off', true);
		EXECUTE format('ALTER TABLE sallyport.session ATTACH PARTITION '
			'sallyport.%I FOR VALUES FROM (%L) TO (%L)', part,
			sallyport.day_start(day), sallyport.day_start(day + 1));
		made := made + 1;
	END LOOP;
	RETURN made;
END $$;

-- One slice of retention: drops the oldest partition that is wholly older
-- than `before`, or, where there is none, at most 5000 such rows of
-- session_default. Gives how many rows went (of a great partition an
-- estimate), NULL if nothing was old enough. Fails with lock_not_available
-- where the readers of the table leave no gap; then it is to be tried again.
CREATE FUNCTION sallyport.session_partition_drop(before timestamptz)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '500ms'
SET client_min_messages = 'warning' AS $$
DECLARE
	part	record;
	gone	bigint;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('sallyport.session_partitions'));
	SELECT p.*, c.reltuples INTO part
	FROM sallyport.session_partition p
	JOIN pg_class c ON c.oid = p.relation
	WHERE sallyport.day_start(p.day + 1) <= before
	ORDER BY p.day LIMIT 1;
	IF FOUND THEN
		IF part.reltuples >= 0 AND
		    pg_relation_size(part.relation) > 16777216 THEN
			gone := part.reltuples;
		ELSE
			EXECUTE format('SELECT count(*) FROM sallyport.%I',
				part.name) INTO gone;
		END IF;
		EXECUTE format('ALTER TABLE sallyport.session DETACH PARTITION '
			'sallyport.%I', part.name);
		EXECUTE format('DROP TABLE sallyport.%I', part.name);
		RETURN gone;
	END IF;
	PERFORM set_config('sallyport.retention', 'on', true);
	DELETE FROM sallyport.session_default WHERE (started_at, id) IN (
		SELECT started_at, id FROM sallyport.session_default
		WHERE started_at < before
		ORDER BY started_at, id LIMIT 5000);
	GET DIAGNOSTICS gone = ROW_COUNT;
	PERFORM set_config('sallyport.retention', 'off', true);
	RETURN NULLIF(gone, 0);
END $$;

-- Gives the roles sallyport_writer and sallyport_reader what they need, where
-- they exist. Runs at the end of every migration, so that roles made later
-- get their rights by the next one.
CREATE FUNCTION sallyport.grant_roles() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	role	text;
BEGIN
	REVOKE ALL ON ALL FUNCTIONS IN SCHEMA sallyport FROM PUBLIC;
	FOR role IN SELECT rolname FROM pg_roles
		WHERE rolname IN ('sallyport_writer', 'sallyport_reader') LOOP
		EXECUTE format('GRANT USAGE ON SCHEMA sallyport TO %I', role);
		EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA sallyport '
			'TO %I', role);
		EXECUTE format('GRANT EXECUTE ON FUNCTION '
			'sallyport.uuid7_time, sallyport.day_start TO %I', role);
		CONTINUE WHEN role <> 'sallyport_writer';
		GRANT INSERT ON sallyport.session TO sallyport_writer;
		GRANT INSERT, UPDATE, DELETE ON sallyport.session_active,
			sallyport.rollup_hour, sallyport.audit_stream,
			sallyport.audit_gap, sallyport.audit_quarantine
			TO sallyport_writer;
		GRANT EXECUTE ON FUNCTION sallyport.session_partitions_make,
			sallyport.session_partition_drop TO sallyport_writer;
	END LOOP;
END $$;
