-- SPDX-License-Identifier: MIT
--
-- The first schema. Written by sessiond alone, read by apid.
--
-- Times are microseconds since 1970, UTC; durations microseconds. Addresses
-- are 16 bytes, IPv4 as ::ffff:a.b.c.d, so that a network is a BETWEEN.
-- Enumerations are the numbers of common/audit/record.h, a close reason is its
-- name. `groups` is a JSON array of strings, `resolved_ips` 16 bytes an
-- address. What is not known is NULL.

-- How far each stream got: the only truth, moved by the same transaction that
-- stores the rows (audit.md section 7).
CREATE TABLE audit_stream (
	stream_id	BLOB NOT NULL PRIMARY KEY,
	proxy		TEXT NOT NULL,
	next_seq	INTEGER NOT NULL,
	state		INTEGER NOT NULL,	-- 1 live, 2 ended, 3 lost
	opened_at	INTEGER NOT NULL,
	last_contact	INTEGER NOT NULL,
	end_reason	TEXT
) STRICT, WITHOUT ROWID;

-- Sessions that run. An id is a UUIDv7 whose millisecond is started_at, so
-- the order of id is the order of (started_at, id). The table is small: what
-- looks for a stream or a user walks it.
CREATE TABLE session_active (
	id		BLOB NOT NULL PRIMARY KEY,
	started_at	INTEGER NOT NULL,
	duration_us	INTEGER NOT NULL,	-- at the last news
	stream_id	BLOB NOT NULL,
	last_seq	INTEGER NOT NULL,
	proxy		TEXT NOT NULL,
	listener	TEXT,
	username	TEXT,
	groups		TEXT,
	claimed_user	TEXT,			-- of SOCKS4: no identity
	source_ip	BLOB,
	source_port	INTEGER,
	dest_host	TEXT,
	dest_ip		BLOB,
	dest_port	INTEGER,
	resolved_ips	BLOB,
	destinations	INTEGER NOT NULL,	-- contacted
	command		INTEGER NOT NULL,
	carrier		INTEGER NOT NULL,
	protocol	INTEGER NOT NULL,
	acl_decision	INTEGER NOT NULL,
	acl_rule_matched TEXT,
	policy_generation INTEGER,
	route		TEXT,
	limits_class	TEXT,
	auth_method	INTEGER NOT NULL,
	bytes_up	INTEGER NOT NULL,
	bytes_down	INTEGER NOT NULL,
	packets_up	INTEGER NOT NULL,
	packets_down	INTEGER NOT NULL,
	incomplete	INTEGER NOT NULL	-- 1: its OPEN was lost
) STRICT, WITHOUT ROWID;

-- Sessions that ended: closed, failed, rejected. Only ever added to.
CREATE TABLE session (
	started_at	INTEGER NOT NULL,
	id		BLOB NOT NULL,
	ended_at	INTEGER NOT NULL,	-- started_at + duration_us
	received_at	INTEGER NOT NULL,
	duration_us	INTEGER NOT NULL,
	stream_id	BLOB NOT NULL,
	close_seq	INTEGER NOT NULL,
	proxy		TEXT NOT NULL,
	listener	TEXT,
	username	TEXT,
	groups		TEXT,
	claimed_user	TEXT,			-- of SOCKS4: no identity
	source_ip	BLOB,
	source_port	INTEGER,
	dest_host	TEXT,			-- NULL: asked by address
	dest_ip		BLOB,
	dest_port	INTEGER,		-- NULL: no request was read
	resolved_ips	BLOB,
	destinations	INTEGER NOT NULL,	-- contacted
	command		INTEGER NOT NULL,
	carrier		INTEGER NOT NULL,
	protocol	INTEGER NOT NULL,
	acl_decision	INTEGER NOT NULL,
	acl_rule_matched TEXT,			-- NULL: the default, or none
	policy_generation INTEGER,
	route		TEXT,
	limits_class	TEXT,
	auth_method	INTEGER NOT NULL,
	bytes_up	INTEGER NOT NULL,
	bytes_down	INTEGER NOT NULL,
	packets_up	INTEGER NOT NULL,
	packets_down	INTEGER NOT NULL,
	status		INTEGER NOT NULL,
	close_reason	TEXT NOT NULL,
	close_detail	TEXT,
	reply_code	INTEGER,		-- NULL: none was sent
	setup_us	INTEGER,		-- NULL: never answered
	attempts	INTEGER NOT NULL,
	incomplete	INTEGER NOT NULL,
	counters_lower_bound INTEGER NOT NULL,
	PRIMARY KEY (started_at, id)
) STRICT, WITHOUT ROWID;

-- One per indexed filter (design.md ruling 6); read backwards they give the
-- newest first without a sort.
CREATE INDEX session_username ON session (username, started_at, id);
CREATE INDEX session_source_ip ON session (source_ip, started_at, id);
CREATE INDEX session_dest_ip ON session (dest_ip, started_at, id)
	WHERE dest_ip IS NOT NULL;
CREATE INDEX session_dest_host ON session (dest_host, started_at, id)
	WHERE dest_host IS NOT NULL;
CREATE INDEX session_status ON session (status, started_at, id);

CREATE TRIGGER session_is_final BEFORE UPDATE ON session
BEGIN
	SELECT RAISE(ABORT, 'a session that ended never changes');
END;

-- Sums over `session` by hour of started_at, always equal to a GROUP BY.
-- dimension: 0 all (key ''), 1 user, 2 destination (dest_host, else dest_ip as
-- text), 3 rule, 4 close_reason, 5 duration (the upper edge of its bucket in
-- seconds; not of rejected sessions); a session without the key is left out of
-- that dimension.
-- sessions counts attempts; so do the columns by status and decision.
CREATE TABLE rollup_hour (
	dimension	INTEGER NOT NULL,
	hour		INTEGER NOT NULL,	-- its first microsecond
	key		TEXT NOT NULL,
	sessions	INTEGER NOT NULL,
	closed		INTEGER NOT NULL,
	failed		INTEGER NOT NULL,
	rejected	INTEGER NOT NULL,
	allowed		INTEGER NOT NULL,
	blocked		INTEGER NOT NULL,
	redirected	INTEGER NOT NULL,
	bytes_up	INTEGER NOT NULL,
	bytes_down	INTEGER NOT NULL,
	duration_us	INTEGER NOT NULL,
	PRIMARY KEY (dimension, hour, key)
) STRICT, WITHOUT ROWID;

-- Records known to be missing.
CREATE TABLE audit_gap (
	stream_id	BLOB NOT NULL,
	first_seq	INTEGER NOT NULL,
	last_seq	INTEGER NOT NULL,
	proxy		TEXT NOT NULL,
	reason		TEXT NOT NULL,
	noticed_at	INTEGER NOT NULL,
	PRIMARY KEY (stream_id, first_seq)
) STRICT, WITHOUT ROWID;

-- Records that could not be applied, as they came.
CREATE TABLE audit_quarantine (
	stream_id	BLOB NOT NULL,
	seq		INTEGER NOT NULL,
	proxy		TEXT NOT NULL,
	reason		TEXT NOT NULL,		-- malformed, unknown, conflict, refused
	received_at	INTEGER NOT NULL,
	body		BLOB NOT NULL,
	PRIMARY KEY (stream_id, seq)
) STRICT, WITHOUT ROWID;
