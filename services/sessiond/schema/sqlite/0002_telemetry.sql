-- SPDX-License-Identifier: MIT
-- works-with: 1
--
-- What daemons noticed, for people to look at: EVENT records (audit.md section
-- 4). Bounded in number and age by [sessiond.telemetry]; read backwards the
-- key gives the newest first.
CREATE TABLE telemetry_event (
	at		INTEGER NOT NULL,	-- the id's millisecond
	id		BLOB NOT NULL,
	severity	INTEGER NOT NULL,	-- 1 info, 2 warning, 3 error
	category	TEXT NOT NULL,
	event		TEXT NOT NULL,
	message		TEXT,
	component	TEXT NOT NULL,
	instance	TEXT NOT NULL,
	details		TEXT,			-- JSON as it came, unchecked
	suppressed	INTEGER NOT NULL,	-- alike ones that were not told
	PRIMARY KEY (at, id)
) STRICT, WITHOUT ROWID;
