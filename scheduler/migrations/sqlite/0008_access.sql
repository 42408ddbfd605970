-- People who sign in at the desk.
CREATE TABLE accounts (
    name            TEXT PRIMARY KEY,
    -- Argon2id, with its parameters and salt.
    password        TEXT NOT NULL,
    -- Words, a comma between.
    roles           TEXT NOT NULL,
    -- Findings (`field.reason`) or fields, as a JSON list; empty: all.
    skills          TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    -- NULL while the account may sign in.
    disabled_at     INTEGER
) WITHOUT ROWID;

-- Sessions of browsers. Who reads this table can sign in as nobody: only a hash of a session's id is here.
CREATE TABLE sessions (
    id_hash         BLOB PRIMARY KEY,
    account         TEXT NOT NULL,
    -- Forms and calls of the session carry it.
    csrf            TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    seen_at         INTEGER NOT NULL,
    -- A session that was signed out stays for a while: what is sent with it again is told apart.
    signed_out_at   INTEGER
) WITHOUT ROWID;
CREATE INDEX sessions_by_account ON sessions (account);

-- Attempts to sign in that did not succeed, by account and by address: `account NAME`, `address IP`.
CREATE TABLE login_failures (
    who             TEXT PRIMARY KEY,
    failures        INTEGER NOT NULL,
    last_at         INTEGER NOT NULL,
    locked_until    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX login_failures_by_age ON login_failures (last_at);

-- What happened, written in the transaction in which it did. Not chained yet.
CREATE TABLE audit_pending (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    at              INTEGER NOT NULL,
    who             TEXT NOT NULL,
    what            TEXT NOT NULL,
    job_id          INTEGER,
    seq             INTEGER,
    -- JSON: ids, names of fields, codes, reasons. Never a record's value.
    detail          TEXT NOT NULL
);

-- The log: each entry's MAC (hexadecimal) covers it and the MAC before. Only ever added to.
CREATE TABLE audit (
    number          INTEGER PRIMARY KEY,
    at              INTEGER NOT NULL,
    who             TEXT NOT NULL,
    what            TEXT NOT NULL,
    job_id          INTEGER,
    seq             INTEGER,
    detail          TEXT NOT NULL,
    mac             TEXT NOT NULL
);

-- The newest entry. Its row is locked while entries are added, so that schedulers take turns.
CREATE TABLE audit_head (
    one             INTEGER PRIMARY KEY CHECK (one = 1),
    number          INTEGER NOT NULL,
    mac             TEXT NOT NULL
);
INSERT INTO audit_head (one, number, mac) VALUES
    (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
