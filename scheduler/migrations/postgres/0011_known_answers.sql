-- What is right for records that wait for people: their decision's changes, as JSON. Reviewers are rated by them.
CREATE TABLE known_answers (
    job_id          BIGINT NOT NULL,
    seq             BIGINT NOT NULL,
    changes         TEXT NOT NULL,
    PRIMARY KEY (job_id, seq)
);

-- Reviewers who were wrong too often. Answers up to `after_decision` are rated no more.
CREATE TABLE reviewer_pauses (
    reviewer        TEXT PRIMARY KEY,
    paused          BOOLEAN NOT NULL,
    at              BIGINT NOT NULL,
    after_decision  BIGINT NOT NULL
);
