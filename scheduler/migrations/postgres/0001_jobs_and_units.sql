-- Moments are milliseconds since the Unix epoch, by the store's clock. The two schemas agree column by column.
CREATE TABLE jobs (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    state           TEXT NOT NULL,
    paused          BOOLEAN NOT NULL,
    deleted         BOOLEAN NOT NULL,
    pack            TEXT NOT NULL,
    pack_version    TEXT NOT NULL,
    manifest        BYTEA NOT NULL,
    as_of           TEXT NOT NULL,
    unit_records    BIGINT NOT NULL,
    unit_bytes      BIGINT NOT NULL,
    attempts        BIGINT NOT NULL,
    next_seq        BIGINT NOT NULL,
    columns         TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    units_done_at   BIGINT,
    ended_at        BIGINT,
    blocks_gone     BOOLEAN NOT NULL
);

-- One source of records. A row of it is a record, was there already, or is a reject.
CREATE TABLE imports (
    job_id          BIGINT NOT NULL,
    import_id       TEXT NOT NULL,
    next_offset     BIGINT NOT NULL,
    accepted        BIGINT NOT NULL,
    already_there   BIGINT NOT NULL,
    rejected        BIGINT NOT NULL,
    finished        BOOLEAN NOT NULL,
    PRIMARY KEY (job_id, import_id)
);

CREATE TABLE rejects (
    job_id          BIGINT NOT NULL,
    import_id       TEXT NOT NULL,
    number          BIGINT NOT NULL,
    file_row        BIGINT NOT NULL,
    code            TEXT NOT NULL,
    PRIMARY KEY (job_id, import_id, number)
);

-- Keys that came in ascending order, a row for a whole run of them. No two runs overlap, and no row of `keys`
-- lies within one.
CREATE TABLE key_runs (
    job_id          BIGINT NOT NULL,
    key_max         UUID NOT NULL,
    key_min         UUID NOT NULL,
    first_seq       BIGINT NOT NULL,
    last_seq        BIGINT NOT NULL,
    PRIMARY KEY (job_id, key_max)
);

-- All other keys.
CREATE TABLE keys (
    job_id          BIGINT NOT NULL,
    code            UUID NOT NULL,
    seq             BIGINT NOT NULL,
    PRIMARY KEY (job_id, code)
);

CREATE TABLE units (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id          BIGINT NOT NULL,
    first_seq       BIGINT NOT NULL,
    last_seq        BIGINT NOT NULL,
    plain_bytes     BIGINT NOT NULL,
    state           TEXT NOT NULL,
    epoch           BIGINT NOT NULL,
    attempts_left   BIGINT NOT NULL,
    token_hash      BYTEA,
    lease_request   TEXT,
    holder          TEXT,
    expires_at      BIGINT,
    progress        BIGINT,
    idle_beats      BIGINT NOT NULL,
    commit_id       TEXT,
    digest          BYTEA,
    done_at         BIGINT,
    valid           BIGINT NOT NULL,
    corrected       BIGINT NOT NULL,
    routed          BIGINT NOT NULL,
    failed          BIGINT NOT NULL,
    tallies         TEXT
);
-- Picking ready units, and asking whether any is left.
CREATE INDEX units_by_state ON units (job_id, state, first_seq);
-- Exports, and finding a record. A split unit's place is its halves'.
CREATE UNIQUE INDEX units_by_seq ON units (job_id, first_seq) WHERE state <> 'split';
CREATE INDEX units_by_expiry ON units (expires_at) WHERE state = 'leased';
CREATE INDEX units_exhausted ON units (id) WHERE state = 'ready' AND attempts_left <= 0;
CREATE INDEX units_by_holder ON units (holder) WHERE state = 'leased';

-- Revision 0 is the unit's records, the others are its results; the highest is in force.
CREATE TABLE blocks (
    unit_id         BIGINT NOT NULL,
    revision        BIGINT NOT NULL,
    count           BIGINT NOT NULL,
    plain_bytes     BIGINT NOT NULL,
    checksum        BIGINT NOT NULL,
    data            BYTEA NOT NULL,
    PRIMARY KEY (unit_id, revision)
);
-- They are compressed already.
ALTER TABLE blocks ALTER COLUMN data SET STORAGE EXTERNAL;
