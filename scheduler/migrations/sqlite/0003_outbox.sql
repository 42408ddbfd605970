-- What is still to be said to the broker: a row for each unit with routed or failed records, and for each state that a
-- job enters. Written with the effect, deleted once the broker has confirmed. Empty without a broker.
CREATE TABLE outbox (
    job_id          INTEGER NOT NULL,
    -- 0: of the job itself.
    unit_id         INTEGER NOT NULL,
    -- `results`, or the state that the job entered; `again`: all of it once more.
    what            TEXT NOT NULL,
    at              INTEGER NOT NULL,
    -- No relay takes it before. Taking it moves this ahead.
    due_at          INTEGER NOT NULL,
    PRIMARY KEY (job_id, unit_id, what)
);
