-- SPDX-License-Identifier: MIT
-- works-with: 1
--
-- What daemons noticed, for people to look at: EVENT records (audit.md section
-- 4). Bounded in number and age by [sessiond.telemetry]; read backwards the
-- key gives the newest first.
CREATE TABLE sallyport.telemetry_event (
	at		timestamptz NOT NULL,	-- the id's millisecond
	suppressed	bigint NOT NULL,	-- alike ones that were not told
	severity	smallint NOT NULL,	-- 1 info, 2 warning, 3 error
	id		uuid NOT NULL,
	category	text NOT NULL,
	event		text NOT NULL,
	message		text,
	component	text NOT NULL,
	instance	text NOT NULL,
	details		text,			-- JSON as it came, unchecked
	PRIMARY KEY (at, id)
) WITH (autovacuum_vacuum_scale_factor = 0.05);

-- As before, and what the new table needs. Gives the roles sallyport_writer and
-- sallyport_reader what they need, where they exist. Runs at the end of every migration, so that roles made later
-- get their rights by the next one.
CREATE OR REPLACE FUNCTION sallyport.grant_roles() RETURNS void
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
		GRANT INSERT, DELETE ON sallyport.telemetry_event
			TO sallyport_writer;
		GRANT EXECUTE ON FUNCTION sallyport.session_partitions_make,
			sallyport.session_partition_drop TO sallyport_writer;
	END LOOP;
END $$;
