-- What becomes of each record of a grouped job is written down (as `places` of the job's negative id) before its units are made.
-- From then on units are leased while the others are being made, and whoever begins again goes on behind the last of them.
ALTER TABLE groupings ADD COLUMN planned BOOLEAN NOT NULL DEFAULT FALSE;
