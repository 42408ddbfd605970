-- From when on a review may be taken: an open one's place in the queue. Those that nobody has had yet (zero) lie apart from
-- those that come back, so that a claim walks past nothing: neither what others hold nor what is due later.
DROP INDEX reviews_open;
DROP INDEX reviews_for_leads;
CREATE INDEX reviews_free ON reviews (job_id, lane, MAX(due_at, COALESCE(expires_at, 0)), seq) WHERE state = 'open';
-- Reviews that a decision decides; of an undo, less than zero. What somebody has done in a day is their sum.
ALTER TABLE decisions ADD COLUMN size BIGINT NOT NULL DEFAULT 0;
UPDATE decisions SET size = (SELECT COUNT(*) FROM decision_members m WHERE m.decision_id = decisions.id);
UPDATE decisions SET size = -(SELECT d.size FROM decisions d WHERE d.id = decisions.undoes) WHERE undoes IS NOT NULL;
CREATE INDEX decisions_by_day ON decisions (reviewer, at, job_id, size);
