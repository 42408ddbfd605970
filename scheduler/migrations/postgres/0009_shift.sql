-- Who decided on a job lately: what an operator's page asks every second. Rows come in the order of the index.
CREATE INDEX decisions_by_job ON decisions (job_id, at);
