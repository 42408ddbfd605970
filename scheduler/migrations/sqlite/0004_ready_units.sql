-- What may be leased, in its order; see the same for PostgreSQL.
CREATE INDEX units_ready ON units (job_id, first_seq) WHERE state = 'ready' AND attempts_left > 0;
