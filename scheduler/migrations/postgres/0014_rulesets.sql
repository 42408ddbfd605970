-- What a job runs, and what stops it. `ruleset` goes up whenever what it runs changes: a unit has that of its newest lease.
ALTER TABLE jobs ADD COLUMN ruleset BIGINT NOT NULL DEFAULT 1;
-- Rules that do not run (JSON list).
ALTER TABLE jobs ADD COLUMN rules_off TEXT NOT NULL DEFAULT '[]';
-- Units done with an earlier ruleset are still to be looked through.
ALTER TABLE jobs ADD COLUMN revising BOOLEAN NOT NULL DEFAULT FALSE;
-- The share of units that do not wait for an approval, in millionths (0: none waits), whether it was given, and since when it
-- is waited for.
ALTER TABLE jobs ADD COLUMN canary_ppm BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN approved BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE jobs ADD COLUMN awaits_since BIGINT;
-- Results are counted and not kept, but for a few examples.
ALTER TABLE jobs ADD COLUMN dry_run BOOLEAN NOT NULL DEFAULT FALSE;
-- What must not be exceeded, and what was (JSON lists).
ALTER TABLE jobs ADD COLUMN thresholds TEXT NOT NULL DEFAULT '[]';
ALTER TABLE jobs ADD COLUMN trips TEXT NOT NULL DEFAULT '[]';
ALTER TABLE units ADD COLUMN ruleset BIGINT NOT NULL DEFAULT 1;
-- The block of its results in force. 0: it has none or, done by a scheduler of an earlier version, the first.
ALTER TABLE units ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;

-- Changes of what a job runs.
CREATE TABLE revisions (
    job_id          BIGINT NOT NULL,
    -- The job's from then on.
    ruleset         BIGINT NOT NULL,
    -- Empty: all that the replaced version did.
    rule            TEXT NOT NULL,
    undo            BOOLEAN NOT NULL,
    -- name@version, or empty.
    replacement     TEXT NOT NULL,
    at              BIGINT NOT NULL,
    PRIMARY KEY (job_id, ruleset)
);

-- Units that were run again for them.
CREATE TABLE revised_units (
    job_id          BIGINT NOT NULL,
    ruleset         BIGINT NOT NULL,
    unit_id         BIGINT NOT NULL,
    -- Records with another result now, and those that kept theirs for people's sake (JSON list of places).
    replaced        BIGINT NOT NULL,
    kept            TEXT NOT NULL,
    -- It kept all: its workers failed on it.
    abandoned       BOOLEAN NOT NULL,
    PRIMARY KEY (job_id, ruleset, unit_id)
);

-- Versions that no job is to run, as name@version.
CREATE TABLE withdrawn (
    version         TEXT PRIMARY KEY,
    at              BIGINT NOT NULL
);
