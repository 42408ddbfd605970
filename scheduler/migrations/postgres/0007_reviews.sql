-- How people decide on the job's records: how long a decision may be undone, and what two must agree on (JSON list of
-- findings and fields).
ALTER TABLE jobs ADD COLUMN undo_millis BIGINT NOT NULL DEFAULT 300000;
ALTER TABLE jobs ADD COLUMN agree TEXT NOT NULL DEFAULT '[]';
-- The share of corrected records that people look into unseen, in millionths; the share of wrong changes that a rule may
-- make, likewise; and the rules that made more (JSON list).
ALTER TABLE jobs ADD COLUMN sample_ppm BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN error_limit_ppm BIGINT NOT NULL DEFAULT 20000;
ALTER TABLE jobs ADD COLUMN paused_rules TEXT NOT NULL DEFAULT '[]';
-- Whether the unit's records that need a person are reviews. A unit done by a scheduler of an earlier version has none
-- yet: a loop makes them.
ALTER TABLE units ADD COLUMN reviewed BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX units_not_reviewed ON units (job_id, id) WHERE state = 'done' AND NOT reviewed AND routed + failed > 0;

-- A record that needs a person, and the right to answer it.
CREATE TABLE reviews (
    job_id          BIGINT NOT NULL,
    seq             BIGINT NOT NULL,
    -- The codes of its findings, sorted, a comma between; `record.failed`.
    kind            TEXT NOT NULL,
    -- The same for those that one look can settle together.
    alike           BIGINT,
    -- Of a corrected record that is looked into: fields and the rules that changed them, as a JSON list.
    sampled         TEXT,
    -- `open` until it needs no more answers, then `decided`.
    state           TEXT NOT NULL,
    -- Who it waits for: `reviewer` or `lead`.
    lane            TEXT NOT NULL,
    -- The answer that it waits for, from 1.
    round           BIGINT NOT NULL,
    -- Open: nobody may take it before. Decided: final from then on.
    due_at          BIGINT NOT NULL,
    -- Who has it, or had it last: a lease that ran out stands until another is granted.
    holder          TEXT,
    expires_at      BIGINT,
    -- Its holder has seen it.
    opened          BOOLEAN NOT NULL,
    -- Decided: that the record is not to be used.
    rejected        BOOLEAN NOT NULL DEFAULT FALSE,
    -- The decision that exports apply.
    decision_id     BIGINT,
    PRIMARY KEY (job_id, seq)
);
CREATE INDEX reviews_open ON reviews (job_id, seq) WHERE state = 'open';
CREATE INDEX reviews_for_leads ON reviews (job_id, seq) WHERE state = 'open' AND lane = 'lead';
CREATE INDEX reviews_by_holder ON reviews (holder) WHERE state = 'open' AND holder IS NOT NULL;
CREATE INDEX reviews_sampled ON reviews (job_id) WHERE sampled IS NOT NULL;
CREATE INDEX reviews_not_final ON reviews (job_id, due_at) WHERE state = 'decided';

-- What a reviewer has, or had, to do with a review.
CREATE TABLE review_hands (
    job_id          BIGINT NOT NULL,
    seq             BIGINT NOT NULL,
    reviewer        TEXT NOT NULL,
    -- Of the last lease to this reviewer.
    token_hash      BYTEA,
    -- Skipped or answered: it is not to come to this reviewer again.
    passed          BOOLEAN NOT NULL,
    -- What was written and not sent, or sent in vain: values of a record.
    draft           BYTEA,
    PRIMARY KEY (job_id, seq, reviewer)
);
CREATE INDEX review_hands_passed ON review_hands (reviewer, job_id) WHERE passed;

-- What reviewers said. Only ever added to.
CREATE TABLE decisions (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reviewer        TEXT NOT NULL,
    request_id      TEXT NOT NULL,
    job_id          BIGINT NOT NULL,
    -- `values`, `rejected`, `cannot_decide`; `undo`.
    kind            TEXT NOT NULL,
    -- What an undo takes back.
    undoes          BIGINT UNIQUE,
    reason          TEXT NOT NULL,
    pack_version    TEXT NOT NULL,
    at              BIGINT NOT NULL,
    undo_until      BIGINT NOT NULL,
    UNIQUE (reviewer, request_id)
);
CREATE INDEX decisions_by_reviewer ON decisions (reviewer, id);

-- The reviews of a decision: one, or a cluster's.
CREATE TABLE decision_members (
    job_id          BIGINT NOT NULL,
    seq             BIGINT NOT NULL,
    decision_id     BIGINT NOT NULL,
    round           BIGINT NOT NULL,
    -- Who the review waited for, should the decision be undone.
    lane            TEXT NOT NULL,
    -- Field, value before and value after of what it changes: a JSON list. The same for two people who agree.
    changes         TEXT NOT NULL,
    PRIMARY KEY (job_id, seq, decision_id)
);
CREATE INDEX decision_members_of ON decision_members (decision_id);
