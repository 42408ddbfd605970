-- Jobs whose records are put together by some of their fields (JSON list; empty: they are not).
ALTER TABLE jobs ADD COLUMN group_by TEXT NOT NULL DEFAULT '[]';

-- How far a grouped job is with that. Its units, and its places, are made under the job's negative id, which is no job's, and
-- change to the job in one step. `epoch` fences whoever does it: each who begins raises it.
CREATE TABLE groupings (
    job_id          BIGINT PRIMARY KEY,
    -- open; placed: the units are there, what they were made of is being deleted; done.
    state           TEXT NOT NULL,
    epoch           BIGINT NOT NULL,
    -- Until when somebody is at it.
    until           BIGINT,
    records_read    BIGINT NOT NULL,
    records_placed  BIGINT NOT NULL,
    groups          BIGINT NOT NULL,
    records_grouped BIGINT NOT NULL,
    records_apart   BIGINT NOT NULL,
    -- A unit that cannot be read: nobody goes on.
    damaged_unit    BIGINT
);

-- Where records of a grouped job went: `keys` and `key_runs` say in which place one was imported, here stands for each of
-- these places, in order, the record's place now and a mark of its key.
CREATE TABLE places (
    job_id          BIGINT NOT NULL,
    first_place     BIGINT NOT NULL,
    data            BYTEA NOT NULL,
    PRIMARY KEY (job_id, first_place)
);
ALTER TABLE places ALTER COLUMN data SET STORAGE EXTERNAL;
