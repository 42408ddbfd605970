-- What may be leased, in its order. Without it a planner that knows its statistics walks the whole job in order, past
-- every unit that is done: with 20,000 of 68,000 units done, 8 ms for each lease instead of 0.1.
CREATE INDEX units_ready ON units (job_id, first_seq) WHERE state = 'ready' AND attempts_left > 0;
