-- What becomes of each record of a grouped job is written down before its units are made: places and roles, in numbered rows. From
-- then on (`planned`) units are made under the job itself and leased while others are being made, and whoever begins again goes on
-- behind the last of them by the same plan. Nothing is made under the job's negative id any more.
ALTER TABLE groupings ADD COLUMN planned BOOLEAN NOT NULL DEFAULT FALSE;

CREATE TABLE plans (
    job_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    data   BYTEA NOT NULL,
    PRIMARY KEY (job_id, number)
);
