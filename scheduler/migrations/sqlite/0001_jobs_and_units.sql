-- Moments are milliseconds since the Unix epoch, by the store's clock. The two schemas agree column by column.
CREATE TABLE jobs (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    name            TEXT NOT NULL UNIQUE,
    state           TEXT NOT NULL,
    paused          BOOLEAN NOT NULL,
    deleted         BOOLEAN NOT NULL,
    pack            TEXT NOT NULL,
    pack_version    TEXT NOT NULL,
    manifest        BLOB NOT NULL,
    as_of           TEXT NOT NULL,
    unit_records    INTEGER NOT NULL,
    unit_bytes      INTEGER NOT NULL,
    attempts        INTEGER NOT NULL,
    next_seq        INTEGER NOT NULL,
    columns         TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    units_done_at   INTEGER,
    ended_at        INTEGER,
    blocks_gone     BOOLEAN NOT NULL
);

-- One source of records. A row of it is a record, was there already, or is a reject.
CREATE TABLE imports (
    job_id          INTEGER NOT NULL,
    import_id       TEXT NOT NULL,
    next_offset     INTEGER NOT NULL,
    accepted        INTEGER NOT NULL,
    already_there   INTEGER NOT NULL,
    rejected        INTEGER NOT NULL,
    finished        BOOLEAN NOT NULL,
    PRIMARY KEY (job_id, import_id)
);

CREATE TABLE rejects (
    job_id          INTEGER NOT NULL,
    import_id       TEXT NOT NULL,
    number          INTEGER NOT NULL,
    file_row        INTEGER NOT NULL,
    code            TEXT NOT NULL,
    PRIMARY KEY (job_id, import_id, number)
);

-- Keys that came in ascending order, a row for a whole run of them. No two runs overlap, and no row of `keys`
-- lies within one.
CREATE TABLE key_runs (
    job_id          INTEGER NOT NULL,
    key_max         BLOB NOT NULL,
    key_min         BLOB NOT NULL,
    first_seq       INTEGER NOT NULL,
    last_seq        INTEGER NOT NULL,
    PRIMARY KEY (job_id, key_max)
) WITHOUT ROWID;

-- All other keys.
CREATE TABLE keys (
    job_id          INTEGER NOT NULL,
    code            BLOB NOT NULL,
    seq             INTEGER NOT NULL,
    PRIMARY KEY (job_id, code)
) WITHOUT ROWID;

CREATE TABLE units (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id          INTEGER NOT NULL,
    first_seq       INTEGER NOT NULL,
    last_seq        INTEGER NOT NULL,
    plain_bytes     INTEGER NOT NULL,
    state           TEXT NOT NULL,
    epoch           INTEGER NOT NULL,
    attempts_left   INTEGER NOT NULL,
    token_hash      BLOB,
    lease_request   TEXT,
    holder          TEXT,
    expires_at      INTEGER,
    progress        INTEGER,
    idle_beats      INTEGER NOT NULL,
    commit_id       TEXT,
    digest          BLOB,
    done_at         INTEGER,
    valid           INTEGER NOT NULL,
    corrected       INTEGER NOT NULL,
    routed          INTEGER NOT NULL,
    failed          INTEGER NOT NULL,
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
    unit_id         INTEGER NOT NULL,
    revision        INTEGER NOT NULL,
    count           INTEGER NOT NULL,
    plain_bytes     INTEGER NOT NULL,
    checksum        INTEGER NOT NULL,
    data            BLOB NOT NULL,
    PRIMARY KEY (unit_id, revision)
);
